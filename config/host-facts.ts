/** What `config init` found on a host. Names come from the host and are not to be trusted. */
export interface HostFacts {
  readonly hostName: string;
  readonly platform: Platform | undefined;
  readonly bridges: readonly FoundBridge[];
  readonly addresses: readonly FoundAddress[];
  /** The IPv4 default gateway, and the interface towards it. */
  readonly gateway: { readonly address: string; readonly interface: string } | undefined;
  /** BGP daemons that run, `bird` or `bgpd`. */
  readonly speakers: readonly string[];
  readonly guests: readonly FoundGuest[];
  /** Ports of Open vSwitch, which landfall can't watch. */
  readonly openVswitchPorts: readonly string[];
}

export type Platform = 'kubevirt' | 'libvirt' | 'proxmox';

export interface FoundBridge {
  readonly name: string;
  readonly vlanFiltering: boolean;
  readonly ports: readonly FoundPort[];
}

export interface FoundPort {
  readonly name: string;
  /** `guest`: a tap or veth. `fabric`: a network card, bond, VLAN device or tunnel. */
  readonly kind: 'guest' | 'fabric' | 'other';
}

export interface FoundAddress {
  readonly interface: string;
  readonly address: string;
  /** `203.0.113.17/24` */
  readonly cidr: string;
}

export interface FoundGuest {
  readonly name: string;
  readonly mac: string;
  readonly bridge: string;
}

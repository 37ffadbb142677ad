import type { Mac } from '../net/mac.ts';

/** One network interface as the kernel describes it (RTM_NEWLINK). */
export interface Link {
  readonly ifindex: number;
  readonly name: string;
  readonly mac?: Mac;
  /** The ifindex of the bridge (IFLA_MASTER) that it is a port of. */
  readonly master?: number;
  /** IFLA_IFALIAS: written by the administrator or libvirt, may hold anything. */
  readonly alias?: string;
  /** IFLA_LINKINFO kind: bridge, tun, veth, bond, vxlan, openvswitch, … */
  readonly kind?: string;
  readonly up: boolean;
  /** IFF_LOWER_UP: the carrier. */
  readonly carrier: boolean;
}

/** One entry of a bridge's forwarding database (RTM_NEWNEIGH, AF_BRIDGE). */
export interface FdbEntry {
  readonly ifindex: number;
  readonly mac: Mac;
  /** 0 where the bridge is not VLAN-aware. */
  readonly vlan: number;
  /** NUD_PERMANENT: the port's own address, not learnt from a frame. */
  readonly permanent: boolean;
}

/** What the kernel told about interfaces and forwarding databases. */
export type BridgeChange =
  | { readonly type: 'link'; readonly link: Link }
  | { readonly type: 'linkGone'; readonly ifindex: number }
  | { readonly type: 'fdb'; readonly entry: FdbEntry }
  | { readonly type: 'fdbGone'; readonly entry: FdbEntry }
  /** An address of this node itself came or went (RTM_NEWADDR): no VM may claim it. */
  | { readonly type: 'ownAddress'; readonly ifindex: number; readonly address: import('../net/ip.ts').IpAddress; readonly present: boolean }
  /** The whole truth, at start and after an overrun (ENOBUFS): what is not in it is gone. */
  | {
      readonly type: 'resync';
      readonly links: readonly Link[];
      readonly fdb: readonly FdbEntry[];
      readonly ownAddresses: readonly { readonly ifindex: number; readonly address: import('../net/ip.ts').IpAddress }[];
    };

/** Which ports of one bridge are which: shell-style patterns (`vnet*`). */
export interface WatchedBridge {
  readonly bridge: string;
  readonly local: readonly string[];
  readonly uplink: readonly string[];
}

/** `local`: the VM runs on this node. `uplink`: it runs elsewhere. `unlisted`: on a watched bridge, matched by neither list. */
export type PortRole = 'local' | 'uplink' | 'unlisted';

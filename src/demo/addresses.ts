import type { IpAddress, Prefix } from '../../net/ip.ts';
import { ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';

/**
 * Who has which address in the demo. All of them are documentation addresses (RFC 5737, RFC 3849) except the pool for crowds of
 * VMs, which is the benchmarking block (RFC 2544).
 */

export type NodeName = 'a' | 'b';
export const nodeNames: readonly NodeName[] = ['a', 'b'];

/** A VM: what the administrator writes into `identity.bindings`. */
export interface Vm {
  /** `demo/vm-1`. */
  readonly name: string;
  /** Counts from 1. */
  readonly index: number;
  readonly mac: Mac;
  readonly ipv4: IpAddress;
  readonly ipv6: IpAddress;
}

/** Both ends of the routed link between a ToR and a node. */
export interface Link {
  readonly tor: { readonly ipv4: IpAddress; readonly ipv6: IpAddress };
  readonly node: { readonly ipv4: IpAddress; readonly ipv6: IpAddress };
}

/** The VLAN of the VMs and its gateway. */
export const vlan = {
  ipv4: '203.0.113.0/24' as Prefix,
  ipv6: '2001:db8:100::/64' as Prefix,
  gateway: { ipv4: ip('203.0.113.1'), ipv6: ip('2001:db8:100::1'), mac: '02:00:5e:00:01:01' as Mac },
} as const;

/** A crowd of VMs that only announce themselves lives here: {@link crowdVm}. */
export const crowd = { ipv4: '198.18.0.0/16' as Prefix, ipv6: '2001:db8:200::/64' as Prefix } as const;

/** The client's network behind the first ToR. */
export const client = {
  tor: { ipv4: ip('198.51.100.1'), ipv6: ip('2001:db8:c::1') },
  host: { ipv4: ip('198.51.100.2'), ipv6: ip('2001:db8:c::2') },
} as const;

/** AS numbers: the nodes', and the ToR's own where the sessions are eBGP. */
export const asn = { nodes: 65010, tor: 65001 } as const;

/** VM number `index` (1…200): 203.0.113.11 and 2001:db8:100::11 for the first. */
export function demoVm(index: number): Vm {
  const last = 10 + index;
  return {
    name: `demo/vm-${index}`,
    index,
    mac: `52:54:00:aa:00:${hex(index)}` as Mac,
    ipv4: ip(`203.0.113.${last}`),
    ipv6: ip(`2001:db8:100::${last}`),
  };
}

/** VM number `index` (1…65000) of a crowd. */
export function crowdVm(index: number): Vm {
  const high = index >> 8;
  const low = index & 255;
  return {
    name: `crowd/vm-${index}`,
    index,
    mac: `52:54:00:bb:${hex(high)}:${hex(low)}` as Mac,
    ipv4: ip(`198.18.${high}.${low}`),
    ipv6: ip(`2001:db8:200::${index.toString(16)}`),
  };
}

/** The routed link of ToR number `tor` (from 0) and a node. */
export function linkOf(tor: number, node: NodeName): Link {
  const number = tor * 2 + nodeNames.indexOf(node);
  const base = number * 4;
  return {
    tor: { ipv4: ip(`192.0.2.${base + 1}`), ipv6: ip(`2001:db8:0:${number + 1}::1`) },
    node: { ipv4: ip(`192.0.2.${base + 2}`), ipv6: ip(`2001:db8:0:${number + 1}::2`) },
  };
}

/** The node's own address in the stretched VLAN (mode l2). */
export function vlanAddressOf(node: NodeName): { ipv4: IpAddress; ipv6: IpAddress } {
  const last = 2 + nodeNames.indexOf(node);
  return { ipv4: ip(`203.0.113.${last}`), ipv6: ip(`2001:db8:100::${last}`) };
}

/** The MAC that libvirt gives the host's end of a VM's tap: fe and the guest's last five octets. */
export function tapMac(vm: Vm): Mac {
  return `fe${vm.mac.slice(2)}` as Mac;
}

/** `/32` or `/128` of an address. */
export function hostPrefix(address: IpAddress): Prefix {
  return `${address}/${address.includes(':') ? 128 : 32}` as Prefix;
}

function hex(octet: number): string {
  return octet.toString(16).padStart(2, '0');
}

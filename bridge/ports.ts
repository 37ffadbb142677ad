import type { IpAddress } from '../net/ip.ts';
import { type Mac, parseMac } from '../net/mac.ts';

/** VLAN identifiers, 1 to 4094, both ends included. */
export type VlanRange = readonly [low: number, high: number];

/** One network interface as the kernel describes it (RTM_NEWLINK). */
export interface Link {
  readonly ifindex: number;
  readonly name: string;
  readonly mac?: Mac;
  /** The kernel drew the MAC at random: nobody chose it, so it marks nothing. */
  readonly randomMac?: true;
  /** The ifindex of the bridge (IFLA_MASTER) that it is a port of; or of a bond, a VRF, a team: see {@link isBridge}. */
  readonly master?: number;
  /** IFLA_IFALIAS: written by the administrator or libvirt, may hold anything. */
  readonly alias?: string;
  /** IFLA_LINKINFO kind: bridge, tun, veth, bond, vxlan, openvswitch, … */
  readonly kind?: string;
  /** Of a bridge: it filters VLANs (IFLA_BR_VLAN_FILTERING), so that its ports have VLANs. */
  readonly vlanFiltering?: boolean;
  /** The VLAN of untagged frames on this port (PVID), where its bridge filters VLANs. Absent there: they are dropped. */
  readonly pvid?: number;
  /** The VLANs whose frames its bridge lets in from this port, in order; absent where the bridge filters none. */
  readonly vlans?: readonly VlanRange[];
  readonly up: boolean;
  /** IFF_LOWER_UP: the carrier. */
  readonly carrier: boolean;
}

/** The one place where links are made: all have the same shape, and code that was warmed up with some serves all. */
export function makeLink(ifindex: number, name: string, told: Pick<Link, 'mac' | 'master' | 'alias' | 'kind' | 'vlanFiltering'>, up: boolean, carrier: boolean): Link {
  return { ifindex, name, ...told, up, carrier };
}

/** One entry of a bridge's forwarding database (RTM_NEWNEIGH, AF_BRIDGE). */
export interface FdbEntry {
  readonly ifindex: number;
  readonly mac: Mac;
  /** 0 where the bridge is not VLAN-aware. */
  readonly vlan: number;
  /** NUD_PERMANENT: the port's own address, not learnt from a frame. */
  readonly permanent: boolean;
  /** The bridge whose entry it is (NDA_MASTER): the port may have left it, or not be known to be in it. Left out: the one that the port is in. */
  readonly bridge?: number;
}

/** A forwarding entry that is there now, or (`gone`) no longer. */
export interface FdbNews extends FdbEntry {
  readonly gone?: true;
}

/** What the kernel told of many forwarding entries, since we last looked. It comes by a way of its own: before or after news of their links. */
export type FdbChange =
  /** In order. `dumped`: parts of the dump that runs, else events. */
  | { readonly type: 'fdbNews'; readonly news: readonly FdbNews[]; readonly dumped?: true }
  /** All entries are told once more from now on; were told, and what was not is gone; or were told in part only. */
  | { readonly type: 'fdbDump'; readonly phase: 'begins' | 'ends' | 'cut' };

/** What the kernel told about interfaces and forwarding databases. */
export type BridgeChange =
  | FdbChange
  | { readonly type: 'link'; readonly link: Link }
  | { readonly type: 'linkGone'; readonly ifindex: number }
  | { readonly type: 'fdb'; readonly entry: FdbEntry }
  | { readonly type: 'fdbGone'; readonly entry: FdbEntry }
  /** An address of this node itself came or went (RTM_NEWADDR): no VM may claim it. */
  | { readonly type: 'ownAddress'; readonly ifindex: number; readonly address: IpAddress; readonly present: boolean }
  /** The whole truth, at start and after an overrun (ENOBUFS): what is not in it is gone. */
  | {
      readonly type: 'resync';
      readonly links: readonly Link[];
      /** Left out where forwarding entries are told apart, by `fdbDump`. */
      readonly fdb?: readonly FdbEntry[];
      readonly ownAddresses: readonly { readonly ifindex: number; readonly address: IpAddress }[];
    };

/** Which ports of one bridge are which: shell-style patterns (`vnet*`). */
export interface WatchedBridge {
  readonly bridge: string;
  /** Where one bridge is watched more than once, each watch has its own VLANs. `undefined`: every VLAN. */
  readonly vlans?: readonly (readonly [number, number])[];
  readonly local: readonly string[];
  readonly uplink: readonly string[];
}

/** `local`: the VM runs on this node. `uplink`: it runs elsewhere. `unlisted`: on a watched bridge, matched by neither list. */
export type PortRole = 'local' | 'uplink' | 'unlisted';

/**
 * True if `name` matches a shell-style pattern: `*` any run of characters, `?` one, `[a-z]` one of a set, `[!a-z]` one not in it. A `[`
 * that is never closed stands for itself. Takes at most `pattern × name` steps, whatever the pattern.
 */
export function matchesPattern(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  /** Where to go back to when a `*` swallowed too little. */
  let star = -1;
  let swallowed = 0;
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = ++p;
      swallowed = n;
      continue;
    }
    const next = p < pattern.length ? matchOne(pattern, p, name[n] as string) : -1;
    if (next >= 0) {
      p = next;
      n++;
    } else if (star >= 0) {
      p = star;
      n = ++swallowed;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** The offset after the pattern element at `p` if it matches `char`, else -1. */
function matchOne(pattern: string, p: number, char: string): number {
  const element = pattern[p];
  if (element === '?') return p + 1;
  const close = element === '[' ? endOfSet(pattern, p) : -1;
  if (close < 0) return element === char ? p + 1 : -1;
  let i = p + 1;
  const negated = pattern[i] === '!' || pattern[i] === '^';
  if (negated) i++;
  let found = false;
  while (i < close) {
    const low = pattern[i] as string;
    if (pattern[i + 1] === '-' && i + 2 < close) {
      if (low <= char && char <= (pattern[i + 2] as string)) found = true;
      i += 3;
    } else {
      if (low === char) found = true;
      i++;
    }
  }
  return found === negated ? -1 : close + 1;
}

/** The `]` that ends the set at `p`; one right after `[` or `[!` is a member. */
function endOfSet(pattern: string, p: number): number {
  let first = p + 1;
  if (pattern[first] === '!' || pattern[first] === '^') first++;
  return pattern.indexOf(']', first + 1);
}

/** The role of a port by its name. A port that both lists match is an uplink: the careful reading, for it then never claims. */
export function roleOf(watched: WatchedBridge, name: string): PortRole {
  if (watched.uplink.some((pattern) => matchesPattern(pattern, name))) return 'uplink';
  if (watched.local.some((pattern) => matchesPattern(pattern, name))) return 'local';
  return 'unlisted';
}

/** True if both lists match: a mistake in the configuration that `status` warns of. */
export function isDoublyListed(watched: WatchedBridge, name: string): boolean {
  const matches = (pattern: string): boolean => matchesPattern(pattern, name);
  return watched.uplink.some(matches) && watched.local.some(matches);
}

/**
 * True for a link that can have bridge ports. The kernel names the kind of every bridge; a link whose kind is not known gets the benefit of
 * the doubt, for a physical interface, which has none, is nobody's master.
 */
export function isBridge(link: Pick<Link, 'kind'>): boolean {
  return link.kind === undefined || link.kind === 'bridge';
}

/** Which interfaces are bridges for sure, after one more change; the very same set where it changes nothing of that. */
export function bridgesAfter(bridges: ReadonlySet<number>, change: BridgeChange): ReadonlySet<number> {
  if (change.type === 'resync') return new Set(change.links.filter(({ kind }) => kind === 'bridge').map(({ ifindex }) => ifindex));
  if (change.type !== 'link' && change.type !== 'linkGone') return bridges;
  const ifindex = change.type === 'link' ? change.link.ifindex : change.ifindex;
  const isOne = change.type === 'link' && change.link.kind === 'bridge';
  if (bridges.has(ifindex) === isOne) return bridges;
  const changed = new Set(bridges);
  if (isOne) changed.add(ifindex);
  else changed.delete(ifindex);
  return changed;
}

/**
 * True if the bridge takes a frame of this VLAN in from the port (0: untagged, and the port has no PVID). A capture sees also what the
 * bridge then drops: a VM on an access port may write any tag.
 */
export function letsIn(link: Pick<Link, 'vlans'>, vlan: number): boolean {
  return link.vlans === undefined || link.vlans.some(([low, high]) => low <= vlan && vlan <= high);
}

/** What sits behind a port, as far as the kernel's kind tells: the far end of a veth, a tap, or something else. */
export type PortKind = 'veth' | 'tap' | 'other';

export function portKind(link: Pick<Link, 'kind'>): PortKind {
  if (link.kind === 'veth') return 'veth';
  return link.kind === 'tun' || link.kind === 'macvtap' ? 'tap' : 'other';
}

/**
 * True for a port whose far end may speak as the VM before the VM runs: a veth, for the pod behind it owns the VM's MAC from its
 * creation on. Behind a tap there is nobody but QEMU.
 */
export function speaksBeforeVm(link: Pick<Link, 'kind'>): boolean {
  return portKind(link) === 'veth';
}

/** What a port itself says of the guest behind it: the guest's MAC, or its last five octets (`54:00:aa:00:01`). */
export type PortMark = { readonly from: 'alias'; readonly mac: Mac } | { readonly from: 'tap'; readonly lastFive: string };

/**
 * The mark of a port. An administrator writes `mac=52:54:00:aa:00:01` (alone, or as one word among others) into the alias; libvirt gives a
 * tap the guest's MAC with the first octet replaced by fe. A tap that got its MAC at random starts with fe too in one case of 64; the
 * kernel tells the two apart.
 */
export function portMark(link: Pick<Link, 'alias' | 'kind' | 'mac' | 'randomMac'>): PortMark | undefined {
  const alias = link.alias?.slice(0, 256).split(/[\s,;]+/).find((word) => word.startsWith('mac='));
  const mac = alias === undefined ? undefined : parseMac(alias.slice(4));
  if (mac !== undefined) return { from: 'alias', mac };
  if (portKind(link) === 'tap' && link.mac?.startsWith('fe:') && link.randomMac !== true) return { from: 'tap', lastFive: link.mac.slice(3) };
  return undefined;
}

/** True if `mac` can't be that of the guest for whom the port was marked. */
export function contradicts(mark: PortMark, mac: Mac): boolean {
  return mark.from === 'alias' ? mark.mac !== mac : mark.lastFive !== mac.slice(3);
}

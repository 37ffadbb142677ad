import type { Announcement } from '../garp/announcement.ts';
import type { Mac } from '../net/mac.ts';
import { type BridgeState, entriesFor } from './fdb.ts';
import { type FdbEntry, type Link, type PortRole, type WatchedBridge, isBridge, isDoublyListed, roleOf } from './ports.ts';

/** Where a frame came in. */
export interface Place {
  /** Which of the watches covers it: an index into `watched`. */
  readonly watch: number;
  readonly bridge: string;
  readonly port: { readonly ifindex: number; readonly name: string };
  readonly role: PortRole;
}

/** An announcement with the place where it was heard and the VRF that this place belongs to. */
export interface Sighting extends Announcement, Omit<Place, 'watch'> {
  readonly vrf: string;
}

/**
 * The port of a watched bridge that `ifindex` is, or `undefined` (another interface, the bridge itself, a bridge nobody watches, a
 * member of a bond, team or VRF, whatever its name). Bridges are found by name, so one that was deleted and made again is found again. Where a bridge is watched more than once, the watch of this
 * VLAN counts; if none covers it, the first, and the VLAN check refuses the frame there.
 */
export function locate(state: BridgeState, watched: readonly WatchedBridge[], ifindex: number, vlan = 0): Place | undefined {
  const link = state.links.get(ifindex);
  if (link?.master === undefined) return undefined;
  const master = state.links.get(link.master);
  const bridge = master !== undefined && isBridge(master) ? master.name : undefined;
  const watch = bridge === undefined ? -1 : watchOf(watched, bridge, vlan);
  if (bridge === undefined || watch < 0) return undefined;
  return { watch, bridge, port: { ifindex, name: link.name }, role: roleOf(watched[watch] as WatchedBridge, link.name) };
}

function watchOf(watched: readonly WatchedBridge[], bridge: string, vlan: number): number {
  let first = -1;
  for (let i = 0; i < watched.length; i++) {
    const entry = watched[i] as WatchedBridge;
    if (entry.bridge !== bridge) continue;
    if (entry.vlans === undefined || entry.vlans.some(([low, high]) => low <= vlan && vlan <= high)) return i;
    if (first < 0) first = i;
  }
  return first;
}

/**
 * Where the forwarding database last saw a MAC, among watched bridges: says where to look, and is no evidence. A bridge that is not
 * VLAN-aware keeps its entries under VLAN 0, whatever tags its frames bear. `vlan` undefined: whatever VLAN.
 */
export function portFor(
  state: BridgeState,
  watched: readonly WatchedBridge[],
  mac: Mac,
  vlan: number | undefined,
): (Place & { readonly vlan: number }) | undefined {
  for (const wanted of vlan === undefined || vlan === 0 ? [vlan] : [vlan, 0]) {
    for (const entry of entriesFor(state, mac, wanted)) {
      if (entry.permanent || !isOfItsBridge(state, entry)) continue;
      const place = locate(state, watched, entry.ifindex, vlan ?? entry.vlan);
      if (place !== undefined) return { ...place, vlan: vlan ?? entry.vlan };
    }
  }
  return undefined;
}

/** True as far as is known: news of links and of entries come by two ways, so the port may be told of later, or have left. */
export function isOfItsBridge(state: BridgeState, { bridge, ifindex }: FdbEntry): boolean {
  return bridge === undefined || state.links.get(ifindex)?.master === bridge;
}

/** A port of a watched bridge, with all that the kernel said about it. */
export interface Port {
  readonly link: Link;
  readonly bridge: string;
  readonly role: PortRole;
}

/** The ports of one watched bridge, in order of ifindex; none while the bridge does not exist, or what bears its name is no bridge. */
export function portsOf(state: BridgeState, watched: WatchedBridge): Port[] {
  const bridge = linkNamed(state, watched.bridge);
  if (bridge === undefined || !isBridge(bridge)) return [];
  const master = bridge.ifindex;
  const ports: Port[] = [];
  for (const ifindex of [...(state.ports.get(master) ?? [])].sort((a, b) => a - b)) {
    const link = state.links.get(ifindex);
    if (link !== undefined) ports.push({ link, bridge: watched.bridge, role: roleOf(watched, link.name) });
  }
  return ports;
}

/** Ports that no watch of their bridge lists: their VMs are never announced, so `status` names them. */
export function unlistedPorts(state: BridgeState, watched: readonly WatchedBridge[]): Port[] {
  const watches = (bridge: string): WatchedBridge[] => watched.filter((entry) => entry.bridge === bridge);
  return firstWatches(watched).flatMap((entry) =>
    portsOf(state, entry).filter(({ link }) => watches(entry.bridge).every((other) => roleOf(other, link.name) === 'unlisted')),
  );
}

/** Ports that both lists of one watch match: taken as uplinks, and `status` names them. */
export function doublyListedPorts(state: BridgeState, watched: readonly WatchedBridge[]): Port[] {
  const watches = (bridge: string): WatchedBridge[] => watched.filter((entry) => entry.bridge === bridge);
  return firstWatches(watched).flatMap((entry) =>
    portsOf(state, entry).filter(({ link }) => watches(entry.bridge).some((other) => isDoublyListed(other, link.name))),
  );
}

/** One watch per bridge. */
function firstWatches(watched: readonly WatchedBridge[]): WatchedBridge[] {
  return watched.filter((entry, index) => watched.findIndex((other) => other.bridge === entry.bridge) === index);
}

/** Watched bridges that do not exist (yet). */
export function missingBridges(state: BridgeState, watched: readonly WatchedBridge[]): string[] {
  return [...new Set(watched.map((entry) => entry.bridge))].filter((name) => !state.byName.has(name));
}

/**
 * Watched names that belong to something else than a Linux bridge, with its kind (IFLA_LINKINFO): `openvswitch` above all, whose ports
 * have another master and whose frames and forwarding table do not pass here; also `bond`, `team`, `vrf`. Nothing is ever heard there.
 */
export function unsupportedBridges(state: BridgeState, watched: readonly WatchedBridge[]): { readonly bridge: string; readonly kind: string }[] {
  return firstWatches(watched).flatMap(({ bridge }) => {
    const link = linkNamed(state, bridge);
    return link?.kind === undefined || isBridge(link) ? [] : [{ bridge, kind: link.kind }];
  });
}

function linkNamed(state: BridgeState, name: string): Link | undefined {
  const ifindex = state.byName.get(name);
  return ifindex === undefined ? undefined : state.links.get(ifindex);
}

/** The bridge has an uplink port: what is on it is also elsewhere. */
export function isUplinked(state: BridgeState, watched: WatchedBridge): boolean {
  return portsOf(state, watched).some(({ role }) => role === 'uplink');
}

import type { IpAddress } from '../net/ip.ts';
import { type Mac, isGroupMac } from '../net/mac.ts';
import type { BridgeChange, FdbEntry, Link } from './ports.ts';

/** Entries kept per port; more push the port's oldest out, so that a flood of MACs costs its own port only. */
export const maxEntriesPerPort = 4096;

/** Entries kept in all: beyond it new ones are counted and not kept. */
export const maxEntries = 65_536;

type Fdb = Map<Mac, Map<number, FdbEntry[]>>;

/**
 * Interfaces, forwarding databases and own addresses as the kernel last described them. Readonly for everybody; only
 * {@link applyChange} writes, in place, so that one change costs O(1) and no table is ever copied.
 */
export interface BridgeState {
  readonly links: ReadonlyMap<number, Link>;
  readonly byName: ReadonlyMap<string, number>;
  /** The ports of each master, by its ifindex. A master may be told of later than its ports. */
  readonly ports: ReadonlyMap<number, ReadonlySet<number>>;
  /** By MAC, then VLAN: one entry per bridge. */
  readonly fdb: ReadonlyMap<Mac, ReadonlyMap<number, readonly FdbEntry[]>>;
  /** The entries of each port, oldest first. */
  readonly entriesOf: ReadonlyMap<number, ReadonlyMap<string, FdbEntry>>;
  readonly entryCount: number;
  /** Entries not kept, or pushed out, because of the limits. */
  readonly entriesDropped: number;
  readonly ownAddresses: ReadonlyMap<IpAddress, ReadonlySet<number>>;
  /** The same, by interface. */
  readonly addressesOf: ReadonlyMap<number, ReadonlySet<IpAddress>>;
}

interface Writable {
  links: Map<number, Link>;
  byName: Map<string, number>;
  ports: Map<number, Set<number>>;
  fdb: Fdb;
  entriesOf: Map<number, Map<string, FdbEntry>>;
  entryCount: number;
  entriesDropped: number;
  ownAddresses: Map<IpAddress, Set<number>>;
  addressesOf: Map<number, Set<IpAddress>>;
}

export function emptyBridgeState(): BridgeState {
  const state: Writable = {
    links: new Map(),
    byName: new Map(),
    ports: new Map(),
    fdb: new Map(),
    entriesOf: new Map(),
    entryCount: 0,
    entriesDropped: 0,
    ownAddresses: new Map(),
    addressesOf: new Map(),
  };
  return state;
}

/**
 * The state after one change. It is the same object, written in place (`describeChange` must have looked before), except after a resync.
 */
export function applyChange(state: BridgeState, change: BridgeChange): BridgeState {
  const writable = state as Writable;
  switch (change.type) {
    case 'link':
      setLink(writable, change.link);
      return state;
    case 'linkGone':
      removeLink(writable, change.ifindex);
      return state;
    case 'fdb':
      addEntry(writable, change.entry);
      return state;
    case 'fdbGone':
      removeEntry(writable, change.entry);
      return state;
    case 'ownAddress':
      if (change.present) addAddress(writable, change.address, change.ifindex);
      else removeAddress(writable, change.address, change.ifindex);
      return state;
    case 'resync': {
      const fresh = emptyBridgeState() as Writable;
      fresh.entriesDropped = state.entriesDropped;
      for (const link of change.links) setLink(fresh, link);
      // A dump has no oldest: of a port that is full the rest is not kept, which also costs nothing when a guest has filled the bridge.
      for (const entry of change.fdb) {
        if ((fresh.entriesOf.get(entry.ifindex)?.size ?? 0) < maxEntriesPerPort) addEntry(fresh, entry);
        else fresh.entriesDropped++;
      }
      for (const { address, ifindex } of change.ownAddresses) addAddress(fresh, address, ifindex);
      return fresh;
    }
  }
}

/** The entry of a MAC in a VLAN, per bridge; `vlan` undefined gives those of every VLAN. */
export function entriesFor(state: BridgeState, mac: Mac, vlan: number | undefined): readonly FdbEntry[] {
  const byVlan = state.fdb.get(mac);
  if (byVlan === undefined) return [];
  return vlan === undefined ? [...byVlan.values()].flat() : (byVlan.get(vlan) ?? []);
}

/** True if the node itself has this address: no VM may claim it. */
export function isOwnAddress(state: BridgeState, address: IpAddress): boolean {
  return state.ownAddresses.has(address);
}

function setLink(state: Writable, link: Link): void {
  const before = state.links.get(link.ifindex);
  if (before !== undefined && before.name !== link.name) forgetName(state, before);
  if (before?.master !== undefined && before.master !== link.master) {
    // The kernel forgets what was learnt on a port that leaves.
    removeFrom(state.ports, before.master, link.ifindex);
    forgetEntries(state, link.ifindex);
  }
  state.links.set(link.ifindex, link);
  state.byName.set(link.name, link.ifindex);
  if (link.master !== undefined) addTo(state.ports, link.master, link.ifindex);
}

function removeLink(state: Writable, ifindex: number): void {
  const link = state.links.get(ifindex);
  if (link === undefined) return;
  state.links.delete(ifindex);
  forgetName(state, link);
  if (link.master !== undefined) removeFrom(state.ports, link.master, ifindex);
  forgetEntries(state, ifindex);
  for (const address of [...(state.addressesOf.get(ifindex) ?? [])]) removeAddress(state, address, ifindex);
}

/** A name may already belong to a successor: two interfaces can swap names. */
function forgetName(state: Writable, link: Link): void {
  if (state.byName.get(link.name) === link.ifindex) state.byName.delete(link.name);
}

function forgetEntries(state: Writable, ifindex: number): void {
  for (const entry of [...(state.entriesOf.get(ifindex)?.values() ?? [])]) removeEntry(state, entry);
}

function keyOf(entry: FdbEntry): string {
  return `${entry.vlan}/${entry.mac}`;
}

/** A port's entry speaks for the bridge that the port is in; the bridge's own entries name the bridge itself, which may be in a VRF. */
function bridgeOf(state: Writable, ifindex: number): number {
  const link = state.links.get(ifindex);
  return link?.kind === 'bridge' ? ifindex : (link?.master ?? ifindex);
}

function addEntry(state: Writable, entry: FdbEntry): void {
  // Group addresses are subscriptions, not stations.
  if (isGroupMac(entry.mac)) return;
  // A station that moved gets one message with its new port and none for the old one (net/bridge: br_fdb_update).
  const bridge = bridgeOf(state, entry.ifindex);
  const rival = entriesFor(state as BridgeState, entry.mac, entry.vlan).find((other) => bridgeOf(state, other.ifindex) === bridge);
  if (rival !== undefined) removeEntry(state, rival);
  let own = state.entriesOf.get(entry.ifindex);
  if (own !== undefined && own.size >= maxEntriesPerPort) {
    state.entriesDropped++;
    for (const oldest of own.values()) {
      removeEntry(state, oldest);
      break;
    }
  }
  if (state.entryCount >= maxEntries) {
    state.entriesDropped++;
    return;
  }
  own = state.entriesOf.get(entry.ifindex);
  if (own === undefined) state.entriesOf.set(entry.ifindex, (own = new Map<string, FdbEntry>()));
  own.set(keyOf(entry), entry);
  let byVlan = state.fdb.get(entry.mac);
  if (byVlan === undefined) state.fdb.set(entry.mac, (byVlan = new Map<number, FdbEntry[]>()));
  const entries = byVlan.get(entry.vlan);
  if (entries === undefined) byVlan.set(entry.vlan, [entry]);
  else entries.push(entry);
  state.entryCount++;
}

function removeEntry(state: Writable, entry: FdbEntry): void {
  const own = state.entriesOf.get(entry.ifindex);
  if (own === undefined || !own.delete(keyOf(entry))) return;
  if (own.size === 0) state.entriesOf.delete(entry.ifindex);
  state.entryCount--;
  const byVlan = state.fdb.get(entry.mac);
  const left = byVlan?.get(entry.vlan)?.filter((other) => other.ifindex !== entry.ifindex) ?? [];
  if (left.length > 0) byVlan?.set(entry.vlan, left);
  else byVlan?.delete(entry.vlan);
  if (byVlan?.size === 0) state.fdb.delete(entry.mac);
}

function addAddress(state: Writable, address: IpAddress, ifindex: number): void {
  addTo(state.ownAddresses, address, ifindex);
  addTo(state.addressesOf, ifindex, address);
}

function removeAddress(state: Writable, address: IpAddress, ifindex: number): void {
  removeFrom(state.ownAddresses, address, ifindex);
  removeFrom(state.addressesOf, ifindex, address);
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

function removeFrom<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  set?.delete(value);
  if (set?.size === 0) sets.delete(key);
}

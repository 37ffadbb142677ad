import type { IpAddress } from '../net/ip.ts';
import { addEntry, forgetEntries, forgetUnnamed, removeEntry, takeFdbDump, takeFdbNews } from './fdb-entries.ts';
import type { BridgeChange, Link } from './ports.ts';
import { isGroupMac } from '../net/mac.ts';
import { type BridgeState, type WritableState, emptyBridgeState } from './state.ts';

export { type BridgeState, emptyBridgeState, entriesFor, isOwnAddress, maxEntries, maxEntriesPerPort } from './state.ts';

const everybody = (): boolean => true;
const nobody = (): boolean => false;

/**
 * The state after one change. It is the same object, written in place (`describeChange` must have looked before), except after a resync
 * that tells the forwarding entries too.
 */
export function applyChange(state: BridgeState, change: BridgeChange): BridgeState {
  const writable = state as WritableState;
  switch (change.type) {
    case 'link':
      setLink(writable, change.link);
      return state;
    case 'linkGone':
      removeLink(writable, change.ifindex);
      return state;
    case 'fdb':
      if (!isGroupMac(change.entry.mac)) addEntry(writable, change.entry, everybody);
      return state;
    case 'fdbGone':
      removeEntry(writable, change.entry);
      return state;
    case 'fdbNews':
      takeFdbNews(state, change.news, change.dumped === true, everybody);
      return state;
    case 'fdbDump':
      takeFdbDump(state, change.phase);
      return state;
    case 'ownAddress':
      if (change.present) addAddress(writable, change.address, change.ifindex);
      else removeAddress(writable, change.address, change.ifindex);
      return state;
    case 'resync':
      return change.fdb === undefined ? retellLinks(writable, change) : beginAnew(state, change, change.fdb);
  }
}

type Resync = Extract<BridgeChange, { type: 'resync' }>;

/** Links and addresses are told whole; what is known of forwarding entries stays with the ports that stay. */
function retellLinks(state: WritableState, { links, ownAddresses }: Resync): BridgeState {
  const present = new Set(links.map(({ ifindex }) => ifindex));
  for (const ifindex of [...state.links.keys()]) if (!present.has(ifindex)) removeLink(state, ifindex);
  for (const link of links) setLink(state, link);
  state.ownAddresses.clear();
  state.addressesOf.clear();
  for (const { address, ifindex } of ownAddresses) addAddress(state, address, ifindex);
  return state;
}

function beginAnew(before: BridgeState, { links, ownAddresses }: Resync, fdb: NonNullable<Resync['fdb']>): BridgeState {
  const fresh = emptyBridgeState() as WritableState;
  fresh.entriesDropped = before.entriesDropped;
  for (const link of links) setLink(fresh, link);
  // What is told whole has no oldest: of a port that is full the rest is not kept.
  takeFdbNews(fresh, fdb, false, nobody);
  for (const { address, ifindex } of ownAddresses) addAddress(fresh, address, ifindex);
  return fresh;
}

function setLink(state: WritableState, link: Link): void {
  const before = state.links.get(link.ifindex);
  if (before !== undefined && before.name !== link.name) forgetName(state, before);
  if (before?.master !== undefined && before.master !== link.master) {
    removeFrom(state.ports, before.master, link.ifindex);
    forgetUnnamed(state, link.ifindex);
  }
  state.links.set(link.ifindex, link);
  state.byName.set(link.name, link.ifindex);
  if (link.master !== undefined) addTo(state.ports, link.master, link.ifindex);
}

function removeLink(state: WritableState, ifindex: number): void {
  const link = state.links.get(ifindex);
  if (link === undefined) return;
  state.links.delete(ifindex);
  forgetName(state, link);
  if (link.master !== undefined) removeFrom(state.ports, link.master, ifindex);
  forgetEntries(state, ifindex);
  for (const address of [...(state.addressesOf.get(ifindex) ?? [])]) removeAddress(state, address, ifindex);
}

/** A name may already belong to a successor: two interfaces can swap names. */
function forgetName(state: WritableState, link: Link): void {
  if (state.byName.get(link.name) === link.ifindex) state.byName.delete(link.name);
}

function addAddress(state: WritableState, address: IpAddress, ifindex: number): void {
  addTo(state.ownAddresses, address, ifindex);
  addTo(state.addressesOf, ifindex, address);
}

function removeAddress(state: WritableState, address: IpAddress, ifindex: number): void {
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

import { isGroupMac } from '../net/mac.ts';
import type { FdbEntry, FdbNews } from './ports.ts';
import { type BridgeState, type WritableState, entriesFor, maxEntries, maxEntriesPerPort } from './state.ts';

// The forwarding entries of a BridgeState. What the kernel tells of them comes on a socket of its own: before or after the news of the link.

/** Entries that events took away during a dump: so many are remembered. */
const maxGone = 4096;

/** Says whether somebody waits for this MAC: it then has room on a full port, and pushes the oldest out. */
export type IsKnown = (entry: FdbEntry) => boolean;

/**
 * Takes in what the kernel told of forwarding entries, in order; `dumped`: as parts of the dump that runs, else as events. An event is at
 * least as new as the dump that it comes into. @returns the entries that were learnt: a MAC is on a port where it was not known before
 */
export function takeFdbNews(state: BridgeState, news: readonly FdbNews[], dumped: boolean, isKnown: IsKnown): FdbEntry[] {
  const writable = state as WritableState;
  const learnt: FdbEntry[] = [];
  for (const entry of news) {
    // Group addresses are subscriptions, not stations.
    if (isGroupMac(entry.mac)) continue;
    if (entry.gone === true) {
      removeEntry(writable, entry);
      if (writable.dump !== undefined && writable.dump.gone.size < maxGone) writable.dump.gone.add(goneKey(entry));
    } else if (!dumped || !isOutdated(writable, entry)) {
      if (addEntry(writable, entry, isKnown) && !entry.permanent) learnt.push(entry);
    }
  }
  return learnt;
}

/** The kernel begins to tell all entries, has told them (what it did not tell is gone), or could not. */
export function takeFdbDump(state: BridgeState, phase: 'begins' | 'ends' | 'cut'): void {
  const writable = state as WritableState;
  const { dump } = writable;
  writable.dump = phase === 'begins' ? { told: new Set(), gone: new Set() } : undefined;
  if (phase !== 'ends' || dump === undefined) return;
  for (const entries of [...writable.entriesOf.values()]) {
    for (const entry of [...entries.values()]) if (!dump.told.has(entry)) removeEntry(writable, entry);
  }
}

/** Since the dump began an event said that the entry is gone, or that the MAC is on another port. */
function isOutdated(state: WritableState, entry: FdbEntry): boolean {
  const { dump } = state;
  if (dump === undefined) return false;
  if (dump.gone.size > 0 && dump.gone.has(goneKey(entry))) return true;
  const rival = rivalOf(state, entry);
  return rival !== undefined && rival.ifindex !== entry.ifindex && dump.told.has(rival);
}

function goneKey(entry: FdbEntry): string {
  return `${entry.ifindex}/${keyOf(entry)}`;
}

function keyOf(entry: FdbEntry): string {
  return `${entry.vlan}/${entry.mac}`;
}

/** Where it is not said, an entry speaks for the bridge that its port is in; the bridge's own name the bridge itself, which may be in a VRF. */
function bridgeOf(state: WritableState, { bridge, ifindex }: FdbEntry): number {
  if (bridge !== undefined) return bridge;
  const link = state.links.get(ifindex);
  return link?.kind === 'bridge' ? ifindex : (link?.master ?? ifindex);
}

/** The entry of the same station in the same bridge. */
function rivalOf(state: WritableState, entry: FdbEntry): FdbEntry | undefined {
  const others = entriesFor(state, entry.mac, entry.vlan);
  if (others.length === 0) return undefined;
  const bridge = bridgeOf(state, entry);
  return others.find((other) => bridgeOf(state, other) === bridge);
}

/** @returns true if it is kept and was not known on this port */
export function addEntry(state: WritableState, entry: FdbEntry, isKnown: IsKnown): boolean {
  // A station that moved gets one message with its new port and none for the old one (net/bridge: br_fdb_update).
  const rival = rivalOf(state, entry);
  if (rival !== undefined) removeEntry(state, rival);
  const wasHere = rival?.ifindex === entry.ifindex && !rival.permanent;
  if (!wasHere && !makeRoom(state, entry, isKnown)) {
    state.entriesDropped++;
    return false;
  }
  let own = state.entriesOf.get(entry.ifindex);
  if (own === undefined) state.entriesOf.set(entry.ifindex, (own = new Map<string, FdbEntry>()));
  own.set(keyOf(entry), entry);
  let byVlan = state.fdb.get(entry.mac);
  if (byVlan === undefined) state.fdb.set(entry.mac, (byVlan = new Map<number, FdbEntry[]>()));
  const entries = byVlan.get(entry.vlan);
  if (entries === undefined) byVlan.set(entry.vlan, [entry]);
  else entries.push(entry);
  state.entryCount++;
  state.dump?.told.add(entry);
  return !wasHere;
}

function makeRoom(state: WritableState, entry: FdbEntry, isKnown: IsKnown): boolean {
  const own = state.entriesOf.get(entry.ifindex);
  if (own !== undefined && own.size >= maxEntriesPerPort) {
    if (!isKnown(entry)) return false;
    state.entriesDropped++;
    for (const oldest of own.values()) {
      removeEntry(state, oldest);
      break;
    }
  }
  return state.entryCount < maxEntries;
}

export function removeEntry(state: WritableState, entry: FdbEntry): void {
  const own = state.entriesOf.get(entry.ifindex);
  const kept = own?.get(keyOf(entry));
  if (own === undefined || kept === undefined) return;
  own.delete(keyOf(entry));
  state.dump?.told.delete(kept);
  if (own.size === 0) state.entriesOf.delete(entry.ifindex);
  state.entryCount--;
  const byVlan = state.fdb.get(entry.mac);
  const left = byVlan?.get(entry.vlan)?.filter((other) => other.ifindex !== entry.ifindex) ?? [];
  if (left.length > 0) byVlan?.set(entry.vlan, left);
  else byVlan?.delete(entry.vlan);
  if (byVlan?.size === 0) state.fdb.delete(entry.mac);
}

/** The port is no more. */
export function forgetEntries(state: WritableState, ifindex: number): void {
  for (const entry of [...(state.entriesOf.get(ifindex)?.values() ?? [])]) removeEntry(state, entry);
}

/**
 * The port left its bridge, and the kernel forgot what was learnt there. It says so of each entry; where we have read that already, these
 * may be entries of its next bridge.
 */
export function forgetUnnamed(state: WritableState, ifindex: number): void {
  for (const entry of [...(state.entriesOf.get(ifindex)?.values() ?? [])]) if (entry.bridge === undefined) removeEntry(state, entry);
}

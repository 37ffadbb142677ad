import { type BridgeState, entriesFor } from './fdb.ts';
import { type BridgeChange, type FdbEntry, type Link, isBridge, portMark } from './ports.ts';

/**
 * What a change of the kernel's means for somebody who follows ports. `bridge` is the name of the port's master. Members of bonds, teams and
 * VRFs are no ports.
 */
export type BridgeEvent =
  /** It became a port of this bridge: it is new, was put there, or its bridge was made (again) under this name. */
  | { readonly type: 'portAppeared'; readonly port: Link; readonly bridge: string }
  /** It is deleted or was taken out, or its bridge is gone. `port` is what was known last. */
  | { readonly type: 'portGone'; readonly port: Link; readonly bridge: string }
  /** From one bridge straight into another. */
  | { readonly type: 'portMoved'; readonly port: Link; readonly bridge: string; readonly from: string }
  /** The same port under another name: its role may be another one now. */
  | { readonly type: 'portRenamed'; readonly port: Link; readonly bridge: string; readonly from: string }
  /** A port that was there bears the mark of a guest, or that of another one: whoever plugs ports may mark them after. */
  | { readonly type: 'portMarked'; readonly port: Link; readonly bridge: string }
  /** The port no longer runs (down, or no carrier); and it runs again. */
  | { readonly type: 'carrierLost'; readonly port: Link; readonly bridge: string }
  | { readonly type: 'carrierBack'; readonly port: Link; readonly bridge: string }
  /** A MAC was learnt on a port, or on another port than before: where to look, no evidence. */
  | { readonly type: 'learnt'; readonly entry: FdbEntry }
  /** A MAC is no longer known on that port (aged out, flushed). */
  | { readonly type: 'forgotten'; readonly entry: FdbEntry };

/** True while frames can pass: administratively up and with a carrier. */
export function isRunning(link: Link): boolean {
  return link.up && link.carrier;
}

/**
 * What `change` means, told from the state *before* it (so call this before `applyChange`, which writes in place). A port is an ifindex:
 * renaming keeps it, deleting and making one of the same name does not. A resync tells the differences only. (What an
 * `FdbChange` teaches is said by `takeFdbNews`, which takes it in.)
 */
export function describeChange(before: BridgeState, change: BridgeChange): BridgeEvent[] {
  switch (change.type) {
    case 'link':
      return describeLinks(before, overlay(before, change.link.ifindex, change.link), affected(before, change.link.ifindex, change.link));
    case 'linkGone':
      return describeLinks(before, overlay(before, change.ifindex, undefined), affected(before, change.ifindex, undefined));
    case 'fdb':
      return isNews(before, change.entry) ? [{ type: 'learnt', entry: change.entry }] : [];
    case 'fdbGone':
      return isKnown(before, change.entry) ? [{ type: 'forgotten', entry: change.entry }] : [];
    case 'fdbNews':
    case 'fdbDump':
    case 'ownAddress':
      return [];
    case 'resync':
      return describeResync(before, change);
  }
}

type Lookup = (ifindex: number) => Link | undefined;

function overlay(before: BridgeState, ifindex: number, link: Link | undefined): Lookup {
  return (wanted) => (wanted === ifindex ? link : before.links.get(wanted));
}

/** The link itself, and its ports if it is a bridge whose name came, went or changed. */
function affected(before: BridgeState, ifindex: number, after: Link | undefined): number[] {
  if (before.links.get(ifindex)?.name === after?.name) return [ifindex];
  return [ifindex, ...(before.ports.get(ifindex) ?? [])];
}

function describeLinks(before: BridgeState, after: Lookup, ifindexes: Iterable<number>): BridgeEvent[] {
  const events: BridgeEvent[] = [];
  for (const ifindex of ifindexes) {
    const old = before.links.get(ifindex);
    const link = after(ifindex);
    const from = bridgeName((wanted) => before.links.get(wanted), old?.master);
    const bridge = bridgeName(after, link?.master);
    if (bridge === undefined || link === undefined) {
      if (from !== undefined && old !== undefined) events.push({ type: 'portGone', port: old, bridge: from });
      continue;
    }
    if (from === undefined || old === undefined) {
      events.push({ type: 'portAppeared', port: link, bridge });
      continue;
    }
    if (old.name !== link.name) events.push({ type: 'portRenamed', port: link, bridge, from: old.name });
    if (old.master !== link.master || from !== bridge) events.push({ type: 'portMoved', port: link, bridge, from });
    if (isMarkedAnew(old, link)) events.push({ type: 'portMarked', port: link, bridge });
    if (isRunning(old) && !isRunning(link)) events.push({ type: 'carrierLost', port: link, bridge });
    if (!isRunning(old) && isRunning(link)) events.push({ type: 'carrierBack', port: link, bridge });
  }
  return events;
}

function isMarkedAnew(old: Link, link: Link): boolean {
  const mark = portMark(link);
  if (mark === undefined) return false;
  const before = portMark(old);
  return mark.from === 'alias' ? before?.from !== 'alias' || before.mac !== mark.mac : before?.from !== 'tap' || before.lastFive !== mark.lastFive;
}

function bridgeName(lookup: Lookup, master: number | undefined): string | undefined {
  const link = master === undefined ? undefined : lookup(master);
  return link !== undefined && isBridge(link) ? link.name : undefined;
}

function isKnown(state: BridgeState, entry: FdbEntry): boolean {
  return !entry.permanent && entriesFor(state, entry.mac, entry.vlan).some((other) => other.ifindex === entry.ifindex);
}

function isNews(state: BridgeState, entry: FdbEntry): boolean {
  return !entry.permanent && !isKnown(state, entry);
}

function describeResync(before: BridgeState, change: Extract<BridgeChange, { type: 'resync' }>): BridgeEvent[] {
  const links = new Map(change.links.map((link) => [link.ifindex, link]));
  const events = describeLinks(before, (ifindex) => links.get(ifindex), new Set([...before.links.keys(), ...links.keys()]));
  if (change.fdb === undefined) return events;
  const present = new Set(change.fdb.map((entry) => `${entry.ifindex}/${entry.vlan}/${entry.mac}`));
  for (const [ifindex, entries] of before.entriesOf) {
    // The entries of a port that is gone went with it.
    if (!links.has(ifindex)) continue;
    for (const entry of entries.values()) {
      if (!entry.permanent && !present.has(`${ifindex}/${entry.vlan}/${entry.mac}`)) events.push({ type: 'forgotten', entry });
    }
  }
  for (const entry of change.fdb) if (isNews(before, entry)) events.push({ type: 'learnt', entry });
  return events;
}

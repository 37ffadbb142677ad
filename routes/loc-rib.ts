import { Deadlines } from '../net/deadlines.ts';
import { hostPrefix, type IpAddress, type Prefix } from '../net/ip.ts';
import { handoverDeadline, newHandover, type Handover } from './handover.ts';
import type { Now } from '../net/time.ts';

/** `vrf|prefix`: what everything about one address is filed under. Unicast BGP carries no VLAN, so neither does the key. */
export type AddressKey = string & { readonly addressKey: true };

export function addressKey(vrf: string, address: IpAddress): AddressKey {
  return `${vrf}|${hostPrefix(address)}` as AddressKey;
}

export function keyPrefix(key: AddressKey): Prefix {
  return key.slice(key.indexOf('|') + 1) as Prefix;
}

/** Every address that this node knows of, with its handover, and when the next of them is due. */
export interface LocRib {
  readonly handovers: Map<AddressKey, Handover>;
  /** Which addresses were last heard behind a port. */
  readonly byPort: Map<number, Set<AddressKey>>;
  readonly deadlines: Deadlines<AddressKey>;
}

/** At most this many addresses are tracked; `table_full` beyond. */
export const locRibLimit = 100_000;

/** A port with more addresses than this is not remembered by those that were withdrawn longest ago; so many go at once. */
export const rowsPerPort = 4096;
const forgottenAtOnce = 256;

export function newLocRib(): LocRib {
  return { handovers: new Map(), byPort: new Map(), deadlines: new Deadlines() };
}

/** The address's handover, a new one if there is none yet; `undefined` when the table is full. */
export function findOrAdd(rib: LocRib, vrf: string, address: IpAddress, now: Now): Handover | undefined {
  const key = addressKey(vrf, address);
  const known = rib.handovers.get(key);
  if (known !== undefined) return known;
  if (rib.handovers.size >= locRibLimit) return undefined;
  const handover = newHandover(vrf, address, now);
  rib.handovers.set(key, handover);
  return handover;
}

/**
 * Makes room behind a port that has claimed very many addresses, at the cost of its own: what was withdrawn there is forgotten, oldest first.
 * The next claim of such an address is above the old one by the clock. @returns what was forgotten
 */
export function forgetWithdrawn(rib: LocRib, ifindex: number, mayGo: (key: AddressKey) => boolean): AddressKey[] {
  const own = rib.byPort.get(ifindex);
  // All of them may be announced: then they are not looked through anew for each claim, but for each of the next so many.
  if (own === undefined || own.size <= rowsPerPort || (own.size - rowsPerPort) % forgottenAtOnce !== 1) return [];
  return forget(rib, own, mayGo);
}

/**
 * Makes room in a table that is full: what was withdrawn behind ports that are no more is forgotten, oldest first, so that nobody fills it with
 * ports that come and go. @returns what was forgotten
 */
export function forgetOfGonePorts(rib: LocRib, isThere: (ifindex: number) => boolean, mayGo: (key: AddressKey) => boolean): AddressKey[] {
  for (const [ifindex, own] of rib.byPort) {
    const gone = isThere(ifindex) ? [] : forget(rib, own, mayGo);
    if (own.size === 0) rib.byPort.delete(ifindex);
    if (gone.length > 0) return gone;
  }
  return [];
}

function forget(rib: LocRib, own: Set<AddressKey>, mayGo: (key: AddressKey) => boolean): AddressKey[] {
  const gone: AddressKey[] = [];
  for (const key of own) {
    const h = rib.handovers.get(key);
    if (h?.state !== 'withdrawn' || h.early !== undefined || h.elsewhere !== undefined || !mayGo(key)) continue;
    gone.push(key);
    if (gone.length >= forgottenAtOnce) break;
  }
  for (const key of gone) {
    own.delete(key);
    rib.handovers.delete(key);
    rib.deadlines.set(key, undefined);
  }
  return gone;
}

/** Files a handover's new state: its deadline and its port follow. */
export function store(rib: LocRib, key: AddressKey, before: Handover | undefined, after: Handover): void {
  rib.handovers.set(key, after);
  rib.deadlines.set(key, handoverDeadline(after));
  const from = before?.endpoint?.ifindex;
  const to = after.endpoint?.ifindex;
  if (from === to) return;
  if (from !== undefined) {
    const keys = rib.byPort.get(from);
    keys?.delete(key);
    if (keys?.size === 0) rib.byPort.delete(from);
  }
  if (to !== undefined) {
    const keys = rib.byPort.get(to) ?? new Set();
    rib.byPort.set(to, keys.add(key));
  }
}

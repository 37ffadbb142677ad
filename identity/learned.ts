import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';

/** A MAC that was heard with an address, both inside what is watched. */
export interface LearnedPair {
  readonly vrf: string;
  readonly vlan: number;
  readonly mac: Mac;
  readonly address: IpAddress;
  /** Where it was heard last. */
  readonly ifindex: number;
  /** Monotonic milliseconds. */
  readonly firstHeardMs: number;
  readonly lastHeardMs: number;
  /** Heard again after a while: a flood of new MACs does not push it out. */
  readonly pinned: boolean;
}

export interface LearnLimits {
  readonly perPort: number;
  readonly perMac: number;
  readonly inAll: number;
  /** A pair that is heard again this long after the first time, or later, is pinned. */
  readonly pinAfterMs: number;
}

export const defaultLearnLimits: LearnLimits = { perPort: 512, perMac: 32, inAll: 16_384, pinAfterMs: 1000 };

/** Written only by {@link learn}, {@link forgetPair} and {@link expirePairs}, in place: each costs O(1) per pair. */
export interface LearnedPairs {
  /** By VRF and address; the pair that was not heard for longest comes first. */
  readonly pairs: ReadonlyMap<string, LearnedPair>;
  readonly byMac: ReadonlyMap<string, ReadonlySet<string>>;
  readonly byPort: ReadonlyMap<number, ReadonlySet<string>>;
  /** Unpinned pairs, oldest first; of each port and in all. */
  readonly unpinned: ReadonlySet<string>;
  readonly unpinnedByPort: ReadonlyMap<number, ReadonlySet<string>>;
  /** Pairs that were pushed out by newer ones. */
  readonly evicted: number;
}

interface Writable {
  pairs: Map<string, LearnedPair>;
  byMac: Map<string, Set<string>>;
  byPort: Map<number, Set<string>>;
  unpinned: Set<string>;
  unpinnedByPort: Map<number, Set<string>>;
  evicted: number;
}

export function emptyLearnedPairs(): LearnedPairs {
  const pairs: Writable = { pairs: new Map(), byMac: new Map(), byPort: new Map(), unpinned: new Set(), unpinnedByPort: new Map(), evicted: 0 };
  return pairs;
}

export function ownerOf(learned: LearnedPairs, vrf: string, address: IpAddress): LearnedPair | undefined {
  return learned.pairs.get(pairKey(vrf, address));
}

/** The pairs of a MAC, in whatever VLAN; at most `perMac`. */
export function learnedOf(learned: LearnedPairs, vrf: string, mac: Mac): LearnedPair[] {
  const keys = learned.byMac.get(macKey(vrf, mac));
  if (keys === undefined) return [];
  const pairs: LearnedPair[] = [];
  for (const key of keys) pairs.push(learned.pairs.get(key) as LearnedPair);
  return pairs;
}

/** Says that a local port lives: what was heard behind it stays with it, whoever speaks with its VM's MAC behind another. */
export type IsAlive = (ifindex: number) => boolean;

const noneAlive: IsAlive = () => false;

/** True if a new pair of this MAC, heard on this port, would find a place, if need be that of an older one. */
export function hasRoom(learned: LearnedPairs, heard: Pick<LearnedPair, 'vrf' | 'mac' | 'ifindex'>, limits: LearnLimits = defaultLearnLimits, isAlive: IsAlive = noneAlive): boolean {
  return displaced(learned, heard, limits, isAlive) !== undefined;
}

/**
 * The keys that a new pair pushes out: of the MAC with too many addresses the one that was silent longest, of a full port its oldest unpinned
 * one, of a full table the oldest unpinned one of the port with most pairs. `undefined`: it has no place, for it would cost a port that lives
 * its VM's addresses, or one that has no more than its own.
 */
function displaced(learned: LearnedPairs, { vrf, mac, ifindex }: Pick<LearnedPair, 'vrf' | 'mac' | 'ifindex'>, limits: LearnLimits, isAlive: IsAlive): string[] | undefined {
  const { pairs, byMac, byPort, unpinnedByPort } = learned;
  const out: string[] = [];
  let own = byPort.get(ifindex)?.size ?? 0;
  const ofMac = byMac.get(macKey(vrf, mac));
  if (ofMac !== undefined && ofMac.size >= limits.perMac) {
    const oldest = firstOf(ofMac, (key) => { const port = pairs.get(key)?.ifindex as number; return port === ifindex || !isAlive(port); });
    if (oldest === undefined) return undefined;
    out.push(oldest);
    if (pairs.get(oldest)?.ifindex === ifindex) own--;
  }
  if (own >= limits.perPort) {
    const oldest = firstOf(unpinnedByPort.get(ifindex), (key) => !out.includes(key));
    if (oldest === undefined) return undefined;
    out.push(oldest);
  }
  if (pairs.size - out.length >= limits.inAll) {
    const oldest = firstOf(unpinnedByPort.get(fullest(learned, ifindex)), (key) => !out.includes(key));
    if (oldest === undefined) return undefined;
    out.push(oldest);
  }
  return out;
}

/** The port with most pairs, of those that have unpinned ones and more than this one; this one where there is none. */
function fullest({ byPort, unpinnedByPort }: LearnedPairs, ifindex: number): number {
  let most = byPort.get(ifindex)?.size ?? 0;
  let found = ifindex;
  for (const other of unpinnedByPort.keys()) {
    const size = byPort.get(other)?.size ?? 0;
    if (size <= most) continue;
    most = size;
    found = other;
  }
  return found;
}

function firstOf(keys: Iterable<string> | undefined, may: (key: string) => boolean): string | undefined {
  for (const key of keys ?? []) if (may(key)) return key;
  return undefined;
}

export interface Heard extends Pick<LearnedPair, 'vrf' | 'vlan' | 'mac' | 'address' | 'ifindex'> {
  /** The frame named another address of the MAC, or none: this one moves along, and is no younger for it. */
  readonly unnamed?: true;
}

/**
 * Remembers a pair that was admitted, or hears it again. Another MAC's (or VLAN's) pair with this address is replaced: `admit` has decided
 * that it may be. `gone` are the pairs that had to go for it: their claims lost their ground.
 * A pair moves to the port where it was heard unless its own is alive.
 * @param nowMs monotonic
 */
export function learn(
  learned: LearnedPairs,
  heard: Heard,
  nowMs: number,
  limits: LearnLimits = defaultLearnLimits,
  isAlive: IsAlive = noneAlive,
): { readonly kept: boolean; readonly gone: readonly LearnedPair[] } {
  const writable = learned as Writable;
  const gone: LearnedPair[] = [];
  const before = ownerOf(learned, heard.vrf, heard.address);
  if (before !== undefined) {
    const again = before.mac === heard.mac && before.vlan === heard.vlan;
    if (again && heard.unnamed === true) {
      // It pushes nobody out, and its place in the order of ages stays.
      const fits = (learned.byPort.get(heard.ifindex)?.size ?? 0) < limits.perPort;
      if (before.ifindex !== heard.ifindex && fits && !isAlive(before.ifindex)) replug(writable, before, heard.ifindex);
      return { kept: true, gone };
    }
    remove(writable, before);
    if (again) {
      // A port that is full does not take the pair over, nor can it make anybody lose it; nor does any while the pair's own lives.
      const moves = before.ifindex !== heard.ifindex && !isAlive(before.ifindex) && hasRoom(learned, heard, limits, isAlive);
      if (moves) gone.push(...makeRoom(writable, heard, limits, isAlive));
      const ifindex = moves ? heard.ifindex : before.ifindex;
      const pinned = before.pinned || nowMs - before.firstHeardMs >= limits.pinAfterMs;
      insert(writable, { ...before, ifindex, lastHeardMs: nowMs, pinned });
      return { kept: true, gone };
    }
    gone.push(before);
  }
  if (!hasRoom(learned, heard, limits, isAlive)) return { kept: false, gone };
  gone.push(...makeRoom(writable, heard, limits, isAlive));
  const { vrf, vlan, mac, address, ifindex } = heard;
  insert(writable, { vrf, vlan, mac, address, ifindex, firstHeardMs: nowMs, lastHeardMs: nowMs, pinned: false });
  return { kept: true, gone };
}

/** Takes back a pair of an earlier life, oldest first; false where it finds no place. What was learned in this life is newer. */
export function restorePair(learned: LearnedPairs, pair: LearnedPair, limits: LearnLimits = defaultLearnLimits): boolean {
  const full = learned.pairs.size >= limits.inAll || (learned.byPort.get(pair.ifindex)?.size ?? 0) >= limits.perPort
    || (learned.byMac.get(macKey(pair.vrf, pair.mac))?.size ?? 0) >= limits.perMac;
  if (full || ownerOf(learned, pair.vrf, pair.address) !== undefined) return false;
  insert(learned as Writable, pair);
  return true;
}

/** Takes a pair out: an operator, a binding or a new owner wants it so. */
export function forgetPair(learned: LearnedPairs, vrf: string, address: IpAddress): LearnedPair | undefined {
  const pair = ownerOf(learned, vrf, address);
  if (pair !== undefined) remove(learned as Writable, pair);
  return pair;
}

/** The pairs that were not heard for `idleForMs`, the most silent first; `most` of them at most. */
export function idlePairs(learned: LearnedPairs, nowMs: number, idleForMs: number, most = 1000): LearnedPair[] {
  const idle: LearnedPair[] = [];
  for (const pair of learned.pairs.values()) {
    if (nowMs - pair.lastHeardMs < idleForMs || idle.length >= most) break;
    idle.push(pair);
  }
  return idle;
}

/**
 * Takes out the pairs that were not heard for `learnedForMs` and whose MAC lives nowhere; those of a silent but living MAC start anew.
 * Looks at due pairs only, at most `most` of them, so that it can be called at every tick.
 */
export function expirePairs(
  learned: LearnedPairs,
  nowMs: number,
  learnedForMs: number,
  isAlive: (pair: LearnedPair) => boolean,
  most = 1000,
): LearnedPair[] {
  const writable = learned as Writable;
  const gone: LearnedPair[] = [];
  for (const pair of learned.pairs.values()) {
    if (nowMs - pair.lastHeardMs < learnedForMs || most-- <= 0) break;
    remove(writable, pair);
    if (isAlive(pair)) insert(writable, { ...pair, lastHeardMs: nowMs });
    else gone.push(pair);
  }
  return gone;
}

/** Pushes out what {@link displaced} names. */
function makeRoom(learned: Writable, heard: Heard, limits: LearnLimits, isAlive: IsAlive): LearnedPair[] {
  return (displaced(learned, heard, limits, isAlive) ?? []).map((key) => {
    const pair = learned.pairs.get(key) as LearnedPair;
    remove(learned, pair);
    learned.evicted++;
    return pair;
  });
}

/** The same pair behind another port. */
function replug(learned: Writable, pair: LearnedPair, ifindex: number): void {
  const key = pairKey(pair.vrf, pair.address);
  drop(learned.byPort, pair.ifindex, key);
  drop(learned.unpinnedByPort, pair.ifindex, key);
  learned.pairs.set(key, { ...pair, ifindex });
  add(learned.byPort, ifindex, key);
  if (!pair.pinned) add(learned.unpinnedByPort, ifindex, key);
}

function insert(learned: Writable, pair: LearnedPair): void {
  const key = pairKey(pair.vrf, pair.address);
  learned.pairs.set(key, pair);
  add(learned.byMac, macKey(pair.vrf, pair.mac), key);
  add(learned.byPort, pair.ifindex, key);
  if (pair.pinned) return;
  learned.unpinned.add(key);
  add(learned.unpinnedByPort, pair.ifindex, key);
}

function remove(learned: Writable, pair: LearnedPair): void {
  const key = pairKey(pair.vrf, pair.address);
  learned.pairs.delete(key);
  drop(learned.byMac, macKey(pair.vrf, pair.mac), key);
  drop(learned.byPort, pair.ifindex, key);
  learned.unpinned.delete(key);
  drop(learned.unpinnedByPort, pair.ifindex, key);
}

function add<Key>(map: Map<Key, Set<string>>, key: Key, value: string): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

function drop<Key>(map: Map<Key, Set<string>>, key: Key, value: string): void {
  const set = map.get(key);
  if (set?.delete(value) === true && set.size === 0) map.delete(key);
}

function pairKey(vrf: string, address: IpAddress): string {
  return `${address} ${vrf}`;
}

function macKey(vrf: string, mac: Mac): string {
  return `${mac} ${vrf}`;
}

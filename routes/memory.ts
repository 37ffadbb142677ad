import { parseIp, type IpAddress } from '../net/ip.ts';
import { parseMac, type Mac } from '../net/mac.ts';
import type { Now } from '../net/time.ts';
import type { LearnedPair } from '../identity/learned.ts';
import { clockSequence, highestSequence, isFuture, nextSequence } from './claim.ts';
import { newHandover, probesBeforeWithdraw, type Endpoint, type Handover, type HandoverOptions, type Source } from './handover.ts';

/*
 * What one life of the speaker leaves to the next: a JSON document, one record per line, so that a person can read it.
 *
 *   {"version":1,"node":…,"bootId":…,"writtenMs":…,"addresses":[
 *   {"vrf":…,"address":…,"state":…,"sequence":…,"ceiling":…, …},
 *   …],"learned":[
 *   {"vrf":…,"vlan":…,"mac":…,"address":…, …}
 *   ]}
 *
 * Times are wall clock, for no other clock outlives the process. Keys are added within a version, and a reader passes over those that
 * it does not know; a change of meaning is a new version. A file of a newer version than ours is not read.
 */
export const memoryVersion = 1;

/**
 * How far the ceiling on disk is above the highest sequence that was seen. Nothing waits for the disk: a life that ends before its
 * last sequences were written has used none above the ceiling, and the next one starts there.
 */
export const ceilingLead = 64;

/** More than `locRibLimit` and the learned pairs together. */
const recordLimit = 200_000;

/** A claim's port as it was: the same ifindex and MAC in the same boot are the same port. */
export interface RememberedEndpoint extends Endpoint {
  readonly port: string;
  readonly portMac?: Mac;
}

export interface RememberedAddress {
  readonly vrf: string;
  readonly address: IpAddress;
  /** `claimed`: elevated or normal. `held`: frozen, see `hold`. `none`: nothing was announced. */
  readonly state: 'claimed' | 'leaving' | 'manual' | 'held' | 'none';
  readonly source: Source;
  /** Of the claim that stood, or stood last; 0: there was none. */
  readonly sequence: number;
  readonly highestSeen: number;
  /** No sequence above it was used; equal to `highestSeen` after a stop in good order. */
  readonly ceiling: number;
  /** Of profile `ladder`; 0 is left out. */
  readonly step?: number;
  readonly claimedWallMs?: number;
  readonly endpoint?: RememberedEndpoint;
  readonly manual?: { readonly mode: 'announce' | 'withdraw'; readonly untilWallMs?: number };
  /** `level` `elevated`: the one that stands by its claim. */
  readonly hold?: { readonly why: 'flap' | 'conflict'; readonly level?: 'elevated'; readonly untilWallMs?: number };
}

export type RememberedPair = Pick<LearnedPair, 'vrf' | 'vlan' | 'mac' | 'address' | 'ifindex' | 'pinned'> & {
  readonly firstHeardWallMs: number;
  readonly lastHeardWallMs: number;
};

export interface Memory {
  readonly node: string;
  /** Of the kernel's boot: ifindexes mean something within one boot only. */
  readonly bootId: string;
  readonly writtenMs: number;
  /** Maintenance (`drain`) was on. */
  readonly drained?: true;
  readonly addresses: readonly RememberedAddress[];
  readonly learned: readonly RememberedPair[];
  /** Records that could not be read. */
  readonly refused: number;
}

/** What the kernel says about its own life. */
export interface BootFacts {
  /** Empty where it says nothing. */
  readonly id: string;
  readonly uptimeSeconds: number;
}

export type ParsedMemory = { readonly memory: Memory } | { readonly problem: string };

// ---- writing -----------------------------------------------------------------------------------------------------------

/** What waits for its policy gate is told again, or asked for: only what the routers have of it is kept. */
function stateOf({ state, hold }: Handover): RememberedAddress['state'] {
  if (state === 'held' && hold?.why === 'gate') return hold.level === 'elevated' ? 'claimed' : hold.level === 'leaving' ? 'leaving' : 'none';
  if (state === 'elevated' || state === 'normal') return 'claimed';
  return state === 'withdrawn' ? 'none' : state;
}

/** The record of an address, or `undefined` where there is nothing that the clock alone would not give back. */
export function rememberAddress(
  h: Handover, now: Now, { port, step, final }: { readonly port?: { readonly name: string; readonly mac?: Mac } | undefined; readonly step?: number | undefined; readonly final: boolean },
): RememberedAddress | undefined {
  const state = stateOf(h);
  const frozen = state === 'held' ? h.hold : undefined;
  if (state === 'none' && (h.highestSeen === 0 || (now.wallTrusted && h.highestSeen < clockSequence(now)))) return undefined;
  const wall = (monotonicMs: number): number => Math.round(now.wallMs - (now.monotonicMs - monotonicMs));
  return {
    vrf: h.vrf, address: h.address, state, source: h.source, sequence: h.sequence, highestSeen: h.highestSeen,
    ceiling: final ? h.highestSeen : Math.min(highestSequence, h.highestSeen + ceilingLead),
    ...(step === undefined || step === 0 ? {} : { step }),
    ...(Number.isFinite(h.claimedAtMs) ? { claimedWallMs: wall(h.claimedAtMs) } : {}),
    ...(h.endpoint === undefined || state === 'none' ? {} : {
      endpoint: { ...h.endpoint, port: port?.name ?? '', ...(port?.mac === undefined ? {} : { portMac: port.mac }) },
    }),
    ...(frozen === undefined || frozen.why === 'gate' ? {} : {
      hold: {
        why: frozen.why, ...(frozen.level === 'elevated' ? { level: frozen.level } : {}),
        ...(frozen.untilMs === undefined ? {} : { untilWallMs: wall(frozen.untilMs) }),
      },
    }),
    ...(h.manual === undefined ? {} : {
      manual: { mode: h.manual.mode, ...(h.manual.untilMs === undefined ? {} : { untilWallMs: wall(h.manual.untilMs) }) },
    }),
  };
}

export function rememberPair(pair: LearnedPair, now: Now): RememberedPair {
  const { vrf, vlan, mac, address, ifindex, pinned } = pair;
  const wall = (monotonicMs: number): number => Math.round(now.wallMs - (now.monotonicMs - monotonicMs));
  return { vrf, vlan, mac, address, ifindex, pinned, firstHeardWallMs: wall(pair.firstHeardMs), lastHeardWallMs: wall(pair.lastHeardMs) };
}

/** The document, piece by piece: a writer may pause between two. */
export function* serialiseMemory(
  head: Pick<Memory, 'node' | 'bootId' | 'writtenMs' | 'drained'>, addresses: Iterable<RememberedAddress>, learned: Iterable<RememberedPair>,
): Generator<string> {
  const { node, bootId, writtenMs, drained } = head;
  yield `${JSON.stringify({ version: memoryVersion, node, bootId, writtenMs, ...(drained === undefined ? {} : { drained }) }).slice(0, -1)},"addresses":[`;
  yield* records(addresses);
  yield '\n],"learned":[';
  yield* records(learned);
  yield '\n]}\n';
}

function* records(list: Iterable<unknown>): Generator<string> {
  let comma = '';
  for (const record of list) {
    yield `${comma}\n${JSON.stringify(record)}`;
    comma = ',';
  }
}

// ---- reading -----------------------------------------------------------------------------------------------------------

/** Reads a document of this version or an older one. Never throws, whatever the text; a record that makes no sense is left out and counted. */
export function parseMemory(text: string): ParsedMemory {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return { problem: 'it is no whole JSON document: cut short or damaged' };
  }
  const head = object(raw);
  const { version, node, bootId, writtenMs, drained, addresses, learned } = head ?? {};
  if (typeof version !== 'number') return { problem: 'it has no version' };
  if (!Number.isInteger(version) || version < 1) return { problem: `it is of version ${version}, which there never was` };
  if (version > memoryVersion) return { problem: `it is of version ${version}, and this program reads versions up to ${memoryVersion}` };
  if (typeof node !== 'string' || typeof bootId !== 'string' || !isTime(writtenMs) || !Array.isArray(addresses)) return { problem: 'its head is damaged' };
  const pairs = Array.isArray(learned) ? learned : [];
  if (addresses.length + pairs.length > recordLimit) return { problem: `it has more than ${recordLimit} records` };
  const read = addresses.map(readAddress).filter((record) => record !== undefined);
  const readPairs = pairs.map(readPair).filter((record) => record !== undefined);
  const refused = addresses.length - read.length + pairs.length - readPairs.length;
  return { memory: { node, bootId, writtenMs, ...(drained === true ? { drained } : {}), addresses: read, learned: readPairs, refused } };
}

const sources: readonly string[] = ['garp', 'rarp', 'na', 'arp', 'ns', 'probe', 'uplink', 'remote-claim', 'port-gone', 'manual', 'none'] satisfies Source[];
const states: readonly unknown[] = ['claimed', 'leaving', 'manual', 'held', 'none'] satisfies RememberedAddress['state'][];

function readAddress(raw: unknown): RememberedAddress | undefined {
  const { vrf, address: text, state, source, sequence, highestSeen, ceiling, step, claimedWallMs, endpoint: rawEndpoint, manual: rawManual, hold: rawHold } = object(raw) ?? {};
  const address = typeof text === 'string' ? parseIp(text) : undefined;
  if (!isName(vrf) || address === undefined || !isSequence(sequence) || !isSequence(highestSeen) || highestSeen < sequence) return undefined;
  const endpoint = rawEndpoint === undefined ? undefined : readEndpoint(rawEndpoint);
  const manual = rawManual === undefined ? undefined : readManual(rawManual);
  const hold = rawHold === undefined ? undefined : readHold(rawHold);
  // A state that this version does not know, or that lacks what belongs to it, leaves the sequences.
  const known = states.includes(state) && (state !== 'manual' || manual !== undefined) && (state !== 'held' || hold !== undefined) && (state !== 'claimed' || endpoint !== undefined);
  return {
    vrf, address, sequence, highestSeen, state: known ? (state as RememberedAddress['state']) : 'none',
    source: typeof source === 'string' && sources.includes(source) ? (source as Source) : 'none',
    ceiling: isSequence(ceiling) ? Math.max(ceiling, highestSeen) : highestSeen,
    ...(isWhole(step, 1, 255) ? { step } : {}),
    ...(isTime(claimedWallMs) ? { claimedWallMs } : {}), ...(endpoint === undefined ? {} : { endpoint }), ...(manual === undefined ? {} : { manual }),
    ...(hold === undefined ? {} : { hold }),
  };
}

function readHold(raw: unknown): RememberedAddress['hold'] {
  const { why, level, untilWallMs } = object(raw) ?? {};
  if (why !== 'flap' && why !== 'conflict') return undefined;
  return { why, ...(level === 'elevated' ? { level } : {}), ...(isTime(untilWallMs) ? { untilWallMs } : {}) };
}

function readEndpoint(raw: unknown): RememberedEndpoint | undefined {
  const { mac: text, vlan, ifindex, tagged, port, portMac: portText } = object(raw) ?? {};
  const mac = typeof text === 'string' ? parseMac(text) : undefined;
  const portMac = typeof portText === 'string' ? parseMac(portText) : undefined;
  if (mac === undefined || !isVlan(vlan) || !isIfindex(ifindex)) return undefined;
  return { mac, vlan, ifindex, tagged: tagged === true, port: typeof port === 'string' ? port.slice(0, 15) : '', ...(portMac === undefined ? {} : { portMac }) };
}

function readManual(raw: unknown): RememberedAddress['manual'] {
  const { mode, untilWallMs } = object(raw) ?? {};
  if (mode !== 'announce' && mode !== 'withdraw') return undefined;
  return { mode, ...(isTime(untilWallMs) ? { untilWallMs } : {}) };
}

function readPair(raw: unknown): RememberedPair | undefined {
  const { vrf, vlan, mac: macText, address: text, ifindex, pinned, firstHeardWallMs, lastHeardWallMs } = object(raw) ?? {};
  const mac = typeof macText === 'string' ? parseMac(macText) : undefined;
  const address = typeof text === 'string' ? parseIp(text) : undefined;
  if (!isName(vrf) || !isVlan(vlan) || mac === undefined || address === undefined || !isIfindex(ifindex)) return undefined;
  if (!isTime(firstHeardWallMs) || !isTime(lastHeardWallMs)) return undefined;
  return { vrf, vlan, mac, address, ifindex, pinned: pinned === true, firstHeardWallMs, lastHeardWallMs };
}

const object = (raw: unknown): Record<string, unknown> | undefined =>
  typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? (raw as Record<string, unknown>) : undefined;
const isName = (raw: unknown): raw is string => typeof raw === 'string' && /^[a-zA-Z0-9._-]{1,63}$/.test(raw);
const isWhole = (raw: unknown, low: number, high: number): raw is number => typeof raw === 'number' && Number.isInteger(raw) && raw >= low && raw <= high;
const isSequence = (raw: unknown): raw is number => isWhole(raw, 0, highestSequence);
const isVlan = (raw: unknown): raw is number => isWhole(raw, 0, 4094);
const isIfindex = (raw: unknown): raw is number => isWhole(raw, 1, 0x7fffffff);
const isTime = (raw: unknown): raw is number => typeof raw === 'number' && raw >= 0 && raw < 1e14;

// ---- coming back -------------------------------------------------------------------------------------------------------

/** True for a record whose sequences nobody can have reached: they are not adopted. */
export function isFutureRecord(record: RememberedAddress, now: Now): boolean {
  return record.highestSeen > 0 && isFuture(record.highestSeen, now);
}

/** The handover that a record gives before anything is confirmed: withdrawn, and above every sequence that may have been used. */
export function recallSequence(record: RememberedAddress, now: Now): Handover {
  const blank = newHandover(record.vrf, record.address, now);
  if (isFutureRecord(record, now)) return blank;
  // The lead is not for a clock that goes: it stays near it, however often the process ends.
  const bound = now.wallTrusted ? clockSequence(now) + ceilingLead : highestSequence;
  return { ...blank, sequence: record.sequence, highestSeen: Math.max(record.highestSeen, Math.min(record.ceiling, bound)) };
}

/** The claim as it stood, with the sequence that the routers have; or a departure that goes on where it was. */
export function recallClaim(h: Handover, record: RememberedAddress, endpoint: Endpoint, now: Now, options: HandoverOptions): Handover {
  const base: Handover = { ...h, source: record.source, endpoint, evidenceAtMs: now.monotonicMs, claimedAtMs: now.monotonicMs };
  if (record.state === 'leaving') {
    return { ...base, state: 'leaving', leaveAtMs: now.monotonicMs + options.withdrawAfterMs, probe: { sent: 0, atMs: now.monotonicMs } };
  }
  const ageMs = record.claimedWallMs === undefined ? 0 : Math.max(0, now.wallMs - record.claimedWallMs);
  const leftMs = options.elevatedForMs - ageMs;
  return leftMs <= 0 ? { ...base, state: 'normal' } : { ...base, state: 'elevated', settleAtMs: now.monotonicMs + leftMs };
}

/** An operator's word outlives the process. */
export function recallManual(h: Handover, record: RememberedAddress, endpoint: Endpoint | undefined, now: Now): Handover {
  const { mode, untilWallMs } = record.manual ?? { mode: 'withdraw' as const };
  // Its sequence was refused: one that is announced needs another.
  const sequence = mode === 'announce' && h.sequence === 0 ? nextSequence(h.highestSeen, now) : h.sequence;
  return {
    ...h, sequence, highestSeen: Math.max(h.highestSeen, sequence), state: 'manual', source: 'manual', ...(endpoint === undefined ? {} : { endpoint }),
    manual: { mode, ...(untilWallMs === undefined ? {} : { untilMs: now.monotonicMs + Math.max(0, untilWallMs - now.wallMs) }) },
  };
}

/** A freeze outlives the process: the one that stood by its claim does so again, the other goes on saying nothing. */
export function recallHeld(h: Handover, record: RememberedAddress, endpoint: Endpoint | undefined, now: Now): Handover {
  const { why, level, untilWallMs } = record.hold ?? { why: 'conflict' as const };
  return {
    ...h, state: 'held', source: record.source, ...(endpoint === undefined ? {} : { endpoint }),
    hold: {
      why, seen: h.highestSeen, ...(level === undefined ? {} : { level }),
      ...(untilWallMs === undefined ? {} : { untilMs: now.monotonicMs + Math.max(0, untilWallMs - now.wallMs) }),
    },
  };
}

/** A VM whose port lives but can't be told to be the one that it was is asked there, as one that was paused is. */
export function recallDoubt(h: Handover, endpoint: Endpoint, now: Now): Handover {
  return { ...h, endpoint, probe: { sent: probesBeforeWithdraw, atMs: now.monotonicMs + 1000 } };
}

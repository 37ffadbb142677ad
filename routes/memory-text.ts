import { parseIp } from '../net/ip.ts';
import { parseMac } from '../net/mac.ts';
import { highestSequence } from './claim.ts';
import type { Source } from './handover.ts';
import type { Memory, RememberedAddress, RememberedEndpoint, RememberedPair } from './memory.ts';

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

/** More than `locRibLimit` and the learned pairs together. */
const recordLimit = 200_000;

export type ParsedMemory = { readonly memory: Memory } | { readonly problem: string };

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

/*
 * A recording is lines of JSON: one that tells what the speaker was made of, then one for each call of it, in order.
 *
 *   {"recording": 1, "version": "0.1.0", "config": {…}, "routerId": "192.0.2.17", "dryRun": false, "seed": 7, "now": {…}}
 *   {"call": "dispatch", "args": [{"type": "frame", …}, {"monotonicMs": …, …}]}
 *   {"decided": "elevated 203.0.113.11/32"}
 *
 * What JSON lacks is an object with one key: {"$bytes": "hex"}, {"$number": "Infinity"}, {"$set": […]}, {"$map": [[key, value], …]}, {"$big": "7"}.
 */

/** The number of the format; a recording with another one is refused. */
export const recordingFormat = 1;

/** What a speaker is made of beside its configuration. */
export interface RecordingHeader {
  readonly recording: number;
  readonly version: string;
  readonly config: unknown;
  readonly routerId: string;
  readonly dryRun: boolean;
  /** Of {@link seededRandom}. */
  readonly seed: number;
  readonly now: unknown;
}

/** One line behind the header. */
export type RecordingLine =
  | { readonly call: string; readonly args: readonly unknown[] }
  /** What the call before made the speaker decide: a replay must say the same. */
  | { readonly decided: string };

/** Deeper than any input; a cycle is a fault of ours. */
const mostDepth = 24;

/** A value as text that {@link parseRecorded} takes back. */
export function formatRecorded(value: unknown): string {
  return JSON.stringify(plain(value, 0));
}

/** @throws SyntaxError for text that is no JSON. */
export function parseRecorded(text: string): unknown {
  return rich(JSON.parse(text) as unknown);
}

function plain(value: unknown, depth: number): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : { $number: String(value) };
  if (typeof value === 'bigint') return { $big: String(value) };
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= mostDepth) return null;
  const inner = (item: unknown): unknown => plain(item, depth + 1);
  if (value instanceof Uint8Array) return { $bytes: toHex(value) };
  if (value instanceof Set) return { $set: [...value].map(inner) };
  if (value instanceof Map) return { $map: [...value].map(([key, item]) => [inner(key), inner(item)]) };
  if (Array.isArray(value)) return value.map(inner);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inner(item)]));
}

function rich(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(rich);
  const entries = Object.entries(value);
  const [key, item] = entries[0] ?? [];
  if (entries.length === 1) {
    if (key === '$bytes' && typeof item === 'string') return fromHex(item);
    if (key === '$number') return Number(item);
    if (key === '$big' && typeof item === 'string' && /^-?\d{1,40}$/.test(item)) return BigInt(item);
    if (key === '$set' && Array.isArray(item)) return new Set(item.map(rich));
    if (key === '$map' && Array.isArray(item)) return new Map(item.map(rich) as [unknown, unknown][]);
  }
  return Object.fromEntries(entries.map(([name, inner]) => [name, rich(inner)]));
}

const octetTexts: readonly string[] = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'));

function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const octet of bytes) text += octetTexts[octet] as string;
  return text;
}

function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >>> 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** A stream of numbers 0 ≤ x < 1 that a seed alone decides (mulberry32): a recorded speaker draws from it, so that its replay draws the same. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

import { hostPrefix, isHostPrefix, parseIp, parsePrefix, prefixAddress } from '../net/ip.ts';
import type { IpAddress, Prefix } from '../net/ip.ts';
import { printable } from '../net/printable.ts';
import type { ErrorReply, EventItem, PrefixState } from './views/items.ts';

/** A request that is wrong: the HTTP status code, and the error object's code and message. */
export interface ApiProblem {
  readonly status: number;
  readonly code: ErrorReply['error']['code'];
  readonly message: string;
  /** For 405: what the path allows. */
  readonly allow?: string;
}

/** Characters of any name, prefix or number in a query or a body. */
const textLimit = 253;
/** Past events that are kept for readers who come later. */
export const recentLimit = 1000;
/** A year: the longest time that a query or an override can name, in seconds. */
const secondsLimit = 366 * 86400;

export const prefixStates: readonly PrefixState[] = ['normal', 'elevated', 'leaving', 'withdrawn', 'held', 'manual'];
export const eventTypes: readonly EventItem['type'][] = ['migration', 'peer', 'config', 'frame', 'capture'];

/** Thrown by what reads a value; `parseApiRequest` catches it. */
export class Wrong extends Error {
  readonly problem: ApiProblem;
  constructor(problem: ApiProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

type Read<Value> = (key: string, text: string) => Value;

/** Named values of a query or a body: each is taken once, and what is left over at the end is an error with the names that exist. */
export class Query {
  private readonly values: Map<string, string>;
  private readonly known: string[] = [];

  constructor(values: Map<string, string>) {
    this.values = values;
  }

  take<Value>(key: string, read: Read<Value>): Value | undefined {
    this.known.push(key);
    const text = this.values.get(key);
    this.values.delete(key);
    return text === undefined ? undefined : read(key, text);
  }

  optional<Key extends string, Value>(key: Key, read: Read<Value>): { [name in Key]?: Value } {
    const value = this.take(key, read);
    return value === undefined ? {} : ({ [key]: value } as { [name in Key]?: Value });
  }

  required<Value>(key: string, read: Read<Value>): Value {
    const value = this.take(key, read);
    if (value === undefined) throw bad(`${key} is missing`);
    return value;
  }

  finish(): void {
    const [unknown] = this.values.keys();
    if (unknown === undefined) return;
    const known = this.known.length === 0 ? 'there is none here' : `known here: ${this.known.join(', ')}`;
    throw bad(`unknown parameter ${quote(unknown)}; ${known}`);
  }
}

export function readQuery(text: string): Query {
  const values = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(text)) {
    if (values.has(key)) throw bad(`parameter ${quote(key)} is given twice`);
    if (value.length > textLimit) throw bad(`parameter ${quote(key)} is longer than ${textLimit} characters`);
    values.set(key, value);
  }
  return new Query(values);
}

/** JSON types of what is no text. */
const bodyTypes: Readonly<Record<string, 'number' | 'boolean'>> = { __proto__: null as never, forSeconds: 'number', waitSeconds: 'number', dryRun: 'boolean' };

export function readBody(text: string): Query {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw bad('the body is not JSON; expected an object like {"address":"203.0.113.11"}');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw bad('the body is not a JSON object');
  const values = new Map<string, string>();
  for (const [key, value] of Object.entries(body)) {
    const type = bodyTypes[key] ?? 'string';
    if (typeof value !== type) throw bad(`${quote(key)} must be a ${type}`);
    const written = String(value);
    if (written.length > textLimit) throw bad(`${quote(key)} is longer than ${textLimit} characters`);
    values.set(key, written);
  }
  return new Query(values);
}

export function readName(key: string, text: string): string {
  if (text === '' || text.length > textLimit) throw bad(`${key} must have 1 to ${textLimit} characters`);
  return text;
}

export function readId(text: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) throw bad(`${quote(text)} is no migration's id`);
  return text;
}

/** An address, or a prefix of any length; an address means its /32 or /128. */
export function readPrefix(_key: string, text: string): Prefix {
  const address = parseIp(text);
  const prefix = address === undefined ? parsePrefix(text) : hostPrefix(address);
  if (prefix === undefined) throw bad(`${quote(text)} is neither an IP address nor a prefix with all host bits zero`);
  return prefix;
}

/** An address, or its /32 or /128. */
export function readAddress(_key: string, text: string): IpAddress {
  const address = parseIp(text);
  if (address !== undefined) return address;
  const prefix = parsePrefix(text);
  if (prefix === undefined || !isHostPrefix(prefix)) throw bad(`${quote(text)} is not an IP address`);
  return prefixAddress(prefix);
}

export function readState(_key: string, text: string): PrefixState {
  const state = prefixStates.find((known) => known === text);
  if (state === undefined) throw bad(`unknown state ${quote(text)}; states are ${prefixStates.join(', ')}`);
  return state;
}

export function readHint(_key: string, text: string): 'paused' | 'running' {
  if (text !== 'paused' && text !== 'running') throw bad(`a hint says paused or running, not ${quote(text)}`);
  return text;
}

export function readEventTypes(_key: string, text: string): ReadonlySet<EventItem['type']> {
  return new Set(
    text.split(',').map((name) => {
      const type = eventTypes.find((known) => known === name);
      if (type === undefined) throw bad(`unknown event type ${quote(name)}; types are ${eventTypes.join(', ')}`);
      return type;
    }),
  );
}

export function readRecent(key: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > recentLimit) throw bad(`${key} must be a whole number from 0 to ${recentLimit}`);
  return Number(text);
}

export function readBoolean(key: string, text: string): boolean {
  if (text !== 'true' && text !== 'false') throw bad(`${key} must be true or false`);
  return text === 'true';
}

export function readSeconds(key: string, text: string): number {
  const seconds = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : NaN;
  if (!(seconds > 0 && seconds <= secondsLimit)) throw bad(`${key} must be a number of seconds, above 0 and at most ${secondsLimit}`);
  return seconds;
}

function quote(text: string): string {
  return `"${printable(text, 60)}"`;
}

export function bad(message: string): Wrong {
  return new Wrong({ status: 400, code: 'badRequest', message });
}

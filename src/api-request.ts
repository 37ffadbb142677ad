import { hostPrefix, isHostPrefix, parseIp, parsePrefix, prefixAddress } from '../net/ip.ts';
import type { IpAddress, Prefix } from '../net/ip.ts';
import { printable } from '../net/printable.ts';
import type { ApiRequest } from './backend.ts';
import type { ErrorReply, EventItem, PrefixState } from './views/items.ts';

/** A request that is wrong: the HTTP status code, and the error object's code and message. */
export interface ApiProblem {
  readonly status: number;
  readonly code: ErrorReply['error']['code'];
  readonly message: string;
  /** For 405: what the path allows. */
  readonly allow?: string;
}

/** Which events a reader wants. */
export interface EventQuery {
  /** `undefined`: every type. */
  readonly types: ReadonlySet<EventItem['type']> | undefined;
  /** How many of the latest to begin with, 0…{@link recentLimit}. */
  readonly recent: number;
  /** Whether to go on with those to come. */
  readonly follow: boolean;
}

/** What a request line and a body mean. */
export type ParsedRequest =
  | { readonly type: 'request'; readonly request: ApiRequest }
  | { readonly type: 'events'; readonly query: EventQuery }
  | { readonly type: 'problem'; readonly problem: ApiProblem };

/** Octets of a body at most; the largest that has a meaning is far smaller. */
export const bodyLimit = 16 * 1024;
/** Characters of any name, prefix or number in a query or a body. */
const textLimit = 253;
/** Past events that are kept for readers who come later. */
export const recentLimit = 1000;
/** A year: the longest time that a query or an override can name, in seconds. */
const secondsLimit = 366 * 86400;

export const prefixStates: readonly PrefixState[] = ['normal', 'elevated', 'leaving', 'withdrawn', 'held', 'manual'];
export const eventTypes: readonly EventItem['type'][] = ['migration', 'peer', 'config', 'frame', 'capture'];

/** Thrown inside this file only. */
class Wrong extends Error {
  readonly problem: ApiProblem;
  constructor(problem: ApiProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

/**
 * Reads `GET /v1/…?…` or `POST /v1/… {json}`. Total: any text gives a request or a problem, never an exception.
 * @param target the request target as it stands in the request line.
 * @param body the octets of the body as text; empty for GET.
 */
export function parseApiRequest(method: string, target: string, body: string): ParsedRequest {
  try {
    return parse(method, target, body);
  } catch (error) {
    if (error instanceof Wrong) return { type: 'problem', problem: error.problem };
    throw error;
  }
}

/** True for a path that takes a body, so that the socket knows whether to read one. */
export function takesBody(method: string): boolean {
  return method === 'POST';
}

function parse(method: string, target: string, body: string): ParsedRequest {
  const question = target.indexOf('?');
  const path = question < 0 ? target : target.slice(0, question);
  const parts = path.split('/').slice(1).map(decodePart);
  const [version, verb, argument] = parts;
  if (version !== 'v1' || verb === undefined || parts.length > 3) throw notFound(path);
  const query = readQuery(question < 0 ? '' : target.slice(question + 1));
  const wanted = argument === undefined ? verb : `${verb}/`;
  const change = changes[wanted];
  if (change !== undefined && (method === 'POST' || questions[wanted] === undefined)) {
    if (method !== 'POST') throw wrongMethod(path, 'POST');
    query.finish();
    return { type: 'request', request: change(readBody(body)) };
  }
  const question2 = wanted === 'events' ? undefined : questions[wanted];
  if (question2 === undefined && wanted !== 'events') throw notFound(path);
  if (method !== 'GET' && method !== 'HEAD') throw wrongMethod(path, 'GET');
  if (question2 === undefined) {
    const events = {
      types: query.take('type', readEventTypes),
      recent: query.take('recent', readRecent) ?? 0,
      follow: query.take('follow', readBoolean) ?? true,
    };
    query.finish();
    return { type: 'events', query: events };
  }
  const request = question2(query, argument ?? '');
  query.finish();
  return { type: 'request', request };
}

const questions: Readonly<Record<string, (query: Query, argument: string) => ApiRequest>> = {
  __proto__: null as never,
  status: () => ({ verb: 'status' }),
  peers: () => ({ verb: 'peers' }),
  'peers/': (_query, name) => ({ verb: 'peers', name: readName('peer', name) }),
  prefixes: (query) => ({
    verb: 'prefixes',
    ...query.optional('prefix', readPrefix),
    ...query.optional('peer', readName),
    ...query.optional('state', readState),
    ...query.optional('vm', readName),
  }),
  received: (query) => ({ verb: 'received', ...query.optional('prefix', readPrefix), ...query.optional('peer', readName) }),
  migrations: (query) => ({ verb: 'migrations', ...query.optional('sinceSeconds', readSeconds), ...query.optional('vm', readName) }),
  'migrations/': (_query, id) => ({ verb: 'migration', id: readId(id) }),
  bindings: () => ({ verb: 'bindings' }),
  ignored: (query) => ({ verb: 'ignored', ...query.optional('sinceSeconds', readSeconds) }),
  config: () => ({ verb: 'config' }),
  doctor: () => ({ verb: 'doctor' }),
  drain: () => ({ verb: 'drain' }),
  'why/': (_query, address) => ({ verb: 'why', address: readAddress('address', address) }),
};

const changes: Readonly<Record<string, (body: Query) => ApiRequest>> = {
  __proto__: null as never,
  announce: (body) => finished(body, { verb: 'announce', address: body.required('address', readAddress), ...body.optional('vrf', readName) }),
  withdraw: (body) =>
    finished(body, {
      verb: 'withdraw',
      address: body.required('address', readAddress),
      ...body.optional('vrf', readName),
      ...body.optional('forSeconds', readSeconds),
    }),
  reload: (body) => finished(body, { verb: 'reload', ...body.optional('dryRun', readBoolean) }),
  drain: (body) => finished(body, { verb: 'beginDrain', ...body.optional('waitSeconds', readSeconds) }),
  undrain: (body) => finished(body, { verb: 'undrain' }),
  clear: (body) => finished(body, { verb: 'clear', address: body.required('address', readAddress), ...body.optional('vrf', readName) }),
  hint: (body) =>
    finished(body, { verb: 'hint', state: body.required('state', readHint), vm: body.required('vm', readName), ...body.optional('vrf', readName), ...body.optional('to', readName) }),
  auto: (body) => finished(body, { verb: 'auto', address: body.required('address', readAddress), ...body.optional('vrf', readName) }),
};

function finished(body: Query, request: ApiRequest): ApiRequest {
  body.finish();
  return request;
}

type Read<Value> = (key: string, text: string) => Value;

/** Named values of a query or a body: each is taken once, and what is left over at the end is an error with the names that exist. */
class Query {
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

function readQuery(text: string): Query {
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

function readBody(text: string): Query {
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

function readName(key: string, text: string): string {
  if (text === '' || text.length > textLimit) throw bad(`${key} must have 1 to ${textLimit} characters`);
  return text;
}

function readId(text: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) throw bad(`${quote(text)} is no migration's id`);
  return text;
}

/** An address, or a prefix of any length; an address means its /32 or /128. */
function readPrefix(_key: string, text: string): Prefix {
  const address = parseIp(text);
  const prefix = address === undefined ? parsePrefix(text) : hostPrefix(address);
  if (prefix === undefined) throw bad(`${quote(text)} is neither an IP address nor a prefix with all host bits zero`);
  return prefix;
}

/** An address, or its /32 or /128. */
function readAddress(_key: string, text: string): IpAddress {
  const address = parseIp(text);
  if (address !== undefined) return address;
  const prefix = parsePrefix(text);
  if (prefix === undefined || !isHostPrefix(prefix)) throw bad(`${quote(text)} is not an IP address`);
  return prefixAddress(prefix);
}

function readState(_key: string, text: string): PrefixState {
  const state = prefixStates.find((known) => known === text);
  if (state === undefined) throw bad(`unknown state ${quote(text)}; states are ${prefixStates.join(', ')}`);
  return state;
}

function readHint(_key: string, text: string): 'paused' | 'running' {
  if (text !== 'paused' && text !== 'running') throw bad(`a hint says paused or running, not ${quote(text)}`);
  return text;
}

function readEventTypes(_key: string, text: string): ReadonlySet<EventItem['type']> {
  return new Set(
    text.split(',').map((name) => {
      const type = eventTypes.find((known) => known === name);
      if (type === undefined) throw bad(`unknown event type ${quote(name)}; types are ${eventTypes.join(', ')}`);
      return type;
    }),
  );
}

function readRecent(key: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > recentLimit) throw bad(`${key} must be a whole number from 0 to ${recentLimit}`);
  return Number(text);
}

function readBoolean(key: string, text: string): boolean {
  if (text !== 'true' && text !== 'false') throw bad(`${key} must be true or false`);
  return text === 'true';
}

function readSeconds(key: string, text: string): number {
  const seconds = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : NaN;
  if (!(seconds > 0 && seconds <= secondsLimit)) throw bad(`${key} must be a number of seconds, above 0 and at most ${secondsLimit}`);
  return seconds;
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw bad('the path has a broken % escape');
  }
}

function quote(text: string): string {
  return `"${printable(text, 60)}"`;
}

function bad(message: string): Wrong {
  return new Wrong({ status: 400, code: 'badRequest', message });
}

function notFound(path: string): Wrong {
  const known = [...new Set([...Object.keys(questions), 'events', ...Object.keys(changes)])].map((name) => `/v1/${name}`);
  return new Wrong({ status: 404, code: 'notFound', message: `no such path: ${printable(path, 60)}; there are ${known.join(' ')}` });
}

function wrongMethod(path: string, allow: string): Wrong {
  return new Wrong({ status: 405, code: 'badRequest', message: `${printable(path, 60)} takes ${allow} only`, allow });
}

import { printable } from '../net/printable.ts';
import {
  Wrong, bad, readAddress, readBody, readBoolean, readEventTypes, readHint, readId, readName, readPrefix, readQuery, readRecent, readSeconds, readState,
  type ApiProblem, type Query,
} from './api-parameters.ts';
import type { ApiRequest } from './backend.ts';
import type { EventItem } from './views/items.ts';

/** Which events a reader wants. */
export interface EventQuery {
  /** `undefined`: every type. */
  readonly types: ReadonlySet<EventItem['type']> | undefined;
  /** How many of the latest to begin with, 0…`recentLimit`. */
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

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw bad('the path has a broken % escape');
  }
}

function notFound(path: string): Wrong {
  const known = [...new Set([...Object.keys(questions), 'events', ...Object.keys(changes)])].map((name) => `/v1/${name}`);
  return new Wrong({ status: 404, code: 'notFound', message: `no such path: ${printable(path, 60)}; there are ${known.join(' ')}` });
}

function wrongMethod(path: string, allow: string): Wrong {
  return new Wrong({ status: 405, code: 'badRequest', message: `${printable(path, 60)} takes ${allow} only`, allow });
}

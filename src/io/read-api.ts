import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseApiRequest } from '../api-request.ts';
import type { Backend } from '../backend.ts';
import type { ErrorReply, ListReply } from '../views/items.ts';
import type { World } from '../world.ts';
import { send } from './http.ts';
import { isOwnName } from './web.ts';

/** Items of an answer at most; `total` says how many there are. */
export const itemLimit = 10_000;

/** What can be asked from afar: nothing that changes anything, and no configuration. */
const readable = new Set(['status', 'peers', 'prefixes', 'received', 'migrations', 'migration', 'bindings', 'ignored', 'why']);

/**
 * `/api/v1/…`: the questions of the API socket, for whoever can reach `telemetry.listen` (the API server's pod proxy among them). An error is
 * an answer of status 200 with `kind: Error`, because what stands in between hides the words of others. @returns false for every other path
 */
export function answerReadApi(backend: Backend, world: World, request: IncomingMessage, response: ServerResponse): boolean {
  const url = request.url ?? '';
  if (!url.startsWith('/api/v1/')) return false;
  if (!isOwnName(request.headers.host, world.config.node.name)) {
    send(response, 421, 'text/plain; charset=utf-8', 'ask by address, as localhost or by the name of the node\n');
    return true;
  }
  send(response, 200, 'application/json', JSON.stringify(reply(backend, url.slice('/api'.length))));
  return true;
}

function reply(backend: Backend, target: string): ErrorReply | (ListReply<unknown> & { readonly total: number }) {
  const parsed = parseApiRequest('GET', target, '');
  if (parsed.type === 'problem') return refusal(parsed.problem.code, parsed.problem.message);
  if (parsed.type === 'events' || !readable.has(parsed.request.verb)) return refusal('notFound', 'not to be asked from afar; use the command line on the node');
  const answer = backend.handle(parsed.request);
  return 'error' in answer ? answer : { ...answer, items: answer.items.slice(0, itemLimit), total: answer.items.length };
}

function refusal(code: ErrorReply['error']['code'], message: string): ErrorReply {
  return { apiVersion: 'landfall/v1', kind: 'Error', error: { code, message } };
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseApiRequest } from '../api-request.ts';
import type { Backend } from '../backend.ts';
import { collectMigration } from '../collect/migrations.ts';
import { parseIp } from '../../net/ip.ts';
import { list } from '../queries.ts';
import type { EventItem } from '../views/items.ts';
import type { World } from '../world.ts';
import { send } from './http.ts';

export interface WebDoor {
  readonly backend: Backend;
  readonly world: () => World;
}

export interface Web {
  /** Answers what is under its paths; false for all else. */
  answer(request: IncomingMessage, response: ServerResponse): boolean;
  close(): void;
}

/** Items of an answer at most: a page is read by people. `total` says how many there are. */
const itemLimit = 500;
const migrationLimit = 50;
/** Pages that are kept up to date at once. */
export const streamLimit = 8;
/** Octets that may wait for a page that does not read. */
const lagLimit = 256 * 1024;
const heartbeatMs = 15_000;

/** Nothing but this host's own files, no script or style inside the page, and text only by the DOM's text interfaces. */
const headers: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

const files: Readonly<Record<string, readonly [name: string, type: string]>> = {
  __proto__: null as never,
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/app.js': ['app.js', 'text/javascript; charset=utf-8'],
  '/timeline.js': ['timeline.js', 'text/javascript; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
};

/** What the page may ask of the API: nothing here changes anything. */
const readable = new Set(['status', 'peers', 'prefixes', 'migration']);

/** The timeline page: its files, its data under `/api/`, and `/events` (server-sent events). */
export function openWeb({ backend, world }: WebDoor): Web {
  const contents = new Map<string, Buffer>();
  const streams = new Set<ServerResponse>();
  let unsubscribe: (() => void) | undefined;
  let heartbeat: NodeJS.Timeout | undefined;

  const write = (text: string): void => {
    for (const stream of streams) {
      if (stream.writableLength > lagLimit) stream.destroy();
      else stream.write(text);
    }
  };
  const drop = (stream: ServerResponse): void => {
    streams.delete(stream);
    if (streams.size > 0) return;
    unsubscribe?.();
    unsubscribe = undefined;
    clearInterval(heartbeat);
  };
  const follow = (response: ServerResponse): void => {
    if (streams.size >= streamLimit) return send(response, 503, 'text/plain; charset=utf-8', `${streamLimit} pages are open already\n`, headers);
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers });
    response.socket?.setTimeout(0);
    response.write('retry: 3000\n\n');
    response.on('close', () => drop(response));
    streams.add(response);
    if (streams.size > 1) return;
    unsubscribe = backend.subscribe((event) => {
      if (shown.has(event.type)) write(`data: ${JSON.stringify(event)}\n\n`);
    });
    heartbeat = setInterval(() => write(': still here\n\n'), heartbeatMs);
  };

  return {
    answer(request, response) {
      const url = request.url ?? '';
      const path = url.split('?', 1)[0] as string;
      const file = files[path];
      if (file === undefined && path !== '/events' && !path.startsWith('/api/')) return false;
      if (!isOwnName(request.headers.host, world().config.node.name)) {
        send(response, 421, 'text/plain; charset=utf-8', 'ask by address, as localhost or by the name of the node\n', headers);
      } else if (file !== undefined) {
        let content = contents.get(file[0]);
        if (content === undefined) contents.set(file[0], content = readFileSync(new URL(`../web/${file[0]}`, import.meta.url)));
        send(response, 200, file[1], content, headers);
      } else if (path === '/events') {
        if (request.method === 'HEAD') send(response, 200, 'text/event-stream', '', headers);
        else follow(response);
      } else {
        const { status, body } = answerApi(backend, world(), url.slice('/api/'.length));
        send(response, status, 'application/json', body, headers);
      }
      return true;
    },
    close() {
      for (const stream of streams) stream.destroy();
    },
  };
}

const shown: ReadonlySet<EventItem['type']> = new Set(['migration', 'peer', 'config']);

function answerApi(backend: Backend, world: World, target: string): { status: number; body: string } {
  if (target === 'migrations') {
    const { all } = world.migrations;
    return { status: 200, body: JSON.stringify({ ...list(world, 'MigrationList', all.slice(-migrationLimit).reverse().map(collectMigration)), total: all.length }) };
  }
  const parsed = parseApiRequest('GET', `/v1/${target}`, '');
  if (parsed.type === 'problem') return { status: parsed.problem.status, body: JSON.stringify({ error: { code: parsed.problem.code, message: parsed.problem.message } }) };
  if (parsed.type === 'events' || !readable.has(parsed.request.verb)) return { status: 404, body: JSON.stringify({ error: { code: 'notFound', message: 'not shown here; use the command line' } }) };
  const reply = backend.handle(parsed.request);
  if ('error' in reply) return { status: reply.error.code === 'notFound' ? 404 : 400, body: JSON.stringify(reply) };
  return { status: 200, body: JSON.stringify({ ...reply, items: reply.items.slice(0, itemLimit), total: reply.items.length }) };
}

/** A page of another site that made its name mean this host's address must not read it (DNS rebinding). */
export function isOwnName(host: string | undefined, nodeName: string): boolean {
  const name = (host ?? '').replace(/:\d{1,5}$/, '').toLowerCase();
  if (name === '') return false;
  return name === 'localhost' || name === hostname().toLowerCase() || name === nodeName.toLowerCase() || parseIp(name.replace(/^\[(.*)\]$/, '$1')) !== undefined;
}

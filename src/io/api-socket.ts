import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { AssertionFailed } from '../../net/assert.ts';
import type { ApiProblem } from '../api-parameters.ts';
import { bodyLimit, parseApiRequest, takesBody } from '../api-request.ts';
import type { Backend } from '../backend.ts';
import type { Log } from '../log.ts';
import type { ErrorReply, ListReply } from '../views/items.ts';
import { EventStreams, streamLimit } from './event-streams.ts';
import { listenOnFile, type SocketFileOptions } from './socket-file.ts';

export { SocketFileError } from './socket-file.ts';

export interface ApiOptions extends SocketFileOptions {
  readonly backend: Backend;
  readonly log: Log;
  /** Tests shorten them; all in ms. */
  readonly timeouts?: Partial<ApiTimeouts>;
}

export interface ApiTimeouts {
  /** From the connection (or the first octet of a further request) to the end of the headers. */
  readonly headers: number;
  /** To the end of the body. */
  readonly request: number;
  /** Without any octet sent or taken by the client. */
  readonly idle: number;
  /** How often the first two are looked at. */
  readonly check: number;
}

export interface ApiServer {
  /** Refuses new requests, ends streams, removes the socket file. Resolves when all connections are gone (1 s at most). */
  close(): Promise<void>;
}

/** Clients at once; more are hung up on at once, without an answer. */
export const connectionLimit = 64;
const headerLimit = 8 * 1024;
const headerCountLimit = 32;
/** Items turned into text in one turn of the event loop. */
const sliceLength = 100;
const closeMs = 1000;
const defaultTimeouts: ApiTimeouts = { headers: 5000, request: 10_000, idle: 15_000, check: 1000 };

/**
 * Serves the HTTP API on a Unix socket (`curl --unix-socket PATH http://landfall/v1/status`). Whatever a client sends, it gets an
 * answer or is hung up on; requests of all clients together are handled one per turn of the event loop, so that frames and
 * BGP messages come in between.
 * @throws SocketFileError when the socket cannot be opened.
 */
export async function serveApi(options: ApiOptions): Promise<ApiServer> {
  const { backend } = options;
  const log = options.log.child({ room: 'api' });
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const streams = new EventStreams(backend, (message) => JSON.stringify(errorReply('unavailable', message)));
  const turns: (() => void)[] = [];
  let turnDue = false;
  const nextTurn = (): void => {
    turnDue = true;
    setImmediate(() => {
      turnDue = false;
      const turn = turns.shift();
      if (turns.length > 0) nextTurn();
      turn?.();
    });
  };
  const inTurn = (turn: () => void): void => {
    turns.push(turn);
    if (!turnDue) nextTurn();
  };

  const answer = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    if (response.destroyed) return;
    const parsed = parseApiRequest(request.method ?? '', request.url ?? '', body);
    if (parsed.type === 'problem') return sendProblem(response, parsed.problem);
    if (parsed.type === 'events') {
      if (request.method === 'HEAD') return void response.end();
      if (streams.add(response, parsed.query)) return;
      return sendProblem(response, { status: 503, code: 'unavailable', message: `there are ${streamLimit} event streams already` });
    }
    let reply: ListReply<unknown> | ErrorReply;
    try {
      reply = backend.handle(parsed.request);
    } catch (error) {
      if (error instanceof AssertionFailed) throw error;   // nothing catches it
      log.write('error', 'api.failed', { verb: parsed.request.verb, error });
      return sendProblem(response, { status: 500, code: 'internal', message: 'landfall failed to answer; its log says why' });
    }
    if (takesBody(request.method ?? '')) log.write('info', 'api.request', { ...parsed.request, result: 'error' in reply ? reply.error.message : 'done' });
    if ('error' in reply) sendProblem(response, { status: statusOf[reply.error.code], ...reply.error });
    else sendList(response, reply, inTurn);
  };

  const server = createServer(
    {
      maxHeaderSize: headerLimit,
      headersTimeout: timeouts.headers,
      requestTimeout: timeouts.request,
      connectionsCheckingInterval: timeouts.check,
      keepAliveTimeout: timeouts.headers,
      insecureHTTPParser: false,
    },
    (request, response) => {
      response.on('error', () => undefined);
      readBody(request, response, (body) => inTurn(() => answer(request, response, body)));
    },
  );
  server.maxHeadersCount = headerCountLimit;
  server.maxConnections = connectionLimit;
  server.timeout = timeouts.idle;
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => hangUp(socket, error.code));
  server.on('drop', () => log.write('debug', 'api.refused', { reason: `more than ${connectionLimit} connections` }));

  const removeFile = await listenOnFile(server, options).catch((error: unknown) => {
    streams.close('');
    throw error;
  });
  server.on('error', (error) => log.write('error', 'api.failed', { error }));
  log.write('info', 'api.listening', { socket: options.path, mode: options.mode.toString(8).padStart(4, '0'), group: options.group });
  return {
    close: () =>
      new Promise((resolve) => {
        removeFile();
        streams.close('the daemon stops');
        const timer = setTimeout(() => server.closeAllConnections(), closeMs);
        server.close(() => {
          clearTimeout(timer);
          log.write('info', 'api.closed', { socket: options.path });
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

const statusOf: Readonly<Record<ErrorReply['error']['code'], number>> = { badRequest: 400, notFound: 404, conflict: 409, internal: 500, unavailable: 503 };

function errorReply(code: ErrorReply['error']['code'], message: string): ErrorReply {
  return { apiVersion: 'landfall/v1', kind: 'Error', error: { code, message } };
}

/** Gives the body to `done`, or answers what is wrong with it. A body that has no meaning is refused unread. */
function readBody(request: IncomingMessage, response: ServerResponse, done: (body: string) => void): void {
  const tooLong: ApiProblem = { status: 413, code: 'badRequest', message: `the body is longer than ${bodyLimit} bytes` };
  request.on('error', () => undefined);
  if (Number(request.headers['content-length'] ?? 0) > bodyLimit) return refuse(response, tooLong);
  const chunks: Buffer[] = [];
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= bodyLimit) chunks.push(chunk);
    else refuse(response, tooLong);
  });
  request.on('end', () => {
    if (!response.headersSent) done(Buffer.concat(chunks).toString('utf8'));
  });
}

/** Answers and hangs up: what the client still sends is not read. */
function refuse(response: ServerResponse, problem: ApiProblem): void {
  if (response.headersSent) return;
  response.setHeader('connection', 'close');
  sendProblem(response, problem);
}

function sendProblem(response: ServerResponse, problem: ApiProblem): void {
  const text = JSON.stringify(errorReply(problem.code, problem.message));
  response.writeHead(problem.status, { ...headers(text), ...(problem.allow === undefined ? {} : { allow: problem.allow }) });
  response.end(text);
}

function headers(text: string): Record<string, string | number> {
  return { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store' };
}

/** A short list goes out at once; a long one slice by slice, each in its own turn, and as fast as the client reads. */
function sendList(response: ServerResponse, list: ListReply<unknown>, inTurn: (turn: () => void) => void): void {
  if (list.items.length <= sliceLength) {
    const text = JSON.stringify(list);
    response.writeHead(200, headers(text));
    return void response.end(text);
  }
  const { items, ...head } = list;
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.write(`${JSON.stringify(head).slice(0, -1)},"items":[`);
  let next = 0;
  const slice = (): void => {
    if (response.destroyed) return;
    const part = items.slice(next, next + sliceLength);
    const more = response.write(`${next > 0 ? ',' : ''}${JSON.stringify(part).slice(1, -1)}`);
    next += sliceLength;
    if (next >= items.length) response.end(']}');
    else if (more) inTurn(slice);
    else response.once('drain', () => inTurn(slice));
  };
  inTurn(slice);
}

/** What Node's HTTP parser could not read: one answer in raw form, then the end. */
function hangUp(socket: Socket, code: string | undefined): void {
  if (!socket.writable) return void socket.destroy();
  const [status, message] =
    code === 'HPE_HEADER_OVERFLOW' ? ['431 Request Header Fields Too Large', `the request line and headers are longer than ${headerLimit} bytes`]
    : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? ['408 Request Timeout', 'the request did not arrive in time']
    : ['400 Bad Request', 'this is not an HTTP/1.1 request'];
  const text = JSON.stringify(errorReply('badRequest', message));
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  socket.destroySoon();
}

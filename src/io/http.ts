import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { formatListenAddress, type ListenAddress } from '../../config/values.ts';
import { metricsContentType } from '../metrics/text-format.ts';
import type { Log } from '../log.ts';
import { openLagMeter } from './loop-lag.ts';

export interface TelemetryOptions {
  readonly listen: ListenAddress;
  /** All metrics as text; called in a turn of its own. */
  readonly metrics: () => string;
  /** Why frames can't be heard, each in words; none: ready. */
  readonly notReady: () => string[];
  /** Answers what is none of the three paths; false where there is nothing to answer. */
  readonly page?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Called once where it can't listen: the daemon runs on without. */
  readonly onFailure: (error: NodeJS.ErrnoException) => void;
  readonly log: Log;
  /** Tests shorten them; all in ms. */
  readonly timeouts?: { readonly headers: number; readonly idle: number; readonly check: number };
}

export interface TelemetryServer {
  /** The port, once it listens; `undefined` where it can't. */
  readonly listening: Promise<number | undefined>;
  close(): void;
}

/** Clients at once; more are hung up on without an answer. */
export const connectionLimit = 32;
const headerLimit = 8 * 1024;
const headerCountLimit = 32;
/** A loop that was late by more in the last seconds is not healthy; the supervisor's own watchdog acts at 10 s. */
const unhealthyLagMs = 5000;

/**
 * Serves `/metrics`, `/healthz` and `/readyz` over HTTP. Reads only; a body is refused, a slow or a greedy client is hung up on, and
 * each request is answered in a turn of the event loop of its own, so that frames and BGP messages come in between.
 */
export function serveTelemetry(options: TelemetryOptions): TelemetryServer {
  const { listen } = options;
  const log = options.log.child({ room: 'telemetry' });
  const timeouts = options.timeouts ?? { headers: 5000, idle: 15_000, check: 1000 };
  const lag = openLagMeter();
  const server = createServer({
    maxHeaderSize: headerLimit, headersTimeout: timeouts.headers, requestTimeout: timeouts.headers, connectionsCheckingInterval: timeouts.check,
    keepAliveTimeout: timeouts.idle, insecureHTTPParser: false,
  }, (request, response) => {
    response.on('error', () => undefined);
    request.on('error', () => undefined);
    if (hasBody(request)) {
      response.setHeader('connection', 'close');
      return send(response, 413, 'text/plain; charset=utf-8', 'no request here has a body\n');
    }
    setImmediate(() => {
      if (!response.destroyed) answer(options, lag.worstMs, request, response);
    });
  });
  server.maxHeadersCount = headerCountLimit;
  server.maxConnections = connectionLimit;
  server.timeout = timeouts.idle;
  server.on('clientError', (_error, socket: Socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    socket.destroySoon();
  });
  server.on('drop', () => log.write('debug', 'telemetry.refused', { reason: `more than ${connectionLimit} connections` }));
  return {
    listening: begin(server, listen, options.onFailure, log),
    close() {
      lag.close();
      server.close();
      server.closeAllConnections();
      log.write('debug', 'telemetry.closed', { listen: formatListenAddress(listen) });
    },
  };
}

function begin(server: Server, listen: ListenAddress, onFailure: TelemetryOptions['onFailure'], log: Log): Promise<number | undefined> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      log.write('warn', 'telemetry.failed', { listen: formatListenAddress(listen), text: error.message });
      onFailure(error);
      resolve(undefined);
    };
    server.once('error', failed);
    server.listen({ host: listen.address, port: listen.port, backlog: 64 }, () => {
      server.off('error', failed);
      server.on('error', (error) => log.write('error', 'telemetry.failed', { text: error.message }));
      log.write('info', 'telemetry.listening', { listen: formatListenAddress(listen) });
      const address = server.address();
      resolve(address === null || typeof address === 'string' ? undefined : address.port);
    });
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] !== undefined && headers['content-length'] !== '0');
}

function answer(options: TelemetryOptions, lagMs: () => number, request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? '').split('?', 1)[0];
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return send(response, 405, 'text/plain; charset=utf-8', 'only GET and HEAD are answered here\n');
  }
  switch (path) {
    case '/metrics':
      return send(response, 200, metricsContentType, options.metrics());
    case '/healthz': {
      const worstMs = lagMs();
      const healthy = worstMs <= unhealthyLagMs;
      return sendJson(response, healthy ? 200 : 503, { status: healthy ? 'ok' : 'slow', eventLoopLagSeconds: Math.round(worstMs) / 1000 });
    }
    case '/readyz': {
      const reasons = options.notReady();
      return sendJson(response, reasons.length === 0 ? 200 : 503, { status: reasons.length === 0 ? 'ok' : 'not ready', reasons });
    }
    default:
      if (options.page?.(request, response) === true) return;
      send(response, 404, 'text/plain; charset=utf-8', 'here are /metrics, /healthz and /readyz\n');
  }
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, 'application/json', `${JSON.stringify(body)}\n`);
}

/** Answers whole. Nothing is to be cached, guessed or framed. */
export function send(response: ServerResponse, status: number, type: string, body: string | Buffer, more: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, {
    'content-type': type, 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...more,
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { printable } from '../../../net/printable.ts';

/** Where the API server is, and who asks. */
export interface ApiServer {
  readonly host: string;
  readonly port: number;
  /** The folder with `token` and `ca.crt`. Both are read for each request: the token is renewed every hour or so. */
  readonly serviceAccount: string;
}

export interface ApiCall {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly accept?: string;
  readonly body?: unknown;
  /** Until the status line is here, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** What the API server answered where that is no success, or that nothing answered (`status` 0). The message is for an operator. */
export class ApiServerError extends Error {
  override name = 'ApiServerError';
  readonly status: number;
  /** What the server said about when to come again, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  constructor(status: number, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Octets of an error's or an object's body that are read. */
const bodyLimit = 64 * 1024 * 1024;
const errorLimit = 16 * 1024;
const agent = new Agent({ keepAlive: true, maxSockets: 4, timeout: 60_000 });

/** From `https://host:port`, or from what every pod is told. @returns the host without brackets, or undefined where nothing says it. */
export function whereApiServer(server: string | undefined, environment: Readonly<Record<string, string | undefined>>): { readonly host: string; readonly port: number } | undefined {
  if (server !== undefined) {
    const { hostname, port } = new URL(server);
    return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? 443 : Number(port) };
  }
  const host = environment['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = Number(environment['KUBERNETES_SERVICE_PORT'] ?? 443);
  return host === '' || !Number.isInteger(port) || port < 1 || port > 65535 ? undefined : { host, port };
}

/** One request, verified against the cluster's CA. @returns a response of status 200 to 299, to be read. @throws ApiServerError */
export async function callApiServer(server: ApiServer, call: ApiCall): Promise<IncomingMessage> {
  const response = await send(server, call);
  const status = response.statusCode ?? 0;
  if (status >= 200 && status <= 299) return response;
  const text = await readAll(response, errorLimit).catch(() => '');
  throw new ApiServerError(status, `${status} ${reasonOf(text) ?? response.statusMessage ?? ''}`.trim(), retryAfter(response));
}

/** The whole of a JSON answer. @throws ApiServerError */
export async function readJson(response: IncomingMessage): Promise<unknown> {
  try {
    return JSON.parse(await readAll(response, bodyLimit)) as unknown;
  } catch (error) {
    throw error instanceof ApiServerError ? error : new ApiServerError(0, 'what the API server sent is no JSON');
  }
}

function send(server: ApiServer, call: ApiCall): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const fail = (message: string): void => reject(new ApiServerError(0, message));
    let token: string;
    let ca: Buffer;
    try {
      token = readFileSync(join(server.serviceAccount, 'token'), 'utf8').trim();
      ca = readFileSync(join(server.serviceAccount, 'ca.crt'));
    } catch (error) {
      const { code = '', path = server.serviceAccount } = error as NodeJS.ErrnoException;
      return fail(`${path} can't be read (${code}): no service account is mounted here`);
    }
    if (!/^[\x21-\x7e]{1,16384}$/.test(token)) return fail(`${server.serviceAccount}/token holds no token`);
    const text = call.body === undefined ? undefined : JSON.stringify(call.body);
    const outgoing = request({
      host: server.host, port: server.port, path: call.path, method: call.method, ca, agent,
      ...(call.signal === undefined ? {} : { signal: call.signal }),
      headers: {
        authorization: `Bearer ${token}`, accept: call.accept ?? 'application/json', 'user-agent': 'landfall',
        ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      },
    });
    const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${call.timeoutMs / 1000} s`)), call.timeoutMs);
    outgoing.once('response', (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    outgoing.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      fail(`the API server at ${server.host}:${server.port} can't be asked: ${printable(error.code ?? error.message, 200)}`);
    });
    outgoing.end(text);
  });
}

/** All of a body. @throws ApiServerError where it is longer than `limit`, breaks off, or is silent for 30 s. */
export async function readAll(response: IncomingMessage, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  response.setTimeout(30_000, () => response.destroy(new Error('it has gone silent')));
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limit) throw new Error(`it is longer than ${limit} octets`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw new ApiServerError(0, `the answer of the API server could not be read: ${printable((error as Error).message, 200)}`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The message of a `Status` object. */
function reasonOf(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' ? printable(message, 300) : undefined;
  } catch {
    return text === '' ? undefined : printable(text.split('\n', 1)[0] as string, 300);
  }
}

function retryAfter(response: IncomingMessage): number | undefined {
  const seconds = Number(response.headers['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 300) * 1000 : undefined;
}

import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import type { ErrorReply, EventItem, ListReply } from '../views/items.ts';

/** Nobody answers on the socket, or what answers is no landfall. The message is a whole sentence. */
export class ApiUnreachable extends Error {
  override name = 'ApiUnreachable';
}

/** The answer did not come in time. */
export class ApiTimeout extends Error {
  override name = 'ApiTimeout';
}

export interface ApiTarget {
  /** Path of the Unix socket. */
  readonly socket: string;
  /** Time for the whole answer; for a stream until it begins. */
  readonly timeoutMs: number;
}

/** Longest reply that is read, and longest line of a stream, in bytes. */
const replyLimit = 64 * 1024 * 1024;
const lineLimit = 1024 * 1024;

/**
 * Asks the daemon once. @param path with its query, e.g. `/v1/prefixes?state=held`. @param body makes it a POST.
 * @throws ApiUnreachable, ApiTimeout
 */
export async function callApi(target: ApiTarget, path: string, body?: unknown): Promise<ListReply<unknown> | ErrorReply> {
  const timer = startTimer(target);
  try {
    const response = await send(target, path, timer.signal, body);
    return parseReply(target, await readAll(target, response));
  } catch (error) {
    throw explain(target, error, timer);
  } finally {
    timer.stop();
  }
}

/**
 * Reads a stream of events until the daemon ends it; reads no faster than `onEvent` takes them. @returns an error object where the daemon answered or
 * ended with one.
 * @throws ApiUnreachable, ApiTimeout
 */
export async function streamApi(
  target: ApiTarget,
  path: string,
  onEvent: (event: EventItem) => void | Promise<void>,
  onBegin?: () => void,
): Promise<ErrorReply | undefined> {
  const timer = startTimer(target);
  let begun = false;
  try {
    const response = await send(target, path, timer.signal);
    if (response.statusCode !== 200) return parseReply(target, await readAll(target, response)) as ErrorReply;
    timer.stop();
    begun = true;
    onBegin?.();
    let rest = '';
    response.setEncoding('utf8');
    for await (const chunk of response as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() as string;
      if (rest.length > lineLimit) throw new ApiUnreachable(`what answers on ${target.socket} is not landfall: a line is too long`);
      for (const line of lines) {
        const item = parseJson(target, line) as EventItem | ErrorReply;
        if ('error' in item && 'kind' in item && item.kind === 'Error') return item as ErrorReply;
        await onEvent(item as EventItem);
      }
    }
    return undefined;
  } catch (error) {
    if (begun && (error as NodeJS.ErrnoException).code === 'ECONNRESET') throw new ApiUnreachable(`the daemon on ${target.socket} has gone in the middle of the stream: killed, or crashed (journalctl -u landfall)`);
    throw explain(target, error, timer);
  } finally {
    timer.stop();
  }
}

interface Timer {
  readonly signal: AbortSignal;
  stop(): void;
}

function startTimer(target: ApiTarget): Timer {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), target.timeoutMs);
  return { signal: controller.signal, stop: () => clearTimeout(timer) };
}

function send(target: ApiTarget, path: string, signal: AbortSignal, body?: unknown): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const outgoing: ClientRequest = request({
      socketPath: target.socket,
      path,
      method: text === undefined ? 'GET' : 'POST',
      headers: {
        host: 'landfall',
        ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      },
      agent: false,
      signal,
    });
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
    outgoing.end(text);
  });
}

async function readAll(target: ApiTarget, response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > replyLimit) throw new ApiUnreachable(`the answer on ${target.socket} is longer than ${replyLimit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseReply(target: ApiTarget, text: string): ListReply<unknown> | ErrorReply {
  const reply = parseJson(target, text) as Partial<ListReply<unknown>> & Partial<ErrorReply>;
  const isError = reply.kind === 'Error' && typeof reply.error?.message === 'string';
  if (reply.apiVersion !== 'landfall/v1' || !(isError || Array.isArray(reply.items))) throw notLandfall(target);
  return reply as ListReply<unknown> | ErrorReply;
}

function parseJson(target: ApiTarget, text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw notLandfall(target);
  }
  if (typeof value !== 'object' || value === null) throw notLandfall(target);
  return value;
}

function notLandfall(target: ApiTarget): ApiUnreachable {
  return new ApiUnreachable(`what answers on ${target.socket} is not landfall, or another version of it`);
}

function explain(target: ApiTarget, error: unknown, timer: Timer): Error {
  if (error instanceof ApiUnreachable) return error;
  if (timer.signal.aborted) return new ApiTimeout(`no answer on ${target.socket} within ${target.timeoutMs / 1000} s`);
  const { code, message } = error as NodeJS.ErrnoException;
  const at = `the daemon is not reachable on ${target.socket}`;
  switch (code) {
    case 'ENOENT': return new ApiUnreachable(`${at}: there is no such socket; is landfall running? (landfall run, or systemctl status landfall; -s names another socket)`);
    case 'ECONNREFUSED': return new ApiUnreachable(`${at}: nobody listens there any more; is landfall running?`);
    case 'EACCES': return new ApiUnreachable(`${at}: permission denied; be root or a member of the socket's group (ls -l ${target.socket})`);
    case 'EAGAIN': case 'ECONNRESET': case 'EPIPE': return new ApiUnreachable(`${at}: it hung up, maybe because too many clients are connected; try again`);
    case 'ENOTSOCK': return new ApiUnreachable(`${at}: that file is no socket`);
    default: return new ApiUnreachable(`${at}: ${code ?? message}`);
  }
}

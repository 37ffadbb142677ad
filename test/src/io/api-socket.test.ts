import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, existsSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiRequest } from '../../../src/backend.ts';
import { callApi, streamApi, ApiUnreachable, ApiTimeout } from '../../../src/io/api-client.ts';
import { connectionLimit, serveApi, type ApiServer } from '../../../src/io/api-socket.ts';
import { queueLimit, streamLimit } from '../../../src/io/event-streams.ts';
import type { ErrorReply, EventItem, ListReply } from '../../../src/views/items.ts';
import { fakeBackend, silentLog } from '../fake-daemon.ts';

describe('api socket', () => {
  let folder: string;
  let path: string;
  let server: ApiServer;
  let backend: ReturnType<typeof fakeBackend>;
  let seen: ApiRequest[];
  const sockets: Socket[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-api-'));
    path = join(folder, 's');
    seen = [];
    backend = fakeBackend(seen);
    server = await serveApi({ path, mode: 0o600, backend, log: silentLog, timeouts: { headers: 150, request: 200, idle: 5000, check: 30 } });
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  const target = (): { socket: string; timeoutMs: number } => ({ socket: path, timeoutMs: 4000 });
  const event = (n: number, type: EventItem['type'] = 'peer'): EventItem => ({ time: '2026-11-24T10:41:07.123Z', type, event: 'session.transition', n });

  /** Sends octets as they are, reads until the server hangs up. */
  function raw(bytes: string | Buffer): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect(path);
      sockets.push(socket);
      let text = '';
      socket.setEncoding('utf8');
      socket.on('data', (chunk: string) => (text += chunk));
      socket.on('error', () => resolve(text));
      socket.on('close', () => resolve(text));
      socket.write(bytes);
    });
  }

  function errorOf(text: string): { status: number; error: ErrorReply['error'] } {
    const [head, body] = text.split('\r\n\r\n', 2) as [string, string];
    const reply = JSON.parse(body) as ErrorReply;
    assert.equal(reply.kind, 'Error');
    assert.equal(reply.apiVersion, 'landfall/v1');
    return { status: Number(head.split(' ')[1]), error: reply.error };
  }

  it('answers with what the backend gives', async () => {
    const reply = (await callApi(target(), '/v1/prefixes?state=held')) as ListReply<unknown>;
    assert.equal(reply.kind, 'PrefixList');
    assert.deepEqual(seen, [{ verb: 'prefixes', state: 'held' }]);
  });

  it('passes changes on', async () => {
    await callApi(target(), '/v1/withdraw', { address: '203.0.113.11', forSeconds: 600 });
    assert.deepEqual(seen, [{ verb: 'withdraw', address: '203.0.113.11', forSeconds: 600 }]);
  });

  it('gives the backend\'s refusals their status', async () => {
    const { status, error } = errorOf(await raw('GET /v1/peers/nope HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'));
    assert.deepEqual([status, error.code, error.message], [404, 'notFound', 'no peer is named nope']);
  });

  it('turns a failure of the backend into an answer that tells nothing of it', async () => {
    const { status, error } = errorOf(await raw('GET /v1/prefixes?vm=broken HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'));
    assert.deepEqual([status, error.code], [500, 'internal']);
    assert.ok(!error.message.includes('planted'));
    assert.equal(((await callApi(target(), '/v1/status')) as ListReply<unknown>).kind, 'Status');
  });

  it('sends a long list whole', async () => {
    const reply = (await callApi(target(), '/v1/prefixes?vm=many')) as ListReply<{ prefix: string }>;
    assert.equal(reply.items.length, 2500);
    assert.ok(reply.items.every((item) => item.prefix === '203.0.113.11/32'));
    assert.equal(reply.node, 'hv-07');
  });

  describe('refuses', () => {
    const post = (body: string): string => `POST /v1/announce HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const cases: [string, string, number][] = [
      ['an unknown path', 'GET /nope HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 404],
      ['a wrong method', 'PUT /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 405],
      ['bad JSON', post('{"address":'), 400],
      ['a body that is too long', post('x'.repeat(17_000)), 413],
      ['a body that says it is too long', 'POST /v1/announce HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n', 413],
      ['a chunked body that turns out too long', `POST /v1/announce HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${`2000\r\n${'x'.repeat(0x2000)}\r\n`.repeat(3)}`, 413],
      ['a huge request line', `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`, 431],
      ['a huge header', `GET /v1/status HTTP/1.1\r\nhost: ${'x'.repeat(100_000)}\r\n\r\n`, 431],
      ['what is no HTTP', 'hello\r\n\r\n', 400],
      ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01', 400],
      ['two lengths', 'POST /v1/announce HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}', 400],
    ];
    for (const [name, bytes, status] of cases) {
      it(name, async () => {
        assert.equal(errorOf(await raw(bytes)).status, status);
        assert.deepEqual(seen, []);
      });
    }

    it('half a request, after its time', async () => assert.equal(errorOf(await raw('GET /v1/status HTTP/1.1\r\nhos')).status, 408));
    it('half a body, after its time', async () => assert.equal(errorOf(await raw('POST /v1/auto HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{')).status, 408));
    it('a client that says nothing, after its time', async () => assert.equal(errorOf(await raw('')).status, 408));
    it('a 405 with what is allowed', async () => assert.match(await raw('GET /v1/auto HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'), /\r\nallow: POST\r\n/));
  });

  it('serves 200 clients at once: each is answered or hung up on, and the next is answered', async () => {
    const results = await Promise.allSettled(Array.from({ length: 200 }, () => callApi(target(), '/v1/status')));
    const answered = results.filter((result) => result.status === 'fulfilled').length;
    for (const result of results) if (result.status === 'rejected') assert.ok(result.reason instanceof ApiUnreachable, String(result.reason));
    assert.ok(answered >= connectionLimit, `${answered}`);
    assert.equal(((await callApi(target(), '/v1/status')) as ListReply<unknown>).kind, 'Status');
  });

  it('hangs up on clients beyond the limit, and takes new ones when the idle ones are gone', async () => {
    const idle = Array.from({ length: connectionLimit }, () => raw(''));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await assert.rejects(callApi(target(), '/v1/status'), ApiUnreachable);
    await Promise.all(idle);   // after the time for headers
    assert.equal(((await callApi(target(), '/v1/status')) as ListReply<unknown>).kind, 'Status');
  });

  it('gives the event loop a turn between two requests', async () => {
    const order: string[] = [];
    const handle = backend.handle;
    backend.handle = (request) => {
      order.push('request');
      setImmediate(() => order.push('turn'));
      return handle(request);
    };
    await Promise.all(Array.from({ length: 10 }, () => callApi(target(), '/v1/status')));
    assert.ok(!order.join(' ').includes('request request request'), order.join(' '));
  });

  it('streams events of the types asked for', async () => {
    const events: EventItem[] = [];
    const stream = streamApi(target(), '/v1/events?type=peer', (item) => void events.push(item), () => {
      backend.emit(event(1));
      backend.emit(event(2, 'config'));
      backend.emit(event(3));
      void server.close();
    });
    const end = await stream;
    assert.deepEqual(events, [event(1), event(3)]);
    assert.equal(end?.error.message, 'the daemon stops');
  });

  it('a daemon that dies in the middle of a stream is not told as one with too many clients', async () => {
    const dying = join(folder, 'dying');
    const other = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', () => setTimeout(() => socket.destroy(), 20)));
    });
    await new Promise<void>((resolve) => other.listen(dying, resolve));
    await assert.rejects(streamApi({ ...target(), socket: dying }, '/v1/events', () => undefined), (error) => error instanceof ApiUnreachable && /has gone in the middle of the stream/.test(error.message));
    await new Promise((resolve) => other.close(resolve));
  });

  it('remembers recent events, but not frames', async () => {
    for (let n = 0; n < 1005; n++) backend.emit(event(n));
    backend.emit(event(-1, 'frame'));
    const read = async (query: string): Promise<unknown[]> => {
      const numbers: unknown[] = [];
      await streamApi(target(), `/v1/events?follow=false&${query}`, (item) => void numbers.push(item['n']));
      return numbers;
    };
    assert.deepEqual(await read('recent=3'), [1002, 1003, 1004]);
    assert.deepEqual((await read('recent=1000')).slice(0, 2), [5, 6]);
    assert.deepEqual(await read('recent=0'), []);
    assert.deepEqual(await read('recent=10&type=frame'), []);
  });

  it('has a limit of streams', async () => {
    const open = Array.from({ length: streamLimit }, () => raw('GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const refused = await streamApi(target(), '/v1/events', () => undefined);
    assert.equal(refused?.error.code, 'unavailable');
    for (const socket of sockets) socket.destroy();
    await Promise.all(open);
  });

  it('drops a reader that does not read, with bounded memory, and keeps the others', async () => {
    const slow = connect(path);
    sockets.push(slow);
    slow.pause();
    slow.write('GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n');
    let count = 0;
    let began = (): void => undefined;
    const beginning = new Promise<void>((resolve) => (began = resolve));
    const quick = streamApi(target(), '/v1/events?type=peer', () => void count++, began);
    await beginning;
    const padding = 'x'.repeat(4000);
    for (let round = 0; round < 15; round++) {
      for (let i = 0; i < 100; i++) backend.emit({ ...event(i), padding });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    let tail = '';
    slow.setEncoding('utf8');
    slow.on('data', (chunk: string) => (tail = (tail + chunk).slice(-400)));
    slow.resume();
    await new Promise((resolve) => slow.on('close', resolve));
    assert.match(tail, new RegExp(`lagged by more than ${queueLimit} events`));
    await server.close();
    await quick;
    assert.equal(count, 1500);
  });

  it('closes: streams end, the file and the subscription are gone', async () => {
    await server.close();
    assert.equal(existsSync(path), false);
    assert.equal(backend.listeners, 0);
    await assert.rejects(callApi(target(), '/v1/status'), /there is no such socket/);
  });

  it('lets a client give up in time', async () => {
    await assert.rejects(callApi({ socket: path, timeoutMs: 50 }, '/v1/prefixes?vm=slow').then((reply) => assert.fail(JSON.stringify(reply))), ApiTimeout);
  });
});

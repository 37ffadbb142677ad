import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { garpFrame } from '../../../garp/wire/frames.ts';
import { parseIp, type IpAddress } from '../../../net/ip.ts';
import { serveTelemetry, type TelemetryServer } from '../../../src/io/http.ts';
import { openWeb, streamLimit, type Web } from '../../../src/io/web.ts';
import { Fabric, vm4, vmMac } from '../../sim/fabric.ts';
import { fakeBackend, silentLog } from '../fake-daemon.ts';

describe('the timeline page over HTTP', () => {
  let server: TelemetryServer;
  let web: Web;
  let url: string;
  let backend: ReturnType<typeof fakeBackend>;
  const open: IncomingMessage[] = [];

  beforeEach(async () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1);
    fabric.run(3000);
    fabric.frame(node, fabric.addPort(node, 'tap0'), garpFrame(vmMac, vm4));
    backend = fakeBackend();
    web = openWeb({ backend, world: () => node.speaker.world });
    server = serveTelemetry({
      listen: { address: parseIp('127.0.0.1') as IpAddress, port: 0 }, metrics: () => '', notReady: () => [], log: silentLog, page: web.answer, onFailure: (error) => { throw error; },
    });
    url = `http://127.0.0.1:${await server.listening}`;
  });
  afterEach(() => {
    for (const response of open.splice(0)) response.destroy();
    web.close();
    server.close();
  });

  const ask = (path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> => new Promise((resolve, reject) => {
    httpRequest(`${url}${path}`, { headers, agent: false }, (response) => {
      open.push(response);
      response.on('error', () => undefined);
      resolve(response);
    }).on('error', reject).end();
  });

  it('every answer forbids what is inline, framed or of another host', async () => {
    for (const path of ['/', '/app.js', '/timeline.js', '/style.css', '/icon.svg', '/events', '/api/peers', '/api/nonsense', '/api/migrations']) {
      const { headers } = await ask(path);
      const policy = String(headers['content-security-policy']);
      for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"]) assert.ok(policy.includes(part), `${path}: ${part}`);
      assert.ok(!/unsafe|\*|https?:|data:/.test(policy), policy);
      assert.deepEqual([headers['x-content-type-options'], headers['referrer-policy'], headers['access-control-allow-origin']], ['nosniff', 'no-referrer', undefined]);
    }
  });

  it('shows peers, prefixes, status and the latest handovers with their timelines, and nothing else', async () => {
    const json = async (path: string) => (await (await fetch(`${url}${path}`)).json()) as { kind: string; items: Record<string, unknown>[]; total: number };
    assert.deepEqual(((await json('/api/peers')).items).map((item) => item['name']), ['tor-a', 'tor-b']);
    const prefixes = await json('/api/prefixes?vm=many');
    assert.deepEqual([prefixes.items.length, prefixes.total], [500, 2500]);
    const { items } = await json('/api/migrations');
    assert.ok(items.length >= 1 && (items[0]!['timeline'] as unknown[]).length >= 3);
    for (const path of ['/api/config', '/api/bindings', '/api/ignored', '/api/why/203.0.113.11', '/api/events', '/api/', '/api/../v1/peers', '/api/announce']) {
      assert.ok([404, 405].includes((await fetch(`${url}${path}`)).status), path);
    }
    assert.equal((await fetch(`${url}/api/peers?x=1`)).status, 400);
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) assert.equal((await fetch(`${url}/api/peers`, { method })).status, 405, method);
  });

  it('answers to its own names only, so that no other site can make itself one', async () => {
    for (const host of ['evil.example', 'evil.example:17479', '127.0.0.1.evil.example', 'x']) assert.equal((await ask('/api/peers', { host })).statusCode, 421, host);
    for (const host of ['localhost:17479', '127.0.0.1', '[::1]:17479', 'hv-1', 'HV-1:80']) assert.equal((await ask('/api/peers', { host })).statusCode, 200, host);
    assert.equal((await ask('/metrics', { host: 'prometheus.example' })).statusCode, 200);
  });

  it('streams what happens to several pages, a line break in a name notwithstanding; then no more', async () => {
    const streams = await Promise.all(Array.from({ length: streamLimit }, () => ask('/events')));
    assert.equal(streams[0]!.headers['content-type'], 'text/event-stream');
    assert.equal((await ask('/events')).statusCode, 503);
    const text = new Promise<string>((resolve) => {
      let seen = '';
      streams[0]!.on('data', (chunk: Buffer) => { seen += chunk.toString('utf8'); if (seen.includes('after')) resolve(seen); });
    });
    backend.emit({ time: '2026-11-24T10:41:07.123Z', type: 'frame', event: 'frame.ignored' });
    backend.emit({ time: '2026-11-24T10:41:07.123Z', type: 'migration', event: 'migration.started', vm: 'a\n\ndata: {"b":1}\r\n' });
    backend.emit({ time: '2026-11-24T10:41:07.123Z', type: 'peer', event: 'after' });
    const events = (await text).split('\n\n').filter((block) => block.startsWith('data: ')).map((block) => JSON.parse(block.slice(6)) as { event: string });
    assert.deepEqual(events.map((event) => event.event), ['migration.started', 'after']);
    for (const response of streams) response.destroy();
    for (let i = 0; backend.listeners > 0 && i < 100; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(backend.listeners, 0, 'nobody is listened for any more');
    assert.equal((await ask('/events')).statusCode, 200);
  });
});

import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { parseIp, type IpAddress } from '../../../net/ip.ts';
import { connectionLimit, serveTelemetry, type TelemetryOptions, type TelemetryServer } from '../../../src/io/http.ts';
import { silentLog } from '../fake-daemon.ts';

const address = parseIp('127.0.0.1') as IpAddress;

describe('telemetry over HTTP', () => {
  let servers: TelemetryServer[] = [];
  let sockets: Socket[] = [];
  let reasons: string[] = [];

  async function serve(more: Partial<TelemetryOptions> = {}): Promise<number> {
    const server = serveTelemetry({
      listen: { address, port: 0 }, metrics: () => 'landfall_up 1\n', notReady: () => reasons, log: silentLog, onFailure: (error) => { throw error; },
      timeouts: { headers: 300, idle: 3000, check: 50 }, ...more,
    });
    servers.push(server);
    return (await server.listening) ?? 0;
  }

  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    servers = [];
    sockets = [];
    reasons = [];
  });

  /** Sends octets, reads until the other side hangs up. */
  const raw = (port: number, bytes: string): Promise<string> => new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    let text = '';
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (chunk) => { text += chunk.toString('latin1'); });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });

  it('answers /metrics in the type that Prometheus asks for, with no caching', async () => {
    const answer = await fetch(`http://127.0.0.1:${await serve()}/metrics?x=1`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal(await answer.text(), 'landfall_up 1\n');
  });

  it('/readyz says why not; /healthz how late the loop is', async () => {
    const url = `http://127.0.0.1:${await serve()}`;
    assert.equal((await fetch(`${url}/readyz`)).status, 200);
    reasons = ['bridge br-vlan does not exist'];
    const answer = await fetch(`${url}/readyz`);
    assert.equal(answer.status, 503);
    assert.deepEqual(await answer.json(), { status: 'not ready', reasons });
    const health = await fetch(`${url}/healthz`);
    assert.equal(health.status, 200);
    assert.equal(typeof ((await health.json()) as { eventLoopLagSeconds: number }).eventLoopLagSeconds, 'number');
  });

  it('refuses other paths, methods and bodies', async () => {
    const port = await serve();
    const url = `http://127.0.0.1:${port}`;
    assert.equal((await fetch(`${url}/`)).status, 404);
    assert.equal((await fetch(`${url}/metrics`, { method: 'DELETE' })).status, 405);
    assert.equal((await fetch(`${url}/metrics`, { method: 'POST', body: 'x' })).status, 413);
    const head = await fetch(`${url}/metrics`, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
    assert.match(await raw(port, 'nonsense\r\n\r\n'), /^HTTP\/1.1 400 /);
    assert.match(await raw(port, `GET /metrics HTTP/1.1\r\nhost: x\r\na: ${'a'.repeat(9000)}\r\n\r\n`), /^HTTP\/1.1 400 /);
  });

  it('hangs up on who is slow, and on too many at once', async () => {
    const port = await serve();
    assert.match(await raw(port, 'GET /metrics HTTP/1.1\r\nhost: x\r\n'), /^HTTP\/1.1 40[08] /);
    const open = await Promise.all(Array.from({ length: connectionLimit }, () => new Promise<Socket>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket));
      sockets.push(socket);
      socket.on('error', () => undefined);
    })));
    assert.equal(await raw(port, 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n'), '');
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal((await fetch(`http://127.0.0.1:${port}/metrics`)).status, 200);
  });

  it('a port that is taken is told of, and nothing else happens', async () => {
    const port = await serve();
    let code: string | undefined;
    assert.equal(await serve({ listen: { address, port }, onFailure: (error) => { code = error.code; } }), 0);
    assert.equal(code, 'EADDRINUSE');
  });
});

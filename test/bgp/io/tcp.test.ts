import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { dial, listen, type Accepted, type Connection, type DialOptions, type Listener, type ListenPeer } from '../../../bgp/io/tcp.ts';
import { ip } from '../../../net/ip.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const key = text('correct horse');
/** Enough for silence to show on loopback, in ms: segments with a wrong digest or TTL are dropped, not answered. */
const userTimeoutMs = 400;

/** What happens on one connection, in order, and the connection. */
class Line {
  readonly events: string[] = [];
  readonly unsent: boolean[] = [];
  connection: Connection | undefined;
  #wake: (() => void)[] = [];

  readonly handlers = {
    connected: ({ localAddress }: { localAddress: string }) => this.#add(`connected ${localAddress}`),
    data: (bytes: Uint8Array) => this.#add(`data ${Buffer.from(bytes).toString()}`),
    closed: (error?: string) => this.#add(`closed ${error ?? ''}`.trim()),
    written: (unsent: boolean) => void this.unsent.push(unsent),
  };

  #add(event: string): void {
    this.events.push(event);
    for (const wake of this.#wake.splice(0)) wake();
  }

  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.events.find((event) => pattern.test(event));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }
}

const lines: Line[] = [];
const listeners: Listener[] = [];
const servers: net.Server[] = [];
const sockets: net.Socket[] = [];

/** Ends what a suite has opened. */
function cleanUp(): void {
  for (const { connection } of lines.splice(0)) connection?.destroy();
  for (const listener of listeners.splice(0)) listener.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
}

const unexpected = (what: unknown): never => assert.fail(String(what));

function call(options: Partial<DialOptions> & Pick<DialOptions, 'port' | 'address'>): Line {
  const line = new Line();
  line.connection = dial({ ibgp: true, ttlSecurity: false, ...options }, line.handlers);
  assert.deepEqual(line.events, [], 'nothing happens before dial has returned');
  lines.push(line);
  return line;
}

/** A listener of ours; takes what comes. */
function serve(address: string, peers: readonly Partial<ListenPeer>[]): { port: number; accepted: Line[]; listener: Listener; from: string[] } {
  const accepted: Line[] = [];
  const from: string[] = [];
  const listener = listen({ address: ip(address), port: 0, peers: peers.map((peer) => ({ address: ip(address), ibgp: true, ttlSecurity: false, ...peer })) }, (one: Accepted) => {
    const line = new Line();
    line.connection = one.take(line.handlers);
    lines.push(line);
    accepted.push(line);
    from.push(`${one.remoteAddress} ${one.localAddress}`);
  }, unexpected);
  listeners.push(listener);
  return { port: listener.port, accepted, listener, from };
}

/** A server of Node's own. */
async function nodeServer(onSocket: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
    onSocket(socket);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

for (const address of ['127.0.0.1', '::1']) {
  describe(`BGP's TCP, ${address}`, () => {
    after(cleanUp);

    it('dials, listens, and carries octets both ways', async () => {
      const { port, accepted, from } = serve(address, [{}]);
      const line = call({ address: ip(address), port, sourceAddress: ip(address) });
      assert.equal(await line.until(/^connected/), `connected ${address}`);
      line.connection?.write(text('open'));
      while (accepted[0] === undefined) await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(from, [`${address} ${address}`]);
      await accepted[0].until(/data open/);
      accepted[0].connection?.write(text('keepalive'));
      await line.until(/data keepalive/);
      accepted[0].connection?.close();
      assert.deepEqual(accepted[0].events, ['data open', 'closed']);
      assert.equal(await line.until(/^closed/), 'closed closed by peer');
    });

    it('comes up with the same key and with TTL security at both ends', async () => {
      const both = { md5: key, ttlSecurity: true };
      await call({ address: ip(address), port: serve(address, [both]).port, ...both }).until(/^connected/);
    });

    it('takes new keys and new peers while it listens', async () => {
      const { port, listener } = serve(address, [{ md5: key }]);
      const peer = { address: ip(address), ibgp: true, ttlSecurity: false };
      listener.setPeers([{ ...peer, md5: text('rotated') }]);
      await call({ address: ip(address), port, md5: text('rotated') }).until(/^connected/);
      listener.setPeers([peer]);
      await call({ address: ip(address), port }).until(/^connected/);
      assert.throws(() => listener.setPeers([{ ...peer, md5: new Uint8Array(81) }]), { code: 'EMSGSIZE' });
      await call({ address: ip(address), port }).until(/^connected/);
    });

    it('changes the key under a connection: what is said while the ends differ comes when they agree', async () => {
      const { port, accepted } = serve(address, [{ md5: key }]);
      const line = call({ address: ip(address), port, md5: key });
      await line.until(/^connected/);
      while (accepted[0]?.connection === undefined) await new Promise((resolve) => setImmediate(resolve));
      line.connection?.rekey(ip(address), text('rotated'));
      line.connection?.write(text('update'));
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.deepEqual(accepted[0].events, [], 'signed with a key that the other end does not have');
      assert.throws(() => line.connection?.rekey(ip(address), new Uint8Array(81)), { code: 'EMSGSIZE' });
      accepted[0].connection?.rekey(ip(address), text('rotated'));
      await accepted[0].until(/data update/);
      accepted[0].connection?.write(text('answer'));
      await line.until(/data answer/);
    });

    it('ends an attempt to connect that has the old key', async () => {
      const line = call({ address: ip(address), port: serve(address, [{ md5: key }]).port, md5: key });
      line.connection?.rekey(ip(address), text('rotated'));
      assert.equal(await line.until(/^closed/), 'closed the MD5 key has changed');
    });
  });
}

// Segments with a wrong digest or TTL are dropped, not answered. All of these wait for the same second.
describe('silence is what a peer gets', () => {
  const other = text('battery staple');
  const rows: [what: string, listener: Partial<ListenPeer>, dialler: Partial<DialOptions>][] = [
    ['with a wrong key', { md5: key }, { md5: other }],
    ['without a key', { md5: key }, {}],
    ['with a key where the listener has none', {}, { md5: key }],
    ['from further away, where the listener has TTL security', { ttlSecurity: true }, {}],
    ['where the dialler has TTL security and the listener is further away', {}, { ttlSecurity: true }],
    ['with the right key from further away', { md5: key, ttlSecurity: true }, { md5: key }],
    ['at the right distance with a wrong key', { md5: key, ttlSecurity: true }, { md5: other, ttlSecurity: true }],
  ];
  const attempts = ['127.0.0.1', '::1'].flatMap((address) => rows.map(([what, listener, dialler]) => ({ what, address, listener, dialler })));
  const outcomes: { line: Line; accepted: readonly Line[] }[] = [];
  before(() => {
    for (const { address, listener, dialler } of attempts) {
      const { port, accepted } = serve(address, [listener]);
      outcomes.push({ accepted, line: call({ address: ip(address), port, userTimeoutMs, ...dialler }) });
    }
  });
  after(cleanUp);

  for (const [i, { what, address, dialler }] of attempts.entries()) {
    it(`${what}, ${address}`, async () => {
      const { line, accepted } = outcomes[i]!;
      await line.until(/^closed/);
      assert.deepEqual(line.events, [dialler.md5 === undefined ? 'closed ETIMEDOUT' : 'closed ETIMEDOUT (a wrong or missing MD5 key at the other side looks like this)']);
      assert.equal(accepted.length, 0);
    });
  }
});

describe('a listener', () => {
  after(cleanUp);

  it('closes an unknown source without a byte, and never hands it on', async () => {
    const { port, accepted } = serve('127.0.0.1', [{ address: ip('127.0.0.9') }]);
    const socket = net.connect({ port, host: '127.0.0.1' }).on('error', () => undefined);
    sockets.push(socket);
    socket.write('hello');
    const heard: Buffer[] = [];
    socket.on('data', (bytes) => heard.push(bytes));
    await once(socket, 'close');
    assert.deepEqual([heard.length, accepted.length], [0, 0]);
    await call({ address: ip('127.0.0.1'), port, sourceAddress: ip('127.0.0.9') }).until(/^connected/);
  });

  it('does not let a peer with TTL security in where it can\'t demand that of everybody', async () => {
    const { port, accepted } = serve('127.0.0.1', [{ ttlSecurity: true }, { address: ip('127.0.0.9') }]);
    const socket = net.connect({ port, host: '127.0.0.1' }).on('error', () => undefined);
    sockets.push(socket.resume());
    await once(socket, 'close');
    assert.equal(accepted.length, 0);
    await call({ address: ip('127.0.0.1'), port, sourceAddress: ip('127.0.0.9') }).until(/^connected/);
  });

  it('closes what nobody takes', async () => {
    const listener = listen({ address: ip('127.0.0.1'), port: 0, peers: [{ address: ip('127.0.0.1'), ibgp: true, ttlSecurity: false }] }, () => undefined, unexpected);
    listeners.push(listener);
    await call({ address: ip('127.0.0.1'), port: listener.port }).until(/^closed/);
  });

  it('does not exist without its key', () => {
    const peer = { address: ip('127.0.0.1'), ibgp: true, ttlSecurity: false };
    assert.throws(() => listen({ address: ip('127.0.0.1'), port: 0, peers: [{ ...peer, md5: new Uint8Array(81) }] }, unexpected, unexpected), { code: 'EMSGSIZE' });
    assert.throws(() => listen({ address: ip('127.0.0.1'), port: 0, peers: [{ ...peer, md5: new Uint8Array(0) }] }, unexpected, unexpected), { code: 'EINVAL' });
  });
});

describe('a dial', () => {
  after(cleanUp);

  for (const [what, options, reason] of [
    ['a port where nobody listens', { port: 1 }, 'ECONNREFUSED'],
    ['a key that cannot be set', { port: 1, md5: new Uint8Array(81) }, 'the MD5 key cannot be set on the socket (EMSGSIZE): no key, no session'],
    ['an empty key', { port: 1, md5: new Uint8Array(0) }, 'the MD5 key cannot be set on the socket (EINVAL): no key, no session'],
    ['a device that is not there', { port: 1, interface: 'nosuchdevice' }, 'SO_BINDTODEVICE cannot be set on the socket (ENODEV): no session without it'],
    ['a source address of somebody else', { port: 1, sourceAddress: ip('192.0.2.77') }, 'the source address 192.0.2.77 cannot be used (EADDRNOTAVAIL)'],
    ['a TTL that is none', { port: 1, multihop: 256 }, 'IP_TTL cannot be set on the socket (EINVAL): no session without it'],
  ] as const) {
    it(`to ${what} fails in words, once`, async () => {
      const line = call({ address: ip('127.0.0.1'), ...options });
      assert.equal(await line.until(/^closed/), `closed ${reason}`);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(line.events.length, 1);
    });
  }

  it('that is given up says so once, and never connects', async () => {
    const { port, accepted } = serve('127.0.0.1', [{}]);
    for (const end of ['close', 'destroy'] as const) {
      const line = call({ address: ip('127.0.0.1'), port });
      line.connection?.write(text('lost'));
      line.connection?.[end]();
      line.connection?.[end]();
      await call({ address: ip('127.0.0.1'), port }).until(/^connected/);
      assert.deepEqual(line.events, ['closed']);
    }
    assert.ok(accepted.every((line) => !line.events.some((event) => event.startsWith('data'))));
  });

  it('tells a close and a reset by the peer apart', async () => {
    const ending = call({ address: ip('127.0.0.1'), port: await nodeServer((socket) => socket.end()) });
    assert.equal(await ending.until(/^closed/), 'closed closed by peer');
    const resetting = call({ address: ip('127.0.0.1'), port: await nodeServer((socket) => setImmediate(() => socket.resetAndDestroy())) });
    assert.match(await resetting.until(/^closed/), /^closed (ECONNRESET|ENOTCONN)$/);
  });
});

describe('a connection', () => {
  after(cleanUp);

  it('delivers what was written before its close, though the peer\'s words were not read', async () => {
    const heard: Buffer[] = [];
    let ended: () => void = () => undefined;
    const end = new Promise<void>((resolve) => (ended = resolve));
    const port = await nodeServer((socket) => {
      socket.write(Buffer.alloc(1 << 20));
      socket.on('data', (bytes) => heard.push(bytes)).on('end', ended);
    });
    const line = call({ address: ip('127.0.0.1'), port });
    await line.until(/^connected/);
    line.connection?.write(text('cease'));
    line.connection?.close();
    line.connection?.write(text('too late'));
    await end;
    assert.equal(Buffer.concat(heard).toString(), 'cease');
    assert.equal(line.events.filter((event) => event.startsWith('closed')).join(), 'closed');
    assert.ok(line.events.at(-1) === 'closed', 'nothing comes after the close');
  });

  it('that is not read loses the session after 8 MiB, and takes no more', async () => {
    const port = await nodeServer((socket) => socket.pause());
    const line = call({ address: ip('127.0.0.1'), port });
    await line.until(/^connected/);
    const chunk = new Uint8Array(64 * 1024);
    let octets = 0;
    while (line.events.length < 2 && octets < 64 * 1024 * 1024) {
      line.connection?.write(chunk);
      octets += chunk.length;
      if (octets % (1 << 20) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.match(line.events[1] ?? '', /^closed slow reader: more than 8 MiB/);
    assert.ok(octets > 8 * 1024 * 1024 && octets < 32 * 1024 * 1024, `${octets} octets, with what the kernel took`);
    line.connection?.write(chunk);
    assert.equal(line.events.length, 2);
  });

  it('says that the kernel holds octets back, and when it has them all', async () => {
    let held: net.Socket | undefined;
    const port = await nodeServer((socket) => { held = socket.pause(); });
    const line = call({ address: ip('127.0.0.1'), port });
    await line.until(/^connected/);
    line.connection?.write(new Uint8Array(1024));
    assert.deepEqual(line.unsent, [], 'the kernel takes a little at once');
    line.connection?.write(new Uint8Array(7 * 1024 * 1024));
    assert.deepEqual(line.unsent, [true]);
    while (held === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    held.resume();
    while (line.unsent.at(-1) === true) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(line.unsent.at(-1), false);
  });

  it('knows what the peer has not acknowledged', async () => {
    const port = await nodeServer((socket) => socket.pipe(socket));
    const line = call({ address: ip('127.0.0.1'), port });
    assert.equal(line.connection?.unacknowledged(), 0);
    await line.until(/^connected/);
    line.connection?.write(text('hello'));
    await line.until(/data hello/);
    assert.equal(line.connection?.unacknowledged(), 0);
    line.connection?.destroy();
    assert.equal(line.connection?.unacknowledged(), 0);
  });
});

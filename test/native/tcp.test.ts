import assert from 'node:assert/strict';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { setSocketTtl, setTcpMd5, tcpConnect, tcpListen, unacknowledgedBytes } from '../../native/index.ts';
import type { SystemError, TcpConnectOptions, TcpListenOptions } from '../../native/index.ts';

const key = new TextEncoder().encode('correct horse');

/** A server on a natively made listener; echoes. */
async function listen(options: Omit<TcpListenOptions, 'port'>): Promise<{ server: net.Server; port: number; fd: number }> {
  const fd = tcpListen({ ...options, port: 0 });
  const server = net.createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  await new Promise<void>((resolve) => server.listen({ fd }, resolve));
  return { server, port: (server.address() as AddressInfo).port, fd };
}

function connect(options: TcpConnectOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    tcpConnect(options, (error, fd) => (error === undefined ? resolve(fd) : reject(error)));
  });
}

async function echo(fd: number): Promise<string> {
  const socket = new net.Socket({ fd });
  socket.write('landfall');
  const answer = await new Promise<string>((resolve, reject) => socket.once('data', (data) => resolve(String(data))).once('error', reject));
  socket.destroy();
  return answer;
}

for (const [family, address] of [[4, '127.0.0.1'], [6, '::1']] as const) {
  describe(`TCP sockets, IPv${family}`, () => {
    let server: net.Server | undefined;
    afterEach(() => server?.close());

    async function serve(options: Partial<TcpListenOptions> = {}): Promise<{ port: number; fd: number }> {
      const listening = await listen({ family, address, ...options });
      server = listening.server;
      return listening;
    }

    it('connects, and the descriptor is a Node socket', async () => {
      const { port } = await serve();
      assert.equal(await echo(await connect({ family, address, port })), 'landfall');
    });

    it('connects with every option set', async () => {
      const { port } = await serve({ ttl: 255, minTtl: 255, tos: 0xc0, md5: [{ address, key }] });
      const fd = await connect({
        family, address, port, localAddress: address, bindToDevice: 'lo', ttl: 255, minTtl: 255, tos: 0xc0, userTimeoutMs: 5000, md5: { address, key },
      });
      assert.equal(await echo(fd), 'landfall');
    });

    it('does not connect with a wrong key, without one, or with a low TTL', async () => {
      const { port } = await serve({ ttl: 255, minTtl: 255, md5: [{ address, key }] });
      const attempts: Partial<TcpConnectOptions>[] = [
        { ttl: 255, md5: { address, key: new TextEncoder().encode('wrong') } },
        { ttl: 255 },
        { ttl: 64, md5: { address, key } },
      ];
      // The segments are dropped, so the attempt ends with the user timeout.
      const errors = await Promise.all(
        attempts.map((attempt) => connect({ family, address, port, userTimeoutMs: 500, ...attempt }).then(() => undefined, (error: SystemError) => error)),
      );
      assert.deepEqual(errors.map((error) => error?.code), ['ETIMEDOUT', 'ETIMEDOUT', 'ETIMEDOUT']);
    }).timeout(20_000);

    it('takes a key on a listener later, and takes it away', async () => {
      const { port, fd } = await serve();
      setTcpMd5(fd, address, key);
      assert.equal(await echo(await connect({ family, address, port, md5: { address, key } })), 'landfall');
      setTcpMd5(fd, address, undefined);
      assert.equal(await echo(await connect({ family, address, port })), 'landfall');
    });

    it('reports a refused connection', async () => {
      const { port } = await serve();
      await new Promise((resolve) => server?.close(resolve));
      await assert.rejects(connect({ family, address, port }), { code: 'ECONNREFUSED', syscall: 'connect' });
    });

    it('says nothing after cancel', async () => {
      const { port } = await serve();
      let called = 0;
      tcpConnect({ family, address, port }, () => called++).cancel();
      tcpConnect({ family, address, port, bindToDevice: 'nosuchdevice' }, () => called++).cancel();
      await echo(await connect({ family, address, port }));
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(called, 0);
    });

    it('tells what the peer has not acknowledged', async () => {
      const { port } = await serve();
      const fd = await connect({ family, address, port });
      const socket = new net.Socket({ fd });
      const before = unacknowledgedBytes(fd);
      socket.write('landfall');
      await new Promise((resolve) => socket.once('data', resolve));
      assert.deepEqual([before, unacknowledgedBytes(fd)], [0, 0]);
      socket.destroy();
    });

    it('sets the TTL of an open socket', async () => {
      const { port } = await serve();
      const fd = await connect({ family, address, port });
      setSocketTtl(fd, family, 255, 254);
      // The server sends with 64, which must not get through any longer: its answer stays away.
      const socket = new net.Socket({ fd });
      socket.write('landfall');
      const first = await Promise.race([
        new Promise<string>((resolve) => socket.once('data', () => resolve('answer'))),
        new Promise<string>((resolve) => setTimeout(resolve, 200, 'silence')),
      ]);
      socket.destroy();
      assert.equal(first, 'silence');
    });
  });
}

describe('TCP options that fail', () => {
  const base = { family: 4, address: '127.0.0.1', port: 9 } as const;
  const cases: readonly [name: string, options: TcpConnectOptions, code: string, syscall: string][] = [
    ['a device that does not exist', { ...base, bindToDevice: 'nosuchdevice' }, 'ENODEV', 'setsockopt SO_BINDTODEVICE'],
    ['a key that is too long', { ...base, md5: { address: '127.0.0.1', key: new Uint8Array(81) } }, 'EMSGSIZE', 'setsockopt TCP_MD5SIG'],
    ['an empty key, which would mean none', { ...base, md5: { address: '127.0.0.1', key: new Uint8Array(0) } }, 'EINVAL', 'setsockopt TCP_MD5SIG'],
    ['a key for an address of the other family', { ...base, md5: { address: '::1', key } }, 'EINVAL', 'setsockopt TCP_MD5SIG'],
    ['a TTL above 255', { ...base, ttl: 256 }, 'EINVAL', 'setsockopt IP_TTL'],
    ['a least TTL above 255', { ...base, minTtl: 256 }, 'EINVAL', 'setsockopt IP_MINTTL'],
    ['a local address that is not here', { ...base, localAddress: '192.0.2.77' }, 'EADDRNOTAVAIL', 'bind'],
    ['an address of the other family', { ...base, address: '::1' }, 'EINVAL', 'address'],
    ['a port that does not exist', { ...base, port: 65_536 }, 'EINVAL', 'address'],
  ];
  for (const [name, options, code, syscall] of cases) {
    it(`fails the call for ${name}, not before it returned`, async () => {
      let returned = false;
      const error = await new Promise<SystemError | undefined>((resolve) => {
        tcpConnect(options, (problem, fd) => {
          assert.deepEqual([returned, fd], [true, -1]);
          resolve(problem);
        });
        returned = true;
      });
      assert.deepEqual({ code: error?.code, syscall: error?.syscall }, { code, syscall });
      assert.match(error?.message ?? '', new RegExp(`^${syscall}: .+ \\(${code}\\)$`));
    });
  }

  it('fails a listener too', () => {
    assert.throws(() => tcpListen({ ...base, port: 0, md5: [{ address: '127.0.0.1', key }, { address: '::1', key }] }), { syscall: 'setsockopt TCP_MD5SIG' });
    assert.throws(() => setTcpMd5(-1, '127.0.0.1', key), { code: 'EBADF' });
    assert.throws(() => setTcpMd5(1, '127.0.0.1', new Uint8Array(0)), TypeError);
    assert.throws(() => unacknowledgedBytes(-1), { code: 'EBADF' });
  });
});

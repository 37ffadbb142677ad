import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { aoSteps, explainAo, probeAo, readAoKeys, sameAoKeys, type AoKey } from '../../../bgp/io/tcp-ao.ts';
import { dial, listen, type ListenPeer } from '../../../bgp/io/tcp.ts';
import { ip } from '../../../net/ip.ts';

const key = (sendId: number, text: string, receiveId = sendId): AoKey => ({ sendId, receiveId, algorithm: 'hmac-sha1', key: new TextEncoder().encode(text) });
const [one, two] = [key(1, 'first'), key(2, 'second')] as const;
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

describe('the keys of TCP-AO', () => {
  it('are read from where the configuration says, all or none', () => {
    const source = { algorithm: 'aes-128-cmac', keys: [{ sendId: 3, receiveId: 4, key: { env: 'A' } }, { sendId: 5, receiveId: 6, key: { env: 'B' } }] } as const;
    assert.deepEqual(readAoKeys(source, { A: 'one\n', B: 'two' }).map((read) => ({ ...read, key: Buffer.from(read.key).toString() })), [
      { sendId: 3, receiveId: 4, algorithm: 'aes-128-cmac', key: 'one' }, { sendId: 5, receiveId: 6, algorithm: 'aes-128-cmac', key: 'two' },
    ]);
    assert.throws(() => readAoKeys(source, { A: 'one' }), { name: 'KeyError', message: 'environment variable B is empty' });
  });

  it('differ by what they are and by their order', () => {
    assert.ok(sameAoKeys([one, two], [key(1, 'first'), key(2, 'second')]));
    for (const other of [[two, one], [one], [one, key(2, 'other')], [one, key(2, 'second', 3)], [one, { ...two, algorithm: 'aes-128-cmac' as const }], undefined]) {
      assert.ok(!sameAoKeys([one, two], other));
    }
    assert.ok(sameAoKeys(undefined, undefined));
  });

  it('become others without a gap: the new one is added, then asked for, then the old one goes', () => {
    assert.deepEqual(aoSteps([one], [one, two]), { add: [two], remove: [] });
    assert.deepEqual(aoSteps([one, two], [two, one]), { add: [], prefer: two, remove: [] });
    assert.deepEqual(aoSteps([two, one], [two]), { add: [], remove: [one] });
    assert.deepEqual(aoSteps([one], [two]), { add: [two], prefer: two, remove: [one] });
    assert.deepEqual(aoSteps([one], [one]), { add: [], remove: [] });
  });

  it('never become another key under the same ID (RFC 5925 section 3.1), and no sentence shows one', () => {
    for (const after of [key(1, 'hunter2'), key(1, 'first', 7), key(7, 'first', 1)]) {
      assert.throws(() => aoSteps([one], [after, one]), (error: Error) => error.name === 'KeyError' && /IDs of its own/.test(error.message) && !/hunter2|first/.test(error.message));
    }
  });

  it('what the kernel says of them, in words', () => {
    const syscall = 'setsockopt TCP_AO_ADD_KEY';
    assert.match(explainAo({ code: 'ENOPROTOOPT', syscall }) ?? '', /^TCP-AO is not in this kernel .*CONFIG_TCP_AO.*no session$/);
    assert.match(explainAo({ code: 'ENOENT', syscall }) ?? '', /lacks the algorithm/);
    assert.match(explainAo({ code: 'EKEYREJECTED', syscall }) ?? '', /cannot be set on the socket \(EKEYREJECTED\): no key, no session/);
    assert.equal(explainAo({ code: 'EMSGSIZE', syscall: 'setsockopt TCP_MD5SIG' }), undefined);
  });
});

// The kernel of this machine: with TCP-AO it must sign, without it nothing may come up.
const kernelHasIt = probeAo({ address: ip('127.0.0.1') }, [one]) === undefined;

for (const address of ['127.0.0.1', '::1']) {
  describe(`TCP-AO under this kernel (${kernelHasIt ? 'which has it' : 'which lacks it'}), ${address}`, () => {
    const closing: { close(): void }[] = [];
    after(() => closing.forEach((each) => each.close()));
    let accepted = 0;
    const serve = (peers: readonly Partial<ListenPeer>[]) => {
      const listener = listen({ address: ip(address), port: 0, peers: peers.map((peer) => ({ address: ip(address), ibgp: true, ttlSecurity: false, ...peer })) }, (caller) => {
        accepted += 1;
        const connection = caller.take({ data: () => undefined, closed: () => undefined });
        closing.push({ close: () => connection.destroy() });
      }, (error) => assert.fail(error.message));
      closing.push(listener);
      return listener;
    };
    const call = (port: number, ao?: readonly AoKey[]): Promise<string> => new Promise((resolve) => {
      const connection = dial({ address: ip(address), port, ibgp: true, ttlSecurity: false, userTimeoutMs: 400, ...(ao === undefined ? {} : { ao }) }, {
        connected: () => resolve('connected'), data: () => undefined, closed: (error) => resolve(error ?? 'closed'),
      });
      closing.push({ close: () => connection.destroy() });
    });

    it('a dial with a key is signed or ends in words', async () => {
      const { port } = serve([{ ao: [one] }]);
      assert.match(await call(port, [one]), kernelHasIt ? /^connected$/ : /^TCP-AO is not in this kernel/);
    });

    it('who has no key or a wrong one is not heard', async () => {
      const before = accepted;
      const listener = serve([{ ao: [one] }]);
      if (kernelHasIt) {
        assert.match(await call(listener.port), /ETIMEDOUT/);
        assert.match(await call(listener.port, [key(1, 'wrong')]), /ETIMEDOUT.*TCP-AO key/);
        assert.match(await call(serve([{}]).port, [one]), /ETIMEDOUT/);
      } else {
        const socket = net.connect(listener.port, address).on('error', () => undefined);
        await once(socket.resume(), 'close');
      }
      assert.equal(accepted, before);
    });

    it('a range that the peer is in does not let it in unsigned', async () => {
      const before = accepted;
      const wide = address === '::1' ? { address: ip('::'), prefixLength: 96 } : { address: ip('127.0.0.0'), prefixLength: 8 };
      const { port } = serve([{ ao: [one] }, wide]);
      const socket = net.connect({ port, host: address, timeout: 500 }).on('error', () => undefined).on('timeout', () => socket.destroy());
      await once(socket.resume(), 'close');
      assert.equal(accepted, before);
    });

    it('other keys take a new listener', () => {
      const peer = { address: ip(address), ibgp: true, ttlSecurity: false };
      const listener = serve([{ ao: [one] }]);
      assert.equal(listener.setPeers([{ ...peer, ao: [key(1, 'first')] }]), true);
      for (const other of [{ ...peer, ao: [one, two] }, { ...peer, ao: [key(1, 'other')] }, peer]) assert.equal(listener.setPeers([other]), false);
      assert.equal(listener.setPeers([]), false);
      assert.equal(serve([{}]).setPeers([{ ...peer, ao: [one] }]), false);
    });
  });
}

// What the options are asked, under a model of them: see ao-kernel.c. It shows layouts (its compiler's) and order; it signs nothing.
describe('TCP-AO under a model of the kernel', function () {
  this.timeout(60_000);
  let folder = '';
  let model = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-ao-'));
    chmodSync(folder, 0o700);
    model = join(folder, 'ao-kernel.so');
    const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-o', model, here('ao-kernel.c'), '-ldl'], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const play = (address: string, scenario: string, environment: Record<string, string>): Promise<{ said: string[]; asked: string[] }> => new Promise((resolve, reject) => {
    execFile(process.execPath, ['--import', 'tsx', here('ao-main.ts'), address, scenario], { env: { ...process.env, LD_PRELOAD: model, ...environment }, timeout: 50_000 }, (error, stdout, stderr) => {
      if (error !== null) return reject(new Error(`${error.message}\n${stderr}`));
      resolve({ said: JSON.parse(stdout) as string[], asked: stderr.split('\n').filter((line) => /^(ao|--) /.test(line)) });
    });
  });

  for (const [address, host] of [['127.0.0.1', '127.0.0.1/32'], ['::1', '::1/128']] as const) {
    it(`rotates under a connection: beside, asked for, gone, ${address}`, async () => {
      const { said, asked } = await play(address, 'rotate', { AO_FOLLOWS: '1' });
      assert.deepEqual(asked, [
        `ao before add ${host} 1/1 hmac(sha1) 12 first`, `ao before add ${host} 1/1 hmac(sha1) 12 first`, '-- listening', // tried, then set
        `ao before add ${host} 1/1 hmac(sha1) 12 first first`, '-- connected',
        '-- new beside old', `ao live add ${host} 2/2 hmac(sha1) 12 second`,
        '-- new first', `ao live prefer ${host} 2/2 hmac(sha1) 12 second`,
        '-- old gone', `ao live delete ${host} 1/1 hmac(sha1) 12 first first`,
        '-- same ID', '-- one ID',
        '-- third', `ao live add ${host} 3/3 hmac(sha1) 12 third`, `ao live prefer ${host} 3/3 hmac(sha1) 12 third`,
      ]);
      assert.deepEqual(said.map((line) => line.replace(/: TCP-AO .*/, ': refused')), [
        'connected', 'new beside old: done', 'new first: done', 'old gone: done', 'same ID: refused', 'one ID: refused', 'third: done', 'heard update',
      ]);
    });
  }

  it('keeps an old key that the router still uses, and the session with it', async () => {
    const { said, asked } = await play('127.0.0.1', 'rotate', {});
    assert.ok(asked.includes('ao live delete 127.0.0.1/32 1/1 hmac(sha1) 12 first first refused'));
    assert.match(said[3] ?? '', /^old gone: TCP-AO key 1: the router still signs with it/);
    assert.equal(said.at(-1), 'heard update');
  });

  it('has the keys of a range on the listener, and asks a caller for the first', async () => {
    const { said, asked } = await play('127.0.0.1', 'range', { AO_FOLLOWS: '1' });
    assert.ok(asked.includes('ao before add 127.0.0.0/8 2/2 hmac(sha1) 12 second'));
    assert.ok(asked.includes('ao live prefer 127.0.0.0/8 1/1 hmac(sha1) 12 first'), asked.join('\n'));
    assert.equal(said.at(-1), 'heard update');
  });

  it('closes a connection that is not signed, however it came in', async () => {
    assert.deepEqual((await play('127.0.0.1', 'unsigned', { AO_UNSIGNED: '1' })).said, ['false', 'accepted 0']);
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { BgpSockets } from '../../src/daemon/bgp-sockets.ts';
import { PeerKeys } from '../../src/daemon/peer-keys.ts';
import { unsignable } from '../../src/io/signing.ts';
import type { Config } from '../../config/config.ts';
import type { Input } from '../../src/world.ts';
import { ip } from '../../net/ip.ts';
import { valid } from '../config/fixtures.ts';

const planted = 'planted-hunter2';

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** No configuration may name a loopback address, and no test has another. */
const onLoopback = (config: Config): Config => ({ ...config, bgp: { ...config.bgp, peers: config.bgp.peers.map((peer, i) => ({ ...peer, address: ip(`127.0.0.${i + 1}`) })) } });

const configOf = (port: number, auth: string): Config => onLoopback(valid(`apiVersion: landfall/v1
bgp:
  asn: 65010
  listen: {enabled: true, port: ${port}}
  peers:
    - {name: signed, address: 192.0.2.1, port: ${port}, asn: 65010, families: [ipv4-unicast], ${auth}}
    - {name: plain, address: 192.0.2.2, port: ${port}, asn: 65010, families: [ipv4-unicast]}
watch: [{bridge: br, ports: {local: ["tap*"]}, prefixes: [203.0.113.0/24]}]
identity: {mode: learn}
`));
const keys = (...ids: number[]): string => `tcpAo: {keys: [${ids.map((id) => `{sendId: ${id}, key: {env: AO_TEST_KEY_${id}}}`).join(', ')}]}`;

describe('the sockets of a peer with TCP-AO', () => {
  let config: Config;
  let port = 0;
  let sockets: BgpSockets;
  const inputs: Input[] = [];
  const warnings: string[] = [];
  const wakes: (() => void)[] = [];
  const until = async (found: (input: Input) => boolean): Promise<Input> => {
    for (;;) {
      const input = inputs.find(found);
      if (input !== undefined) return input;
      await new Promise<void>((resolve) => wakes.push(resolve));
    }
  };

  before(async () => {
    for (const id of [1, 2]) process.env[`AO_TEST_KEY_${id}`] = `${planted}-${id}`;
    port = await freePort();
    config = configOf(port, keys(1));
    sockets = new BgpSockets({
      config: () => config, peer: (name) => config.bgp.peers.find((peer) => peer.name === name), warn: (text) => void warnings.push(text),
      pump: (input) => { inputs.push(input); for (const wake of wakes.splice(0)) wake(); },
      watcher: { opened: () => undefined, octets: () => undefined, closed: () => undefined },
    });
    sockets.listen();
  });
  after(() => {
    sockets.close();
    for (const id of [1, 2]) delete process.env[`AO_TEST_KEY_${id}`];
  });

  /** Somebody without any key. @returns whether he was let in */
  const call = async (localAddress: string): Promise<boolean> => {
    const peer = localAddress === '127.0.0.1' ? 'signed' : 'plain';
    const heard = (): number => inputs.filter((input) => input.type === 'session' && input.peer === peer && input.input.type === 'accepted').length;
    const before = heard();
    const socket = net.connect({ port, host: '127.0.0.1', localAddress, timeout: 700 }).on('error', () => undefined).on('timeout', () => socket.destroy());
    const closed = once(socket.resume(), 'close');
    let ended = false;
    void closed.then(() => { ended = true; });
    while (!ended && heard() === before) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.destroy();
    return heard() > before;
  };

  it('let nobody in without a key, and others as ever', async () => {
    assert.equal(await call('127.0.0.1'), false);
    assert.equal(await call('127.0.0.2'), true);
  });

  it('say at the start whom this kernel can\'t sign for, and end a dial in the same words', async () => {
    const lacking = unsignable(config);
    sockets.warnOfKernel(config);
    assert.deepEqual(warnings.splice(0), lacking.map(({ why }) => `signed has no session: ${why}`));
    if (lacking.length === 0) return;
    sockets.perform('signed', { type: 'dial', connection: 99 });
    const ended = await until((input) => input.type === 'session' && input.input.type === 'closed' && input.input.connection === 99);
    assert.equal((ended as Extract<Input, { type: 'session' }>).input.type, 'closed');
    assert.match(JSON.stringify(ended), /TCP-AO is not in this kernel .*no key, no session/);
    assert.ok(!JSON.stringify(inputs).includes(planted));
  });

  it('listen anew with other keys, and with none that can be read keep those before', async () => {
    config = configOf(port, keys(2, 1));
    sockets.renewListeners();
    assert.deepEqual(warnings, []);
    assert.equal(await call('127.0.0.1'), false);
    assert.equal(await call('127.0.0.2'), true);
    config = configOf(port, keys(2, 3));
    sockets.renewListeners();
    assert.match(warnings.splice(0).join(), /does not know the peers of the last reload: environment variable AO_TEST_KEY_3 is empty/);
    assert.equal(await call('127.0.0.1'), false);
    config = configOf(port, 'password: {env: AO_TEST_KEY_1}');
    sockets.renewListeners();
    assert.equal(await call('127.0.0.1'), false, 'MD5 now: silence');
    assert.equal(await call('127.0.0.2'), true);
    config = configOf(port, keys(1));
    sockets.renewListeners();
    assert.deepEqual(warnings, []);
    assert.equal(await call('127.0.0.1'), false);
  });
});

describe('which keys read differently from what sockets have', () => {
  const named = (given: PeerKeys, config: Config): string[] => given.changed(config, () => undefined).map(({ key }) => key);
  before(() => { for (const id of [1, 2]) process.env[`AO_TEST_KEY_${id}`] = `${planted}-${id}`; });
  after(() => { for (const id of [1, 2]) delete process.env[`AO_TEST_KEY_${id}`]; });

  it('another key, another order, one more; not another way to sign', () => {
    const given = new PeerKeys();
    const peerOf = (config: Config) => config.bgp.peers[0] as Config['bgp']['peers'][number];
    const first = configOf(179, keys(1, 2));
    assert.equal(given.read(peerOf(first)).ao?.length, 2);
    assert.deepEqual(named(given, first), []);
    assert.deepEqual(named(given, configOf(179, keys(2, 1))), ['bgp.peers[signed].tcpAo.keys']);
    assert.deepEqual(named(given, configOf(179, keys(1))), ['bgp.peers[signed].tcpAo.keys']);
    assert.deepEqual(named(given, configOf(179, keys(1, 3))), [], 'one that can\'t be read: the dial says so');
    assert.deepEqual(named(given, configOf(179, 'password: {env: AO_TEST_KEY_1}')), []);
    process.env['AO_TEST_KEY_2'] = `${planted}-new`;
    assert.deepEqual(named(given, first), ['bgp.peers[signed].tcpAo.keys']);
    given.inherit('leafs-192.0.2.7', 'signed');
    assert.equal(given.changed(first, () => peerOf(first)).length, 2);
    given.forget('leafs-192.0.2.7');
    given.read({ name: 'signed', address: '127.0.0.1' } as never);
    assert.deepEqual(named(given, first), []);
  });
});

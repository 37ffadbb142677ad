import assert from 'node:assert/strict';
import { errorCodes, errorSubcodes } from '../../bgp/wire/iana.ts';
import type { Config, ListenRange } from '../../config/config.ts';
import { peerOfRange, rangeOf } from '../../config/listen-range.ts';
import { ip, parsePrefix, type Prefix } from '../../net/ip.ts';
import { Speaker } from '../../src/speaker.ts';
import type { Input, Output } from '../../src/world.ts';
import { bytesOf, keepalive, open } from '../bgp/session-bench.ts';
import { baseConfig } from '../sim/fabric.ts';

// Peers that come by themselves from a range.

const base = baseConfig(1);
const { address: _, port: _port, ...like } = base.bgp.peers[0]!;
const range = (change: Partial<ListenRange> = {}): ListenRange => ({ ...like, name: 'leafs', prefix: parsePrefix('192.0.2.96/28') as Prefix, maxPeers: 2, ...change });
const configWith = (...ranges: ListenRange[]): Config => ({
  ...base, bgp: { ...base.bgp, peers: [], listen: { enabled: true, port: 179, ranges }, gracefulRestart: { enabled: true, restartTimeSeconds: 60 } },
});

class Life {
  nowMs = 1000;
  connection = 0;
  readonly speaker: Speaker;
  constructor(config = configWith(range())) {
    this.speaker = new Speaker({ config, routerId: ip('192.0.2.1'), dryRun: false, random: () => 0.5, newConnection: () => ++this.connection }, this.now());
    this.give({ type: 'start' });
  }
  now() {
    return { monotonicMs: this.nowMs, wallMs: Date.UTC(2026, 10, 25) + this.nowMs, wallTrusted: true };
  }
  give(input: Input): Output[] {
    return this.speaker.dispatch(input, this.now());
  }
  call(address: string, name = 'leafs'): Output[] {
    return this.give({ type: 'caller', range: name, address: ip(address), connection: ++this.connection, localAddress: ip('192.0.2.17') });
  }
  speak(address: string): void {
    this.give({ type: 'session', peer: `leafs-${address}`, input: { type: 'data', connection: this.connection, bytes: bytesOf(open({ bgpIdentifier: ip(address) }), keepalive) } });
  }
  leave(address: string): void {
    this.give({ type: 'session', peer: `leafs-${address}`, input: { type: 'closed', connection: this.connection } });
  }
  /** Every deadline until then, in order. */
  until(ms: number): void {
    for (let next = this.speaker.nextDeadline(); next <= ms; next = this.speaker.nextDeadline()) {
      this.nowMs = Math.max(this.nowMs, next);
      this.give({ type: 'tick' });
    }
    this.nowMs = ms;
  }
  get peers(): Record<string, string> {
    return Object.fromEntries([...this.speaker.world.peers].map(([name, { session }]) => [name, session.fsm]));
  }
}

describe('peers of a range', () => {
  it('are found by the longest prefix, and named by range and address', () => {
    const [wide, narrow] = [range({ name: 'wide', prefix: parsePrefix('192.0.2.0/24') as Prefix }), range()];
    assert.equal(rangeOf([wide, narrow], ip('192.0.2.100'))?.name, 'leafs');
    assert.equal(rangeOf([wide, narrow], ip('192.0.2.3'))?.name, 'wide');
    assert.equal(rangeOf([wide, narrow], ip('198.51.100.3')), undefined);
    assert.equal(rangeOf(undefined, ip('192.0.2.3')), undefined);
    assert.equal(peerOfRange(narrow, ip('192.0.2.100')).name, 'leafs-192.0.2.100');
    const links = range({ prefix: parsePrefix('fe80::/64') as Prefix, interface: 'eth1' });
    assert.equal(rangeOf([links], ip('fe80::1'), 'eth2'), undefined);
    assert.deepEqual([peerOfRange(links, ip('fe80::1'), 'eth1')].map(({ name, interface: link }) => [name, link]), [['leafs-fe80::1%eth1', 'eth1']]);
  });

  it('come up, are never dialled, and are remembered for two minutes', () => {
    const life = new Life();
    assert.deepEqual(life.peers, {});
    life.call('192.0.2.99');
    life.speak('192.0.2.99');
    assert.deepEqual(life.peers, { 'leafs-192.0.2.99': 'Established' });
    life.leave('192.0.2.99');
    const from = life.nowMs;
    life.until(from + 119_000);
    assert.deepEqual(Object.keys(life.peers), ['leafs-192.0.2.99']);
    assert.equal(life.connection, 1, 'no dial');
    life.until(from + 121_000);
    assert.deepEqual(life.peers, {});
  });

  it('come again into the session that they had', () => {
    const life = new Life();
    life.call('192.0.2.99');
    life.speak('192.0.2.99');
    life.leave('192.0.2.99');
    life.until(life.nowMs + 100_000);
    life.call('192.0.2.99');
    life.speak('192.0.2.99');
    life.until(life.nowMs + 5000);
    assert.deepEqual(life.peers, { 'leafs-192.0.2.99': 'Established' });
  });

  it('who never get a session are forgotten with their connection', () => {
    const life = new Life();
    life.call('192.0.2.99');
    assert.equal(life.peers['leafs-192.0.2.99'], 'OpenSent');
    life.leave('192.0.2.99');
    assert.deepEqual(life.peers, {});
  });

  it('are no more than maxPeers: who comes then is told Connection Rejected', () => {
    const life = new Life();
    life.call('192.0.2.97');
    life.call('192.0.2.98');
    const [write, close, ...rest] = life.call('192.0.2.99').flatMap((output) => (output.type === 'session' ? [output.output] : []));
    assert.ok(write?.type === 'write' && write.connection === 3);
    assert.deepEqual([...write.bytes.subarray(18)], [3, errorCodes.cease, errorSubcodes.cease.connectionRejected]);
    assert.deepEqual([close, rest], [{ type: 'close', connection: 3 }, []]);
    assert.equal(life.speaker.world.peers.size, 2);
    assert.equal(life.call('192.0.2.100').filter((output) => output.type === 'note').length, 0, 'said once in ten seconds');
    assert.equal(life.call('192.0.2.97').some((output) => output.type === 'session' && output.output.type === 'close' && output.output.connection === 5), false, 'one that is there may');
  });

  it('of a range that a reload takes away end, those of another stay', () => {
    const other = range({ name: 'spines', prefix: parsePrefix('198.51.100.0/24') as Prefix });
    const life = new Life(configWith(range(), other));
    life.call('192.0.2.99');
    life.speak('192.0.2.99');
    life.call('198.51.100.9', 'spines');
    life.give({ type: 'reload', config: configWith(other) });
    assert.deepEqual(Object.keys(life.peers), ['spines-198.51.100.9']);
  });

  it('keep their session where a reload only lets more of them in, and begin anew with other timers', () => {
    const life = new Life();
    life.call('192.0.2.99');
    life.speak('192.0.2.99');
    life.give({ type: 'reload', config: configWith(range({ maxPeers: 9 })) });
    assert.deepEqual(life.peers, { 'leafs-192.0.2.99': 'Established' });
    life.give({ type: 'reload', config: configWith(range({ maxPeers: 9, timers: { ...like.timers, holdSeconds: 90 } })) });
    assert.deepEqual(life.peers, {});
  });

  it('come to nothing where there is no such range', () => {
    const life = new Life();
    assert.ok(life.call('192.0.2.99', 'nobody').some((output) => output.type === 'session' && output.output.type === 'close'));
    assert.deepEqual(life.peers, {});
  });
});

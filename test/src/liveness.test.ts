import assert from 'node:assert/strict';
import type { BfdReport } from '../../bfd/orders.ts';
import type { Config } from '../../config/config.ts';
import { ip } from '../../net/ip.ts';
import { collectPeers } from '../../src/collect/peers.ts';
import { bfdOrder } from '../../src/liveness.ts';
import { Speaker } from '../../src/speaker.ts';
import type { Input, Output } from '../../src/world.ts';
import { baseConfig } from '../sim/fabric.ts';
import { bytesOf, keepalive, open } from '../bgp/session-bench.ts';

const config = ((base): Config => ({
  ...base, bgp: { ...base.bgp, gracefulRestart: { enabled: true, restartTimeSeconds: 60 }, peers: base.bgp.peers.slice(0, 1).map((peer) => ({ ...peer, bfd: { minTxMs: 300, minRxMs: 200, multiplier: 3 } })) },
}))(baseConfig(1));
const peer = config.bgp.peers[0]!;
const now = { monotonicMs: 1000, wallMs: Date.UTC(2026, 10, 25), wallTrusted: true };
const report = (state: BfdReport['state'], change: Partial<BfdReport> = {}): BfdReport =>
  ({ name: peer.name, state, text: state === 'Up' ? '' : 'control detection time expired', administrative: false, remoteState: 'Up', detectionTimeMs: 900, sendIntervalMs: 300, ups: 1, ...change });

class Life {
  readonly speaker = new Speaker({ config, routerId: ip('192.0.2.1'), dryRun: false, random: () => 0.5, newConnection: () => ++this.connection }, now);
  connection = 0;
  constructor() {
    this.give({ type: 'start' });
    const base = { type: 'session', peer: peer.name } as const;
    this.give({ ...base, input: { type: 'connected', connection: this.connection, localAddress: ip('192.0.2.17') } });
    this.give({ ...base, input: { type: 'data', connection: this.connection, bytes: bytesOf(open({ bgpIdentifier: ip('192.0.2.99') }), keepalive) } });
  }
  give(input: Input): Output[] {
    return this.speaker.dispatch(input, now);
  }
  get fsm(): string | undefined {
    return this.speaker.world.peers.get(peer.name)?.session.fsm;
  }
}

describe('BFD and the BGP session (RFC 5882)', () => {
  it('is ordered for the peers that have it, and goes on for longer than the routers wait', () => {
    assert.deepEqual(bfdOrder(config), { neighbors: [{ name: peer.name, address: peer.address, minTxMs: 300, minRxMs: 200, multiplier: 3 }], lingerSeconds: 90 });
    assert.equal(bfdOrder(baseConfig(1)), undefined);
  });

  it('up, then down: the session ends in the same dispatch', () => {
    const life = new Life();
    assert.equal(life.fsm, 'Established');
    life.give({ type: 'bfd', report: report('Up') });
    assert.equal(life.fsm, 'Established');
    const outputs = life.give({ type: 'bfd', report: report('Down') });
    assert.equal(life.fsm, 'Idle');
    assert.ok(outputs.some((output) => output.type === 'session' && output.output.type === 'close'));
    assert.match(collectPeers(life.speaker.world)[0]?.lastError ?? '', /BFD: control detection time expired/);
  });

  for (const [what, reports] of Object.entries({
    'never up': [report('Down'), report('Init'), report('Down')],
    'shut down by the router\'s operator': [report('Up'), report('Down', { administrative: true, remoteState: 'AdminDown' })],
    'known to be down when the speaker starts': [report('Down')],
    'of a peer that is not there': [report('Up', { name: 'other' }), report('Down', { name: 'other' })],
  })) {
    it(`hinders nothing: ${what}`, () => {
      const life = new Life();
      for (const each of reports) life.give({ type: 'bfd', report: each });
      assert.equal(life.fsm, 'Established');
    });
  }

  it('the process ends and comes back: nothing is concluded from that', () => {
    const life = new Life();
    life.give({ type: 'bfd', report: report('Up') });
    life.give({ type: 'bfdLost', reason: 'the BFD process has ended' });
    assert.equal(collectPeers(life.speaker.world)[0]?.bfd?.state, 'unknown');
    life.give({ type: 'bfd', report: report('Down') });
    assert.equal(life.fsm, 'Established');
    assert.equal(collectPeers(life.speaker.world)[0]?.bfd?.state, 'down');
  });
});

import assert from 'node:assert/strict';
import { wellKnownCommunities } from '../../bgp/community.ts';
import { endOfRib, packUpdates } from '../../bgp/pack-updates.ts';
import type { RouteChange } from '../../bgp/route.ts';
import { encodeMessage } from '../../bgp/wire/message.ts';
import type { Capability, CodecContext, Message } from '../../bgp/wire/messages.ts';
import type { Link } from '../../bridge/ports.ts';
import type { Config } from '../../config/config.ts';
import { garpFrame } from '../../garp/wire/frames.ts';
import { hostPrefix, ip, type Family, type IpAddress } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import { encodeClaimMarks } from '../../routes/claim-communities.ts';
import { clockSequence } from '../../routes/claim.ts';
import { collectPeers } from '../../src/collect/peers.ts';
import { collectReceived } from '../../src/collect/received.ts';
import { Speaker } from '../../src/speaker.ts';
import { wantedRoute } from '../../src/sent-routes.ts';
import type { Input, Peer } from '../../src/world.ts';
import { baseConfig, vm4, vm6, vmMac } from '../sim/fabric.ts';

// A router that goes away and comes back, as its helper sees it.

const context: CodecContext = { fourOctetAs: true, ibgp: true, maxMessageLength: 4096 };
const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const bridge: Link = { ifindex: 2, name: 'br-vlan', mac: parseMac('02:00:00:00:00:01') as Mac, kind: 'bridge', up: true, carrier: true };
const tap: Link = { ifindex: 10, name: 'tap0', mac: parseMac('fe:54:00:aa:00:01') as Mac, master: 2, kind: 'tun', up: true, carrier: true };
/** A port that can speak before its VM. */
const pod: Link = { ...tap, ifindex: 20, name: 'veth1', kind: 'veth', mac: parseMac('02:00:00:00:00:20') as Mac };
const noLlgr = wellKnownCommunities['no-llgr'] as number;
const helper = { families, maxStaleTimeSeconds: 86_400 };

/** Capability 64 and 71, or neither: times in seconds, `undefined` for a capability that is not sent; F bits are set unless told otherwise. */
interface Says {
  readonly restart?: number | undefined;
  readonly longLived?: number | undefined;
  readonly forwardingState?: boolean;
  readonly longForwardingState?: boolean;
  /** AFIs that 71, or 64, names. */
  readonly longAfis?: readonly number[];
  readonly afis?: readonly number[];
}

class Life {
  nowMs = 1000;
  connection = 0;
  readonly notes: string[] = [];
  readonly speaker: Speaker;

  constructor(more: (bgp: Config['bgp']) => Config['bgp'] = (bgp) => ({ ...bgp, longLivedGracefulRestart: helper }), links: readonly Link[] = [bridge, tap]) {
    const config = baseConfig(1, (c) => ({ ...c, bgp: more({ ...c.bgp, gracefulRestart: { enabled: true, restartTimeSeconds: 60 } }) }));
    this.speaker = new Speaker({ config, routerId: ip('192.0.2.1'), dryRun: false, random: () => 0.5, newConnection: () => ++this.connection }, this.now());
    this.give({ type: 'bridge', change: { type: 'resync', links, fdb: [], ownAddresses: [] } });
    this.give({ type: 'start' });
  }
  now() {
    return { monotonicMs: this.nowMs, wallMs: Date.UTC(2026, 10, 25) + this.nowMs, wallTrusted: true };
  }
  give(input: Input): void {
    for (const output of this.speaker.dispatch(input, this.now())) if (output.type === 'note') this.notes.push(`${output.note.event} ${String(output.note.fields['phase'] ?? '')}`);
  }
  /** Every deadline of so many seconds, in order. */
  run(seconds: number): this {
    const until = this.nowMs + seconds * 1000;
    for (let next = this.speaker.nextDeadline(); next <= until; next = this.speaker.nextDeadline()) {
      this.nowMs = Math.max(this.nowMs, next);
      this.give({ type: 'tick' });
    }
    this.nowMs = until;
    return this;
  }
  hear(...messages: Message[]): void {
    for (const message of messages) this.give({ type: 'session', peer: 'tor', input: { type: 'data', connection: this.connection, bytes: encodeMessage(message, context) } });
  }
  connect({ restart, longLived, forwardingState = true, longForwardingState = true, longAfis = [1, 2], afis = [1, 2] }: Says = { restart: 120, longLived: 1000 }, holdTimeSeconds = 0): this {
    this.give({ type: 'session', peer: 'tor', input: { type: 'connected', connection: this.connection, localAddress: ip('192.0.2.1') } });
    const capabilities: Capability[] = [{ type: 'multiprotocol', afi: 1, safi: 1 }, { type: 'multiprotocol', afi: 2, safi: 1 }, { type: 'fourOctetAs', asn: 65010 }];
    if (longLived !== undefined) capabilities.push({ type: 'longLivedGracefulRestart', families: longAfis.map((afi) => ({ afi, safi: 1, forwardingState: longForwardingState, staleTimeSeconds: longLived })) });
    if (restart !== undefined) capabilities.push({ type: 'gracefulRestart', restartState: false, notification: false, restartTimeSeconds: restart, families: afis.map((afi) => ({ afi, safi: 1, forwardingState })) });
    this.hear({ type: 'OPEN', version: 4, myAs: 65010, holdTimeSeconds, bgpIdentifier: ip('192.0.2.254'), capabilities }, { type: 'KEEPALIVE' });
    assert.equal(this.speaker.world.peers.get('tor')?.session.fsm, 'Established');
    return this;
  }
  lose(): this {
    this.give({ type: 'session', peer: 'tor', input: { type: 'closed', connection: this.connection, error: 'ECONNRESET' } });
    return this;
  }
  /** A route; without a sequence no claim. */
  show(address: IpAddress, communities: readonly number[] = [], sequence?: number): this {
    const node = ip('192.0.2.2');
    return this.change({
      type: 'announce',
      route: {
        prefix: hostPrefix(address),
        attributes: {
          origin: 'IGP', asPath: [], nextHop: ip(address.includes(':') ? '2001:db8::2' : '192.0.2.2'), med: 0, localPref: 100, communities: [...communities] as never[],
          largeCommunities: sequence === undefined ? [] : encodeClaimMarks(65010, { segment: 0, sequence, mac: vmMac, node }),
          ...(sequence === undefined ? {} : { originatorId: node, clusterList: [ip('192.0.2.254')] }),
        },
      },
    });
  }
  change(...changes: RouteChange[]): this {
    this.hear(...packUpdates(changes, { context, localAsn: 65010, families: [...families], peerType: 'ibgp' }));
    return this;
  }
  rival(address: IpAddress = vm4, communities: readonly number[] = []): this {
    return this.show(address, communities, clockSequence(this.now()) - 50);
  }
  endOfRib(...of: readonly Family[]): this {
    this.hear(...(of.length === 0 ? families : of).map(endOfRib));
    return this;
  }
  garp(port: Link): this {
    this.give({ type: 'frame', frame: { bytes: garpFrame(vmMac, vm4), ifindex: port.ifindex, capturedAtMs: this.nowMs } });
    return this;
  }
  /** `address kind communities`. */
  get shown(): string[] {
    return collectReceived(this.speaker.world).map(({ prefix, kind, communities }) => [prefix.replace(/\/.*/, ''), kind, ...communities].join(' ')).sort();
  }
  get inMind(): boolean {
    return this.speaker.world.rivals.has(`default|${hostPrefix(vm4)}` as never);
  }
  get state(): string | undefined {
    return this.speaker.world.locRib.handovers.get(`default|${hostPrefix(vm4)}` as never)?.state;
  }
}

describe('routes of a router that is away (RFC 4724, RFC 9494)', () => {
  const shownBoth = (says?: Says, life = new Life()): Life => life.run(1.5).connect(says).show(vm4).show(vm6, [noLlgr]).endOfRib();

  it('are shown as stale, then as LLGR_STALE without those that bear NO_LLGR, and then are gone', () => {
    const life = shownBoth().lose();
    assert.deepEqual(life.shown, [`${vm6} stale no-llgr`, `${vm4} stale`].sort());
    assert.deepEqual(life.run(119.9).shown, [`${vm6} stale no-llgr`, `${vm4} stale`].sort());
    assert.deepEqual(life.run(0.2).shown, [`${vm4} stale llgr-stale`]);
    assert.deepEqual(collectPeers(life.speaker.world)[0]?.families.map(({ stale }) => stale && { ...stale, endsSeconds: Math.round(stale.endsSeconds) }), [{ routes: 1, longLived: true, endsSeconds: 1000 }, undefined]);
    assert.deepEqual(life.run(999.8).shown, [`${vm4} stale llgr-stale`]);
    assert.deepEqual(life.run(0.2).shown, []);
    assert.deepEqual(life.notes.filter((text) => text.startsWith('session.stale')), ['session.stale restart', 'session.stale restart', 'session.stale longLived', 'session.stale ended', 'session.stale ended']);
    assert.equal(life.speaker.world.peers.get('tor')?.retained.size, 0);
  });

  it('say LLGR_STALE once, where another router said it before', () => {
    const stale = wellKnownCommunities['llgr-stale'] as number;
    assert.deepEqual(new Life().run(1.5).connect().show(vm4, [stale]).lose().run(121).shown, [`${vm4} stale llgr-stale`]);
  });

  it('what we announce bears NO_LLGR itself (section 3.3)', () => {
    const life = new Life().run(1.5).connect().garp(tap);
    const { world } = life.speaker;
    const wanted = wantedRoute(world, world.peers.get('tor') as Peer, hostPrefix(vm4), new Map());
    assert.ok(wanted?.route.attributes.communities.includes(noLlgr));
  });

  const gone: string[] = [];
  const four = `${vm4} stale`;
  const table: [what: string, section: string, says: Says, more: Partial<Config['bgp']>, atOnce: string[], after: string[]][] = [
    ['nobody named a family', '9494 5', { restart: 120, longLived: 1000 }, {}, [four], gone],
    ['the other family is named', '9494 5', { restart: 120, longLived: 1000 }, { longLivedGracefulRestart: { ...helper, families: ['ipv6-unicast'] } }, [four], gone],
    ['our bound is lower', '9494 4.2', { restart: 120, longLived: 1000 }, { longLivedGracefulRestart: { families, maxStaleTimeSeconds: 0 } }, [four], gone],
    ['our bound is higher', '9494 4.2', { restart: 120, longLived: 1000 }, { longLivedGracefulRestart: { families, maxStaleTimeSeconds: 2000 } }, [four], [`${four} llgr-stale`]],
    ['the router sends no capability 71', '4724 4.2', { restart: 120 }, { longLivedGracefulRestart: helper }, [four], gone],
    ['the router sends 71 without 64', '9494 4.5', { longLived: 1000 }, { longLivedGracefulRestart: helper }, gone, gone],
    ['64 names no family', '9494 4.2', { restart: 120, longLived: 1000, afis: [] }, { longLivedGracefulRestart: helper }, [`${four} llgr-stale`], [`${four} llgr-stale`]],
    ['the Restart Time is 0', '9494 4.2', { restart: 0, longLived: 1000 }, { longLivedGracefulRestart: helper }, [`${four} llgr-stale`], [`${four} llgr-stale`]],
    ['71 does not name the family', '9494 4.2', { restart: 120, longLived: 1000, longAfis: [2] }, { longLivedGracefulRestart: helper }, [four], gone],
    ['we send neither capability', '9494 4.2', { restart: 120, longLived: 1000 }, { longLivedGracefulRestart: helper, gracefulRestart: { enabled: false, restartTimeSeconds: 60 } }, gone, gone],
  ];
  for (const [what, section, says, more, atOnce, after] of table) {
    it(`${what}: ${after.length > 0 ? 'kept' : atOnce.length > 0 ? 'kept for the Restart Time' : 'not kept'} (${section})`, () => {
      const life = new Life((bgp) => ({ ...bgp, ...more })).run(1.5).connect(says).show(vm4).endOfRib().lose();
      assert.deepEqual(life.shown, atOnce);
      assert.deepEqual(life.run(121).shown, after);
    });
  }

  const ends: [what: string, end: (life: Life) => void][] = [
    ['a Cease', (life) => life.hear({ type: 'NOTIFICATION', code: 6, subcode: 2, data: new Uint8Array() })],
    ['a Hard Reset (RFC 8538)', (life) => life.hear({ type: 'NOTIFICATION', code: 6, subcode: 9, data: Uint8Array.of(6, 4) })],
    ['our Hold Timer', (life) => life.run(10)],
    ['a mistake of the router', (life) => life.hear({ type: 'OPEN', version: 4, myAs: 65010, holdTimeSeconds: 9, bgpIdentifier: ip('192.0.2.254'), capabilities: [] })],
  ];
  for (const [what, end] of ends) {
    it(`are not kept after ${what}, for the N bit is never ours; the rival stays in mind for the Restart Time`, () => {
      const life = new Life().run(1.5).connect({ restart: 120, longLived: 1000 }, 9).rival().show(vm6);
      end(life);
      assert.equal(life.speaker.world.peers.get('tor')?.session.negotiated, undefined);
      assert.deepEqual([life.shown, life.inMind], [[], true]);
      assert.equal(life.run(110).inMind, true);
      assert.equal(life.run(11).inMind, false);
    });
  }

  it('and a NOTIFICATION in a later session ends what was kept of the one before', () => {
    const life = shownBoth().lose().run(121).connect();
    assert.deepEqual(life.shown, [`${vm4} stale llgr-stale`]);
    life.hear({ type: 'NOTIFICATION', code: 6, subcode: 4, data: new Uint8Array() });
    assert.deepEqual(life.shown, []);
  });
});

describe('a router that comes back (RFC 4724 section 4.2, RFC 9494 section 4.2)', () => {
  const away = (seconds: number): Life => new Life().run(1.5).connect().show(vm4).show(vm6).endOfRib().lose().run(seconds);
  const all = (phase: string): string[] => [`${vm6} stale${phase}`, `${vm4} stale${phase}`].sort();
  const only = (address: IpAddress, phase: string): string[] => [`${address} stale${phase}`];

  const table: [says: string, within: Says, afterRestart: string[], afterLongLived: string[]][] = [
    ['F set in both', { restart: 120, longLived: 1000 }, all(''), all(' llgr-stale')],
    ['F clear in 71', { restart: 120, longLived: 1000, longForwardingState: false }, all(''), []],
    ['F clear in 64', { restart: 120, longLived: 1000, forwardingState: false }, [], []],
    ['a family less in 71', { restart: 120, longLived: 1000, longAfis: [1] }, all(''), only(vm4, ' llgr-stale')],
    ['a family less in 64', { restart: 120, longLived: 1000, afis: [1] }, only(vm4, ''), all(' llgr-stale')],
    ['no 71', { restart: 120 }, all(''), []],
    ['no 64', { longLived: 1000 }, [], []],
    ['neither', {}, [], []],
  ];
  for (const [what, says, afterRestart, afterLongLived] of table) {
    it(`with ${what}`, () => {
      assert.deepEqual(away(10).connect(says).shown, afterRestart, 'during the Restart Time');
      assert.deepEqual(away(121).connect(says).shown, afterLongLived, 'after it');
    });
  }

  for (const [when, seconds, phase] of [['during the Restart Time', 10, ''], ['after it', 121, ' llgr-stale']] as const) {
    it(`replaces route by route, and what it has not shown by its End-of-RIB is gone, ${when}`, () => {
      const life = away(seconds).connect().show(vm4);
      assert.deepEqual(life.shown, [`${vm4} foreign`, `${vm6} stale${phase}`].sort());
      assert.deepEqual(life.endOfRib('ipv4-unicast').shown, [`${vm4} foreign`, `${vm6} stale${phase}`].sort());
      assert.deepEqual(life.endOfRib('ipv6-unicast').shown, [`${vm4} foreign`]);
    });
  }

  it('and withdraws: gone at once', () => {
    const life = away(121).connect().change({ type: 'withdraw', prefix: hostPrefix(vm4) });
    assert.deepEqual(life.shown, only(vm6, ' llgr-stale'));
  });

  it('and goes again before End-of-RIB: the clock of the first time runs on', () => {
    const life = away(121).connect().show(vm4).run(400).lose();
    assert.deepEqual(life.shown, all(' llgr-stale'));
    assert.deepEqual(life.run(598).shown, all(' llgr-stale'));
    assert.deepEqual(life.run(2).shown, []);
  });

  it('and goes again after End-of-RIB: all begins anew', () => {
    const life = away(121).connect({ restart: 50, longLived: 300 }).show(vm4).endOfRib().run(400).lose();
    assert.deepEqual(life.shown, only(vm4, ''));
    assert.deepEqual(life.run(51).shown, only(vm4, ' llgr-stale'));
    assert.deepEqual(life.run(298).shown, only(vm4, ' llgr-stale'));
    assert.deepEqual(life.run(2).shown, []);
  });

  it('and takes longer for its End-of-RIB than the clock has: the old is gone, and the new with the session', () => {
    const life = away(121).connect().show(vm4).run(1000);
    assert.deepEqual(life.shown, [`${vm4} foreign`]);
    assert.deepEqual(life.lose().shown, []);
    assert.deepEqual(life.run(20).connect().show(vm4).endOfRib().lose().shown, only(vm4, ''), 'and the next session counts as any');
  });

  it('a file that names no family any more lets the running clock run, and starts no other', () => {
    const life = away(121);
    const { config } = life.speaker.world;
    const { longLivedGracefulRestart: _, ...bgp } = config.bgp;
    life.give({ type: 'reload', config: { ...config, bgp } });
    assert.deepEqual(life.shown, all(' llgr-stale'));
    life.connect().show(vm4).endOfRib().lose();
    assert.deepEqual(life.run(121).shown, []);
  });
});

describe('a rival whose router is away for long', () => {
  /** A rival's claim stands, the router goes away, and a pod that owns the VM's MAC comes up and speaks. */
  const early = (communities: readonly number[] = []): Life => {
    const life = new Life(undefined, [bridge]).run(1.5).connect().rival(vm4, communities).endOfRib().run(1).lose().run(0.1);
    life.give({ type: 'bridge', change: { type: 'link', link: pod } });
    return life.garp(pod);
  };

  it('stays in mind for the Long-lived Stale Time: a pod that speaks before its VM is too early', () => {
    const life = early().run(500).garp(pod);
    assert.deepEqual([life.shown, life.state], [[`${vm4} stale llgr-stale`], 'withdrawn']);
    assert.equal(life.run(620).state, 'withdrawn', 'that the time is over is no evidence');
    assert.equal(life.inMind, false);
    assert.equal(life.garp(pod).state, 'elevated');
  });

  it('but for the Restart Time alone where its route bears NO_LLGR, as those of this fleet do', () => {
    const life = early([noLlgr]).run(100).garp(pod);
    assert.equal(life.state, 'withdrawn');
    assert.equal(life.run(30).garp(pod).state, 'elevated');
  });

  it('and is shown again: nothing has changed', () => {
    const life = early().run(500).connect().rival().endOfRib().run(5).garp(pod);
    assert.deepEqual([life.shown.map((text) => text.split(' ')[1]), life.state], [['rival'], 'withdrawn']);
  });

  it('and is not shown by its End-of-RIB: what was too early claims', () => {
    const life = early().run(500).connect();
    assert.equal(life.state, 'withdrawn');
    assert.equal(life.endOfRib('ipv6-unicast').state, 'withdrawn');
    assert.equal(life.endOfRib('ipv4-unicast').state, 'elevated');
  });

  it('and is withdrawn: the same', () => {
    const life = early().run(500).connect().change({ type: 'withdraw', prefix: hostPrefix(vm4) });
    assert.equal(life.state, 'elevated');
  });

  it('demotes nothing, however new its claim was', () => {
    const life = new Life().run(1.5).connect().garp(tap);
    assert.equal(life.state, 'elevated');
    life.show(vm6, [], clockSequence(life.now()) + 900).endOfRib().lose();
    life.run(300).garp(tap).connect().run(5);
    assert.deepEqual(life.shown, [`${vm6} stale llgr-stale`]);
    assert.equal(life.state, 'normal', 'settled as ever');
  });

  it('is forgotten with its peer', () => {
    const life = early().run(500);
    const { config } = life.speaker.world;
    life.give({ type: 'reload', config: { ...config, bgp: { ...config.bgp, peers: [] } } });
    life.run(5);
    assert.deepEqual([life.speaker.world.peers.size, life.inMind, life.shown], [0, false, []]);
  });

  it('and with the wish to receive anything', () => {
    const life = early().run(500);
    const { config } = life.speaker.world;
    life.give({ type: 'reload', config: { ...config, bgp: { ...config.bgp, receive: 'none' } } });
    assert.deepEqual([life.inMind, life.shown], [false, []]);
  });

  it('stays where the session begins anew with another configuration', () => {
    const life = early().run(500);
    const { config } = life.speaker.world;
    life.give({ type: 'reload', config: { ...config, bgp: { ...config.bgp, peers: config.bgp.peers.map((peer) => ({ ...peer, timers: { ...peer.timers, holdSeconds: 30 } })) } } });
    assert.deepEqual([life.inMind, life.shown], [true, [`${vm4} stale llgr-stale`]]);
  });

  it('leaves nothing behind where a second session shows it no more and is lost, too', () => {
    const life = new Life((bgp) => bgp).run(1.5).connect({ restart: 120 }).rival().endOfRib().lose().run(5);
    assert.equal(life.inMind, true);
    life.connect({ restart: 120 }).show(vm6).lose();
    assert.equal(life.inMind, false);
  });
});

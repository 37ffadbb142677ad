import assert from 'node:assert/strict';
import { endOfRib, endOfRibFamily, packUpdates, routesOf } from '../../bgp/pack-updates.ts';
import type { Route } from '../../bgp/route.ts';
import { Framer } from '../../bgp/wire/framer.ts';
import { decodeMessage, encodeMessage } from '../../bgp/wire/message.ts';
import type { Capability, CodecContext, Message } from '../../bgp/wire/messages.ts';
import type { BridgeChange, Link } from '../../bridge/ports.ts';
import type { Config } from '../../config/config.ts';
import { garpFrame } from '../../garp/wire/frames.ts';
import { hostPrefix, ip, type IpAddress } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import type { Now } from '../../net/time.ts';
import { encodeClaimMarks } from '../../routes/claim-communities.ts';
import { clockSequence } from '../../routes/claim.ts';
import type { Memory } from '../../routes/memory.ts';
import { parseMemory } from '../../routes/memory-text.ts';
import { hearPeerForMs } from '../../src/graceful-restart.ts';
import { memoryText } from '../../src/restore.ts';
import { Speaker } from '../../src/speaker.ts';
import type { Input, Output } from '../../src/world.ts';
import { baseConfig, vm4, vm6, vmMac } from '../sim/fabric.ts';
import { answerTo } from '../sim/probe-answer.ts';

// One node, one life after the other, and a peer whose words the test writes.

const context: CodecContext = { fourOctetAs: true, ibgp: true, maxMessageLength: 4096 };
const families = ['ipv4-unicast', 'ipv6-unicast'] as const;
const bridge: Link = { ifindex: 2, name: 'br-vlan', mac: parseMac('02:00:00:00:00:01') as Mac, kind: 'bridge', up: true, carrier: true };
const tap: Link = { ifindex: 10, name: 'tap0', mac: parseMac('fe:54:00:aa:00:01') as Mac, master: 2, kind: 'tun', up: true, carrier: true };
const startWallMs = Date.UTC(2026, 10, 25);
/** Wall clock and the time that has passed, over all lives of one test. */
let passedMs = 0;

const config = (more: (config: Config) => Config = (c) => c): Config =>
  baseConfig(1, (c) => more({ ...c, bgp: { ...c.bgp, gracefulRestart: { enabled: true, restartTimeSeconds: 60 } } }));

class Life {
  readonly speaker: Speaker;
  readonly startedMs = passedMs;
  readonly notes: string[] = [];
  readonly probed: number[] = [];
  readonly said: Message[] = [];
  answers = false;
  private framer = new Framer();
  private connection = 0;

  constructor(memory: Memory | undefined, links: readonly Link[] = [bridge, tap], options: { readonly config?: Config; readonly bootId?: string; readonly answers?: boolean } = {}) {
    this.answers = options.answers ?? false;
    this.speaker = new Speaker({ config: options.config ?? config(), routerId: ip('192.0.2.1'), dryRun: false, random: () => 0.5, newConnection: () => ++this.connection }, this.now());
    this.give({ type: 'restored', ...(memory === undefined ? {} : { memory }), boot: { id: options.bootId ?? 'boot-1', uptimeSeconds: 1e6 } });
    this.bridge({ type: 'resync', links, fdb: [], ownAddresses: [] });
    this.give({ type: 'start' });
  }

  now(): Now {
    return { monotonicMs: passedMs - this.startedMs, wallMs: startWallMs + passedMs, wallTrusted: true };
  }

  bridge(change: BridgeChange): void {
    this.give({ type: 'bridge', change });
  }

  give(input: Input): void {
    const outputs: Output[] = this.speaker.dispatch(input, this.now());
    if (input.type !== 'tick') outputs.push(...this.speaker.dispatch({ type: 'written' }, this.now()));
    for (const output of outputs) {
      if (output.type === 'note') this.notes.push(output.note.event);
      else if (output.type === 'sendFrame') {
        this.probed.push(output.ifindex);
        const answer = this.answers ? answerTo(output.bytes) : undefined;
        if (answer !== undefined) this.give({ type: 'frame', frame: { bytes: answer, ifindex: output.ifindex, capturedAtMs: this.now().monotonicMs } });
      } else if (output.type === 'session' && output.output.type === 'write') {
        const { framer, messages } = this.framer.feed(output.output.bytes);
        this.framer = framer;
        for (const bytes of messages) this.said.push(decodeMessage(bytes.slice(), context));
      }
    }
  }

  run(forMs: number): void {
    const until = passedMs + forMs;
    for (let next = this.startedMs + this.speaker.nextDeadline(); next <= until; next = this.startedMs + this.speaker.nextDeadline()) {
      passedMs = Math.max(passedMs, next);
      this.give({ type: 'tick' });
    }
    passedMs = until;
  }

  hear(...messages: Message[]): void {
    for (const message of messages) this.give({ type: 'session', peer: 'tor', input: { type: 'data', connection: this.connection, bytes: encodeMessage(message, context) } });
  }

  /** The session comes up. `keeps`: the peer is a helper of our restart. */
  connect(keeps = true): void {
    this.give({ type: 'session', peer: 'tor', input: { type: 'connected', connection: this.connection, localAddress: ip('192.0.2.1') } });
    const capabilities: Capability[] = [{ type: 'multiprotocol', afi: 1, safi: 1 }, { type: 'multiprotocol', afi: 2, safi: 1 }, { type: 'fourOctetAs', asn: 65010 }];
    if (keeps) capabilities.push({ type: 'gracefulRestart', restartState: false, notification: false, restartTimeSeconds: 120, families: [] });
    this.hear({ type: 'OPEN', version: 4, myAs: 65010, holdTimeSeconds: 0, bgpIdentifier: ip('192.0.2.254'), capabilities }, { type: 'KEEPALIVE' });
  }

  /** The session ends without a word. */
  lose(): void {
    this.framer = new Framer();
    this.give({ type: 'session', peer: 'tor', input: { type: 'closed', connection: this.connection, error: 'ECONNRESET' } });
  }

  endOfRib(): void {
    this.hear(...families.map(endOfRib));
  }

  /** Another node's claim, as the reflector shows it. */
  rival(address: IpAddress, sequence: number): void {
    const route: Route = {
      prefix: hostPrefix(address),
      attributes: {
        origin: 'IGP', asPath: [], nextHop: ip(address.includes(':') ? '2001:db8::2' : '192.0.2.2'), med: 0, localPref: sequence, communities: [],
        largeCommunities: encodeClaimMarks(65010, { segment: 0, sequence, mac: vmMac, node: ip('192.0.2.2') }), originatorId: ip('192.0.2.2'), clusterList: [ip('192.0.2.254')],
      },
    };
    this.hear(...packUpdates([{ type: 'announce', route }], { context, localAsn: 65010, families: [...families], peerType: 'ibgp' }));
  }

  /** `+prefix sequence`, `-prefix`, `end`, in order. */
  get updates(): string[] {
    return this.said.flatMap((message) => {
      if (message.type !== 'UPDATE') return [];
      if (endOfRibFamily(message) !== undefined) return ['end'];
      return routesOf(message).map((change) => (change.type === 'announce' ? `+${change.route.prefix} ${change.route.attributes.localPref}` : `-${change.prefix}`));
    });
  }

  state(address: IpAddress = vm4): string | undefined {
    return this.speaker.world.locRib.handovers.get(`default|${hostPrefix(address)}` as never)?.state;
  }

  get sequence(): number {
    return this.speaker.world.locRib.handovers.get(`default|${hostPrefix(vm4)}` as never)?.sequence ?? 0;
  }

  /** What a crash leaves on the disk. */
  crash(): Memory {
    const { world } = this.speaker;
    world.now = this.now();
    const parsed = parseMemory([...memoryText(world, 'boot-1', false)].join(''));
    assert.ok('memory' in parsed);
    return parsed.memory;
  }
}

/** A life with its VM on tap0, announced; then it ends and a second passes. */
function firstLife(more?: Config): { memory: Memory; sequence: number } {
  const life = new Life(undefined, [bridge, tap], more === undefined ? {} : { config: more });
  life.run(1500);
  life.connect();
  life.give({ type: 'frame', frame: { bytes: garpFrame(vmMac, vm4), ifindex: 10, capturedAtMs: life.now().monotonicMs } });
  life.run(1000);
  assert.equal(life.state(), 'elevated');
  const memory = life.crash();
  passedMs += 1000;
  return { memory, sequence: life.sequence };
}

describe('a second life', () => {
  beforeEach(() => { passedMs = 0; });

  it('says again what the first said, with the same sequence, once the peer was heard out; then End-of-RIB', () => {
    const { memory, sequence } = firstLife();
    const life = new Life(memory);
    assert.equal(life.state(), 'elevated');
    life.connect();
    life.run(1200);
    assert.deepEqual(life.updates, []);
    life.endOfRib();
    assert.deepEqual([...life.updates].sort(), [`+${vm4}/32 ${sequence}`, `+${vm6}/128 ${sequence}`, 'end', 'end'].sort());
    assert.deepEqual(life.updates.slice(2), ['end', 'end']);
    life.run(10_000);
    assert.equal(life.updates.length, 4);
    assert.deepEqual(life.probed, [], 'a silent VM behind the port that it had is not even asked');
  });

  it('does not wait for ever for a peer\'s End-of-RIB', () => {
    const { memory } = firstLife();
    const life = new Life(memory);
    life.connect();
    life.run(hearPeerForMs - 1);
    assert.deepEqual(life.updates, []);
    life.run(2);
    assert.equal(life.updates.length, 4);
  });

  it('speaks at once to a peer that kept nothing', () => {
    const { memory } = firstLife();
    const life = new Life(memory);
    life.connect(false);
    assert.equal(life.updates.filter((line) => line.startsWith('+')).length, 2);
  });

  it('says nothing for a VM that another node claims with a higher sequence; it asks it, and claims again if it answers', () => {
    for (const answers of [false, true]) {
      const { memory, sequence } = firstLife();
      const life = new Life(memory, [bridge, tap], { answers });
      life.connect();
      life.rival(vm4, sequence + 5);
      life.rival(vm6, sequence + 5);
      life.endOfRib();
      assert.equal(life.updates.includes(`+${vm4}/32 ${sequence}`), false);
      if (!answers) assert.equal(life.state(), 'withdrawn');
      life.run(5000);
      assert.ok(life.probed.length > 0);
      if (answers) assert.ok(life.sequence > sequence + 5 && life.state() !== 'withdrawn');
      else assert.deepEqual(life.updates, ['end', 'end']);
    }
  });

  it('keeps its claim against an older one', () => {
    const { memory, sequence } = firstLife();
    const life = new Life(memory);
    life.connect();
    life.rival(vm4, sequence - 5);
    life.endOfRib();
    assert.ok(life.updates.includes(`+${vm4}/32 ${sequence}`));
  });

  it('does not wait with a claim for which there is evidence of this life', () => {
    const { memory, sequence } = firstLife();
    const life = new Life(memory);
    life.connect();
    life.give({ type: 'frame', frame: { bytes: garpFrame(vmMac, vm4), ifindex: 10, capturedAtMs: life.now().monotonicMs } });
    assert.deepEqual([...life.updates].sort(), [`+${vm4}/32 ${sequence}`, `+${vm6}/128 ${sequence}`].sort());
  });

  const gone: [string, readonly Link[], string?][] = [
    ['whose port is gone', [bridge]],
    ['whose port has no carrier', [bridge, { ...tap, carrier: false }]],
    ['whose port is another bridge\'s', [bridge, { ...tap, master: 3 }]],
    ['whose ifindex is an uplink now', [bridge, { ...tap, name: 'bond1' }]],
    ['after a reboot', [bridge, tap], 'boot-2'],
  ];
  for (const [what, links, bootId] of gone) {
    it(`does not resurrect a VM ${what}`, () => {
      const { memory } = firstLife();
      const life = new Life(memory, links, bootId === undefined ? {} : { bootId });
      life.connect();
      life.endOfRib();
      life.run(10_000);
      assert.deepEqual(life.updates, ['end', 'end']);
    });
  }

  it('asks behind a port with the same number and another MAC, and behind a new one; the answer claims above all that was used', () => {
    for (const link of [{ ...tap, mac: parseMac('02:54:00:aa:00:02') as Mac }, { ...tap, ifindex: 11 }]) {
      const { memory, sequence } = firstLife();
      const life = new Life(memory, [bridge, link], { answers: true });
      life.run(1500);
      assert.ok(life.probed.includes(link.ifindex));
      assert.equal(life.state(), 'elevated');
      assert.ok(life.sequence > sequence);
    }
  });

  it('goes on asking behind a port with the same number and another MAC: a paused VM is found when it runs', () => {
    const { memory } = firstLife();
    const life = new Life(memory, [bridge, { ...tap, mac: parseMac('02:54:00:aa:00:02') as Mac }]);
    life.run(60_000);
    assert.equal(life.state(), 'withdrawn');
    life.answers = true;
    life.run(31_000);
    assert.equal(life.state(), 'elevated');
  });

  it('tells by the F bit whether the node went on forwarding, and by the R bit that it restarts', () => {
    const { memory } = firstLife();
    for (const [bootId, forwardingState] of [['boot-1', true], ['boot-2', false]] as const) {
      const life = new Life(memory, [bridge, tap], { bootId });
      life.connect();
      const open = life.said.find((message) => message.type === 'OPEN');
      const capability = open?.capabilities.find(({ type }) => type === 'gracefulRestart');
      assert.ok(capability?.type === 'gracefulRestart');
      assert.equal(capability.restartState, true);
      assert.equal(capability.notification, false);
      assert.deepEqual(capability.families.map((family) => family.forwardingState), [forwardingState, forwardingState]);
    }
  });

  it('announces nothing that the configuration does not allow any more', () => {
    const { memory } = firstLife();
    const life = new Life(memory, [bridge, tap], { config: config((c) => ({ ...c, identity: { ...c.identity, bindings: [] } })) });
    life.connect();
    life.endOfRib();
    life.run(3000);
    assert.deepEqual(life.updates, ['end', 'end']);
  });

  it('does not adopt sequences of a file that nobody can have reached, and says so', () => {
    const { memory, sequence } = firstLife();
    const far = clockSequence({ monotonicMs: 0, wallMs: startWallMs, wallTrusted: true }) + 10 * 365 * 86_400;
    const life = new Life({ ...memory, addresses: memory.addresses.map((record) => ({ ...record, sequence: far, highestSeen: far, ceiling: far })) }, [bridge, tap], { answers: true });
    assert.equal(life.notes.filter((event) => event === 'state.refused').length, 1);
    life.run(1500);
    assert.equal(life.state(), 'elevated');
    assert.ok(life.sequence >= sequence && life.sequence <= clockSequence(life.now()), 'asked, and claimed anew with what the clock says');
  });

  it('nor those of what was frozen or announced by hand: the frozen is asked for, the other gets a sane sequence', () => {
    const { memory } = firstLife();
    const far = clockSequence({ monotonicMs: 0, wallMs: startWallMs, wallTrusted: true }) + 10 * 365 * 86_400;
    const of = (more: Partial<Memory['addresses'][number]>): Life =>
      new Life({ ...memory, addresses: memory.addresses.map((record) => ({ ...record, ...more, sequence: far, highestSeen: far, ceiling: far })) }, [bridge, tap], { answers: true });
    const frozen = of({ state: 'held', hold: { why: 'flap', level: 'elevated' } });
    frozen.connect(false);
    frozen.run(1500);
    assert.equal(frozen.state(), 'elevated', 'asked, and claimed anew');
    const manual = of({ state: 'manual', manual: { mode: 'announce' } });
    manual.connect(false);
    manual.run(1500);
    assert.equal(manual.state(), 'manual');
    for (const life of [frozen, manual]) {
      const said = life.updates.filter((line) => line.startsWith(`+${vm4}`)).map((line) => Number(line.split(' ')[1]));
      assert.ok(said.length > 0 && said.every((sequence) => sequence >= 1 && sequence <= clockSequence(life.now()) + 2), said.join());
    }
  });

  it('in mode learn knows the pairs that the first learned, and asks those whose port it cannot trust', () => {
    const learning = config((c) => ({ ...c, identity: { ...c.identity, mode: 'learn', bindings: [] } }));
    const { memory, sequence } = firstLife(learning);
    assert.equal(memory.learned.length, 1);
    const silent = new Life(memory, [bridge, tap], { config: learning });
    silent.connect();
    silent.endOfRib();
    assert.ok(silent.updates.includes(`+${vm4}/32 ${sequence}`));
    const moved = new Life(memory, [bridge, { ...tap, ifindex: 12 }], { config: learning, answers: true });
    moved.run(1500);
    assert.equal(moved.state(), 'elevated');
    assert.equal(moved.speaker.world.bindings.learned.pairs.size, 1);
  });

  it('keeps an operator\'s withdraw, and lifts it', () => {
    const first = new Life(undefined);
    first.run(1500);
    first.give({ type: 'frame', frame: { bytes: garpFrame(vmMac, vm4), ifindex: 10, capturedAtMs: first.now().monotonicMs } });
    first.speaker.override('default', vm4, 'withdraw', first.now(), 30);
    const life = new Life(first.crash(), [bridge, tap], { answers: true });
    life.connect(false);
    life.run(2000);
    assert.equal(life.state(), 'manual');
    assert.deepEqual(life.updates.filter((line) => line.startsWith(`+${vm4}`)), []);
    life.run(31_000);
    assert.equal(life.state(), 'elevated');
  });

  it('goes on leaving', () => {
    const { memory } = firstLife();
    const leaving: Memory = { ...memory, addresses: memory.addresses.map((record) => ({ ...record, state: 'leaving', source: 'uplink' })) };
    const life = new Life(leaving);
    life.connect(false);
    assert.equal(life.state(), 'leaving');
    life.run(2500);
    assert.equal(life.state(), 'withdrawn');
    assert.ok(life.updates.includes(`-${vm4}/32`));
  });

  it('without a file finds its VMs by asking, above the sequence of the first by its clock', () => {
    const { sequence } = firstLife();
    const life = new Life(undefined, [bridge, tap], { answers: true });
    life.connect();
    life.run(1500);
    assert.ok(life.sequence > sequence);
  });
});

describe('a router that restarts', () => {
  beforeEach(() => { passedMs = 0; });
  const veth: Link = { ...tap, ifindex: 20, name: 'veth1', kind: 'veth', mac: parseMac('02:00:00:00:00:20') as Mac };

  /** A rival's claim stands, the router goes away, and a pod that owns the VM's MAC comes up and speaks. */
  const earlyPod = (): Life => {
    const life = new Life(undefined, [bridge]);
    life.run(1500);
    life.connect();
    life.rival(vm4, clockSequence(life.now()) - 50);
    life.run(1000);
    life.lose();
    life.run(100);
    life.bridge({ type: 'link', link: veth });
    life.give({ type: 'frame', frame: { bytes: garpFrame(vmMac, vm4), ifindex: 20, capturedAtMs: life.now().monotonicMs } });
    return life;
  };

  it('does not make a pod that speaks before its VM less early', () => {
    const life = earlyPod();
    assert.equal(life.state(), 'withdrawn');
    life.run(3000);
    life.connect();
    life.rival(vm4, clockSequence(life.now()) - 50);
    life.endOfRib();
    life.run(1000);
    assert.equal(life.state(), 'withdrawn');
  });

  it('and shows the rival no more: what was too early claims after its End-of-RIB', () => {
    const life = earlyPod();
    life.run(3000);
    life.connect();
    assert.equal(life.state(), 'withdrawn');
    life.endOfRib();
    assert.equal(life.state(), 'elevated');
  });

  it('and stays away longer than it said: its word is forgotten, and that is no evidence', () => {
    const life = earlyPod();
    life.run(121_000);
    assert.equal(life.state(), 'withdrawn');
    life.give({ type: 'frame', frame: { bytes: garpFrame(vmMac, vm4), ifindex: 20, capturedAtMs: life.now().monotonicMs } });
    assert.equal(life.state(), 'elevated');
  });
});

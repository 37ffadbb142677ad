import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Config, PeerConfig, WatchConfig } from '../../config/config.ts';
import { ip, type Prefix } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import { planReload } from '../../src/reload/plan.ts';
import type { Output } from '../../src/world.ts';
import { Guests } from './guests.ts';
import { Invariants } from './invariants.ts';
import type { Node } from './node.ts';
import type { Scenario } from './scenario.ts';
import { Stage } from './stage.ts';

// Reloads while VMs move. `gentle`: every key that no session needs to be reset for; then each step is checked like that of a history
// without any fault. `rough`: peers change, go and come back, too.

type Change = (config: Config, n: number) => Config;

const onPeers = (change: (peer: PeerConfig) => PeerConfig): Change => (config) => ({ ...config, bgp: { ...config.bgp, peers: config.bgp.peers.map(change) } });
const onWatch = (change: (watch: WatchConfig) => WatchConfig): Change => (config) => ({ ...config, watch: config.watch.map(change) });
/** One of the peers. */
const onPeer = (change: (peer: PeerConfig) => PeerConfig | undefined): Change => (config, n) => ({
  ...config,
  bgp: { ...config.bgp, peers: config.bgp.peers.flatMap((peer, i) => (i === n % config.bgp.peers.length ? change(peer) ?? [] : peer)) },
});

const gentle: readonly Change[] = [
  (c, n) => ({ ...c, log: { ...c.log, level: n % 2 === 0 ? 'debug' : 'warn' } }),
  (c, n) => ({ ...c, migration: { ...c.migration, debounceMs: 500 + 500 * (n % 3), maxPerSecond: 50 + n } }),
  (c) => ({ ...c, identity: { ...c.identity, bindings: [...c.identity.bindings].reverse() } }),
  (c, n) => ({ ...c, identity: { ...c.identity, bindings: [...c.identity.bindings, { vm: `more/${n}`, mac: parseMac(`52:54:00:bb:00:0${n % 10}`) as Mac, vrf: 'default', ips: [ip(`203.0.113.${100 + (n % 100)}`)] }] } }),
  (c, n) => ({ ...c, routes: { ...c.routes, leaving: { ...c.routes.leaving, communities: [`65010:${50 + n}`] } } }),
  (c, n) => ({ ...c, routes: { ...c.routes, normal: { ...c.routes.normal, communities: [`65010:${100 + n}`] } } }),
  (c, n) => ({ ...c, bgp: { ...c.bgp, nextHop: { ...c.bgp.nextHop, ipv4: ip(`198.51.100.${1 + n}`) } } }),
  onPeers((peer) => ({ ...peer, maxPrefixes: 50 })),
  onWatch((watch) => ({ ...watch, ports: { ...watch.ports, local: ['vnet*', ...watch.ports.local] } })),
  onWatch((watch) => ({ ...watch, announcements: ['garp', 'rarp', 'na', 'any-arp'] })),
  onWatch((watch) => ({ ...watch, prefixes: [...watch.prefixes, '198.51.100.0/24' as Prefix], exclude: [...watch.exclude, ip('203.0.113.2')] })),
];
const rough: readonly Change[] = [
  onPeer((peer) => ({ ...peer, timers: { ...peer.timers, connectRetrySeconds: peer.timers.connectRetrySeconds + 1 } })),
  onPeer((peer) => ({ ...peer, port: peer.port + 1 })),
  onPeer((peer) => ({ ...peer, address: ip('198.51.100.250') })),
  onPeer(() => undefined),
];
const invalid: readonly Change[] = [
  (c) => ({ ...c, bgp: { ...c.bgp, asn: c.bgp.asn + 1 } }),
  (c) => ({ ...c, api: { ...c.api, socket: '/elsewhere' } }),
  (c) => ({ ...c, node: { ...c.node, name: 'another' } }),
];

interface Reload {
  readonly node: number;
  readonly changes: readonly number[];
  readonly invalid: boolean;
  readonly waitMs: number;
  readonly ackMs: number;
}

const histories = (waits: readonly number[]): fc.Arbitrary<{ readonly scenario: Scenario; readonly moves: readonly { vm: number; to: number; waitMs: number }[]; readonly reloads: readonly Reload[] }> => fc.record({
  scenario: fc.record({
    seed: fc.nat(0x7fffffff), profile: fc.constant('ibgp' as const), routers: fc.constantFrom('one' as const, 'two' as const), nodes: fc.integer({ min: 2, max: 3 }), vms: fc.integer({ min: 1, max: 3 }),
    stretched: fc.boolean(), pods: fc.boolean(), mraiMs: fc.constant(0), slowMs: fc.constant(0), lateMs: fc.constantFrom(1, 5, 50), lossPercent: fc.constant(0), doublePercent: fc.constant(0),
    offsetsMs: fc.constant([0, 0, 0, 0]), graceful: fc.boolean(), holdSeconds: fc.constant(90), lifeMs: fc.constantFrom(0, 1500), steps: fc.constant([]),
  }),
  moves: fc.array(fc.record({ vm: fc.nat(3), to: fc.nat(3), waitMs: fc.constantFrom(2100, 6000, 20_000) }), { minLength: 5, maxLength: 5 }),
  reloads: fc.array(fc.record({
    node: fc.nat(3), changes: fc.array(fc.nat(100), { minLength: 1, maxLength: 4 }), invalid: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
    waitMs: fc.constantFrom(...waits), ackMs: fc.constantFrom(0, 5, 400, 5000),
  }), { minLength: 10, maxLength: 10 }),
});

/** Sessions that came up, and those that a reload gave reason to, by node and peer. */
interface Count { ups: number; reasons: number }

function playReloads(history: { readonly scenario: Scenario; readonly moves: readonly { vm: number; to: number; waitMs: number }[]; readonly reloads: readonly Reload[] }, changes: readonly Change[], clean: boolean): void {
  const invariants = new Invariants({ clean, tiedForSeconds: 41, newsMs: Infinity });
  const stage = new Stage(history.scenario, invariants);
  const guests = new Guests(stage, clean);
  invariants.watch(stage, guests);
  const counts = new Map<string, Count>();
  const countOf = (node: Node, peer: string): Count => {
    const key = `${node.name} ${peer}`;
    const count = counts.get(key) ?? { ups: 0, reasons: 1 };
    counts.set(key, count);
    return count;
  };
  const checked = stage.after;
  stage.after = (node: Node, outputs: readonly Output[]) => {
    checked(node, outputs);
    for (const output of outputs) {
      if (output.type === 'note' && output.note.event === 'session.transition' && output.note.fields['to'] === 'established') countOf(node, output.note.peer as string).ups += 1;
    }
  };
  for (const node of stage.nodes) stage.start(node);
  stage.run(3000);
  guests.all.forEach((guest, i) => guests.boot(guest, stage.nodes[i % stage.nodes.length] as Node, true));
  stage.run(8000);

  const apply = (node: Node, config: Config, ackMs: number): void => {
    const world = node.speaker?.world;
    assert.ok(world !== undefined);
    const plan = planReload(world.config, config);
    if (plan.refused.length > 0) return;
    for (const { name, action } of plan.peers) if (action !== 'removed') countOf(node, name).reasons += 1;
    stage.give(node, { type: 'reload', config });
    assert.equal(world.config, config);
    for (const peer of world.peers.values()) {
      if (peer.farewell !== undefined) stage.clock.later(ackMs, () => stage.give(node, { type: 'acknowledged', peer: peer.config.name }));
    }
  };
  let at = stage.clock.nowMs;
  for (const { node: n, changes: picked, invalid: refused, waitMs, ackMs } of history.reloads) {
    at += waitMs;
    stage.clock.later(at - stage.clock.nowMs, () => {
      const node = stage.nodes[n % stage.nodes.length] as Node;
      let config = picked.reduce((c, k) => (changes[k % changes.length] as Change)(c, k), node.config);
      if (refused) {
        const before = node.speaker?.world.config as Config;
        config = (invalid[picked[0] as number % invalid.length] as Change)(config, 0);
        assert.ok(planReload(before, config).refused.length > 0);
      }
      apply(node, config, ackMs);
    });
  }
  for (const { vm, to, waitMs } of history.moves) {
    stage.run(stage.clock.nowMs + waitMs);
    guests.move(guests.all[vm % guests.all.length] as (typeof guests.all)[number], stage.nodes[to % stage.nodes.length] as Node, { waitMs, do: 'move', vm, to, rarps: 31, preMs: 500, downMs: 5, lingerMs: 400, announces: true } as never);
  }
  stage.run(Math.max(at, stage.clock.nowMs) + 6000);
  for (const node of stage.nodes) apply(node, node.config, 5);
  stage.calm = clean;
  stage.run(stage.clock.nowMs + 10_000);
  for (const guest of guests.all) guests.live(guest, 15_000, true);
  stage.calm = true;
  stage.run(stage.clock.nowMs + 60_000);
  invariants.atRest();
  for (const [key, { ups, reasons }] of counts) assert.ok(ups <= reasons && ups > 0, `${key}: ${ups} sessions, with reason for ${reasons}`);
  if (changes === gentle) for (const [key, { ups }] of counts) assert.equal(ups, 1, key);
}

describe('reloads while VMs move', function () {
  this.timeout(60_000);
  const seed = Number(process.env['LANDFALL_SEED'] ?? 20_261_127);

  it('lose nothing and reset no session, where none has to be', () => {
    fc.assert(fc.property(histories([40, 700, 2100, 5000]), (history) => playReloads(history, gentle, true)), { numRuns: 12, seed });
  });

  it('reset the sessions that the plan names and no others, and all are right in the end', () => {
    fc.assert(fc.property(histories([5, 300, 2100, 7000]), (history) => playReloads(history, [...gentle, ...rough], false)), { numRuns: 12, seed });
  });
});

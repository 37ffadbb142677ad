import assert from 'node:assert/strict';
import { compareConfigs } from '../../config/compare.ts';
import type { Config, PeerConfig, WatchConfig } from '../../config/config.ts';
import { rootKeys } from '../../config/schema.ts';
import type { KeyTree } from '../../config/keys.ts';
import { reloadClassOf, writtenClassOf } from '../../config/reload-class.ts';
import { ip, type Prefix } from '../../net/ip.ts';
import { planReload } from '../../src/reload/plan.ts';
import { baseConfig } from '../sim/fabric.ts';

function leavesOf(tree: KeyTree, path: string): string[] {
  if (tree.kind === 'list') return leavesOf(tree.item, `${path}[]`);
  if (tree.kind !== 'map') return [path];
  return [...tree.keys].flatMap(([key, inner]) => leavesOf(inner, path === '' ? key : `${path}.${key}`));
}

const base = baseConfig(1);
const peer = base.bgp.peers[0] as PeerConfig;
const watch = base.watch[0] as WatchConfig;
const withPeer = (more: Partial<PeerConfig>): Config => ({ ...base, bgp: { ...base.bgp, peers: [{ ...peer, ...more }] } });
const withWatch = (more: Partial<WatchConfig>): Config => ({ ...base, watch: [{ ...watch, ...more }] });

describe('the class of a changed key', () => {
  it('is written down for every key of the schema', () => {
    const keys = leavesOf(rootKeys, '').filter((key) => !key.startsWith('overrides'));
    assert.ok(keys.length > 80);
    assert.deepEqual(keys.filter((key) => writtenClassOf(key) === undefined), []);
  });

  const table: readonly [key: string, class_: string, after: Config][] = [
    ['log.level', 'live', { ...base, log: { ...base.log, level: 'debug' } }],
    ['migration.debounce', 'live', { ...base, migration: { ...base.migration, debounceMs: 1 } }],
    ['migration.flap.hold', 'live', { ...base, migration: { ...base.migration, flap: { ...base.migration.flap, holdMs: 7000 } } }],
    ['identity.mode', 'live', { ...base, identity: { ...base.identity, mode: 'learn' } }],
    ['identity.bindings', 'live', { ...base, identity: { ...base.identity, bindings: [] } }],
    ['gate.timeout', 'live', { ...base, gate: { ...base.gate, timeoutMs: 7 } }],
    ['telemetry.history.keep', 'live', { ...base, telemetry: { ...base.telemetry, history: { keep: 5 } } }],
    ['telemetry.bmp', 'live', { ...base, telemetry: { ...base.telemetry, bmp: [{ address: ip('198.51.100.9'), port: 11019, statisticsSeconds: 60 }] } }],
    ['watch[br-vlan].prefixes', 'live', withWatch({ prefixes: ['198.51.100.0/24' as Prefix] })],
    ['bgp.peers[tor].maxPrefixes', 'live', withPeer({ maxPrefixes: 3 })],
    ['routes.elevated.localPref', 'routes', { ...base, routes: { ...base.routes, elevated: { ...base.routes.elevated, localPref: 201 } } }],
    ['bgp.peers[tor].routes.profile', 'routes', withPeer({ profile: 'window' })],
    ['bgp.nextHop.ipv4', 'routes', { ...base, bgp: { ...base.bgp, nextHop: { ...base.bgp.nextHop, ipv4: ip('192.0.2.9') } } }],
    ['bgp.receive', 'routes', { ...base, bgp: { ...base.bgp, receive: 'none' } }],
    ['watch[br-vlan].ports.local', 'capture', withWatch({ ports: { ...watch.ports, local: ['vnet*'] } })],
    ['watch[br-vlan].vlans', 'capture', withWatch({ vlans: [[100, 100]] })],
    ['bgp.peers[tor].timers.hold', 'session', withPeer({ timers: { ...peer.timers, holdSeconds: 30 } })],
    ['bgp.peers[tor].address', 'session', withPeer({ address: ip('192.0.2.253') })],
    ['bgp.peers[tor].password', 'session', withPeer({ password: { file: '/run/key' } })],
    ['bgp.peers[tor].vrf', 'session', withPeer({ vrf: 'blue' })],
    ['bgp.longLivedGracefulRestart', 'live', { ...base, bgp: { ...base.bgp, longLivedGracefulRestart: { families: ['ipv4-unicast'], maxStaleTimeSeconds: 9 } } }],
    ['bgp.gracefulRestart.restartTime', 'session', { ...base, bgp: { ...base.bgp, gracefulRestart: { ...base.bgp.gracefulRestart, restartTimeSeconds: 5 } } }],
    ['bgp.asn', 'restart', { ...base, bgp: { ...base.bgp, asn: 65011 } }],
    ['bgp.listen.enabled', 'restart', { ...base, bgp: { ...base.bgp, listen: { ...base.bgp.listen, enabled: true } } }],
    ['bgp.routerId', 'restart', { ...base, bgp: { ...base.bgp, routerId: ip('192.0.2.200') } }],
    ['api.socket', 'restart', { ...base, api: { ...base.api, socket: '/elsewhere' } }],
    ['state', 'restart', { ...base, state: { file: '/elsewhere' } }],
    ['node.name', 'restart', { ...base, node: { ...base.node, name: 'other' } }],
  ];
  for (const [key, class_, after] of table) {
    it(`${key}: ${class_}`, () => {
      const changes = compareConfigs(base, after);
      assert.deepEqual(changes.map((change) => [change.key, change.class]), [[key, class_]]);
      const plan = planReload(base, after);
      assert.deepEqual(plan.refused.map((change) => change.key), class_ === 'restart' ? [key] : []);
      assert.equal(plan.peers.length, class_ === 'session' ? 1 : 0);
    });
  }

  it('another key of MD5 is taken live; with one or without is another session', () => {
    const keyed = withPeer({ password: { file: '/run/key' } });
    const elsewhere = withPeer({ password: { env: 'BGP_KEY' } });
    assert.deepEqual(compareConfigs(keyed, elsewhere).map((change) => change.class), ['live', 'live']);
    assert.deepEqual(planReload(keyed, elsewhere).peers, []);
    assert.deepEqual(planReload(keyed, base).peers.map(({ action }) => action), ['reset']);
  });

  it('other keys of TCP-AO are taken live; with it or without it, or another algorithm, is another session', () => {
    const ao = (...ids: number[]) => withPeer({ tcpAo: { algorithm: 'hmac-sha1', keys: ids.map((id) => ({ sendId: id, receiveId: id, key: { file: `/run/key-${id}` } })) } });
    assert.deepEqual(compareConfigs(ao(1), ao(2, 1)).map((change) => [change.key, change.class]), [['bgp.peers[tor].tcpAo.keys', 'live']]);
    assert.deepEqual(planReload(ao(1, 2), ao(2, 1)).peers, []);
    for (const other of [base, withPeer({ password: { file: '/run/key' } }), withPeer({ tcpAo: { algorithm: 'aes-128-cmac', keys: ao(1).bgp.peers[0]?.tcpAo?.keys ?? [] } })]) {
      assert.deepEqual(planReload(ao(1), other).peers.map(({ action }) => action), ['reset']);
    }
  });

  it('a key that nobody thought of is refused', () => assert.equal(reloadClassOf('nonsense.here'), 'restart'));

  it('equal configurations differ in nothing, however they came about', () => {
    assert.deepEqual(planReload(base, baseConfig(1)), { changes: [], refused: [], peers: [] });
  });
});

describe('the plan for sessions', () => {
  const two = (more: Partial<PeerConfig> = {}): Config => ({ ...base, bgp: { ...base.bgp, peers: [peer, { ...peer, name: 'tor-b', address: ip('192.0.2.253'), ...more }] } });
  const actions = (before: Config, after: Config): string[] => planReload(before, after).peers.map(({ name, action }) => `${name} ${action}`);

  it('names only what does not stay', () => {
    assert.deepEqual(actions(base, two()), ['tor-b added']);
    assert.deepEqual(actions(two(), base), ['tor-b removed']);
    assert.deepEqual(actions(two(), two({ timers: { ...peer.timers, holdSeconds: 90 } })), ['tor-b reset']);
    assert.deepEqual(actions(two(), two({ address: ip('192.0.2.252') })), ['tor-b replaced']);
    assert.deepEqual(actions(two(), two({ maxPrefixes: 9, profile: 'ladder' })), []);
    assert.deepEqual(actions(two(), { ...two(), bgp: { ...two().bgp, gracefulRestart: { enabled: true, restartTimeSeconds: 9 } } }), ['tor reset', 'tor-b reset']);
  });

  it('the order of peers alone is no change', () => {
    assert.deepEqual(actions(two(), { ...two(), bgp: { ...two().bgp, peers: [...two().bgp.peers].reverse() } }), []);
  });
});

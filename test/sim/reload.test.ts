import assert from 'node:assert/strict';
import type { Config, PeerConfig, WatchConfig } from '../../config/config.ts';
import { garpFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { ip, type IpAddress, type Prefix } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import { parseMemory } from '../../routes/memory-text.ts';
import { collectPrefixes } from '../../src/collect/prefixes.ts';
import { collectWhy } from '../../src/collect/why.ts';
import { memoryText } from '../../src/restore.ts';
import { answerProbe } from './probe-answer.ts';
import { Fabric, baseConfig, vm4, vm6, vmMac, type SimNode } from './fabric.ts';

const other4 = ip('203.0.113.12');
const otherMac = parseMac('52:54:00:aa:00:02') as Mac;

interface Set_ { readonly fabric: Fabric; readonly a: SimNode; readonly config: Config; readonly tap: number }

/** A node that announces one VM. */
function announced(more?: (config: Config) => Config): Set_ {
  const fabric = new Fabric();
  const config = baseConfig(1, more);
  const a = fabric.addNode(1, more);
  fabric.run(3000);
  const tap = fabric.addPort(a, 'tap0');
  fabric.frame(a, tap, garpFrame(vmMac, vm4));
  fabric.run(100);
  assert.equal(fabric.best(vm4), 'hv-1');
  return { fabric, a, config, tap };
}

const updatesSent = (a: SimNode): number => a.speaker.world.peers.get('tor')?.session.messages.sent['UPDATE'] ?? 0;
const ups = (a: SimNode): number => a.notes.filter((n) => n.event === 'session.transition' && n.fields['to'] === 'established').length;
const state = (a: SimNode, address: IpAddress = vm4): string | undefined => a.speaker.world.locRib.handovers.get(`default|${address}/${address.includes(':') ? 128 : 32}` as never)?.state;
const peerOf = (config: Config): PeerConfig => config.bgp.peers[0] as PeerConfig;
const withPeer = (config: Config, more: Partial<PeerConfig>): Config => ({ ...config, bgp: { ...config.bgp, peers: [{ ...peerOf(config), ...more }] } });
const withWatch = (config: Config, more: Partial<WatchConfig>): Config => ({ ...config, watch: [{ ...(config.watch[0] as WatchConfig), ...more }] });
const tick = (s: Set_, ms = 100): void => s.fabric.run(ms);

describe('reload', () => {
  it('of the same configuration, or of live keys, writes nothing and keeps the session', () => {
    const s = announced();
    const sent = updatesSent(s.a);
    for (const config of [
      baseConfig(1), { ...s.config, log: { ...s.config.log, level: 'trace' as const } }, { ...s.config, migration: { ...s.config.migration, debounceMs: 10 } },
      withPeer(s.config, { maxPrefixes: 10 }), { ...s.config, node: { ...s.config.node, labels: { rack: 'r1' } } },
    ]) {
      s.fabric.give(s.a, { type: 'reload', config });
      tick(s);
    }
    assert.equal(updatesSent(s.a), sent);
    assert.equal(ups(s.a), 1);
    assert.equal(s.a.notes.filter((n) => n.event === 'config.loaded').length, 5);
  });

  it('of a class-restart key is not for the speaker', () => {
    const s = announced();
    assert.throws(() => s.fabric.give(s.a, { type: 'reload', config: { ...s.config, bgp: { ...s.config.bgp, asn: 1 } } }), /needs a restart: bgp\.asn/);
    assert.equal(s.a.speaker.world.config.bgp.asn, 65010);
  });

  it('sends UPDATEs for the routes whose words change, and for no others', () => {
    const s = announced((config) => withPeer(config, { profile: 'window' }));
    const sent = updatesSent(s.a);
    // Its claim is elevated: what normal routes say is nobody's business yet.
    const normal = { ...s.config, routes: { ...s.config.routes, normal: { ...s.config.routes.normal, localPref: 90 } } };
    s.fabric.give(s.a, { type: 'reload', config: normal });
    tick(s);
    assert.equal(updatesSent(s.a), sent);
    s.fabric.give(s.a, { type: 'reload', config: { ...normal, routes: { ...normal.routes, elevated: { ...normal.routes.elevated, localPref: 250 } } } });
    tick(s);
    assert.equal(updatesSent(s.a), sent + 2, 'one UPDATE for each family');
    assert.equal(s.fabric.router.best.get(`${vm4}/32` as Prefix)?.route.attributes.localPref, 250);
    s.fabric.run(100_000);
    assert.equal(s.fabric.router.best.get(`${vm4}/32` as Prefix)?.route.attributes.localPref, 90);
    assert.equal(ups(s.a), 1);
  });

  it('moves the next hop and the profile under a standing session', () => {
    const s = announced();
    s.fabric.give(s.a, { type: 'reload', config: withPeer(s.config, { nextHop: { ipv4: ip('192.0.2.77') } }) });
    tick(s);
    assert.equal(s.fabric.router.best.get(`${vm4}/32` as Prefix)?.route.attributes.nextHop, '192.0.2.77');
    s.fabric.give(s.a, { type: 'reload', config: withPeer(s.config, { profile: 'window' }) });
    tick(s);
    assert.equal(s.fabric.router.best.get(`${vm4}/32` as Prefix)?.route.attributes.localPref, 200);
    assert.equal(ups(s.a), 1);
  });

  it('withdraws what lost its binding, and asks for what got one', () => {
    const s = announced();
    const tap = s.fabric.addPort(s.a, 'tap1');
    const probed: number[] = [];
    s.a.onProbe = (ifindex, bytes, node) => {
      probed.push(ifindex);
      if (ifindex === tap) answerProbe(s.fabric, node, ifindex, bytes);
    };
    const config: Config = { ...s.config, identity: { ...s.config.identity, bindings: [{ vm: 'shop/db-1', mac: otherMac, vrf: 'default', ips: [other4] }] } };
    s.fabric.give(s.a, { type: 'reload', config });
    tick(s, 50);
    assert.equal(s.fabric.best(vm4), undefined);
    assert.equal(s.fabric.best(vm6), undefined);
    assert.equal(state(s.a), 'withdrawn');
    tick(s, 1500);
    assert.equal(s.fabric.best(other4), 'hv-1');
    assert.ok(probed.includes(tap));
    // And its frames count for nothing now.
    s.fabric.frame(s.a, s.tap, rarpFrame(vmMac));
    tick(s);
    assert.equal(s.fabric.best(vm4), undefined);
  });

  it('withdraws what lies outside the prefixes or behind no local port any more', () => {
    const s = announced();
    s.fabric.give(s.a, { type: 'reload', config: withWatch(s.config, { prefixes: ['203.0.113.0/24' as Prefix] }) });
    tick(s);
    assert.deepEqual([s.fabric.best(vm4), s.fabric.best(vm6)], ['hv-1', undefined]);
    s.fabric.give(s.a, { type: 'reload', config: withWatch(s.config, { exclude: [vm4] }) });
    tick(s);
    assert.equal(s.fabric.best(vm4), undefined);
    s.fabric.give(s.a, { type: 'reload', config: s.config });
    s.fabric.frame(s.a, s.tap, rarpFrame(vmMac));
    tick(s);
    assert.deepEqual([s.fabric.best(vm4), s.fabric.best(vm6)], ['hv-1', 'hv-1']);
    s.fabric.give(s.a, { type: 'reload', config: withWatch(s.config, { ports: { local: ['vnet*'], uplink: ['bond*'] } }) });
    tick(s);
    assert.equal(s.fabric.best(vm4), undefined);
    assert.equal(ups(s.a), 1);
  });

  it('holds what the routes of others say to the new prefixes', () => {
    const s = announced();
    const b = s.fabric.addNode(2);
    s.fabric.run(3000);
    assert.equal(b.speaker.world.rivals.size, 2);
    const before = b.speaker.world.config;
    s.fabric.give(b, { type: 'reload', config: withWatch(before, { prefixes: ['203.0.113.0/24' as Prefix] }) });
    assert.deepEqual([...b.speaker.world.rivals.keys()], [`default|${vm4}/32`]);
    s.fabric.give(b, { type: 'reload', config: { ...before, bgp: { ...before.bgp, receive: 'none' } } });
    assert.equal(b.speaker.world.rivals.size, 0);
    assert.equal(b.speaker.world.rivalMacs.size, 0);
    assert.equal(ups(b), 1);
  });

  it('resets the session whose timers change, and announces it first', () => {
    const s = announced();
    s.fabric.give(s.a, { type: 'reload', config: withPeer(s.config, { timers: { holdSeconds: 30, keepaliveSeconds: 10, connectRetrySeconds: 1 } }) });
    const events = s.a.notes.map((n) => n.event);
    assert.ok(events.indexOf('config.session') < events.indexOf('notification.sent'));
    assert.deepEqual(s.a.notes.filter((n) => n.event === 'notification.sent').map((n) => [n.fields['code'], n.fields['subcode']]), [[6, 6]]);
    tick(s, 3000);
    assert.equal(s.a.speaker.world.peers.get('tor')?.session.negotiated?.holdTimeSeconds, 9, 'the lower of both');
    assert.equal(s.a.speaker.world.peers.get('tor')?.session.options.holdSeconds, 30);
    assert.equal(ups(s.a), 2);
    assert.equal(s.fabric.best(vm4), 'hv-1');
  });

  it('takes leave of a peer that is gone: withdraws, acknowledged, then Cease', () => {
    const s = announced();
    s.fabric.give(s.a, { type: 'reload', config: { ...s.config, bgp: { ...s.config.bgp, peers: [] } } });
    tick(s, 10);
    assert.equal(s.fabric.best(vm4), undefined, 'withdrawn while the session stands');
    assert.equal(s.a.notes.some((n) => n.event === 'notification.sent'), false);
    s.fabric.give(s.a, { type: 'acknowledged', peer: 'tor' });
    assert.deepEqual(s.a.notes.filter((n) => n.event === 'notification.sent').map((n) => [n.fields['code'], n.fields['subcode']]), [[6, 3]]);
    assert.equal(s.a.speaker.world.peers.size, 0);
    tick(s, 20_000);
    assert.equal(ups(s.a), 1);
    s.fabric.give(s.a, { type: 'reload', config: s.config });
    tick(s, 3000);
    assert.equal(ups(s.a), 2);
    assert.equal(s.fabric.best(vm4), 'hv-1');
  });

  it('waits no longer than 2 s for an acknowledgement, and a peer that comes back meanwhile begins anew', () => {
    const s = announced();
    s.fabric.give(s.a, { type: 'reload', config: { ...s.config, bgp: { ...s.config.bgp, peers: [] } } });
    tick(s, 500);
    s.fabric.give(s.a, { type: 'reload', config: s.config });
    tick(s, 1000);
    assert.equal(ups(s.a), 1);
    tick(s, 3000);
    assert.equal(ups(s.a), 2);
    assert.equal(s.fabric.best(vm4), 'hv-1');
  });
});

describe('drain', () => {
  const drain = (s: Set_, ms: number): void => s.fabric.performFor(s.a, s.a.speaker.drain(ms, s.fabric.now()));
  const routeOf = (s: Set_) => s.fabric.router.best.get(`${vm4}/32` as Prefix)?.route.attributes;

  it('first makes every route the worst, then withdraws all, and ends when told', () => {
    const s = announced();
    drain(s, 3000);
    tick(s);
    assert.ok(routeOf(s)?.communities.includes(0xffff0000), 'GRACEFUL_SHUTDOWN');
    assert.match(collectWhy(s.a.speaker.world, 'default', vm4).answer, /is announced as leaving: this node is drained/);
    assert.equal(collectPrefixes(s.a.speaker.world, { prefix: vm4 })[0]?.next?.state, 'withdrawn');
    tick(s, 2500);
    assert.ok(routeOf(s) !== undefined);
    tick(s, 1000);
    assert.equal(routeOf(s), undefined);
    const why = collectWhy(s.a.speaker.world, 'default', vm4);
    assert.match(why.answer, /is not announced: this node is drained/);
    assert.deepEqual(why.checks.filter(({ check }) => check === 'drain').map(({ result }) => result), ['fail']);
    assert.equal(collectPrefixes(s.a.speaker.world, { prefix: vm4 })[0]?.next, undefined, 'nothing is due while the node is drained');
    assert.equal(s.a.speaker.world.peers.get('tor')?.session.fsm, 'Established');
    // A session that begins anew meanwhile is told nothing either.
    s.fabric.cut(s.a);
    tick(s, 5000);
    assert.equal(routeOf(s), undefined);
    s.fabric.performFor(s.a, s.a.speaker.undrain(s.fabric.now()));
    tick(s);
    assert.equal(routeOf(s)?.communities.includes(0xffff0000), false);
    assert.match(collectWhy(s.a.speaker.world, 'default', vm4).answer, /is announced as elevated/);
  });

  it('outlives the process', () => {
    const s = announced();
    drain(s, 1);
    tick(s);
    const parsed = parseMemory([...memoryText(s.a.speaker.world, 'boot', true)].join(''));
    assert.ok('memory' in parsed);
    const other = announced();
    other.fabric.give(other.a, { type: 'restored', memory: parsed.memory, boot: { id: 'boot', uptimeSeconds: 1e6 } });
    assert.equal(other.a.speaker.world.drain?.withdrawn, true);
    s.fabric.performFor(s.a, s.a.speaker.undrain(s.fabric.now()));
    const after = parseMemory([...memoryText(s.a.speaker.world, 'boot', true)].join(''));
    assert.ok('memory' in after && after.memory.drained === undefined);
  });

  it('announces no claim that is made meanwhile', () => {
    const s = announced((config) => ({ ...config, identity: { ...config.identity, bindings: [...config.identity.bindings, { vm: 'shop/db-1', mac: otherMac, vrf: 'default', ips: [other4] }] } }));
    drain(s, 3000);
    tick(s, 5);
    const tap = s.fabric.addPort(s.a, 'tap1');
    s.fabric.frame(s.a, tap, garpFrame(otherMac, other4));
    tick(s);
    assert.equal(state(s.a, other4), 'elevated');
    assert.equal(s.fabric.best(other4), undefined);
    assert.equal(s.fabric.best(vm4), 'hv-1');
    s.fabric.performFor(s.a, s.a.speaker.undrain(s.fabric.now()));
    tick(s);
    assert.equal(s.fabric.best(other4), 'hv-1');
  });
});

describe('show why', () => {
  it('names a port that has no carrier', () => {
    const s = announced();
    const said = (): string | undefined => collectWhy(s.a.speaker.world, 'default', vm4).checks.find(({ check }) => check === 'port')?.text;
    assert.equal(said(), 'last heard behind tap0');
    s.fabric.give(s.a, { type: 'bridge', change: { type: 'link', link: { ...s.a.speaker.world.bridges.links.get(s.tap)!, carrier: false } } });
    assert.equal(said(), 'last heard behind tap0, which has no carrier');
  });
});

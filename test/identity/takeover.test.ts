import assert from 'node:assert/strict';
import type { Config } from '../../config/config.ts';
import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { wellKnownCommunities } from '../../bgp/community.ts';
import type { Community } from '../../bgp/route.ts';
import { routePairOf } from '../../identity/from-routes.ts';
import { hostPrefix, ip, type IpAddress } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import { encodeClaimMarks } from '../../routes/claim-communities.ts';
import { receiveChange } from '../../src/received-routes.ts';
import { Fabric, vm4, vm6, vmMac, type SimNode } from '../sim/fabric.ts';

// Whole speakers in mode learn: what one node's routes teach another that never saw the VM.

const other = parseMac('52:54:00:bb:00:01') as Mac;
const learn = (c: Config): Config => ({ ...c, identity: { ...c.identity, mode: 'learn', bindings: [] } });
const verdicts = (node: SimNode): string[] => [...node.speaker.world.ignored.values()].map((i) => i.verdict);
const stateOf = (node: SimNode, address: IpAddress): string | undefined => node.speaker.world.locRib.handovers.get(`default|${address}/${address.includes(':') ? 128 : 32}` as never)?.state;

/** A VM on node a, heard there alone, as in a pure L3 fabric. */
function heardOnA(more: (c: Config) => Config = learn): { fabric: Fabric; a: SimNode; b: SimNode; tapA: number } {
  const fabric = new Fabric();
  const a = fabric.addNode(1, learn);
  const b = fabric.addNode(2, more);
  fabric.run(3000);
  const tapA = fabric.addPort(a, 'tap0');
  for (const frame of [garpFrame(vmMac, vm4), naFrame(vmMac, vm6)]) fabric.frame(a, tapA, frame);
  fabric.run(100);
  return { fabric, a, b, tapA };
}

describe('mode learn, a RARP on a node that never saw the VM', () => {
  it('moves all its addresses in one pass: the routes of the other node told them', () => {
    const { fabric, a, b } = heardOnA();
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-1', 'hv-1']);
    const tapB = fabric.addPort(b, 'tap0');
    const before = b.speaker.world.outputs.length;
    fabric.frame(b, tapB, rarpFrame(vmMac));
    assert.deepEqual([stateOf(b, vm4), stateOf(b, vm6)], ['elevated', 'elevated'], `claimed within the frame's own dispatch (${before})`);
    fabric.run(10);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-2', 'hv-2']);
    fabric.run(5000);
    assert.deepEqual([stateOf(a, vm4), stateOf(a, vm6)], ['withdrawn', 'withdrawn']);
  });

  it('and back again: what it claimed it knows by itself, also when the route is gone', () => {
    const { fabric, a, b, tapA } = heardOnA();
    const tapB = fabric.addPort(b, 'tap0');
    fabric.frame(b, tapB, rarpFrame(vmMac));
    fabric.run(5000);
    assert.equal(b.speaker.world.bindings.routes.pairs.size, 0, 'node a has withdrawn its routes');
    fabric.frame(a, tapA, rarpFrame(vmMac));
    fabric.run(10);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-1', 'hv-1']);
    fabric.run(5000);
    fabric.frame(b, tapB, rarpFrame(vmMac));
    fabric.run(10);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-2', 'hv-2']);
  });

  for (const [what, change] of [
    ['the peer is no source of bindings', (c: Config): Config => ({ ...learn(c), bgp: { ...c.bgp, peers: c.bgp.peers.map((p) => ({ ...p, bindings: 'none' as const })) } })],
    ['the mode is strict', (c: Config): Config => ({ ...c, identity: { ...c.identity, bindings: [] } })],
    ['the addresses are outside its prefixes', (c: Config): Config => ({ ...learn(c), watch: c.watch.map((w) => ({ ...w, prefixes: ['10.0.0.0/8' as never] })) })],
    ['its bindings give the addresses to another MAC', (c: Config): Config => ({ ...learn(c), identity: { ...c.identity, mode: 'learn', bindings: [{ vm: 'other', mac: other, vrf: 'default', ips: [vm4, vm6] }] } })],
  ] as const) {
    it(`moves nothing where ${what}`, () => {
      const { fabric, b } = heardOnA(change);
      fabric.frame(b, fabric.addPort(b, 'tap0'), rarpFrame(vmMac));
      fabric.run(100);
      assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-1', 'hv-1']);
      assert.deepEqual(verdicts(b), ['no_binding']);
    });
  }

  it('moves nothing once the route, or the session that brought it, is gone', () => {
    for (const lose of [(f: Fabric, a: SimNode, _b: SimNode, tapA: number) => f.removePort(a, tapA), (f: Fabric, _a: SimNode, b: SimNode) => f.cut(b)]) {
      const { fabric, a, b, tapA } = heardOnA();
      lose(fabric, a, b, tapA);
      if (b.connection !== undefined) fabric.run(3000);
      fabric.frame(b, fabric.addPort(b, 'tap0'), rarpFrame(vmMac));
      assert.equal(stateOf(b, vm4), undefined);
      assert.deepEqual(verdicts(b), ['no_binding']);
    }
  });
});

describe('mode learn, an address that another node claims', () => {
  it('is refused to a second MAC, shown with the node that claims it, and its route never moves', () => {
    const { fabric, b } = heardOnA();
    const before = fabric.router.history.length;
    const tapB = fabric.addPort(b, 'tap0');
    for (let i = 0; i < 100; i++) {
      fabric.frame(b, tapB, garpFrame(other, vm4));
      fabric.frame(b, tapB, naFrame(other, vm6));
      fabric.run(100);
    }
    assert.equal(fabric.router.history.length, before);
    assert.deepEqual([...new Set(verdicts(b))], ['conflict']);
    assert.match([...b.speaker.world.ignored.values()][0]?.reason ?? '', /node 192\.0\.2\.1 claims it for 52:54:00:aa:00:01/);
    assert.ok([...b.speaker.world.ignored.values()].every((i) => i.count === 100));
  });

  it('is free at once when its VM is gone: no wait for learnedFor', () => {
    const { fabric, a, b, tapA } = heardOnA();
    fabric.removePort(a, tapA);
    fabric.run(3000);
    assert.equal(fabric.best(vm4), undefined);
    for (const node of [b, a]) {
      fabric.frame(node, fabric.addPort(node, 'tap5'), garpFrame(other, vm4));
      fabric.run(10);
      assert.equal(fabric.best(vm4), node.name);
      assert.deepEqual(verdicts(node), []);
      for (const tap of [10, 11]) fabric.removePort(node, tap);
      fabric.run(3000);
    }
  });

  it('is free too on a node that the VM left, though its port was kept and the bridge remembers it', () => {
    const { fabric, a, b, tapA } = heardOnA();
    const tapB = fabric.addPort(b, 'tap0');
    fabric.give(a, { type: 'bridge', change: { type: 'fdb', entry: { ifindex: tapA, mac: vmMac, vlan: 0, permanent: false } } });
    fabric.frame(b, tapB, rarpFrame(vmMac));
    fabric.run(5000);
    fabric.frame(a, tapA, garpFrame(other, vm4));
    fabric.run(10);
    assert.equal(fabric.best(vm4), 'hv-2', 'not while it lives at the other node');
    fabric.removePort(b, tapB);
    fabric.run(5000);
    fabric.frame(a, tapA, garpFrame(other, vm4));
    fabric.run(10);
    assert.equal(fabric.best(vm4), 'hv-1');
  });

  it('of a silent VM whose port lives is not free, though the bridge has forgotten its MAC', () => {
    const { fabric, a } = heardOnA();
    fabric.run(600_000);
    fabric.frame(a, fabric.addPort(a, 'tap5'), garpFrame(other, vm4));
    fabric.run(10);
    assert.deepEqual(verdicts(a), ['conflict']);
    assert.equal(a.speaker.world.locRib.handovers.get('default|203.0.113.11/32' as never)?.endpoint?.mac, vmMac);
  });

  it('goes to the newer claim where onConflict is newest', () => {
    const { fabric, b } = heardOnA((c) => ({ ...learn(c), identity: { ...learn(c).identity, onConflict: 'newest' } }));
    fabric.frame(b, fabric.addPort(b, 'tap0'), garpFrame(other, vm4));
    fabric.run(10);
    assert.equal(fabric.best(vm4), 'hv-2');
    assert.equal(fabric.best(ip('2001:db8:100::11')), 'hv-1');
  });
});

describe('mode learn, two routers that tell of different MACs for one address', () => {
  it('the claim that stands is believed before one that is given up, and the newer before the older, whoever tells it last', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, (c) => ({ ...learn(c), bgp: { ...c.bgp, peers: [...c.bgp.peers, { ...(c.bgp.peers[0] as (typeof c.bgp.peers)[number]), name: 'tor-b', address: ip('192.0.2.253') }] } }));
    fabric.run(3000);
    const { world } = node.speaker;
    const tell = (peer: string, claim: { sequence: number; mac: Mac; leaving?: boolean }): void => {
      const route = {
        prefix: hostPrefix(vm4),
        attributes: {
          origin: 'IGP' as const, asPath: [], nextHop: ip('192.0.2.2'), localPref: claim.sequence, communities: claim.leaving === true ? [wellKnownCommunities['graceful-shutdown'] as Community] : [],
          largeCommunities: encodeClaimMarks(65010, { segment: 0, sequence: claim.sequence, mac: claim.mac, node: ip('192.0.2.2') }),
        },
      };
      const from = world.peers.get(peer);
      assert.ok(from !== undefined);
      receiveChange(world, from, { type: 'announce', route });
    };
    const believed = (): Mac | undefined => routePairOf(world.bindings.routes, 'default', vm4)?.mac;
    for (const [first, second] of [['tor', 'tor-b'], ['tor-b', 'tor']] as const) {
      tell(first, { sequence: 200, mac: vmMac });
      tell(second, { sequence: 100, mac: other });
      assert.equal(believed(), vmMac, `the newer, told by ${first}`);
      tell(first, { sequence: 200, mac: vmMac, leaving: true });
      assert.equal(believed(), other, 'the one that stands');
    }
  });
});

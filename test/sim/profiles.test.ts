import assert from 'node:assert/strict';
import type { Config, Profile } from '../../config/config.ts';
import { rarpFrame } from '../../garp/wire/frames.ts';
import type { Prefix } from '../../net/ip.ts';
import { gracefulShutdown } from '../../routes/preference.ts';
import { fabricWarnings } from '../../src/fabric.ts';
import { Fabric, vm4, vmMac, type SimNode } from './fabric.ts';

const prefix = `${vm4}/32` as Prefix;
const rarp = rarpFrame(vmMac);
const withProfile = (profile: Profile) => (c: Config): Config => ({ ...c, bgp: { ...c.bgp, peers: c.bgp.peers.map((p) => ({ ...p, profile })) }, migration: { ...c.migration, elevatedForMs: 20_000 } });
const stepsOf = (node: SimNode): number => node.speaker.world.steps.get(`default|${prefix}` as never) ?? 0;
const unordered = (node: SimNode): number => node.notes.filter(({ event }) => event === 'claim.unordered').length;

function twoNodes(profile: Profile): { fabric: Fabric; nodes: readonly [SimNode, SimNode]; moveTo: (index: 0 | 1) => number } {
  const fabric = new Fabric();
  const nodes = [fabric.addNode(1, withProfile(profile)), fabric.addNode(2, withProfile(profile))] as const;
  fabric.run(3000);
  let ports = 0;
  let last: { node: SimNode; port: number } | undefined;
  const moveTo = (index: 0 | 1): number => {
    const node = nodes[index];
    const port = fabric.addPort(node, `tap${ports++}`);
    fabric.frame(node, port, rarp);
    fabric.run(100);
    if (last !== undefined) fabric.removePort(last.node, last.port);
    last = { node, port };
    fabric.run(50);
    return port;
  };
  return { fabric, nodes, moveTo };
}

describe('profile ladder between two speakers', () => {
  it('carries seven moves in a row, says that it is at the top, and comes down when no rival is in sight', () => {
    const { fabric, nodes, moveTo } = twoNodes('ladder');
    for (let move = 0; move < 8; move++) {
      const to = (move % 2) as 0 | 1;
      moveTo(to);
      assert.equal(fabric.best(), nodes[to].name, `after move ${move}`);
      assert.equal(stepsOf(nodes[to]), move);
    }
    assert.equal(unordered(nodes[1]), 2, 'one for each family');
    assert.match(fabricWarnings(nodes[1].speaker.world).join('\n'), /2 claims stand on the top of the ladder/);
    assert.deepEqual([unordered(nodes[0]), fabricWarnings(nodes[0].speaker.world)], [0, []]);
    fabric.run(21_000);
    assert.deepEqual([stepsOf(nodes[1]), fabricWarnings(nodes[1].speaker.world)], [0, []]);
    assert.equal(fabric.router.best.get(prefix)?.route.attributes.localPref, 200);
    moveTo(0);
    assert.equal(fabric.best(), nodes[0].name);
    assert.equal(stepsOf(nodes[0]), 1);
  });

  it('sends nothing when a claim of the lowest step settles', () => {
    const { fabric, nodes, moveTo } = twoNodes('ladder');
    moveTo(0);
    const before = fabric.router.best.get(prefix)?.route;
    fabric.run(21_000);
    assert.equal(nodes[0].speaker.world.locRib.handovers.get(`default|${prefix}` as never)?.state, 'normal');
    assert.equal(fabric.router.best.get(prefix)?.route, before);
  });

  it('steps above an older rival that comes to light', () => {
    const { fabric, nodes, moveTo } = twoNodes('ladder');
    moveTo(0);
    moveTo(1);
    // Node a died while its router kept its route; node b came down meanwhile, and the router went back to the higher step.
    nodes[1].speaker.world.steps.clear();
    const older = nodes[1].speaker.world.peers.get('tor')!;
    const sent = older.adjOut.sent.get(prefix)!.route;
    const attributes = { ...sent.attributes, communities: [65010 * 0x10000 + 203], localPref: 203, nextHop: nodes[0].speaker.world.routerId };
    const sequence = attributes.largeCommunities.find(({ localData1 }) => localData1 >>> 24 === 1)!.localData2;
    const marks = attributes.largeCommunities.map((c) => (c.localData1 >>> 24 === 1 ? { ...c, localData2: sequence - 1 } : c.localData1 >>> 24 === 3 ? { ...c, localData2: 0xc0000201 } : c));
    fabric.router.clients.get('hv-1')!.routes.set(prefix, { prefix, attributes: { ...attributes, largeCommunities: marks } });
    (fabric.router as unknown as { decide(prefixes: readonly Prefix[]): void }).decide([prefix]);
    assert.equal(fabric.best(), 'hv-1');
    fabric.run(10);
    assert.equal(fabric.best(), 'hv-2');
    assert.equal(stepsOf(nodes[1]), 4);
  });
});

describe('what leaves', () => {
  for (const profile of ['sequence', 'ladder', 'window'] as const) {
    it(`bears GRACEFUL_SHUTDOWN on the wire in profile ${profile}`, () => {
      const { fabric, nodes, moveTo } = twoNodes(profile);
      const port = moveTo(0);
      fabric.removePort(nodes[0], port);
      fabric.run(100);
      assert.ok(fabric.router.best.get(prefix)?.route.attributes.communities.includes(gracefulShutdown));
    });
  }
});

describe('a second move within elevatedFor in profile window', () => {
  it('is reported where it is made', () => {
    const { fabric, nodes } = twoNodes('window');
    fabric.frame(nodes[0], fabric.addPort(nodes[0], 'tap0'), rarp);
    fabric.run(100);
    fabric.frame(nodes[1], fabric.addPort(nodes[1], 'tap1'), rarp);
    assert.equal(unordered(nodes[1]), 2);
    assert.match(fabricWarnings(nodes[1].speaker.world).join('\n'), /^tor: 203\.0\.113\.11\/32: 192\.0\.2\.1 is still elevated/m);
  });
});

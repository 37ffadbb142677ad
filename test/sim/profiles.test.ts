import assert from 'node:assert/strict';
import type { Config, Profile } from '../../config/config.ts';
import { rarpFrame } from '../../garp/wire/frames.ts';
import type { RouteAttributes } from '../../bgp/route.ts';
import { ipv4ToNumber, type Prefix } from '../../net/ip.ts';
import { gracefulShutdown } from '../../routes/preference.ts';
import { fabricWarnings } from '../../src/fabric.ts';
import { answerProbe } from './probe-answer.ts';
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

/** The router gets a claim of `rival` for the address and prefers it: what `node` sent it, with another sequence. */
function showRival(fabric: Fabric, node: SimNode, rival: SimNode, ahead: number, more: Partial<RouteAttributes>): void {
  const { attributes } = node.speaker.world.peers.get('tor')!.adjOut.sent.get(prefix)!.route;
  const id = ipv4ToNumber(rival.speaker.world.routerId);
  const largeCommunities = attributes.largeCommunities.map((c) => (c.localData1 >>> 24 === 1 ? { ...c, localData2: c.localData2 + ahead } : c.localData1 >>> 24 === 3 ? { ...c, localData2: id } : c));
  fabric.router.clients.get(rival.name)!.routes.set(prefix, { prefix, attributes: { ...attributes, ...more, nextHop: rival.speaker.world.routerId, largeCommunities } });
  (fabric.router as unknown as { decide(prefixes: readonly Prefix[]): void }).decide([prefix]);
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
    showRival(fabric, nodes[1], nodes[0], -1, { communities: [65010 * 0x10000 + 203], localPref: 203 });
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

describe('two claims of the same moment', () => {
  it('end with the lower BGP Identifier: the other node gives way, and the router is left with one route', () => {
    const { fabric, nodes } = twoNodes('sequence');
    for (const node of nodes) fabric.frame(node, fabric.addPort(node, 'tap0'), rarp);
    const states = (): unknown[] => nodes.map((node) => node.speaker.world.locRib.handovers.get(`default|${prefix}` as never)?.state);
    const sequences = nodes.map((node) => node.speaker.world.locRib.handovers.get(`default|${prefix}` as never)?.sequence);
    assert.deepEqual([states(), sequences[0]], [['elevated', 'elevated'], sequences[1]]);
    fabric.run(3000);
    assert.deepEqual([states(), fabric.best(), [...fabric.router.routesFor(prefix).keys()]], [['elevated', 'withdrawn'], 'hv-1', ['hv-1']]);
  });
});

describe('a tie that the router breaks the wrong way', () => {
  for (const [what, answers] of [['lives here', true], ['does not', false]] as const) {
    it(`is ended by the VM's answer: it ${what}`, () => {
      const { fabric, nodes, moveTo } = twoNodes('sequence');
      const port = moveTo(0);
      const key = `default|${prefix}` as never;
      const { sequence } = nodes[0].speaker.world.locRib.handovers.get(key)!;
      if (answers) nodes[0].onProbe = (ifindex, probe) => { if (ifindex === port) answerProbe(fabric, nodes[0], ifindex, probe); };
      showRival(fabric, nodes[0], nodes[1], 0, { localPref: sequence, med: 0 });
      assert.equal(fabric.best(), 'hv-2');
      fabric.run(10);
      const after = nodes[0].speaker.world.locRib.handovers.get(key)!;
      assert.deepEqual([after.state, after.sequence > sequence, fabric.best()], ['elevated', answers, answers ? 'hv-1' : 'hv-2']);
    });
  }
});

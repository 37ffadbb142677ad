import assert from 'node:assert/strict';
import { rarpFrame } from '../../garp/wire/frames.ts';
import type { Config } from '../../config/config.ts';
import { Fabric, vm4, vmMac, type SimNode } from './fabric.ts';

// The node that a VM left sends late packets on to the one that claims, until the routers have moved.

const ceilingMs = 5000;
const meshed = (config: Config): Config => ({
  ...config, kernel: { ...config.kernel, routes: 'received' },
  stragglers: { enabled: true, mode: 'auto', ceilingMs, members: 'auto', key: { env: 'KEY' } },
  watch: config.watch.map((watch) => ({ ...watch, ports: { ...watch.ports, uplink: ['none'] } })),
});

const rarp = rarpFrame(vmMac);

/** A VM on hv-1 that is about to run on hv-2. */
function stage(): { fabric: Fabric; a: SimNode; b: SimNode; tapA: number; tapB: number } {
  const fabric = new Fabric();
  const [a, b] = [1, 2].map((id) => fabric.addNode(id, meshed)) as [SimNode, SimNode];
  fabric.run(3000);
  const tapA = fabric.addPort(a, 'tap0', 'tun');
  const tapB = fabric.addPort(b, 'tap0', 'tun');
  fabric.frame(a, tapA, rarp);
  fabric.run(3000);
  assert.equal(fabric.best(), 'hv-1');
  return { fabric, a, b, tapA, tapB };
}

const route = (node: SimNode): string | undefined => {
  const entry = node.kernel.get(`route ${vm4}/32`);
  return entry?.type === 'route' ? (entry.to.type === 'straggler' ? `straggler ${entry.to.endpoint}` : entry.to.type) : undefined;
};
const noReturn = (node: SimNode): boolean => node.kernel.has(`noReturn ${vm4}/32`);

/** What the route was, each time that it changed, in the milliseconds after now. */
function routesOf(fabric: Fabric, node: SimNode, ms: number): (string | undefined)[] {
  const seen = [route(node)];
  for (let i = 0; i < ms; i++) {
    fabric.run(1);
    if (route(node) !== seen.at(-1)) seen.push(route(node));
  }
  return seen;
}

describe('late packets', () => {
  it('go on to the new node as soon as that says so, and to the fabric when all has moved: never back to it', () => {
    const { fabric, a, b, tapB } = stage();
    fabric.frame(b, tapB, rarp);
    assert.deepEqual(routesOf(fabric, a, 40_000), [undefined, 'straggler 192.0.2.2', 'nextHop']);
    assert.ok(noReturn(a));
    assert.equal(route(b), undefined);
    assert.ok(!noReturn(b));
  });

  it('go on by its route where its message is lost, once', () => {
    const { fabric, a, b, tapB } = stage();
    fabric.meshLost.add('claim');
    fabric.frame(b, tapB, rarp);
    assert.deepEqual(routesOf(fabric, a, 40_000), [undefined, 'straggler 192.0.2.2', 'nextHop']);
    assert.ok(!a.told.includes('claim'));
  });

  it('do not go back and forth when the VM comes back at once', () => {
    const { fabric, a, b, tapA, tapB } = stage();
    fabric.meshLost.add('claim');
    fabric.frame(b, tapB, rarp);
    fabric.run(20);
    assert.equal(route(a), 'straggler 192.0.2.2');
    fabric.run(1100);
    fabric.frame(a, tapA, rarp);
    assert.deepEqual([route(a), noReturn(a)], [undefined, false]);
    assert.deepEqual(routesOf(fabric, b, 40_000), [undefined, 'straggler 192.0.2.1', 'nextHop']);
    assert.equal(route(a), undefined);
  });

  it('of a node that never told where its end is go by the fabric', () => {
    const { fabric, a, b, tapB } = stage();
    a.speaker.world.forwarding.nodes.clear();
    fabric.meshLost.add('claim').add('hello');
    fabric.frame(b, tapB, rarp);
    assert.deepEqual(routesOf(fabric, a, 10_000), [undefined, 'nextHop']);
  });

  it('end with the speaker that is told to stop, while it is known what the routers told', () => {
    const { fabric, a, b, tapB } = stage();
    fabric.frame(b, tapB, rarp);
    fabric.run(300);
    assert.equal(route(a), 'straggler 192.0.2.2');
    const outputs = a.speaker.dispatch({ type: 'stop', restart: true }, fabric.now());
    const [first] = outputs.flatMap((output) => (output.type === 'kernel' ? output.changes : [])).filter(({ id }) => id === `route ${vm4}/32`);
    assert.deepEqual(first?.entry, { type: 'route', prefix: `${vm4}/32`, to: { type: 'nextHop', address: '192.0.2.2' } });
    fabric.performFor(a, outputs);
    assert.notEqual(route(a), 'straggler 192.0.2.2');
  });
});

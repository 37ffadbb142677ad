import assert from 'node:assert/strict';
import { garpFrame, rarpFrame } from '../../garp/wire/frames.ts';
import type { Config } from '../../config/config.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import type { HintRequest, HintResult } from '../../src/hints.ts';
import { hintLastsMs } from '../../src/hints.ts';
import type { HintItem } from '../../src/views/items.ts';
import { Fabric, vm4, vmMac, type SimNode } from './fabric.ts';

// `landfall hint`: a VM stands still on one node because it is about to run on another.

const rarp = rarpFrame(vmMac);
const tapMac = parseMac('fe:54:00:aa:00:01') as Mac;
const meshed = (more: (config: Config) => Config = (c) => c) => (config: Config): Config => more({
  ...config, kernel: { ...config.kernel, routes: 'received' },
  stragglers: { enabled: true, mode: 'auto', ceilingMs: 5000, members: 'auto', key: { env: 'KEY' } },
  watch: config.watch.map((watch) => ({ ...watch, ports: { ...watch.ports, uplink: ['none'] } })),
});

/** A VM on hv-1, known to hv-2 and hv-3 by its route. */
function stage(more?: (config: Config) => Config): { fabric: Fabric; a: SimNode; b: SimNode; c: SimNode; tapA: number } {
  const fabric = new Fabric();
  const [a, b, c] = [1, 2, 3].map((id) => fabric.addNode(id, meshed(more))) as [SimNode, SimNode, SimNode];
  fabric.run(3000);
  const tapA = fabric.addPort(a, 'tap0', 'tun', tapMac);
  fabric.frame(a, tapA, rarp);
  fabric.run(3000);
  assert.equal(fabric.best(), 'hv-1');
  return { fabric, a, b, c, tapA };
}

function hint(fabric: Fabric, node: SimNode, request: HintRequest): HintResult {
  const { outputs, result } = node.speaker.hint(request, fabric.now());
  fabric.performFor(node, outputs);
  return result;
}

const items = (result: HintResult): HintItem[] => ('items' in result ? result.items : assert.fail(result.message));
const refused = (result: HintResult): string => ('items' in result ? assert.fail('not refused') : `${result.code}: ${result.message}`);
const route = (node: SimNode): string | undefined => {
  const entry = node.kernel.get(`route ${vm4}/32`);
  return entry?.type === 'route' ? (entry.to.type === 'straggler' ? `straggler ${entry.to.endpoint}${entry.to.tunnel === true ? ' tunnel' : ''}` : entry.to.type) : undefined;
};
const inner = (node: SimNode): boolean => node.kernel.has(`inner ${vm4}/32`) && node.kernel.has(`neighbour 2 ${vm4}`);
const claims = (node: SimNode): number => node.speaker.world.locRib.handovers.get(`default|${vm4}/32` as never)?.sequence ?? 0;

describe('speakers know each other', () => {
  it('before anything moves, from the routes that they see: name and end of the tunnel', () => {
    const { a, b, c } = stage();
    assert.deepEqual([...b.speaker.world.forwarding.nodes.values()].map(({ name, endpoint }) => [name, endpoint]), [['hv-1', '192.0.2.1']]);
    assert.deepEqual([...a.speaker.world.forwarding.nodes.values()].map(({ name }) => name).sort(), ['hv-2', 'hv-3']);
    assert.equal(c.told.filter((type) => type === 'hello').length, 1);
  });

  it('says it again, but not without end', () => {
    const { fabric, a } = stage();
    const before = a.told.length;
    fabric.run(61_000);
    assert.equal(a.told.length - before, 4, 'two nodes, twice in a minute');
  });
});

describe('a VM is expected', () => {
  it('where a port bears the mark of a VM that another node claims: nothing but what comes out of the tunnel goes there', () => {
    const { fabric, a, b } = stage();
    fabric.addPort(b, 'tap9', 'tun', tapMac);
    assert.ok(inner(b));
    assert.equal(route(b), 'nextHop', 'everybody else goes on to the old node');
    fabric.run(10);
    assert.equal(a.told.at(-1), 'ready');
    assert.equal(claims(b), 0);
  });

  it('no more when the port goes: the old node hears of it, and what is under way still goes nowhere else for a while', () => {
    const { fabric, a, b } = stage();
    const tap = fabric.addPort(b, 'tap9', 'tun', tapMac);
    fabric.run(25_000);
    assert.equal(a.told.filter((type) => type === 'ready').length, 6, 'both addresses, every ten seconds');
    fabric.removePort(b, tap);
    fabric.run(10);
    assert.equal(a.told.at(-1), 'unready');
    assert.ok(inner(b));
    fabric.run(36_000);
    assert.ok(!inner(b));
  });

  it('not behind a port with another mark, or none', () => {
    const { fabric, b } = stage();
    fabric.addPort(b, 'tap8', 'tun', parseMac('fe:54:00:aa:00:77'));
    fabric.addPort(b, 'tap9', 'tun');
    assert.ok(!inner(b));
  });

  it('until it is claimed', () => {
    const { fabric, b } = stage();
    const tap = fabric.addPort(b, 'tap9', 'tun', tapMac);
    fabric.run(10);
    fabric.frame(b, tap, rarp);
    assert.ok(!inner(b));
    assert.equal(route(b), undefined);
    assert.equal(fabric.best(), 'hv-1');
    fabric.run(100);
    assert.equal(fabric.best(), 'hv-2');
  });
});

describe('hint paused', () => {
  it('sends what comes for the VM to the node that is ready, in the same pass, and announces nothing', () => {
    const { fabric, a, b } = stage();
    fabric.addPort(b, 'tap9', 'tun', tapMac);
    fabric.run(10);
    const before = claims(a);
    for (const vm of ['shop/web-1', vmMac, vm4, `${vm4}/32`]) {
      assert.deepEqual(items(hint(fabric, a, { state: 'paused', vm })).map(({ prefix, state, node, vm: name }) => [prefix, state, node, name]),
        [[`${vm4}/32`, 'sending', 'hv-2', 'shop/web-1'], ['2001:db8:100::11/128', 'sending', 'hv-2', 'shop/web-1']]);
      assert.equal(route(a), 'straggler 192.0.2.2 tunnel');
    }
    fabric.run(1000);
    assert.deepEqual([fabric.best(), claims(a), claims(b)], ['hv-1', before, 0]);
  });

  it('asks the node that is named, which may know nothing of the VM\'s port, and sends when it says that it is ready', () => {
    const { fabric, a, b } = stage();
    assert.deepEqual(items(hint(fabric, a, { state: 'paused', vm: vmMac, to: 'hv-2' })).map(({ state }) => state), ['asked', 'asked']);
    assert.equal(route(a), undefined);
    fabric.run(2.5);
    assert.ok(inner(b));
    assert.equal(route(a), 'straggler 192.0.2.2 tunnel');
  });

  it('is followed by the claim without a change of the way', () => {
    const { fabric, a, b } = stage();
    const tap = fabric.addPort(b, 'tap9', 'tun', tapMac);
    fabric.run(10);
    hint(fabric, a, { state: 'paused', vm: vmMac });
    const seen: (string | undefined)[] = [];
    fabric.run(50);
    fabric.frame(b, tap, rarp);
    for (let ms = 0; ms < 900; ms++) {
      fabric.run(1);
      seen.push(route(a));
    }
    assert.deepEqual([...new Set(seen)], ['straggler 192.0.2.2 tunnel']);
    fabric.run(10_000);
    assert.equal(route(a), 'nextHop', 'in the end it goes by the fabric, as to any VM elsewhere');
    assert.equal(a.speaker.world.forwarding.hints.size, 0);
  });

  it('is undone by running, by a frame of the VM, by the other node, and by time', () => {
    const undo: Readonly<Record<string, (s: ReturnType<typeof stage>, tapB: number) => void>> = {
      running: ({ fabric, a }) => assert.deepEqual(items(hint(fabric, a, { state: 'running', vm: vmMac })).map(({ state }) => state), ['undone', 'undone']),
      'a frame': ({ fabric, a, tapA }) => { fabric.run(1); fabric.frame(a, tapA, garpFrame(vmMac, vm4)); },
      'the other node': ({ fabric, b }, tapB) => { fabric.removePort(b, tapB); fabric.run(10); },
      time: ({ fabric }) => fabric.run(hintLastsMs + 10),
    };
    for (const [how, work] of Object.entries(undo)) {
      const s = stage();
      const tapB = s.fabric.addPort(s.b, 'tap9', 'tun', tapMac);
      s.fabric.run(10);
      hint(s.fabric, s.a, { state: 'paused', vm: vmMac });
      assert.equal(route(s.a), 'straggler 192.0.2.2 tunnel', how);
      work(s, tapB);
      assert.equal(route(s.a), undefined, how);
      assert.equal(s.fabric.best(), 'hv-1', how);
      assert.equal(s.a.speaker.world.forwarding.hints.size, 0, how);
    }
  });

  it('a frame that was captured before it undoes nothing', () => {
    const { fabric, a, b, tapA } = stage();
    fabric.addPort(b, 'tap9', 'tun', tapMac);
    fabric.run(10);
    hint(fabric, a, { state: 'paused', vm: vmMac });
    fabric.frame(a, tapA, garpFrame(vmMac, vm4), { capturedAtMs: fabric.nowMs - 5 });
    assert.equal(route(a), 'straggler 192.0.2.2 tunnel');
  });

  it('that named the wrong node ends with the claim of the right one', () => {
    const { fabric, a, b, c } = stage();
    fabric.addPort(b, 'tap9', 'tun', tapMac);
    fabric.run(10);
    hint(fabric, a, { state: 'paused', vm: vmMac });
    const tapC = fabric.addPort(c, 'tap9', 'tun', tapMac);
    fabric.frame(c, tapC, rarp);
    fabric.run(5);
    assert.equal(route(a), 'straggler 192.0.2.3');
  });

  it('asks a node that was ready for the VM once, had it since, and lost it again', () => {
    const { fabric, a, b, tapA } = stage();
    const tap = fabric.addPort(b, 'tap9', 'tun', tapMac);
    fabric.run(10);
    for (const [node, port, best] of [[b, tap, 'hv-2'], [a, tapA, 'hv-1']] as const) {
      fabric.frame(node, port, rarp);
      fabric.run(2000);
      assert.equal(fabric.best(), best);
    }
    assert.deepEqual(items(hint(fabric, a, { state: 'paused', vm: vmMac, to: 'hv-2' })).map(({ state }) => state), ['asked', 'asked']);
    fabric.run(10);
    assert.ok(inner(b));
    assert.equal(route(a), 'straggler 192.0.2.2 tunnel');
  });

  it('says why it can do nothing', () => {
    const { fabric, a, b } = stage();
    assert.match(refused(hint(fabric, a, { state: 'paused', vm: 'shop/none' })), /^notFound: no VM that is or was on this node is called shop\/none/);
    assert.match(refused(hint(fabric, b, { state: 'paused', vm: vmMac })), /^notFound: /);
    assert.match(refused(hint(fabric, a, { state: 'paused', vm: vmMac })), /^conflict: no node has said that it is ready for .* --to$/);
    assert.match(refused(hint(fabric, a, { state: 'paused', vm: vmMac, to: 'hv-9\n' })), /^notFound: no node is called hv-9\S*; heard of: hv-2, hv-3$/);
    assert.deepEqual(items(hint(fabric, a, { state: 'running', vm: vmMac })).map(({ state }) => state), ['none', 'none']);
    const on = stage((c) => ({ ...c, stragglers: { ...c.stragglers, mode: 'on-link' } }));
    assert.match(refused(hint(on.fabric, on.a, { state: 'paused', vm: vmMac, to: 'hv-2' })), /^conflict: stragglers.mode is on-link/);
    const off = stage((c) => ({ ...c, stragglers: { enabled: false, mode: 'auto', ceilingMs: 5000, members: 'auto' } }));
    assert.match(refused(hint(off.fabric, off.a, { state: 'paused', vm: vmMac, to: 'hv-2' })), /^conflict: stragglers are not enabled here/);
  });
});

describe('hint running where a VM arrives', () => {
  it('has a VM asked of which a frame came too early; the hint alone announces nothing', () => {
    const { fabric, b } = stage((c) => ({ ...c, migration: { ...c.migration, firstEvidence: 'rarp' } }));
    const tap = fabric.addPort(b, 'tap9', 'tun', tapMac);
    const asked: number[] = [];
    b.onProbe = (ifindex) => asked.push(ifindex);
    fabric.frame(b, tap, garpFrame(vmMac, vm4));
    fabric.run(100);
    assert.equal(claims(b), 0, 'too early');
    assert.deepEqual(items(hint(fabric, b, { state: 'running', vm: vmMac })).find(({ prefix }) => prefix === `${vm4}/32`)?.state, 'probed');
    fabric.run(100);
    assert.equal(claims(b), 0, 'nobody answered');
    assert.ok(asked.includes(tap));
    fabric.frame(b, tap, garpFrame(vmMac, vm4));
    assert.ok(claims(b) > 0, 'the next frame counts');
  });
});

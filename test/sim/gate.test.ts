import assert from 'node:assert/strict';
import { garpFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { collectMigration } from '../../src/collect/migrations.ts';
import { collectWhy } from '../../src/collect/why.ts';
import { answerProbe } from './probe-answer.ts';
import { Fabric, vm4, vm6, vmMac, type SimNode } from './fabric.ts';

const rarp = rarpFrame(vmMac);

/** One node whose gate says what `open` says; asked ports are gathered. */
function gated(onTimeout: 'closed' | 'open' = 'closed'): { fabric: Fabric; node: SimNode; asked: string[]; gate: { open: boolean }; answerAfterMs: number } {
  const fabric = new Fabric();
  const node = fabric.addNode(1, (config) => ({ ...config, gate: { checks: [{ file: '/run/policy/{port}' }], timeoutMs: 500, onTimeout } }));
  const asked: string[] = [];
  const gate = { open: false };
  const answerAfterMs = 0.5;
  node.onGate = (ifindex, port) => {
    asked.push(port);
    fabric.after(answerAfterMs, () => fabric.give(node, { type: 'gate', ifindex, port, open: gate.open, text: gate.open ? 'is there' : 'is not there' }));
  };
  fabric.run(3000);
  return { fabric, node, asked, gate, answerAfterMs };
}

const state = (node: SimNode, address = vm4): string | undefined => node.speaker.world.locRib.handovers.get(`default|${address}/${address.includes(':') ? 128 : 32}` as never)?.state;
const verdicts = (node: SimNode): string[] => [...node.speaker.world.ignored.values()].map((i) => i.verdict);

describe('the policy gate', () => {
  it('is asked when the port comes, so that the first frame finds the answer and claims in its own pass', () => {
    const { fabric, node, asked, gate } = gated();
    gate.open = true;
    const tap = fabric.addPort(node, 'tap0');
    fabric.run(1300);
    assert.deepEqual(asked, ['tap0']);
    fabric.frame(node, tap, rarp);
    assert.equal(state(node), 'elevated');
    assert.equal(state(node, vm6), 'elevated');
  });

  it('holds the claim of both families while it is shut, and claims in the pass that opens it', () => {
    const { fabric, node, asked, gate } = gated();
    const tap = fabric.addPort(node, 'tap0');
    fabric.run(100);
    const zero = fabric.nowMs;
    fabric.frame(node, tap, rarp);
    fabric.run(200);
    assert.deepEqual([state(node), state(node, vm6), fabric.best()], ['held', 'held', undefined]);
    assert.ok(verdicts(node).includes('gated'));
    assert.match(collectWhy(node.speaker.world, 'default', vm4).answer, /is held, and not announced: the policy gate of its port is shut \(is not there\)/);
    gate.open = true;
    fabric.run(150);
    assert.deepEqual([state(node), state(node, vm6), fabric.best()], ['elevated', 'elevated', 'hv-1']);
    assert.ok(asked.length > 3);
    const m = node.speaker.world.migrations.all.find((one) => one.address === vm4);
    assert.ok(m !== undefined);
    assert.equal(m.startMs, zero, 'zero is the frame that was held');
    assert.ok((m.heldMs ?? 0) >= 200 && (m.heldMs ?? 0) <= 310, `${m.heldMs}`);
    assert.deepEqual(m.timeline.map((line) => line.event).slice(0, 6), ['frame', 'held', 'released', 'accepted', 'announced', 'written']);
    assert.ok((collectMigration(m).announceSeconds ?? 0) >= 0.2);
    const before = asked.length;
    fabric.run(5000);
    assert.equal(asked.length, before, 'an open gate is asked no more');
  });

  it('waits on after its timeout with onTimeout closed, and opens late all the same', () => {
    const { fabric, node, gate } = gated('closed');
    const tap = fabric.addPort(node, 'tap0');
    fabric.frame(node, tap, rarp);
    fabric.run(10_000);
    assert.equal(state(node), 'held');
    assert.equal(node.notes.filter((n) => n.event === 'gate.timedOut' && n.level === 'warn').length, 2);
    gate.open = true;
    fabric.run(1100);
    assert.equal(state(node), 'elevated');
  });

  it('lets the claim out after its timeout with onTimeout open, and says so', () => {
    const { fabric, node } = gated('open');
    const tap = fabric.addPort(node, 'tap0');
    fabric.frame(node, tap, rarp);
    fabric.run(499);
    assert.equal(fabric.best(), undefined);
    fabric.run(5);
    assert.equal(fabric.best(), 'hv-1');
    assert.equal(node.notes.filter((n) => n.event === 'gate.timedOut').length, 2);
    assert.ok(node.speaker.world.migrations.all[0]?.timeline.some((line) => line.event === 'released' && line.text.includes('onTimeout is open')));
  });

  it('is forgotten with its port, and the claim that waited with it', () => {
    const { fabric, node, gate } = gated();
    const tap = fabric.addPort(node, 'tap0');
    fabric.frame(node, tap, rarp);
    fabric.removePort(node, tap);
    assert.equal(state(node), 'withdrawn');
    gate.open = true;
    fabric.run(5000);
    assert.deepEqual([state(node), fabric.best()], ['withdrawn', undefined]);
    assert.equal(node.speaker.world.gates.size, 0);
  });

  it('is another one for each port: an open one opens no other', () => {
    const { fabric, node, gate } = gated();
    gate.open = true;
    fabric.addPort(node, 'tap0');
    fabric.run(100);
    gate.open = false;
    const tap1 = fabric.addPort(node, 'tap1');
    fabric.run(100);
    fabric.frame(node, tap1, garpFrame(vmMac, vm4));
    assert.equal(state(node), 'held');
  });

  describe('of tap0 is shut, and that of tap1 open', () => {
    const two = (): { fabric: Fabric; node: SimNode; shut: number; open: number } => {
      const { fabric, node } = gated();
      node.onGate = (ifindex, port) => { fabric.after(0.5, () => fabric.give(node, { type: 'gate', ifindex, port, open: port === 'tap1', text: port })); };
      const shut = fabric.addPort(node, 'tap0');
      fabric.frame(node, shut, rarp);
      const open = fabric.addPort(node, 'tap1');
      fabric.run(1);
      assert.deepEqual([state(node), node.speaker.world.gates.get(open)?.open], ['held', true]);
      return { fabric, node, shut, open };
    };

    it('what speaks behind tap1 takes no claim that waits for tap0, and is asked when tap0 goes', () => {
      const { fabric, node, shut, open } = two();
      fabric.frame(node, open, rarp);
      assert.deepEqual([state(node), state(node, vm6)], ['held', 'held']);
      assert.ok(verdicts(node).includes('conflict'));
      node.onProbe = (ifindex, probe) => { if (ifindex === open) answerProbe(fabric, node, ifindex, probe); };
      fabric.removePort(node, shut);
      assert.equal(state(node), 'withdrawn');
      fabric.run(20);
      assert.deepEqual([state(node), state(node, vm6), fabric.best()], ['elevated', 'elevated', 'hv-1']);
    });

    it('a VM that speaks behind tap1 when tap0 is dead is claimed at once', () => {
      const { fabric, node, shut, open } = two();
      fabric.give(node, { type: 'bridge', change: { type: 'link', link: { ifindex: shut, name: 'tap0', master: 2, kind: 'tun', up: false, carrier: false } } });
      fabric.frame(node, open, rarp);
      assert.deepEqual([state(node), state(node, vm6)], ['elevated', 'elevated']);
    });
  });

  it('is void when the VM moves on meanwhile: a newer claim elsewhere takes the place of what waits', () => {
    const { fabric, node } = gated();
    const other = fabric.addNode(2);
    fabric.run(3000);
    const tap = fabric.addPort(node, 'tap0');
    fabric.frame(node, tap, rarp);
    fabric.run(50);
    assert.equal(state(node), 'held');
    const tapB = fabric.addPort(other, 'tap0');
    fabric.frame(other, tapB, rarp);
    fabric.run(50);
    assert.equal(state(node), 'withdrawn');
    assert.equal(fabric.best(), 'hv-2');
  });
});

import assert from 'node:assert/strict';
import type { Config } from '../../config/config.ts';
import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { ip, type IpAddress } from '../../net/ip.ts';
import { answerProbe } from '../sim/probe-answer.ts';
import { Fabric, vm4, vm6, vmMac, type SimNode } from '../sim/fabric.ts';

// A VM that changes its address: the old one must not stay announced, and must not move along for ever.

const minute = 60_000;
const learn = (c: Config): Config => ({ ...c, identity: { ...c.identity, mode: 'learn', bindings: [], learnedIdleForMs: 30 * minute } });
const tap = { ifindex: 7, name: 'tap0', master: 2, kind: 'tun', up: true, carrier: true } as const;
const seen = { type: 'bridge', change: { type: 'fdb', entry: { ifindex: 7, mac: vmMac, vlan: 0, permanent: false } } } as const;
const new4 = ip('203.0.113.77');

/** A VM behind tap0 with `addresses` now, which it answers for; the bridge knows its MAC. */
function vmWith(fabric: Fabric, node: SimNode, has: ReadonlySet<IpAddress>, asked: IpAddress[] = []): void {
  node.onProbe = (ifindex, probe) => {
    for (const address of [vm4, vm6, new4]) {
      const target = probe[12] === 8 ? [...probe.subarray(38, 42)].join('.') : vm6;
      if (target !== address) continue;
      asked.push(address);
      if (has.has(address)) answerProbe(fabric, node, ifindex, probe);
    }
  };
}

describe('a learned address', () => {
  it('that its active VM gave up is asked for three times, dropped and withdrawn; the others stay', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, learn, { links: [tap] });
    fabric.run(3000);
    const asked: IpAddress[] = [];
    const has = new Set([vm4, vm6]);
    vmWith(fabric, node, has, asked);
    for (const frame of [garpFrame(vmMac, vm4), naFrame(vmMac, vm6)]) fabric.frame(node, 7, frame);
    fabric.give(node, seen);
    fabric.run(20 * minute);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6), asked], ['hv-1', 'hv-1', []]);
    has.delete(vm4);
    has.add(new4);
    fabric.frame(node, 7, garpFrame(vmMac, new4));
    fabric.run(9 * minute);
    assert.equal(fabric.best(vm4), 'hv-1');
    fabric.run(5 * minute);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6), fabric.best(new4)], [undefined, 'hv-1', 'hv-1']);
    assert.ok(asked.filter((address) => address === vm6).length >= 1, 'the quiet IPv6 address was asked, and answered');
    // It does not move along any more.
    fabric.frame(node, 7, rarpFrame(vmMac));
    fabric.run(10);
    assert.equal(fabric.best(vm4), undefined);
  });

  it('of a quiet VM that answers stays, at the cost of one question in learnedIdleFor', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, learn, { links: [tap] });
    fabric.run(3000);
    const asked: IpAddress[] = [];
    vmWith(fabric, node, new Set([vm4, vm6]), asked);
    for (const frame of [garpFrame(vmMac, vm4), naFrame(vmMac, vm6)]) fabric.frame(node, 7, frame);
    fabric.give(node, seen);
    const before = fabric.router.history.length;
    fabric.run(3 * 60 * minute);
    assert.equal(fabric.router.history.length, before + 2);
    assert.ok(asked.length >= 8 && asked.length <= 12, `${asked.length} questions in three hours for two addresses`);
  });

  it('of a VM that is paused while the bridge remembers its MAC stays without an answer, and so it does when it runs again', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, learn, { links: [tap] });
    fabric.run(3000);
    const has = new Set([vm4, vm6]);
    const asked: IpAddress[] = [];
    vmWith(fabric, node, has, asked);
    for (const frame of [garpFrame(vmMac, vm4), naFrame(vmMac, vm6)]) fabric.frame(node, 7, frame);
    fabric.give(node, seen);
    for (const address of [...has]) has.delete(address);
    fabric.run(60 * minute);
    assert.ok(asked.length >= 40, `${asked.length} questions`);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-1', 'hv-1']);
    // It runs, and says something before the next question: that alone is no reason.
    fabric.frame(node, 7, rarpFrame(vmMac));
    for (const address of [vm4, vm6]) has.add(address);
    fabric.run(60 * minute);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-1', 'hv-1']);
    assert.deepEqual(fabric.router.history.filter(({ node: best }) => best === undefined), []);
  });

  it('that its VM gave up goes without another address to ask for, when the VM says something after each question', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, learn, { links: [tap] });
    fabric.run(3000);
    fabric.frame(node, 7, garpFrame(vmMac, vm4));
    fabric.give(node, seen);
    fabric.run(32 * minute);
    const away = ip('198.51.100.7');
    for (let i = 0; i < 3; i++) {
      assert.equal(fabric.best(vm4), 'hv-1', `after ${i}`);
      fabric.frame(node, 7, garpFrame(vmMac, away)); // outside the prefixes
      fabric.run(minute);
    }
    fabric.run(3000);
    assert.equal(fabric.best(vm4), undefined);
    assert.equal(node.speaker.world.voices.size + node.speaker.world.idle.size, 0);
  });

  it('of a paused VM, whose MAC the bridge has forgotten, stays without an answer', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, learn, { links: [tap] });
    fabric.run(3000);
    fabric.frame(node, 7, garpFrame(vmMac, vm4));
    fabric.run(10 * 60 * minute);
    assert.equal(fabric.best(vm4), 'hv-1');
  });

  it('that was bound by the configuration never ages', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, (c) => ({ ...c, identity: { ...c.identity, mode: 'learn', learnedIdleForMs: minute } }), { links: [tap] });
    fabric.run(3000);
    fabric.frame(node, 7, garpFrame(vmMac, vm4));
    fabric.give(node, seen);
    fabric.run(10 * 60 * minute);
    assert.equal(fabric.best(vm4), 'hv-1');
  });

  it('is no younger for a RARP: a dead one that moves along is found out at the new node', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, learn, { links: [tap, { ...tap, ifindex: 8, name: 'tap1' }] });
    fabric.run(3000);
    fabric.frame(node, 8, garpFrame(vmMac, vm4));
    fabric.frame(node, 8, naFrame(vmMac, vm6));
    fabric.run(100);
    fabric.removePort(node, 8);
    fabric.run(60 * minute);
    assert.equal(fabric.best(vm4), undefined);
    vmWith(fabric, node, new Set([vm6]));
    fabric.frame(node, 7, rarpFrame(vmMac));
    fabric.give(node, seen);
    fabric.run(10);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-1', 'hv-1']);
    fabric.run(6 * minute);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], [undefined, 'hv-1']);
  });
});

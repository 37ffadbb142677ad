import assert from 'node:assert/strict';
import type { BridgeChange, FdbNews, Link } from '../../bridge/ports.ts';
import { rarpFrame } from '../../garp/wire/frames.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import type { Input } from '../../src/world.ts';
import { Fabric, vm4, vm6, vmMac, type SimNode } from './fabric.ts';
import { answerProbe } from './probe-answer.ts';

// Ports, forwarding entries and frames come by three ways: what is decided does not depend on which is read first.

const bridge = 2;
const tap: Link = { ifindex: 7, name: 'tap0', master: bridge, kind: 'tun', up: true, carrier: true };
const entry = (ifindex = 7, mac = vmMac): FdbNews => ({ ifindex, mac, vlan: 0, permanent: false, bridge });
const strangers = (count: number, ifindex = 7): FdbNews[] => Array.from({ length: count }, (_, i) => (
  entry(ifindex, parseMac(`02:00:00:${[i >> 16, (i >> 8) & 255, i & 255].map((octet) => octet.toString(16)).join(':')}`) as Mac)));
const news = (...all: FdbNews[]): Input => ({ type: 'bridge', change: { type: 'fdbNews', news: all } });
const link = (change: BridgeChange): Input => ({ type: 'bridge', change });

/** All orders of some things. */
function orders<T>(things: readonly T[]): T[][] {
  return things.length < 2 ? [[...things]] : things.flatMap((one, i) => orders(things.toSpliced(i, 1)).map((rest) => [one, ...rest]));
}

/** A node that has been there for long; its guests answer where they are asked. */
function settled(more: Parameters<Fabric['addNode']>[2] = {}): { fabric: Fabric; node: SimNode; asked: number[] } {
  const fabric = new Fabric();
  const asked: number[] = [];
  const node = fabric.addNode(1, undefined, more);
  fabric.run(3000);
  node.onProbe = (ifindex, frame) => {
    asked.push(ifindex);
    answerProbe(fabric, node, ifindex, frame);
  };
  return { fabric, node, asked };
}

describe('news of a port and of its forwarding entry, in any order', () => {
  for (const order of orders([0, 1])) {
    const name = order.map((i) => ['port', 'entry'][i]).join(', ');
    it(`a silent VM lands: ${name}`, () => {
      const { fabric, node, asked } = settled();
      for (const i of order) fabric.give(node, [link({ type: 'link', link: tap }), news(entry())][i] as Input);
      fabric.run(100);
      assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-1', 'hv-1']);
      assert.deepEqual([...new Set(asked)], [7]);
    });

    it(`its port comes from another bridge: ${name}`, () => {
      const { fabric, node } = settled({ links: [{ ...tap, master: 9 }] });
      for (const i of order) fabric.give(node, [link({ type: 'link', link: tap }), news({ ...entry(), bridge: 9, gone: true }, entry())][i] as Input);
      fabric.run(100);
      assert.equal(fabric.best(vm4), 'hv-1');
    });

    it(`it leaves, port and all: ${name}`, () => {
      const { fabric, node } = settled({ links: [tap] });
      fabric.frame(node, 7, rarpFrame(vmMac));
      fabric.give(node, news(entry()));
      fabric.run(100);
      assert.equal(fabric.best(vm4), 'hv-1');
      delete node.onProbe;
      for (const i of order) fabric.give(node, [link({ type: 'linkGone', ifindex: 7 }), news({ ...entry(), gone: true })][i] as Input);
      fabric.run(10_000);
      assert.equal(fabric.best(vm4), undefined);
    });
  }

  for (const order of orders([0, 1, 2]).filter((one) => one.indexOf(0) < one.indexOf(2))) {
    it(`a VM lands and says so: ${order.map((i) => ['port', 'entry', 'RARP'][i]).join(', ')}`, () => {
      const { fabric, node } = settled();
      for (const i of order) {
        if (i === 2) fabric.frame(node, 7, rarpFrame(vmMac));
        else fabric.give(node, [link({ type: 'link', link: tap }), news(entry())][i] as Input);
      }
      assert.ok([...node.speaker.world.locRib.handovers.values()].every((h) => h.state === 'elevated' && h.source === 'rarp' && h.endpoint?.ifindex === 7));
      fabric.run(2000);
      assert.equal(fabric.best(vm4), 'hv-1');
    });
  }

  it('entries that are told before the first look at links say where to ask', () => {
    const fabric = new Fabric();
    const first = fabric.addNode(1);
    const asked: number[] = [];
    const { speaker } = first;
    // The same speaker anew: an empty world, told of entries, then of links.
    speaker.world.bridges = { ...speaker.world.bridges, links: new Map(), byName: new Map(), ports: new Map() };
    first.onProbe = (ifindex) => { asked.push(ifindex); };
    for (const change of [
      { type: 'fdbDump', phase: 'begins' }, { type: 'fdbNews', news: [entry()], dumped: true }, { type: 'fdbDump', phase: 'ends' },
      { type: 'resync', links: [{ ifindex: bridge, name: 'br-vlan', mac: parseMac('02:00:00:00:00:01') as Mac, kind: 'bridge', up: true, carrier: true }, tap, { ...tap, ifindex: 8, name: 'tap1' }], ownAddresses: [] },
    ] satisfies BridgeChange[]) fabric.give(first, link(change));
    fabric.run(1500);
    assert.deepEqual([...new Set(asked)], [7]);
  });
});

describe('a flood of MACs on a port', () => {
  it('keeps no VM from being found behind that port, or another', () => {
    for (const ifindex of [7, 8]) {
      const { fabric, node, asked } = settled({ links: [tap, { ...tap, ifindex: 8, name: 'tap1' }] });
      const all = strangers(30_000);
      for (let i = 0; i < all.length; i += 300) fabric.give(node, news(...all.slice(i, i + 300)));
      assert.ok(node.speaker.world.bridges.entryCount <= 4096);
      fabric.give(node, news(entry(ifindex)));
      fabric.run(100);
      assert.equal(fabric.best(vm4), 'hv-1');
      assert.deepEqual([...new Set(asked)], [ifindex]);
    }
  });
});

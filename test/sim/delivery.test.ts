import assert from 'node:assert/strict';
import { rarpFrame } from '../../garp/wire/frames.ts';
import { collectMigration } from '../../src/collect/migrations.ts';
import { undeliverable } from '../../src/coverage.ts';
import { parseRewrites } from '../../src/doctor/source-rewriting.ts';
import { formatHistoryLine, parseHistoryLine } from '../../src/history.ts';
import type { Migration } from '../../routes/migrations.ts';
import { Fabric, vm4, vmMac, type SimNode } from './fabric.ts';

// Whether what the router sends for a claim can be delivered by the node: asked of the kernel when the UPDATE is out.

const bridge = 2;
const other = 3;

/** A VM is heard; the node's table sends to it by `outgoing`. */
function claimed(outgoing: number | undefined, { neighbour = true, ruleset = '' } = {}): { fabric: Fabric; node: SimNode; m: Migration; asked: () => number } {
  const fabric = new Fabric();
  const node = fabric.addNode(1);
  let asked = 0;
  node.onDelivery = () => {
    asked += 1;
    return { neighbour, ...(outgoing === undefined ? {} : { outgoing }) };
  };
  fabric.run(3000);
  fabric.give(node, { type: 'rewrites', rules: parseRewrites(ruleset) });
  const tap = fabric.addPort(node, 'tap0');
  fabric.frame(node, tap, rarpFrame(vmMac));
  fabric.run(100);
  const m = node.speaker.world.migrations.all.find((one) => one.address === vm4);
  assert.ok(m !== undefined);
  return { fabric, node, m, asked: () => asked };
}

const line = (m: Migration, event: string): string | undefined => m.timeline.find((one) => one.event === event)?.text;
const warnings = (node: SimNode): string[] => node.notes.filter((note) => note.event === 'claim.undeliverable').map((note) => `${String(note.fields['prefix'])} ${String(note.fields['text'])}`);

describe('deliverable', () => {
  it('is in the timeline, after the last byte, and in its JSON', () => {
    const { m, node, asked } = claimed(bridge);
    assert.equal(line(m, 'deliverable'), 'by br-vlan; neighbour entry there');
    const events = m.timeline.map((one) => one.event);
    assert.ok(events.indexOf('deliverable') > events.indexOf('written'));
    assert.equal(collectMigration(m).deliverable, true);
    assert.equal(parseHistoryLine(formatHistoryLine(m), node.speaker.world.now)?.deliverable, true);
    assert.deepEqual(warnings(node), []);
    assert.equal(asked(), 2, 'once for each address');
  });

  it('says when the first packet waits for a neighbour entry', () => {
    assert.match(line(claimed(bridge, { neighbour: false }).m, 'deliverable') ?? '', /no neighbour entry yet/);
  });

  it('a claim that is not is announced, and warned of with the reason', () => {
    for (const [outgoing, why] of [[undefined, /has no ipv4 route to it, not to br-vlan$/], [other, /sends it to bond0, not to br-vlan$/]] as const) {
      const { fabric, node, m } = claimed(outgoing);
      assert.match(line(m, 'undeliverable') ?? '', why);
      assert.equal(m.deliverable, false);
      assert.equal(fabric.best(), 'hv-1');
      assert.equal(warnings(node).length, 2);
      assert.match(undeliverable(node.speaker.world, () => outgoing)[0] ?? '', /^203\.0\.113\.11\/32 is undeliverable: it is announced, and this node's own table/);
    }
  });

  it('nor is one whose source a rule rewrites; a rule that names no source may', () => {
    const caught = claimed(bridge, { ruleset: 'table ip nat {\n  chain post {\n    oifname "rt0" ip saddr 203.0.113.0/24 masquerade\n  }\n}' });
    assert.match(line(caught.m, 'undeliverable') ?? '', /rewrites its source.*masquerade$/);
    assert.match(undeliverable(caught.node.speaker.world, () => bridge)[0] ?? '', /rewrites its source/);
    const elsewhere = claimed(bridge, { ruleset: 'ip saddr 10.0.0.0/8 masquerade' });
    assert.equal(line(elsewhere.m, 'deliverable'), 'by br-vlan; neighbour entry there');
    assert.match(line(claimed(bridge, { ruleset: 'oifname "rt0" masquerade' }).m, 'deliverable') ?? '', /a rule may rewrite its source/);
  });

  it('an answer for a claim that is over changes nothing', () => {
    const { fabric, node, m } = claimed(bridge);
    const before = m.timeline.length;
    node.speaker.world.migrations.open.clear();
    fabric.give(node, { type: 'delivery', answers: [{ vrf: 'default', address: vm4, ifindex: bridge, neighbour: true }] });
    assert.equal(m.timeline.length, before);
  });
});

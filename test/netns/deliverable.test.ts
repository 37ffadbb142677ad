import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { linkOf, type NodeName } from '../../src/demo/addresses.ts';
import { must, waitFor } from '../../src/demo/processes.ts';
import { nodeNamespace } from '../../src/demo/topology.ts';
import type { MigrationItem } from '../../src/views/items.ts';
import { Lab, beforeSecondTry, needs } from './lab.ts';

// What the node's own kernel makes of a claim: in the timeline of each, and aloud where it can't be delivered.

describe('deliverable, bird, l3', function () {
  this.timeout(120_000);
  let lab: Lab;
  before(async function () {
    needs(this, 'bird');
    lab = await Lab.start({ mode: 'l3', tors: ['bird'], nodes: { extra: 'kernel: {refreshNeighbors: true}\n' } });
  });
  after(async () => {
    await lab?.stop();
  });
  beforeSecondTry(async (title) => {
    await inside('b', 'sh', '-c', `ip route del ${lab.vm.ipv4}/32 via ${linkOf(0, 'b').tor.ipv4}; nft delete table ip nat; true`);
    await lab.tor.stop(); // where it is not away already
    await lab.tor.start();
    await lab.home(title.startsWith('a claim whose source') ? 'b' : 'a');
  });

  const inside = (node: NodeName, ...words: string[]): Promise<string> => must(lab.topology.namespaces.exec(nodeNamespace(node), words));

  /** The newest handover to a node of the VM's IPv4 address, once it says whether it is deliverable. */
  async function judged(node: NodeName): Promise<MigrationItem> {
    let last: MigrationItem | undefined;
    await waitFor('the kernel\'s answer in the timeline', 15_000, async () => {
      last = (await lab.nodes[node].migrations()).find((item) => item.direction === 'in' && item.prefix === `${lab.vm.ipv4}/32`);
      return last?.deliverable !== undefined;
    }, 100);
    return last as MigrationItem;
  }

  it('a claim whose packets leave by the bridge, with its neighbour entry written in the pass', async () => {
    await lab.stage.boot([lab.vm], 'a');
    await lab.agree(new Map([[lab.vm, 'a']]));
    for (const to of ['b', 'a'] as const) {
      await lab.stage.move(to, { leadMs: 300, keepSourceMs: 300 });
      await lab.agree(new Map([[lab.vm, to]]));
    }
    const item = await judged('a');
    assert.equal(item.deliverable, true);
    assert.deepEqual(item.timeline.filter((entry) => entry.event === 'deliverable').map((entry) => entry.text), ['by br-vlan; neighbour entry there']);
  });

  it('the first claim, also where it was made before the session with the router was up', async () => {
    // The router is away when the speaker of node a starts anew, without its memory, and finds the VM by asking.
    const before = (await lab.nodes.a.migrations()).map(({ id }) => id);
    await lab.nodes.a.stop();
    await lab.tor.stop();
    rmSync(join(lab.nodes.a.folder, 'state.json'));
    await lab.nodes.a.start();
    let found: MigrationItem | undefined;
    await waitFor('the claim', 30_000, async () => {
      found = (await lab.nodes.a.migrations()).find((item) => item.prefix === `${lab.vm.ipv4}/32` && !before.includes(item.id));
      return found !== undefined;
    }, 100);
    assert.deepEqual(found?.timeline.map((entry) => entry.event), ['frame', 'accepted'], 'nobody is told yet');
    await lab.tor.start();
    await lab.sessionsUp();
    await lab.agree(new Map([[lab.vm, 'a']]));
    const item = await judged('a');
    assert.equal(item.id, found?.id);
    assert.deepEqual(item.timeline.slice(0, 5).map((entry) => entry.event), ['frame', 'accepted', 'announced', 'written', 'deliverable']);
    assert.equal(item.deliverable, true);
  });

  it('a claim that the node\'s table sends elsewhere is announced, and warned of', async () => {
    await inside('b', 'ip', 'route', 'add', `${lab.vm.ipv4}/32`, 'via', linkOf(0, 'b').tor.ipv4);
    await lab.stage.move('b', { leadMs: 300, keepSourceMs: 300 });
    await lab.agree(new Map([[lab.vm, 'b']]));
    const item = await judged('b');
    assert.equal(item.deliverable, false);
    assert.match(item.timeline.find((entry) => entry.event === 'undeliverable')?.text ?? '', /sends it to rt0, not to br-vlan/);
    assert.match((await lab.nodes.b.cli(['status'])).stdout, /203\.0\.113\.11\/32 is undeliverable: it is announced, and this node's own table sends it to rt0/);
    assert.match((await lab.nodes.b.cli(['show', 'migration', item.id])).stdout, /undeliverable +this node's own table/);
    await inside('b', 'ip', 'route', 'del', `${lab.vm.ipv4}/32`);
  });

  it('a claim whose source the firewall rewrites', async () => {
    await inside('b', 'nft', 'add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; add rule ip nat post oifname "rt0" ip saddr 203.0.113.0/24 masquerade');
    // Rules are read at the start, now and then, and when the configuration is.
    assert.equal((await lab.nodes.b.cli(['reload'])).status, 0);
    const why = /a rule of the firewall rewrites its source.*masquerade/;
    await waitFor('the rule to be read', 15_000, async () => why.test((await lab.nodes.b.cli(['status'])).stdout), 200);
    for (const node of ['a', 'b'] as const) {
      await lab.stage.move(node, { leadMs: 300, keepSourceMs: 300 });
      await lab.agree(new Map([[lab.vm, node]]));
    }
    let item: MigrationItem | undefined;
    await waitFor('the rule in the timeline', 15_000, async () => {
      item = await judged('b');
      return why.test(item.timeline.find((entry) => entry.event === 'undeliverable')?.text ?? '');
    }, 200).catch(() => assert.fail(JSON.stringify(item?.timeline)));
    assert.equal((await judged('a')).deliverable, true, 'nothing is rewritten on node a');
  });
});

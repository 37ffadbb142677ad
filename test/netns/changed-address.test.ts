import assert from 'node:assert/strict';
import type { NodeName, Vm } from '../../src/demo/addresses.ts';
import { demoVm, hostPrefix } from '../../src/demo/addresses.ts';
import { waitFor, wallMs } from '../../src/demo/processes.ts';
import { cableOf, nodeNamespace, plug, unplug } from '../../src/demo/topology.ts';
import type { IgnoredItem } from '../../src/views/items.ts';
import { statusOf } from './faults.ts';
import { announcementFrame } from './frames.ts';
import { Lab, allOn, needs } from './lab.ts';

// Mode learn: two VMs of node a change their addresses, both families, and two others are given the old ones: one at node b, at once, one at
// node a, when they are free. A fifth stands still meanwhile. By design that takes five minutes, so FRR and BIRD are routers of the same nodes,
// and both kernels are asked.

const learnMode = (yaml: string): string => yaml.replace(/identity:\n {2}mode: strict\n {2}bindings:\n(?: {4}- .*\n)*/, 'identity: {mode: learn, learnedIdleFor: 1m}\n');
/** Questions one minute apart, before and after them one look. */
const atMostMs = 8 * 60_000;

describe('a changed address, FRR and BIRD', function () {
  this.timeout(atMostMs + 120_000);
  let lab: Lab;
  const [first, second, early, late, paused] = [1, 2, 3, 4, 5].map(demoVm) as [Vm, Vm, Vm, Vm, Vm];
  const changed = (vm: Vm): Vm => ({ ...vm, name: `${vm.name}, changed`, ipv4: demoVm(vm.index + 100).ipv4, ipv6: demoVm(vm.index + 100).ipv6 });
  const heir = (vm: Vm, of: Vm): Vm => ({ ...vm, name: `${vm.name}, heir`, ipv4: of.ipv4, ipv6: of.ipv6 });
  let changedAt = 0;

  before(async function () {
    needs(this, 'frr', 'bird');
    lab = await Lab.start({ mode: 'l3', tors: ['frr', 'bird'], vms: 5, nodes: { rewrite: learnMode } });
    // The bridge remembers a VM that stands still for longer than the questions take.
    await lab.topology.namespaces.ip(nodeNamespace('a'), ['link set br-vlan type bridge ageing_time 100000']);
    await unplug(lab.topology, early, 'a');
    await plug(lab.topology, early, 'b');
    await lab.stage.attach(early, 'b');
    await lab.stage.boot([first, second, paused], 'a');
    await lab.agree(allOn('a', [first, second, paused]));
    await lab.stage.detach(paused, 'a');
  });
  after(() => lab?.stop());

  /** The guest has these addresses and no others; nobody is told. */
  const give = (vm: Vm): Promise<void> => lab.topology.namespaces.ip(`vm${vm.index}`, [
    'addr flush dev eth0 scope global', `addr add ${vm.ipv4}/24 dev eth0`, `addr add ${vm.ipv6}/64 dev eth0 nodad`,
  ]);
  const announce = (vm: Vm, node: NodeName): Promise<void> => lab.sendFrames('hv', cableOf(vm, node), [announcementFrame(vm.mac, vm.ipv4), announcementFrame(vm.mac, vm.ipv6)]);
  const conflicts = async (node: NodeName, vm: Vm): Promise<IgnoredItem[]> => {
    const { items } = JSON.parse((await lab.nodes[node].cli(['show', 'ignored', '-o', 'json'])).stdout) as { items: IgnoredItem[] };
    return items.filter(({ verdict, mac }) => verdict === 'conflict' && mac === vm.mac);
  };
  /** FRR replaces an IPv6 route by deleting it and adding another. */
  const deleted = (vm: Vm): string[] => lab.watches.flatMap(({ events }) => events.filter((event) => event.deleted && event.prefix === hostPrefix(vm.ipv4)).map(({ prefix }) => prefix));

  it('the new addresses are announced at once, and the old ones stay for now', async () => {
    for (const vm of [first, second]) await give(changed(vm));
    changedAt = wallMs();
    for (const vm of [first, second]) await announce(changed(vm), 'a');
    for (const vm of [first, second]) {
      for (const watch of lab.watches) {
        for (const address of [changed(vm).ipv4, changed(vm).ipv6]) await waitFor(`a route to ${address}`, 10_000, () => watch.firstVia(hostPrefix(address), 'a0', changedAt - 1000));
      }
    }
    await lab.agree(allOn('a', [first, second, changed(first), changed(second), paused]));
  });

  it('who is given an old one before it is free is refused, shown, and no router hears of it', async () => {
    await give(heir(early, first));
    await lab.withoutUpdate(() => announce(heir(early, first), 'b'));
    const refused = await conflicts('b', early);
    assert.deepEqual(refused.map(({ address }) => address).sort(), [first.ipv4, first.ipv6].sort());
    await lab.agree(allOn('a', [first, second, changed(first), changed(second), paused]));
  });

  it('the old ones are asked for and dropped, no others; who was refused is asked then, and announced without another word', async () => {
    await lab.agree(new Map<Vm, NodeName>([[changed(first), 'a'], [changed(second), 'a'], [paused, 'a'], [heir(early, first), 'b']]), atMostMs);
    const afterMs = wallMs() - changedAt;
    process.stdout.write(`      ${Math.round(afterMs / 1000)} s after the change\n`);
    assert.ok(afterMs > 3 * 60_000, `${afterMs} ms: three questions, a minute apart, come first`);
    assert.deepEqual([changed(first), changed(second)].flatMap(deleted), []);
  });

  it('one that stands still all the time keeps its own, and has them when it runs again', async () => {
    assert.deepEqual(deleted(paused), []);
    await lab.stage.attach(paused, 'a');
    assert.deepEqual((await lab.nodes.a.prefixes()).filter(({ mac, state }) => mac === paused.mac && (state === 'elevated' || state === 'normal')).length, 2);
  });

  it('what is free goes to the next VM of the same node with its first word, and nobody is in conflict', async () => {
    await give(heir(late, second));
    await announce(heir(late, second), 'a');
    await lab.agree(new Map<Vm, NodeName>([[changed(first), 'a'], [changed(second), 'a'], [paused, 'a'], [heir(early, first), 'b'], [heir(late, second), 'a']]));
    assert.deepEqual(await conflicts('a', late), []);
    for (const node of ['a', 'b'] as const) {
      assert.ok((await lab.nodes[node].prefixes()).every(({ state }) => state !== 'held'));
      assert.doesNotMatch(JSON.stringify(await statusOf(lab.nodes[node])), /flap|conflict|frozen/);
    }
  });
});

import assert from 'node:assert/strict';
import { cableOf, plug } from '../../src/demo/topology.ts';
import type { NodeName } from '../../src/demo/addresses.ts';
import { demoVm, hostPrefix, nodeNames } from '../../src/demo/addresses.ts';
import { kernelHostRoutes } from '../../src/demo/kernel-routes.ts';
import { sleep, waitFor } from '../../src/demo/processes.ts';
import { BirdTor } from '../../src/demo/tor-bird.ts';
import { Lab, needs } from './lab.ts';
import { rarpFrame } from './frames.ts';

// Two nodes claim a VM at the same moment, before either has heard of the other: the sequences are equal. iBGP, profile sequence.

const vm = demoVm(7);

for (const kind of ['frr', 'bird'] as const) describe(`claims of the same second, ${kind}`, function () {
  this.timeout(60_000);
  let lab: Lab | undefined;
  before(async function () {
    needs(this, kind);
    lab = await Lab.start({ mode: 'l3', tors: [kind], vms: 0, paperVms: [vm] });
  });
  after(() => lab?.stop());

  it('are never two paths of one route, and the router and both nodes agree on the lower BGP Identifier', async () => {
    const { topology } = lab!;
    const announcing = async (node: NodeName): Promise<boolean> => (await lab!.nodes[node].prefixes()).some((item) => item.peers.sent > 0);
    // Nobody answers probes behind these ports, so that nothing but the tie decides.
    for (const node of nodeNames) await plug(topology, vm, node);
    await sleep(500);
    await waitFor('the first half of a second', 2000, () => Date.now() % 1000 < 400, 5);
    // FRR takes 40 ms until it tells of a claim; BIRD tells sooner than two frames can be sent, so it reads nothing until both have claimed.
    const bird = lab!.tor instanceof BirdTor ? lab!.tor : undefined;
    bird?.signal('SIGSTOP');
    try {
      await Promise.all(nodeNames.map((node) => lab!.sendFrames('hv', cableOf(vm, node), [rarpFrame(vm.mac)])));
      if (bird !== undefined) await waitFor('both nodes to claim', 5000, async () => (await Promise.all(nodeNames.map(announcing))).every((announces) => announces), 50);
    } finally {
      bird?.signal('SIGCONT');
    }
    const sequences: number[] = [];
    await waitFor('one of the nodes to give way', 10_000, async () => (await announcing('a')) && !(await announcing('b')), 100);
    for (const node of nodeNames) for (const item of await lab!.nodes[node].prefixes()) sequences.push(item.sequence ?? 0);
    assert.equal(new Set(sequences).size, 1, `sequences ${sequences.join()} are no tie`);
    const kernel = await kernelHostRoutes(topology.namespaces, lab!.tor.namespace);
    for (const address of [vm.ipv4, vm.ipv6]) assert.deepEqual(kernel.get(hostPrefix(address)), ['a0']);
    lab!.neverMultipath();
  });
});

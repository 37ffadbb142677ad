import type { NodeName, Vm } from '../../src/demo/addresses.ts';
import { crowdVm } from '../../src/demo/addresses.ts';
import { sleep } from '../../src/demo/processes.ts';
import { nodeNamespace } from '../../src/demo/topology.ts';
import { Lab, allOn, needs } from './lab.ts';
import { garpFrame, rarpFrame, resumeFrames } from './frames.ts';

// Frames made by hand on a port made by hand: a crowd of VMs at once, and tagged frames.

/** A port of node `node`'s bridge whose other end, `name`, is in hv. */
async function plugByHand(lab: Lab, node: NodeName, name: string): Promise<void> {
  await lab.topology.namespaces.ip('hv', [`link add ${name} type veth peer name veth-${name} netns @${nodeNamespace(node)}`, `link set ${name} arp off`, `link set ${name} up`]);
  await lab.topology.namespaces.ip(nodeNamespace(node), [`link set veth-${name} master br-vlan up`]);
}

const crowdVms: Vm[] = Array.from({ length: 1000 }, (_, i) => crowdVm(i + 1));

for (const kind of ['frr', 'bird'] as const) {
  describe(`1,000 VMs at once, ${kind}`, function () {
    this.timeout(90_000);
    let lab: Lab;
    before(async function () {
      needs(this, kind);
      lab = await Lab.start({ mode: 'l3', tors: [kind], vms: 0, paperVms: crowdVms, nodes: { localPorts: ['veth-*'] } });
      await plugByHand(lab, 'a', 'crowd-a');
      await plugByHand(lab, 'b', 'crowd-b');
    });
    after(() => lab?.stop());

    it('all start on node a', async () => {
      await lab.sendFrames('hv', 'crowd-a', crowdVms.map((vm) => rarpFrame(vm.mac)));
      await lab.agree(allOn('a', crowdVms), 30_000);
    });

    it('all move to node b', async () => {
      await lab.sendFrames('hv', 'crowd-b', crowdVms.map((vm) => rarpFrame(vm.mac)));
      await lab.agree(allOn('b', crowdVms), 30_000);
    });
  });
}

describe('tagged frames', function () {
  this.timeout(60_000);
  let lab: Lab;
  const tagged = crowdVm(1);
  before(async function () {
    needs(this, 'frr');
    lab = await Lab.start({ mode: 'l2', tors: ['frr'], vms: 0, paperVms: [tagged], nodes: { localPorts: ['veth-*'], vlan: 100 } });
    await plugByHand(lab, 'a', 'trunk-a');
    await plugByHand(lab, 'b', 'trunk-b');
  });
  after(() => lab?.stop());

  it('of another VLAN than the binding\'s send nothing', async () => {
    await sleep(500); // End-of-RIB is an UPDATE, too
    await lab.withoutUpdate(() => lab.sendFrames('hv', 'trunk-a', [...resumeFrames(tagged, 101), ...resumeFrames(tagged)]));
    await lab.agree(new Map());
  });

  it('of its VLAN announce the VM', async () => {
    await lab.sendFrames('hv', 'trunk-a', resumeFrames(tagged, 100));
    await lab.agree(allOn('a', [tagged]));
  });

  it('move it', async () => {
    await lab.sendFrames('hv', 'trunk-b', [rarpFrame(tagged.mac, 100)]);
    await lab.agree(allOn('b', [tagged]));
    await lab.sendFrames('hv', 'trunk-a', [rarpFrame(tagged.mac, 100), garpFrame(tagged.mac, tagged.ipv4, { vlan: 100 })]);
    await lab.agree(allOn('a', [tagged]));
  });
});

import assert from 'node:assert/strict';
import type { NodeName } from '../../src/demo/addresses.ts';
import { vlan } from '../../src/demo/addresses.ts';
import { sleep } from '../../src/demo/processes.ts';
import { cableOf, plug, unplug } from '../../src/demo/topology.ts';
import { ordinaryNs } from '../sim/ordinary.ts';
import { arp, ethernet } from './frames.ts';
import { Lab, allOn, needs } from './lab.ts';

// Guests that never announce themselves, with `any-arp`: what they say to their gateway claims by itself. Nobody is behind the ports that speak
// here, so that no answer to a question can be what claims.

for (const kind of ['frr', 'bird'] as const) {
  describe(`ordinary frames with any-arp, ${kind}`, function () {
    this.timeout(60_000);
    let lab: Lab;
    before(async function () {
      needs(this, kind);
      lab = await Lab.start({
        mode: 'l3', tors: [kind],
        nodes: { rewrite: (yaml) => yaml.replace('announcements: [garp, rarp, na]', 'announcements: [garp, rarp, na, any-arp]'), extra: 'migration: {firstEvidence: any}\n' },
      });
      await lab.stage.boot([lab.vm], 'a');
      await lab.agree(allOn('a', [lab.vm]));
      await plug(lab.topology, lab.vm, 'b');
      await lab.stage.detach(lab.vm, 'a');
    });
    after(() => lab?.stop());

    const claimedBy = async (node: NodeName): Promise<string[]> => (await lab.nodes[node].prefixes()).filter(({ state }) => state !== 'withdrawn').map(({ source }) => source);

    it('one ordinary ARP claims, and moves both families', async () => {
      const { mac, ipv4 } = lab.vm;
      await lab.sendFrames('hv', cableOf(lab.vm, 'b'), [ethernet('ff:ff:ff:ff:ff:ff', mac, 0x0806, arp(1, mac, ipv4, '00:00:00:00:00:00', vlan.gateway.ipv4))]);
      await lab.agree(allOn('b', [lab.vm]));
      assert.deepEqual(await claimedBy('b'), ['arp', 'arp']);
    });

    it('one Neighbor Solicitation claims', async () => {
      // Node a asks for its VM, and what came then would be an answer, which is for one address alone. Behind a new port it asks nobody.
      await unplug(lab.topology, lab.vm, 'a');
      await plug(lab.topology, lab.vm, 'a');
      await sleep(1200);
      await lab.sendFrames('hv', cableOf(lab.vm, 'a'), [ordinaryNs({ index: 0, vrf: 'default', mac: lab.vm.mac, addresses: [lab.vm.ipv4, lab.vm.ipv6] })]);
      await lab.agree(allOn('a', [lab.vm]));
      assert.deepEqual(await claimedBy('a'), ['ns', 'ns']);
    });
  });
}

import assert from 'node:assert/strict';
import { tapMac } from '../../src/demo/addresses.ts';
import { waitFor } from '../../src/demo/processes.ts';
import { cableOf, nodeNamespace, plug, portOf, unplug } from '../../src/demo/topology.ts';
import type { IgnoredItem } from '../../src/views/items.ts';
import { Lab, allOn, needs } from './lab.ts';
import { rarpFrame, resumeFrames } from './frames.ts';

// A VM's MAC behind two ports of node a: its own, which lives, and a second, behind which it spoke. Then node b claims. Whether the VM is
// behind the second port or has gone, nobody can see; both are asked, and the routers' kernels follow the answer.

for (const kind of ['frr', 'bird'] as const) {
  describe(`a VM's MAC behind two ports of one node, ${kind}`, function () {
    this.timeout(90_000);
    let lab: Lab;
    const second = 'veth-second';

    before(async function () {
      needs(this, kind);
      lab = await Lab.start({ mode: 'l3', tors: [kind], nodes: { localPorts: ['veth-*'] } });
      await lab.topology.namespaces.ip('hv', [`link add second type veth peer name ${second} netns @${nodeNamespace('a')}`, 'link set second arp off', 'link set second up']);
      await lab.topology.namespaces.ip(nodeNamespace('a'), [`link set ${second} address ${tapMac(lab.vm)}`, `link set ${second} master br-vlan up`]);
      await lab.stage.boot([lab.vm], 'a');
      await lab.agree(allOn('a', [lab.vm]));
    });
    after(() => lab?.stop());

    /** Joins the VM's network card to the second port, or takes it off. */
    const join = (words: string): Promise<void> => lab.topology.namespaces.ip('hv', [`link set second ${words}`]);

    const conflicts = async (): Promise<number> => {
      const { items } = JSON.parse((await lab.nodes.a.cli(['show', 'ignored', '-o', 'json'])).stdout) as { items: IgnoredItem[] };
      return items.filter((item) => item.port === second && item.verdict === 'conflict').reduce((sum, item) => sum + item.count, 0);
    };

    /** The VM's MAC speaks behind the second port while the first lives: no router hears of it. */
    async function speakBehindSecond(): Promise<void> {
      const before = await conflicts();
      const updates = await lab.tor.updatesReceived();
      await lab.sendFrames('hv', 'second', resumeFrames(lab.vm));
      await waitFor('node a to have heard all of it', 15_000, async () => (await conflicts()) >= before + resumeFrames(lab.vm).length, 100);
      assert.equal(await lab.tor.updatesReceived(), updates, 'UPDATEs');
    }

    const claimedBehind = (port: string): Promise<unknown> => waitFor(`the claim of node a to be for ${port}`, 15_000, async () => {
      const items = (await lab.nodes.a.prefixes()).filter((item) => item.state === 'elevated' || item.state === 'normal');
      return items.length === 2 && items.every((item) => item.port === port);
    }, 100);

    it('it is behind the second when node b claims: it is asked there too, and its answer takes the route back', async () => {
      await plug(lab.topology, lab.vm, 'b');
      await lab.stage.detach(lab.vm, 'a');
      await join(`master vm${lab.vm.index}`);
      await speakBehindSecond();
      // Nobody is behind that port.
      await lab.sendFrames('hv', cableOf(lab.vm, 'b'), [rarpFrame(lab.vm.mac)]);
      await waitFor('the claim of node b', 15_000, async () => (await lab.nodes.b.migrations()).some((item) => item.direction === 'in' && item.announceSeconds !== undefined), 50);
      await claimedBehind(second);
      await lab.agree(allOn('a', [lab.vm]));
      const taken = (await lab.nodes.a.migrations()).find((item) => item.direction === 'in');
      assert.equal(taken?.seenBy, 'probe', 'by its answer');
    });

    it('its first port goes while it is silent behind the second: it is asked there, and no route is withdrawn', async () => {
      await join('nomaster');
      await lab.stage.attach(lab.vm, 'a');
      await lab.topology.namespaces.ip(nodeNamespace('a'), [`link set ${second} nomaster`, `link set ${second} master br-vlan`]);
      await lab.stage.boot([lab.vm], 'a');
      await claimedBehind(portOf(lab.vm));
      await lab.agree(allOn('a', [lab.vm]));
      await lab.stage.detach(lab.vm, 'a');
      await join(`master vm${lab.vm.index}`);
      await speakBehindSecond();
      const left = lab.watches[0]?.events.length ?? 0;
      await unplug(lab.topology, lab.vm, 'a');
      await claimedBehind(second);
      await lab.agree(allOn('a', [lab.vm]));
      // FRR replaces an IPv6 route by deleting it and adding another.
      assert.deepEqual(lab.watches[0]?.events.slice(left).filter((event) => event.deleted && !event.prefix.includes(':')), []);
    });

    it('it has gone to node b while another spoke behind the second: nobody answers at either, and node a gives way', async () => {
      await join('nomaster');
      await plug(lab.topology, lab.vm, 'a');
      await lab.stage.attach(lab.vm, 'a');
      await lab.topology.namespaces.ip(nodeNamespace('a'), [`link set ${second} nomaster`, `link set ${second} master br-vlan`]);
      await lab.stage.boot([lab.vm], 'a');
      await claimedBehind(portOf(lab.vm));
      await lab.agree(allOn('a', [lab.vm]));
      await speakBehindSecond();
      await lab.stage.move('b', { leadMs: 300 });
      await lab.agree(allOn('b', [lab.vm]));
    });
  });
}

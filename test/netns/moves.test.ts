import assert from 'node:assert/strict';
import type { NodeName } from '../../src/demo/addresses.ts';
import { hostPrefix, linkOf } from '../../src/demo/addresses.ts';
import { sleep } from '../../src/demo/processes.ts';
import type { TorKind } from '../../src/demo/tor.ts';
import type { Mode } from '../../src/demo/topology.ts';
import { cableOf, plug, unplug } from '../../src/demo/topology.ts';
import { Lab, allOn, beforeSecondTry, needs } from './lab.ts';
import { announcementFrame, dadFrame, garpFrame, rarpFrame, resumeFrames } from './frames.ts';

// Moves that do not go by the book. One topology for each mode; every scenario begins and ends with the VM on a known node.

const rooms: { kind: TorKind; mode: Mode }[] = [
  { kind: 'frr', mode: 'l3' },
  { kind: 'bird', mode: 'l2' },
];

for (const { kind, mode } of rooms) {
  describe(`moves that do not go by the book, ${kind}, ${mode}`, function () {
    this.timeout(60_000);
    let lab: Lab;
    const on = (node: NodeName): Promise<void> => lab.agree(allOn(node, [lab.vm]));

    /** How many frames from its uplink node a took for reflections. */
    const reflections = async (): Promise<number> => {
      const { items } = JSON.parse((await lab.nodes.a.cli(['show', 'ignored', '-o', 'json'])).stdout) as { items: { verdict: string; port?: string; count: number }[] };
      return items.filter((item) => item.verdict === 'reflection' && item.port === 'up0').reduce((sum, item) => sum + item.count, 0);
    };

    before(async function () {
      needs(this, kind);
      // All that can go wrong with one VM in three minutes would freeze its addresses, and rightly.
      lab = await Lab.start({ mode, tors: [kind], nodes: { extra: 'migration: {flap: {moves: 50}}\n' } });
      await lab.stage.boot([lab.vm], 'a');
      await on('a');
    });
    after(() => lab?.stop());
    beforeSecondTry((title) => lab.home(title.startsWith('the port at the source is deleted') ? 'b' : 'a'));

    it('cancelled after RARP: the port at the destination vanishes, the VM resumes at the source', async () => {
      await plug(lab.topology, lab.vm, 'b');
      await lab.stage.detach(lab.vm, 'a');
      await lab.sendFrames('hv', cableOf(lab.vm, 'b'), [rarpFrame(lab.vm.mac)]);
      await on('b');
      await unplug(lab.topology, lab.vm, 'b');
      await lab.stage.boot([lab.vm], 'a');
      await on('a');
    });

    it('cancelled before RARP: a port at the destination comes and goes, and no router hears of it', async () => {
      await lab.withoutUpdate(async () => {
        await plug(lab.topology, lab.vm, 'b');
        await sleep(500);
        await unplug(lab.topology, lab.vm, 'b');
      }, 2500);
      await on('a');
    });

    it('too early: DAD, GARP and NA of a new veth while the claim of node a stands send nothing; the RARP claims once', async () => {
      await plug(lab.topology, lab.vm, 'b');
      const early = [dadFrame(lab.vm.mac, lab.vm.ipv6), garpFrame(lab.vm.mac, lab.vm.ipv4), announcementFrame(lab.vm.mac, lab.vm.ipv6), garpFrame(lab.vm.mac, lab.vm.ipv4, { reply: true })];
      const from = linkOf(0, 'b').node.ipv4;
      const before = await lab.tor.updatesReceived(from);
      if (mode === 'l3') {
        await lab.withoutUpdate(() => lab.sendFrames('hv', cableOf(lab.vm, 'b'), early, 50));
      } else {
        // On a stretched VLAN node a hears them from its uplink, and cannot know that they are early: it asks its VM.
        await lab.sendFrames('hv', cableOf(lab.vm, 'b'), early, 50);
        await sleep(1500);
        assert.equal(await lab.tor.updatesReceived(from), before);
        await on('a');
      }
      await lab.stage.detach(lab.vm, 'a');
      await lab.stage.attach(lab.vm, 'b');
      await lab.sendFrames('hv', cableOf(lab.vm, 'b'), resumeFrames(lab.vm));
      await on('b');
      assert.equal(await lab.tor.updatesReceived(from), before + 2, 'one UPDATE for each family');
    });

    it('the port at the source is deleted before anybody speaks', async () => {
      await unplug(lab.topology, lab.vm, 'a');
      await lab.stage.move('a', { leadMs: 200, keepSourceMs: 0 });
      await on('a');
    });

    it('the source port goes with the VM: its routes are withdrawn after the grace', async () => {
      await unplug(lab.topology, lab.vm, 'a');
      await lab.agree(new Map(), 10_000);
      await plug(lab.topology, lab.vm, 'a');
      await lab.stage.boot([lab.vm], 'a');
      await on('a');
    });

    it('the destination port is deleted after the move, with the VM gone for good', async () => {
      await lab.stage.move('b', { leadMs: 200, keepSourceMs: 200 });
      await on('b');
      await unplug(lab.topology, lab.vm, 'b');
      await lab.agree(new Map(), 10_000);
      await plug(lab.topology, lab.vm, 'a');
      await lab.stage.boot([lab.vm], 'a');
      await on('a');
    });

    it('a VM that speaks from a new port within the grace has not left: the router has the route all the time', async () => {
      await unplug(lab.topology, lab.vm, 'a');
      await sleep(300);
      await plug(lab.topology, lab.vm, 'a');
      await lab.stage.attach(lab.vm, 'a');
      // Beside the looks, which may take their time: the grace does not wait for them.
      const spoken = sleep(300).then(() => lab.sendFrames('hv', cableOf(lab.vm, 'a'), resumeFrames(lab.vm)));
      for (let look = 0; look < 30; look++) {
        const routes = (await lab.tor.routes()).filter((route) => route.best).map((route) => route.prefix);
        for (const address of [lab.vm.ipv4, lab.vm.ipv6]) assert.ok(routes.includes(hostPrefix(address)), `look ${look}: no route to ${address}`);
        await sleep(100);
      }
      await spoken;
      await on('a');
    });

    it('A to B to A to B without a rest', async () => {
      for (const to of ['b', 'a', 'b', 'a'] as const) await lab.stage.move(to, { leadMs: 50, pauseMs: 20, keepSourceMs: 20 });
      await on('a');
    });

    if (mode === 'l2') {
      it('reflected: the VM\'s own frames from the uplink, 0.4, 50 and 900 ms later, send nothing', async () => {
        const frame = garpFrame(lab.vm.mac, lab.vm.ipv4);
        await lab.sendFrames('hv', cableOf(lab.vm, 'a'), [frame]);
        await sleep(200);
        const before = await reflections(); // a RARP is the same wherever it is sent: quick moves leave some
        await lab.withoutUpdate(async () => {
          await lab.sendFrames('hv', cableOf(lab.vm, 'a'), [frame]);
          for (const wait of [0.4, 50, 850]) {
            await sleep(wait);
            await lab.sendFrames('tor', 'sw-a', [frame]);
          }
        });
        assert.equal((await reflections()) - before, 3, 'reflections counted');
        await on('a');
      });

      it('a RARP of the VM from the uplink demotes node a at once', async () => {
        await sleep(5500); // a RARP that a local port sent is the same bytes: until now this one would be its echo
        const departures = async (): Promise<number> => (await lab.nodes.a.migrations()).filter((item) => item.direction === 'out' && item.seenBy === 'uplink').length;
        const before = await departures();
        await lab.sendFrames('tor', 'sw-a', [rarpFrame(lab.vm.mac)]);
        await sleep(300);
        assert.equal(await departures(), before + 2, 'one for each family');
        await lab.stage.boot([lab.vm], 'a');
        await on('a');
      });
    }
  });
}

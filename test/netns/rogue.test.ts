import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { clockSequence } from '../../routes/claim.ts';
import { hostPrefix, linkOf } from '../../src/demo/addresses.ts';
import { kernelHostRoutes, torPort } from '../../src/demo/kernel-routes.ts';
import { Daemon, sleep, waitFor } from '../../src/demo/processes.ts';
import { nodeNamespace, plug, unplug } from '../../src/demo/topology.ts';
import type { PrefixItem } from '../../src/views/items.ts';
import { logOf } from './faults.ts';
import { Lab, allOn, needs } from './lab.ts';

// Claims of another node for a VM that lives on node a, and answers there: by hand, and by a node whose clock is ten years ahead. The router's
// kernel is asked.

const tenYears = 10 * 365 * 86_400;

for (const kind of ['frr', 'bird'] as const) {
  describe(`a rogue claim, ${kind}`, function () {
    this.timeout(120_000);
    let lab: Lab;
    before(async function () {
      needs(this, kind);
      lab = await Lab.start({ mode: 'l3', tors: [kind] });
      await lab.stage.boot([lab.vm], 'a');
      await lab.agree(allOn('a', [lab.vm]));
    });
    after(() => lab?.stop());

    const leadsTo = async (node: 'a' | 'b'): Promise<boolean> =>
      (await kernelHostRoutes(lab.topology.namespaces, lab.tor.namespace)).get(hostPrefix(lab.vm.ipv4))?.join() === torPort(node);
    const ours = async (): Promise<PrefixItem | undefined> => (await lab.nodes.a.prefixes()).find(({ prefix }) => prefix === hostPrefix(lab.vm.ipv4));

    it('for a VM that answers: it is asked, and the router is back at its node; a second time too', async () => {
      for (let round = 0; round < 2; round++) {
        const before = (await ours())?.sequence ?? 0;
        assert.equal((await lab.nodes.b.cli(['announce', lab.vm.ipv4])).status, 0);
        await waitFor(`the answer to claim ${round + 1}`, 20_000, async () => ((await ours())?.sequence ?? 0) > before && leadsTo('a'), 100);
        await sleep(500);
        assert.ok(await leadsTo('a'), 'and stays');
        assert.equal((await lab.nodes.b.cli(['auto', lab.vm.ipv4])).status, 0);
      }
      assert.equal((await lab.nodes.a.cli(['clear', hostPrefix(lab.vm.ipv4)])).status, 0);
      await lab.agree(allOn('a', [lab.vm]));
    });

    it('of a node with a clock ten years ahead: refused, alarmed, never adopted; our claim stands, and the router is back when that node is gone', async () => {
      await lab.nodes.b.stop();
      const before = (await ours())?.sequence;
      const { tor, node } = linkOf(0, 'b');
      const far = clockSequence({ monotonicMs: 0, wallMs: Date.now(), wallTrusted: true }) + tenYears;
      const script = fileURLToPath(new URL('mistaken-node.ts', import.meta.url));
      const mistaken = new Daemon('node-b/mistaken', lab.topology.namespaces.exec(nodeNamespace('b'), [process.execPath, '--import', 'tsx', script, tor.ipv4, node.ipv4, lab.vm.mac, String(far), lab.vm.ipv4]));
      await waitFor('the router to follow it, as routers do', 30_000, async () => {
        assert.ok(mistaken.alive, mistaken.tail);
        return leadsTo('b');
      }, 100);
      await waitFor('node a to refuse it', 15_000, () => /"route\.refused".*"future"|"verdict":"future"/.test(logOf(lab, 'a')));
      const standing = await ours();
      assert.deepEqual([standing?.sequence, standing?.peers.sent], [before, 1], 'its claim stands as it was');
      await mistaken.stop();
      await waitFor('the router to be back', 30_000, () => leadsTo('a'), 100);
      assert.equal((await ours())?.sequence, before);
      // The next claim of the address is a sane one.
      await unplug(lab.topology, lab.vm, 'a');
      await plug(lab.topology, lab.vm, 'a');
      await lab.stage.boot([lab.vm], 'a');
      await waitFor('the next claim', 15_000, async () => ((await ours())?.sequence ?? 0) > (before ?? 0), 100);
      const next = (await ours())?.sequence ?? Infinity;
      assert.ok(next < far - tenYears + 3600, `${next}`);
      await waitFor('the router to have it', 15_000, () => leadsTo('a'), 100);
    });
  });
}

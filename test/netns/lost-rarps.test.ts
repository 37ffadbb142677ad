import assert from 'node:assert/strict';
import type { NodeName } from '../../src/demo/addresses.ts';
import { sleep } from '../../src/demo/processes.ts';
import { cableOf, plug, unplug } from '../../src/demo/topology.ts';
import { rarpFrame } from './frames.ts';
import { Lab, allOn, beforeSecondTry, needs } from './lab.ts';

// A guest that says nothing moves back and forth, some twenty times a minute. Of the five RARPs that QEMU sends for it other ones get through each
// time: all subsets but the empty one, which identity.test.ts has. The router's kernel is asked after each move.

/** After RESUME, milliseconds. */
const rarpTimes = [0, 50, 200, 450, 800];

for (const kind of ['frr', 'bird'] as const) {
  describe(`RARPs lost on the way, ${kind}`, function () {
    this.timeout(400_000);
    let lab: Lab;
    before(async function () {
      needs(this, kind);
      lab = await Lab.start({ mode: 'l3', tors: [kind] });
      await lab.stage.boot([lab.vm], 'a');
      await lab.agree(allOn('a', [lab.vm]));
      await lab.stage.detach(lab.vm, 'a');
    });
    after(() => lab?.stop());
    beforeSecondTry(async () => {
      await lab.home('a');
      await lab.stage.detach(lab.vm, 'a');
    });

    async function move(from: NodeName, to: NodeName, heard: readonly number[]): Promise<void> {
      const { topology, stage, vm } = lab;
      await plug(topology, vm, to);
      await sleep(150);
      await stage.detach(vm, from);
      await stage.attach(vm, to);
      const resumedAt = Date.now();
      for (const at of heard) {
        await sleep(Math.max(0, resumedAt + at - Date.now()));
        await lab.sendFrames('hv', cableOf(vm, to), [rarpFrame(vm.mac)]);
      }
      await unplug(topology, vm, from);
      await lab.agree(allOn(to, [vm])).catch((error: Error) => assert.fail(`${from} to ${to}, RARPs heard at ${heard.join(', ')} ms: ${error.message}`));
    }

    it('the first that is heard moves both families, in each of 31 moves, and none of them is held for a flap', async () => {
      const beganAt = Date.now();
      const earlier = new Set((await Promise.all((['a', 'b'] as const).map((node) => lab.nodes[node].migrations()))).flat().map(({ id }) => id));
      for (let subset = 1; subset < 32; subset++) {
        const [from, to] = subset % 2 === 1 ? ['a', 'b'] as const : ['b', 'a'] as const;
        await move(from, to, rarpTimes.filter((_, i) => (subset & (1 << i)) !== 0));
      }
      process.stdout.write(`      31 moves in ${((Date.now() - beganAt) / 1000).toFixed(0)} s\n`);
      for (const node of ['a', 'b'] as const) {
        const items = (await lab.nodes[node].migrations()).filter(({ id }) => !earlier.has(id));
        assert.ok(items.length >= 31, `${items.length} migrations on node ${node}`);
        assert.deepEqual(items.filter(({ result }) => /held|reclaimed/.test(result)), []);
        assert.ok((await lab.nodes[node].prefixes()).every(({ state }) => state !== 'held'));
      }
    });
  });
}

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeName, Vm } from '../../src/demo/addresses.ts';
import { nodeNames } from '../../src/demo/addresses.ts';
import { sleep, waitFor } from '../../src/demo/processes.ts';
import { beforeSecondTry, needs } from './lab.ts';
import { ownRoutes, TwoVlans } from './two-vlans.ts';

// SIGKILL for the speaker that a VM leaves, or for the one that it comes to, at some moment of its move: nothing goes round, and nothing is left.

/** After the first frame at the destination, milliseconds. */
const points = [-300, -150, -50, -10, 0, 1, 2, 3, 5, 8, 12, 20, 35, 60, 100, 200, 400, 700, 1000, 1500];
/** Every how manieth of them, each for both speakers: 1 is all. */
const step = Number(process.env['LANDFALL_KILL_STEP'] ?? 4);
const ceilingMs = 3000;

describe(`killed at ${Math.ceil(points.length / step)} points of a move, either speaker: l3, frr, kernel.routes received, stragglers`, function () {
  this.timeout(180_000);
  let crowd: TwoVlans;
  let folder: string;
  before(async function () {
    needs(this, 'frr');
    folder = mkdtempSync(join(tmpdir(), 'landfall-kill-'));
    writeFileSync(join(folder, 'key'), 'a key of the whole fleet\n', { mode: 0o600 });
    crowd = await TwoVlans.start({ mode: 'l3', tor: 'frr', routes: 'received', extra: `stragglers: {enabled: true, ceiling: ${ceilingMs / 1000}s, key: {file: ${folder}/key}}\n` });
    await crowd.looped();
  });
  after(async () => {
    await crowd?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  beforeSecondTry(async () => {
    for (const node of nodeNames) if (!crowd.lab.nodes[node].alive) await crowd.lab.nodes[node].start();
    await crowd.lab.sessionsUp();
    for (const ns of ['vm3', 'client']) await crowd.flowed(ns);
  });

  /** What is in the kernels is what the VMs' places demand: a route to each VM elsewhere, by the router, and nothing through the tunnel. */
  async function tablesAreRight(): Promise<void> {
    let seen = '';
    await waitFor('tables', 20_000, async () => {
      const wrong = await Promise.all(nodeNames.map(async (node) => {
        const routes = await ownRoutes(crowd.lab, node);
        const wanted = crowd.vms.filter((vm) => crowd.place.get(vm) !== node).flatMap((vm): string[] => [vm.ipv4, vm.ipv6]).sort();
        const right = JSON.stringify(routes.filter((line) => line.includes(' dev rt0 ')).map((line) => line.split(' ')[0]).sort()) === JSON.stringify(wanted) && routes.length === wanted.length;
        return right ? [] : [`node ${node}, wanted ${wanted.join(' ')}:`, ...routes];
      }));
      seen = wrong.flat().join('\n');
      return seen === '';
    }, 200).catch(() => assert.fail(seen));
  }

  let number = 0;
  for (const point of points.filter((_, i) => i % step === 0)) {
    for (const who of ['source', 'destination'] as const) {
      it(`${who}, ${point} ms`, async () => {
        const vm = crowd.vms[number++ % 2] as Vm;
        const from = crowd.place.get(vm) as NodeName;
        const to: NodeName = from === 'a' ? 'b' : 'a';
        const node = who === 'source' ? from : to;
        const neighbours = ['vm3', 'client'];
        for (const ns of neighbours) await crowd.flow(ns, [vm], 5);
        const [looped, heard] = [await crowd.looped(), crowd.heard.length];
        let killed: Promise<void> | undefined;
        const kill = (): void => { killed = crowd.lab.nodes[node].stop('SIGKILL'); };
        const leadMs = 400;
        if (point < 0) setTimeout(kill, leadMs + point);
        await crowd.move(vm, to, { leadMs, keepSourceMs: 150, quiet: number % 4 === 0, onRun: () => { if (point >= 0) setTimeout(kill, point); } });
        await waitFor('the kill', 5000, () => killed !== undefined);
        await killed;
        await sleep(500);
        await crowd.lab.nodes[node].start();
        await crowd.lab.sessionsUp();
        await crowd.settled();
        const flows = (await Promise.all(neighbours.map((ns) => crowd.flowed(ns)))).flat();
        for (const flow of flows) {
          assert.equal(flow.duplicates, 0, `duplicates from ${flow.host}`);
          assert.ok(flow.answered > 0, `nothing from ${flow.host}`);
        }
        assert.equal((await crowd.looped()) - looped, 0, 'packets that went round');
        assert.deepEqual(crowd.heard.slice(heard).filter((line) => /time exceeded/.test(line)), []);
        await tablesAreRight();
        await crowd.everybodyReaches();
      });
    }
  }
});

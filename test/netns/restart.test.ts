import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeName } from '../../src/demo/addresses.ts';
import { hostPrefix } from '../../src/demo/addresses.ts';
import { measureGap } from '../../src/demo/gaps.ts';
import { kernelHostRoutes, torPort } from '../../src/demo/kernel-routes.ts';
import { sleep, waitFor, wallMs } from '../../src/demo/processes.ts';
import { plug, unplug } from '../../src/demo/topology.ts';
import { Lab, allOn, beforeSecondTry, needs } from './lab.ts';

// A speaker that ends and starts again, with a router that keeps its routes meanwhile. One topology for each router; every scenario
// begins and ends with the VM on node a.

/** From the start to the End-of-RIB, and more. */
const settleMs = 3500;

for (const kind of ['frr', 'bird'] as const) {
  describe(`a restart of the speaker, ${kind}`, function () {
    this.timeout(300_000);
    let lab: Lab;
    const on = (node: NodeName): Promise<void> => lab.agree(allOn(node, [lab.vm]));
    const stateFile = (node: NodeName): string => join(lab.nodes[node].folder, 'state.json');
    const log = (node: NodeName): string => readFileSync(join(lab.nodes[node].folder, 'landfall.log'), 'utf8');
    const ofVm = (): string[] => [hostPrefix(lab.vm.ipv4), hostPrefix(lab.vm.ipv6)];
    const restart = async (node: NodeName, signal: NodeJS.Signals = 'SIGKILL', awayMs = 300): Promise<void> => {
      await lab.nodes[node].stop(signal);
      await sleep(awayMs);
      await lab.nodes[node].start();
      await lab.sessionsUp();
    };
    /** The router's kernel routes to the VM that went since `from`. */
    const removed = (from: number): string[] => (lab.watches[0]?.events ?? []).filter((event) => event.at >= from && event.deleted && ofVm().includes(event.prefix)).map((event) => event.prefix);
    const preferences = async (): Promise<(number | undefined)[]> => {
      const routes = (await lab.tor.routes()).filter((route) => route.best);
      return ofVm().map((prefix) => routes.find((route) => route.prefix === prefix)?.localPref);
    };

    before(async function () {
      needs(this, kind);
      lab = await Lab.start({ mode: 'l3', tors: [kind], client: true });
      await lab.stage.boot([lab.vm], 'a');
      await on('a');
      await lab.stage.connectClient();
      lab.stage.startProbes();
      await sleep(1000);
    });
    after(() => lab?.stop());
    beforeSecondTry(async () => {
      for (const address of [lab.vm.ipv4, lab.vm.ipv6]) await lab.nodes.a.cli(['auto', address]);
      await lab.home('a');
    });

    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      it(`${signal} at rest: no packet of a 1 kHz probe is lost, no kernel route goes, the claim is the same`, async () => {
        const before = await preferences();
        const from = wallMs();
        await restart('a', signal, 1000);
        await on('a');
        await sleep(settleMs);
        const to = wallMs() - 300;
        assert.deepEqual(removed(from), []);
        assert.deepEqual(await preferences(), before);
        const gaps = Object.entries(await lab.stage.samples(from, to)).map(([name, samples]) => ({ name, ...measureGap(samples) }));
        assert.ok(gaps.length > 0 && gaps.every(({ sent }) => sent > 3000), JSON.stringify(gaps));
        process.stdout.write(`      ${gaps.map(({ name, lost, sent }) => `${name}: ${lost} of ${sent} lost`).join(', ')}\n`);
        assert.deepEqual(gaps.filter(({ lost }) => lost > 0), []);
        await on('a');
      });
    }

    it('a silent guest keeps its routes: its port is what it was', async () => {
      await lab.stage.detach(lab.vm, 'a'); // paused: it answers nothing
      const from = wallMs();
      await restart('a');
      await sleep(settleMs);
      await on('a');
      assert.deepEqual(removed(from), []);
      await lab.stage.attach(lab.vm, 'a');
    });

    it('a VM that left for good while the speaker was away is withdrawn, and does not come back', async () => {
      const lines = log('a').length;
      await lab.nodes.a.stop('SIGKILL');
      await unplug(lab.topology, lab.vm, 'a');
      await sleep(300);
      await on0();
      await lab.nodes.a.start();
      await lab.agree(new Map(), 10_000);
      await sleep(2000);
      await lab.agree(new Map());
      assert.doesNotMatch(log('a').slice(lines), /"route\.announced"/);
      await plug(lab.topology, lab.vm, 'a');
      await lab.stage.boot([lab.vm], 'a');
      await on('a');
    });

    /** The router still has the routes of the speaker that is away. */
    const on0 = async (): Promise<void> => {
      const kernel = await kernelHostRoutes(lab.topology.namespaces, 'tor');
      for (const prefix of ofVm()) assert.deepEqual(kernel.get(prefix), [torPort('a')], prefix);
    };

    it('a VM that moved while the source\'s speaker was away: the source says nothing of it', async () => {
      const lines = log('a').length;
      await lab.nodes.a.stop('SIGKILL');
      await lab.stage.move('b', { leadMs: 100 }); // its port at the source stays
      await lab.nodes.a.start();
      await lab.sessionsUp();
      await on('b');
      await sleep(settleMs);
      await on('b');
      assert.doesNotMatch(log('a').slice(lines), /"route\.announced"/);
      await lab.stage.move('a', { leadMs: 100, keepSourceMs: 100 });
      await on('a');
    });

    const points = kind === 'frr' ? [-200, 0, 3, 10, 30, 60, 100, 300, 800, 1500] : [0, 10, 300];
    for (const who of ['destination', 'source'] as const) {
      it(`kill -9 of the ${who} at ${points.length} points of a move: the VM ends where it runs`, async () => {
        let here: NodeName = 'a';
        for (const point of points) {
          const there: NodeName = here === 'a' ? 'b' : 'a';
          const victim = who === 'source' ? here : there;
          let killed: Promise<void> | undefined;
          const kill = async (afterMs: number): Promise<void> => {
            if (afterMs > 0) await sleep(afterMs);
            await restart(victim);
          };
          if (point < 0) {
            // Away while the RARP is sent, and back after it.
            await lab.nodes[victim].stop('SIGKILL');
            await lab.stage.move(there, { leadMs: 100, keepSourceMs: 300 });
            killed = lab.nodes[victim].start().then(() => lab.sessionsUp());
          } else {
            await lab.stage.move(there, { leadMs: 100, keepSourceMs: 300 }, () => { killed = kill(point); });
          }
          await killed;
          await lab.agree(allOn(there, [lab.vm]), 20_000).catch((error: unknown) => assert.fail(`killed ${point} ms after RESUME: ${String(error)}`));
          here = there;
        }
        if (here === 'b') await lab.stage.move('a', { leadMs: 100, keepSourceMs: 300 });
        await on('a');
      });
    }

    it('the destination is killed and stays away: the VM that comes back wins over the route that the router keeps', async () => {
      await lab.stage.move('b', { leadMs: 100 });
      await on('b');
      await lab.nodes.b.stop('SIGKILL');
      await lab.stage.move('a', { leadMs: 100, keepSourceMs: 100 });
      await waitFor('the router to send to node a', 5000, async () => {
        const kernel = await kernelHostRoutes(lab.topology.namespaces, 'tor');
        return ofVm().every((prefix) => kernel.get(prefix)?.join() === torPort('a'));
      });
      await lab.nodes.b.start();
      await lab.sessionsUp();
      await on('a');
    });

    it('the state file is lost: the VM is found by asking', async () => {
      await lab.nodes.a.stop('SIGKILL');
      rmSync(stateFile('a'));
      const from = wallMs();
      await lab.nodes.a.start();
      await lab.sessionsUp();
      await sleep(settleMs);
      await on('a');
      assert.deepEqual(removed(from).filter((prefix) => !prefix.includes(':')), []);
    });

    it('the state file is cut: set aside, said once, and the VM is found by asking', async () => {
      for (const part of [0, 0.3, 0.99]) {
        await lab.nodes.a.stop('SIGKILL');
        rmSync(`${stateFile('a')}.bad`, { force: true });
        const text = readFileSync(stateFile('a'), 'utf8');
        writeFileSync(stateFile('a'), text.slice(0, Math.floor(text.length * part)));
        await lab.nodes.a.start();
        await lab.sessionsUp();
        await sleep(settleMs);
        await on('a');
        assert.ok(existsSync(`${stateFile('a')}.bad`));
        const { stdout } = await lab.nodes.a.cli(['status', '-o', 'json']);
        assert.equal(stdout.match(/is not used/g)?.length, 1, stdout);
      }
    });

    it('the file is of a newer version: set aside; of another boot: its VMs are asked', async () => {
      for (const [change, aside] of [[{ version: 99 }, true], [{ bootId: 'another' }, false]] as const) {
        await lab.nodes.a.stop('SIGTERM');
        rmSync(`${stateFile('a')}.bad`, { force: true });
        writeFileSync(stateFile('a'), JSON.stringify({ ...(JSON.parse(readFileSync(stateFile('a'), 'utf8')) as object), ...change }));
        await lab.nodes.a.start();
        await lab.sessionsUp();
        await sleep(settleMs);
        await on('a');
        assert.equal(existsSync(`${stateFile('a')}.bad`), aside);
      }
    });

    it('a supervisor that takes no READY is told of once, and is no reason to end', async () => {
      process.env['NOTIFY_SOCKET'] = '/nowhere/notify';
      await restart('a', 'SIGTERM').finally(() => delete process.env['NOTIFY_SOCKET']);
      const { stdout } = await lab.nodes.a.cli(['status', '-o', 'json']);
      assert.equal(stdout.match(/does not take READY/g)?.length, 1, stdout);
      await on('a');
    });

    it('an override outlives the process', async () => {
      await lab.nodes.a.cli(['withdraw', lab.vm.ipv4]);
      await sleep(500); // the state file is written behind the work
      await restart('a');
      await sleep(settleMs);
      const items = await lab.nodes.a.prefixes();
      assert.equal(items.find((item) => item.prefix === hostPrefix(lab.vm.ipv4))?.state, 'manual');
      assert.equal((await kernelHostRoutes(lab.topology.namespaces, 'tor')).has(hostPrefix(lab.vm.ipv4)), false);
      await lab.nodes.a.cli(['auto', lab.vm.ipv4]);
      await on('a');
    });
  });
}


import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeName, Vm } from '../../src/demo/addresses.ts';
import { nodeNames, vlanAddressOf } from '../../src/demo/addresses.ts';
import { must, run, sleep, waitFor } from '../../src/demo/processes.ts';
import { nodeNamespace } from '../../src/demo/topology.ts';
import { needs } from './lab.ts';
import { TwoVlans, type Fabric } from './two-vlans.ts';

// A speaker that is killed and that nobody starts again: what sends packets on to another node goes all the same, and nothing goes round.

const ceilingMs = 6000;
/** A busy machine may be late. */
const patienceMs = 15_000;

let folder: string;

/** Neighbours in the stretched VLAN: IPv4 goes on by the other node as next hop, IPv6 by the tunnel. */
function onLink(yaml: string): string {
  const node: NodeName = yaml.includes('node-b') ? 'b' : 'a';
  return yaml.replace(/^stragglers: \{/m, `stragglers: {listen: "${vlanAddressOf(node).ipv4}:17490", members: [${nodeNames.map((name) => vlanAddressOf(name).ipv4).join(', ')}], `);
}

const byTunnel = [/^203\.\S+ .*dev lf-stragglers/, /^2001:\S+ .*dev lf-stragglers/];
const fabrics: (Fabric & { readonly name: string; readonly late: readonly RegExp[]; readonly scenes: readonly string[] })[] = [
  { name: 'l3, frr, received', mode: 'l3', tor: 'frr', routes: 'received', late: byTunnel, scenes: ['source', 'destination', 'restart', 'stop', 'idle'] },
  { name: 'l3, bird, host', mode: 'l3', tor: 'bird', routes: 'host', late: byTunnel, scenes: ['source', 'destination', 'restart'] },
  { name: 'l2, frr, off, on the link', mode: 'l2', tor: 'frr', routes: 'off', late: [/^203\.\S+ via 203\.0\.113\.[23] dev br-vlan/, /^2001:\S+ .*dev lf-stragglers/], scenes: ['source', 'restart'], rewrite: onLink },
];

for (const fabric of fabrics) {
  describe(`killed and not started again: ${fabric.name}`, function () {
    this.timeout(240_000);
    let crowd: TwoVlans;
    let vm: Vm;
    before(async function () {
      needs(this, fabric.tor);
      folder = mkdtempSync(join(tmpdir(), 'landfall-dead-'));
      writeFileSync(join(folder, 'key'), 'a key of the whole fleet\n', { mode: 0o600 });
      crowd = await TwoVlans.start({ ...fabric, extra: `stragglers: {enabled: true, ceiling: ${ceilingMs / 1000}s, key: {file: ${folder}/key}}\n` });
      vm = crowd.vms[0] as Vm;
      await crowd.looped();
    });
    after(async () => {
      await crowd?.stop();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    });

    const inside = async (node: NodeName, command: string): Promise<string> => must(crowd.lab.topology.namespaces.exec(nodeNamespace(node), ['sh', '-c', command]));
    const lines = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
    const lateRoutes = async (node: NodeName): Promise<string[]> => lines(await inside(node, 'ip route show table all proto 180; ip -6 route show table all proto 180'));

    /** What a dead speaker must not have there. */
    async function left(node: NodeName, proxies: boolean): Promise<string[]> {
      const of = (line: string): boolean => [vm.ipv4, vm.ipv6].some((address) => line.startsWith(`${address} `));
      return [
        ...await lateRoutes(node),
        ...lines(await inside(node, 'ip route show table 179 2>/dev/null; ip -6 route show table 179 2>/dev/null; true')),
        ...lines(await inside(node, 'ip -o link show')).filter((line) => line.includes('lf-stragglers')),
        ...lines(await inside(node, 'ip rule; ip -6 rule')).filter((line) => line.includes('lf-stragglers')),
        ...proxies ? lines(await inside(node, 'ip neigh show proxy; ip -6 neigh show proxy')).filter(of) : [],
      ];
    }

    async function janitors(node: NodeName): Promise<number[]> {
      const pids = lines((await run(['ip', 'netns', 'pids', crowd.lab.topology.namespaces.name(nodeNamespace(node))])).stdout).map(Number);
      return pids.filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('landfall-janito');
        } catch {
          return false; // it has ended
        }
      });
    }

    /** The router's program stands still, and its table with it: it goes on sending to the node that the VM has left. */
    async function freeze(signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
      const { namespaces } = crowd.lab.topology;
      for (const pid of lines((await run(['ip', 'netns', 'pids', namespaces.name('tor')])).stdout).map(Number)) {
        if (/^(bgpd|bird)\n$/.test(readFileSync(`/proc/${pid}/comm`, 'utf8'))) process.kill(pid, signal);
      }
    }

    /** Moves the VM while the router stands still, until its old node sends late packets on. */
    async function straggling(): Promise<{ from: NodeName; to: NodeName }> {
      const from = crowd.place.get(vm) as NodeName;
      const to: NodeName = from === 'a' ? 'b' : 'a';
      await freeze('SIGSTOP');
      await crowd.move(vm, to, { leadMs: 400, keepSourceMs: 50 });
      await waitFor('late packets to be sent on', 5000, async () => {
        const late = await lateRoutes(from);
        return fabric.late.every((route) => late.some((line) => route.test(line)));
      }, 20).catch(async () => assert.fail(`late routes of node ${from}: ${(await lateRoutes(from)).join('; ')}`));
      return { from, to };
    }

    /** @param proxies the node was to answer for the VM only while it sent late packets on */
    async function gone(node: NodeName, proxies = true): Promise<void> {
      let seen: string[] = [];
      await waitFor('it to go', ceilingMs + patienceMs, async () => (seen = await left(node, proxies)).length === 0, 100).catch(() => assert.fail(`left on node ${node}:\n${seen.join('\n')}`));
      await waitFor('the janitor to end', patienceMs, async () => (await janitors(node)).length === 0, 100);
    }

    async function backAgain(node: NodeName): Promise<void> {
      await crowd.lab.nodes[node].start();
      await crowd.lab.sessionsUp();
      await crowd.settled();
      await waitFor('late routes to end', ceilingMs + patienceMs, async () => (await Promise.all(nodeNames.map(lateRoutes))).flat().length === 0, 200);
      await crowd.everybodyReaches();
    }

    /** Nothing went round while it was played. */
    async function withoutLoops(play: () => Promise<void>): Promise<void> {
      const [looped, heard] = [await crowd.looped(), crowd.heard.length];
      for (const ns of ['vm3', 'client']) await crowd.flow(ns, [vm], 10);
      try {
        await play();
      } finally {
        await freeze('SIGCONT');
      }
      const flows = (await Promise.all(['vm3', 'client'].map((ns) => crowd.flowed(ns)))).flat();
      assert.deepEqual(flows.map(({ duplicates }) => duplicates), flows.map(() => 0));
      assert.equal((await crowd.looped()) - looped, 0, 'packets that went round');
      assert.deepEqual(crowd.heard.slice(heard).filter((line) => /time exceeded/.test(line)), []);
    }

    const scene = (name: string, title: string, play: () => Promise<void>): void => {
      if (fabric.scenes.includes(name)) it(title, play);
    };

    scene('source', 'the node that sends late packets on', async () => {
      let from: NodeName | undefined;
      await withoutLoops(async () => {
        ({ from } = await straggling());
        assert.equal((await janitors(from)).length, 1);
        await crowd.lab.nodes[from].stop('SIGKILL');
        assert.ok((await lateRoutes(from)).length >= fabric.late.length, 'late packets are sent on still');
        assert.equal((await janitors(from)).length, 1, 'somebody outlives it');
        await gone(from);
        // The router sends here still.
        await sleep(500);
      });
      await backAgain(from as NodeName);
    });

    scene('destination', 'the node to which they are sent', async () => {
      let to: NodeName | undefined;
      await withoutLoops(async () => {
        const { from, to: target } = await straggling();
        to = target;
        await crowd.lab.nodes[target].stop('SIGKILL');
        await gone(target);
        await waitFor('late routes to end', ceilingMs + patienceMs, async () => (await lateRoutes(from)).length === 0, 100);
      });
      await backAgain(to as NodeName);
    });

    scene('restart', 'started again at once: what the new life has stays', async () => {
      const { from } = await straggling();
      const index = async (): Promise<string> => (await inside(from, 'cat /sys/class/net/lf-stragglers/ifindex')).trim();
      const before = await index();
      await freeze('SIGCONT');
      const killedAt = performance.now();
      await crowd.lab.nodes[from].stop('SIGKILL');
      await crowd.lab.nodes[from].start();
      const inTime = performance.now() - killedAt < ceilingMs - 500;
      await crowd.lab.sessionsUp();
      await sleep(Math.max(0, killedAt + ceilingMs + 1000 - performance.now()));
      await waitFor('the first janitor to end', patienceMs, async () => (await janitors(from)).length === 1, 100);
      if (inTime) assert.equal(await index(), before, 'the tunnel is the same');
      await crowd.settled();
      await straggling();
      await freeze('SIGCONT');
      await crowd.settled();
      await waitFor('late routes to end', ceilingMs + patienceMs, async () => (await Promise.all(nodeNames.map(lateRoutes))).flat().length === 0, 200);
      await crowd.everybodyReaches();
    });

    scene('stop', 'told to stop while late packets are sent on: they end with it, and nobody stays', async () => {
      const { from } = await straggling();
      await crowd.lab.nodes[from].stop('SIGTERM');
      assert.deepEqual(await lateRoutes(from), []);
      await waitFor('the janitor to end', patienceMs, async () => (await janitors(from)).length === 0, 50);
      await freeze('SIGCONT');
      await backAgain(from);
    });

    scene('idle', 'nothing was under way: the process that outlives it ends, too', async () => {
      await crowd.lab.nodes.a.stop('SIGKILL');
      assert.equal((await janitors('a')).length, 1);
      await gone('a', false);
      await backAgain('a');
    });
  });
}

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Vm } from '../../src/demo/addresses.ts';
import { crowdVm, hostPrefix } from '../../src/demo/addresses.ts';
import { must, run, sleep, wallMs } from '../../src/demo/processes.ts';
import { nodeNamespace } from '../../src/demo/topology.ts';
import { Lab, allOn, beforeSecondTry, needs } from './lab.ts';
import { rarpFrame } from './frames.ts';

// An upgrade in place with many VMs, none of which answers anything; and a disk that takes nothing.

const vms: Vm[] = Array.from({ length: 100 }, (_, i) => crowdVm(i + 1));
const prefixes = new Set(vms.flatMap((vm) => [hostPrefix(vm.ipv4), hostPrefix(vm.ipv6)]) as string[]);

for (const kind of ['frr', 'bird'] as const) {
  describe(`an upgrade with 100 VMs, ${kind}`, function () {
    this.timeout(90_000);
    let lab: Lab;
    before(async function () {
      needs(this, kind);
      lab = await Lab.start({ mode: 'l3', tors: [kind], vms: 0, paperVms: vms, nodes: { localPorts: ['veth-*'] } });
      await lab.topology.namespaces.ip('hv', [`link add crowd-a type veth peer name veth-crowd-a netns @${nodeNamespace('a')}`, 'link set crowd-a arp off', 'link set crowd-a up']);
      await lab.topology.namespaces.ip(nodeNamespace('a'), ['link set veth-crowd-a master br-vlan up']);
      await lab.sendFrames('hv', 'crowd-a', vms.map((vm) => rarpFrame(vm.mac)));
      await lab.agree(allOn('a', vms), 30_000);
    });
    after(() => lab?.stop());

    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      it(`${signal} and start: the router is told of no withdrawal, and sends to the node all the time`, async () => {
        const from = wallMs();
        await lab.nodes.a.stop(signal);
        await sleep(500);
        const startedAt = wallMs();
        await lab.nodes.a.start();
        await lab.sessionsUp();
        await sleep(3500);
        await lab.agree(allOn('a', vms), 20_000);
        const events = (lab.watches[0]?.events ?? []).filter((event) => event.at >= from && prefixes.has(event.prefix));
        assert.deepEqual(events.filter((event) => event.deleted).map((event) => event.prefix), []);
        const said = log(lab).filter((line) => line.time >= startedAt);
        assert.deepEqual(said.filter((line) => line.event === 'route.withdrawn'), []);
        assert.equal(said.filter((line) => line.event === 'route.announced').length, 200);
        const begun = said.find((line) => line.event === 'daemon.started')?.time ?? startedAt;
        const last = Math.max(...said.filter((line) => line.event === 'route.announced').map((line) => line.time));
        process.stdout.write(`      200 routes said again ${Math.round(last - begun)} ms after the program was up (${Math.round(begun - startedAt)} ms), ${events.length} changes in the kernel\n`);
      });
    }
  });
}

function log(lab: Lab): { time: number; event: string; text?: string }[] {
  return readFileSync(join(lab.nodes.a.folder, 'landfall.log'), 'utf8').split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return [];
    const { time, event, text } = JSON.parse(line) as { time: string; event: string; text?: string };
    return [{ time: Date.parse(time), event, ...(text === undefined ? {} : { text }) }];
  });
}

describe('a disk that takes nothing', function () {
  this.timeout(90_000);
  let lab: Lab;
  let disk: string;
  before(async function () {
    needs(this, 'bird');
    disk = mkdtempSync(join(tmpdir(), 'landfall-disk-'));
    await must(['mount', '-t', 'tmpfs', '-o', 'size=64k,mode=755', 'landfall-test', disk]);
    lab = await Lab.start({ mode: 'l3', tors: ['bird'], nodes: { stateFile: join(disk, 'state-$NODE.json') } });
    await lab.stage.boot([lab.vm], 'a');
    await lab.agree(allOn('a', [lab.vm]));
  });
  after(async () => {
    await lab?.stop();
    if (disk !== undefined) await run(['umount', disk]);
    if (disk !== undefined) rmSync(disk, { recursive: true, force: true });
  });

  beforeSecondTry(async (title) => {
    await must(['mount', '-o', 'remount,rw', disk]);
    rmSync(join(disk, 'fill'), { force: true });
    await lab.nodes.a.stop('SIGKILL');
    await lab.home('a'); // which starts it
    await sleep(500); // its state is written
    if (title.startsWith('and a restart')) await run(['dd', 'if=/dev/zero', `of=${join(disk, 'fill')}`, 'bs=1k', 'count=128']);
  });

  const failures = (): number => log(lab).filter((line) => line.event === 'state.failed').length;

  it('full: moves go on, one warning, and the old state stays whole', async () => {
    const path = join(disk, 'state-a.json');
    const before = failures();
    await sleep(300);
    assert.ok(statSync(path).size > 0);
    await run(['dd', 'if=/dev/zero', `of=${join(disk, 'fill')}`, 'bs=1k', 'count=128']);
    for (const to of ['b', 'a', 'b', 'a'] as const) {
      await lab.stage.move(to, { leadMs: 100, keepSourceMs: 200 });
      await lab.agree(allOn(to, [lab.vm]));
    }
    assert.equal(failures() - before, 1);
    assert.doesNotThrow(() => { JSON.parse(readFileSync(path, 'utf8')); });
    const { stdout } = await lab.nodes.a.cli(['status', '-o', 'json']);
    assert.equal(stdout.match(/cannot be written/g)?.length, 1);
  });

  it('and a restart on it: the old state is read, what it does not know is found by asking', async () => {
    await lab.nodes.a.stop('SIGKILL');
    await lab.nodes.a.start();
    await lab.sessionsUp();
    await sleep(3500);
    await lab.agree(allOn('a', [lab.vm]));
  });

  it('read-only: the same', async () => {
    rmSync(join(disk, 'fill'), { force: true });
    await must(['mount', '-o', 'remount,ro', disk]);
    const before = failures();
    await lab.nodes.a.stop('SIGTERM');
    await lab.nodes.a.start();
    await lab.sessionsUp();
    await lab.stage.move('b', { leadMs: 100, keepSourceMs: 200 });
    await lab.stage.move('a', { leadMs: 100, keepSourceMs: 200 });
    await sleep(3000);
    await lab.agree(allOn('a', [lab.vm]));
    assert.ok(failures() - before <= 2, 'one warning for each life');
    await must(['mount', '-o', 'remount,rw', disk]);
  });
});

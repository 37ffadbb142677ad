import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, landfallCommand, must, run, waitFor } from '../../src/demo/processes.ts';
import { needs } from './lab.ts';

// process.scheduling: fifo, with and without CAP_SYS_NICE.

describe('process.scheduling', function () {
  this.timeout(200_000);
  let namespaces: Namespaces;
  let folder: string;
  const daemons: Daemon[] = [];

  before(async function () {
    needs(this);
    folder = mkdtempSync(join(tmpdir(), 'landfall-scheduling-'));
    namespaces = new Namespaces(`lfsched${process.pid}`);
    await namespaces.create('node');
    await namespaces.ip('node', ['link add br-vlan type bridge', 'link set br-vlan up']);
  });
  after(async () => {
    for (const daemon of daemons) await daemon.stop('SIGKILL');
    await namespaces?.removeAll();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** Starts a dry run. @returns its scheduling class as chrt says it, and what `status` warns of */
  async function start(scheduling: string, before: readonly string[] = []): Promise<{ policy: string; warnings: string[] }> {
    const [file, socket] = [join(folder, `${scheduling}.yaml`), join(folder, `${daemons.length}.sock`)];
    writeFileSync(file, `apiVersion: landfall/v1
bgp: {asn: 65010, peers: []}
watch: [{bridge: br-vlan, ports: {local: ["tap*"]}, prefixes: [203.0.113.0/24]}]
identity: {mode: learn}
process: {scheduling: ${scheduling}}
telemetry: {listen: off}
api: {socket: ${socket}, mode: "0600"}
log: {format: json}
`);
    const daemon = new Daemon(`landfall ${scheduling}`, namespaces.exec('node', [...before, ...landfallCommand(), 'run', '--dry-run', '-c', file]));
    daemons.push(daemon);
    const status = await waitFor('the daemon', 60_000, async () => {
      const done = await run([...landfallCommand(), '-s', socket, 'status', '-o', 'json'], { timeoutMs: 10_000 });
      return done.status === 0 ? (JSON.parse(done.stdout) as { items: { warnings: string[] }[] }) : undefined;
    });
    const pids = (await must(['ip', 'netns', 'pids', namespaces.name('node')])).trim().split('\n');
    const policy = await must(['chrt', '-p', pids.at(-1) as string]);
    return { policy: /policy: (\w+)/.exec(policy)?.[1] ?? policy, warnings: status.items[0]?.warnings ?? [] };
  }

  it('normal leaves the process as it was', async () => {
    const { policy, warnings } = await start('normal');
    assert.equal(policy, 'SCHED_OTHER');
    assert.ok(warnings.every((text) => !text.includes('scheduling')));
    await daemons.at(-1)?.stop('SIGTERM');
  });

  it('fifo takes the real-time class', async () => {
    const { policy, warnings } = await start('fifo');
    assert.equal(policy, 'SCHED_FIFO');
    assert.ok(warnings.every((text) => !text.includes('scheduling')));
    await daemons.at(-1)?.stop('SIGTERM');
  });

  it('fifo without CAP_SYS_NICE runs on with normal scheduling, and says so', async () => {
    const { policy, warnings } = await start('fifo', ['setpriv', '--inh-caps=-sys_nice', '--bounding-set=-sys_nice']);
    assert.equal(policy, 'SCHED_OTHER');
    assert.ok(warnings.some((text) => /process\.scheduling fifo is refused: .*CAP_SYS_NICE/.test(text)), warnings.join('\n'));
  });
});

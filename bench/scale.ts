import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { asn } from '../src/demo/addresses.ts';
import { BirdTor } from '../src/demo/tor-bird.ts';
import { FrrTor } from '../src/demo/tor-frr.ts';
import type { TorPlan } from '../src/demo/tor.ts';
import { isInstalled } from '../src/demo/tor-kinds.ts';
import { sleep, waitFor } from '../src/demo/processes.ts';
import { cpuSeconds, residentMegabytes } from './process-cost.ts';
import type { Row } from './results.ts';
import { median } from './results.ts';
import { buildStage, nodes, startLandfall } from './stage.ts';
import type { Block } from './stopwatch.ts';
import { Stopwatch } from './stopwatch.ts';

// A thousand VMs at once: until the last byte is at the router's socket, until the last route is in the kernel of an FRR or BIRD router;
// then what the daemon costs while it does nothing.

const vms = 1000;
const rounds = 3;
const idleSeconds = 10;

export async function run(): Promise<Row[]> {
  return [...(await onTheWire()), ...(await inTheKernel('bird')), ...(await inTheKernel('frr'))];
}

/** Each round is a life of its own: a node full of VMs that all announce themselves right after the daemon has started. */
async function onTheWire(): Promise<Row[]> {
  const stage = await buildStage();
  try {
    const stopwatch = new Stopwatch(stage, ['landfall']);
    const lives: { block: Block; before: number; after: number; idlePercent: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const daemon = await startLandfall(stage, vms + 1);
      await stopwatch.established('landfall', round + 1);
      await sleep(2000);
      const before = residentMegabytes(daemon.pid);
      const block = await stopwatch.claims('landfall', 1, vms, 0);
      await sleep(2000);
      const idleStart = cpuSeconds(daemon.pid);
      await sleep(idleSeconds * 1000);
      const idlePercent = ((cpuSeconds(daemon.pid) - idleStart) / idleSeconds) * 100;
      lives.push({ block, before, after: residentMegabytes(daemon.pid), idlePercent });
      await daemon.stop('SIGKILL');
    }
    const of = (value: (life: (typeof lives)[0]) => number): number => median(lives.map(value));
    return [
      { what: `${vms} claims at once: first frame → last byte at the router, median of ${rounds}`, value: of((life) => life.block.total) / 1000, unit: 'ms' },
      { what: `${vms} claims at once: unanswered, all rounds`, value: lives.reduce((sum, life) => sum + life.block.missing, 0), unit: 'claims' },
      { what: `RSS, ${vms} bindings, nothing announced, median of ${rounds}`, value: of((life) => life.before), unit: 'MB' },
      { what: `RSS, ${vms} VMs announced, median of ${rounds}`, value: of((life) => life.after), unit: 'MB' },
      { what: `CPU while idle, ${vms} VMs announced, median of ${rounds}`, value: of((life) => life.idlePercent), unit: '%' },
    ];
  } finally {
    await stage.end();
  }
}

/** The same burst with a real router at the other end, timed to its kernel's route, and single moves for comparison. */
async function inTheKernel(kind: 'frr' | 'bird'): Promise<Row[]> {
  const router = kind === 'frr' ? 'FRR' : 'BIRD';
  if (!isInstalled(kind)) {
    process.stderr.write(`bench: ${router} is not installed; its figures are left out\n`);
    return [];
  }
  const stage = await buildStage();
  try {
    const { address, torAddress } = nodes.landfall;
    const plan: TorPlan = {
      namespace: 'out',
      routerId: torAddress,
      asn: asn.nodes,
      peering: { type: 'ibgp' },
      neighbors: [{ node: 'a', address, localAddress: torAddress, localAddress6: 'fe80::1' }],
    };
    const folder = join(stage.folder, kind);
    mkdirSync(folder);
    const tor = kind === 'frr' ? new FrrTor(stage.namespaces, plan, folder) : new BirdTor(stage.namespaces, plan, folder);
    await tor.start();
    const stopwatch = new Stopwatch(stage, []);
    const singles = 50;
    await startLandfall(stage, vms * rounds + singles + 1);
    await waitFor(`session with ${router}`, 30_000, async () => (await tor.established()).includes(address));
    await sleep(2000);
    const blocks = [];
    for (let round = 0; round < rounds; round += 1) {
      blocks.push(await stopwatch.routes(1 + round * vms, vms, 0));
      await sleep(3000);
    }
    const single = await stopwatch.routes(1 + rounds * vms, singles, 200_000);
    return [
      { what: `${vms} claims at once: first frame → last kernel route at ${router}, median of ${rounds}`, value: median(blocks.map((block) => block.total)) / 1000, unit: 'ms' },
      { what: `${vms} claims at once: routes missing at ${router}, all rounds`, value: blocks.reduce((sum, block) => sum + block.missing, 0), unit: 'routes' },
      { what: `one claim: frame → kernel route at ${router}, median of ${singles}`, value: median(single.latencies) / 1000, unit: 'ms' },
    ];
  } finally {
    await stage.end();
  }
}

import { must, sleep, waitFor } from '../src/demo/processes.ts';
import type { Row } from './results.ts';
import { median, quantile } from './results.ts';
import { buildStage, startLandfall, type Stage } from './stage.ts';
import type { Block } from './stopwatch.ts';
import { Stopwatch } from './stopwatch.ts';

// What the node's own data plane costs: the same claims with `kernel.routes` off, received and host, in lives that take turns. The claims are of VMs
// that no router shows elsewhere, so `received` writes neighbour entries alone; `host` writes a route and a neighbour for each before its UPDATE.

const modes = ['off', 'received', 'host'] as const;
type Mode = (typeof modes)[number];

const rounds = 3;
const spaced = 1000;
const spacingUs = 5_000;
const burst = 1000;

interface Life {
  readonly spaced: Block;
  readonly burst: Block;
  /** From the last UPDATE of the burst until the kernel has all that belongs to it, ms; at most the pace of looking too long. */
  readonly kernelMs: number;
}

export async function run(): Promise<Row[]> {
  const stage = await buildStage();
  try {
    const stopwatch = new Stopwatch(stage, ['landfall']);
    const lives: Record<Mode, Life[]> = { off: [], received: [], host: [] };
    let sessions = 0;
    for (let round = 0; round < rounds; round += 1) {
      for (let i = 0; i < modes.length; i += 1) {
        const mode = modes[(round + i) % modes.length] as Mode;
        sessions += 1;
        lives[mode].push(await live(stage, stopwatch, mode, sessions));
      }
    }
    stopwatch.stop();
    return modes.flatMap((mode) => rowsOf(mode, lives[mode]));
  } finally {
    await stage.end();
  }
}

async function live(stage: Stage, stopwatch: Stopwatch, mode: Mode, session: number): Promise<Life> {
  const daemon = await startLandfall(stage, spaced + burst + 1, mode === 'off' ? '' : `kernel: {routes: ${mode}, refreshNeighbors: true}\n`);
  await stopwatch.established('landfall', session);
  await sleep(2000);
  const one = await stopwatch.claims('landfall', 1, spaced, spacingUs);
  await sleep(1000);
  const many = await stopwatch.claims('landfall', spaced + 1, burst, 0);
  const from = performance.now();
  const wanted = mode === 'host' ? spaced + burst : 0;
  await waitFor('the kernel to have it all', 10_000, async () => (await routes(stage)) >= wanted, 5);
  const kernelMs = performance.now() - from;
  await daemon.stop();
  await must(stage.namespaces.exec('landfall', ['sh', '-c', 'ip route flush proto 179; ip neigh flush dev br-vlan nud all']));
  return { spaced: one, burst: many, kernelMs };
}

async function routes(stage: Stage): Promise<number> {
  return Number(await must(stage.namespaces.exec('landfall', ['sh', '-c', 'ip route show proto 179 | wc -l'])));
}

function rowsOf(mode: Mode, lives: readonly Life[]): Row[] {
  const all = lives.flatMap((life) => [...life.spaced.latencies]);
  const name = `kernel.routes ${mode}`;
  const each = `${rounds} × ${spaced} claims, one each 5 ms`;
  return [
    { what: `${name}: frame → UPDATE, ${each}, median`, value: median(all), unit: 'µs' },
    { what: `${name}: frame → UPDATE, ${each}, p99`, value: quantile(all, 0.99), unit: 'µs' },
    { what: `${name}: frame → UPDATE, ${each}, max`, value: Math.max(...all), unit: 'µs' },
    { what: `${name}: ${burst} claims at once, first frame → last UPDATE, median of ${rounds}`, value: median(lives.map((life) => life.burst.total)) / 1000, unit: 'ms' },
    ...(mode === 'host' ? [{ what: `${name}: after that, until the kernel has all routes, median of ${rounds}`, value: median(lives.map((life) => life.kernelMs)), unit: 'ms' }] : []),
    { what: `${name}: unanswered`, value: lives.reduce((sum, life) => sum + life.spaced.missing + life.burst.missing, 0), unit: 'claims' },
  ];
}

import type { Daemon } from '../src/demo/processes.ts';
import { sleep } from '../src/demo/processes.ts';
import { startFloor } from './floor.ts';
import type { Row } from './results.ts';
import { median, quantile } from './results.ts';
import type { NodeName, Stage } from './stage.ts';
import { buildStage, startLandfall } from './stage.ts';
import type { Block } from './stopwatch.ts';
import { Stopwatch } from './stopwatch.ts';

// One frame on the VM's side of the veth → the last byte of its UPDATE at the router's socket, landfall against a bare C program.
// Both run all the time, each on a node of its own; the blocks alternate, so that whatever disturbs the machine disturbs both.

interface Pace {
  readonly name: string;
  readonly blocks: number;
  readonly claims: number;
  readonly spacingUs: number;
}

const paces: readonly Pace[] = [
  { name: '2,000 claims, one each 5 ms', blocks: 10, claims: 200, spacingUs: 5_000 },
  { name: '200 claims, one each 100 ms', blocks: 10, claims: 20, spacingUs: 100_000 },
  { name: '24 claims, one each second', blocks: 4, claims: 6, spacingUs: 1_000_000 },
];
const starts = 5;
const allClaims = starts + paces.reduce((sum, pace) => sum + pace.blocks * pace.claims, 0);

export async function run(): Promise<Row[]> {
  const stage = await buildStage();
  try {
    const stopwatch = new Stopwatch(stage, ['landfall', 'floor']);
    const first = { landfall: await firstFrames(stage, stopwatch, 'landfall'), floor: await firstFrames(stage, stopwatch, 'floor') };
    const rows: Row[] = (['landfall', 'floor'] as const).map((node) => ({ what: `first frame after start, ${node}, median of ${starts} starts`, value: median(first[node]), unit: 'µs' }));
    let number = starts + 1;
    for (const pace of paces) {
      rows.push(...(await comparePace(stopwatch, pace, number)));
      number += pace.blocks * pace.claims;
    }
    return rows;
  } finally {
    await stage.end();
  }
}

/** Starts the program several times and times the first frame of each life. The last one stays. */
async function firstFrames(stage: Stage, stopwatch: Stopwatch, node: NodeName): Promise<number[]> {
  const latencies: number[] = [];
  let daemon: Daemon | undefined;
  for (let start = 1; start <= starts; start += 1) {
    const sessions = stopwatch.sessions(node);
    await daemon?.stop('SIGKILL');
    daemon = node === 'landfall' ? await startLandfall(stage, allClaims + 1) : startFloor(stage);
    await stopwatch.established(node, sessions + 1);
    await sleep(500);
    const block = await stopwatch.claims(node, start, 1, 0);
    if (block.missing > 0) throw new Error(`${node} did not answer its first frame. It said:\n${daemon.tail}`);
    latencies.push(block.latencies[0]!);
  }
  return latencies;
}

async function comparePace(stopwatch: Stopwatch, pace: Pace, firstNumber: number): Promise<Row[]> {
  const blocks: Record<NodeName, Block[]> = { landfall: [], floor: [] };
  for (let index = 0; index < pace.blocks; index += 1) {
    const order: NodeName[] = index % 2 === 0 ? ['landfall', 'floor'] : ['floor', 'landfall'];
    for (const node of order) blocks[node].push(await stopwatch.claims(node, firstNumber + index * pace.claims, pace.claims, pace.spacingUs));
  }
  const all = (node: NodeName): number[] => blocks[node].flatMap((block) => [...block.latencies]);
  const ratio = (share: number): number => median(blocks.landfall.map((block, index) => quantile(block.latencies, share) / quantile(blocks.floor[index]!.latencies, share)));
  const rows = (['landfall', 'floor'] as const).flatMap((node): Row[] => [
    { what: `${pace.name}: ${node}, p50`, value: quantile(all(node), 0.5), unit: 'µs' },
    { what: `${pace.name}: ${node}, p99`, value: quantile(all(node), 0.99), unit: 'µs' },
    { what: `${pace.name}: ${node}, max`, value: Math.max(...all(node)), unit: 'µs' },
    { what: `${pace.name}: ${node}, unanswered`, value: blocks[node].reduce((sum, block) => sum + block.missing, 0), unit: 'claims' },
  ]);
  return [
    ...rows,
    { what: `${pace.name}: landfall / floor, p50, median of block ratios`, value: ratio(0.5), unit: '×' },
    { what: `${pace.name}: landfall / floor, p99, median of block ratios`, value: ratio(0.99), unit: '×' },
  ];
}

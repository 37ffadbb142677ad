import { sleep, run as runCommand } from '../src/demo/processes.ts';
import type { Daemon } from '../src/demo/processes.ts';
import { startFloor } from './floor.ts';
import { residentMegabytes } from './process-cost.ts';
import type { Row } from './results.ts';
import { quantile } from './results.ts';
import type { NodeName } from './stage.ts';
import { buildStage, compile, landfallStatus, plugGuest, startLandfall } from './stage.ts';
import type { Block } from './stopwatch.ts';
import { Stopwatch } from './stopwatch.ts';

// A guest pours announcements of ever other MACs over a node, and VMs behind another port claim: one frame → the last byte of its UPDATE at the
// router, as without the flood. The floor's program hears the port of its VM alone, so that what the flood costs it is what it costs the
// machine: frames that the kernel drops before any socket, and processors that are busy.

const claims = 400;
const spacingUs = 20_000;
const floodSeconds = (claims * spacingUs) / 1e6 + 4;
/** Frames a second; undefined: as many as the kernel takes. */
const paces = [67_000, undefined] as const;

export async function run(): Promise<Row[]> {
  const stage = await buildStage();
  try {
    const guests = { landfall: await plugGuest(stage, 'landfall'), floor: await plugGuest(stage, 'floor') };
    const program = compile(stage, 'flood');
    const stopwatch = new Stopwatch(stage, ['landfall', 'floor']);
    const daemons: Record<NodeName, Daemon> = { landfall: await startLandfall(stage, (paces.length + 1) * claims + 1), floor: startFloor(stage) };
    for (const node of ['landfall', 'floor'] as const) await stopwatch.established(node, 1);
    await sleep(3000);
    const rows: Row[] = [];
    for (const node of ['landfall', 'floor'] as const) rows.push(...rowsOf(node, 'quiet', await stopwatch.claims(node, 1, claims, spacingUs)));
    for (const [round, pace] of paces.entries()) {
      for (const node of ['landfall', 'floor'] as const) {
        const before = residentMegabytes(daemons[node].pid);
        const captured = (await landfallStatus(stage)).capture.dropped;
        const pouring = runCommand(stage.namespaces.exec('out', [program, guests[node], String(floodSeconds), ...(pace === undefined ? [] : [String(pace)])]), { timeoutMs: 60_000 });
        await sleep(2000);
        const block = await stopwatch.claims(node, 1 + (round + 1) * claims, claims, spacingUs);
        const during = residentMegabytes(daemons[node].pid);
        const [frames, nanoseconds] = (await pouring).stdout.trim().split(' ').map(Number) as [number, number];
        const name = pace === undefined ? 'flood, all the kernel takes' : `flood, ${pace} frames/s asked for`;
        rows.push({ what: `${name}: over ${node}`, value: frames / (nanoseconds / 1e9), unit: 'frames/s' }, ...rowsOf(node, name, block));
        await sleep(1000);
        if (node === 'floor') continue;
        rows.push(
          { what: `${name}: left unread by landfall, as it counts them`, value: (await landfallStatus(stage)).capture.dropped - captured, unit: `of ${frames} frames` },
          { what: `${name}: RSS of landfall grew by`, value: Math.max(0, during - before), unit: 'MB' },
          { what: `${name}: sessions lost by landfall`, value: stopwatch.sessions('landfall') - 1, unit: 'sessions' },
        );
      }
    }
    return rows;
  } finally {
    await stage.end();
  }
}

function rowsOf(node: NodeName, name: string, block: Block): Row[] {
  const from = `${claims} claims, one each ${spacingUs / 1000} ms, ${name}: ${node}`;
  return [
    { what: `${from}, p50`, value: quantile(block.latencies, 0.5), unit: 'µs' },
    { what: `${from}, p99`, value: quantile(block.latencies, 0.99), unit: 'µs' },
    { what: `${from}, max`, value: Math.max(...block.latencies), unit: 'µs' },
    { what: `${from}, unanswered`, value: block.missing, unit: 'claims' },
  ];
}

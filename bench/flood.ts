import { sleep, run as runCommand } from '../src/demo/processes.ts';
import type { Daemon } from '../src/demo/processes.ts';
import { startFloor } from './floor.ts';
import { residentMegabytes } from './process-cost.ts';
import type { Row } from './results.ts';
import { quantile } from './results.ts';
import type { NodeName } from './stage.ts';
import { buildStage, compile, landfallStatus, plugGuest, startLandfall } from './stage.ts';
import { Stopwatch } from './stopwatch.ts';

// A guest pours announcements of ever other MACs over a node, as fast as the kernel takes them, and VMs behind another port claim: one
// frame → the last byte of its UPDATE at the router, as without the flood. The floor's program hears the port of its VM alone, so that what
// the flood costs it is what it costs the machine.

const claims = 400;
const spacingUs = 20_000;
const floodSeconds = (claims * spacingUs) / 1e6 + 4;

export async function run(): Promise<Row[]> {
  const stage = await buildStage();
  try {
    const guests = { landfall: await plugGuest(stage, 'landfall'), floor: await plugGuest(stage, 'floor') };
    const flood = compile(stage, 'flood');
    const stopwatch = new Stopwatch(stage, ['landfall', 'floor']);
    const daemons: Record<NodeName, Daemon> = { landfall: await startLandfall(stage, 2 * claims + 1), floor: startFloor(stage) };
    for (const node of ['landfall', 'floor'] as const) await stopwatch.established(node, 1);
    await sleep(3000);
    const rows: Row[] = [];
    for (const node of ['landfall', 'floor'] as const) {
      const quiet = await stopwatch.claims(node, 1, claims, spacingUs);
      const before = residentMegabytes(daemons[node].pid);
      const captured = node === 'landfall' ? await landfallStatus(stage) : undefined;
      const pouring = runCommand(stage.namespaces.exec('out', [flood, guests[node], String(floodSeconds)]), { timeoutMs: 60_000 });
      await sleep(2000);
      const poured = await stopwatch.claims(node, 1 + claims, claims, spacingUs);
      const during = residentMegabytes(daemons[node].pid);
      const [frames, nanoseconds] = (await pouring).stdout.trim().split(' ').map(Number) as [number, number];
      for (const [name, block] of [['quiet', quiet], ['in the flood', poured]] as const) {
        const from = `${claims} claims, one each ${spacingUs / 1000} ms, ${name}: ${node}`;
        rows.push(
          { what: `${from}, p50`, value: quantile(block.latencies, 0.5), unit: 'µs' },
          { what: `${from}, p99`, value: quantile(block.latencies, 0.99), unit: 'µs' },
          { what: `${from}, max`, value: Math.max(...block.latencies), unit: 'µs' },
          { what: `${from}, unanswered`, value: block.missing, unit: 'claims' },
        );
      }
      rows.push({ what: `the flood over ${node}`, value: frames / (nanoseconds / 1e9), unit: 'frames/s' });
      if (captured === undefined) continue;
      await sleep(1000);
      const after = await landfallStatus(stage);
      rows.push(
        { what: 'the flood over landfall: frames poured', value: frames, unit: 'frames' },
        { what: 'the flood over landfall: frames that it left unread, counted', value: after.capture.dropped - captured.capture.dropped, unit: 'frames' },
        { what: 'the flood over landfall: RSS grown by', value: Math.max(0, during - before), unit: 'MB' },
        { what: 'the flood over landfall: sessions lost', value: stopwatch.sessions('landfall') - 1, unit: 'sessions' },
      );
    }
    return rows;
  } finally {
    await stage.end();
  }
}

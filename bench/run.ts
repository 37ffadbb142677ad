import { existsSync } from 'node:fs';
import type { Row } from './results.ts';
import { machine, report } from './results.ts';

// `npm run bench [-- NAME …]`: all benchmarks, or those named. Figures go to standard output and to bench/results/.

const benchmarks: Record<string, { title: string; needsRoot: boolean; load: () => Promise<{ run(): Row[] | Promise<Row[]> }> }> = {
  codec: { title: 'UPDATE messages encoded and decoded', needsRoot: false, load: () => import('./codec.ts') },
  'frame-to-update': { title: 'a frame until its UPDATE is at the router, against a bare C program', needsRoot: true, load: () => import('./frame-to-update.ts') },
  'data-plane': { title: 'what kernel.routes costs a frame and a thousand VMs at once', needsRoot: true, load: () => import('./data-plane.ts') },
  flood: { title: 'VMs that claim while a guest floods their node', needsRoot: true, load: () => import('./flood.ts') },
  scale: { title: 'a thousand VMs at once, and what they cost', needsRoot: true, load: () => import('./scale.ts') },
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => benchmarks[name] === undefined);
if (unknown.length > 0) {
  process.stderr.write(`bench: there is no ${unknown.join(', ')}; there are ${Object.keys(benchmarks).join(', ')}\n`);
  process.exit(2);
}
if (!existsSync(new URL('../dist/src/cli.js', import.meta.url))) {
  process.stderr.write('bench: nothing is built; run npm run build\n');
  process.exit(1);
}
const { machine: model, kernel, node } = machine();
process.stdout.write(`${model}, Linux ${kernel}, Node ${node}\n`);
for (const [name, { title, needsRoot, load }] of Object.entries(benchmarks)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  process.stdout.write(`\n${name}: ${title}\n`);
  if (needsRoot && process.getuid?.() !== 0) {
    process.stdout.write('  left out: it makes network namespaces, so it needs root\n');
    continue;
  }
  try {
    const rows = await (await load()).run();
    process.stdout.write(`  written to ${report(name, rows)}\n`);
  } catch (error) {
    process.stderr.write(`bench: ${name}: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
process.exit();

// `npm run hostile`: the hostile peer against every speaker that is installed, both kinds of session; `--speakers landfall,bird`,
// `--modes ebgp`, `--only TEXT`, `--json FILE`, `--write` (docs/conformance.md; `--with FILE` adds the outcomes of an earlier run). Needs root. Exit status 1 when landfall fails a case.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findProgram, killAtExit, stopAll } from '../../src/demo/processes.ts';
import type { Mode } from './case.ts';
import { casesOf } from './cases.ts';
import { describe, judge, type Observed } from './judge.ts';
import { runOnSpeaker } from './ring.ts';
import { programsOf, type SpeakerKind } from './speakers.ts';
import { conformanceTables, type Outcome } from './tables.ts';

const { values } = parseArgs({
  options: {
    speakers: { type: 'string', default: 'landfall,bird,frr,gobgp' }, modes: { type: 'string', default: 'ibgp,ebgp' }, only: { type: 'string' },
    write: { type: 'boolean', default: false }, json: { type: 'string' }, with: { type: 'string' },
  },
});

killAtExit();
const outcomes: Outcome[] = [];
const order: readonly SpeakerKind[] = ['landfall', 'bird', 'frr', 'gobgp'];
for (const speaker of values.speakers.split(',') as SpeakerKind[]) {
  const missing = programsOf[speaker].filter((program) => findProgram(program) === undefined);
  if (missing.length > 0) {
    process.stdout.write(`${speaker}: skipped, needs ${missing.join(', ')}\n`);
    continue;
  }
  for (const mode of values.modes.split(',') as Mode[]) {
    const cases = casesOf(mode).filter(({ name }) => values.only === undefined || name.includes(values.only));
    let wrong = 0;
    const startedAt = Date.now();
    await runOnSpeaker(speaker, mode, cases, (one, seen: Observed) => {
      const failure = judge(one, seen);
      outcomes.push({ speaker, mode, name: one.name, rfc: one.rfc, why: one.why, ok: failure === undefined, did: describe(seen) });
      if (failure === undefined) return;
      wrong += 1;
      process.stdout.write(`  ${speaker} ${mode}: ${one.name} (RFC ${one.rfc}: ${one.why}): ${failure}\n`);
    });
    const share = ((1 - wrong / cases.length) * 100).toFixed(1);
    process.stdout.write(`${speaker} ${mode}: ${cases.length - wrong} of ${cases.length} (${share} %), ${((Date.now() - startedAt) / 1000).toFixed(0)} s\n`);
  }
}
await stopAll();
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(outcomes));
if (values.write) {
  const played = new Set(outcomes.map(({ speaker }) => speaker));
  const before = values.with === undefined ? [] : (JSON.parse(readFileSync(values.with, 'utf8')) as Outcome[]).filter(({ speaker }) => !played.has(speaker));
  const all = [...before, ...outcomes].sort((a, b) => order.indexOf(a.speaker) - order.indexOf(b.speaker));
  const file = fileURLToPath(new URL('../../docs/conformance.md', import.meta.url));
  const [head] = readFileSync(file, 'utf8').split('<!-- tables -->');
  writeFileSync(file, `${head}<!-- tables -->\n\n${conformanceTables(all)}`);
}
process.exitCode = outcomes.some(({ speaker, ok }) => speaker === 'landfall' && !ok) ? 1 : 0;

import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { play } from './play.ts';
import { isClean, kinds as allKinds, scenarios, type Kind, type Scenario } from './scenario.ts';

// `npm run sim -- --histories N --seed S [--kind faulty|clean|window|ladder|prepend|tenants|storm] [--path P]`: plays N histories and says how
// long it took. The last line of a failure names seed and path, with which it plays again; the scenario itself is printed as a test case takes
// it. `--digest` prints a sum over all that happened in each kind: versions of the code that print the same have done the same.
const { values } = parseArgs({
  options: { histories: { type: 'string', default: '3000' }, seed: { type: 'string' }, kind: { type: 'string' }, path: { type: 'string' }, verbose: { type: 'boolean', default: false }, digest: { type: 'boolean', default: false } },
});
const histories = Number(values.histories);
const seed = values.seed === undefined ? Date.now() & 0x7fffffff : Number(values.seed);
const kinds: readonly Kind[] = values.kind === undefined ? allKinds : [values.kind as Kind];
const share: Readonly<Record<Kind, number>> = { faulty: 0.35, clean: 0.1, window: 0.1, ladder: 0.1, prepend: 0.05, tenants: 0.1, storm: 0.2 };
const started = performance.now();
let played = 0;

for (const kind of kinds) {
  const numRuns = kinds.length === 1 ? histories : Math.round(histories * share[kind]);
  const digest = createHash('sha256');
  const property = fc.property(scenarios(kind), (scenario) => {
    played += 1;
    if (played % 5000 === 0) console.error(`${played} histories, ${((performance.now() - started) / 1000).toFixed(0)} s`);
    play(scenario, { clean: isClean(kind), ...(values.digest ? { log: (line: string) => digest.update(`${line}\n`) } : {}) });
  });
  const details = fc.check(property, { numRuns, seed, endOnFailure: false, ...(values.path === undefined ? {} : { path: values.path }) });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (details.failed) {
    const [scenario] = details.counterexample as [Scenario];
    console.log(`${kind}: ${String(details.errorInstance instanceof Error ? details.errorInstance.message : details.errorInstance)}`);
    if (values.verbose) {
      try { play(scenario, { clean: isClean(kind), log: (line) => console.log(line) }); } catch { /* said above */ }
    }
    console.log(JSON.stringify(scenario));
    console.log(`FAILED after ${played} histories and ${seconds} s: --kind ${kind} --histories ${numRuns} --seed ${seed} --path ${details.counterexamplePath}`);
    process.exit(1);
  }
  console.log(`${kind}: ${numRuns} histories hold (seed ${seed}), ${seconds} s so far${values.digest ? `, digest ${digest.digest('hex').slice(0, 16)}` : ''}`);
}

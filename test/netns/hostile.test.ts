import { killAtExit, stopAll } from '../../src/demo/processes.ts';
import { removeLeftovers } from '../../src/demo/namespaces.ts';
import type { Case, Mode } from '../hostile/case.ts';
import { casesOf } from '../hostile/cases.ts';
import { judge } from '../hostile/judge.ts';
import { runOnSpeaker } from '../hostile/ring.ts';

// A sixth of the hostile peer's cases against the daemon over TCP (all of them: `npm run hostile`); HOSTILE_TURN chooses which sixth.

const turn = Number(process.env['HOSTILE_TURN'] ?? 0);

for (const mode of ['ibgp', 'ebgp'] as const satisfies Mode[]) {
  describe(`the daemon and a hostile peer, ${mode}`, function () {
    this.timeout(120_000);
    const failures = new Map<string, string | undefined>();
    const chosen: readonly Case[] = casesOf(mode).filter((_, i) => i % 6 === (turn + (mode === 'ebgp' ? 3 : 0)) % 6);

    before(async function () {
      if (process.geteuid?.() !== 0) {
        if (process.env['CI'] === 'true') throw new Error('would be skipped: needs root');
        process.stderr.write('    skipped: needs root\n');
        return this.skip();
      }
      await runOnSpeaker('landfall', mode, chosen, (one, seen) => failures.set(one.name, judge(one, seen)));
    });

    for (const one of chosen) {
      it(`${one.name} (RFC ${one.rfc}: ${one.why})`, () => {
        const failure = failures.has(one.name) ? failures.get(one.name) : 'was not played';
        if (failure !== undefined) throw new Error(failure);
      });
    }
  });
}

killAtExit();
after(async function () {
  this.timeout(30_000);
  await stopAll();
  await removeLeftovers(`lfh${process.pid}`);
});

import fc from 'fast-check';
import { play } from './play.ts';
import { isClean, kinds, scenarios, type Kind } from './scenario.ts';

/** Few, and always the same: `npm run sim` plays many, and others. */
const histories: Readonly<Record<Kind, number>> = { faulty: 120, clean: 50, window: 40, ladder: 40, prepend: 20, tenants: 40, storm: 60 };

describe('random histories', () => {
  for (const kind of kinds) {
    it(`${kind}: what must always hold does, and at rest each VM is announced by its node alone`, function () {
      this.timeout(60_000);
      fc.assert(fc.property(scenarios(kind), (scenario) => play(scenario, { clean: isClean(kind) })), { numRuns: histories[kind], seed: 20_200_101 });
    });
  }
});

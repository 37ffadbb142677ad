import fc from 'fast-check';
import { play } from './play.ts';
import { scenarios, type Kind } from './scenario.ts';

/** Few, and always the same: `npm run sim` plays many, and others. */
const histories: Readonly<Record<Kind, number>> = { faulty: 200, clean: 80, window: 60 };

describe('random histories', () => {
  for (const kind of ['faulty', 'clean', 'window'] as const) {
    it(`${kind}: what must always hold does, and at rest each VM is announced by its node alone`, function () {
      this.timeout(60_000);
      fc.assert(fc.property(scenarios(kind), (scenario) => play(scenario, { clean: kind !== 'faulty' })), { numRuns: histories[kind], seed: 20_200_101 });
    });
  }
});

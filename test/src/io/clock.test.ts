import assert from 'node:assert/strict';
import { judgeClock } from '../../../src/io/clock.ts';

const year = (n: number): number => Date.UTC(n, 5, 1);

describe('clock', () => {
  for (const [synchronised, wall, built, trusted] of [
    [true, 2026, 2025, true],
    [true, 2045, 2025, true],      // whoever disciplines it knows better
    [false, 2026, 2025, true],     // unsynchronised, and most likely right
    [false, 1970, 2025, false],    // never set
    [false, 2024, 2025, false],
    [false, 2036, 2025, false],    // ten years ahead
    [false, 2026, undefined, true],
    [false, 2036, undefined, false],
    [undefined, 2026, 2025, true],
    [undefined, 1970, undefined, false],
  ] as const) {
    it(`${synchronised === undefined ? 'not to be asked' : synchronised ? 'synchronised' : 'unsynchronised'}, ${wall} on a kernel of ${built ?? 'some year'}: ${trusted ? 'counts' : 'does not count'}`, () => {
      const judged = judgeClock(synchronised, year(wall), built);
      assert.equal(judged.wallTrusted, trusted);
      assert.equal(judged.wallSynchronised, synchronised);
    });
  }
});

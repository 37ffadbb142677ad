import assert from 'node:assert/strict';
import fc from 'fast-check';
import { bears, stepAbove, stepOf } from '../../routes/ladder.ts';

const standard = [200, 201, 202].map((n) => ({ communities: [n], largeCommunities: [] }));
const large = [0, 1].map((n) => ({ communities: [], largeCommunities: [{ globalAdmin: 4200000017, localData1: 9, localData2: 200 + n }] }));

describe('the ladder', () => {
  for (const [what, communities, step] of [
    ['no step', [7], undefined], ['the lowest', [200, 7], 0], ['the top', [202], 2], ['two steps: the higher', [201, 200], 1],
  ] as const) {
    it(`reads ${what}`, () => assert.equal(stepOf({ communities, largeCommunities: [] }, standard), step));
  }

  it('reads steps that are large communities', () => {
    assert.equal(stepOf({ communities: [], largeCommunities: [{ globalAdmin: 4200000017, localData1: 9, localData2: 201 }] }, large), 1);
    assert.equal(bears({ communities: [], largeCommunities: [{ globalAdmin: 4200000017, localData1: 8, localData2: 201 }] }, large[1]!), false);
  });

  it('is climbed one step above the highest rival, and ties only at the top', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 7 })), (rivals) => {
      const { step, tied } = stepAbove(rivals, 8);
      assert.ok(step >= 0 && step <= 7);
      assert.equal(tied, rivals.includes(7));
      assert.equal(rivals.every((rival) => rival < step), !tied);
      if (rivals.length === 0) assert.equal(step, 0);
    }));
  });
});

import assert from 'node:assert/strict';
import { dropPort, newPortShares, putShare, takeShares } from '../../src/port-shares.ts';

describe('what ports bring', () => {
  it('pushes out what the same port brought longest ago, and nothing of another', () => {
    const shares = newPortShares<string, number>();
    putShare(shares, 'a', 7, 1, 2);
    for (let i = 0; i < 1000; i++) putShare(shares, `x${i}`, 8, i, 2);
    assert.deepEqual([...shares.byKey].map(([key, ports]) => [key, [...ports]]), [['a', [[7, 1]]], ['x998', [[8, 998]]], ['x999', [[8, 999]]]]);
    assert.deepEqual([...shares.byPort.keys()], [7, 8]);
  });

  it('stays beside what another brings under the same key, also when that one is pushed out', () => {
    const shares = newPortShares<string, number>();
    putShare(shares, 'a', 7, 1, 1);
    putShare(shares, 'a', 8, 2, 1);
    assert.deepEqual([...(shares.byKey.get('a') ?? [])], [[7, 1], [8, 2]]);
    putShare(shares, 'b', 8, 3, 1);
    assert.deepEqual([...(shares.byKey.get('a') ?? [])], [[7, 1]]);
  });

  it('brought again it is young again, and takes no second place', () => {
    const shares = newPortShares<string, number>();
    for (const [key, value] of [['a', 1], ['b', 2], ['a', 3], ['c', 4]] as const) putShare(shares, key, 7, value, 2);
    assert.deepEqual([...(shares.byPort.get(7) ?? [])], ['a', 'c']);
  });

  it('is taken out by key in the order in which it came, or by port, and leaves nothing', () => {
    const shares = newPortShares<string, number>();
    putShare(shares, 'a', 8, 2, 5);
    putShare(shares, 'a', 7, 1, 5);
    putShare(shares, 'b', 7, 3, 5);
    assert.deepEqual(takeShares(shares, 'a'), [2, 1]);
    assert.deepEqual(takeShares(shares, 'a'), []);
    dropPort(shares, 7);
    dropPort(shares, 9);
    assert.deepEqual([shares.byKey.size, shares.byPort.size], [0, 0]);
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Deadlines } from '../../net/deadlines.ts';

describe('deadlines', () => {
  it('give what a plain map would give, in order, after any history', () => {
    const step = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.option(fc.integer({ min: 0, max: 20 })));
    fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (history) => {
      const deadlines = new Deadlines<number>();
      const model = new Map<number, number>();
      for (const [key, at] of history) {
        deadlines.set(key, at ?? undefined);
        if (at === null) model.delete(key);
        else model.set(key, at);
        assert.equal(deadlines.next(), model.size === 0 ? undefined : Math.min(...model.values()));
      }
      const times: number[] = [];
      for (let key = deadlines.takeDue(100); key !== undefined; key = deadlines.takeDue(100)) {
        times.push(model.get(key) as number);
        model.delete(key);
      }
      assert.equal(model.size, 0);
      assert.deepEqual(times, [...times].sort((a, b) => a - b));
    }));
  });

  it('are not due before their time', () => {
    const deadlines = new Deadlines<string>();
    deadlines.set('a', 10);
    assert.equal(deadlines.takeDue(9.9), undefined);
    assert.equal(deadlines.takeDue(10), 'a');
    assert.equal(deadlines.next(), undefined);
  });
});

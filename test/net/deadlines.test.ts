import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Deadlines } from '../../net/deadlines.ts';

describe('Deadlines', () => {
  it('behaves as a plain map of key to time', () => {
    const step = fc.record({ key: fc.nat(9), at: fc.option(fc.nat(50), { nil: undefined }), take: fc.option(fc.nat(60), { nil: undefined }) });
    fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const deadlines = new Deadlines<number>();
      const model = new Map<number, number>();
      for (const { key, at, take } of steps) {
        deadlines.set(key, at);
        if (at === undefined) model.delete(key);
        else model.set(key, at);
        if (take !== undefined) {
          const due = deadlines.takeDue(take);
          const earliest = Math.min(...model.values());
          if (due === undefined) assert.ok(earliest > take);
          else {
            assert.equal(model.get(due), earliest);
            assert.ok(earliest <= take);
            model.delete(due);
          }
        }
        assert.equal(deadlines.size, model.size);
        assert.equal(deadlines.next(), model.size === 0 ? undefined : Math.min(...model.values()));
      }
    }));
  });

  it('a replaced deadline never fires, however often it is replaced', () => {
    const deadlines = new Deadlines<string>();
    for (let i = 0; i < 10_000; i++) deadlines.set('vm', i);
    assert.equal(deadlines.takeDue(9_998), undefined);
    assert.equal(deadlines.takeDue(9_999), 'vm');
    assert.equal(deadlines.takeDue(1e9), undefined);
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { emptyRateLimits, forgetPort, maxRatedPorts, takeToken } from '../../identity/rate.ts';

function takeMany(limits: ReturnType<typeof emptyRateLimits>, ifindex: number, nowMs: number, wanted: number, maxPerSecond: number): number {
  let taken = 0;
  for (let i = 0; i < wanted; i++) if (takeToken(limits, ifindex, nowMs, maxPerSecond)) taken++;
  return taken;
}

describe('takeToken', () => {
  it('gives the tokens of one second at once, then as they come', () => {
    const limits = emptyRateLimits();
    assert.equal(takeMany(limits, 1, 0, 200, 100), 100);
    assert.equal(takeMany(limits, 1, 9, 10, 100), 0);
    assert.equal(takeMany(limits, 1, 10, 10, 100), 1);
    assert.equal(takeMany(limits, 1, 510, 100, 100), 50);
    assert.equal(takeMany(limits, 1, 60_510, 1000, 100), 100);
  });

  it('each port has its own', () => {
    const limits = emptyRateLimits();
    assert.equal(takeMany(limits, 1, 0, 200, 100), 100);
    assert.equal(takeMany(limits, 2, 0, 200, 100), 100);
  });

  it('0 allows nothing', () => {
    assert.equal(takeMany(emptyRateLimits(), 1, 1e6, 10, 0), 0);
  });

  it('time that seems to run backwards gives nothing for free', () => {
    const limits = emptyRateLimits();
    takeMany(limits, 1, 1000, 200, 100);
    assert.equal(takeMany(limits, 1, 0, 10, 100), 0);
    assert.equal(takeMany(limits, 1, 1000, 10, 100), 0);
  });

  it('never more than a second\'s worth and what came since, over any times', () => {
    fc.assert(fc.property(fc.array(fc.nat(300), { maxLength: 300 }), fc.integer({ min: 1, max: 20 }), (gaps, rate) => {
      const limits = emptyRateLimits();
      let now = 0;
      let taken = 0;
      for (const gap of gaps) {
        now += gap;
        if (takeToken(limits, 1, now, rate)) taken++;
      }
      assert.ok(taken <= rate + (now * rate) / 1000 + 1e-6);
    }));
  });

  it('remembers a bounded number of ports; the quietest goes', () => {
    const limits = emptyRateLimits();
    for (let port = 0; port <= maxRatedPorts; port++) {
      takeToken(limits, port, port, 1);
      takeToken(limits, 0, port, 1);
    }
    assert.equal(limits.buckets.size, maxRatedPorts);
    assert.equal(limits.buckets.has(0), true);
    assert.equal(limits.buckets.has(1), false);
  });

  it('forgets a port that is gone', () => {
    const limits = emptyRateLimits();
    takeMany(limits, 1, 0, 200, 100);
    forgetPort(limits, 1);
    assert.equal(takeMany(limits, 1, 0, 200, 100), 100);
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { GapLedger, RoundTrips, type ProbeGap } from '../../../src/probe/gaps.ts';

/** Sends a request per ms; those for which `answer` gives a round trip are answered after it. */
function play(count: number, answer: (sequence: number) => number | undefined, lossAfterMs = 100): { ledger: GapLedger; ended: ProbeGap[] } {
  const ledger = new GapLedger(lossAfterMs);
  const ended: ProbeGap[] = [];
  const answers = new Map<number, number[]>();
  for (let ms = 0; ms < count + lossAfterMs + 1; ms++) {
    if (ms < count) {
      ledger.sent(ms);
      const rtt = answer(ms);
      if (rtt !== undefined) answers.set(ms + rtt, [...(answers.get(ms + rtt) ?? []), ms]);
    }
    for (const sequence of answers.get(ms) ?? []) ledger.answered(sequence, ms);
    ended.push(...ledger.settle(ms));
  }
  return { ledger, ended };
}

describe('gap ledger', () => {
  it('sees none where all is answered', () => {
    const { ledger, ended } = play(1000, () => 0);
    assert.deepEqual(ended, []);
    assert.deepEqual(ledger.counts(), { sent: 1000, received: 1000, lost: 0, late: 0, pending: 0, longestSilenceMs: 1, silenceStartMs: 0 });
  });

  it('gives each gap with start, length and loss', () => {
    const { ledger, ended } = play(1000, (n) => ((n >= 100 && n < 141) || n === 500 ? undefined : 1));
    assert.deepEqual(ended, [
      { startMs: 100, lengthMs: 41, lost: 41, ended: true },
      { startMs: 500, lengthMs: 1, lost: 1, ended: true },
    ]);
    assert.deepEqual(ledger.counts(), { sent: 1000, received: 958, lost: 42, late: 0, pending: 0, longestSilenceMs: 42, silenceStartMs: 100 });
    assert.deepEqual(ledger.finish(2000), []);
  });

  it('tells a pause that loses nothing from a gap', () => {
    const { ledger, ended } = play(300, (n) => (n >= 100 && n < 150 ? 151 - n : 1));
    assert.deepEqual(ended, []);
    assert.equal(ledger.counts().lost, 0);
    assert.equal(ledger.counts().longestSilenceMs, 51);
  });

  it('takes an answer that overtook others', () => {
    const { ledger, ended } = play(10, (n) => (n % 2 === 0 ? 3 : 0));
    assert.deepEqual(ended, []);
    assert.equal(ledger.counts().received, 10);
  });

  it('counts an answer after its time as late, its request as lost', () => {
    const { ledger, ended } = play(200, (n) => (n === 50 ? 120 : 1));
    assert.deepEqual(ended, [{ startMs: 50, lengthMs: 1, lost: 1, ended: true }]);
    assert.equal(ledger.counts().late, 1);
    assert.equal(ledger.counts().lost, 1);
  });

  it('takes no answer twice, and none to what was never sent', () => {
    const ledger = new GapLedger(100);
    ledger.sent(0);
    assert.equal(ledger.answered(0, 2), 2);
    assert.equal(ledger.answered(0, 3), undefined);
    assert.equal(ledger.answered(7, 3), undefined);
    assert.equal(ledger.answered(0xffffffff, 3), undefined);
    assert.deepEqual(ledger.counts(), { sent: 1, received: 1, lost: 0, late: 0, pending: 0, longestSilenceMs: 0, silenceStartMs: undefined });
  });

  it('ends inside a gap: what was lost is a gap that is not over', () => {
    const { ledger } = play(200, (n) => (n < 150 ? 1 : undefined));
    assert.deepEqual(ledger.finish(400), [{ startMs: 150, lengthMs: 49, lost: 50, ended: false }]);
  });

  it('leaves what was just sent pending, and judges what was overtaken', () => {
    const ledger = new GapLedger(100);
    for (let n = 0; n < 5; n++) ledger.sent(n);
    ledger.answered(0, 1);
    ledger.answered(2, 3);
    assert.deepEqual(ledger.finish(5), [{ startMs: 1, lengthMs: 1, lost: 1, ended: true }]);
    assert.deepEqual(ledger.counts(), { sent: 5, received: 2, lost: 1, late: 0, pending: 2, longestSilenceMs: 2, silenceStartMs: 1 });
  });

  it('accounts for every request, whatever is lost', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 250 }), { nil: undefined }), { maxLength: 300 }), (rtts) => {
        const { ledger, ended } = play(rtts.length, (n) => rtts[n]);
        const all = [...ended, ...ledger.finish(10_000)];
        const { sent, received, lost, late, pending } = ledger.counts();
        assert.equal(sent, rtts.length);
        assert.equal(received + lost, sent);
        assert.equal(pending, 0);
        assert.equal(all.reduce((sum, gap) => sum + gap.lost, 0), lost);
        assert.ok(late <= lost);
        for (let i = 1; i < all.length; i++) assert.ok((all[i] as ProbeGap).startMs > (all[i - 1] as ProbeGap).startMs + (all[i - 1] as ProbeGap).lengthMs - 1);
      }),
      { numRuns: 100 },
    );
  });
});

describe('round trips', () => {
  it('has none of nothing', () => {
    const times = new RoundTrips();
    assert.deepEqual([times.percentileMs(0.5), times.maxMs], [undefined, undefined]);
  });

  it('is right within 1 %', () => {
    const times = new RoundTrips();
    for (let n = 1; n <= 10_000; n++) times.add(n / 100);
    for (const [share, exact] of [[0.5, 50], [0.99, 99], [1, 100]] as const) {
      const value = times.percentileMs(share) as number;
      assert.ok(value >= exact && value <= exact * 1.01, `${share}: ${value}`);
    }
    assert.equal(times.maxMs, 100);
  });
});

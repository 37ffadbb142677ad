import assert from 'node:assert/strict';
import { formatDuration, formatMs, formatRemaining, formatTime, parseDuration } from '../../../src/views/units.ts';

describe('units', () => {
  const durations: [number, string][] = [
    [0, '0s'], [8.9, '8s'], [59, '59s'], [60, '1m00s'], [72, '1m12s'], [3599, '59m59s'], [3 * 3600 + 12 * 60, '3h12m'], [86399, '23h59m'], [353465, '4d02h11m'], [-1, '0s'],
  ];
  for (const [seconds, text] of durations) it(`${seconds} s is ${text}`, () => assert.equal(formatDuration(seconds), text));

  it('rounds up what remains, in seconds below two minutes', () => {
    assert.equal(formatRemaining(81.2), '82s');
    assert.equal(formatRemaining(0), '0s');
    assert.equal(formatRemaining(120), '2m00s');
  });

  it('shows milliseconds with one decimal where there is one, and nothing for what was not measured', () => {
    assert.equal(formatMs(0.0011), '1.1 ms');
    assert.equal(formatMs(0.041), '41 ms');
    assert.equal(formatMs(0), '0 ms');
    assert.equal(formatMs(undefined), undefined);
  });

  it('shortens RFC 3339', () => assert.equal(formatTime('2026-11-24T10:41:07.123Z'), '2026-11-24 10:41:07'));

  const texts: [string, number | undefined][] = [
    ['250ms', 250], ['3s', 3000], ['1.5s', 1500], ['2m', 120_000], ['1h', 3_600_000], ['1d', 86_400_000],
    ['', undefined], ['3', undefined], ['-3s', undefined], ['3 s', undefined], ['s', undefined], ['1e3s', undefined], ['3sec', undefined], ['9999999999s', undefined],
  ];
  for (const [text, ms] of texts) it(`reads ${JSON.stringify(text)} as ${ms}`, () => assert.equal(parseDuration(text), ms));
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decide, type Candidate } from '../../bgp/decision.ts';
import { ip, ipv4FromNumber, type IpAddress, type Prefix } from '../../net/ip.ts';
import { macFromBytes, parseMac, type Mac } from '../../net/mac.ts';
import type { Now } from '../../net/time.ts';
import { clockSequence, epochMs, futureAfterSeconds, highestSequence, isFuture, nextSequence, takeBackAhead } from '../../routes/claim.ts';
import { decodeClaimMarks, encodeClaimMarks } from '../../routes/claim-communities.ts';
import { preferenceOf, gracefulShutdown, isLeaving, noExport, type Level, type Preference, type PreferenceOptions } from '../../routes/preference.ts';

const now: Now = { monotonicMs: 0, wallMs: Date.UTC(2026, 10, 25), wallTrusted: true };

describe('sequence', () => {
  it('counts seconds since 2020-01-01 UTC', () => {
    assert.equal(clockSequence({ ...now, wallMs: epochMs + 61_999 }), 61);
    assert.equal(clockSequence({ ...now, wallMs: 0 }), 1);
  });

  it('is above everything seen, never below 1, never above 2147483647', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: highestSequence }), fc.boolean(), fc.integer({ min: 0, max: 2 ** 43 }), (seen, wallTrusted, wallMs) => {
      const sequence = nextSequence(seen, { monotonicMs: 0, wallMs, wallTrusted });
      assert.ok(sequence >= 1 && sequence <= highestSequence);
      assert.ok(sequence > seen || seen === highestSequence);
    }));
  });

  it('takes the clock where that is ahead, one more than was seen where it is not, and stays at 2147483647', () => {
    const clock = clockSequence(now);
    assert.deepEqual([nextSequence(0, now), nextSequence(clock - 1, now), nextSequence(clock, now)], [clock, clock, clock + 1]);
    for (const seen of [highestSequence - 1, highestSequence]) for (const ahead of [0, takeBackAhead]) assert.equal(nextSequence(seen, now, ahead), highestSequence);
  });

  for (const [what, sequence, future] of [
    ['an hour ahead', clockSequence(now) + 3600, false],
    ['a day ahead', clockSequence(now) + futureAfterSeconds, false],
    ['more than a day ahead', clockSequence(now) + futureAfterSeconds + 1, true],
    ['ten years ahead', clockSequence(now) + 10 * 365 * 86_400, true],
    ['4294967295', 4294967295, true],
    ['0', 0, true],
    ['old', 1, false],
  ] as const) {
    it(`${what} is ${future ? '' : 'not '}future`, () => assert.equal(isFuture(sequence, now), future));
  }
});

describe('a sequence and a clock that is not to be trusted', () => {
  const unset: Now = { monotonicMs: 0, wallMs: 1000, wallTrusted: false };
  const adrift: Now = { ...now, wallTrusted: false };

  it('takes nothing from it: one above what was seen', () => {
    for (const clock of [unset, adrift]) assert.deepEqual([nextSequence(0, clock), nextSequence(41, clock)], [1, 42]);
  });

  it('judges the future by it while it can be right, and by the range alone when it was never set', () => {
    assert.equal(isFuture(clockSequence(now), adrift), false);
    assert.equal(isFuture(clockSequence(now) + 10 * 365 * 86_400, adrift), true);
    assert.equal(isFuture(clockSequence(now), unset), false);
    assert.deepEqual([0, -1, 1.5, NaN, highestSequence + 1, 4294967295].map((sequence) => isFuture(sequence, unset)), [true, true, true, true, true, true]);
  });
});

describe('claim marks in large communities', () => {
  it('stand where the field expects them', () => {
    const marks = encodeClaimMarks(65010, { segment: 3, sequence: 217_000_001, mac: parseMac('52:54:00:aa:00:01') as Mac, node: ip('192.0.2.17') });
    assert.deepEqual(marks.map((c) => `${c.globalAdmin}:${c.localData1}:${c.localData2}`), [
      `65010:${2 ** 24 + 3}:217000001`, `65010:${2 * 2 ** 24 + 0x525400}:${0xaa0001}`, `65010:${3 * 2 ** 24}:${0xc0000211}`,
    ]);
  });

  it('come back as they went', () => {
    const address = fc.integer({ min: 1, max: 0xffffffff }).map((n) => `${n >>> 24}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}` as IpAddress);
    const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => macFromBytes(bytes));
    fc.assert(fc.property(fc.integer({ min: 0, max: 0xffffff }), fc.integer({ min: 1, max: highestSequence }), mac, address, fc.integer({ min: 1, max: 0xffffffff }),
      (segment, sequence, m, node, globalAdmin) => {
        assert.deepEqual(decodeClaimMarks(globalAdmin, encodeClaimMarks(globalAdmin, { segment, sequence, mac: m, node })), { segment, sequence, mac: m, node });
      }));
  });

  it('of another administrator are not ours', () => {
    assert.deepEqual(decodeClaimMarks(65011, encodeClaimMarks(65010, { segment: 0, sequence: 5, node: ip('192.0.2.1') })), {});
  });
});

describe('preference', () => {
  const level = (localPref: number, med: number, community: number) => ({ localPref, med, communities: [community], largeCommunities: [] });
  const options: PreferenceOptions = { levels: { elevated: level(200, 0, 1), normal: level(100, 100, 2), leaving: level(50, 200, 3) }, ladder: [0, 1, 2].map((n) => ({ communities: [200 + n], largeCommunities: [] })), prepend: 3, localAsn: 65010, identifier: 0xc0000211, noExport: false };

  it('orders claims by sequence in profile sequence, on LOCAL_PREF and on MED', () => {
    const older = preferenceOf('sequence', { level: 'normal', sequence: 100, step: 0 }, options);
    const newer = preferenceOf('sequence', { level: 'elevated', sequence: 101, step: 0 }, options);
    const leaving = preferenceOf('sequence', { level: 'leaving', sequence: 101, step: 0 }, options);
    assert.ok(newer.localPref > older.localPref && older.localPref > leaving.localPref);
    assert.ok(newer.med < older.med && older.med < leaving.med);
    assert.deepEqual([leaving.localPref, leaving.med], [0, 4294967295 - 101]);
  });

  for (const profile of ['sequence', 'ladder', 'prepend'] as const) {
    it(`orders two routes that both leave by their sequence, below every claim, in profile ${profile}`, () => {
      const [older, newer] = [100, 101].map((sequence) => preferenceOf(profile, { level: 'leaving', sequence, step: 0 }, options)) as [Preference, Preference];
      assert.equal(newer.localPref, older.localPref);
      assert.ok(newer.med < older.med && newer.med > 2147483647);
    });
  }

  it('breaks ties of the sequence on iBGP by the BGP Identifier, at every router and before any cost or multipath', () => {
    const claimOf = (id: number): Candidate => {
      const node = ipv4FromNumber(id);
      const { asPath, localPref, med, communities, largeCommunities } = preferenceOf('sequence', { level: 'normal', sequence: 100, step: 0, ibgp: true }, { ...options, identifier: id });
      return { route: { prefix: '203.0.113.11/32' as Prefix, attributes: { origin: 'IGP', asPath, nextHop: node, localPref, med, communities, largeCommunities } }, peer: { asn: 65010, ibgp: true, bgpIdentifier: node, address: node } };
    };
    const id = fc.integer({ min: 1, max: 0xdfffffff });
    fc.assert(fc.property(id, id, (a, b) => {
      fc.pre(a !== b);
      const [low, high] = [claimOf(Math.min(a, b)), claimOf(Math.max(a, b))];
      assert.deepEqual(decide(high, low), { winner: low, step: 'MULTI_EXIT_DISC' });
    }));
  });

  it('sends the same for elevated and normal in profile sequence', () => {
    assert.deepEqual(preferenceOf('sequence', { level: 'elevated', sequence: 9, step: 0 }, options), preferenceOf('sequence', { level: 'normal', sequence: 9, step: 0 }, options));
  });

  it('has three levels in profile window', () => {
    assert.deepEqual((['elevated', 'normal', 'leaving'] as const).map((l) => preferenceOf('window', { level: l, sequence: 9, step: 0 }, options).localPref), [200, 100, 50]);
  });

  it('has a community and a LOCAL_PREF for each step in profile ladder, and one step sends the same at both levels', () => {
    const at = (level: Level, step: number) => preferenceOf('ladder', { level, sequence: 9, step }, options);
    assert.deepEqual([0, 1, 2].map((step) => [at('elevated', step).communities, at('elevated', step).localPref]), [[[200], 200], [[201], 201], [[202], 202]]);
    assert.deepEqual(at('elevated', 1), at('normal', 1));
    assert.deepEqual([at('leaving', 2).communities, at('leaving', 2).localPref], [[3, gracefulShutdown], 50]);
  });

  it('prepends nothing to a fresh claim, N to a normal one and 2N to a leaving one in profile prepend', () => {
    const path = (level: Level) => preferenceOf('prepend', { level, sequence: 9, step: 0 }, options).asPath.flatMap(({ asns }) => asns);
    assert.deepEqual([path('elevated'), path('normal'), path('leaving')], [[], [65010, 65010, 65010], new Array(6).fill(65010)]);
  });

  it('orders claims by MED as a last resort in ladder and prepend', () => {
    for (const profile of ['ladder', 'prepend'] as const) {
      const med = (level: Level, sequence: number) => preferenceOf(profile, { level, sequence, step: 0 }, options).med;
      assert.ok(med('elevated', 10) < med('elevated', 9) && med('normal', 1) < med('leaving', 10));
    }
  });

  it('marks what leaves with GRACEFUL_SHUTDOWN, and nothing else', () => {
    for (const profile of ['sequence', 'ladder', 'window', 'prepend'] as const) {
      assert.ok(isLeaving(preferenceOf(profile, { level: 'leaving', sequence: 9, step: 0 }, options).communities));
      assert.ok(!preferenceOf(profile, { level: 'elevated', sequence: 9, step: 0 }, options).communities.includes(gracefulShutdown));
    }
  });

  it('adds no-export where asked', () => {
    assert.ok(preferenceOf('sequence', { level: 'normal', sequence: 9, step: 0 }, { ...options, noExport: true }).communities.includes(noExport));
  });
});

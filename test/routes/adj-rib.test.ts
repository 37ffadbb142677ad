import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Route } from '../../bgp/route.ts';
import { compareIp, ip, type IpAddress, type Prefix } from '../../net/ip.ts';
import type { Now } from '../../net/time.ts';
import { adjRibInLimit, classify, isNewer, keepReceived, newAdjRibIn } from '../../routes/adj-rib-in.ts';
import { newAdjRibOut, takeDelta, type Wanted } from '../../routes/adj-rib-out.ts';
import { encodeClaimMarks } from '../../routes/claim-communities.ts';
import { clockSequence } from '../../routes/claim.ts';
import { gracefulShutdown } from '../../routes/preference.ts';

const now: Now = { monotonicMs: 0, wallMs: Date.UTC(2026, 10, 25), wallTrusted: true };
const us = ip('192.0.2.17');
const today = clockSequence(now);

function route(sequence: number | undefined, node: IpAddress, more: Partial<Route['attributes']> = {}, prefix = '203.0.113.11/32'): Route {
  return {
    prefix: prefix as Prefix,
    attributes: {
      origin: 'IGP', asPath: [], nextHop: node, communities: [],
      largeCommunities: sequence === undefined ? [] : encodeClaimMarks(65010, { segment: 0, sequence, node }), ...more,
    },
  };
}

describe('a received route', () => {
  const rival = ip('192.0.2.18');
  for (const [what, received, kind, newer] of [
    ['another node, newer', route(today + 5, rival), 'rival', true],
    ['another node, older', route(today - 5, rival), 'rival', false],
    ['same sequence, higher identifier', route(today, rival), 'rival', false],
    ['same sequence, lower identifier', route(today, ip('192.0.2.16')), 'rival', true],
    ['newer and leaving', route(today + 5, rival, { communities: [gracefulShutdown] }), 'rival', false],
    ['our own, reflected', route(today + 5, us), 'own', false],
    ['our own by ORIGINATOR_ID alone', route(undefined, rival, { originatorId: us }), 'own', false],
    ['ten years ahead', route(today + 315_360_000, rival), 'future', false],
    ['no marks', route(undefined, rival), 'foreign', false],
    ['marks of another administrator', route(undefined, rival, { largeCommunities: encodeClaimMarks(1, { segment: 0, sequence: today + 9, node: rival }) }), 'foreign', false],
  ] as const) {
    it(`${what}: ${kind}${newer ? ', newer' : ''}`, () => {
      const read = classify(received, 65010, us, now);
      assert.equal(read.kind, kind);
      assert.equal(isNewer(read, today, (node) => compareIp(node, us)), newer);
    });
  }

  it('routes of one UPDATE share what was read of their attributes', () => {
    const one = classify(route(today, rival), 65010, us, now);
    const other = { prefix: '198.51.100.9/32' as Prefix, attributes: one.route.attributes };
    const together = classify(other, 65010, us, now, one);
    assert.equal(together.marks, one.marks);
    assert.deepEqual(together, classify(other, 65010, us, now));
    const apart = route(today - 5, rival);
    assert.deepEqual(classify(apart, 65010, us, now, one), classify(apart, 65010, us, now));
  });

  it('beyond the limit is counted and not kept, and one that is held can change', () => {
    const rib = newAdjRibIn();
    for (let i = 0; i < adjRibInLimit; i++) keepReceived(rib, classify(route(5, rival, {}, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32`), 65010, us, now));
    assert.equal(keepReceived(rib, classify(route(5, rival, {}, '11.0.0.1/32'), 65010, us, now)), false);
    assert.equal(keepReceived(rib, classify(route(6, rival, {}, '10.0.0.1/32'), 65010, us, now)), true);
    assert.equal(rib.routes.size, adjRibInLimit);
    assert.equal(rib.refused, 1);
  });
});

describe('Adj-RIB-Out', () => {
  const wanted = (prefix: Prefix, key: string): Wanted => ({ route: route(1, us, {}, prefix), key });

  it('equals what was wanted after any history', () => {
    const prefixes = ['10.0.0.1/32', '10.0.0.2/32', '2001:db8::1/128', '10.0.0.4/32'] as Prefix[];
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.option(fc.integer({ min: 0, max: 2 }))), { maxLength: 40 }), (history) => {
      const rib = newAdjRibOut();
      const want = new Map<Prefix, string>();
      const peerHas = new Map<Prefix, string>();
      for (const [which, key] of history) {
        const prefix = prefixes[which] as Prefix;
        if (key === null) want.delete(prefix);
        else want.set(prefix, String(key));
        for (const change of takeDelta(rib, [prefix], (p) => (want.has(p) ? wanted(p, want.get(p) as string) : undefined))) {
          if (change.type === 'withdraw') assert.ok(peerHas.delete(change.prefix), 'withdrew what was never sent');
          else peerHas.set(change.route.prefix, want.get(change.route.prefix) as string);
        }
        assert.deepEqual([...peerHas].sort(), [...want].sort());
      }
    }));
  });

  it('says nothing when nothing changed', () => {
    const rib = newAdjRibOut();
    const p = '10.0.0.1/32' as Prefix;
    assert.equal(takeDelta(rib, [p], () => wanted(p, 'a')).length, 1);
    assert.deepEqual(takeDelta(rib, [p], () => wanted(p, 'a')), []);
  });

  it('stops adding at maxPrefixes, renews what is there, and fills room that becomes free', () => {
    const rib = newAdjRibOut();
    const [a, b] = ['10.0.0.1/32', '10.0.0.2/32'] as [Prefix, Prefix];
    assert.equal(takeDelta(rib, [a, b], (p) => wanted(p, 'x'), 1).length, 1);
    assert.deepEqual([...rib.overLimit], [b]);
    assert.equal(takeDelta(rib, [a, b], (p) => wanted(p, 'y'), 1).length, 1);
    const changes = takeDelta(rib, [a, b], (p) => (p === b ? wanted(p, 'y') : undefined), 1);
    assert.deepEqual(changes.map((c) => c.type), ['withdraw', 'announce']);
    assert.equal(rib.overLimit.size, 0);
  });
});

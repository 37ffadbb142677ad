import assert from 'node:assert/strict';
import { wellKnownCommunities } from '../../bgp/community.ts';
import { hostPrefix, ip, type Prefix } from '../../net/ip.ts';
import { adjRibInLimit, classify, keepReceived, newAdjRibIn, type AdjRibIn, type ReceivedRoute } from '../../routes/adj-rib-in.ts';
import { takePath } from '../../routes/paths.ts';
import { familyPart, loseFamily, passFamily, replaceStale, type StaleFamily, type StaleStep } from '../../routes/stale-rib.ts';

const now = { monotonicMs: 0, wallMs: Date.UTC(2026, 10, 25), wallTrusted: true };
const noLlgr = wellKnownCommunities['no-llgr'] as number;
const [a, b, c] = ['203.0.113.1', '203.0.113.2', '203.0.113.3'].map((text) => hostPrefix(ip(text))) as [Prefix, Prefix, Prefix];
const v6 = hostPrefix(ip('2001:db8::1'));

function route(prefix: Prefix, communities: readonly number[] = [], med = 0): ReceivedRoute {
  return classify({ prefix, attributes: { origin: 'IGP', asPath: [], nextHop: ip('192.0.2.9'), med, communities, largeCommunities: [] } }, 65010, ip('192.0.2.1'), now);
}
function ribOf(...routes: ReceivedRoute[]): AdjRibIn {
  const rib = newAdjRibIn();
  for (const one of routes) assert.ok(keepReceived(rib, one));
  return rib;
}
/** Its paths by prefix, which have the path identifiers `of`. */
function pathRib(prefix: Prefix, paths: Record<number, ReceivedRoute>): AdjRibIn {
  const rib = newAdjRibIn();
  for (const [id, path] of Object.entries(paths)) rib.routes.set(prefix, takePath(rib, prefix, Number(id), path)?.best as ReceivedRoute);
  return rib;
}
const held = (step: StaleStep): [string, string[], number] | undefined => step.stale === undefined ? undefined : [step.stale.phase, [...step.stale.rib.routes.keys()], step.stale.untilMs];
const both = { restartMs: 100, longLivedMs: 1000 };
const staleAt = (atMs: number, ...routes: ReceivedRoute[]): StaleFamily => loseFamily(undefined, ribOf(...routes), both, atMs).stale as StaleFamily;

describe('the routes of a session that was lost', () => {
  it('stay as they are for the Restart Time, then as the least preferred without those with NO_LLGR, then not at all', () => {
    let step = loseFamily(undefined, ribOf(route(a), route(b, [noLlgr])), both, 5);
    assert.deepEqual([held(step), step.gone], [['restart', [a, b], 105], []]);
    step = passFamily(step.stale as StaleFamily, 104, false);
    assert.deepEqual([held(step), step.gone], [['restart', [a, b], 105], []], 'a tick too early is harmless');
    step = passFamily(step.stale as StaleFamily, 105, false);
    assert.deepEqual([held(step), step.gone], [['longLived', [a], 1105], [b]]);
    step = passFamily(step.stale as StaleFamily, 1105, false);
    assert.deepEqual([held(step), step.gone], [undefined, [a]]);
  });

  it('a late tick passes through both times, and neither is longer for it', () => {
    const stale = staleAt(0, route(a), route(b, [noLlgr]));
    assert.equal(passFamily(stale, 700, false).stale?.untilMs, 1100);
    const step = passFamily(staleAt(0, route(a), route(b, [noLlgr])), 5000, false);
    assert.deepEqual([held(step), step.gone], [undefined, [b, a]]);
  });

  for (const [what, terms, first] of [
    ['both times 0: nothing', { restartMs: 0, longLivedMs: 0 }, undefined],
    ['Restart Time 0: the least preferred at once', { restartMs: 0, longLivedMs: 1000 }, ['longLived', [a], 1005]],
    ['Long-lived Stale Time 0: the Restart Time alone', { restartMs: 100, longLivedMs: 0 }, ['restart', [a, b], 105]],
  ] as const) {
    it(what, () => assert.deepEqual(held(loseFamily(undefined, ribOf(route(a), route(b, [noLlgr])), terms, 5)), first));
  }

  it('no clock runs for no routes', () => {
    assert.deepEqual(loseFamily(undefined, newAdjRibIn(), both, 0), { gone: [] });
    assert.deepEqual(held(passFamily(staleAt(0, route(a, [noLlgr])), 100, false)), undefined);
  });

  it('go where the peer shows them anew or withdraws them', () => {
    const stale = staleAt(0, route(a), route(b));
    assert.deepEqual([replaceStale(stale, a, undefined), replaceStale(stale, a, undefined), replaceStale(stale, c, 1)], [true, false, false]);
    assert.deepEqual([...stale.rib.routes.keys()], [b]);
  });
});

describe('a session that is lost again before its End-of-RIB (RFC 9494 section 4.2)', () => {
  it('during the Long-lived Stale Time: its clock runs on, and what was stale stays beside what is lost now', () => {
    const old = passFamily(staleAt(0, route(a), route(b)), 100, false).stale as StaleFamily;
    replaceStale(old, b, undefined);
    const step = loseFamily(old, ribOf(route(b, [], 7), route(c, [noLlgr])), both, 600);
    assert.deepEqual([held(step), step.gone], [['longLived', [b, a], 1100], [c]]);
    assert.equal(step.stale?.rib.routes.get(b)?.route.attributes.med, 7);
  });

  it('during the Restart Time: that begins anew, the end of all does not move', () => {
    const old = staleAt(0, route(a));
    assert.deepEqual(held(loseFamily(old, ribOf(route(b)), both, 60)), ['restart', [b, a], 160]);
    assert.equal(loseFamily(staleAt(0, route(a)), ribOf(route(b)), { ...both, restartMs: 5000 }, 60).stale?.untilMs, 1100);
  });

  it('without a Long-lived Stale Time what was stale goes (RFC 4724 section 4.2)', () => {
    for (const [first, second] of [[{ restartMs: 100, longLivedMs: 0 }, both], [both, { restartMs: 100, longLivedMs: 0 }]] as const) {
      const old = loseFamily(undefined, ribOf(route(a)), first, 0).stale;
      const step = loseFamily(old, ribOf(route(b)), second, 60);
      assert.deepEqual([held(step), step.gone], [['restart', [b], 160], [a]]);
    }
  });

  it('after the clock has run out while the peer was back: nothing of it is kept, old or new', () => {
    const old = passFamily(staleAt(0, route(a), route(b)), 100, false).stale as StaleFamily;
    const spent = passFamily(old, 1100, true);
    assert.deepEqual([held(spent), spent.gone], [['spent', [], Infinity], [a, b]]);
    assert.deepEqual(passFamily(spent.stale as StaleFamily, 1e9, true), { stale: spent.stale, gone: [] });
    assert.deepEqual(loseFamily(spent.stale, ribOf(route(b)), both, 1200), { gone: [] });
  });

  it('is remembered for its clock also where all was shown again', () => {
    const old = passFamily(staleAt(0, route(a)), 100, false).stale as StaleFamily;
    replaceStale(old, a, undefined);
    assert.deepEqual(held(loseFamily(old, ribOf(route(a)), both, 600)), ['longLived', [a], 1100]);
  });

  it('costs no more than an Adj-RIB-In', () => {
    const rib = newAdjRibIn();
    for (let i = 0; i < adjRibInLimit; i += 1) rib.routes.set(hostPrefix(ip(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)), route(a));
    const step = loseFamily(staleAt(0, route(a), route(b)), rib, both, 50);
    assert.equal(step.stale?.rib.routes.size, adjRibInLimit);
    assert.equal(step.stale?.rib.routes.has(a), false);
  });
});

describe('several stale routes for a prefix (RFC 7911)', () => {
  const paths = () => pathRib(a, { 1: route(a, [noLlgr], 1), 2: route(a, [], 2), 3: route(a, [], 3) });
  const meds = (step: StaleStep): unknown => [...step.stale?.rib.paths?.get(a)?.values() ?? []].map(({ route: { attributes } }) => attributes.med);

  it('go one by one: by NO_LLGR, as they are shown again, and at the end', () => {
    const step = passFamily(loseFamily(undefined, paths(), both, 0).stale as StaleFamily, 100, false);
    assert.deepEqual([meds(step), step.gone, step.stale?.rib.routes.get(a)?.route.attributes.med], [[2, 3], [a], 2]);
    const stale = step.stale as StaleFamily;
    assert.deepEqual([replaceStale(stale, a, 2), replaceStale(stale, a, 9)], [true, false]);
    assert.equal(stale.rib.routes.get(a)?.route.attributes.med, 3);
    assert.equal(replaceStale(stale, a, 3), true);
    assert.deepEqual([stale.rib.routes.size, stale.rib.paths?.size], [0, 0]);
  });

  it('all with NO_LLGR go together', () => {
    const rib = pathRib(a, { 1: route(a, [noLlgr]), 2: route(a, [noLlgr]) });
    assert.deepEqual(passFamily(loseFamily(undefined, rib, both, 0).stale as StaleFamily, 100, false), { gone: [a] });
  });

  it('those not shown again stay beside those that were', () => {
    const old = loseFamily(undefined, paths(), both, 0).stale as StaleFamily;
    replaceStale(old, a, 2);
    assert.deepEqual(meds(loseFamily(old, pathRib(a, { 2: route(a, [], 20) }), both, 50)), [20, 1, 3]);
  });

  it('a peer that sends none with identifiers any more replaces them all', () => {
    const stale = loseFamily(undefined, paths(), both, 0).stale as StaleFamily;
    assert.equal(replaceStale(stale, a, undefined), true);
    assert.deepEqual([stale.rib.routes.size, stale.rib.paths?.size], [0, 0]);
  });

  it('a family has its own', () => {
    const rib = paths();
    keepReceived(rib, route(v6));
    const [four, six] = [familyPart(rib, 'ipv4-unicast'), familyPart(rib, 'ipv6-unicast')];
    assert.deepEqual([[...four.routes.keys()], four.paths?.size, [...six.routes.keys()], six.paths], [[a], 1, [v6], undefined]);
  });
});

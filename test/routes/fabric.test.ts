import assert from 'node:assert/strict';
import type { Route } from '../../bgp/route.ts';
import { ip, type IpAddress, type Prefix } from '../../net/ip.ts';
import type { Now } from '../../net/time.ts';
import { classify, type ReceivedRoute } from '../../routes/adj-rib-in.ts';
import { encodeClaimMarks } from '../../routes/claim-communities.ts';
import { clockSequence } from '../../routes/claim.ts';
import { isMended, judgeRoute, orderTrouble, pathAtRouter, prependsIn, type RouterView } from '../../routes/fabric.ts';
import { gracefulShutdown, preferenceOf, type Level, type PreferenceOptions, type Profile } from '../../routes/preference.ts';

const now: Now = { monotonicMs: 0, wallMs: Date.UTC(2026, 10, 25), wallTrusted: true };
const us = ip('192.0.2.17');
const them = ip('192.0.2.18');
const sequence = clockSequence(now);
const level = (localPref: number, med: number, community: number) => ({ localPref, med, communities: [community], largeCommunities: [] });
const options: PreferenceOptions = {
  levels: { elevated: level(200, 0, 1), normal: level(100, 100, 2), leaving: level(50, 200, 3) },
  ladder: [10, 11, 12].map((n) => ({ communities: [n], largeCommunities: [] })), prepend: 3, localAsn: 65010, identifier: 0xc0000211, noExport: false,
};

/** A route as `profile` sends it, having come over `path`. */
function received(profile: Profile, at: Level, path: readonly number[], more: Partial<Route['attributes']> = {}, node: IpAddress = them, step = 0): ReceivedRoute {
  const { asPath, communities, largeCommunities, localPref, med } = preferenceOf(profile, { level: at, sequence, step }, options);
  return classify({
    prefix: '203.0.113.11/32' as Prefix,
    attributes: {
      origin: 'IGP', nextHop: them, localPref, med, communities,
      asPath: path.length === 0 ? [] : [{ type: 'AS_SEQUENCE', asns: [...path, ...asPath.flatMap(({ asns }) => asns)] }],
      largeCommunities: [...largeCommunities, ...encodeClaimMarks(65010, { segment: 0, sequence, node })], ...more,
    },
  }, 65010, us, now);
}

const ebgp = (profile: Profile): RouterView => ({ profile, ibgp: false, peerAsn: 65002, localAsn: 65010 });
const ibgp = (profile: Profile): RouterView => ({ profile, ibgp: true, peerAsn: 65010, localAsn: 65010 });
const overSpine = [65002, 65100, 65001, 65010];

describe('what a received route says of the fabric', () => {
  for (const [what, view, route, code, says] of [
    ['sequence, one ToR, nodes of one AS', ebgp('sequence'), received('sequence', 'normal', [65002, 65010]), undefined, /./],
    ['sequence over a spine', ebgp('sequence'), received('sequence', 'normal', overSpine), 'med_not_compared', /from AS 65100, ours from AS 65010.*use profile ladder/],
    ['sequence, one ToR, nodes of two ASes', ebgp('sequence'), received('sequence', 'normal', [65002, 65011]), 'med_not_compared', /from AS 65011/],
    ['sequence, a router that overrides ASNs', ebgp('sequence'), received('sequence', 'normal', [65002, 65002]), undefined, /./],
    ['sequence on iBGP', ibgp('sequence'), received('sequence', 'normal', []), undefined, /./],
    ['sequence on iBGP, LOCAL_PREF rewritten', ibgp('sequence'), received('sequence', 'normal', [], { localPref: 100 }), 'local_pref_changed', /LOCAL_PREF 100, not with its sequence/],
    ['our own claim back with another LOCAL_PREF', ibgp('sequence'), received('sequence', 'normal', [], { localPref: 100 }, us), 'local_pref_changed', /our own claim/],
    ['a router in graceful shutdown', ibgp('sequence'), received('sequence', 'normal', [], { localPref: 0 }), undefined, /./],
    ['our own claim back without marks', ibgp('sequence'), received('sequence', 'normal', [], { largeCommunities: [], originatorId: us }, us), 'marks_stripped', /without landfall's marks.*send-community all/],
    ['a leaving route whatever its LOCAL_PREF', ibgp('sequence'), received('sequence', 'leaving', []), undefined, /./],
    ['prepend over a spine', ebgp('prepend'), received('prepend', 'elevated', overSpine), undefined, /./],
    ['prepend over a spine, settled', ebgp('prepend'), received('prepend', 'normal', overSpine), undefined, /./],
    ['prepend over two tiers of spines', ebgp('prepend'), received('prepend', 'normal', [65002, 65100, 65200, 65101, 65001, 65010]), 'path_too_long', /5 ASes away.*prepend: 5/],
    ['ladder with its step', ebgp('ladder'), received('ladder', 'normal', overSpine), undefined, /./],
    ['ladder, communities stripped', ebgp('ladder'), received('ladder', 'normal', overSpine, { communities: [] }), 'no_step', /send-community/],
    ['ladder, a node that leaves', ebgp('ladder'), received('ladder', 'leaving', overSpine), undefined, /./],
    ['window, communities stripped', ebgp('window'), received('window', 'normal', overSpine, { communities: [] }), 'no_level', /profile window/],
    ['a route without marks', ebgp('sequence'), received('sequence', 'normal', overSpine, { largeCommunities: [] }), undefined, /./],
  ] as const) {
    it(`${what}: ${code ?? 'nothing'}`, () => {
      const found = judgeRoute(view, route, options);
      assert.equal(found?.code, code);
      if (found !== undefined) assert.match(`${found.text}; ${found.fix}`, says);
    });
  }
});

describe('what a route has shown', () => {
  const stripped = received('ladder', 'normal', overSpine, { communities: [] });
  const found = judgeRoute(ebgp('ladder'), stripped, options)!;
  for (const [what, route, view, mended] of [
    ['still stands', stripped, ebgp('ladder'), false],
    ['stands while nothing is shown any more', undefined, ebgp('ladder'), false],
    ['stands whatever another node shows', received('ladder', 'normal', overSpine, {}, ip('192.0.2.19')), ebgp('ladder'), false],
    ['stands whatever a leaving claim shows', received('ladder', 'leaving', overSpine), ebgp('ladder'), false],
    ['is mended once its step is there', received('ladder', 'normal', overSpine), ebgp('ladder'), true],
    ['is mended with another profile of ours', stripped, ebgp('prepend'), true],
  ] as const) it(what, () => assert.equal(isMended(found, view, route, options), mended));

  it('marks taken off: is mended by the marks of any node', () => {
    const bare = received('sequence', 'normal', [], { largeCommunities: [], originatorId: us }, us);
    const taken = judgeRoute(ibgp('sequence'), bare, options)!;
    assert.equal(isMended(taken, ibgp('sequence'), bare, options), false);
    assert.equal(isMended(taken, ibgp('sequence'), undefined, options), false);
    assert.equal(isMended(taken, ibgp('sequence'), received('sequence', 'normal', []), options), true);
  });
});

describe('a claim beside a rival', () => {
  for (const [what, profile, rival, tied] of [
    ['sequence', 'sequence', received('sequence', 'elevated', []), false],
    ['window, rival elevated', 'window', received('window', 'elevated', [65002, 65010]), true],
    ['window, rival normal', 'window', received('window', 'normal', [65002, 65010]), false],
    ['prepend, rival fresh', 'prepend', received('prepend', 'elevated', overSpine), true],
    ['prepend, rival normal', 'prepend', received('prepend', 'normal', overSpine), false],
    ['prepend, rival leaving', 'prepend', received('prepend', 'leaving', overSpine), false],
    ['ladder, rival below the top', 'ladder', received('ladder', 'elevated', overSpine, {}, them, 1), false],
    ['ladder, rival on the top', 'ladder', received('ladder', 'elevated', overSpine, {}, them, 2), true],
    ['ladder, rival on the top and leaving', 'ladder', received('ladder', 'elevated', overSpine, { communities: [12, gracefulShutdown] }), false],
  ] as const) {
    it(`${what}: ${tied ? 'ties' : 'is ordered'}`, () => assert.equal(orderTrouble(profile, rival, options) !== undefined, tied));
  }
});

describe('paths', () => {
  const path = (asns: readonly number[]) => [{ type: 'AS_SEQUENCE' as const, asns }];
  it('are taken as the router has them', () => assert.deepEqual(pathAtRouter(path([65002, 65002, 65100, 65010]), 65002), [65100, 65010]));
  it('count prepends at their origin only', () => assert.deepEqual([[65002, 65010], [65002, 65002, 65010, 65010, 65010], []].map((asns) => prependsIn(path(asns))), [0, 2, 0]));
});

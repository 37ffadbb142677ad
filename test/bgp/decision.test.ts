import assert from 'node:assert/strict';
import { bestPath, better, decide, type Candidate, type DecisionStep } from '../../bgp/decision.ts';
import type { RouteAttributes } from '../../bgp/route.ts';
import { ip, parsePrefix, type Prefix } from '../../net/ip.ts';

interface Spec extends Partial<RouteAttributes> {
  readonly ibgp?: boolean;
  readonly id?: string;
  readonly address?: string;
  /** AS_PATH as one AS_SEQUENCE. */
  readonly path?: readonly number[];
}

function candidate({ ibgp = true, id = '192.0.2.1', address = '192.0.2.1', path, ...attributes }: Spec): Candidate {
  const asPath = path === undefined ? [] : [{ type: 'AS_SEQUENCE' as const, asns: path }];
  const base = { origin: 'IGP' as const, asPath, nextHop: ip('192.0.2.1'), communities: [], largeCommunities: [] };
  return {
    route: { prefix: parsePrefix('10.0.0.5/32') as Prefix, attributes: { ...base, ...attributes } },
    peer: { asn: ibgp ? 65010 : 65001, ibgp, bgpIdentifier: ip(id), address: ip(address) },
  };
}

describe('best path', () => {
  const rows: readonly [step: DecisionStep, winner: Spec, loser: Spec][] = [
    ['LOCAL_PREF', { localPref: 200, path: [1, 2] }, { localPref: 100 }],
    ['LOCAL_PREF', {}, { localPref: 99 }],
    ['LOCAL_PREF', { localPref: 101 }, {}],
    ['AS_PATH', { path: [1] }, { path: [1, 2], id: '192.0.2.0' }],
    ['AS_PATH', { path: [] }, { asPath: [{ type: 'AS_SET', asns: [1] }] }],
    ['ORIGIN', { origin: 'IGP', med: 9 }, { origin: 'EGP' }],
    ['ORIGIN', { origin: 'EGP', med: 9 }, { origin: 'INCOMPLETE' }],
    ['MULTI_EXIT_DISC', { med: 1, path: [7], id: '192.0.2.9' }, { med: 2, path: [7] }],
    ['MULTI_EXIT_DISC', { path: [7], id: '192.0.2.9' }, { med: 1, path: [7] }],
    ['MULTI_EXIT_DISC', { med: 0, id: '192.0.2.9' }, { med: 4294967295 }],
    ['BGP Identifier', { med: 2, path: [7] }, { med: 1, path: [8], id: '192.0.2.9' }],
    ['eBGP over iBGP', { ibgp: false, path: [7], id: '192.0.2.9' }, { ibgp: true, path: [7] }],
    ['BGP Identifier', { id: '9.0.0.1' }, { id: '10.0.0.1' }],
    ['BGP Identifier', { id: '10.0.0.1', originatorId: ip('9.0.0.1') }, { id: '9.0.0.2' }],
    ['CLUSTER_LIST', { address: '192.0.2.9' }, { clusterList: [ip('192.0.2.1')] }],
    ['peer address', { address: '192.0.2.9' }, { address: '192.0.2.10' }],
    ['peer address', { address: '192.0.2.9' }, { address: '2001:db8::1' }],
  ];
  for (const [step, winner, loser] of rows) {
    it(`${step}: ${JSON.stringify(winner)} before ${JSON.stringify(loser)}`, () => {
      const [a, b] = [candidate(winner), candidate(loser)];
      assert.deepEqual(decide(a, b), { winner: a, step });
      assert.deepEqual(decide(b, a), { winner: a, step });
      assert.equal(bestPath([a, b]), a);
      assert.equal(bestPath([b, a]), a);
      assert.ok(better(a, b) && !better(b, a));
    });
  }

  it('ignores LOCAL_PREF of an external peer', () => {
    assert.equal(decide(candidate({ ibgp: false, localPref: 5, path: [1] }), candidate({ ibgp: false, localPref: 500, path: [1] })), undefined);
  });

  it('takes a missing MED as the highest where asked', () => {
    const [a, b] = [candidate({ med: 5, path: [7] }), candidate({ path: [7] })];
    assert.equal(bestPath([b, a], { missingMed: 'highest' }), a);
  });

  it('does not depend on the order, though MED is no order over all routes', () => {
    // a beats b on the identifier, b beats c on the identifier, c beats a on MED: c has put a out, so b wins.
    const a = candidate({ path: [7], med: 2, id: '192.0.2.1' });
    const b = candidate({ path: [8], id: '192.0.2.2' });
    const c = candidate({ path: [7], med: 1, id: '192.0.2.3' });
    for (const order of [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]]) assert.equal(bestPath(order), b);
  });

  it('of none is none, of one is that one', () => {
    assert.equal(bestPath([]), undefined);
    const only = candidate({});
    assert.equal(bestPath([only]), only);
  });
});

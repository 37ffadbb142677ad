import assert from 'node:assert/strict';
import { hostPrefix, ip, type IpAddress } from '../../net/ip.ts';
import { classify, newAdjRibIn, type ReceivedRoute } from '../../routes/adj-rib-in.ts';
import { encodeClaimMarks } from '../../routes/claim-communities.ts';
import { mostTelling, pathsOf, takePath } from '../../routes/paths.ts';
import { wellKnownCommunities } from '../../bgp/community.ts';

const own = ip('192.0.2.1');
const other = ip('192.0.2.2');
const prefix = hostPrefix(ip('203.0.113.11'));
const now = { monotonicMs: 0, wallMs: Date.UTC(2026, 10, 25), wallTrusted: true };

function route(node: IpAddress | undefined, sequence: number, communities: readonly number[] = []): ReceivedRoute {
  const attributes = {
    origin: 'IGP' as const, asPath: [], nextHop: ip('192.0.2.9'), communities, largeCommunities: node === undefined ? [] : encodeClaimMarks(65010, { segment: 0, sequence, node }),
  };
  return classify({ prefix, attributes }, 65010, own, now);
}

describe('several routes of a peer for a prefix (RFC 7911)', () => {
  const [ours, older, newer] = [route(own, 100), route(other, 99), route(other, 101)];
  const leaving = route(other, 500, [wellKnownCommunities['graceful-shutdown'] as number]);
  const stale = route(other, 600, [wellKnownCommunities['llgr-stale'] as number]);
  const future = route(other, 2_000_000_000);
  const foreign = route(undefined, 0);

  const table: [what: string, paths: readonly ReceivedRoute[], best: ReceivedRoute | undefined][] = [
    ['the newest claim counts', [older, newer, ours], newer],
    ['ours before an older rival\'s', [older, ours], ours],
    ['a rival that ties before ours', [ours, route(other, 100)], route(other, 100)],
    ['one that stands before one that is given up, however new', [leaving, older], older],
    ['one that a router keeps though its node is gone (RFC 9494) claims nothing', [stale, older], older],
    ['a claim before one that nobody obeys', [future, leaving], leaving],
    ['anything before what is no claim', [foreign, future], future],
    ['nothing of none', [], undefined],
  ];
  for (const [what, paths, best] of table) it(what, () => assert.deepEqual(mostTelling(paths), best));

  it('each path is replaced and taken away by itself', () => {
    const rib = newAdjRibIn();
    assert.deepEqual(takePath(rib, prefix, 1, ours), { best: ours });
    assert.deepEqual(takePath(rib, prefix, 2, older), { best: ours });
    assert.deepEqual(takePath(rib, prefix, 2, newer), { before: older, best: newer });
    assert.deepEqual(takePath(rib, prefix, 2, undefined), { before: newer, best: ours });
    assert.deepEqual(takePath(rib, prefix, 7, undefined), { best: ours }, 'one that never was');
    assert.deepEqual(takePath(rib, prefix, 1, undefined), { before: ours });
    assert.equal(rib.paths?.size, 0);
  });

  it('no more than sixteen are kept; what is over that is counted', () => {
    const rib = newAdjRibIn();
    for (let id = 0; id < 20; id++) takePath(rib, prefix, id, older);
    assert.deepEqual([[...pathsOf(rib, prefix)].length, rib.refused], [16, 4]);
    assert.deepEqual(takePath(rib, prefix, 3, newer), { before: older, best: newer }, 'those that are there may change');
  });
});

import assert from 'node:assert/strict';
import type { AsPathSegment } from '../../../bgp/route.ts';
import { countHops, mergeAs4Path, prependAsn } from '../../../bgp/wire/as-path.ts';
import { decodeMessage, encodeMessage } from '../../../bgp/wire/message.ts';
import type { UpdateMessage } from '../../../bgp/wire/messages.ts';
import { ebgp2 } from './build.ts';

const sequence = (...asns: number[]): AsPathSegment => ({ type: 'AS_SEQUENCE', asns });
const set = (...asns: number[]): AsPathSegment => ({ type: 'AS_SET', asns });
const confederation = (...asns: number[]): AsPathSegment => ({ type: 'AS_CONFED_SEQUENCE', asns });
const T = 23456;
const big = 4200000001;

describe('AS_PATH', () => {
  it('counts hops as RFC 4271 section 9.1.2.2 and RFC 5065 section 5.3 say', () => {
    assert.equal(countHops([]), 0);
    assert.equal(countHops([sequence(1, 2), set(3, 4, 5), confederation(6, 7)]), 3);
  });

  const merges: readonly [what: string, asPath: AsPathSegment[], as4Path: AsPathSegment[], merged: AsPathSegment[]][] = [
    ['same length', [sequence(T, 200)], [sequence(big, 200)], [sequence(big, 200)]],
    ['two more in front', [sequence(10, 20, T)], [sequence(big)], [sequence(10, 20, big)]],
    ['AS4_PATH longer: ignored', [sequence(T)], [sequence(big, 5)], [sequence(T)]],
    ['a set in front', [set(1, 2), sequence(T)], [sequence(big)], [set(1, 2), sequence(big)]],
    ['a set that AS4_PATH has', [sequence(10), set(T)], [set(big)], [sequence(10), set(big)]],
    ['confederation segments stay in front', [confederation(7), sequence(T)], [sequence(big)], [confederation(7), sequence(big)]],
    ['empty AS4_PATH', [sequence(1, 2)], [], [sequence(1, 2)]],
  ];
  for (const [what, asPath, as4Path, merged] of merges) {
    it(`merges AS4_PATH: ${what}`, () => assert.deepEqual(mergeAs4Path(asPath, as4Path), merged));
  }

  it('takes an ASN in front', () => {
    assert.deepEqual(prependAsn([], 1), [sequence(1)]);
    assert.deepEqual(prependAsn([sequence(2), set(3)], 1), [sequence(1, 2), set(3)]);
    assert.deepEqual(prependAsn([set(3)], 1), [sequence(1), set(3)]);
    const full = sequence(...Array.from({ length: 255 }, (_, i) => i + 1));
    assert.deepEqual(prependAsn([full], 1), [sequence(1), full]);
  });

  it('goes to a 2-octet peer and back', () => {
    const message: UpdateMessage = {
      type: 'UPDATE',
      withdrawn: [],
      attributes: { asPath: [sequence(65010, big, 5)], aggregator: { asn: big, address: '192.0.2.1' as never } },
      nlri: [],
    };
    assert.deepEqual(decodeMessage(encodeMessage(message, ebgp2), ebgp2), message);
  });

  it('of more than 255 hops is several segments on the wire', () => {
    const message: UpdateMessage = { type: 'UPDATE', withdrawn: [], attributes: { asPath: [sequence(...Array<number>(300).fill(7))] }, nlri: [] };
    const decoded = decodeMessage(encodeMessage(message, ebgp2), ebgp2) as UpdateMessage;
    assert.deepEqual(decoded.attributes.asPath?.map(({ asns }) => asns.length), [255, 45]);
  });
});

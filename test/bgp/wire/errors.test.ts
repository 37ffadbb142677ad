import assert from 'node:assert/strict';
import { BgpError } from '../../../bgp/errors.ts';
import { decodeMessage } from '../../../bgp/wire/message.ts';
import type { CodecContext, Message, OpenMessage, UpdateMessage, UpdateProblem } from '../../../bgp/wire/messages.ts';
import { ebgp, ebgp2, hex, ibgp, message, octets, update } from './build.ts';

const origin = '40010100';
const asPath = '4002060201fa56ea11';
const asPath2 = '400204020100c8';
const nextHop = '400304c0000203';
const localPref = '40050400000064';
const nlri = '200a0a1e09';
const marker = 'ff'.repeat(16);

interface Row {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly code: number;
  readonly subcode: number;
  /** Hex. */
  readonly data?: string;
  readonly context?: CodecContext;
  /** RFC 7606: it does not cost the session; the data is not looked at then. Left out: it does. */
  readonly handling?: UpdateProblem['handling'];
}

/** MP_REACH_NLRI around a value. */
const mp = (value: string): string => `800e${octets(value).length.toString(16).padStart(2, '0')}${value}`;
const global6 = '20010db8000000000000000000000001';

const rows: readonly Row[] = [
  // RFC 4271 section 6.1
  { what: 'nothing', bytes: octets(''), code: 1, subcode: 2, data: '0000' },
  { what: 'half a header', bytes: octets(marker), code: 1, subcode: 2, data: '0010' },
  { what: 'marker', bytes: octets(`00${marker.slice(2)}001304`), code: 1, subcode: 1 },
  { what: 'length 0', bytes: octets(`${marker}000004`), code: 1, subcode: 2, data: '0000' },
  { what: 'length 18', bytes: octets(`${marker}001204`), code: 1, subcode: 2, data: '0012' },
  { what: 'length 4097', bytes: octets(`${marker}100102`), code: 1, subcode: 2, data: '1001' },
  { what: 'length 65535 even with RFC 8654, for an OPEN', bytes: octets(`${marker}ffff01`), code: 1, subcode: 2, data: 'ffff', context: { ...ebgp, maxMessageLength: 65535 } },
  { what: 'OPEN of 28', bytes: message(1, '00'.repeat(9)), code: 1, subcode: 2, data: '001c' },
  { what: 'UPDATE of 22', bytes: message(2, '000000'), code: 1, subcode: 2, data: '0016' },
  { what: 'NOTIFICATION of 20', bytes: message(3, '06'), code: 1, subcode: 2, data: '0014' },
  { what: 'KEEPALIVE of 20', bytes: message(4, '00'), code: 1, subcode: 2, data: '0014' },
  { what: 'ROUTE-REFRESH of 22', bytes: message(5, '000100'), code: 1, subcode: 2, data: '0016' },
  { what: 'type 0', bytes: message(0, ''), code: 1, subcode: 3, data: '00' },
  { what: 'type 255', bytes: message(255, '00'), code: 1, subcode: 3, data: 'ff' },
  { what: 'octets behind the message', bytes: octets(`${marker}00130400`), code: 1, subcode: 2, data: '0013' },
  // RFC 4271 section 6.2
  { what: 'version 5', bytes: message(1, '05fdf20009c000020100'), code: 2, subcode: 1, data: '0004' },
  { what: 'Hold Time 1', bytes: message(1, '04fdf20001c000020100'), code: 2, subcode: 6 },
  { what: 'BGP Identifier 0', bytes: message(1, '04fdf200090000000000'), code: 2, subcode: 3 },
  { what: 'an unknown Optional Parameter', bytes: message(1, '04fdf20009c0000201030301aa'), code: 2, subcode: 4 },
  { what: 'Optional Parameters Length too large', bytes: message(1, '04fdf20009c000020104020000'), code: 2, subcode: 0 },
  { what: 'Optional Parameters Length too small', bytes: message(1, '04fdf20009c000020102020000'), code: 2, subcode: 0 },
  { what: 'a parameter cut short', bytes: message(1, '04fdf20009c000020102020c'), code: 2, subcode: 0 },
  { what: 'one octet of a parameter', bytes: message(1, '04fdf20009c00002010102'), code: 2, subcode: 0 },
  { what: 'a capability cut short', bytes: message(1, '04fdf20009c0000201060204410400fd'), code: 2, subcode: 0 },
  { what: 'a multiprotocol capability of 3', bytes: message(1, '04fdf20009c00002010702050103000101'), code: 2, subcode: 0 },
  { what: 'a 4-octet AS capability of 5', bytes: message(1, '04fdf20009c000020109020741050000fdf200'), code: 2, subcode: 0 },
  { what: 'a route refresh capability of 1', bytes: message(1, '04fdf20009c00002010502030201 00'), code: 2, subcode: 0 },
  { what: 'a graceful restart capability of 3', bytes: message(1, '04fdf20009c0000201070205400300 7800'), code: 2, subcode: 0 },
  { what: 'extended parameters (RFC 9072) cut short', bytes: message(1, '04fdf20009c00002 01ffff0004020006'), code: 2, subcode: 0 },
  // RFC 4271 section 6.3
  { what: 'Withdrawn Routes Length too large', bytes: message(2, '00010000'), code: 3, subcode: 1 },
  { what: 'Withdrawn Routes Length that eats the next field', bytes: message(2, '00020000'), code: 3, subcode: 1 },
  { what: 'Total Path Attribute Length too large', bytes: message(2, '00000001'), code: 3, subcode: 1 },
  { what: 'one octet of an attribute', bytes: update('', '40', ''), code: 3, subcode: 1 },
  { what: 'an extended length cut short', bytes: update('', '500100', ''), code: 3, subcode: 1 },
  { what: 'an attribute beyond the list', bytes: update('', '40010200', ''), code: 3, subcode: 1 },
  { what: 'ORIGIN twice', bytes: update('', origin + origin, ''), code: 3, subcode: 1, handling: 'attribute-discard' },
  { what: 'an unknown attribute twice', bytes: update('', 'c06300c06300', ''), code: 3, subcode: 1, handling: 'attribute-discard' },
  { what: 'an unknown well-known attribute', bytes: update('', '40630201ff', ''), code: 3, subcode: 2, data: '40630201ff' },
  { what: 'no attribute at all', bytes: update('', '', nlri), code: 3, subcode: 3, data: '01', handling: 'treat-as-withdraw' },
  { what: 'no AS_PATH', bytes: update('', origin + nextHop, nlri), code: 3, subcode: 3, data: '02', handling: 'treat-as-withdraw' },
  { what: 'no NEXT_HOP', bytes: update('', origin + asPath, nlri), code: 3, subcode: 3, data: '03', handling: 'treat-as-withdraw' },
  { what: 'no LOCAL_PREF on iBGP', bytes: update('', origin + asPath + nextHop, nlri), code: 3, subcode: 3, data: '05', context: ibgp, handling: 'treat-as-withdraw' },
  { what: 'MP_REACH_NLRI without ORIGIN', bytes: update('', mp(`00020110${global6}00` + '80' + global6), ''), code: 3, subcode: 3, data: '01', handling: 'treat-as-withdraw' },
  { what: 'an optional ORIGIN', bytes: update('', 'c0010100', ''), code: 3, subcode: 4, data: 'c0010100' },
  { what: 'a transitive MED', bytes: update('', 'c00404000000ff', ''), code: 3, subcode: 4, data: 'c00404000000ff' },
  { what: 'a non-transitive COMMUNITIES', bytes: update('', '800804fdf20064', ''), code: 3, subcode: 4, data: '800804fdf20064' },
  { what: 'a transitive MP_UNREACH_NLRI', bytes: update('', 'c00f03000201', ''), code: 3, subcode: 4, data: 'c00f03000201' },
  { what: 'ORIGIN of 2', bytes: update('', '4001020000', ''), code: 3, subcode: 5, data: '4001020000' },
  { what: 'NEXT_HOP of 5', bytes: update('', '400305c000020300', nlri), code: 3, subcode: 5, data: '400305c000020300', handling: 'treat-as-withdraw' },
  { what: 'MED of 3', bytes: update('', '800403000000', ''), code: 3, subcode: 5, data: '800403000000' },
  { what: 'LOCAL_PREF of 5', bytes: update('', '4005050000000000', ''), code: 3, subcode: 5, data: '4005050000000000', context: ibgp },
  { what: 'ATOMIC_AGGREGATE of 1', bytes: update('', '40060100', ''), code: 3, subcode: 5, data: '40060100', handling: 'attribute-discard' },
  { what: 'AGGREGATOR of 6 with 4-octet ASNs', bytes: update('', 'c00706fdf2c0000201', ''), code: 3, subcode: 5, data: 'c00706fdf2c0000201', handling: 'attribute-discard' },
  { what: 'AGGREGATOR of 8 with 2-octet ASNs', bytes: update('', 'c007080000fdf2c0000201', ''), code: 3, subcode: 5, data: 'c007080000fdf2c0000201', context: ebgp2, handling: 'attribute-discard' },
  { what: 'COMMUNITIES of 3', bytes: update('', 'c00803fdf200', ''), code: 3, subcode: 5, data: 'c00803fdf200' },
  { what: 'COMMUNITIES of 0', bytes: update('', 'c00800', ''), code: 3, subcode: 5, data: 'c00800' },
  { what: 'ORIGINATOR_ID of 5', bytes: update('', '800905c000020100', ''), code: 3, subcode: 5, data: '800905c000020100', context: ibgp },
  { what: 'CLUSTER_LIST of 6', bytes: update('', '800a06c00002010000', ''), code: 3, subcode: 5, data: '800a06c00002010000', context: ibgp },
  { what: 'LARGE_COMMUNITY of 16', bytes: update('', `c02010${'00'.repeat(16)}`, ''), code: 3, subcode: 5, data: `c02010${'00'.repeat(16)}` },
  { what: 'an extended length is part of the data', bytes: update('', '500100020000', ''), code: 3, subcode: 5, data: '500100020000' },
  { what: 'ORIGIN 3', bytes: update('', '40010103', ''), code: 3, subcode: 6, data: '40010103' },
  { what: 'NEXT_HOP 0.0.0.0', bytes: update('', `${origin}${asPath}40030400000000`, nlri), code: 3, subcode: 8, data: '40030400000000', handling: 'treat-as-withdraw' },
  { what: 'NEXT_HOP 127.0.0.1', bytes: update('', `${origin}${asPath}4003047f000001`, nlri), code: 3, subcode: 8, data: '4003047f000001', handling: 'treat-as-withdraw' },
  { what: 'NEXT_HOP 224.0.0.1', bytes: update('', `${origin}${asPath}400304e0000001`, nlri), code: 3, subcode: 8, data: '400304e0000001', handling: 'treat-as-withdraw' },
  { what: 'NEXT_HOP 255.255.255.255', bytes: update('', `${origin}${asPath}400304ffffffff`, nlri), code: 3, subcode: 8, data: '400304ffffffff', handling: 'treat-as-withdraw' },
  { what: 'MP_REACH_NLRI of 2', bytes: update('', mp('0002'), ''), code: 3, subcode: 9, data: mp('0002') },
  { what: 'an IPv6 next hop of 15', bytes: update('', mp(`0002010f${global6.slice(2)}00`), ''), code: 3, subcode: 9, data: mp(`0002010f${global6.slice(2)}00`) },
  { what: 'an IPv6 next hop for IPv4', bytes: update('', origin + asPath + mp(`00010110${global6}00${nlri}`), ''), code: 3, subcode: 8, handling: 'treat-as-withdraw' },
  { what: 'a next hop beyond MP_REACH_NLRI', bytes: update('', mp('00020110'), ''), code: 3, subcode: 9, data: mp('00020110') },
  { what: 'a /129 in MP_REACH_NLRI', bytes: update('', mp(`00020110${global6}0081${global6}00`), ''), code: 3, subcode: 9, data: mp(`00020110${global6}0081${global6}00`) },
  { what: 'a prefix beyond MP_UNREACH_NLRI', bytes: update('', '800f050002018020', ''), code: 3, subcode: 9, data: '800f050002018020' },
  { what: 'a /33 in NLRI', bytes: update('', origin + asPath + nextHop, '210a0a1e0900'), code: 3, subcode: 10 },
  { what: 'a prefix beyond NLRI', bytes: update('', origin + asPath + nextHop, '200a0a1e'), code: 3, subcode: 10 },
  { what: 'a /33 in Withdrawn Routes', bytes: update('210a0a1e0900', '', ''), code: 3, subcode: 10 },
  { what: 'a prefix beyond Withdrawn Routes', bytes: update('180a0a', '', ''), code: 3, subcode: 10 },
  { what: 'an AS_PATH segment of type 5', bytes: update('', '4002060501fa56ea11', ''), code: 3, subcode: 11 },
  { what: 'an AS_PATH segment of type 0', bytes: update('', '4002060001fa56ea11', ''), code: 3, subcode: 11 },
  { what: 'an empty AS_PATH segment', bytes: update('', '4002020200', ''), code: 3, subcode: 11 },
  { what: 'an AS_PATH segment that overruns', bytes: update('', '4002060202fa56ea11', ''), code: 3, subcode: 11 },
  { what: 'a stray octet in AS_PATH', bytes: update('', '4002070201fa56ea1102', ''), code: 3, subcode: 11 },
  { what: '2-octet ASNs on a 4-octet session', bytes: update('', asPath2, ''), code: 3, subcode: 11 },
  { what: 'ASN 0 in AS_PATH (RFC 7607)', bytes: update('', '400206020100000000', ''), code: 3, subcode: 11 },
  { what: 'a confederation segment from outside (RFC 5065)', bytes: update('', '4002060301fa56ea11', ''), code: 3, subcode: 11 },
  { what: 'an AS_SET (RFC 9774)', bytes: update('', `${origin}4002060101fa56ea11${nextHop}`, nlri), code: 3, subcode: 11, handling: 'treat-as-withdraw' },
  { what: 'an AS_SET in AS4_PATH (RFC 9774)', bytes: update('', `${origin}${asPath2}${nextHop}c011060101fa56ea11`, nlri), code: 3, subcode: 11, handling: 'treat-as-withdraw', context: ebgp2 },
  { what: 'ASN 0 in AGGREGATOR (RFC 7607)', bytes: update('', `${origin}${asPath}${nextHop}c0070800000000c0000201`, nlri), code: 3, subcode: 9, handling: 'attribute-discard' },
  { what: 'a path that begins with another AS', bytes: update('', origin + asPath + nextHop, nlri), code: 3, subcode: 11, handling: 'treat-as-withdraw', context: { ...ebgp, peerAsn: 65001 } },
  { what: 'an attribute beyond the list, with routes behind it', bytes: update('', `${origin}${asPath}${nextHop}c00820`, nlri), code: 3, subcode: 1, handling: 'treat-as-withdraw' },
  { what: 'MP_REACH_NLRI twice', bytes: update('', mp(`00020110${global6}00`) + mp(`00020110${global6}00`), ''), code: 3, subcode: 1 },
  { what: 'MP_UNREACH_NLRI twice', bytes: update('', '800f03000201800f03000201', ''), code: 3, subcode: 1 },
  { what: 'EXTENDED_COMMUNITIES of 7', bytes: update('', `${origin}${asPath}${nextHop}c0100700020000000000`, nlri), code: 3, subcode: 5, handling: 'treat-as-withdraw' },
  { what: 'OTC of 3 (RFC 9234)', bytes: update('', `${origin}${asPath}${nextHop}c02303000001`, nlri), code: 3, subcode: 5, handling: 'treat-as-withdraw' },
  { what: 'an IPv6 next hop ::', bytes: update('', `${origin}${asPath}${mp(`00020110${'00'.repeat(17)}80${global6}`)}`, ''), code: 3, subcode: 8, handling: 'treat-as-withdraw' },
  // RFC 7313 section 5
  { what: 'a demarcation of 24', bytes: message(5, '0001010100'), code: 7, subcode: 1, data: hex(message(5, '0001010100')) },
];

describe('what a peer may get wrong', () => {
  for (const { what, bytes, code, subcode, data, context, handling } of rows) {
    it(`${code}/${subcode} for ${what}${handling === undefined ? '' : `: ${handling}`}`, () => {
      if (handling !== undefined) {
        const { problems } = decodeMessage(bytes, context ?? ebgp) as UpdateMessage;
        assert.deepEqual(problems?.map((problem) => [problem.code, problem.subcode, problem.handling]), [[code, subcode, handling]]);
        assert.ok((problems[0]?.offset ?? Infinity) <= bytes.length);
        return;
      }
      assert.throws(
        () => decodeMessage(bytes, context ?? ebgp),
        (error) => {
          assert.ok(error instanceof BgpError, String(error));
          assert.deepEqual([error.code, error.subcode, hex(error.data)], [code, subcode, data ?? '']);
          assert.ok(error.offset === undefined || error.offset <= bytes.length);
          return true;
        },
      );
    });
  }
});

describe('what a peer may do', () => {
  const accepted: readonly [what: string, bytes: Uint8Array, check: (message: Message) => void, context?: CodecContext][] = [
    ['Partial on a well-known attribute is nothing (RFC 7606 section 3 c)', update('', '60010100', ''), (m) => assert.deepEqual((m as UpdateMessage).attributes, { origin: 'IGP' })],
    ['LOCAL_PREF of the wrong length on eBGP is ignored', update('', '4005050000000000', ''), (m) => assert.deepEqual(m, { type: 'UPDATE', withdrawn: [], attributes: {}, nlri: [] })],
    ['LOCAL_PREF on eBGP is ignored', update('', origin + asPath + nextHop + localPref, nlri), (m) => assert.equal((m as UpdateMessage).attributes.localPref, undefined)],
    ['ORIGINATOR_ID and CLUSTER_LIST on eBGP are ignored', update('', '800904c0000201800a04c0000201', ''), (m) => assert.deepEqual((m as UpdateMessage).attributes, {})],
    ['NEXT_HOP without NLRI is ignored', update('', '40030400000000', ''), (m) => assert.deepEqual((m as UpdateMessage).attributes, {})],
    ['Partial on an optional transitive attribute', update('', 'e00804fdf20064', ''), (m) => assert.deepEqual((m as UpdateMessage).attributes.communities, [0xfdf20064])],
    ['an unknown family in MP_REACH_NLRI', update('', origin + asPath + mp('0019460400000000 00'), ''), (m) =>
      assert.deepEqual((m as UpdateMessage).attributes.mpReach, { afi: 25, safi: 70, nextHop: undefined, nlri: [] })],
    ['IPv4 in MP_REACH_NLRI', update('', origin + asPath + mp(`00010104c0000203 00${nlri}`), ''), (m) =>
      assert.deepEqual((m as UpdateMessage).attributes.mpReach, { afi: 1, safi: 1, nextHop: '192.0.2.3', nlri: ['10.10.30.9/32'] })],
    ['zeros as the link-local next hop', update('', origin + asPath + mp(`00020120${global6}${'00'.repeat(17)}`), ''), (m) =>
      assert.deepEqual((m as UpdateMessage).attributes.mpReach, { afi: 2, safi: 1, nextHop: '2001:db8::1', nlri: [] })],
    ['a malformed AS4_PATH (RFC 6793 section 6)', update('', `${origin}${asPath2}${nextHop}c0110302 01ff`, nlri), (m) =>
      assert.deepEqual((m as UpdateMessage).attributes.asPath, [{ type: 'AS_SEQUENCE', asns: [200] }]), ebgp2],
    ['AS4_PATH from a 4-octet speaker means nothing', update('', `${origin}${asPath}${nextHop}c011060201000000ff`, nlri), (m) =>
      assert.deepEqual((m as UpdateMessage).attributes.asPath, [{ type: 'AS_SEQUENCE', asns: [4200000017] }])],
    ['AS4_AGGREGATOR behind AS_TRANS', update('', `c007065ba0c0000201c01208fa56ea11c0000202`, ''), (m) =>
      assert.deepEqual((m as UpdateMessage).attributes.aggregator, { asn: 4200000017, address: '192.0.2.2' }), ebgp2],
    ['a confederation segment on iBGP', update('', '4002060301fa56ea11', ''), (m) =>
      assert.deepEqual((m as UpdateMessage).attributes.asPath, [{ type: 'AS_CONFED_SEQUENCE', asns: [4200000017] }]), ibgp],
    ['no Optional Parameters', message(1, '04fdf20000c000020100'), (m) => assert.deepEqual((m as OpenMessage).capabilities, [])],
    ['a garbled hostname capability stays unknown', message(1, '04fdf20009c0000201060204490205 41'), (m) =>
      assert.deepEqual((m as OpenMessage).capabilities, [{ type: 'unknown', code: 73, value: octets('0541') }])],
    ['ORF entries behind ROUTE-REFRESH (RFC 5291)', message(5, '000100010140 0000'), (m) => assert.equal(m.type, 'ROUTE-REFRESH')],
  ];
  for (const [what, bytes, check, context] of accepted) it(what, () => check(decodeMessage(bytes, context ?? ebgp)));
});

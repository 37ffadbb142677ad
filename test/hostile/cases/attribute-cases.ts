import { attribute, attributes, kept, reset, routes, speakerAsn, speakerIdentifier, u16, u32, unused, update, withdrawn, type Case, type Expectation, type Facts, type Mode } from '../case.ts';
import { hex } from '../../bgp/wire/build.ts';
import { ip, ipToBytes } from '../../../net/ip.ts';

type Row = readonly [name: string, rfc: string, why: string, changes: (facts: Facts) => Readonly<Record<string, string>>, expect: Expectation | readonly Expectation[], mode?: Mode];

const W = withdrawn;
const K = kept;
const address = (text: string): string => hex(ipToBytes(ip(text)));
const extra = (text: string) => (): Record<string, string> => ({ extra: text });
const path = (value: string, flags = 0x40) => (): Record<string, string> => ({ asPath: attribute(flags, 2, value) });
/** A path as it should be, with something behind the first AS. */
const behind = (value: string) => (facts: Facts): Record<string, string> => ({ asPath: attribute(0x40, 2, `0201${u32(facts.mode === 'ebgp' ? facts.asn : 65020)}${value}`) });
const shortList = 'a length that is no multiple of the item, or 0: treat-as-withdraw';
const flagRule = 'Optional or Transitive differ from what the attribute has: treat-as-withdraw';
const first = 'all but the first occurrence are discarded, the UPDATE goes on';

const rows: readonly Row[] = [
  // ---- ORIGIN
  ['ORIGIN of 0 octets', '7606 7.1', 'length other than 1: treat-as-withdraw', () => ({ origin: attribute(0x40, 1, '') }), W],
  ['ORIGIN of 2 octets', '7606 7.1', 'length other than 1: treat-as-withdraw', () => ({ origin: attribute(0x40, 1, '0000') }), W],
  ['ORIGIN 3', '7606 7.1', 'an undefined value: treat-as-withdraw', () => ({ origin: attribute(0x40, 1, '03') }), W],
  ['ORIGIN 255', '7606 7.1', 'an undefined value: treat-as-withdraw', () => ({ origin: attribute(0x40, 1, 'ff') }), W],
  ['ORIGIN that is optional', '7606 3 c', flagRule, () => ({ origin: attribute(0xc0, 1, '00') }), W],
  ['ORIGIN that is not transitive', '7606 3 c', flagRule, () => ({ origin: attribute(0x00, 1, '00') }), W],
  ['ORIGIN with the Partial bit', '7606 3 c', 'only Optional and Transitive are compared', () => ({ origin: attribute(0x60, 1, '00') }), K],
  ['ORIGIN with an extended length', '4271 4.3', 'the Extended Length bit may be set on a short attribute', () => ({ origin: attribute(0x50, 1, '00') }), K],
  ['ORIGIN with the unused flags set', '4271 4.3', 'the lower four bits are ignored when received', () => ({ origin: attribute(0x4f & ~0x10, 1, '00') }), K],
  ['no ORIGIN', '7606 3 d', 'a mandatory attribute that is missing: treat-as-withdraw', () => ({ origin: '' }), W],
  ['ORIGIN twice', '7606 3 g', first, extra(attribute(0x40, 1, '01')), K],
  ['ORIGIN twice, the second malformed', '7606 3 g', first, extra(attribute(0x40, 1, '0909')), K],
  // ---- AS_PATH
  ['AS_PATH segment of type 0', '7606 7.2', 'an unrecognized segment type: treat-as-withdraw', behind(`0001${u32(65020)}`), W],
  ['AS_PATH segment of type 5', '7606 7.2', 'an unrecognized segment type: treat-as-withdraw', behind(`0501${u32(65020)}`), W],
  ['AS_PATH segment of type 255', '7606 7.2', 'an unrecognized segment type: treat-as-withdraw', behind(`ff01${u32(65020)}`), W],
  ['AS_PATH segment without ASNs', '7606 7.2', 'a segment length of 0: treat-as-withdraw', behind('0200'), W],
  ['AS_PATH segment that overruns', '7606 7.2', 'a segment longer than the attribute: treat-as-withdraw', behind(`0202${u32(65020)}`), W],
  ['AS_PATH segment of 255 that overruns', '7606 7.2', 'a segment longer than the attribute: treat-as-withdraw', behind(`02ff${u32(65020)}`), W],
  ['AS_PATH with one octet behind the last segment', '7606 7.2', 'a segment underrun: treat-as-withdraw', behind('02'), W],
  ['AS_PATH with 2-octet ASNs on a 4-octet session', '7606 7.2', 'the segments do not add up: treat-as-withdraw', (f) => ({ asPath: attribute(0x40, 2, `0201${u16(f.asn)}`) }), W],
  ['AS 0 in AS_PATH', '7607 2', 'malformed: treat-as-withdraw', behind(`0201${u32(0)}`), W],
  ['AS_SET in AS_PATH', '9774 3', 'treat-as-withdraw (other speakers are older than this rule)', behind(`0101${u32(65020)}`), [W, K]],
  ['AS_CONFED_SEQUENCE from outside', '5065 5, 7606 7.2', 'only members of the confederation may send one: treat-as-withdraw', behind(`0301${u32(65020)}`), W, 'ebgp'],
  ['AS_CONFED_SET from outside', '5065 5, 7606 7.2', 'only members of the confederation may send one: treat-as-withdraw', behind(`0401${u32(65020)}`), W, 'ebgp'],
  ['AS_PATH that is optional', '7606 3 c', flagRule, (f) => ({ asPath: attribute(0xc0, 2, `0201${u32(f.asn)}`) }), W],
  ['AS_PATH that is not transitive', '7606 3 c', flagRule, (f) => ({ asPath: attribute(0x00, 2, `0201${u32(f.asn)}`) }), W],
  ['no AS_PATH', '7606 3 d', 'a mandatory attribute that is missing: treat-as-withdraw', () => ({ asPath: '' }), W],
  ['AS_PATH twice', '7606 3 g', first, (f) => ({ extra: attribute(0x40, 2, `0201${u32(f.asn)}`) }), K],
  ['an empty AS_PATH from an iBGP peer', '4271 5.1.2', 'a route that begins in our AS has an empty path', path(''), K, 'ibgp'],
  ['an empty AS_PATH from an eBGP peer', '4271 6.3', 'the leftmost AS may be checked, or not', path(''), [W, K], 'ebgp'],
  ['a path that begins with another AS', '4271 6.3', 'the leftmost AS may be checked, or not', () => ({ asPath: attribute(0x40, 2, `0201${u32(65099)}`) }), [W, K], 'ebgp'],
  ['our own AS in AS_PATH', '4271 9.1.2', 'a loop: the route is not used', behind(`0201${u32(speakerAsn)}`), unused],
  ['our own AS in AS_PATH, five times', '4271 9.1.2', 'a loop: the route is not used', behind(`0205${u32(speakerAsn).repeat(5)}`), unused],
  ['AS_TRANS in AS_PATH', '6793 4.1', 'a number like any other on a 4-octet session', behind(`0201${u32(23456)}`), K],
  ['AS 4294967295 in AS_PATH', '7300 5', 'no error is asked for on receipt', behind(`0201${u32(0xffffffff)}`), K],
  ['AS_PATH segment of 255 ASNs', '4271 4.3', 'the longest segment', (f) => ({ asPath: attribute(0x50, 2, `02ff${u32(f.mode === 'ebgp' ? f.asn : 65020).repeat(255)}`) }), K],
  ['AS_PATH of 3 segments', '4271 4.3', 'sequences may follow each other', behind(`0201${u32(65020)}0202${u32(65021)}${u32(65022)}`), K],
  // ---- NEXT_HOP
  ['NEXT_HOP of 3 octets', '7606 7.3', 'length other than 4: treat-as-withdraw', () => ({ nextHop: attribute(0x40, 3, 'c00002') }), W],
  ['NEXT_HOP of 5 octets', '7606 7.3', 'length other than 4: treat-as-withdraw', () => ({ nextHop: attribute(0x40, 3, 'c000020a00') }), W],
  ['NEXT_HOP of 0 octets', '7606 7.3', 'length other than 4: treat-as-withdraw', () => ({ nextHop: attribute(0x40, 3, '') }), W],
  ['NEXT_HOP of 16 octets', '7606 7.3', 'length other than 4: treat-as-withdraw', () => ({ nextHop: attribute(0x40, 3, '00'.repeat(16)) }), W],
  ['NEXT_HOP 0.0.0.0', '4271 6.3', 'no host address: the route is not used', () => ({ nextHop: attribute(0x40, 3, '00000000') }), unused],
  ['NEXT_HOP 127.0.0.1', '4271 6.3', 'no host address of a neighbour: the route is not used', () => ({ nextHop: attribute(0x40, 3, '7f000001') }), [unused, K]],
  ['NEXT_HOP 224.0.0.1', '4271 6.3', 'no host address: the route is not used', () => ({ nextHop: attribute(0x40, 3, 'e0000001') }), unused],
  ['NEXT_HOP 255.255.255.255', '4271 6.3', 'no host address: the route is not used', () => ({ nextHop: attribute(0x40, 3, 'ffffffff') }), unused],
  ['NEXT_HOP that is our own address', '4271 6.3', 'the receiving speaker itself: the route is not used', () => ({ nextHop: attribute(0x40, 3, address(speakerIdentifier)) }), unused],
  ['NEXT_HOP that is optional', '7606 3 c', flagRule, (f) => ({ nextHop: attribute(0xc0, 3, `c00002${(10 + f.slot).toString(16)}`) }), W],
  ['no NEXT_HOP', '7606 3 d', 'a mandatory attribute that is missing: treat-as-withdraw', () => ({ nextHop: '' }), W],
  ['NEXT_HOP twice', '7606 3 g', first, extra(attribute(0x40, 3, 'c0000263')), K],
  // ---- MULTI_EXIT_DISC
  ['MED of 4 octets', '4271 5.1.4', 'legal', extra(attribute(0x80, 4, u32(7))), K],
  ['MED of 3 octets', '7606 7.4', 'length other than 4: treat-as-withdraw', extra(attribute(0x80, 4, '000000')), W],
  ['MED of 5 octets', '7606 7.4', 'length other than 4: treat-as-withdraw', extra(attribute(0x80, 4, '0000000000')), W],
  ['MED of 0 octets', '7606 7.4', 'length other than 4: treat-as-withdraw', extra(attribute(0x80, 4, '')), W],
  ['MED that is transitive', '7606 3 c', flagRule, extra(attribute(0xc0, 4, u32(7))), W],
  ['MED that is well-known', '7606 3 c', flagRule, extra(attribute(0x40, 4, u32(7))), W],
  ['MED twice', '7606 3 g', first, extra(attribute(0x80, 4, u32(7)) + attribute(0x80, 4, u32(8))), K],
  // ---- LOCAL_PREF
  ['LOCAL_PREF of 3 octets from an iBGP peer', '7606 7.5', 'length other than 4: treat-as-withdraw', () => ({ localPref: attribute(0x40, 5, '000000') }), W, 'ibgp'],
  ['LOCAL_PREF of 5 octets from an iBGP peer', '7606 7.5', 'length other than 4: treat-as-withdraw', () => ({ localPref: attribute(0x40, 5, '0000000000') }), W, 'ibgp'],
  ['LOCAL_PREF of 0 octets from an iBGP peer', '7606 7.5', 'length other than 4: treat-as-withdraw', () => ({ localPref: attribute(0x40, 5, '') }), W, 'ibgp'],
  ['LOCAL_PREF that is optional, from an iBGP peer', '7606 3 c', flagRule, () => ({ localPref: attribute(0xc0, 5, u32(100)) }), W, 'ibgp'],
  ['no LOCAL_PREF from an iBGP peer', '4271 5.1.5, 7606 3 d', 'it must be there; without it the route falls, or has a default', () => ({ localPref: '' }), [W, K], 'ibgp'],
  ['LOCAL_PREF twice from an iBGP peer', '7606 3 g', first, extra(attribute(0x40, 5, u32(1))), K, 'ibgp'],
  ['LOCAL_PREF from an eBGP peer', '4271 5.1.5', 'ignored', extra(attribute(0x40, 5, u32(4000000000))), K, 'ebgp'],
  ['LOCAL_PREF of 3 octets from an eBGP peer', '7606 7.5', 'attribute-discard, whatever is in it', extra(attribute(0x40, 5, '000000')), K, 'ebgp'],
  // ---- ATOMIC_AGGREGATE, AGGREGATOR
  ['ATOMIC_AGGREGATE of 1 octet', '7606 7.6', 'attribute-discard', extra(attribute(0x40, 6, '00')), K],
  ['ATOMIC_AGGREGATE that is optional', '7606 3 c, f', 'the two rules differ: either the route or the attribute falls', extra(attribute(0xc0, 6, '')), [W, K]],
  ['ATOMIC_AGGREGATE twice', '7606 3 g', first, extra(attribute(0x40, 6, '').repeat(2)), K],
  ['AGGREGATOR of 8 octets', '6793 4.1', 'legal', extra(attribute(0xc0, 7, `${u32(65020)}c0000263`)), K],
  ['AGGREGATOR of 6 octets on a 4-octet session', '7606 7.7', 'attribute-discard', extra(attribute(0xc0, 7, `${u16(65020)}c0000263`)), K],
  ['AGGREGATOR of 0 octets', '7606 7.7', 'attribute-discard', extra(attribute(0xc0, 7, '')), K],
  ['AGGREGATOR of 9 octets', '7606 7.7', 'attribute-discard', extra(attribute(0xc0, 7, '00'.repeat(9))), K],
  ['AS 0 in AGGREGATOR', '7607 2', 'malformed: attribute-discard', extra(attribute(0xc0, 7, `${u32(0)}c0000263`)), K],
  ['AGGREGATOR that is well-known', '7606 3 c, f', 'the two rules differ: either the route or the attribute falls', extra(attribute(0x40, 7, `${u32(65020)}c0000263`)), [W, K]],
  // ---- COMMUNITIES and their kin
  ['COMMUNITIES', '1997', 'legal', extra(attribute(0xc0, 8, u32(0xfde90001))), K],
  ['COMMUNITIES of 3 octets', '7606 7.8', shortList, extra(attribute(0xc0, 8, '000000')), W],
  ['COMMUNITIES of 5 octets', '7606 7.8', shortList, extra(attribute(0xc0, 8, '0000000000')), W],
  ['COMMUNITIES of 0 octets', '7606 7.8', shortList, extra(attribute(0xc0, 8, '')), W],
  ['COMMUNITIES that are not transitive', '7606 3 c', flagRule, extra(attribute(0x80, 8, u32(1))), W],
  ['COMMUNITIES that are well-known', '7606 3 c', flagRule, extra(attribute(0x40, 8, u32(1))), W],
  ['COMMUNITIES with the Partial bit', '4271 5', 'a speaker on the way did not know them', extra(attribute(0xe0, 8, u32(0xfde90001))), K],
  ['COMMUNITIES twice', '7606 3 g', first, extra(attribute(0xc0, 8, u32(0xfde90001)).repeat(2)), K],
  ['800 COMMUNITIES', '4271 4.3', 'an extended length', extra(attribute(0xd0, 8, u32(0xfde90001).repeat(800))), K],
  ['EXTENDED_COMMUNITIES of an unknown type', '7606 7.14', 'no error', extra(attribute(0xc0, 16, '4444000000000001')), K],
  ['EXTENDED_COMMUNITIES of 7 octets', '7606 7.14', shortList, extra(attribute(0xc0, 16, '00020000000000')), W],
  ['EXTENDED_COMMUNITIES of 0 octets', '7606 7.14', shortList, extra(attribute(0xc0, 16, '')), W],
  ['EXTENDED_COMMUNITIES that are not transitive', '7606 3 c', flagRule, extra(attribute(0x80, 16, '0002fde900000001')), W],
  ['IPv6 EXTENDED_COMMUNITIES of 19 octets', '7606 7.15', 'treat-as-withdraw where they are known, else an unknown attribute', extra(attribute(0xc0, 25, '00'.repeat(19))), [W, K]],
  ['LARGE_COMMUNITY', '8092 3', 'legal', extra(attribute(0xc0, 32, `${u32(65001)}${u32(1)}${u32(2)}`)), K],
  ['LARGE_COMMUNITY twice the same value', '8092 3', 'the second is redundant', extra(attribute(0xc0, 32, `${u32(65001)}${u32(1)}${u32(2)}`.repeat(2))), K],
  ['LARGE_COMMUNITY of 11 octets', '8092 5', shortList, extra(attribute(0xc0, 32, '00'.repeat(11))), W],
  ['LARGE_COMMUNITY of 13 octets', '8092 5', shortList, extra(attribute(0xc0, 32, '00'.repeat(13))), W],
  ['LARGE_COMMUNITY of 0 octets', '8092 5', shortList, extra(attribute(0xc0, 32, '')), W],
  ['LARGE_COMMUNITY that is not transitive', '7606 3 c', flagRule, extra(attribute(0x80, 32, '00'.repeat(12))), W],
  ['OTC of 3 octets', '9234 5', 'treat-as-withdraw where it is known, else an unknown attribute', extra(attribute(0xc0, 35, '000001')), [W, K]],
  // ---- route reflection
  ['ORIGINATOR_ID from an iBGP peer', '4456 8', 'legal', extra(attribute(0x80, 9, 'c0000263')), K, 'ibgp'],
  ['ORIGINATOR_ID of 3 octets from an iBGP peer', '7606 7.9', 'treat-as-withdraw', extra(attribute(0x80, 9, 'c00002')), W, 'ibgp'],
  ['ORIGINATOR_ID of 5 octets from an iBGP peer', '7606 7.9', 'treat-as-withdraw', extra(attribute(0x80, 9, 'c000026300')), W, 'ibgp'],
  ['ORIGINATOR_ID of 0 octets from an iBGP peer', '7606 7.9', 'treat-as-withdraw', extra(attribute(0x80, 9, '')), W, 'ibgp'],
  ['ORIGINATOR_ID that is transitive, from an iBGP peer', '7606 3 c', flagRule, extra(attribute(0xc0, 9, 'c0000263')), W, 'ibgp'],
  ['ORIGINATOR_ID that is ours', '4456 8', 'our own route came back: ignored', extra(attribute(0x80, 9, address(speakerIdentifier))), unused, 'ibgp'],
  ['ORIGINATOR_ID from an eBGP peer', '7606 7.9', 'attribute-discard', extra(attribute(0x80, 9, 'c0000263')), K, 'ebgp'],
  ['ORIGINATOR_ID of 5 octets from an eBGP peer', '7606 7.9', 'attribute-discard', extra(attribute(0x80, 9, 'c000026300')), K, 'ebgp'],
  ['CLUSTER_LIST from an iBGP peer', '4456 8', 'legal', extra(attribute(0x80, 10, 'c0000263c0000264')), K, 'ibgp'],
  ['CLUSTER_LIST of 3 octets from an iBGP peer', '7606 7.10', shortList, extra(attribute(0x80, 10, 'c00002')), W, 'ibgp'],
  ['CLUSTER_LIST of 0 octets from an iBGP peer', '7606 7.10', shortList, extra(attribute(0x80, 10, '')), W, 'ibgp'],
  ['CLUSTER_LIST that is transitive, from an iBGP peer', '7606 3 c', flagRule, extra(attribute(0xc0, 10, 'c0000263')), W, 'ibgp'],
  ['CLUSTER_LIST from an eBGP peer', '7606 7.10', 'attribute-discard', extra(attribute(0x80, 10, 'c0000263')), K, 'ebgp'],
  ['CLUSTER_LIST of 3 octets from an eBGP peer', '7606 7.10', 'attribute-discard', extra(attribute(0x80, 10, 'c00002')), K, 'ebgp'],
  // ---- what a 4-octet speaker does not send
  ['AS4_PATH on a 4-octet session', '6793 4.1', 'discarded, the UPDATE goes on', extra(attribute(0xc0, 17, `0201${u32(65099)}`)), K],
  ['a malformed AS4_PATH on a 4-octet session', '6793 4.1', 'discarded, the UPDATE goes on', extra(attribute(0xc0, 17, '0209ff')), K],
  ['AS4_AGGREGATOR on a 4-octet session', '6793 4.1', 'discarded, the UPDATE goes on', extra(attribute(0xc0, 18, `${u32(65099)}c0000263`)), K],
  ['a malformed AS4_AGGREGATOR on a 4-octet session', '6793 4.1', 'discarded, the UPDATE goes on', extra(attribute(0xc0, 18, '00')), K],
  // ---- unknown attributes
  ['an unknown optional transitive attribute', '4271 5', 'accepted', extra(attribute(0xc0, 99, 'cafe')), K],
  ['an unknown optional transitive attribute with the Partial bit', '4271 5', 'accepted', extra(attribute(0xe0, 99, 'cafe')), K],
  ['an unknown optional non-transitive attribute', '4271 5', 'quietly ignored', extra(attribute(0x80, 99, 'cafe')), K],
  ['an unknown attribute of 0 octets', '7606 4', 'for an unknown attribute no length is wrong', extra(attribute(0xc0, 99, '')), K],
  ['an unknown attribute of 1000 octets', '4271 4.3', 'an extended length', extra(attribute(0xd0, 99, 'ab'.repeat(1000))), K],
  ['an unknown attribute twice', '7606 3 g', first, extra(attribute(0xc0, 99, 'cafe').repeat(2)), K],
  ['attribute 0, optional', '4271 5', 'unknown like any other', extra(attribute(0xc0, 0, '01')), K],
  ['attribute 255, optional', '4271 5', 'unknown like any other', extra(attribute(0xc0, 255, '01')), K],
  ['an unknown well-known attribute', '4271 6.3', 'Unrecognized Well-known Attribute', extra(attribute(0x40, 99, 'cafe')), reset(3, 2)],
  ['attribute 0, well-known', '4271 6.3', 'Unrecognized Well-known Attribute', extra(attribute(0x40, 0, '01')), reset(3, 2)],
  ['thirty unknown attributes', '4271 5', 'accepted', () => ({ extra: Array.from({ length: 30 }, (_, i) => attribute(0xc0, 100 + i, 'cafe')).join('') }), K],
  // ---- several errors at once
  ['a bad AGGREGATOR and a bad MED', '7606 3 h', 'the strongest action wins: treat-as-withdraw', extra(attribute(0xc0, 7, '') + attribute(0x80, 4, '')), W],
  ['a bad MED and an unknown well-known attribute', '7606 3 h', 'the strongest action wins: session reset', extra(attribute(0x80, 4, '') + attribute(0x40, 99, '')), reset(3)],
  // ---- lists that do not add up
  ['the last attribute is longer than the list', '7606 4', 'treat-as-withdraw; the NLRI is where the total length says', extra(attribute(0xc0, 8, u32(1), 40)), W],
  ['one octet behind the last attribute', '7606 4', 'treat-as-withdraw', extra('c0'), W],
  ['two octets behind the last attribute', '7606 4', 'treat-as-withdraw', extra('c008'), W],
  ['three octets behind the last attribute, with an extended length', '7606 4', 'treat-as-withdraw', extra('d00800'), W],
  ['an extended length of 65535', '7606 4', 'treat-as-withdraw', extra('d008ffff'), W],
];

const aTwoOctet = 'a 2-octet session';
/** On sessions without the 4-octet capability. */
const twoOctetRows: readonly Row[] = [
  ['AS4_PATH', '6793 4.2.3', 'legal', extra(attribute(0xc0, 17, `0201${u32(4200000017)}`)), K],
  ['AS4_PATH of 3 octets', '6793 6', 'attribute-discard', extra(attribute(0xc0, 17, '0201ff')), K],
  ['AS4_PATH of 0 octets', '6793 6', 'attribute-discard', extra(attribute(0xc0, 17, '')), K],
  ['AS4_PATH segment of type 9', '6793 6', 'attribute-discard', extra(attribute(0xc0, 17, `0901${u32(1)}`)), K],
  ['AS4_PATH segment that overruns', '6793 6', 'attribute-discard', extra(attribute(0xc0, 17, `0209${u32(1)}`)), K],
  ['AS4_PATH with a confederation segment', '6793 6', 'the segment is discarded', extra(attribute(0xc0, 17, `0301${u32(1)}`)), K],
  ['AS4_PATH longer than AS_PATH', '6793 4.2.3', 'AS4_PATH is ignored', extra(attribute(0xc0, 17, `0203${u32(1)}${u32(2)}${u32(3)}`)), K],
  ['AS 0 in AS4_PATH', '7607 2', 'malformed: attribute-discard', extra(attribute(0xc0, 17, `0201${u32(0)}`)), K],
  ['AS_SET in AS4_PATH', '9774 3', 'treat-as-withdraw (other speakers are older than this rule)', extra(attribute(0xc0, 17, `0101${u32(4200000017)}`)), [W, K]],
  ['AS4_AGGREGATOR of 7 octets', '6793 6', 'attribute-discard', extra(attribute(0xc0, 18, '00'.repeat(7))), K],
  ['AGGREGATOR of 8 octets', '7606 7.7', 'attribute-discard', extra(attribute(0xc0, 7, '00'.repeat(8))), K],
  ['AGGREGATOR AS_TRANS with AS4_AGGREGATOR', '6793 4.2.3', 'legal', extra(attribute(0xc0, 7, `${u16(23456)}c0000263`) + attribute(0xc0, 18, `${u32(4200000017)}c0000263`)), K],
  ['AS_PATH with 4-octet ASNs', '7606 7.2', 'the segments do not add up: treat-as-withdraw', (f) => ({ asPath: attribute(0x40, 2, `0201${u32(f.asn)}`) }), W],
];

const caseOf = ([name, rfc, why, changes, expect, mode]: Row): Case => ({
  name, rfc, why, stage: 'established', ...(mode === undefined ? {} : { mode }),
  send: (facts) => [update(attributes(facts, changes(facts)), routes(facts, '4:1', '4:2'))],
  expect: Array.isArray(expect) ? (expect as readonly Expectation[]) : [expect as Expectation],
});

const twoOctetCaseOf = ([name, rfc, why, changes, expect]: Row): Case => {
  const base = (facts: Facts): Record<string, string> => ({ asPath: attribute(0x40, 2, facts.mode === 'ibgp' ? `0201${u16(23456)}` : `0202${u16(facts.asn)}${u16(23456)}`) });
  return {
    ...caseOf([`${name}, on ${aTwoOctet}`, rfc, why, changes, expect]),
    twoOctet: true,
    send: (facts) => [update(attributes(facts, { ...base(facts), ...changes(facts) }), routes(facts, '4:1', '4:2'))],
  };
};

export const attributeCases: readonly Case[] = [...rows.map(caseOf), ...twoOctetRows.map(twoOctetCaseOf)];


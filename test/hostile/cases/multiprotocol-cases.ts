import { attribute, attributes, capability, goodUpdates, hop6, kept, kept6, mpReach, nlri, reset, routes, u32, up, update, withdrawn6, type Case, type Expectation, type Facts, type Mode } from '../case.ts';

type Row = readonly [name: string, rfc: string, why: string, send: (facts: Facts) => readonly Uint8Array[], expect: Expectation | readonly Expectation[], mode?: Mode];

/** An UPDATE of IPv6 routes with these parts of MP_REACH_NLRI. */
const reach = (parts: Parameters<typeof mpReach>[2]) => (facts: Facts): Uint8Array[] => [update(attributes(facts, { nextHop: '', mpReach: mpReach(facts, ['6:1', '6:2'], parts) }))];
/** … with these attributes. */
const withAttributes = (changes: (facts: Facts) => Readonly<Record<string, string>>) => (facts: Facts): Uint8Array[] =>
  [update(attributes(facts, { nextHop: '', mpReach: mpReach(facts, ['6:1', '6:2']), ...changes(facts) }))];
const raw = (value: string, flags = 0x80) => (facts: Facts): Uint8Array[] => [update(attributes(facts, { nextHop: '', mpReach: attribute(flags, 14, value) }))];
const unreach = (value: string, flags = 0x80) => (): Uint8Array[] => [update(attribute(flags, 15, value))];

/** RFC 7606 7.11: "session reset" or "AFI/SAFI disable". */
const lost: readonly Expectation[] = [reset(3), up({ not: ['6:1', '6:2'] })];
const hopRule = 'the routes behind the next hop cannot be found: session reset or AFI/SAFI disable';
const routeRule = 'routes that cannot be parsed: session reset or AFI/SAFI disable';
const flagRule = 'treat-as-withdraw, or the reset of a speaker that cannot find the routes';

const rows: readonly Row[] = [
  ['IPv6 routes', '4760 3', 'legal', (f) => goodUpdates(f, '6:1', '6:2'), kept6],
  ['a next hop of 0 octets', '7606 7.11', hopRule, reach({ hop: '' }), lost],
  ['a next hop of 4 octets', '7606 7.11', hopRule, reach({ hop: 'c0000203' }), lost],
  ['a next hop of 15 octets', '7606 7.11', hopRule, reach({ hop: '20'.repeat(15) }), lost],
  ['a next hop of 17 octets', '7606 7.11', hopRule, reach({ hop: '20'.repeat(17) }), lost],
  ['a next hop of 24 octets', '7606 7.11', hopRule, reach({ hop: '20'.repeat(24) }), lost],
  ['a next hop of 33 octets', '7606 7.11', hopRule, reach({ hop: '20'.repeat(33) }), lost],
  ['a next hop of 255 octets', '7606 7.11', hopRule, reach({ hop: '20'.repeat(255) }), lost],
  ['a next hop beyond the attribute', '7606 7.11', hopRule, raw(`000201ff${'20'.repeat(16)}00`), lost],
  ['MP_REACH_NLRI of 0 octets', '7606 5.3, 7.11', routeRule, raw(''), lost],
  ['MP_REACH_NLRI of 2 octets', '7606 5.3, 7.11', routeRule, raw('0002'), lost],
  ['MP_REACH_NLRI of 4 octets', '7606 5.3, 7.11', routeRule, raw('00020100'), lost],
  ['MP_REACH_NLRI without the reserved octet', '7606 5.3, 7.11', routeRule, (f) => raw(`00020110${hop6(f.slot)}`)(f), lost],
  ['a reserved octet that is not 0', '4760 3', 'ignored when received', reach({ reserved: 'ff' }), kept6],
  ['a /129', '7606 5.3', routeRule, reach({ routes: `81${'20'.repeat(17)}` }), lost],
  ['a /255', '7606 5.3', routeRule, reach({ routes: `ff${'20'.repeat(32)}` }), lost],
  ['routes cut short', '7606 5.3', routeRule, reach({ routes: '802001' }), lost],
  ['next hop and link-local address', '2545 3', 'legal', (f) => reach({ hop: `${hop6(f.slot)} fe80 0000 0000 0000 0000 0000 0000 0001` })(f), kept6],
  ['next hop and zeros', '2545 3', 'some routers write that', (f) => reach({ hop: hop6(f.slot) + '00'.repeat(16) })(f), [kept6, lost].flat()],
  ['next hop ::', '4271 6.3', 'no host address: the routes are not used', reach({ hop: '00'.repeat(16) }), [up({ notUsed: ['6:1', '6:2'] }), lost].flat()],
  ['next hop ff02::1', '4271 6.3', 'no host address: the routes are not used', reach({ hop: `ff02${'00'.repeat(13)}01` }), [up({ notUsed: ['6:1', '6:2'] }), lost].flat()],
  ['MP_REACH_NLRI that is transitive', '7606 3 c', flagRule, reach({ flags: 0xd0 }), [withdrawn6, reset(3)]],
  ['MP_REACH_NLRI that is well-known', '7606 3 c', flagRule, reach({ flags: 0x50 }), [withdrawn6, reset(3)]],
  ['MP_REACH_NLRI with the Partial bit', '7606 3 c', 'only Optional and Transitive are compared', reach({ flags: 0xb0 }), kept6],
  ['MP_REACH_NLRI twice', '7606 3 g', 'Malformed Attribute List', withAttributes((f) => ({ second: mpReach(f, ['6:3']) })), reset(3, 1)],
  ['MP_REACH_NLRI last', '7606 5.1', 'a receiver takes it anywhere', (f) => [update(`${attributes(f, { nextHop: '' })}${attribute(0xc0, 8, u32(0xfde90001))}${mpReach(f, ['6:1', '6:2'])}`)], kept6],
  ['MP_REACH_NLRI first', '7606 5.1', 'where it should be', (f) => [update(`${mpReach(f, ['6:1', '6:2'])}${attributes(f, { nextHop: '' })}`)], kept6],
  ['MP_REACH_NLRI and NLRI', '4760 3', 'not forbidden; both count', (f) => [update(attributes(f, { mpReach: mpReach(f, ['6:1', '6:2']) }), routes(f, '4:1', '4:2'))], up({ has: ['4:1', '4:2', '6:1', '6:2'] })],
  ['NEXT_HOP 0.0.0.0 beside MP_REACH_NLRI', '4760 3', 'ignored when there is no NLRI', withAttributes(() => ({ nextHop: attribute(0x40, 3, '00000000') })), kept6],
  ['no ORIGIN beside MP_REACH_NLRI', '7606 3 d', 'treat-as-withdraw', withAttributes(() => ({ origin: '' })), withdrawn6],
  ['no AS_PATH beside MP_REACH_NLRI', '7606 3 d', 'treat-as-withdraw', withAttributes(() => ({ asPath: '' })), withdrawn6],
  ['a bad ORIGIN beside MP_REACH_NLRI', '7606 7.1', 'treat-as-withdraw', withAttributes(() => ({ origin: attribute(0x40, 1, '07') })), withdrawn6],
  ['bad COMMUNITIES beside MP_REACH_NLRI', '7606 7.8', 'treat-as-withdraw', withAttributes(() => ({ extra: attribute(0xc0, 8, '00') })), withdrawn6],
  ['a bad AGGREGATOR beside MP_REACH_NLRI', '7606 7.7', 'attribute-discard', withAttributes(() => ({ extra: attribute(0xc0, 7, '00') })), kept6],
  ['a list that does not add up behind MP_REACH_NLRI', '7606 4', 'treat-as-withdraw', withAttributes(() => ({ extra: 'c00820' })), withdrawn6],
  ['a family that nobody speaks', '4760 6, 7606 5.4', 'ignored', raw('00194604c000020300aabbccdd'), up({ has: ['4:1', '6:1'] })],
  ['a family that was not agreed on', '4760 6', 'ignored', raw(`00018004${'c0000203'}00`), up({ has: ['4:1', '6:1'] })],
  ['AFI 0', '4760 6', 'ignored', raw('00000104c000020300'), [up({ has: ['4:1', '6:1'] }), reset(3)].flat()],
  ['IPv4 in MP_REACH_NLRI', '4760 3', 'a family like any other', (f) => [update(attributes(f, { nextHop: '', mpReach: attribute(0x80, 14, `00010104c00002${(10 + f.slot).toString(16)}00${routes(f, '4:1', '4:2')}`) }))], kept],
  ['IPv4 with an IPv6 next hop, not agreed on', '8950 4', 'the routes are not used', (f) => [update(attributes(f, { nextHop: '', mpReach: attribute(0x80, 14, `00010110${hop6(f.slot)}00${routes(f, '4:1', '4:2')}`) }))], [up({ notUsed: ['4:1', '4:2'] }), reset(3)]],
  ['a multicast IPv6 prefix', '4271 6.3', 'ignored, the session lives', reach({ routes: '80ff020000000000000000000000000001' }), up({ has: ['6:1'] })],
  ['an IPv6 withdrawal', '4760 4', 'the route is gone', (f) => unreach(`000201${nlri('6:1', f.slot)}`)(), up({ not: ['6:1'], has: ['4:1'] })],
  ['a withdrawal of what was never there', '4760 4', 'says nothing', (f) => unreach(`000201${nlri('6:5', f.slot)}`)(), up({ has: ['6:1'] })],
  ['MP_UNREACH_NLRI of no route', '4724 2', 'End-of-RIB', unreach('000201'), up({ has: ['6:1'] })],
  ['MP_UNREACH_NLRI of 0 octets', '7606 5.3, 7.12', routeRule, unreach(''), [reset(3), up({ not: ['6:1'] })]],
  ['MP_UNREACH_NLRI of 2 octets', '7606 5.3, 7.12', routeRule, unreach('0002'), [reset(3), up({ not: ['6:1'] })]],
  ['a /129 in MP_UNREACH_NLRI', '7606 5.3', routeRule, unreach(`00020181${'20'.repeat(17)}`), [reset(3), up({ not: ['6:1'] })]],
  ['MP_UNREACH_NLRI cut short', '7606 5.3', routeRule, unreach('000201802001'), [reset(3), up({ not: ['6:1'] })]],
  ['MP_UNREACH_NLRI twice', '7606 3 g', 'Malformed Attribute List', (f) => [update(attribute(0x80, 15, `000201${nlri('6:1', f.slot)}`).repeat(2))], reset(3, 1)],
  ['MP_UNREACH_NLRI that is transitive', '7606 3 c', 'the withdrawal counts, or the session ends', (f) => unreach(`000201${nlri('6:1', f.slot)}`, 0xc0)(), [up({ not: ['6:1'] }), reset(3)]],
  ['MP_UNREACH_NLRI of a family that nobody speaks', '4760 6', 'ignored', unreach('001946aabbcc'), up({ has: ['4:1', '6:1'] })],
];

const ipv4Only = (f: Facts): string => capability(1, '00010001') + capability(2) + capability(65, u32(f.asn));
const ipv4OnlyRows: readonly Row[] = [
  ['IPv6 routes that were not agreed on', '4760 8', 'not used', (f) => goodUpdates(f, '6:2'), [up({ has: ['4:1'], not: ['6:2'] }), reset(3), reset(6)]],
  ['malformed IPv6 routes that were not agreed on', '4760 8, 7606 5.4', 'not read, or a session reset', reach({ routes: `81${'20'.repeat(17)}` }), [up({ has: ['4:1'] }), reset(3)]],
];

const caseOf = ([name, rfc, why, send, expect, mode]: Row): Case => ({
  name: `MP: ${name}`, rfc, why, stage: 'established', send, ...(mode === undefined ? {} : { mode }),
  expect: Array.isArray(expect) ? (expect as readonly Expectation[]) : [expect as Expectation],
});

export const multiprotocolCases: readonly Case[] = [
  ...rows.map(caseOf), ...ipv4OnlyRows.map((row) => ({ ...caseOf(row), capabilities: ipv4Only, base: ['4:1'] as const })),
];

import { capability, open, openMessage, reset, resetWith, u32, up, usualCapabilities, type Case, type Expectation, type Facts, type Mode, type OpenFields } from '../case.ts';

type Row = readonly [name: string, rfc: string, why: string, open: (facts: Facts) => { fields?: OpenFields; capabilities?: string }, expect: Expectation | readonly Expectation[], mode?: Mode];

const well = up();
const fields = (values: OpenFields) => (): { fields: OpenFields } => ({ fields: values });
const more = (text: string) => (facts: Facts): { capabilities: string } => ({ capabilities: usualCapabilities(facts) + text });
const identifier = 'any number but 0 is an identifier';
const cut = 'an Optional Parameter that is recognized but malformed: Unspecific';

const rows: readonly Row[] = [
  ['a good OPEN', '4271 4.2', 'a session', () => ({}), well],
  ['version 0', '4271 6.2', 'Unsupported Version Number, with ours', fields({ version: 0 }), resetWith(2, 1, '0004')],
  ['version 3', '4271 6.2', 'Unsupported Version Number, with ours', fields({ version: 3 }), resetWith(2, 1, '0004')],
  ['version 5', '4271 6.2', 'Unsupported Version Number, with ours', fields({ version: 5 }), resetWith(2, 1, '0004')],
  ['version 255', '4271 6.2', 'Unsupported Version Number, with ours', fields({ version: 255 }), resetWith(2, 1, '0004')],
  ['another AS', '4271 6.2', 'Bad Peer AS', () => ({ fields: { asn: 65099 }, capabilities: capability(1, '00010001') }), reset(2, 2)],
  ['another AS in both places', '4271 6.2', 'Bad Peer AS', () => ({ fields: { asn: 65099 }, capabilities: capability(1, '00010001') + capability(65, u32(65099)) }), reset(2, 2)],
  ['another AS in the capability', '6793 4.1', 'Bad Peer AS', () => ({ capabilities: capability(1, '00010001') + capability(65, u32(65099)) }), reset(2, 2)],
  ['AS 0', '7607 2', 'Bad Peer AS', () => ({ fields: { asn: 0 }, capabilities: capability(1, '00010001') }), reset(2, 2)],
  ['AS 0 in the capability', '7607 2', 'Bad Peer AS', () => ({ fields: { asn: 23456 }, capabilities: capability(1, '00010001') + capability(65, u32(0)) }), reset(2, 2)],
  ['AS_TRANS and the AS in the capability', '6793 9', 'a session', () => ({ fields: { asn: 23456 } }), well],
  ['AS_TRANS without the capability', '6793 9', 'Bad Peer AS', () => ({ fields: { asn: 23456 }, capabilities: capability(1, '00010001') }), reset(2, 2)],
  ['a capability for 4-octet ASNs of 2 octets', '5492, 6793 3', 'malformed: refused, or ignored', () => ({ capabilities: capability(1, '00010001') + capability(65, '0001') }), [reset(2), well, open]],
  ['Hold Time 0', '4271 4.2', 'no keepalives', fields({ hold: 0 }), well],
  ['Hold Time 1', '4271 6.2', 'Unacceptable Hold Time', fields({ hold: 1 }), reset(2, 6)],
  ['Hold Time 2', '4271 6.2', 'Unacceptable Hold Time', fields({ hold: 2 }), reset(2, 6)],
  ['Hold Time 3', '4271 4.2', 'the shortest', fields({ hold: 3 }), well],
  ['Hold Time 65535', '4271 4.2', 'the longest', fields({ hold: 65535 }), well],
  ['identifier 0.0.0.0', '6286 2.2', 'Bad BGP Identifier', fields({ identifier: '00000000' }), reset(2, 3)],
  ['identifier 255.255.255.255', '6286 2.1', identifier, fields({ identifier: 'ffffffff' }), well],
  ['identifier 224.0.0.1', '6286 2.1', identifier, fields({ identifier: 'e0000001' }), well],
  ['identifier 127.0.0.1', '6286 2.1', identifier, fields({ identifier: '7f000001' }), well],
  ['identifier 0.0.0.1', '6286 2.1', identifier, fields({ identifier: '00000001' }), well],
  ['our own identifier inside one AS', '6286 2.2', 'Bad BGP Identifier', fields({ identifier: 'c0000201' }), reset(2, 3), 'ibgp'],
  ['our own identifier from another AS', '6286 2.2', 'unique only inside an AS', fields({ identifier: 'c0000201' }), well, 'ebgp'],
  ['the Authentication parameter', '5492, 4271 6.2', 'deprecated: Unsupported Optional Parameter', fields({ parameters: '0501030102ff' }), reset(2, 4, 5, 0)],
  ['Optional Parameter 3', '4271 6.2', 'Unsupported Optional Parameter', fields({ parameters: '0403020102' }), reset(2, 4)],
  ['Optional Parameter 0', '4271 6.2', 'Unsupported Optional Parameter', fields({ parameters: '020000' }), reset(2, 4)],
  ['Optional Parameter 254', '4271 6.2', 'Unsupported Optional Parameter', fields({ parameters: '03fe01aa' }), reset(2, 4)],
  ['Optional Parameters Length too large', '4271 6.2', 'Unspecific, or Bad Message Length', fields({ parameters: '40020641040000fde9' }), [reset(2), reset(1, 2)]],
  ['Optional Parameters Length too small', '4271 6.2', 'Unspecific, or Bad Message Length', fields({ parameters: '0202064104fde90000' }), [reset(2), reset(1, 2)]],
  ['a parameter longer than the field', '4271 6.2', cut, fields({ parameters: '04020c4104' }), reset(2)],
  ['one octet of a parameter', '4271 6.2', cut, fields({ parameters: '0102' }), reset(2)],
  ['a capability longer than its parameter', '5492 4', cut, fields({ parameters: '0402024110' }), reset(2)],
  ['one octet of a capability', '5492 4', cut, fields({ parameters: '03020141' }), reset(2)],
  ['an empty Capabilities parameter', '5492 4', 'no capabilities', fields({ parameters: '020200' }), well],
  ['no Optional Parameters', '4271 4.2', 'IPv4 unicast and 2-octet ASNs', () => ({ capabilities: '' }), well],
  ['no multiprotocol capability', '4760 8', 'IPv4 unicast', (f) => ({ capabilities: capability(2) + capability(65, u32(f.asn)) }), well],
  ['an unknown capability', '5492 3', 'ignored', more(capability(200, 'cafe')), well],
  ['an unknown capability of 0 octets', '5492 3', 'ignored', more(capability(201)), well],
  ['twenty unknown capabilities', '5492 3', 'ignored', more(Array.from({ length: 20 }, (_, i) => capability(140 + i, '00')).join('')), well],
  ['a capability twice', '5492 4', 'one of them counts', more(capability(2) + capability(1, '00010001')), well],
  ['each capability in a parameter of its own', '5492 4', 'legal', (f) => ({ fields: { parameters: `18 0206 0104 0001 0001 0206 0104 0002 0001 0206 4104 ${u32(f.asn)}` } }), well],
  ['a multiprotocol capability of 3 octets', '4760 8', 'malformed: refused, or ignored', more(capability(1, '000100')), [reset(2), well]],
  ['a multiprotocol capability of 5 octets', '4760 8', 'malformed: refused, or ignored', more(capability(1, '0001000100')), [reset(2), well]],
  ['nothing but a family that nobody speaks', '5492 3, 4760 8', 'Unsupported Capability, or a session of nothing', (f) => ({ capabilities: capability(1, '00190046') + capability(65, u32(f.asn)) }), [reset(2, 7), open, well]],
  ['a route refresh capability of 1 octet', '2918 2', 'malformed: refused, or ignored', more(capability(2, '00')), [reset(2), well]],
  ['a graceful restart capability of 3 octets', '4724 3', 'malformed: refused, or ignored', more(capability(64, '007800')), [reset(2), well]],
  ['a graceful restart capability twice', '4724 3', 'all but the last are ignored', more(capability(64, '0078') + capability(64, '005a00010180')), well],
  ['an ADD-PATH capability with Send/Receive 9', '7911 4', 'that entry is ignored', more(capability(69, '00010109')), well],
  ['an ADD-PATH capability of 3 octets', '7911 4', 'malformed: refused, or ignored', more(capability(69, '000101')), [reset(2), well]],
  ['an extended next hop capability of 5 octets', '8950 4', 'malformed: refused, or ignored', more(capability(5, '0001000100')), [reset(2), well]],
  ['a role', '9234 4.2', 'no role of ours to contradict', more(capability(9, '03')), [well, reset(2, 11)], 'ebgp'],
  ['a role of 2 octets', '9234 4.1', 'malformed: refused, or ignored', more(capability(9, '0303')), [reset(2), well], 'ebgp'],
  ['a long-lived graceful restart capability of 6 octets', '9494 3.1', 'malformed: refused, or ignored', more(capability(71, '000101000000')), [reset(2), well]],
  ['a long-lived graceful restart capability of 8 octets', '9494 3.1', 'malformed: refused, or ignored', more(capability(71, '0001018000012c00')), [reset(2), well]],
  ['a long-lived graceful restart capability without families', '9494 3.1', 'legal: nothing is kept for long', more(capability(64, '0078') + capability(71)), well],
  ['a long-lived graceful restart capability and none of graceful restart', '9494 4.5', 'ignored', more(capability(71, '00010180000e10')), well],
  ['a long-lived graceful restart capability with all flags and the longest time', '9494 3.1', 'reserved flags are ignored', more(capability(64, '007800010180') + capability(71, '000101ffffffff')), well],
  ['a long-lived graceful restart capability for families that nobody speaks', '9494 4.2', 'they have no routes', more(capability(64, '0078') + capability(71, '00194680000e1000018080000e10')), well],
  ['a long-lived graceful restart capability twice', '5492 4', 'one of them counts', more(capability(64, '0078') + capability(71, '00010180000e10').repeat(2)), well],
  ['a hostname with escapes in it', 'draft-walton-bgp-hostname', 'for people to read, once it is escaped', more(capability(73, '041b5b324a0200ff')), well],
  ['a hostname that overruns', 'draft-walton-bgp-hostname', 'a capability that cannot be read is refused, or ignored', more(capability(73, 'ff41')), [well, reset(2)]],
  ['Optional Parameters in the long form', '9072 2', 'legal (older speakers refuse it)', (f) => ({ fields: { parameters: `ffff000f 02000c 0104 0001 0001 4104 ${u32(f.asn)}` } }), [well, reset(2)]],
  ['the long form, cut short', '9072 2', cut, fields({ parameters: 'ffff0040 02000c 0104 0001 0001' }), [reset(2), reset(1, 2)]],
  ['the long form with no parameters', '9072 2', 'legal (older speakers refuse it)', fields({ parameters: 'ffff0000' }), [well, reset(2)]],
  ['an extended message capability of 1 octet', '8654 3', 'malformed: refused, or ignored', more(capability(6, '00')), [reset(2), well]],
];

export const openCases: readonly Case[] = rows.map(([name, rfc, why, build, expect, mode]) => ({
  name: `OPEN: ${name}`, rfc, why, stage: 'connected', ...(mode === undefined ? {} : { mode }),
  send: (facts) => {
    const { fields: values, capabilities } = build(facts);
    return [openMessage(facts, capabilities ?? usualCapabilities(facts), values)];
  },
  ...(name.startsWith('no Optional') || name.startsWith('an empty Cap') || name.startsWith('the long form with no') ? { twoOctet: true as const } : {}),
  expect: Array.isArray(expect) ? (expect as readonly Expectation[]) : [expect as Expectation],
}));

import { goodUpdates, keepalive, kept, marker, message, open, reset, resetWith, routes, attributes, attribute, capability, silent, u16, u32, up, update, usualCapabilities, openMessage, withdrawn, type Case, type Expectation, type Facts } from '../case.ts';
import { octets } from '../../bgp/wire/build.ts';

type Row = readonly [name: string, rfc: string, why: string, send: (facts: Facts) => readonly Uint8Array[], ...expect: Expectation[]];

const at = (stage: Case['stage'], rows: readonly Row[], more: Partial<Case> = {}): Case[] =>
  rows.map(([name, rfc, why, send, ...expect]) => ({ name, rfc, why, stage, send, expect, ...more }));
const raw = (text: string) => (): Uint8Array[] => [octets(text)];

const header: Row[] = [
  ['a marker that begins with 0', '4271 6.1', 'Connection Not Synchronized', () => [message(4, '', { marker: `00${marker.slice(2)}` })], reset(1, 1)],
  ['a marker that ends with 0', '4271 6.1', 'Connection Not Synchronized', () => [message(4, '', { marker: `${marker.slice(2)}00` })], reset(1, 1)],
  ['a marker of zeros', '4271 6.1', 'Connection Not Synchronized', () => [message(4, '', { marker: '00'.repeat(16) })], reset(1, 1)],
  ['an UPDATE whose marker is wrong', '4271 6.1', 'Connection Not Synchronized', () => [message(2, '00000000', { marker: `${marker.slice(2)}fe` })], reset(1, 1)],
  ['length 0', '4271 6.1', 'Bad Message Length, with the length', raw(`${marker}000004`), resetWith(1, 2, '0000')],
  ['length 1', '4271 6.1', 'Bad Message Length, with the length', raw(`${marker}000104`), resetWith(1, 2, '0001')],
  ['length 18', '4271 6.1', 'Bad Message Length, with the length', raw(`${marker}001204`), resetWith(1, 2, '0012')],
  ['length 4097', '4271 6.1, 8654 4', 'Bad Message Length where extended messages were not agreed on', () => [message(2, '00'.repeat(4078))], resetWith(1, 2, '1001')],
  ['length 65535', '4271 6.1, 8654 4', 'Bad Message Length where extended messages were not agreed on', raw(`${marker}ffff02`), resetWith(1, 2, 'ffff')],
  ['a KEEPALIVE of 20 octets', '4271 6.1', 'Bad Message Length', () => [message(4, '00')], reset(1, 2)],
  ['a KEEPALIVE of 4096 octets', '4271 6.1', 'Bad Message Length', () => [message(4, '00'.repeat(4077))], reset(1, 2)],
  ['an UPDATE of 22 octets', '4271 6.1', 'Bad Message Length', () => [message(2, '000000')], reset(1, 2)],
  ['an UPDATE of 19 octets', '4271 6.1', 'Bad Message Length', () => [message(2, '')], reset(1, 2)],
  ['a NOTIFICATION of 20 octets', '4271 6.1, 6.4', 'Bad Message Length, or the end without a word', () => [message(3, '06')], reset(1, 2), silent],
  ['a NOTIFICATION of 19 octets', '4271 6.1, 6.4', 'Bad Message Length, or the end without a word', () => [message(3, '')], reset(1, 2), silent],
  ['a ROUTE-REFRESH of 22 octets', '4271 6.1, 7313 5', 'Bad Message Length, or Invalid Message Length', () => [message(5, '000100')], reset(1, 2), reset(7, 1)],
  ['type 0', '4271 6.1', 'Bad Message Type, with the type', () => [message(0, '')], resetWith(1, 3, '00')],
  ['type 6', '4271 6.1', 'Bad Message Type, with the type', () => [message(6, '')], resetWith(1, 3, '06')],
  ['type 255', '4271 6.1', 'Bad Message Type, with the type', () => [message(255, 'abcdef')], resetWith(1, 3, 'ff')],
];

const first: Row[] = [
  ['a request of another protocol', '4271 6.1', 'Connection Not Synchronized', () => [new TextEncoder().encode('GET / HTTP/1.1\r\nHost: router\r\n\r\n')], reset(1, 1)],
  ['zeros', '4271 6.1', 'Connection Not Synchronized', () => [new Uint8Array(64)], reset(1, 1)],
  ['an OPEN whose marker is wrong', '4271 6.1', 'Connection Not Synchronized', () => [message(1, '', { marker: '00'.repeat(16), length: 29 })], reset(1, 1)],
  ['an OPEN of 28 octets', '4271 6.1', 'Bad Message Length', () => [message(1, '04fde9005a0a0000')], reset(1, 2)],
  ['an OPEN of 19 octets', '4271 6.1', 'Bad Message Length', () => [message(1, '')], reset(1, 2)],
  ['an OPEN of 4097 octets', '4271 6.1, 8654 4', 'an OPEN is never longer than 4096', (f) => [message(1, `04${u16(f.asn)}005a0a000001ffff0fe7${'00'.repeat(4065)}`)], reset(1, 2), reset(2)],
  ['type 99 first', '4271 6.1', 'Bad Message Type', () => [message(99, '')], reset(1, 3)],
  ['a KEEPALIVE first', '6608 4', 'FSM error: unexpected in OpenSent', () => [keepalive], reset(5, 1, 0)],
  ['an UPDATE first', '6608 4', 'FSM error: unexpected in OpenSent', () => [update('')], reset(5, 1, 0)],
  ['a ROUTE-REFRESH first', '6608 4', 'FSM error: unexpected in OpenSent', () => [message(5, '00010001')], reset(5, 1, 0)],
  ['a NOTIFICATION first', '4271 6.4', 'is never answered', () => [message(3, '0602')], silent],
  ['a version error first', '4271 6.4', 'is never answered', () => [message(3, '02010003')], silent],
  ['nothing', '4271 8.2.2', 'the connection stays for the large hold time', () => [], open],
  ['half an OPEN', '4271 8.2.2', 'the connection stays for the large hold time', (f) => [openMessage(f, usualCapabilities(f)).slice(0, 25)], open],
];

const openSent: Row[] = [
  ['an UPDATE before our KEEPALIVE', '6608 4', 'FSM error: unexpected in OpenConfirm', (f) => goodUpdates(f, '4:1'), reset(5, 2, 0)],
  ['an empty UPDATE before our KEEPALIVE', '6608 4', 'FSM error: unexpected in OpenConfirm', () => [update('')], reset(5, 2, 0)],
  ['a ROUTE-REFRESH before our KEEPALIVE', '6608 4', 'FSM error: unexpected in OpenConfirm', () => [message(5, '00010001')], reset(5, 2, 0)],
  ['a second OPEN', '4271 8.2.2, 6608 4', 'an FSM error, or the loss of a collision', (f) => [openMessage(f, usualCapabilities(f))], reset(5, 2, 0), reset(6)],
  ['a NOTIFICATION before our KEEPALIVE', '4271 6.4', 'is never answered', () => [message(3, '0602')], silent],
  ['a wrong marker before our KEEPALIVE', '4271 6.1', 'Connection Not Synchronized', () => [new Uint8Array(19)], reset(1, 1)],
  ['type 77 before our KEEPALIVE', '4271 6.1', 'Bad Message Type', () => [message(77, '')], reset(1, 3)],
  ['a KEEPALIVE of 20 octets in place of ours', '4271 6.1', 'Bad Message Length', () => [message(4, '00')], reset(1, 2)],
];

const shutdown = (text: string): string => `0602${text}`;
const notifications: Row[] = ([
  ['Cease', '0602'], ['Cease with a subcode that nobody knows', '06fe'], ['an error code that nobody knows', '6301'], ['code 0', '0000'],
  ['an UPDATE error with data', '0303abcdef'], ['Hold Timer Expired', '0400'], ['a shutdown communication', shutdown('05 68656c6c6f')],
  ['a shutdown communication that is no UTF-8', shutdown('03 fffefd')], ['a shutdown communication shorter than it says', shutdown('ff 68656c6c6f')],
  ['a shutdown communication longer than it says', shutdown('01 68656c6c6f')], ['a shutdown communication of 255 octets with escapes', shutdown(`ff${'1b'.repeat(255)}`)],
  ['a hard reset that wraps nothing', '0609'], ['a hard reset that wraps one octet', '060906'], ['a hard reset that wraps a prefix limit', '0609 0601 000101 0000000a'],
  ['a hard reset in a hard reset', '0609 0609 0602'], ['a prefix limit', '0601 000101 0000000a'], ['4000 octets of data', `0602${'ab'.repeat(4000)}`],
] as const).map(([name, body]): Row => [`a NOTIFICATION: ${name}`, '4271 6.4, 8.2.2', 'is never answered; the connection ends', () => [message(3, body)], silent]);

const established: Row[] = [
  ['an OPEN in Established', '4271 8.2.2, 6608 4', 'an FSM error, or the loss of a collision', (f) => [openMessage(f, usualCapabilities(f))], reset(5, 3, 0), reset(6)],
  ['200 KEEPALIVEs at once', '4271 4.4', 'legal', () => [octets(Buffer.from(keepalive).toString('hex').repeat(200))], up({ has: ['4:1'] })],
  ['an UPDATE one octet at a time', '4271 4', 'TCP has no messages', (f) => Array.from(Buffer.concat(goodUpdates(f, '4:1', '4:2')), (octet) => Uint8Array.of(octet)), kept],
  ['ten UPDATEs in one segment', '4271 4', 'TCP has no messages', (f) => [Buffer.concat(Array.from({ length: 10 }, () => goodUpdates(f, '4:1', '4:2')).flat())], kept],
  ['an empty UPDATE', '4724 2', 'End-of-RIB', () => [update('')], up({ has: ['4:1'] })],
  ['a withdrawal', '4271 4.3', 'the route is gone', (f) => [update('', '', routes(f, '4:1'))], up({ not: ['4:1'] })],
  ['a withdrawal, twice', '4271 4.3', 'the second says nothing', (f) => [update('', '', routes(f, '4:1', '4:1')), update('', '', routes(f, '4:1'))], up({ not: ['4:1'] })],
  ['a withdrawal of what was never there', '4271 9.1.4', 'says nothing', (f) => [update('', '', routes(f, '4:5'))], up({ has: ['4:1'], not: ['4:5'] })],
  ['a prefix withdrawn and announced in one UPDATE', '4271 4.3', 'it is announced', (f) => [update(attributes(f), routes(f, '4:1', '4:2'), routes(f, '4:1'))], kept],
  ['a prefix announced twice in one UPDATE', '4271 4.3', 'once is enough', (f) => [update(attributes(f), routes(f, '4:1', '4:2', '4:2'))], kept],
  ['attributes without routes', '4271 4.3', 'no error is asked for', (f) => [update(attributes(f))], up({ has: ['4:1'] })],
  ['a bad ORIGIN without routes', '7606 5.2', 'nobody knows whose it is: session reset', (f) => [update(attributes(f, { origin: attribute(0x40, 1, '09') }))], reset(3)],
  ['a bad ORIGIN beside withdrawals alone', '7606 5.2', 'nobody knows whose it is: session reset', (f) => [update(attributes(f, { origin: attribute(0x40, 1, '09') }), '', routes(f, '4:5'))], reset(3)],
  ['a list that does not add up, without routes', '7606 4, 5.2', 'nobody knows whose it is: session reset', (f) => [update(`${attributes(f)}c00840`)], reset(3)],
  ['a bad AGGREGATOR without routes', '7606 5.2', 'attribute-discard needs no routes', (f) => [update(attributes(f, { aggregator: attribute(0xc0, 7, '00') }))], up({ has: ['4:1'] })],
  ['attributes out of order', '4271 5', 'a receiver takes any order', (f) => [update(`${attribute(0xc0, 8, u32(0xfde90001))}${attributes(f)}`, routes(f, '4:1', '4:2'))], kept],
  ['Withdrawn Routes Length beyond the message', '4271 6.3', 'Malformed Attribute List', () => [message(2, 'ffff0000')], reset(3, 1)],
  ['Withdrawn Routes Length that leaves no room', '4271 6.3', 'Malformed Attribute List', () => [message(2, '00020000')], reset(3, 1)],
  ['Total Path Attribute Length beyond the message', '4271 6.3', 'Malformed Attribute List', () => [message(2, '0000ffff')], reset(3, 1)],
  ['Total Path Attribute Length one too large', '4271 6.3', 'Malformed Attribute List', (f) => [message(2, `0000${u16(octets(attributes(f)).length + 1)}${attributes(f)}`)], reset(3, 1)],
  ['a /33 in NLRI', '7606 5.3', 'Invalid Network Field', (f) => [update(attributes(f), '210a4d000100')], reset(3, 10)],
  ['a /255 in NLRI', '7606 5.3', 'Invalid Network Field', (f) => [update(attributes(f), `ff${'0a'.repeat(32)}`)], reset(3, 10)],
  ['NLRI cut short', '7606 5.3', 'Invalid Network Field', (f) => [update(attributes(f), `${routes(f, '4:1')}200a4d`)], reset(3, 10)],
  ['a /33 in Withdrawn Routes', '7606 3 i, 5.3', 'Invalid Network Field', () => [update('', '', '210a4d000100')], reset(3, 10)],
  ['Withdrawn Routes cut short', '7606 3 i, 5.3', 'Invalid Network Field', () => [update('', '', '200a4d')], reset(3, 10)],
  ['a bad ORIGIN and a /33', '7606 3 h', 'the strongest action wins: session reset', (f) => [update(attributes(f, { origin: attribute(0x40, 1, '09') }), '210a4d000100')], reset(3)],
  ['a multicast prefix', '4271 6.3', 'semantically wrong: ignored, the session lives', (f) => [update(attributes(f), '20e0000105')], up({ has: ['4:1'] })],
  ['the default route', '4271 4.3', 'a prefix like any other', (f) => [update(attributes(f), '00')], up({ has: ['4:1'] })],
  ['an UPDATE of 4096 octets', '4271 4.1', 'the longest message', (f) => {
    const space = 4096 - 23 - octets(attributes(f) + routes(f, '4:1', '4:2')).length - 4;
    return [update(`${attributes(f)}${attribute(0xd0, 99, 'ab'.repeat(space))}`, routes(f, '4:1', '4:2'))];
  }, kept],
  ['500 UPDATEs that are treated as withdrawals', '7606 2', 'the session lives', (f) => [Buffer.concat(Array.from({ length: 500 }, () => update(attributes(f, { origin: attribute(0x40, 1, '09') }), routes(f, '4:1', '4:2'))))], withdrawn],
  ['2000 UPDATEs for one prefix', '4271 9', 'the last one counts', (f) => [Buffer.concat(Array.from({ length: 2000 }, (_, i) => update(attributes(f, { med: attribute(0x80, 4, u32(i)) }), routes(f, '4:1', '4:2'))))], kept],
];

const refreshCapabilities = (f: Facts): string => usualCapabilities(f) + capability(70);
const refreshes: Row[] = [
  ['ROUTE-REFRESH', '2918 4', 'the routes are sent again', () => [message(5, '00010001')], up({ has: ['4:1'] })],
  ['ROUTE-REFRESH of an unknown family', '2918 4', 'ignored', () => [message(5, '00190046')], up({ has: ['4:1'] })],
  ['ROUTE-REFRESH of subtype 3', '7313 5', 'ignored', () => [message(5, '00010301')], up({ has: ['4:1'] })],
  ['ROUTE-REFRESH of subtype 255', '7313 5', 'ignored', () => [message(5, '0001ff01')], up({ has: ['4:1'] })],
  ['1000 ROUTE-REFRESHes', '2918 4', 'the session lives', () => [Buffer.concat(Array.from({ length: 1000 }, () => message(5, '00010001')))], up({ has: ['4:1'] })],
];
const enhanced: Row[] = [
  ['BoRR and EoRR with nothing between', '7313 4', 'what was not sent again is gone', () => [message(5, '00010101'), message(5, '00010201')], up({ not: ['4:1'], has: ['6:1'] })],
  ['BoRR, a route, EoRR', '7313 4', 'what was sent again stands', (f) => [message(5, '00010101'), ...goodUpdates(f, '4:1', '4:2'), message(5, '00010201')], kept],
  ['EoRR without BoRR', '7313 4', 'nothing had begun', () => [message(5, '00010201')], up({ has: ['4:1'] })],
  ['BoRR alone', '7313 4', 'nothing is gone yet', () => [message(5, '00010101')], up({ has: ['4:1'] })],
  ['BoRR of 24 octets', '7313 5', 'Invalid Message Length', () => [message(5, '0001010100')], reset(7, 1)],
  ['EoRR of 30 octets', '7313 5', 'Invalid Message Length', () => [message(5, '00010201abcdefabcdefab')], reset(7, 1)],
  ['BoRR of an unknown family', '7313 5', 'ignored', () => [message(5, '00190146')], up({ has: ['4:1'] })],
];

const extendedMessages: Row[] = [
  ['an UPDATE of 5000 octets, agreed on', '8654 4', 'taken where the speaker said it would, else Bad Message Length', (f) => [update(`${attributes(f)}${attribute(0xd0, 99, 'ab'.repeat(4900))}`, routes(f, '4:1', '4:2'))], kept, reset(1, 2)],
  ['an UPDATE of 65535 octets, agreed on', '8654 4', 'taken where the speaker said it would, else Bad Message Length', (f) => {
    const space = 65535 - 23 - octets(attributes(f) + routes(f, '4:1', '4:2')).length - 4;
    return [update(`${attributes(f)}${attribute(0xd0, 99, 'ab'.repeat(space))}`, routes(f, '4:1', '4:2'))];
  }, kept, reset(1, 2)],
  ['a KEEPALIVE of 5000 octets, extended messages agreed on', '8654 4', 'KEEPALIVEs are never extended', () => [message(4, '00'.repeat(4981))], reset(1, 2)],
];

const endings: Case[] = ([['fin', 'an UPDATE cut by FIN'], ['rst', 'an UPDATE cut by RST']] as const).map(([hangUp, name]) => ({
  name, rfc: '4271 8.2.2', why: 'the connection is lost, the speaker lives', stage: 'established', hangUp, expect: [open],
  send: (f) => [(goodUpdates(f, '4:1')[0] as Uint8Array).slice(0, 30)],
}));

export const messageCases: readonly Case[] = [
  ...at('connected', first), ...at('openSent', openSent), ...at('established', [...header, ...notifications, ...established, ...refreshes]),
  ...at('established', enhanced, { capabilities: refreshCapabilities }),
  ...at('established', extendedMessages, { capabilities: (f) => usualCapabilities(f) + capability(6) }), ...endings,
];

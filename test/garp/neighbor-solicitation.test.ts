import assert from 'node:assert/strict';
import { parseAnnouncement } from '../../garp/announcement.ts';
import { ipToBytes } from '../../net/ip.ts';
import { type Mac, macToBytes, parseMac } from '../../net/mac.ts';
import { buildProbe } from '../../garp/probe.ts';
import { vmOf } from '../sim/node.ts';
import { ordinaryNs } from '../sim/ordinary.ts';

const vm = vmOf(0);
const [, address] = vm.addresses;
const other = parseMac('52:54:00:aa:00:02') as Mac;
const valid = ordinaryNs(vm);
// Offsets: IPv6 at 14, its source at 22, ICMPv6 at 54, target at 62, option at 78.
const at = { hopLimit: 21, source: 22, code: 55, target: 62, option: 78 } as const;

function changed(octets: Readonly<Record<number, ArrayLike<number>>>, sum = true): Uint8Array {
  const bytes = valid.slice();
  for (const [where, what] of Object.entries(octets)) bytes.set(what, Number(where));
  return sum ? withSum(bytes) : bytes;
}

/** Puts the right ICMPv6 checksum in (RFC 8200 section 8.1). */
function withSum(bytes: Uint8Array): Uint8Array {
  const length = ((bytes[18] as number) << 8) | (bytes[19] as number);
  bytes[56] = bytes[57] = 0;
  let sum = length + 58;
  for (let i = 22; i < 54 + length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  bytes[56] = ~sum >> 8;
  bytes[57] = ~sum;
  return bytes;
}

const from = (text: string): Uint8Array => changed({ [at.source]: ipToBytes(text as typeof address) });

function told(bytes: Uint8Array): string {
  const said = parseAnnouncement({ bytes });
  return said.type === 'announcement' ? `${said.kind} ${said.mac} ${said.address}` : `${said.verdict} ${said.kind}: ${said.reason}`;
}

describe('Neighbor Solicitation', () => {
  const rows: readonly [name: string, bytes: Uint8Array, expected: string][] = [
    ['from an address of its own tells of that address, not of the one it asks for', valid, `ns ${vm.mac} ${address}`],
    ['without the option', (() => { const bytes = valid.slice(0, 78); bytes[19] = 24; return withSum(bytes); })(), `ns ${vm.mac} ${address}`],
    ['from ::', from('::'), 'not_evidence ns: duplicate address detection (NS from ::)'],
    ['from a link-local address', from('fe80::11'), 'not_evidence ns: NS from a link-local address'],
    ['from the loopback address', from('::1'), 'not_evidence ns: NS source is no host address'],
    ['from a multicast address', from('ff02::1'), 'not_evidence ns: NS source is no host address'],
    ['from an IPv4-mapped address', changed({ [at.source]: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 203, 0, 113, 11] }), 'not_evidence ns: NS source is no host address'],
    ['option names another MAC', changed({ [at.option]: [1, 1, ...macToBytes(other)] }), 'source_mismatch ns: NS link-layer address is not the Ethernet source'],
    ['Ethernet source is another', changed({ 6: macToBytes(other) }), 'source_mismatch ns: NS link-layer address is not the Ethernet source'],
    ['hop limit 254', changed({ [at.hopLimit]: [254] }), 'malformed ns: NS hop limit is not 255'],
    ['code 1', changed({ [at.code]: [1] }), 'malformed ns: NS code is not 0'],
    ['wrong checksum', changed({ [at.source + 15]: [0x12] }, false), 'malformed ns: NS checksum is wrong'],
    ['multicast target', changed({ [at.target]: [0xff] }), 'malformed ns: NS target is multicast'],
    ['option of length 0', changed({ [at.option]: [1, 0] }), 'malformed ns: NS option has length 0'],
    ['option longer than the message', changed({ [at.option]: [1, 2] }), 'malformed ns: NS option is cut short'],
    ['cut short', changed({ 18: [0, 23] }), 'malformed ns: NS is cut short'],
    ['a probe of another speaker', buildProbe(other, vm.mac, 0, address), 'not_evidence ns: NS from a link-local address'],
  ];
  for (const [name, bytes, expected] of rows) it(name, () => { assert.equal(told(bytes), expected); });
});

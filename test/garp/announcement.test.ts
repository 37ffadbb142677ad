import assert from 'node:assert/strict';
import { type Announcement, type NoAnnouncement, parseAnnouncement } from '../../garp/announcement.ts';
import { encodeArp } from '../../garp/wire/arp.ts';
import { type VlanTag, encodeEthernet, etherType } from '../../garp/wire/ethernet.ts';
import { announcementFrame, garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { type NeighborAdvertisement, encodeNa } from '../../garp/wire/ndisc.ts';
import { ByteWriter } from '../../net/bytes.ts';
import { ip } from '../../net/ip.ts';
import { type Mac, broadcastMac, parseMac, zeroMac } from '../../net/mac.ts';

const vm = parseMac('52:54:00:aa:00:01') as Mac;
const other = parseMac('52:54:00:aa:00:02') as Mac;
const address = '203.0.113.11';

interface ArpWish {
  source?: Mac;
  destination?: Mac;
  type?: number;
  op?: number;
  sha?: Mac;
  spa?: string;
  tha?: Mac;
  tpa?: string;
}

function arp(wish: ArpWish): Uint8Array {
  const writer = new ByteWriter();
  encodeEthernet(writer, { destination: wish.destination ?? broadcastMac, source: wish.source ?? vm, etherType: wish.type ?? etherType.arp });
  encodeArp(writer, {
    operation: wish.op ?? 1,
    senderMac: wish.sha ?? vm,
    senderIp: ip(wish.spa ?? address),
    targetMac: wish.tha ?? zeroMac,
    targetIp: ip(wish.tpa ?? wish.spa ?? address),
  });
  return writer.done();
}

function na(wish: Partial<NeighborAdvertisement> & { ethernetSource?: Mac }): Uint8Array {
  const writer = new ByteWriter();
  encodeEthernet(writer, { destination: parseMac('33:33:00:00:00:01') as Mac, source: wish.ethernetSource ?? vm, etherType: etherType.ipv6 });
  const target = wish.target ?? ip('2001:db8::11');
  encodeNa(writer, { source: target, destination: ip('ff02::1'), target, flags: 0x20, targetMac: vm, ...wish });
  return writer.done();
}

/** The frame without its Target Link-Layer Address option, checksum right. */
function naWithoutOption(wish: Omit<NeighborAdvertisement, 'targetMac'>): Uint8Array {
  const writer = new ByteWriter();
  encodeEthernet(writer, { destination: parseMac('33:33:00:00:00:01') as Mac, source: vm, etherType: etherType.ipv6 });
  encodeNa(writer, wish);
  return writer.done();
}

function changed(bytes: Uint8Array, changes: Record<number, number>): Uint8Array {
  const copy = bytes.slice();
  for (const [at, value] of Object.entries(changes)) copy[Number(at)] = value;
  return copy;
}

type Row = [name: string, bytes: Uint8Array, expected: string];

/** `kind address` for an announcement, `verdict kind: reason` for anything else. */
function told(answer: Announcement | NoAnnouncement): string {
  if (answer.type === 'announcement') return answer.address === undefined ? answer.kind : `${answer.kind} ${answer.address}`;
  return `${answer.verdict} ${answer.kind}: ${answer.reason}`;
}

function table(rows: readonly Row[]): void {
  for (const [name, bytes, expected] of rows) {
    it(name, () => {
      assert.equal(told(parseAnnouncement({ bytes })), expected);
    });
  }
}

describe('ARP', () => {
  const mismatch = 'ARP sender MAC is not the Ethernet source';
  table([
    ['request form, zero target MAC', arp({}), `garp ${address}`],
    ['request form, broadcast target MAC', arp({ tha: broadcastMac }), `garp ${address}`],
    ['request form, own target MAC', arp({ tha: vm }), `garp ${address}`],
    ['reply form, zero target MAC', arp({ op: 2 }), `garp ${address}`],
    ['reply form, broadcast target MAC', arp({ op: 2, tha: broadcastMac }), `garp ${address}`],
    ['reply form, own target MAC', arp({ op: 2, tha: vm }), `garp ${address}`],
    ['sent to one host only', arp({ destination: other }), `garp ${address}`],
    ['ordinary request', arp({ tpa: '203.0.113.1' }), `arp ${address}`],
    ['ordinary reply', arp({ op: 2, tpa: '203.0.113.1', tha: other }), `arp ${address}`],
    ['probe', arp({ spa: '0.0.0.0', tpa: address }), 'not_evidence arp-probe: ARP probe (sender 0.0.0.0)'],
    ['everything zero', arp({ spa: '0.0.0.0' }), 'not_evidence arp-probe: ARP probe (sender 0.0.0.0)'],
    ['another sender MAC in a GARP', arp({ sha: other }), `source_mismatch garp: ${mismatch}`],
    ['another sender MAC in ordinary ARP', arp({ sha: other, tpa: '203.0.113.1' }), `source_mismatch arp: ${mismatch}`],
    ['a zero sender MAC', arp({ sha: zeroMac }), `source_mismatch garp: ${mismatch}`],
    ['a multicast sender address', arp({ spa: '224.0.0.5' }), 'not_evidence garp: ARP sender is no host address'],
    ['the broadcast address as sender', arp({ spa: '255.255.255.255' }), 'not_evidence garp: ARP sender is no host address'],
    ['a loopback sender address', arp({ spa: '127.0.0.1', tpa: '10.0.0.1' }), 'not_evidence arp: ARP sender is no host address'],
    ['operation 0', arp({ op: 0 }), 'not_evidence arp: ARP operation 0'],
    ['operation 3 under ARP\'s EtherType', arp({ op: 3 }), 'not_evidence arp: ARP operation 3'],
    ['inverse ARP', arp({ op: 8 }), 'not_evidence arp: ARP operation 8'],
    ['another hardware type', changed(arp({}), { 15: 6 }), 'malformed arp: ARP hardware type is not Ethernet'],
    ['another protocol type', changed(arp({}), { 16: 0x86 }), 'malformed arp: ARP protocol type is not IPv4'],
    ['hardware address length 8', changed(arp({}), { 18: 8 }), 'malformed arp: ARP hardware address length is not 6'],
    ['protocol address length 16', changed(arp({}), { 19: 16 }), 'malformed arp: ARP protocol address length is not 4'],
    ['cut short by one octet', arp({}).subarray(0, 41), 'malformed arp: ARP packet is cut short'],
    ['nothing after the EtherType', arp({}).subarray(0, 14), 'malformed arp: ARP packet is cut short'],
  ]);

  it('tells of a probe which address it asks for', () => {
    const answer = parseAnnouncement({ bytes: arp({ spa: '0.0.0.0', tpa: address }) });
    assert.equal(answer.address, address);
  });
});

describe('RARP', () => {
  const type = etherType.rarp;
  const zero = '0.0.0.0';
  table([
    ['QEMU\'s', rarpFrame(vm), 'rarp'],
    ['with a zero target MAC', arp({ type, op: 3, spa: zero }), 'rarp'],
    ['with a sender address, which proves nothing', arp({ type, op: 3, spa: address }), 'rarp'],
    ['reply', arp({ type, op: 4, spa: zero }), 'not_evidence rarp: RARP reply'],
    ['an ARP operation under RARP\'s EtherType', arp({ type, op: 1 }), 'not_evidence rarp: RARP operation 1'],
    ['another sender MAC', arp({ type, op: 3, spa: zero, sha: other }), 'source_mismatch rarp: RARP sender MAC is not the Ethernet source'],
    ['cut short', rarpFrame(vm).subarray(0, 41), 'malformed rarp: ARP packet is cut short'],
    ['another hardware type', changed(rarpFrame(vm), { 14: 1 }), 'malformed rarp: ARP hardware type is not Ethernet'],
  ]);

  it('carries no address', () => {
    assert.deepEqual(parseAnnouncement({ bytes: arp({ type, op: 3, spa: address }) }), { type: 'announcement', kind: 'rarp', mac: vm, vlan: 0 });
  });
});

describe('Neighbor Advertisement', () => {
  const target = ip('2001:db8::11');
  const valid = na({});
  const source = 'NA source is neither its target nor link-local';
  // Offsets: IPv6 at 14, ICMPv6 at 54, target at 62, option at 78.
  table([
    ['from the address itself', valid, 'na 2001:db8::11'],
    ['from the link-local address', na({ source: ip('fe80::1') }), 'na 2001:db8::11'],
    ['of a router', na({ flags: 0xa0 }), 'na 2001:db8::11'],
    ['without override', na({ flags: 0 }), 'na 2001:db8::11'],
    ['to one host, yet unsolicited', na({ destination: ip('2001:db8::1') }), 'na 2001:db8::11'],
    ['without the option', naWithoutOption({ source: target, destination: ip('ff02::1'), target, flags: 0x20 }), 'na 2001:db8::11'],
    ['from another global address', na({ source: ip('2001:db8::12') }), `source_mismatch na: ${source}`],
    ['option names another MAC', na({ targetMac: other }), 'source_mismatch na: NA link-layer address is not the Ethernet source'],
    ['Ethernet source is another', na({ ethernetSource: other }), 'source_mismatch na: NA link-layer address is not the Ethernet source'],
    ['solicited', na({ flags: 0x60, destination: ip('2001:db8::1') }), 'answer 2001:db8::11'],
    ['solicited, option names another MAC', na({ flags: 0x60, destination: ip('2001:db8::1'), targetMac: other }), 'source_mismatch na: NA link-layer address is not the Ethernet source'],
    ['solicited, from another global address', na({ flags: 0x60, destination: ip('2001:db8::1'), source: ip('2001:db8::12') }), `source_mismatch na: ${source}`],
    ['solicited and multicast', na({ flags: 0x60 }), 'malformed na: NA is solicited and multicast'],
    ['link-local target', na({ target: ip('fe80::11'), source: ip('fe80::11') }), 'not_evidence na: NA for a link-local address'],
    ['last of fe80::/10', na({ target: ip('febf::11'), source: ip('febf::11') }), 'not_evidence na: NA for a link-local address'],
    ['loopback target', na({ target: ip('::1'), source: ip('fe80::1') }), 'not_evidence na: NA target is no host address'],
    ['unspecified target', na({ target: ip('::'), source: ip('fe80::1') }), 'not_evidence na: NA target is no host address'],
    ['multicast target', na({ target: ip('ff02::5'), source: ip('fe80::1') }), 'malformed na: NA target is multicast'],
    ['from ::', na({ source: ip('::') }), 'malformed na: NA from the unspecified address'],
    ['from a multicast address', na({ source: ip('ff02::1') }), 'malformed na: NA from a multicast address'],
    ['hop limit 254', changed(valid, { 21: 254 }), 'malformed na: NA hop limit is not 255'],
    ['code 1', changed(valid, { 55: 1 }), 'malformed na: NA code is not 0'],
    ['wrong checksum', changed(valid, { 57: (valid[57] as number) ^ 1 }), 'malformed na: NA checksum is wrong'],
    ['one octet of the target changed', changed(valid, { 77: 0x12 }), 'malformed na: NA checksum is wrong'],
    ['another IPv6 version', changed(valid, { 14: 0x40 }), 'malformed ipv6: IPv6 version is not 6'],
    ['payload longer than the frame', changed(valid, { 19: 200 }), 'malformed ipv6: IPv6 payload is cut short'],
    ['payload too short for an NA', changed(valid, { 19: 23 }), 'malformed na: NA is cut short'],
    ['no payload', changed(valid, { 19: 0 }), 'malformed ipv6: ICMPv6 is cut short'],
    ['IPv6 header cut', valid.subarray(0, 53), 'malformed ipv6: IPv6 header is cut short'],
  ]);

  it('an IPv4-mapped target is no host address', () => {
    const mapped = withSum(changed(naFrame(vm, target), mappedTarget(62)));
    assert.equal(told(parseAnnouncement({ bytes: mapped })), 'not_evidence na: NA target is no host address');
  });

  const options: [string, number[], string][] = [
    ['length 0', [2, 0, 0, 0, 0, 0, 0, 0], 'malformed na: NA option has length 0'],
    ['longer than the message', [1, 2, 0, 0, 0, 0, 0, 0], 'malformed na: NA option is cut short'],
    ['link-layer address of 14 octets', [2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 'malformed na: NA link-layer address is not a MAC'],
    ['half an option', [2], 'malformed na: NA option is cut short'],
    ['an unknown option', [99, 1, 0, 0, 0, 0, 0, 0], 'na 2001:db8::11'],
    ['unknown, then another MAC', [99, 1, 0, 0, 0, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 9], 'source_mismatch na: NA link-layer address is not the Ethernet source'],
    ['the MAC, then another MAC', [2, 1, 0x52, 0x54, 0, 0xaa, 0, 1, 2, 1, 2, 0, 0, 0, 0, 9], 'source_mismatch na: NA link-layer address is not the Ethernet source'],
  ];
  for (const [name, octets, expected] of options) {
    it(`option: ${name}`, () => {
      const base = naWithoutOption({ source: target, destination: ip('ff02::1'), target, flags: 0x20 });
      const bytes = new Uint8Array(base.length + octets.length);
      bytes.set(base);
      bytes.set(octets, base.length);
      bytes[19] = 24 + octets.length;
      assert.equal(told(parseAnnouncement({ bytes: withSum(bytes) })), expected);
    });
  }
});

/** Target ::ffff:203.0.113.11, and the IPv6 source link-local so that the target alone is at fault. */
function mappedTarget(at: number): Record<number, number> {
  const octets = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 203, 0, 113, 11];
  return Object.fromEntries(octets.map((octet, i) => [at + i, octet]));
}

/** Puts the right ICMPv6 checksum in, by a sum of its own (RFC 8200 section 8.1). */
function withSum(frame: Uint8Array): Uint8Array {
  const bytes = frame.slice();
  const length = ((bytes[18] as number) << 8) | (bytes[19] as number);
  bytes[56] = bytes[57] = 0;
  const covered = [...bytes.subarray(22, 54), 0, 0, length >> 8, length & 255, 0, 0, 0, 58, ...bytes.subarray(54, 54 + length)];
  if (covered.length % 2 === 1) covered.push(0);
  let sum = 0;
  for (let i = 0; i < covered.length; i += 2) sum += ((covered[i] as number) << 8) | (covered[i + 1] as number);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  bytes[56] = ~sum >> 8;
  bytes[57] = ~sum;
  return bytes;
}

describe('other frames', () => {
  const header = (type: number, ...payload: number[]): Uint8Array => {
    const writer = new ByteWriter();
    encodeEthernet(writer, { destination: broadcastMac, source: vm, etherType: type });
    return writer.append(payload).done();
  };
  const ipv4 = (protocol: number, ...payload: number[]): Uint8Array =>
    header(0x0800, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, ...payload);
  const ipv6 = (next: number, ...payload: number[]): Uint8Array =>
    header(0x86dd, 0x60, 0, 0, 0, 0, payload.length, next, 255, ...new Array<number>(31).fill(0), 1, ...payload);
  table([
    ['DHCP to the server', ipv4(17, 0, 68, 0, 67, 0, 8, 0, 0), 'not_evidence dhcp: DHCP'],
    ['DHCP to the client', ipv4(17, 0, 67, 0, 68, 0, 8, 0, 0), 'not_evidence dhcp: DHCP'],
    ['other UDP', ipv4(17, 0, 67, 0, 53, 0, 8, 0, 0), 'not_evidence ipv4: IPv4 packet'],
    ['UDP without its ports', ipv4(17), 'not_evidence ipv4: IPv4 packet'],
    ['IGMP', ipv4(2, 0x16), 'not_evidence igmp: IGMP'],
    ['TCP', ipv4(6), 'not_evidence ipv4: IPv4 packet'],
    ['half an IPv4 header', ipv4(6).subarray(0, 33), 'malformed ipv4: IPv4 header is cut short'],
    ['DHCPv6', ipv6(17, 2, 34, 2, 35, 0, 8, 0, 0), 'not_evidence dhcp: DHCPv6'],
    ['UDP over IPv6', ipv6(17, 2, 34, 0, 53, 0, 8, 0, 0), 'not_evidence ipv6: IPv6, but no ICMPv6'],
    ['a fragment', ipv6(44, 58, 0, 0, 0, 0, 0, 0, 0), 'not_evidence ipv6: IPv6 fragment'],
    ['router advertisement', ipv6(58, 134, 0), 'not_evidence ra: router advertisement'],
    ['MLD query', ipv6(58, 130, 0), 'not_evidence mld: MLD'],
    ['MLDv2 report', ipv6(0, 58, 0, 5, 2, 0, 0, 1, 0, 143, 0), 'not_evidence mld: MLD'],
    ['echo request', ipv6(58, 128, 0), 'not_evidence ipv6: ICMPv6 type 128'],
    ['hop-by-hop header longer than the packet', ipv6(0, 58, 9, 5, 2, 0, 0, 1, 0), 'malformed ipv6: IPv6 hop-by-hop header is cut short'],
    ['half a hop-by-hop header', ipv6(0, 58, 0, 5), 'malformed ipv6: IPv6 hop-by-hop header is cut short'],
    ['hop-by-hop header and nothing else', ipv6(0, 58, 0, 5, 2, 0, 0, 1, 0), 'malformed ipv6: ICMPv6 is cut short'],
    ['half a neighbor solicitation', ipv6(58, 135, 0, 0, 0), 'malformed ns: NS is cut short'],
    ['LLDP', header(0x88cc, 1, 2, 3), 'not_evidence other: neither ARP, RARP nor IPv6'],
    ['IEEE 802.3 length', header(0x0026, 0x42, 0x42, 3), 'not_evidence other: neither ARP, RARP nor IPv6'],
    ['no octets', new Uint8Array(0), 'malformed other: Ethernet header is cut short'],
    ['thirteen octets', arp({}).subarray(0, 13), 'malformed other: Ethernet header is cut short'],
    ['group source', arp({ source: parseMac('53:54:00:aa:00:01') as Mac }), 'malformed other: Ethernet source is a group address'],
    ['broadcast source', arp({ source: broadcastMac, sha: broadcastMac }), 'malformed other: Ethernet source is a group address'],
    ['zero source', arp({ source: zeroMac, sha: zeroMac }), 'malformed other: Ethernet source is all zeros'],
  ]);
});

describe('802.1Q', () => {
  const rows: [string, Uint8Array, VlanTag | undefined, number | string][] = [
    ['no tag', garpFrame(vm, ip(address)), undefined, 0],
    ['tag taken out', garpFrame(vm, ip(address)), { tpid: 0x8100, tci: 100 }, 100],
    ['tag with priority and DEI', garpFrame(vm, ip(address)), { tpid: 0x8100, tci: 0xf064 }, 100],
    ['priority tag taken out', garpFrame(vm, ip(address)), { tpid: 0x8100, tci: 0xe000 }, 0],
    ['tag in the octets', garpFrame(vm, ip(address), { vlan: 4094 }), undefined, 4094],
    ['tag in the octets, IPv6', announcementFrame(vm, ip('2001:db8::11'), { vlan: 7 }), undefined, 7],
    ['taken out and in the octets', garpFrame(vm, ip(address), { vlan: 200 }), { tpid: 0x8100, tci: 100 }, 'two VLAN tags'],
    ['priority tag and another one', garpFrame(vm, ip(address), { vlan: 200 }), { tpid: 0x8100, tci: 0 }, 'two VLAN tags'],
    ['service tag taken out', garpFrame(vm, ip(address)), { tpid: 0x88a8, tci: 100 }, 'VLAN tag is not 802.1Q (TPID 0x8100)'],
    ['service tag in the octets', changed(garpFrame(vm, ip(address), { vlan: 100 }), { 12: 0x88, 13: 0xa8 }), undefined, 'VLAN tag is not 802.1Q (TPID 0x8100)'],
    ['old stacked TPID', changed(garpFrame(vm, ip(address), { vlan: 100 }), { 12: 0x91, 13: 0 }), undefined, 'VLAN tag is not 802.1Q (TPID 0x8100)'],
    ['VLAN 4095', garpFrame(vm, ip(address), { vlan: 4095 }), undefined, 'VLAN 4095 is reserved'],
    ['cut within the tag', garpFrame(vm, ip(address), { vlan: 100 }).subarray(0, 17), undefined, 'Ethernet header is cut short'],
  ];
  for (const [name, bytes, tag, expected] of rows) {
    it(name, () => {
      const answer = parseAnnouncement(tag === undefined ? { bytes } : { bytes, tag });
      if (typeof expected === 'number') {
        assert.equal(answer.type, 'announcement');
        assert.equal(answer.vlan, expected);
        assert.equal(answer.mac, vm);
      } else {
        assert.equal(answer.type === 'ignored' && answer.reason, expected);
        assert.equal(answer.vlan, undefined);
      }
    });
  }
});

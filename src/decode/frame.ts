import { parseAnnouncement } from '../../garp/announcement.ts';
import type { CapturedPacket } from '../../garp/wire/captured-packet.ts';
import type { Line } from './line.ts';
import type { Network } from './link.ts';

/** Stands in for a MAC where the link layer has none. */
const nobody = Uint8Array.of(2, 0, 0, 0, 0, 1);

/** What a frame says, in the words of `show ignored`: `{kind, mac, vlan, address, verdict}` and, where it announces nothing, the reason. */
export function showFrame(packet: CapturedPacket, link: Network | string): Line {
  if (typeof link === 'string') return unreadable(packet, link);
  const { tags, source } = link;
  // The frame as the speaker gets it: without tags in the bytes, the one that counts beside them.
  const innermost = tags.at(-1);
  const bytes = ethernetFrame(link);
  const said = parseAnnouncement(innermost === undefined ? { bytes } : { bytes, tag: { tpid: 0x8100, tci: innermost.tci } });
  const placed = {
    kind: said.kind, mac: source === undefined ? null : said.mac ?? null, vlan: tags.length === 0 ? 0 : (tags[0] as { tci: number }).tci & 0xfff,
    ...(tags.length > 1 ? { vlans: tags.map(({ tci }) => tci & 0xfff) } : {}), address: said.address ?? null,
  };
  if (said.type === 'ignored' && said.verdict === 'malformed') {
    const cut = packet.originalLength - packet.bytes.length;
    return { ...placed, verdict: said.verdict, error: { text: cut > 0 ? `${said.reason} (the capture lacks ${cut} of its ${packet.originalLength} octets)` : said.reason } };
  }
  if (source === undefined) return { ...placed, verdict: 'not_evidence', reason: 'no Ethernet header' };
  if (tags.length > 1) return { ...placed, verdict: 'wrong_vlan', reason: 'two VLAN tags' };
  if (innermost !== undefined && innermost.tpid !== 0x8100) return { ...placed, verdict: 'wrong_vlan', reason: 'VLAN tag is not 802.1Q (TPID 0x8100)' };
  if (said.type === 'ignored') return { ...placed, verdict: said.verdict, reason: said.reason };
  switch (said.kind) {
    case 'arp': return { ...placed, verdict: 'not_evidence', reason: 'ordinary ARP (evidence with any-arp)' };
    case 'ns': return { ...placed, verdict: 'not_evidence', reason: 'ordinary NS (evidence with any-arp)' };
    case 'answer': return { ...placed, verdict: 'not_evidence', reason: 'solicited NA' };
    default: return { ...placed, verdict: 'accepted' };
  }
}

/** A packet that is not even a frame. */
function unreadable(packet: CapturedPacket, text: string): Line {
  const mac = packet.linkType === 1 && packet.bytes.length >= 12 ? macText(packet.bytes.subarray(6, 12)) : null;
  return { kind: 'other', mac, vlan: null, address: null, verdict: 'malformed', error: { text } };
}

/** The packet behind an untagged Ethernet header. */
export function ethernetFrame({ etherType, payload, source, destination }: Network): Uint8Array {
  const frame = new Uint8Array(14 + payload.length);
  frame.set(destination ?? [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
  frame.set(source ?? nobody, 6);
  frame.set([etherType >>> 8, etherType & 0xff], 12);
  frame.set(payload, 14);
  return frame;
}

function macText(octets: Uint8Array): string {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join(':');
}


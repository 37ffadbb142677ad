import { type IpAddress, ipFromBytes, isUnusable } from '../net/ip.ts';
import { type Mac, macFromBytes } from '../net/mac.ts';
import { arpAt, arpOperation, arpProblem } from './wire/arp.ts';
import { type EthernetProblem, etherType, readEthernet, sameOctets, sourceAt, u16 } from './wire/ethernet.ts';
import {
  type UpperLayer, icmpv6Type, ipv6At, isMld, isSolicited, linkLayerAgrees, ndAt, ndProblem, nextHeader, upperLayer,
} from './wire/ndisc.ts';

/** One frame as the capture hands it on. */
export interface CapturedFrame {
  /** The Ethernet frame as it stands in memory: the kernel has taken the outermost 802.1Q tag out, see `tag`. */
  readonly bytes: Uint8Array;
  /** The port on which it came in. */
  readonly ifindex: number;
  /** The 802.1Q tag that the kernel took out (PACKET_AUXDATA): TPID and TCI. */
  readonly tag?: { readonly tpid: number; readonly tci: number };
  /** `capturedAt` of the kernel's timestamp, turned into monotonic milliseconds when the socket was drained. */
  readonly capturedAtMs: number;
}

/**
 * `arp` is ordinary ARP of a VM that is no announcement, and `ns` is the same of IPv6, a Neighbor Solicitation from the VM's own address:
 * evidence only where `any-arp` is configured and the MAC is known. `answer` is a solicited NA: evidence only when this node has asked.
 */
export type AnnouncementKind = 'garp' | 'rarp' | 'na' | 'arp' | 'ns' | 'answer';

/** True for what a VM says in passing, about its neighbours and not of itself. */
export function isOrdinary(kind: AnnouncementKind): kind is 'arp' | 'ns' {
  return kind === 'arp' || kind === 'ns';
}

/** What a VM said on the wire. `vlan` is 0 when untagged or priority-tagged. A RARP carries no address. */
export interface Announcement {
  readonly type: 'announcement';
  readonly kind: AnnouncementKind;
  readonly mac: Mac;
  readonly vlan: number;
  readonly address?: IpAddress;
}

/** A frame that announces nothing, and why: `show ignored` prints it. */
export interface NoAnnouncement {
  readonly type: 'ignored';
  readonly verdict: 'malformed' | 'not_evidence' | 'source_mismatch' | 'wrong_vlan';
  /** One short sentence part in plain ASCII, for example `ARP probe (sender 0.0.0.0)`. */
  readonly reason: string;
  /** What kind of frame it was: garp, rarp, na, arp, arp-probe, ns, rs, mld, dhcp, ipv4, ipv6, other… */
  readonly kind: string;
  readonly mac?: Mac;
  readonly vlan?: number;
  readonly address?: IpAddress;
}

type Frame = Pick<CapturedFrame, 'bytes' | 'tag'>;

/**
 * What a frame announces, or why it announces nothing. Total: any bytes give an answer, none throws, and the work is bounded by the
 * length of the frame. The reasons never quote what the sender wrote.
 */
export function parseAnnouncement(frame: Frame): Announcement | NoAnnouncement {
  const bytes = frame.bytes;
  const header = readEthernet(bytes, frame.tag);
  if ('verdict' in header) return withoutVlan(header, bytes);
  switch (header.etherType) {
    case etherType.arp:
      return parseArp(bytes, header.payloadAt, header.vlan);
    case etherType.rarp:
      return parseRarp(bytes, header.payloadAt, header.vlan);
    case etherType.ipv6:
      return parseIpv6(bytes, header.payloadAt, header.vlan);
    case etherType.ipv4:
      return parseIpv4(bytes, header.payloadAt, header.vlan);
    default:
      return ignored(bytes, header.vlan, 'other', 'not_evidence', 'neither ARP, RARP nor IPv6');
  }
}

/** RFC 826, RFC 5227. */
function parseArp(bytes: Uint8Array, at: number, vlan: number): Announcement | NoAnnouncement {
  const problem = arpProblem(bytes, at);
  if (problem !== undefined) return ignored(bytes, vlan, 'arp', 'malformed', problem);
  const operation = u16(bytes, at + arpAt.operation);
  const gratuitous = sameOctets(bytes, at + arpAt.senderIp, at + arpAt.targetIp, 4);
  const address = ipFromBytes(bytes, at + arpAt.senderIp, 4);
  if (operation !== arpOperation.request && operation !== arpOperation.reply) {
    return ignored(bytes, vlan, 'arp', 'not_evidence', `ARP operation ${operation}`);
  }
  if (!sameOctets(bytes, at + arpAt.senderMac, sourceAt, 6)) {
    return ignored(bytes, vlan, gratuitous ? 'garp' : 'arp', 'source_mismatch', 'ARP sender MAC is not the Ethernet source', address);
  }
  if (address === '0.0.0.0') {
    const wanted = ipFromBytes(bytes, at + arpAt.targetIp, 4);
    return ignored(bytes, vlan, 'arp-probe', 'not_evidence', 'ARP probe (sender 0.0.0.0)', wanted);
  }
  const kind = gratuitous ? 'garp' : 'arp';
  if (isUnusable(address)) return ignored(bytes, vlan, kind, 'not_evidence', 'ARP sender is no host address', address);
  return { type: 'announcement', kind, mac: macFromBytes(bytes, sourceAt), vlan, address };
}

/** RFC 903, as QEMU, Open vSwitch and others use it to teach switches where a guest is. */
function parseRarp(bytes: Uint8Array, at: number, vlan: number): Announcement | NoAnnouncement {
  const problem = arpProblem(bytes, at);
  if (problem !== undefined) return ignored(bytes, vlan, 'rarp', 'malformed', problem);
  const operation = u16(bytes, at + arpAt.operation);
  if (operation !== arpOperation.requestReverse) {
    const what = operation === arpOperation.replyReverse ? 'RARP reply' : `RARP operation ${operation}`;
    return ignored(bytes, vlan, 'rarp', 'not_evidence', what);
  }
  if (!sameOctets(bytes, at + arpAt.senderMac, sourceAt, 6)) {
    return ignored(bytes, vlan, 'rarp', 'source_mismatch', 'RARP sender MAC is not the Ethernet source');
  }
  // A sender IP, if there is one, is not looked at: nothing proves it, and the MAC is what a RARP is about.
  return { type: 'announcement', kind: 'rarp', mac: macFromBytes(bytes, sourceAt), vlan };
}

function parseIpv6(bytes: Uint8Array, at: number, vlan: number): Announcement | NoAnnouncement {
  const upper = upperLayer(bytes, at);
  if (typeof upper === 'string') return ignored(bytes, vlan, 'ipv6', 'malformed', upper);
  if (upper.protocol === nextHeader.udp) {
    if (isDhcp(bytes, upper.at, 546)) return ignored(bytes, vlan, 'dhcp', 'not_evidence', 'DHCPv6');
  }
  if (upper.protocol === nextHeader.fragment) return ignored(bytes, vlan, 'ipv6', 'not_evidence', 'IPv6 fragment');
  if (upper.protocol !== nextHeader.icmpv6) return ignored(bytes, vlan, 'ipv6', 'not_evidence', 'IPv6, but no ICMPv6');
  if (upper.end <= upper.at) return ignored(bytes, vlan, 'ipv6', 'malformed', 'ICMPv6 is cut short');
  const type = bytes[upper.at] as number;
  if (type === icmpv6Type.na) return parseNa(bytes, at, upper, vlan);
  if (type === icmpv6Type.ns) return parseNs(bytes, at, upper, vlan);
  if (type === icmpv6Type.rs) return ignored(bytes, vlan, 'rs', 'not_evidence', 'router solicitation');
  if (type === icmpv6Type.ra) return ignored(bytes, vlan, 'ra', 'not_evidence', 'router advertisement');
  if (isMld(type)) return ignored(bytes, vlan, 'mld', 'not_evidence', 'MLD');
  return ignored(bytes, vlan, 'ipv6', 'not_evidence', `ICMPv6 type ${type}`);
}

/** RFC 4861 sections 4.4, 7.1.2 and 7.2.6. */
function parseNa(bytes: Uint8Array, ipAt: number, upper: UpperLayer, vlan: number): Announcement | NoAnnouncement {
  const problem = ndProblem(bytes, ipAt, upper, 'NA');
  if (problem !== undefined) return ignored(bytes, vlan, 'na', 'malformed', problem);
  const targetAt = upper.at + ndAt.target;
  const address = ipFromBytes(bytes, targetAt, 16);
  const sender = ipAt + ipv6At.source;
  if (isZero(bytes, sender, 16)) return ignored(bytes, vlan, 'na', 'malformed', 'NA from the unspecified address', address);
  if (bytes[sender] === 0xff) return ignored(bytes, vlan, 'na', 'malformed', 'NA from a multicast address', address);
  if (isLinkLocalAt(bytes, targetAt)) return ignored(bytes, vlan, 'na', 'not_evidence', 'NA for a link-local address', address);
  if (isUnusable(address) || isIpv4MappedAt(bytes, targetAt)) {
    return ignored(bytes, vlan, 'na', 'not_evidence', 'NA target is no host address', address);
  }
  if (!linkLayerAgrees(bytes, upper, 'NA')) {
    return ignored(bytes, vlan, 'na', 'source_mismatch', 'NA link-layer address is not the Ethernet source', address);
  }
  // Linux sends it from the address itself, others from the link-local one; anybody else speaks for another host.
  if (!sameOctets(bytes, sender, targetAt, 16) && !isLinkLocalAt(bytes, sender)) {
    return ignored(bytes, vlan, 'na', 'source_mismatch', 'NA source is neither its target nor link-local', address);
  }
  const kind = isSolicited(bytes, upper.at) ? 'answer' : 'na';
  return { type: 'announcement', kind, mac: macFromBytes(bytes, sourceAt), vlan, address };
}

/** Who asks from an address of its own has it (RFC 4861 section 7.2.2), as with ARP; who asks from none wants it (RFC 4862 section 5.4). */
function parseNs(bytes: Uint8Array, ipAt: number, upper: UpperLayer, vlan: number): Announcement | NoAnnouncement {
  if (upper.end - upper.at < ndAt.options) return ignored(bytes, vlan, 'ns', 'malformed', 'NS is cut short');
  const wanted = ipFromBytes(bytes, upper.at + ndAt.target, 16);
  const sender = ipAt + ipv6At.source;
  if (isZero(bytes, sender, 16)) return ignored(bytes, vlan, 'ns', 'not_evidence', 'duplicate address detection (NS from ::)', wanted);
  const problem = ndProblem(bytes, ipAt, upper, 'NS');
  if (problem !== undefined) return ignored(bytes, vlan, 'ns', 'malformed', problem);
  if (isLinkLocalAt(bytes, sender)) return ignored(bytes, vlan, 'ns', 'not_evidence', 'NS from a link-local address', wanted);
  const address = ipFromBytes(bytes, sender, 16);
  if (isUnusable(address) || isIpv4MappedAt(bytes, sender)) return ignored(bytes, vlan, 'ns', 'not_evidence', 'NS source is no host address', address);
  if (!linkLayerAgrees(bytes, upper, 'NS')) return ignored(bytes, vlan, 'ns', 'source_mismatch', 'NS link-layer address is not the Ethernet source', address);
  return { type: 'announcement', kind: 'ns', mac: macFromBytes(bytes, sourceAt), vlan, address };
}

/** IPv4 packets are no announcement; the kind is told because people look for DHCP and IGMP in `show ignored`. */
function parseIpv4(bytes: Uint8Array, at: number, vlan: number): NoAnnouncement {
  if (bytes.length - at < 20) return ignored(bytes, vlan, 'ipv4', 'malformed', 'IPv4 header is cut short');
  const protocol = bytes[at + 9];
  if (protocol === nextHeader.udp && isDhcp(bytes, at + 4 * ((bytes[at] as number) & 15), 67)) {
    return ignored(bytes, vlan, 'dhcp', 'not_evidence', 'DHCP');
  }
  if (protocol === 2) return ignored(bytes, vlan, 'igmp', 'not_evidence', 'IGMP');
  return ignored(bytes, vlan, 'ipv4', 'not_evidence', 'IPv4 packet');
}

/** True if the UDP header at `at` names one of the two ports of DHCP (67, 68) or DHCPv6 (546, 547) as its destination. */
function isDhcp(bytes: Uint8Array, at: number, lower: 67 | 546): boolean {
  if (bytes.length - at < 4) return false;
  const port = u16(bytes, at + 2);
  return port === lower || port === lower + 1;
}

function isZero(bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[at + i] !== 0) return false;
  return true;
}

/** fe80::/10. */
function isLinkLocalAt(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xfe && ((bytes[at + 1] as number) & 0xc0) === 0x80;
}

/** ::ffff:0:0/96 (RFC 4291 section 2.5.5.2): never an address on a link. */
function isIpv4MappedAt(bytes: Uint8Array, at: number): boolean {
  return isZero(bytes, at, 10) && bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}

function ignored(
  bytes: Uint8Array,
  vlan: number,
  kind: string,
  verdict: NoAnnouncement['verdict'],
  reason: string,
  address?: IpAddress,
): NoAnnouncement {
  const mac = macFromBytes(bytes, sourceAt);
  if (address === undefined) return { type: 'ignored', verdict, reason, kind, mac, vlan };
  return { type: 'ignored', verdict, reason, kind, mac, vlan, address };
}

/** The header itself is at fault: no VLAN is known, and the source MAC only if the frame is that long. */
function withoutVlan(problem: EthernetProblem, bytes: Uint8Array): NoAnnouncement {
  const base = { type: 'ignored', verdict: problem.verdict, reason: problem.reason, kind: 'other' } as const;
  return bytes.length < 12 ? base : { ...base, mac: macFromBytes(bytes, sourceAt) };
}

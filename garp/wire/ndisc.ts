import { ByteWriter } from '../../net/bytes.ts';
import { type IpAddress, ipToBytes } from '../../net/ip.ts';
import { type Mac, macToBytes } from '../../net/mac.ts';
import { sourceAt, u16 } from './ethernet.ts';

/*
 *  Neighbor Advertisement (RFC 4861 section 4.4) in IPv6 (RFC 8200 section 3); a Solicitation (section 4.3) is 135 and has no flags:
 *
 *   0                 4           6     7    8          24            40
 *  +-----------------+-----------+-----+----+----------+-------------+------------------
 *  |6|class|flow     |payload len|next |hops| source   | destination | ICMPv6 (or hop-by-hop)
 *  +-----------------+-----------+-----+----+----------+-------------+------------------
 *
 *   0    1    2         4        8            24
 *  +----+----+---------+--------+------------+--------------------------------------
 *  |136 |code| checksum|R S O 0 | target     | options: type, length in 8 octets, …
 *  +----+----+---------+--------+------------+--------------------------------------
 */

export const ipv6At = { payloadLength: 4, nextHeader: 6, hopLimit: 7, source: 8, destination: 24 } as const;
export const ipv6HeaderLength = 40;

/** Next header values (IANA, "Protocol Numbers"). */
export const nextHeader = { hopByHop: 0, tcp: 6, udp: 17, fragment: 44, icmpv6: 58 } as const;

/** ICMPv6 types (RFC 4861, RFC 2710, RFC 3810). */
export const icmpv6Type = { rs: 133, ra: 134, ns: 135, na: 136, redirect: 137 } as const;

/** Offsets within a Neighbor Solicitation or Advertisement. */
export const ndAt = { code: 1, checksum: 2, flags: 4, target: 8, options: 24 } as const;

const solicitedFlag = 0x40;
const sourceLinkLayerAddress = 1;
const targetLinkLayerAddress = 2;

/** MLD queries, reports and dones of both versions (RFC 2710, RFC 3810). */
export function isMld(type: number): boolean {
  return (type >= 130 && type <= 132) || type === 143;
}

/** Where an upper-layer header starts and which one it is. */
export interface UpperLayer {
  readonly protocol: number;
  readonly at: number;
  /** Where the IPv6 payload ends by its own length field. */
  readonly end: number;
}

/**
 * The header after the IPv6 header at `at`, with one hop-by-hop options header (MLD has it) skipped.
 * @returns a reason in words if the packet is cut short or no IPv6.
 */
export function upperLayer(bytes: Uint8Array, at: number): UpperLayer | string {
  if (bytes.length - at < ipv6HeaderLength) return 'IPv6 header is cut short';
  if ((bytes[at] as number) >>> 4 !== 6) return 'IPv6 version is not 6';
  let start = at + ipv6HeaderLength;
  const end = start + u16(bytes, at + ipv6At.payloadLength);
  if (end > bytes.length) return 'IPv6 payload is cut short';
  let protocol = bytes[at + ipv6At.nextHeader] as number;
  if (protocol === nextHeader.hopByHop) {
    if (end - start < 8) return 'IPv6 hop-by-hop header is cut short';
    protocol = bytes[start] as number;
    start += 8 * ((bytes[start + 1] as number) + 1);
    if (start > end) return 'IPv6 hop-by-hop header is cut short';
  }
  return { protocol, at: start, end };
}

/**
 * Checks a Neighbor Advertisement as RFC 4861 section 7.1.2 demands of a receiver, or a Solicitation as section 7.1.1 does.
 * @returns a reason in words if the RFC says that it be discarded, else `undefined`
 */
export function ndProblem(bytes: Uint8Array, ipAt: number, upper: UpperLayer, what: 'NA' | 'NS'): string | undefined {
  const { at, end } = upper;
  if (end - at < ndAt.options) return `${what} is cut short`;
  if (bytes[ipAt + ipv6At.hopLimit] !== 255) return `${what} hop limit is not 255`;
  if (bytes[at + ndAt.code] !== 0) return `${what} code is not 0`;
  if (icmpv6Sum(bytes, ipAt, at, end) !== 0xffff) return `${what} checksum is wrong`;
  if (bytes[at + ndAt.target] === 0xff) return `${what} target is multicast`;
  if (what === 'NA' && bytes[ipAt + ipv6At.destination] === 0xff && isSolicited(bytes, at)) return 'NA is solicited and multicast';
  for (let option = at + ndAt.options; option < end; ) {
    if (end - option < 2) return `${what} option is cut short`;
    const length = 8 * (bytes[option + 1] as number);
    if (length === 0) return `${what} option has length 0`;
    if (length > end - option) return `${what} option is cut short`;
    if (bytes[option] === linkLayerOption[what] && length !== 8) return `${what} link-layer address is not a MAC`;
    option += length;
  }
  return undefined;
}

const linkLayerOption = { NA: targetLinkLayerAddress, NS: sourceLinkLayerAddress } as const;

/** The S flag of a Neighbor Advertisement that {@link ndProblem} found nothing wrong with. */
export function isSolicited(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at + ndAt.flags] as number) & solicitedFlag) !== 0;
}

/**
 * False if the Target (NS: Source) Link-Layer Address option names another MAC than the Ethernet source. A message without the option says
 * nothing else than its Ethernet source does. For one that {@link ndProblem} found nothing wrong with.
 */
export function linkLayerAgrees(bytes: Uint8Array, upper: UpperLayer, what: 'NA' | 'NS'): boolean {
  for (let option = upper.at + ndAt.options; option < upper.end; option += 8 * (bytes[option + 1] as number)) {
    if (bytes[option] !== linkLayerOption[what]) continue;
    for (let i = 0; i < 6; i++) if (bytes[option + 2 + i] !== bytes[sourceAt + i]) return false;
  }
  return true;
}

/** The one's complement sum over pseudo-header and message (RFC 8200 section 8.1): 0xffff when the checksum within is right. */
function icmpv6Sum(bytes: Uint8Array, ipAt: number, at: number, end: number): number {
  let sum = end - at + nextHeader.icmpv6;
  for (let i = ipAt + ipv6At.source; i < ipAt + ipv6HeaderLength; i += 2) sum += u16(bytes, i);
  let i = at;
  for (; i + 1 < end; i += 2) sum += u16(bytes, i);
  if (i < end) sum += (bytes[i] as number) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

export interface NeighborAdvertisement {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly target: IpAddress;
  /** The octet of flags: R 0x80, S 0x40, O 0x20. */
  readonly flags: number;
  /** The Target Link-Layer Address option, if it is to have one. */
  readonly targetMac?: Mac;
}

/** Appends IPv6 header and Neighbor Advertisement with a right checksum. */
export function encodeNa(writer: ByteWriter, message: NeighborAdvertisement): void {
  const packet = new ByteWriter(80);
  const length = message.targetMac === undefined ? 24 : 32;
  packet.u32(0x60000000).u16(length).u8(nextHeader.icmpv6).u8(255);
  packet.append(ipToBytes(message.source)).append(ipToBytes(message.destination));
  packet.u8(icmpv6Type.na).u8(0).u16(0).u32(message.flags * 0x1000000).append(ipToBytes(message.target));
  if (message.targetMac !== undefined) packet.u8(targetLinkLayerAddress).u8(1).append(macToBytes(message.targetMac));
  const bytes = packet.view();
  packet.patchU16(ipv6HeaderLength + ndAt.checksum, 0xffff - icmpv6Sum(bytes, 0, ipv6HeaderLength, bytes.length));
  writer.append(bytes);
}

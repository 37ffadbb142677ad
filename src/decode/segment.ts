import { type IpAddress, ipFromBytes } from '../../net/ip.ts';
import type { Network } from './link.ts';

/** One TCP segment, without what pads the frame behind it. */
export interface Segment {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly syn: boolean;
  readonly ack: boolean;
  readonly fin: boolean;
  readonly rst: boolean;
  readonly payload: Uint8Array;
  /** Octets of the payload that the capture cut off. */
  readonly missing: number;
}

interface Upper {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly bytes: Uint8Array;
  /** Octets that the IP header promises; 0 where an offloading sender left its length open. */
  readonly promised: number;
}

const tcp = 6;

/** The TCP segment of a packet: IPv4 with options, IPv6 with extension headers. `undefined` for whatever else, also later fragments. */
export function segmentOf({ etherType, payload }: Network): Segment | undefined {
  const upper = etherType === 0x0800 ? overIpv4(payload) : etherType === 0x86dd ? overIpv6(payload) : undefined;
  if (upper === undefined || upper.bytes.length < 20) return undefined;
  const { bytes } = upper;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headerLength = (view.getUint8(12) >>> 4) * 4;
  const promised = upper.promised === 0 ? bytes.length : upper.promised;
  if (headerLength < 20 || headerLength > promised) return undefined;
  const flags = view.getUint8(13);
  const payloadLength = promised - headerLength;
  const body = bytes.subarray(Math.min(headerLength, bytes.length), Math.min(promised, bytes.length));
  return {
    source: upper.source, destination: upper.destination, sourcePort: view.getUint16(0), destinationPort: view.getUint16(2),
    sequence: view.getUint32(4), fin: (flags & 1) !== 0, syn: (flags & 2) !== 0, rst: (flags & 4) !== 0, ack: (flags & 16) !== 0,
    payload: body, missing: payloadLength - body.length,
  };
}

/** RFC 791. */
function overIpv4(packet: Uint8Array): Upper | undefined {
  if (packet.length < 20 || (packet[0] as number) >>> 4 !== 4 || packet[9] !== tcp) return undefined;
  const headerLength = ((packet[0] as number) & 15) * 4;
  const fragmentOffset = u16(packet, 6) & 0x1fff;
  const total = u16(packet, 2);
  if (headerLength < 20 || headerLength > packet.length || fragmentOffset !== 0 || (total !== 0 && total < headerLength)) return undefined;
  return { source: ipFromBytes(packet, 12, 4), destination: ipFromBytes(packet, 16, 4), bytes: packet.subarray(headerLength), promised: total === 0 ? 0 : total - headerLength };
}

/** RFC 8200 section 4: hop-by-hop, routing, fragment, destination options; RFC 4302 authentication. */
function overIpv6(packet: Uint8Array): Upper | undefined {
  if (packet.length < 40 || (packet[0] as number) >>> 4 !== 6) return undefined;
  const length = u16(packet, 4);
  let next = packet[6] as number;
  let at = 40;
  while (next !== tcp) {
    if (at + 8 > packet.length) return undefined;
    const octets = next === 44 ? 8 : next === 51 ? ((packet[at + 1] as number) + 2) * 4 : ((packet[at + 1] as number) + 1) * 8;
    if (next !== 0 && next !== 43 && next !== 44 && next !== 51 && next !== 60) return undefined;
    if (next === 44 && (u16(packet, at + 2) & 0xfff8) !== 0) return undefined;
    next = packet[at] as number;
    at += octets;
  }
  if (at > packet.length || (length !== 0 && 40 + length < at)) return undefined;
  return { source: ipFromBytes(packet, 8, 16), destination: ipFromBytes(packet, 24, 16), bytes: packet.subarray(at), promised: length === 0 ? 0 : 40 + length - at };
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

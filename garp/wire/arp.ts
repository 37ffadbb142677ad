import type { ByteWriter } from '../../net/bytes.ts';
import { type IpAddress, ipToBytes } from '../../net/ip.ts';
import { type Mac, macToBytes } from '../../net/mac.ts';
import { u16 } from './ethernet.ts';

/*
 *  ARP (RFC 826) and RARP (RFC 903) over Ethernet for IPv4, 28 octets:
 *
 *   0       2       4    5    6    8            14         18           24         28
 *  +-------+-------+----+----+----+------------+----------+------------+----------+
 *  | htype | ptype |hlen|plen| op | sender MAC | sender IP| target MAC | target IP|
 *  |   1   | 0x0800| 6  | 4  |    |            |          |            |          |
 *  +-------+-------+----+----+----+------------+----------+------------+----------+
 */

export const arpLength = 28;

/** Offsets within the packet. */
export const arpAt = { operation: 6, senderMac: 8, senderIp: 14, targetMac: 18, targetIp: 24 } as const;

/** RFC 826; 3 and 4 are RFC 903. */
export const arpOperation = { request: 1, reply: 2, requestReverse: 3, replyReverse: 4 } as const;

/** What keeps the octets at `at` from being an ARP or RARP packet, or `undefined` if they are one. */
export function arpProblem(bytes: Uint8Array, at: number): string | undefined {
  if (bytes.length - at < arpLength) return 'ARP packet is cut short';
  if (u16(bytes, at) !== 1) return 'ARP hardware type is not Ethernet';
  if (u16(bytes, at + 2) !== 0x0800) return 'ARP protocol type is not IPv4';
  if (bytes[at + 4] !== 6) return 'ARP hardware address length is not 6';
  if (bytes[at + 5] !== 4) return 'ARP protocol address length is not 4';
  return undefined;
}

export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: Mac;
  readonly senderIp: IpAddress;
  readonly targetMac: Mac;
  readonly targetIp: IpAddress;
}

/** Appends one packet. Both addresses are IPv4. */
export function encodeArp(writer: ByteWriter, packet: ArpPacket): void {
  writer.u16(1).u16(0x0800).u8(6).u8(4).u16(packet.operation);
  writer.append(macToBytes(packet.senderMac)).append(ipToBytes(packet.senderIp));
  writer.append(macToBytes(packet.targetMac)).append(ipToBytes(packet.targetIp));
}

import { ipToBytes, isIpv4, type IpAddress } from '../net/ip.ts';
import { macToBytes, type Mac } from '../net/mac.ts';

/**
 * The frame that asks a VM, and nobody else, whether it lives behind a port: sent to its MAC by unicast, so that no neighbour's
 * cache learns anything from it.
 *
 * IPv4: an ARP request whose sender address is 0.0.0.0 (RFC 5227 section 1.1), which every stack that owns the target answers.
 * IPv6: a Neighbor Solicitation (RFC 4861 section 4.3) from the link-local address that belongs to `from` (RFC 4291 appendix A);
 * from `::` it would look like duplicate address detection.
 *
 * `vlan` 1…4094 puts an 802.1Q tag on it; 0 none.
 */
export function buildProbe(from: Mac, to: Mac, vlan: number, target: IpAddress): Uint8Array {
  const ipv4 = isIpv4(target);
  const payload = ipv4 ? arpRequest(from, target) : neighborSolicitation(from, target);
  const tag = vlan === 0 ? 0 : 4;
  const frame = new Uint8Array(Math.max(60, 14 + tag + payload.length));
  frame.set(macToBytes(to), 0);
  frame.set(macToBytes(from), 6);
  if (tag !== 0) frame.set([0x81, 0x00, vlan >>> 8, vlan & 255], 12);
  frame.set(ipv4 ? [0x08, 0x06] : [0x86, 0xdd], 12 + tag);
  frame.set(payload, 14 + tag);
  return frame;
}

function arpRequest(from: Mac, target: IpAddress): Uint8Array {
  const arp = new Uint8Array(28);
  arp.set([0, 1, 8, 0, 6, 4, 0, 1]);
  arp.set(macToBytes(from), 8);
  arp.set(ipToBytes(target), 24);
  return arp;
}

function neighborSolicitation(from: Mac, target: IpAddress): Uint8Array {
  const source = linkLocalOf(from);
  const destination = ipToBytes(target);
  const packet = new Uint8Array(40 + 32);
  packet.set([0x60, 0, 0, 0, 0, 32, 58, 255]);
  packet.set(source, 8);
  packet.set(destination, 24);
  packet.set([135, 0], 40);
  packet.set(destination, 48);
  packet.set([1, 1], 64); // Source Link-Layer Address, 8 octets
  packet.set(macToBytes(from), 66);
  const sum = icmpv6Checksum(packet);
  packet[42] = sum >>> 8;
  packet[43] = sum & 255;
  return packet;
}

/** fe80::/64 with the modified EUI-64 of a MAC. */
function linkLocalOf(mac: Mac): Uint8Array {
  const m = macToBytes(mac);
  const address = new Uint8Array(16);
  address.set([0xfe, 0x80]);
  address.set([(m[0] as number) ^ 2, m[1] as number, m[2] as number, 0xff, 0xfe, m[3] as number, m[4] as number, m[5] as number], 8);
  return address;
}

/** RFC 4443 section 2.3 over an IPv6 packet without extension headers whose checksum field is zero. */
function icmpv6Checksum(packet: Uint8Array): number {
  let sum = packet.length - 40 + 58;
  for (let i = 8; i < packet.length; i += 2) sum += ((packet[i] as number) << 8) | (packet[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

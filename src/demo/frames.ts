import type { IpAddress } from '../../net/ip.ts';
import { ipToBytes, isIpv4 } from '../../net/ip.ts';

/**
 * Ethernet frames as VMs and QEMU send them, for the demo and the tests. Written apart from `garp/wire`, so that a mistake there is
 * not repeated here.
 */

const broadcast = 'ff:ff:ff:ff:ff:ff';

/** The six octets of a MAC in text form. */
export function macBytes(mac: string): number[] {
  return mac.split(':').map((octet) => Number.parseInt(octet, 16));
}

/** An Ethernet II frame, padded to 60 octets; with `vlan` an 802.1Q tag (priority 0) comes first. */
export function ethernet(destination: string, source: string, etherType: number, payload: readonly number[], vlan?: number): Uint8Array {
  const tag = vlan === undefined ? [] : [0x81, 0x00, ...be16(vlan)];
  const frame = [...macBytes(destination), ...macBytes(source), ...tag, ...be16(etherType), ...payload];
  while (frame.length < 60) frame.push(0);
  return Uint8Array.from(frame);
}

/** ARP and RARP share one layout (RFC 826, RFC 903): operations 1 request, 2 reply, 3 reverse request. */
export function arp(operation: number, senderMac: string, senderIp: IpAddress | '0.0.0.0', targetMac: string, targetIp: IpAddress | '0.0.0.0'): number[] {
  const address = (text: string): number[] => text.split('.').map(Number);
  return [0, 1, 8, 0, 6, 4, ...be16(operation), ...macBytes(senderMac), ...address(senderIp), ...macBytes(targetMac), ...address(targetIp)];
}

/** What QEMU sends for each network card when it resumes a VM: RARP request reverse, no IP in it. */
export function rarpFrame(mac: string, vlan?: number): Uint8Array {
  return ethernet(broadcast, mac, 0x8035, arp(3, mac, '0.0.0.0', mac, '0.0.0.0'), vlan);
}

/** A gratuitous ARP; Linux (`arp_notify`) sends the request form. */
export function garpFrame(mac: string, address: IpAddress, options: { reply?: boolean; vlan?: number } = {}): Uint8Array {
  const operation = options.reply === true ? 2 : 1;
  return ethernet(broadcast, mac, 0x0806, arp(operation, mac, address, options.reply === true ? broadcast : '00:00:00:00:00:00', address), options.vlan);
}

/** An ARP probe (RFC 5227): asks whether an address is in use, and is no announcement. */
export function arpProbeFrame(mac: string, address: IpAddress, vlan?: number): Uint8Array {
  return ethernet(broadcast, mac, 0x0806, arp(1, mac, '0.0.0.0', '00:00:00:00:00:00', address), vlan);
}

/** An unsolicited Neighbor Advertisement to all nodes, override set (RFC 4861 sections 4.4 and 7.2.6). */
export function naFrame(mac: string, address: IpAddress, vlan?: number): Uint8Array {
  const target = [...ipToBytes(address)];
  const body = [136, 0, 0, 0, 0x20, 0, 0, 0, ...target, 2, 1, ...macBytes(mac)];
  return icmpv6(mac, '33:33:00:00:00:01', target, [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], body, vlan);
}

/** The Neighbor Solicitation of duplicate address detection (RFC 4862 section 5.4.2): source ::, and no announcement. */
export function dadFrame(mac: string, address: IpAddress, vlan?: number): Uint8Array {
  const target = [...ipToBytes(address)];
  const last = target.slice(13) as [number, number, number];
  const destination = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...last];
  const group = ['33', '33', 'ff', ...last.map((octet) => octet.toString(16).padStart(2, '0'))].join(':');
  return icmpv6(mac, group, new Array<number>(16).fill(0), destination, [135, 0, 0, 0, 0, 0, 0, 0, ...target], vlan);
}

/** A GARP or an unsolicited NA, by the family of the address. */
export function announcementFrame(mac: string, address: IpAddress, vlan?: number): Uint8Array {
  return isIpv4(address) ? garpFrame(mac, address, vlan === undefined ? {} : { vlan }) : naFrame(mac, address, vlan);
}

function icmpv6(mac: string, destinationMac: string, source: readonly number[], destination: readonly number[], body: readonly number[], vlan?: number): Uint8Array {
  const sum = checksum([...source, ...destination, 0, 0, ...be16(body.length), 0, 0, 0, 58, ...body]);
  const icmp = [...body.slice(0, 2), ...be16(sum), ...body.slice(4)];
  return ethernet(destinationMac, mac, 0x86dd, [0x60, 0, 0, 0, ...be16(icmp.length), 58, 255, ...source, ...destination, ...icmp], vlan);
}

/** The Internet checksum (RFC 1071). */
function checksum(octets: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) sum += ((octets[i] as number) << 8) | (octets[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function be16(value: number): number[] {
  return [(value >> 8) & 255, value & 255];
}

import { ByteWriter } from '../../net/bytes.ts';
import { type IpAddress, ip, isIpv4 } from '../../net/ip.ts';
import { type Mac, broadcastMac, zeroMac } from '../../net/mac.ts';
import { arpOperation, encodeArp } from './arp.ts';
import { encodeEthernet, etherType } from './ethernet.ts';
import { encodeNa } from './ndisc.ts';

/** The shortest Ethernet frame without its FCS: shorter ones are padded with zeros. */
const shortest = 60;

const anyIpv4 = ip('0.0.0.0');
const allNodes = ip('ff02::1');
const allNodesMac = '33:33:00:00:00:01' as Mac;

/** A frame as a VM sends it. `vlan` above 0 puts an 802.1Q tag into the bytes. */
export interface FrameOptions {
  readonly vlan?: number;
  /** NA: the R flag. Without it a host takes a router that speaks for none any more (RFC 4861 section 7.2.5). */
  readonly router?: true;
}

/** The RARP that QEMU sends for a guest that starts to run: request reverse, sender and target are the guest's MAC, no addresses. */
export function rarpFrame(mac: Mac, options: FrameOptions = {}): Uint8Array {
  const writer = new ByteWriter(64);
  encodeEthernet(writer, { destination: broadcastMac, source: mac, etherType: etherType.rarp, ...options });
  encodeArp(writer, { operation: arpOperation.requestReverse, senderMac: mac, senderIp: anyIpv4, targetMac: mac, targetIp: anyIpv4 });
  return padded(writer, options);
}

/** A gratuitous ARP (RFC 5227 section 3): as a request, the way most guests send it, or as a reply. */
export function garpFrame(mac: Mac, address: IpAddress, options: FrameOptions & { readonly form?: 'request' | 'reply' } = {}): Uint8Array {
  const writer = new ByteWriter(64);
  const reply = options.form === 'reply';
  encodeEthernet(writer, { destination: broadcastMac, source: mac, etherType: etherType.arp, vlan: options.vlan ?? 0 });
  encodeArp(writer, {
    operation: reply ? arpOperation.reply : arpOperation.request,
    senderMac: mac,
    senderIp: address,
    targetMac: reply ? mac : zeroMac,
    targetIp: address,
  });
  return padded(writer, options);
}

/** An unsolicited Neighbor Advertisement to all nodes (RFC 4861 section 7.2.6): override set, with the link-layer address. */
export function naFrame(mac: Mac, address: IpAddress, options: FrameOptions = {}): Uint8Array {
  const writer = new ByteWriter(96);
  encodeEthernet(writer, { destination: allNodesMac, source: mac, etherType: etherType.ipv6, vlan: options.vlan ?? 0 });
  encodeNa(writer, { source: address, destination: allNodes, target: address, flags: options.router === true ? 0xa0 : 0x20, targetMac: mac });
  return padded(writer, options);
}

/** {@link garpFrame} or {@link naFrame}, whichever the address needs. */
export function announcementFrame(mac: Mac, address: IpAddress, options: FrameOptions = {}): Uint8Array {
  return isIpv4(address) ? garpFrame(mac, address, options) : naFrame(mac, address, options);
}

/** A tag does not count: a switch or kernel that takes it out must find a whole frame. */
function padded(writer: ByteWriter, options: FrameOptions): Uint8Array {
  const length = (options.vlan ?? 0) > 0 ? shortest + 4 : shortest;
  while (writer.length < length) writer.u8(0);
  return writer.done();
}

import { ByteWriter } from '../net/bytes.ts';
import { ipToBytes, isIpv4, type IpAddress } from '../net/ip.ts';

/*
 * RFC 7854 section 4.1
 *
 *   Version 1, 3 | Message Length 4 | Message Type 1 | (Per-Peer Header 42) | …
 *
 * Section 4.2, the Per-Peer Header:
 *
 *   Peer Type 1 | Peer Flags 1 | Peer Distinguisher 8 | Peer Address 16 | Peer AS 4 | Peer BGP ID 4 | Timestamp 4, seconds | 4, microseconds
 */

export interface BmpPeer {
  readonly address: IpAddress;
  readonly asn: number;
  readonly identifier: IpAddress;
  /** 0: a Global Instance Peer. Others are Local Instance Peers with this number as their distinguisher. */
  readonly instance: number;
  /** AS_PATH has 2-octet ASNs (flag A). */
  readonly as2: boolean;
  /** Wall clock, ms. */
  readonly atMs: number;
}

export type BmpMessage =
  | { readonly type: 'initiation'; readonly sysName: string; readonly sysDescr: string }
  | { readonly type: 'termination' }
  /** The OPENs whole, header included. */
  | { readonly type: 'peerUp'; readonly peer: BmpPeer; readonly localAddress: IpAddress; readonly localPort: number; readonly remotePort: number; readonly sentOpen: Uint8Array; readonly receivedOpen: Uint8Array }
  | { readonly type: 'peerDown'; readonly peer: BmpPeer; readonly reason: number; readonly data: Uint8Array }
  /** `rib`: as it was received, before any policy; or as it was sent, after all of them (RFC 8671). */
  | { readonly type: 'routeMonitoring'; readonly peer: BmpPeer; readonly rib: 'adj-rib-in' | 'adj-rib-out'; readonly update: Uint8Array }
  | { readonly type: 'statistics'; readonly peer: BmpPeer; readonly gauges: readonly Gauge[] };

/** A 64-bit gauge; `family` where it is of one AFI/SAFI. */
export interface Gauge {
  readonly type: number;
  readonly family?: number;
  readonly value: number;
}

/** RFC 7854 section 4.8 and RFC 8671 section 6.2. */
export const gauges = { adjRibIn: 7, adjRibInOfFamily: 9, adjRibOutPost: 15, adjRibOutPostOfFamily: 17 } as const;

/** RFC 7854 section 4.9. */
export const downReasons = { weNotified: 1, weClosed: 2, peerNotified: 3, peerClosed: 4 } as const;

const messageTypes = { routeMonitoring: 0, statistics: 1, peerDown: 2, peerUp: 3, initiation: 4, termination: 5 } as const;
const flags = { ipv6: 0x80, postPolicy: 0x40, as2: 0x20, adjRibOut: 0x10 } as const;
const informationTlvs = { sysDescr: 1, sysName: 2 } as const;
const terminationReason = { tlv: 1, administrativelyClosed: 0 } as const;

export function encodeBmp(message: BmpMessage): Uint8Array {
  const writer = new ByteWriter(128).u8(3).u32(0).u8(messageTypes[message.type]);
  switch (message.type) {
    case 'initiation':
      text(writer, informationTlvs.sysDescr, message.sysDescr);
      text(writer, informationTlvs.sysName, message.sysName);
      break;
    case 'termination':
      writer.u16(terminationReason.tlv).u16(2).u16(terminationReason.administrativelyClosed);
      break;
    case 'peerUp':
      peerHeader(writer, message.peer, 0);
      address(writer, message.localAddress);
      writer.u16(message.localPort).u16(message.remotePort).append(message.sentOpen).append(message.receivedOpen);
      break;
    case 'peerDown':
      peerHeader(writer, message.peer, 0);
      writer.u8(message.reason).append(message.data);
      break;
    case 'routeMonitoring':
      peerHeader(writer, message.peer, (message.peer.as2 ? flags.as2 : 0) | (message.rib === 'adj-rib-out' ? flags.adjRibOut | flags.postPolicy : 0));
      writer.append(message.update);
      break;
    case 'statistics':
      peerHeader(writer, message.peer, 0);
      writer.u32(message.gauges.length);
      for (const { type, family, value } of message.gauges) {
        writer.u16(type).u16(family === undefined ? 8 : 11);
        if (family !== undefined) writer.u16(family >>> 8).u8(family & 0xff);
        writer.u32(Math.floor(value / 0x1_0000_0000)).u32(value % 0x1_0000_0000);
      }
      break;
  }
  writer.patchU16(1, writer.length >>> 16);
  writer.patchU16(3, writer.length & 0xffff);
  return writer.done();
}

/** An information TLV (section 4.4): free-form UTF-8, cut where it would be absurd. */
function text(writer: ByteWriter, type: number, value: string): void {
  const octets = new TextEncoder().encode(value).subarray(0, 4096);
  writer.u16(type).u16(octets.length).append(octets);
}

/** 16 octets; an IPv4 address fills the last four. */
function address(writer: ByteWriter, value: IpAddress): void {
  if (isIpv4(value)) writer.append(new Uint8Array(12));
  writer.append(ipToBytes(value));
}

function peerHeader(writer: ByteWriter, peer: BmpPeer, more: number): void {
  const type = peer.instance === 0 ? 0 : 2;
  writer.u8(type).u8((isIpv4(peer.address) ? 0 : flags.ipv6) | more).u32(0).u32(peer.instance);
  address(writer, peer.address);
  writer.u32(peer.asn).append(ipToBytes(peer.identifier)).u32(Math.floor(peer.atMs / 1000)).u32(Math.floor((peer.atMs % 1000) * 1000));
}

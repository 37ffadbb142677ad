import type { ByteWriter } from '../../net/bytes.ts';
import { type Mac, macToBytes } from '../../net/mac.ts';

/*
 *  Ethernet II, with at most one IEEE 802.1Q tag in the bytes:
 *
 *   0           6           12      14 (tag)        14 or 18
 *  +-----------+-----------+ - - - - - - - +-------+----------
 *  |destination| source    | TPID  | TCI   | type  | payload
 *  +-----------+-----------+ - - - - - - - +-------+----------
 */

/** EtherTypes (IANA, "IEEE 802 Numbers") that this room tells apart. */
export const etherType = { ipv4: 0x0800, arp: 0x0806, rarp: 0x8035, ipv6: 0x86dd } as const;

/** TPID of the customer tag, the only one that names a VLAN for us (IEEE 802.1Q). */
export const tpid8021q = 0x8100;

/** Where the MACs stand. */
export const destinationAt = 0;
export const sourceAt = 6;

/** The tag that the kernel took out of a frame (PACKET_AUXDATA). */
export interface VlanTag {
  readonly tpid: number;
  readonly tci: number;
}

/** What a valid header says. `payloadAt` is the offset of the octet after the EtherType. */
export interface EthernetHeader {
  readonly vlan: number;
  readonly etherType: number;
  readonly payloadAt: number;
}

export interface EthernetProblem {
  readonly verdict: 'malformed' | 'wrong_vlan';
  readonly reason: string;
}

// Built once: a flood of bad frames shall cost no allocation here.
const tooShort: EthernetProblem = { verdict: 'malformed', reason: 'Ethernet header is cut short' };
const groupSource: EthernetProblem = { verdict: 'malformed', reason: 'Ethernet source is a group address' };
const zeroSource: EthernetProblem = { verdict: 'malformed', reason: 'Ethernet source is all zeros' };
const twoTags: EthernetProblem = { verdict: 'wrong_vlan', reason: 'two VLAN tags' };
const serviceTag: EthernetProblem = { verdict: 'wrong_vlan', reason: 'VLAN tag is not 802.1Q (TPID 0x8100)' };
const reservedVlan: EthernetProblem = { verdict: 'wrong_vlan', reason: 'VLAN 4095 is reserved' };

/** 802.1Q, 802.1ad and the older TPIDs of stacked tags. */
function isTpid(type: number): boolean {
  return type === tpid8021q || type === 0x88a8 || type === 0x9100 || type === 0x9200 || type === 0x9300;
}

/**
 * Reads the header of a frame. One tag at most counts, wherever it stands: out of the bytes (`tag`, live capture) or in them (a capture
 * file). VLAN 0 is a priority tag, so the frame is untagged. Nothing is guessed from a second tag.
 */
export function readEthernet(bytes: Uint8Array, tag: VlanTag | undefined): EthernetHeader | EthernetProblem {
  if (bytes.length < 14) return tooShort;
  if (((bytes[sourceAt] as number) & 1) === 1) return groupSource;
  if (isZeroMac(bytes, sourceAt)) return zeroSource;
  let type = u16(bytes, 12);
  let payloadAt = 14;
  let tpid = tag?.tpid;
  let tci = tag?.tci ?? 0;
  if (tpid === undefined && isTpid(type)) {
    if (bytes.length < 18) return tooShort;
    tpid = type;
    tci = u16(bytes, 14);
    type = u16(bytes, 16);
    payloadAt = 18;
  }
  if (isTpid(type)) return twoTags;
  if (tpid === undefined) return { vlan: 0, etherType: type, payloadAt };
  if (tpid !== tpid8021q) return serviceTag;
  const vlan = tci & 0xfff;
  return vlan === 0xfff ? reservedVlan : { vlan, etherType: type, payloadAt };
}

/** Appends the header of a frame; `vlan` above 0 puts a tag into the bytes. */
export function encodeEthernet(
  writer: ByteWriter,
  header: { readonly destination: Mac; readonly source: Mac; readonly etherType: number; readonly vlan?: number },
): void {
  writer.append(macToBytes(header.destination)).append(macToBytes(header.source));
  if (header.vlan !== undefined && header.vlan > 0) writer.u16(tpid8021q).u16(header.vlan);
  writer.u16(header.etherType);
}

/** The 16-bit number at `at`; the caller has checked that it is there. */
export function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

/** True if `length` octets at `a` and `b` are the same. */
export function sameOctets(bytes: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

function isZeroMac(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 6; i++) if (bytes[at + i] !== 0) return false;
  return true;
}

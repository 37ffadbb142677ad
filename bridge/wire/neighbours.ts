import { macFromBytes } from '../../net/mac.ts';
import type { FdbEntry, FdbNews } from '../ports.ts';
import { MalformedNetlink, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN } from './netlink.ts';

// The forwarding entries of bridges, read without a detour: a tenant can make the kernel tell of a hundred thousand in a second.

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
const AF_BRIDGE = 7;
const NDA = { lladdr: 2, vlan: 5, master: 9 } as const;
const NLA_TYPE_MASK = 0x3fff; // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
const NUD_PERMANENT = 0x80;
const headerOctets = 16;
const ndmsgOctets = 12;
const macOctets = 6;

/** What some datagrams said of forwarding entries. */
export interface FdbReading {
  /** In order. */
  readonly news: readonly FdbNews[];
  /** The errno of a dump that has ended here, 0 if it is whole. */
  readonly done?: number;
  /** NLM_F_DUMP_INTR: the dump may lack entries. */
  readonly interrupted: boolean;
  /** Events were lost. */
  readonly overrun: boolean;
}

/**
 * Reads messages of RTNLGRP_NEIGH, or of a dump of forwarding entries. What does not concern bridges is passed over.
 * @throws MalformedNetlink, and nothing else, if lengths contradict each other.
 */
export function readFdb(octets: Uint8Array): FdbReading {
  const news: FdbNews[] = [];
  let done: number | undefined;
  let interrupted = false;
  let overrun = false;
  for (let at = 0; at < octets.length; ) {
    if (octets.length - at < headerOctets) throw new MalformedNetlink(`wanted a header at offset ${at}, ${octets.length - at} octets left`);
    const length = u32(octets, at);
    const type = u16(octets, at + 4);
    const end = at + length;
    if (length < headerOctets || end > octets.length) throw new MalformedNetlink(`a message of ${length} octets at offset ${at}`);
    if ((u16(octets, at + 6) & NLM_F_DUMP_INTR) !== 0) interrupted = true;
    if (type === RTM_NEWNEIGH || type === RTM_DELNEIGH) {
      const entry = readFdbEntry(octets, at + headerOctets, end);
      if (entry !== undefined) news.push(type === RTM_NEWNEIGH ? entry : { ...entry, gone: true });
    } else if (type === NLMSG_DONE || type === NLMSG_ERROR) {
      done = end - at >= headerOctets + 4 ? Math.abs(u32(octets, at + headerOctets) | 0) : 0;
    } else if (type === NLMSG_OVERRUN) {
      overrun = true;
    }
    at = (end + 3) & ~3; // NLMSG_ALIGN; the last message may lack it
  }
  return { news, interrupted, overrun, ...(done === undefined ? {} : { done }) };
}

/**
 * `ndmsg`: family u8, pad 3, ifindex i32, state u16, flags u8, type u8; then NDA_* attributes. Only a bridge's own entries
 * carry NDA_MASTER: entries of a VXLAN device or of a driver's address filter do not, and are not ours.
 */
export function readFdbEntry(bytes: Uint8Array, from: number, end: number): FdbEntry | undefined {
  if (end - from < ndmsgOctets) throw new MalformedNetlink(`an ndmsg of ${end - from} octets`);
  if (bytes[from] !== AF_BRIDGE) return undefined;
  const ifindex = u32(bytes, from + 4) | 0;
  const state = u16(bytes, from + 8);
  let mac: FdbEntry['mac'] | undefined;
  let vlan = 0;
  let bridge: number | undefined;
  for (let at = from + ndmsgOctets; end - at >= 4; ) {
    const length = u16(bytes, at);
    const type = u16(bytes, at + 2) & NLA_TYPE_MASK;
    if (length < 4 || at + length > end) throw new MalformedNetlink(`an attribute of ${length} octets at offset ${at}, ${end - at} left`);
    if (type === NDA.lladdr && length === 4 + macOctets) mac = macFromBytes(bytes, at + 4);
    else if (type === NDA.vlan && length >= 6) vlan = u16(bytes, at + 4);
    else if (type === NDA.master && length >= 8) bridge = u32(bytes, at + 4);
    at = (at + length + 3) & ~3;
  }
  return mac === undefined || bridge === undefined ? undefined : { ifindex, mac, vlan, permanent: (state & NUD_PERMANENT) !== 0, bridge };
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;
}

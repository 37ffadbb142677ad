import { ByteReader, ByteWriter, ShortRead } from '../net/bytes.ts';
import { compareIp, ipFromBytes, ipToBytes, isIpv4, ipv4FromNumber, ipv4ToNumber, type IpAddress } from '../net/ip.ts';

/*
 *  What a speaker that claims tells the speakers of other nodes: one UDP datagram of 112 octets, big-endian.
 *
 *   0        4     5     6       8      12          20        28         32      36         52         68         80      112
 *  +--------+-----+-----+-------+------+-----------+---------+----------+-------+----------+----------+----------+---------+
 *  | "LFM1" |type |pad  |segment| node | boot      | counter | sequence | pad   | address  | next hop | pad      | HMAC    |
 *  +--------+-----+-----+-------+------+-----------+---------+----------+-------+----------+----------+----------+---------+
 *
 *  The HMAC-SHA256 (RFC 2104) covers all that is before it. Addresses of IPv4 are the first 4 of 16 octets, the rest zero; `pad` (at 5) has
 *  a bit for each address that is IPv6.
 */

const magic = 0x4c464d31;
const bodyOctets = 80;
const macOctets = 32;
export const meshMessageOctets = bodyOctets + macOctets;
const claimed = 1;

/** "I claim this address with this sequence; what you still get for it, send to this next hop." */
export interface MeshClaim {
  /** The number of the VRF, as in our large communities. */
  readonly segment: number;
  /** BGP Identifier of the node that claims. */
  readonly node: IpAddress;
  /** Drawn at random by each life of a speaker; 16 hexadecimal digits. */
  readonly boot: string;
  /** Counts the messages of that life, from 1. */
  readonly counter: number;
  readonly sequence: number;
  readonly address: IpAddress;
  readonly nextHop: IpAddress;
}

/** HMAC-SHA256 under the key of the mesh: 32 octets. */
export type Hmac = (bytes: Uint8Array) => Uint8Array;

export function encodeMesh(message: MeshClaim, hmac: Hmac): Uint8Array {
  const writer = new ByteWriter(meshMessageOctets);
  const flags = (isIpv4(message.address) ? 0 : 1) | (isIpv4(message.nextHop) ? 0 : 2);
  writer.u32(magic).u8(claimed).u8(flags).u16(message.segment).u32(ipv4ToNumber(message.node));
  writer.u32(parseInt(message.boot.slice(0, 8), 16)).u32(parseInt(message.boot.slice(8), 16));
  writer.u32(Math.floor(message.counter / 0x1_0000_0000)).u32(message.counter >>> 0).u32(message.sequence).u32(0);
  for (const address of [message.address, message.nextHop]) {
    const octets = new Uint8Array(16);
    octets.set(ipToBytes(address));
    writer.append(octets);
  }
  while (writer.length < bodyOctets) writer.u8(0);
  writer.append(hmac(writer.view().subarray(0, bodyOctets)));
  return writer.done();
}

/** @returns `undefined` for whatever was not made with our key, or is none of ours. Never throws on any octets. */
export function decodeMesh(bytes: Uint8Array, hmac: Hmac): MeshClaim | undefined {
  if (bytes.length !== meshMessageOctets) return undefined;
  if (!sameOctets(hmac(bytes.subarray(0, bodyOctets)), bytes.subarray(bodyOctets))) return undefined;
  try {
    const reader = new ByteReader(bytes);
    if (reader.u32() !== magic || reader.u8() !== claimed) return undefined;
    const flags = reader.u8();
    const segment = reader.u16();
    const node = ipv4FromNumber(reader.u32());
    const boot = hex(reader.u32()) + hex(reader.u32());
    const counter = reader.u32() * 0x1_0000_0000 + reader.u32();
    const sequence = reader.u32();
    reader.u32();
    const address = ipFromBytes(reader.slice(16), 0, (flags & 1) === 0 ? 4 : 16);
    const nextHop = ipFromBytes(reader.slice(16), 0, (flags & 2) === 0 ? 4 : 16);
    return Number.isSafeInteger(counter) && counter > 0 ? { segment, node, boot, counter, sequence, address, nextHop } : undefined;
  } catch (error) {
    if (error instanceof ShortRead) return undefined;
    throw error;
  }
}

const hex = (value: number): string => value.toString(16).padStart(8, '0');

/** Takes the same time whatever differs. */
function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}

/** What was heard of each node: enough to know a message that was seen before. */
export interface MeshMemory {
  readonly nodes: Map<IpAddress, { boot: string; highest: number; recent: Set<number>; readonly past: string[] }>;
}

/** At most this many nodes are listened to; a fleet has fewer. */
export const meshNodesLimit = 4096;
const recentCounters = 1024;
const pastBoots = 8;

export function newMeshMemory(): MeshMemory {
  return { nodes: new Map() };
}

/**
 * False for a message that was heard before, or is of a life of its node that another one has followed. Messages may overtake each other. (A
 * recording that is older than all this remembers does no harm either: its sequence is no longer newer than anybody's claim.)
 */
export function isFresh(memory: MeshMemory, { node, boot, counter }: MeshClaim): boolean {
  const known = memory.nodes.get(node);
  if (known === undefined) {
    if (memory.nodes.size >= meshNodesLimit) return false;
    memory.nodes.set(node, { boot, highest: counter, recent: new Set([counter]), past: [] });
    return true;
  }
  if (known.boot !== boot) {
    if (known.past.includes(boot)) return false;
    known.past.push(known.boot);
    if (known.past.length > pastBoots) known.past.shift();
    known.boot = boot;
    known.highest = counter;
    known.recent = new Set([counter]);
    return true;
  }
  if (counter <= known.highest - recentCounters || known.recent.has(counter)) return false;
  known.highest = Math.max(known.highest, counter);
  known.recent.add(counter);
  if (known.recent.size > 2 * recentCounters) known.recent = new Set([...known.recent].filter((seen) => seen > known.highest - recentCounters));
  return true;
}

/** The claim of the message is newer than the one that this node has, and may move what arrives here. */
export function outbids(message: MeshClaim, ours: { readonly sequence: number; readonly node: IpAddress }): boolean {
  return message.sequence > ours.sequence || (message.sequence === ours.sequence && compareIp(message.node, ours.node) < 0);
}

import { ByteReader, ByteWriter, ShortRead } from '../net/bytes.ts';
import { compareIp, ipFromBytes, ipToBytes, isIpv4, ipv4FromNumber, ipv4ToNumber, type IpAddress } from '../net/ip.ts';
import { macFromBytes, macToBytes, type Mac } from '../net/mac.ts';

/*
 *  What speakers of different nodes tell each other: a UDP datagram of 112 octets (a hello: 176), big-endian.
 *
 *   0        4     5     6       8      12          20        28         32      36        52         68    74       80
 *  +--------+-----+-----+-------+------+-----------+---------+----------+-------+---------+----------+-----+--------+------+----------+
 *  | "LFM1" |type |flags|segment| node | boot      | counter | sequence | pad   | address | next hop | MAC | pad    |(name)| HMAC     |
 *  +--------+-----+-----+-------+------+-----------+---------+----------+-------+---------+----------+-----+--------+------+----------+
 *
 *  The HMAC-SHA256 (RFC 2104) covers all that is before it. Addresses of IPv4 are the first 4 of 16 octets, the rest zero; the flags have
 *  a bit for each address that is IPv6. The name of a hello has 64 octets, filled up with zeros. What a type has no use for is zero.
 */

/** Where speakers hear each other unless told (UDP). */
export const meshPort = 17490;

const magic = 0x4c464d31;
const bodyOctets = 80;
const nameOctets = 64;
const macOctets = 32;
export const meshMessageOctets = bodyOctets + macOctets;
export const meshHelloOctets = bodyOctets + nameOctets + macOctets;
const types = ['claim', 'hello', 'ready', 'unready', 'handing', 'gateway'] as const;

/** Who speaks: in every message. */
export interface MeshSender {
  /** The number of the VRF, as in our large communities; 0 in a hello. */
  readonly segment: number;
  /** BGP Identifier of the node. */
  readonly node: IpAddress;
  /** Drawn at random by each life of a speaker; 16 hexadecimal digits. */
  readonly boot: string;
  /** Counts the messages of that life, from 1. */
  readonly counter: number;
  /** The node's end of the tunnel. */
  readonly nextHop: IpAddress;
}

/** "I claim this address with this sequence; what you still get for it, send to this next hop." */
export interface MeshClaim extends MeshSender {
  readonly type: 'claim';
  readonly sequence: number;
  readonly address: IpAddress;
}

/** "This is my name, and there is my end of the tunnel." */
export interface MeshHello extends MeshSender {
  readonly type: 'hello';
  /** Up to 64 octets of printable ASCII; a longer one is cut. */
  readonly name: string;
}

/** "What you send me for this address reaches its port here, though I claim nothing yet"; and: "does so no more". */
export interface MeshReady extends MeshSender {
  readonly type: 'ready' | 'unready';
  readonly address: IpAddress;
}

/** "The VM of this address, with this MAC, is about to run at your node: may I send you what comes for it?" */
export interface MeshHanding extends MeshSender {
  readonly type: 'handing';
  readonly address: IpAddress;
  readonly mac: Mac;
}

/** "I am the gateway of VMs with this address, and have this MAC there." */
export interface MeshGateway extends MeshSender {
  readonly type: 'gateway';
  readonly address: IpAddress;
  readonly mac: Mac;
}

export type MeshMessage = MeshClaim | MeshHello | MeshReady | MeshHanding | MeshGateway;
/** A message before it is sent. */
export type MeshText = Unsent<MeshClaim> | Unsent<MeshHello> | Unsent<MeshReady> | Unsent<MeshHanding> | Unsent<MeshGateway>;
type Unsent<Message extends MeshMessage> = Omit<Message, 'boot' | 'counter'>;

/** HMAC-SHA256 under the key of the mesh: 32 octets. */
export type Hmac = (bytes: Uint8Array) => Uint8Array;

const zeroMac = '00:00:00:00:00:00' as Mac;

export function encodeMesh(message: MeshMessage, hmac: Hmac): Uint8Array {
  const address = message.type === 'hello' ? ('0.0.0.0' as IpAddress) : message.address;
  const octets = message.type === 'hello' ? bodyOctets + nameOctets : bodyOctets;
  const writer = new ByteWriter(octets + macOctets);
  const flags = (isIpv4(address) ? 0 : 1) | (isIpv4(message.nextHop) ? 0 : 2);
  writer.u32(magic).u8(types.indexOf(message.type) + 1).u8(flags).u16(message.segment).u32(ipv4ToNumber(message.node));
  writer.u32(parseInt(message.boot.slice(0, 8), 16)).u32(parseInt(message.boot.slice(8), 16));
  writer.u32(Math.floor(message.counter / 0x1_0000_0000)).u32(message.counter >>> 0).u32(message.type === 'claim' ? message.sequence : 0).u32(0);
  for (const each of [address, message.nextHop]) {
    const padded = new Uint8Array(16);
    padded.set(ipToBytes(each));
    writer.append(padded);
  }
  writer.append(macToBytes(message.type === 'handing' || message.type === 'gateway' ? message.mac : zeroMac));
  while (writer.length < bodyOctets) writer.u8(0);
  if (message.type === 'hello') for (let i = 0; i < nameOctets; i++) writer.u8((message.name.charCodeAt(i) || 0) & 0x7f);
  writer.append(hmac(writer.view().subarray(0, octets)));
  return writer.done();
}

/** @returns `undefined` for whatever was not made with our key, or is none of ours. Never throws on any octets. */
export function decodeMesh(bytes: Uint8Array, hmac: Hmac): MeshMessage | undefined {
  if (bytes.length !== meshMessageOctets && bytes.length !== meshHelloOctets) return undefined;
  const octets = bytes.length - macOctets;
  if (!sameOctets(hmac(bytes.subarray(0, octets)), bytes.subarray(octets))) return undefined;
  try {
    return readMessage(new ByteReader(bytes), octets);
  } catch (error) {
    if (error instanceof ShortRead) return undefined;
    throw error;
  }
}

function readMessage(reader: ByteReader, octets: number): MeshMessage | undefined {
  if (reader.u32() !== magic) return undefined;
  const type = types[reader.u8() - 1];
  if (type === undefined || (type === 'hello') !== (octets > bodyOctets)) return undefined;
  const flags = reader.u8();
  const segment = reader.u16();
  const node = ipv4FromNumber(reader.u32());
  const boot = hex(reader.u32()) + hex(reader.u32());
  const counter = reader.u32() * 0x1_0000_0000 + reader.u32();
  const sequence = reader.u32();
  reader.u32();
  const address = ipFromBytes(reader.slice(16), 0, (flags & 1) === 0 ? 4 : 16);
  const nextHop = ipFromBytes(reader.slice(16), 0, (flags & 2) === 0 ? 4 : 16);
  const mac = macFromBytes(reader.slice(6));
  reader.slice(6);
  if (!Number.isSafeInteger(counter) || counter < 1) return undefined;
  const sender = { segment, node, boot, counter, nextHop };
  switch (type) {
    case 'claim': return { type, ...sender, sequence, address };
    case 'hello': return { type, ...sender, name: nameFrom(reader.slice(nameOctets)) };
    case 'ready':
    case 'unready': return { type, ...sender, address };
    case 'handing':
    case 'gateway': return { type, ...sender, address, mac };
  }
}

/** As far as it is printable: nothing else is ever sent. */
function nameFrom(octets: Uint8Array): string {
  const end = octets.findIndex((octet) => octet < 0x21 || octet > 0x7e);
  return String.fromCharCode(...octets.subarray(0, end < 0 ? nameOctets : end));
}

/** A node's name as a hello carries it. */
export function meshName(name: string): string {
  return name.slice(0, nameOctets);
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
export function isFresh(memory: MeshMemory, { node, boot, counter }: Pick<MeshSender, 'node' | 'boot' | 'counter'>): boolean {
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
export function outbids(message: Pick<MeshClaim, 'sequence' | 'node'>, ours: { readonly sequence: number; readonly node: IpAddress }): boolean {
  return message.sequence > ours.sequence || (message.sequence === ours.sequence && compareIp(message.node, ours.node) < 0);
}

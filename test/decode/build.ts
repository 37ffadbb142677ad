import { encodeMessage } from '../../bgp/wire/message.ts';
import type { Capability, CodecContext, Message } from '../../bgp/wire/messages.ts';
import { decoderFor, fileKind } from '../../src/decode/decode.ts';
import type { Line } from '../../src/decode/line.ts';
import { ip, parsePrefix, type Prefix } from '../../net/ip.ts';

/** A line as a program that reads JSON finds it. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON, taken apart by assertions
export type JsonLine = any;

/** Every line of a file, given to the decoder in pieces of `size` octets. */
export function decodeAll(file: Uint8Array, options: { readonly as4?: boolean; readonly size?: number } = {}): JsonLine[] {
  const kind = fileKind(file.subarray(0, 512));
  if (kind === 'binary') return [];
  const decoder = decoderFor(kind, { as4: options.as4 === true });
  const lines: Line[] = [];
  const size = options.size ?? 65_536;
  for (let at = 0; at < file.length; at += size) lines.push(...decoder.push(file.subarray(at, at + size)));
  lines.push(...decoder.end());
  return lines;
}

export interface PcapOptions {
  readonly linkType?: number;
  readonly big?: boolean;
  readonly nanoseconds?: boolean;
  readonly snap?: number;
}

export interface PacketInput {
  readonly bytes: Uint8Array;
  readonly ms?: number;
}

export function pcap(packets: readonly PacketInput[], options: PcapOptions = {}): Buffer {
  const { big = false, nanoseconds = false, snap = 65_535 } = options;
  const numbers = (values: readonly number[]): Buffer => {
    const buffer = Buffer.alloc(values.length * 4);
    values.forEach((value, i) => (big ? buffer.writeUInt32BE(value, i * 4) : buffer.writeUInt32LE(value, i * 4)));
    return buffer;
  };
  const version = Buffer.alloc(4);
  if (big) { version.writeUInt16BE(2, 0); version.writeUInt16BE(4, 2); } else { version.writeUInt16LE(2, 0); version.writeUInt16LE(4, 2); }
  const header = Buffer.concat([numbers([nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4]), version, numbers([0, 0, snap, options.linkType ?? 1])]);
  return Buffer.concat([header, ...packets.flatMap(({ bytes, ms = 0 }) => {
    const kept = bytes.subarray(0, snap);
    const fraction = Math.round((ms % 1000) * (nanoseconds ? 1e6 : 1000));
    return [numbers([Math.floor(ms / 1000), fraction, kept.length, bytes.length]), kept];
  })]);
}

/** One section; every packet on interface 0 of this name. */
export function pcapng(packets: readonly PacketInput[], options: { readonly name?: string; readonly linkType?: number; readonly big?: boolean } = {}): Buffer {
  const big = options.big === true;
  const u16 = (value: number): Buffer => { const b = Buffer.alloc(2); if (big) b.writeUInt16BE(value); else b.writeUInt16LE(value); return b; };
  const u32 = (value: number): Buffer => { const b = Buffer.alloc(4); if (big) b.writeUInt32BE(value); else b.writeUInt32LE(value); return b; };
  const padded = (bytes: Uint8Array): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  const block = (type: number, ...body: Uint8Array[]): Buffer => {
    const whole = padded(Buffer.concat(body));
    return Buffer.concat([u32(type), u32(whole.length + 12), whole, u32(whole.length + 12)]);
  };
  const name = Buffer.from(options.name ?? 'vnet4');
  return Buffer.concat([
    block(0x0a0d0d0a, u32(0x1a2b3c4d), u16(1), u16(0), Buffer.alloc(8, 0xff)),
    block(1, u16(options.linkType ?? 1), u16(0), u32(0), u16(2), u16(name.length), padded(name), u16(9), u16(1), Buffer.from([6, 0, 0, 0]), u16(0), u16(0)),
    block(0x0000000b, Buffer.from('skipped!')),
    ...packets.map(({ bytes, ms = 0 }) => {
      const units = BigInt(Math.round(ms * 1000));
      return block(6, u32(0), u32(Number(units >> 32n)), u32(Number(units & 0xffffffffn)), u32(bytes.length), u32(bytes.length), padded(bytes));
    }),
  ]);
}

export interface TcpInput {
  readonly from?: string;
  readonly to?: string;
  readonly fromPort?: number;
  readonly toPort?: number;
  readonly sequence: number;
  readonly flags?: number;
  readonly payload?: Uint8Array;
  /** Octets of IPv4 options or of an IPv6 destination options header, a multiple of 8. */
  readonly extension?: number;
}

/** A TCP segment in IPv4 or IPv6, whichever the addresses are. No checksums: captures of senders that offload have none either. */
export function ipPacket(segment: TcpInput): Buffer {
  const { from = '192.0.2.17', to = '192.0.2.1', payload = new Uint8Array(0), extension = 0 } = segment;
  const tcp = Buffer.alloc(24);
  tcp.writeUInt16BE(segment.fromPort ?? 40_000, 0);
  tcp.writeUInt16BE(segment.toPort ?? 179, 2);
  tcp.writeUInt32BE(segment.sequence >>> 0, 4);
  tcp[12] = 0x60; // with four octets of options
  tcp[13] = segment.flags ?? 0x10;
  const body = Buffer.concat([tcp, payload]);
  if (from.includes(':')) {
    const header = Buffer.alloc(40 + extension);
    header[0] = 0x60;
    header.writeUInt16BE(extension + body.length, 4);
    header[6] = extension > 0 ? 60 : 6;
    if (extension > 0) { header[40] = 6; header[41] = extension / 8 - 1; }
    header.set(addressBytes(from), 8);
    header.set(addressBytes(to), 24);
    return Buffer.concat([header, body]);
  }
  const header = Buffer.alloc(20 + extension);
  header[0] = 0x40 | (5 + extension / 4);
  header.writeUInt16BE(header.length + body.length, 2);
  header[9] = 6;
  header.set(addressBytes(from), 12);
  header.set(addressBytes(to), 16);
  return Buffer.concat([header, body]);
}

function addressBytes(text: string): Uint8Array {
  if (!text.includes(':')) return Uint8Array.from(text.split('.').map(Number));
  const [head = '', tail = ''] = text.split('::');
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').flatMap((g) => [parseInt(g, 16) >> 8, parseInt(g, 16) & 255]));
  const [a, b] = [groups(head), groups(tail)];
  return Uint8Array.from([...a, ...new Array<number>(16 - a.length - b.length).fill(0), ...b]);
}

/** The packet in an Ethernet frame, behind these tags. */
export function ethernet(packet: Uint8Array, tags: readonly (readonly [tpid: number, vlan: number])[] = []): Buffer {
  const type = (packet[0] as number) >>> 4 === 6 ? 0x86dd : 0x0800;
  const head = Buffer.from('525400ffff01525400aa0001', 'hex');
  const words = [...tags.flat(), type].flatMap((word) => [word >> 8, word & 255]);
  return Buffer.concat([head, Buffer.from(words), packet]);
}

export const context: CodecContext = { fourOctetAs: true, ibgp: true, maxMessageLength: 4096 };

export function message(value: Message, use: CodecContext = context): Uint8Array {
  return encodeMessage(value, use);
}

export function open(asn: number, capabilities: readonly Capability[] = [{ type: 'fourOctetAs', asn }]): Uint8Array {
  return message({ type: 'OPEN', version: 4, myAs: Math.min(asn, 23_456), holdTimeSeconds: 9, bgpIdentifier: ip('192.0.2.17'), capabilities });
}

export const keepalive: Uint8Array = message({ type: 'KEEPALIVE' });

export function update(asn: number, prefix = '203.0.113.11/32', use: CodecContext = context): Uint8Array {
  return message({
    type: 'UPDATE', withdrawn: [], nlri: [parsePrefix(prefix) as Prefix],
    attributes: { origin: 'IGP', asPath: [{ type: 'AS_SEQUENCE', asns: [asn] }], nextHop: ip('192.0.2.17'), localPref: 200 },
  }, use);
}

import { assert } from '../../net/assert.ts';

/** A netlink message that contradicts itself. The only thing that decoders here throw. */
export class MalformedNetlink extends Error {
  override name = 'MalformedNetlink';
}

// Netlink is in host order; every machine that Node's Linux builds support in practice is little-endian.
assert(new Uint8Array(Uint16Array.of(1).buffer)[0] === 1, 'this machine is little-endian');

/** Reads host-order (little-endian) values. Alone checks bounds: throws {@link MalformedNetlink}. */
export class NetlinkReader {
  readonly bytes: Uint8Array;
  offset: number;
  readonly end: number;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
  }

  get left(): number {
    return this.end - this.offset;
  }

  private take(length: number): number {
    const at = this.offset;
    if (length > this.end - at) throw new MalformedNetlink(`wanted ${length} octets at offset ${at}, ${this.end - at} left`);
    this.offset = at + length;
    return at;
  }

  u8(): number {
    return this.bytes[this.take(1)] as number;
  }

  u16(): number {
    const at = this.take(2);
    return (this.bytes[at] as number) | ((this.bytes[at + 1] as number) << 8);
  }

  u32(): number {
    return this.i32() >>> 0;
  }

  i32(): number {
    const at = this.take(4);
    const b = this.bytes;
    return (b[at] as number) | ((b[at + 1] as number) << 8) | ((b[at + 2] as number) << 16) | ((b[at + 3] as number) << 24);
  }

  skip(length: number): void {
    this.take(length);
  }

  /** A view, not a copy. */
  slice(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  rest(): Uint8Array {
    return this.slice(this.left);
  }

  /** A reader over the next `length` octets, which this reader skips. */
  sub(length: number): NetlinkReader {
    const at = this.take(length);
    return new NetlinkReader(this.bytes, at, at + length);
  }

  /** Skips up to the next multiple of four, counted from the start of the datagram (NLMSG_ALIGN); the last message may lack it. */
  align(): void {
    this.offset = Math.min(this.end, (this.offset + 3) & ~3);
  }
}

/** `nlmsghdr`: length, type, flags, sequence, port. */
export interface NetlinkHeader {
  readonly type: number;
  readonly flags: number;
  /** Of the request that this answers; for an event, of whoever caused it. */
  readonly sequence: number;
  readonly port: number;
}

export const NLM_F_REQUEST = 0x001;
export const NLM_F_DUMP = 0x300;
/** What is dumped changed meanwhile: entries may be missing. */
export const NLM_F_DUMP_INTR = 0x010;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;

const headerOctets = 16;

/** The header and a reader over the body of the next message. */
export function readMessage(reader: NetlinkReader): { header: NetlinkHeader; body: NetlinkReader } {
  const length = reader.u32();
  const header = { type: reader.u16(), flags: reader.u16(), sequence: reader.u32(), port: reader.u32() };
  if (length < headerOctets) throw new MalformedNetlink(`a message of ${length} octets`);
  const body = reader.sub(length - headerOctets);
  reader.align();
  return { header, body };
}

const NLA_TYPE_MASK = 0x3fff; // without NLA_F_NESTED and NLA_F_NET_BYTEORDER

/** Calls `visit` with each attribute (`nlattr`: length, type, value, padding). What it leaves unread is skipped. */
export function readAttributes(reader: NetlinkReader, visit: (type: number, value: NetlinkReader) => void): void {
  while (reader.left >= 4) {
    const length = reader.u16();
    const type = reader.u16() & NLA_TYPE_MASK;
    if (length < 4) throw new MalformedNetlink(`an attribute of ${length} octets`);
    visit(type, reader.sub(length - 4));
    reader.align();
  }
}

/** A message with this header and body. */
export function encodeMessage(header: NetlinkHeader, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(headerOctets + body.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, message.length, true);
  view.setUint16(4, header.type, true);
  view.setUint16(6, header.flags, true);
  view.setUint32(8, header.sequence, true);
  view.setUint32(12, header.port, true);
  message.set(body, headerOctets);
  return message;
}

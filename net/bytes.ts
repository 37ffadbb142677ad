/** Raised by {@link ByteReader} when fewer octets are left than asked for. Decoders turn it into their own verdict. */
export class ShortRead extends Error {
  override name = 'ShortRead';
  readonly offset: number;
  constructor(offset: number, wanted: number, left: number) {
    super(`wanted ${wanted} octets at offset ${offset}, ${left} left`);
    this.offset = offset;
  }
}

/** Reads big-endian values from a slice. Alone checks bounds: it throws {@link ShortRead}, never gives `undefined`. */
export class ByteReader {
  readonly bytes: Uint8Array;
  /** Where the next read starts, counted from the start of `bytes`. */
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
    if (length > this.end - at) throw new ShortRead(at, length, this.end - at);
    this.offset = at + length;
    return at;
  }

  u8(): number {
    return this.bytes[this.take(1)] as number;
  }

  u16(): number {
    const at = this.take(2);
    return ((this.bytes[at] as number) << 8) | (this.bytes[at + 1] as number);
  }

  u32(): number {
    const at = this.take(4);
    const b = this.bytes;
    return (
      (b[at] as number) * 0x1000000 + (((b[at + 1] as number) << 16) | ((b[at + 2] as number) << 8) | (b[at + 3] as number))
    );
  }

  /** A view, not a copy. */
  slice(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  /** A reader over the next `length` octets, which this reader skips. Offsets stay those of the whole. */
  sub(length: number): ByteReader {
    const at = this.take(length);
    return new ByteReader(this.bytes, at, at + length);
  }

  rest(): Uint8Array {
    return this.slice(this.left);
  }
}

/** Appends big-endian values to a buffer that grows. */
export class ByteWriter {
  private buffer: Uint8Array;
  /** Octets written so far. */
  length = 0;

  constructor(capacity = 256) {
    this.buffer = new Uint8Array(capacity);
  }

  private room(length: number): number {
    const at = this.length;
    this.length = at + length;
    if (this.length > this.buffer.length) {
      const larger = new Uint8Array(Math.max(this.length, this.buffer.length * 2));
      larger.set(this.buffer);
      this.buffer = larger;
    }
    return at;
  }

  u8(value: number): this {
    const at = this.room(1);
    this.buffer[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.room(2);
    this.buffer[at] = value >>> 8;
    this.buffer[at + 1] = value;
    return this;
  }

  u32(value: number): this {
    const at = this.room(4);
    this.buffer[at] = value >>> 24;
    this.buffer[at + 1] = value >>> 16;
    this.buffer[at + 2] = value >>> 8;
    this.buffer[at + 3] = value;
    return this;
  }

  append(bytes: ArrayLike<number>): this {
    const at = this.room(bytes.length);
    this.buffer.set(bytes, at);
    return this;
  }

  /** Overwrites a length field that was left open. */
  patchU8(at: number, value: number): void {
    this.buffer[at] = value;
  }

  patchU16(at: number, value: number): void {
    this.buffer[at] = value >>> 8;
    this.buffer[at + 1] = value;
  }

  /** The octets written so far, as a view that the next write may invalidate. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** The octets written so far, as a copy that is the caller's. */
  done(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }
}

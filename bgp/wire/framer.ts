import { BgpError } from '../errors.ts';
import { decodeHeader, headerLength, standardMaxMessageLength } from './header.ts';

/** Grown by appending only; `used` tells whether somebody has already written behind a framer's own end. */
interface Tail {
  bytes: Uint8Array;
  used: number;
}

export interface Framed {
  /** The framer to use from now on. */
  readonly framer: Framer;
  /** Whole messages in order, header included. Views: valid while the fed bytes are; decoders copy what they keep. */
  readonly messages: readonly Uint8Array[];
  /** The stream is broken behind `messages`: nothing after this can be understood. */
  readonly error?: BgpError;
}

/**
 * Cuts a TCP stream into BGP messages. A value: `feed` gives a new framer and leaves this one usable. Holds at most
 * one message that is not whole yet, and looks at each octet a bounded number of times however the stream is sliced.
 */
export class Framer {
  private readonly maxMessageLength: number;
  private readonly tail: Tail;
  private readonly length: number;
  /** Octets that the message at the start of the tail needs; until its header is there and checked, the header's. */
  private readonly wanted: number;

  /** @param maxMessageLength 4096, or 65535 once RFC 8654 was agreed on. */
  constructor(maxMessageLength = standardMaxMessageLength, tail: Tail = { bytes: new Uint8Array(0), used: 0 }, length = 0, wanted = headerLength) {
    this.maxMessageLength = maxMessageLength;
    this.tail = tail;
    this.length = length;
    this.wanted = wanted;
  }

  /** The same stream, with another bound from the next message on. */
  withLimit(maxMessageLength: number): Framer {
    return new Framer(maxMessageLength, this.tail, this.length, this.wanted);
  }

  /** Octets of a message that is not whole yet. */
  get pending(): number {
    return this.length;
  }

  /** Takes the next octets of the stream. Never throws; after an error feed it no more. */
  feed(bytes: Uint8Array): Framed {
    const messages: Uint8Array[] = [];
    let { tail, length, wanted } = this;
    let at = 0;
    try {
      while (length > 0 && at < bytes.length) {
        const take = Math.min(wanted - length, bytes.length - at);
        tail = append(tail, length, bytes, at, take, wanted);
        length += take;
        at += take;
        if (length < wanted) break;
        if (wanted === headerLength) wanted = decodeHeader(tail.bytes, 0, this.maxMessageLength).length;
        if (length === wanted) {
          messages.push(tail.bytes.subarray(0, length));
          tail = { bytes: new Uint8Array(0), used: 0 };
          length = 0;
          wanted = headerLength;
        }
      }
      // Whole messages inside what came in are not copied.
      while (bytes.length - at >= headerLength) {
        wanted = decodeHeader(bytes, at, this.maxMessageLength).length;
        if (bytes.length - at < wanted) break;
        messages.push(bytes.subarray(at, at + wanted));
        at += wanted;
        wanted = headerLength;
      }
      if (at < bytes.length) {
        const left = bytes.length - at;
        tail = append(tail, length, bytes, at, left, wanted);
        length += left;
      }
    } catch (error) {
      if (!(error instanceof BgpError)) throw error;
      return { framer: new Framer(this.maxMessageLength), messages, error };
    }
    return { framer: new Framer(this.maxMessageLength, tail, length, wanted), messages };
  }
}

function append(tail: Tail, length: number, bytes: Uint8Array, at: number, take: number, wanted: number): Tail {
  if (tail.used !== length || tail.bytes.length < length + take) {
    // `wanted` is at most one message, so that this copy happens twice per message at most: for its header, for the whole.
    const larger = new Uint8Array(Math.max(wanted, length + take));
    larger.set(tail.bytes.subarray(0, length));
    tail = { bytes: larger, used: length };
  }
  for (let i = 0; i < take; i++) tail.bytes[length + i] = bytes[at + i] as number;
  tail.used = length + take;
  return tail;
}

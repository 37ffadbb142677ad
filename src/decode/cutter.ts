import { BgpError } from '../../bgp/errors.ts';
import { decodeHeader, headerLength } from '../../bgp/wire/header.ts';
import { errorCodes, errorSubcodes } from '../../bgp/wire/iana.ts';
import { ByteQueue } from '../../net/byte-queue.ts';

/** A whole message, or octets that are none. */
export type Cut =
  | { readonly type: 'message'; readonly bytes: Uint8Array }
  /** `bytes` begin where a header should and is not; the stream goes on at the next marker. */
  | { readonly type: 'broken'; readonly bytes: Uint8Array };

const markerLength = 16;

/**
 * Cuts one direction of a session into messages, as `Framer` does for the speaker, but goes on behind what is broken: at the next marker.
 * Holds one message at most.
 */
export class Cutter {
  private queue = new ByteQueue();
  /** False: whatever comes before the next marker is skipped. */
  private aligned: boolean;
  /** Octets skipped since the last message, told once the next marker is found. */
  skipped = 0;

  /** @param aligned the first octet begins a message: the stream is known from its start. */
  constructor(aligned: boolean) {
    this.aligned = aligned;
  }

  push(bytes: Uint8Array, maxMessageLength: number): Cut[] {
    this.queue.push(bytes);
    const cuts: Cut[] = [];
    for (let cut = this.next(maxMessageLength); cut !== undefined; cut = this.next(maxMessageLength)) cuts.push(cut);
    return cuts;
  }

  /** Octets are missing from here on. @returns what waited for its rest. */
  lose(): Uint8Array {
    const left = this.queue.take(this.queue.length) as Uint8Array;
    this.aligned = false;
    return left;
  }

  private next(maxMessageLength: number): Cut | undefined {
    const { queue } = this;
    if (!this.aligned && !this.findMarker()) return undefined;
    const header = queue.peek(headerLength);
    if (header === undefined) return undefined;
    let length: number;
    try {
      ({ length } = decodeHeader(header, 0, maxMessageLength));
    } catch (error) {
      if (!(error instanceof BgpError)) throw error;
      return this.takeBroken(header, error);
    }
    const bytes = queue.take(length);
    return bytes === undefined ? undefined : { type: 'message', bytes };
  }

  /** A type that is not known, or a length wrong for its type, still says where it ends; otherwise the next marker does. */
  private takeBroken(header: Uint8Array, error: BgpError): Cut | undefined {
    const length = ((header[16] as number) << 8) | (header[17] as number);
    const { badMessageType, badMessageLength } = errorSubcodes.messageHeader;
    const endKnown = error.code === errorCodes.messageHeader && length >= headerLength
      && (error.subcode === badMessageType || (error.subcode === badMessageLength && length <= 4096));
    if (endKnown && this.queue.length < length) return undefined;
    const bytes = this.queue.take(endKnown ? length : headerLength) as Uint8Array;
    if (!endKnown) this.aligned = false;
    return { type: 'broken', bytes };
  }

  /** Drops everything before the next 16 octets of ones. @returns false if there is none yet. */
  private findMarker(): boolean {
    const { queue } = this;
    const waiting = queue.peek(queue.length) as Uint8Array;
    let ones = 0;
    for (let i = 0; i < waiting.length; i++) {
      ones = waiting[i] === 0xff ? ones + 1 : 0;
      // Of a longer run the last 16 are the marker: no length begins with an octet of ones that is not damaged.
      if (ones < markerLength || waiting[i + 1] === 0xff) continue;
      this.skipped += queue.skip(i + 1 - markerLength);
      this.aligned = true;
      return true;
    }
    // The last octets may be the beginning of a marker.
    this.skipped += queue.skip(waiting.length - Math.min(ones, markerLength));
    return false;
  }
}

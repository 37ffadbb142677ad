import type { ByteQueue } from '../../net/byte-queue.ts';

/** Link types (https://www.tcpdump.org/linktypes.html) whose packets are understood here. */
export const linkTypes = {
  null: 0, ethernet: 1, rawBsd: 12, rawOpenBsd: 14, raw: 101, loop: 108, sll: 113, ipv4: 228, ipv6: 229, sll2: 276,
} as const;

/** One packet of a capture file. */
export interface CapturedPacket {
  /** Its place in the file, from 1, as other tools count. */
  readonly number: number;
  readonly bytes: Uint8Array;
  /** What the packet had on the wire; more than `bytes` where the capture kept only its beginning. */
  readonly originalLength: number;
  /** Milliseconds since 1970-01-01 UTC, as recorded, with their fraction. 0 where the format has no time. */
  readonly timestampMs: number;
  /** The number of the link type, see {@link linkTypes}. */
  readonly linkType: number;
  /** pcapng alone knows it. The text is the capturing host's: escape it. */
  readonly interfaceName?: string;
}

/** Takes one item off the queue: a packet, `'other'`, `'more'` if it is not all there, or a sentence on why nothing more can be read. */
export type ReadItem = (queue: ByteQueue) => CapturedPacket | 'other' | 'more' | { readonly problem: string };

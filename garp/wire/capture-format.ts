import { ByteQueue } from '../../net/byte-queue.ts';
import type { CapturedPacket } from './captured-packet.ts';
import { pcapVariant, readPcap } from './pcap.ts';
import { readPcapng } from './pcapng.ts';

/** What came out of the octets so far. After a `problem` nothing more of this file can be understood. */
export interface PacketBatch {
  readonly packets: readonly CapturedPacket[];
  readonly problem?: string;
}

/** Takes a capture file piece by piece; holds one packet that is not whole yet at most. Never throws. */
export interface PacketReader {
  push(piece: Uint8Array): PacketBatch;
  /** The file has ended: a problem if it ends inside a packet. */
  end(): PacketBatch;
}

/** Octets that {@link captureFormatOf} wants to see. */
export const magicLength = 4;

/** Which format a file is in, by its first octets. */
export function captureFormatOf(bytes: Uint8Array): 'pcap' | 'pcapng' | undefined {
  if (bytes.length < magicLength) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) === 0x0a0d0d0a) return 'pcapng';
  return pcapVariant(view) === undefined ? undefined : 'pcap';
}

/** A reader for a file of this format. */
export function packetReader(format: 'pcap' | 'pcapng'): PacketReader {
  const queue = new ByteQueue();
  const read = format === 'pcap' ? readPcap() : readPcapng();
  let broken: string | undefined;
  const drain = (): PacketBatch => {
    const packets: CapturedPacket[] = [];
    while (broken === undefined) {
      const next = read(queue);
      if (next === 'more') break;
      if (next === 'other') continue;
      if ('problem' in next) broken = `${next.problem} (at octet ${queue.taken})`;
      else packets.push(next);
    }
    return broken === undefined ? { packets } : { packets, problem: broken };
  };
  return {
    push(piece) {
      if (broken !== undefined) return { packets: [] };
      queue.push(piece);
      return drain();
    },
    end: () => (broken === undefined && queue.length > 0 ? { packets: [], problem: `the file ends inside a packet (at octet ${queue.taken})` } : { packets: [] }),
  };
}

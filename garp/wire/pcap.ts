import type { ReadItem } from './captured-packet.ts';

/** No real capture has larger packets; a larger length is a broken file. */
export const largestPacket = 16 * 1024 * 1024;

interface Variant {
  readonly little: boolean;
  readonly unitsPerMs: number;
  readonly headerLength: 16 | 24;
}

/*
 * pcap (draft-ietf-opsawg-pcap), in the byte order of the host that wrote it:
 *
 *   Magic 4 | Version 2, 2 | Reserved 8 | SnapLen 4 | FCS length, LinkType 4 | (seconds 4 | fraction 4 | captured 4 | original 4 | packet) *
 */
export function pcapVariant(view: DataView): Variant | undefined {
  for (const little of [true, false]) {
    switch (view.getUint32(0, little)) {
      case 0xa1b2c3d4: return { little, unitsPerMs: 1000, headerLength: 16 };
      case 0xa1b23c4d: return { little, unitsPerMs: 1_000_000, headerLength: 16 };
      case 0xa1b2cd34: return { little, unitsPerMs: 1000, headerLength: 24 }; // a patched libpcap of old, with more in each packet's header
    }
  }
  return undefined;
}

/** Reads one packet at a time. */
export function readPcap(): ReadItem {
  let variant: Variant | undefined;
  let linkType = 0;
  let number = 0;
  return (queue) => {
    if (variant === undefined) {
      const header = queue.take(24);
      if (header === undefined) return 'more';
      const view = new DataView(header.buffer, header.byteOffset, 24);
      variant = pcapVariant(view);
      if (variant === undefined) return { problem: 'no pcap file' };
      linkType = view.getUint32(20, variant.little) & 0xffff;
      return 'other';
    }
    const { little, unitsPerMs, headerLength } = variant;
    const header = queue.peek(headerLength);
    if (header === undefined) return 'more';
    const view = new DataView(header.buffer, header.byteOffset, headerLength);
    const captured = view.getUint32(8, little);
    if (captured > largestPacket) return { problem: `packet ${number + 1} claims ${captured} octets: the file is damaged` };
    if (queue.length < headerLength + captured) return 'more';
    const timestampMs = view.getUint32(0, little) * 1000 + view.getUint32(4, little) / unitsPerMs;
    const originalLength = view.getUint32(12, little);
    queue.skip(headerLength);
    const bytes = queue.take(captured) as Uint8Array;
    number += 1;
    return { number, bytes, originalLength: Math.max(captured, originalLength), timestampMs, linkType };
  };
}

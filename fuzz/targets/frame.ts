import { parseAnnouncement } from '../../garp/announcement.ts';

/** One Ethernet frame, with and without a tag that the kernel took out. Foreign frames never throw. */
export function fuzz(bytes: Buffer): void {
  parseAnnouncement({ bytes });
  parseAnnouncement({ bytes: bytes.subarray(2), tag: { tpid: 0x8100, tci: bytes.length < 2 ? 0 : bytes.readUInt16BE(0) } });
}

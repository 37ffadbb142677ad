import { decodeRtnetlink, MalformedNetlink } from '../../bridge/wire/rtnetlink.ts';

/** A datagram of the kernel. */
export function fuzz(bytes: Buffer): void {
  try {
    decodeRtnetlink(bytes);
  } catch (error) {
    if (!(error instanceof MalformedNetlink)) throw error;
  }
}

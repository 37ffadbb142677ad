import { readFdb } from '../../bridge/wire/neighbours.ts';
import { decodeRtnetlink, MalformedNetlink } from '../../bridge/wire/rtnetlink.ts';

/** A datagram of the kernel, for either socket. */
export function fuzz(bytes: Buffer): void {
  for (const read of [decodeRtnetlink, readFdb]) {
    try {
      read(bytes);
    } catch (error) {
      if (!(error instanceof MalformedNetlink)) throw error;
    }
  }
}

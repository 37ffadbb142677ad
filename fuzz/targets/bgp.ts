import { BgpError } from '../../bgp/errors.ts';
import { routesOf } from '../../bgp/pack-updates.ts';
import { Framer } from '../../bgp/wire/framer.ts';
import { decodeMessage, encodeMessage } from '../../bgp/wire/message.ts';
import type { CodecContext } from '../../bgp/wire/messages.ts';

/** A stream of messages; its first octet chooses what was negotiated. Nothing but a BgpError leaves the framer and the decoders. */
export function fuzz(bytes: Buffer): void {
  const choice = bytes[0] ?? 0;
  const context: CodecContext = { fourOctetAs: (choice & 1) === 0, ibgp: (choice & 2) === 0, maxMessageLength: (choice & 4) === 0 ? 4096 : 65_535, ...((choice & 8) === 0 ? {} : { extendedNextHop: true }) };
  try {
    const { messages, error } = new Framer(context.maxMessageLength).feed(bytes.subarray(1));
    for (const message of messages) {
      const decoded = decodeMessage(message, context);
      if (decoded.type === 'UPDATE') routesOf(decoded);
      // What was understood can be said.
      if (decoded.type !== 'UPDATE') encodeMessage(decoded, context);
    }
    if (error !== undefined && !(error instanceof BgpError)) throw error as Error;
  } catch (error) {
    if (!(error instanceof BgpError)) throw error;
  }
}

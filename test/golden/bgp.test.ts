import { join } from 'node:path';
import { BgpError } from '../../bgp/errors.ts';
import { Framer } from '../../bgp/wire/framer.ts';
import { decodeMessage, encodeMessage } from '../../bgp/wire/message.ts';
import type { CodecContext, Message } from '../../bgp/wire/messages.ts';
import { runGolden } from './harness.ts';

function context(options: ReadonlySet<string>): CodecContext {
  return { fourOctetAs: options.has('fourOctetAs'), ibgp: options.has('ibgp'), maxMessageLength: 4096 };
}

describe('golden: bgp', () => {
  runGolden<Message>(join(import.meta.dirname, 'bgp'), {
    decode: (bytes, options) => decodeMessage(bytes, context(options)),
    encode: (message, options) => encodeMessage(message, context(options)),
    describeError: (error) =>
      error instanceof BgpError ? { code: error.code, subcode: error.subcode, data: error.data, offset: error.offset } : undefined,
    reassemble: (slices) => {
      let framer = new Framer();
      const messages: Uint8Array[] = [];
      for (const slice of slices) {
        const framed = framer.feed(slice);
        messages.push(...framed.messages);
        framer = framed.framer;
      }
      return messages;
    },
    truncate: (bytes, length) => {
      const short = bytes.slice(0, length);
      if (length >= 19) short.set([length >>> 8, length & 0xff], 16);
      return short;
    },
  });
});

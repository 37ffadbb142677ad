import { Cutter } from './cutter.ts';
import type { Decoder, Line } from './line.ts';
import { hexText } from './line.ts';
import { showMessage } from './message.ts';

/** BGP messages one behind the other, as they stand in a TCP stream. */
export function rawStreamDecoder(options: { readonly as4: boolean }): Decoder {
  const cutter = new Cutter(true);
  let as4: boolean | undefined = options.as4 ? true : undefined;
  return {
    *push(piece): Generator<Line> {
      for (const { bytes } of cutter.push(piece, 65_535)) {
        const { line, open } = showMessage(bytes, { as4, ibgp: undefined, maxMessageLength: 65_535, extendedNextHop: true, addPath: new Set() });
        if (open?.fourOctetAs === false && !options.as4) as4 = false;
        yield line;
      }
    },
    *end(): Generator<Line> {
      const left = cutter.lose();
      if (left.length > 0) yield { type: null, length: left.length, hex: hexText(left.subarray(0, 512)), error: { text: 'the file ends inside a message' } };
    },
  };
}

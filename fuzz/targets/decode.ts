import { decoderFor, fileKind } from '../../src/decode/decode.ts';

/** A file for `landfall decode`, in two pieces. Nothing throws; every line can be printed. */
export function fuzz(bytes: Buffer): void {
  const kind = fileKind(bytes);
  const decoder = decoderFor(kind === 'binary' ? 'mrt' : kind, { as4: false });
  const half = bytes.length >> 1;
  for (const lines of [decoder.push(bytes.subarray(0, half)), decoder.push(bytes.subarray(half)), decoder.end()]) for (const line of lines) JSON.stringify(line);
}

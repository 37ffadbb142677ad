import { captureFormatOf } from '../../garp/wire/capture-format.ts';
import { captureDecoder, type DecodeOptions } from './capture.ts';
import { hexLineDecoder } from './hex-lines.ts';
import type { Decoder } from './line.ts';
import { isMrt, mrtMagicLength } from './mrt.ts';
import { mrtDecoder } from './mrt.ts';
import { rawStreamDecoder } from './raw-stream.ts';

/** What a file holds, by its first octets. */
export type FileKind = 'pcap' | 'pcapng' | 'mrt' | 'messages' | 'text' | 'binary';

/** Octets of a file that {@link fileKind} wants to see; of a shorter file all. */
export const kindLength = Math.max(512, mrtMagicLength);

/** `messages`: BGP as it stands in a TCP stream. `binary`: none of the kinds that are understood. */
export function fileKind(start: Uint8Array): FileKind {
  const capture = captureFormatOf(start);
  if (capture !== undefined) return capture;
  if (isMrt(start)) return 'mrt';
  if (start.length >= 19 && start.subarray(0, 16).every((octet) => octet === 0xff)) return 'messages';
  return start.subarray(0, kindLength).some((octet) => octet < 9 || (octet > 13 && octet < 32)) ? 'binary' : 'text';
}

/** The decoder for a file of this kind. */
export function decoderFor(kind: Exclude<FileKind, 'binary'>, options: DecodeOptions): Decoder {
  switch (kind) {
    case 'pcap': case 'pcapng': return captureDecoder(kind, options);
    case 'mrt': return mrtDecoder();
    case 'messages': return rawStreamDecoder(options);
    case 'text': return hexLineDecoder(options);
  }
}

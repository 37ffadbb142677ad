import { headerLength } from '../../bgp/wire/header.ts';
import { linkTypes } from '../../garp/wire/captured-packet.ts';
import { readingOf } from './connections.ts';
import { showFrame } from './frame.ts';
import type { Decoder, Line } from './line.ts';
import { openLink } from './link.ts';
import { showMessage } from './message.ts';
import type { OpenFacts } from './open.ts';

/** Hex digits of the largest message with room for separators; a longer line is told and skipped. */
const longestLine = 512 * 1024;

/**
 * A message in hex on each line. Between the digits may stand white space, `:`, `-`, `,` and `0x`; behind `#` a comment. The marker may be
 * left out. Several messages on one line, one behind the other, give a line each.
 */
export function hexLineDecoder(options: { readonly as4: boolean }): Decoder {
  const text = new TextDecoder('latin1');
  let held = '';
  let tooLong = false;
  let number = 0;
  const opens: OpenFacts[] = [];
  function* take(line: string): Generator<Line> {
    number += 1;
    if (tooLong || line.length > longestLine) {
      tooLong = false;
      yield { line: number, type: null, error: { text: `the line is longer than ${longestLine} characters` } };
      return;
    }
    const bytes = parseHexLine(line);
    if (bytes === undefined) return;
    if (typeof bytes === 'string') yield { line: number, type: null, error: { text: bytes } };
    else yield* showLine(number, bytes, opens, options.as4);
  }
  return {
    *push(piece) {
      held += text.decode(piece, { stream: true });
      let start = 0;
      for (let end = held.indexOf('\n', start); end >= 0; end = held.indexOf('\n', start)) {
        yield* take(held.slice(start, end));
        start = end + 1;
      }
      held = held.slice(start);
      if (held.length <= longestLine) return;
      tooLong = true;
      held = '';
    },
    *end() {
      if (held !== '' || tooLong) yield* take(held);
    },
  };
}

/** The octets of a line; `undefined` for one without any; a sentence for one that is no hex. */
export function parseHexLine(line: string): Uint8Array | string | undefined {
  const digits = line.replace(/^\u00ef\u00bb\u00bf/, '').replace(/#.*$/s, '').replace(/0x/gi, ' ').replace(/[\s:,-]+/g, '');
  if (digits === '') return undefined;
  const wrong = /[^0-9a-f]/i.exec(digits);
  if (wrong !== null) return `no hex: ${JSON.stringify(wrong[0])} at digit ${wrong.index + 1}`;
  if (digits.length % 2 !== 0) return `no whole octets: ${digits.length} hex digits`;
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

function* showLine(number: number, octets: Uint8Array, opens: OpenFacts[], as4: boolean): Generator<Line> {
  const whole = withMarker(octets);
  if (whole === octets && looksLikeFrame(octets)) {
    const packet = { number, bytes: octets, originalLength: octets.length, timestampMs: 0, linkType: linkTypes.ethernet };
    yield { line: number, ...showFrame(packet, openLink(packet)) };
    return;
  }
  for (const bytes of splitMessages(whole)) {
    const { line, open } = showMessage(bytes, lineReading(opens, as4));
    if (open !== undefined) opens.splice(0, opens.length, ...opens.slice(-1), open);
    yield { line: number, ...line };
  }
}

/** Without `--as4` two OPENs on earlier lines settle it; a single one leaves it to the AS_PATH; with none ASNs have 2 octets. */
function lineReading(opens: readonly OpenFacts[], as4: boolean) {
  const reading = readingOf(opens[0], opens[1], as4);
  return { ...reading, as4: as4 || (opens.length === 0 ? false : reading.as4), ibgp: undefined };
}

/** The message with its marker in front, if a length and a type that fit stand where the marker should be. */
function withMarker(octets: Uint8Array): Uint8Array {
  const length = octets.length >= 3 ? ((octets[0] as number) << 8) | (octets[1] as number) : 0;
  if (length !== octets.length + 16 || octets[0] === 0xff) return octets;
  const whole = new Uint8Array(length).fill(0xff, 0, 16);
  whole.set(octets, 16);
  return whole;
}

/** Cuts where a whole message is followed by another marker; what follows otherwise belongs to the message and is its error. */
function* splitMessages(bytes: Uint8Array): Generator<Uint8Array> {
  let at = 0;
  while (bytes.length - at > headerLength) {
    const length = ((bytes[at + 16] as number) << 8) | (bytes[at + 17] as number);
    const next = at + length;
    if (length < headerLength || next + 16 > bytes.length || !bytes.subarray(next, next + 16).every((octet) => octet === 0xff)) break;
    yield bytes.subarray(at, next);
    at = next;
  }
  yield bytes.subarray(at);
}

/** An Ethernet frame by its EtherType, where a BGP message has its marker. */
function looksLikeFrame(octets: Uint8Array): boolean {
  if (octets.length < 18 || octets.subarray(0, 16).every((octet) => octet === 0xff)) return false;
  const type = ((octets[12] as number) << 8) | (octets[13] as number);
  return [0x0806, 0x8035, 0x86dd, 0x0800, 0x8100, 0x88a8].includes(type);
}

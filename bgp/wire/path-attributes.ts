import type { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { BgpError } from '../errors.ts';
import { mergeAs4Path } from './as-path.ts';
import { attributeTable, BadAttribute, type AttributeCodec, type AttributeContext, type AttributeDraft } from './attribute-table.ts';
import { AS_TRANS, attributeCodes, attributeFlags, errorCodes, errorSubcodes } from './iana.ts';
import type { CodecContext, PathAttributes, UnknownAttribute } from './messages.ts';

/*
 * RFC 4271 section 4.3: (Attr. Flags 1 | Attr. Type Code 1 | Length 1, or 2 with the Extended Length bit | Value) *
 */

const subcodes = errorSubcodes.update;
const { optional, transitive, partial, extendedLength } = attributeFlags;

const codecs: (AttributeCodec | undefined)[] = [];
for (const codec of attributeTable) codecs[attributeCodes[codec.name]] = codec;

/** Writes the attributes in ascending order of their type codes, those that we don't know behind them. */
export function encodeAttributes(writer: ByteWriter, attributes: PathAttributes, context: CodecContext): void {
  for (const codec of attributeTable) {
    const start = writer.length;
    writer.u8(codec.flags).u8(attributeCodes[codec.name]).u8(0);
    if (codec.encode(writer, attributes, context)) finishAttribute(writer, start);
    else writer.length = start;
  }
  for (const { flags, code, value } of attributes.unknown ?? []) {
    const start = writer.length;
    writer.u8(flags & ~extendedLength).u8(code).u8(0).append(value);
    finishAttribute(writer, start);
  }
}

/** Fills in the length, and makes room for a second length octet if it needs one. */
function finishAttribute(writer: ByteWriter, start: number): void {
  const length = writer.length - start - 3;
  if (length <= 255) {
    writer.patchU8(start + 2, length);
    return;
  }
  writer.u8(0);
  const view = writer.view();
  view.copyWithin(start + 4, start + 3, start + 3 + length);
  writer.patchU8(start, (view[start] as number) | extendedLength);
  writer.patchU16(start + 2, length);
}

/**
 * Reads attributes up to the reader's end.
 * @throws BgpError 3/1 (a list that can't be walked, an attribute twice), 3/2, 3/4, 3/5, 3/6, 3/8, 3/9, 3/11; the data is
 * the attribute where RFC 4271 section 6.3 says so.
 */
export function decodeAttributes(reader: ByteReader, context: AttributeContext): PathAttributes {
  const draft: AttributeDraft = {};
  const unknown: UnknownAttribute[] = [];
  const seen = new Set<number>();
  while (reader.left > 0) {
    const start = reader.offset;
    if (reader.left < 3) throw malformedList(`${reader.left} octets are no attribute`, start);
    const flags = reader.u8();
    const code = reader.u8();
    if ((flags & extendedLength) !== 0 && reader.left < 2) throw malformedList(`attribute ${code} is cut short`, start);
    const length = (flags & extendedLength) === 0 ? reader.u8() : reader.u16();
    if (length > reader.left) throw malformedList(`attribute ${code} of ${length} octets, ${reader.left} are left`, start);
    if (seen.has(code)) throw malformedList(`attribute ${code} comes twice`, start);
    seen.add(code);
    const value = reader.sub(length);
    const codec = codecs[code];
    try {
      if (codec !== undefined) decodeKnown(codec, flags, draft, value, context);
      else if ((flags & optional) === 0) throw new BadAttribute(subcodes.unrecognizedWellKnown, 'a well-known attribute that is not known');
      else unknown.push({ flags: flags & ~extendedLength, code, value: value.rest().slice() });
    } catch (error) {
      if (!(error instanceof BadAttribute)) throw error;
      const name = codec?.name ?? `attribute ${code}`;
      const data = error.subcode === subcodes.malformedAsPath ? undefined : reader.bytes.slice(start, reader.offset);
      throw new BgpError(errorCodes.update, error.subcode, `${name}: ${error.message}`, data, start);
    }
  }
  mergeAs4(draft, context);
  if (unknown.length > 0) draft.unknown = unknown;
  return draft;
}

function decodeKnown(codec: AttributeCodec, flags: number, draft: AttributeDraft, value: ByteReader, context: AttributeContext): void {
  // RFC 4271 section 4.3: the Partial bit may be set on optional transitive attributes only.
  const fixed = codec.flags === (optional | transitive) ? optional | transitive : optional | transitive | partial;
  if ((flags & fixed) !== codec.flags) {
    throw new BadAttribute(subcodes.attributeFlags, `flags 0x${flags.toString(16)} instead of 0x${codec.flags.toString(16)}`);
  }
  try {
    codec.decode(draft, value, context);
  } catch (error) {
    // RFC 6793 section 6: a malformed AS4_PATH or AS4_AGGREGATOR is discarded, the UPDATE stands.
    if (error instanceof BadAttribute && (codec.name === 'AS4_PATH' || codec.name === 'AS4_AGGREGATOR')) return;
    throw error;
  }
}

/** RFC 6793 section 4.2.3. From a 4-octet speaker the two attributes mean nothing (section 4.1). */
function mergeAs4(draft: AttributeDraft, context: CodecContext): void {
  const { as4Path, as4Aggregator, aggregator } = draft;
  delete draft.as4Path;
  delete draft.as4Aggregator;
  if (context.fourOctetAs) return;
  // An AGGREGATOR that is not AS_TRANS was put in by a 2-octet speaker that knew nothing of the other two.
  if (aggregator !== undefined && aggregator.asn !== AS_TRANS) return;
  if (aggregator !== undefined && as4Aggregator !== undefined) draft.aggregator = as4Aggregator;
  if (as4Path !== undefined && draft.asPath !== undefined) draft.asPath = mergeAs4Path(draft.asPath, as4Path);
}

function malformedList(detail: string, offset: number): BgpError {
  return new BgpError(errorCodes.update, subcodes.malformedAttributeList, detail, undefined, offset);
}

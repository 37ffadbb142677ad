import type { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { BgpError } from '../errors.ts';
import { mergeAs4Path } from './as-path.ts';
import { attributeTable, refuseSets, type AttributeCodec, type AttributeContext, type AttributeDraft } from './attribute-table.ts';
import { BadAttribute } from './attribute-values.ts';
import { AS_TRANS, attributeCodes, attributeFlags, errorCodes, errorSubcodes } from './iana.ts';
import type { CodecContext, PathAttributes, UnknownAttribute, UpdateHandling } from './messages.ts';

/*
 * RFC 4271 section 4.3: (Attr. Flags 1 | Attr. Type Code 1 | Length 1, or 2 with the Extended Length bit | Value) *
 */

const subcodes = errorSubcodes.update;
const { optional, transitive, extendedLength } = attributeFlags;

const codecs: (AttributeCodec | undefined)[] = [];
for (const codec of attributeTable) codecs[attributeCodes[codec.name]] = codec;

/** Writes the attributes in ascending order of their type codes, those that we don't know behind them. */
export function encodeAttributes(writer: ByteWriter, attributes: PathAttributes, context: CodecContext): void {
  for (const codec of attributeTable) {
    if (attributes[codec.field] === undefined) continue;
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

/** An error in an UPDATE and what it costs; the error is what a NOTIFICATION says if it comes to that. */
export interface Finding {
  readonly handling: UpdateHandling;
  readonly error: BgpError;
}

export interface AttributeList {
  readonly attributes: PathAttributes;
  /** In the order of the octets; none of them `session-reset`, which is thrown. */
  readonly findings: readonly Finding[];
  /** MP_REACH_NLRI holds routes, if perhaps of a family that is not spoken. */
  readonly reaches: boolean;
  /** There is an attribute besides MP_UNREACH_NLRI, or something that is none. */
  readonly more: boolean;
}

/** What the walk over the list gathers. */
interface Walk {
  readonly draft: AttributeDraft;
  readonly unknown: UnknownAttribute[];
  readonly seen: Set<number>;
  readonly findings: Finding[];
  reaches: boolean;
}

/**
 * Reads attributes up to the reader's end, errors handled as RFC 7606 sections 3, 4 and 7 say.
 * @throws BgpError for what costs the session: 3/1 (MP_REACH_NLRI or MP_UNREACH_NLRI twice), 3/2, 3/9; the data is the attribute.
 */
export function decodeAttributes(reader: ByteReader, context: AttributeContext): AttributeList {
  const walk: Walk = { draft: {}, unknown: [], seen: new Set(), findings: [], reaches: false };
  while (reader.left > 0) {
    const start = reader.offset;
    const cut = attributeCut(reader);
    if (cut !== undefined) {
      // Section 4: the Total Path Attribute Length still says where the NLRI field begins.
      walk.findings.push({ handling: 'treat-as-withdraw', error: malformedList(cut, start) });
      reader.rest();
      break;
    }
    const flags = reader.u8();
    const code = reader.u8();
    const value = reader.sub((flags & extendedLength) === 0 ? reader.u8() : reader.u16());
    decodeOne(walk, { flags, code, start, value, whole: reader.bytes.subarray(start, reader.offset) }, context);
  }
  const { draft, unknown, findings, seen, reaches } = walk;
  if (!context.fourOctetAs) mergeAs4(draft, findings);
  delete draft.as4Path;
  delete draft.as4Aggregator;
  if (unknown.length > 0) draft.unknown = unknown;
  return { attributes: draft, findings, reaches, more: findings.length > 0 || seen.size > (seen.has(attributeCodes.MP_UNREACH_NLRI) ? 1 : 0) };
}

/** Section 4: why what is left is no attribute, or `undefined`. */
function attributeCut(reader: ByteReader): string | undefined {
  const { bytes, offset, left } = reader;
  if (left < 3) return `${left} octets are no attribute`;
  const extended = ((bytes[offset] as number) & extendedLength) !== 0;
  const code = bytes[offset + 1] as number;
  if (extended && left < 4) return `attribute ${code} is cut short`;
  const length = extended ? ((bytes[offset + 2] as number) << 8) | (bytes[offset + 3] as number) : (bytes[offset + 2] as number);
  const behind = left - (extended ? 4 : 3);
  return length > behind ? `attribute ${code} of ${length} octets, ${behind} are left` : undefined;
}

interface OneAttribute {
  readonly flags: number;
  readonly code: number;
  /** Offset of its flags. */
  readonly start: number;
  readonly value: ByteReader;
  /** All of it, as a view. */
  readonly whole: Uint8Array;
}

function decodeOne(walk: Walk, { flags, code, start, value, whole }: OneAttribute, context: AttributeContext): void {
  const codec = codecs[code];
  const name = codec?.name ?? `attribute ${code}`;
  const multiprotocol = code === attributeCodes.MP_REACH_NLRI || code === attributeCodes.MP_UNREACH_NLRI;
  if (walk.seen.has(code)) {
    const error = malformedList(`${name} comes twice`, start);
    if (multiprotocol) throw error; // section 3 (g)
    walk.findings.push({ handling: 'attribute-discard', error });
    return;
  }
  walk.seen.add(code);
  if (codec === undefined) {
    if ((flags & optional) === 0) throw failure(subcodes.unrecognizedWellKnown, `${name}: a well-known attribute that is not known`, start, whole);
    walk.unknown.push({ flags: flags & ~extendedLength, code, value: value.rest().slice() });
    return;
  }
  // Section 3 (c) names these two bits alone: a Partial bit in the wrong place is nothing to end a route for.
  if ((flags & (optional | transitive)) !== codec.flags) {
    const detail = `${name}: flags 0x${flags.toString(16)} instead of 0x${codec.flags.toString(16)}`;
    walk.findings.push({ handling: 'treat-as-withdraw', error: failure(subcodes.attributeFlags, detail, start, whole) });
    if (!multiprotocol) return; // its routes are still to be found
  }
  if (code === attributeCodes.MP_REACH_NLRI) walk.reaches = value.left > 5 + (value.bytes[value.offset + 3] as number);
  try {
    codec.decode(walk.draft, value, context);
  } catch (error) {
    if (!(error instanceof BadAttribute)) throw error;
    const found = failure(error.subcode, `${name}: ${error.message}`, start, error.subcode === subcodes.malformedAsPath ? undefined : whole);
    if (codec.malformed === 'session-reset') throw found;
    walk.findings.push({ handling: codec.malformed, error: found });
  }
}

/** RFC 6793 section 4.2.3, for what a 2-octet speaker sent. */
function mergeAs4(draft: AttributeDraft, findings: Finding[]): void {
  const { as4Path, as4Aggregator, aggregator } = draft;
  // An AGGREGATOR that is not AS_TRANS was put in by a 2-octet speaker that knew nothing of the other two.
  if (aggregator !== undefined && aggregator.asn !== AS_TRANS) return;
  if (aggregator !== undefined && as4Aggregator !== undefined) draft.aggregator = as4Aggregator;
  if (as4Path === undefined || draft.asPath === undefined) return;
  draft.asPath = mergeAs4Path(draft.asPath, as4Path);
  try {
    refuseSets(as4Path);
  } catch (error) {
    if (!(error instanceof BadAttribute)) throw error;
    findings.push({ handling: 'treat-as-withdraw', error: new BgpError(errorCodes.update, error.subcode, `AS4_PATH: ${error.message}`) });
  }
}

function failure(subcode: number, detail: string, offset: number, whole?: Uint8Array): BgpError {
  return new BgpError(errorCodes.update, subcode, detail, whole?.slice(), offset);
}

function malformedList(detail: string, offset: number): BgpError {
  return failure(subcodes.malformedAttributeList, detail, offset);
}

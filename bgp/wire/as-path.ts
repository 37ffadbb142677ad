import type { ByteReader, ByteWriter } from '../../net/bytes.ts';
import type { AsPathSegment } from '../route.ts';
import { AS_TRANS, segmentTypes } from './iana.ts';

/*
 * RFC 4271 section 4.3 (b): Path Segment Type 1 | Path Segment Length 1, in ASNs | ASNs, 2 or (RFC 6793) 4 octets each
 */

const segmentNames: Readonly<Record<number, AsPathSegment['type']>> = Object.fromEntries(
  Object.entries(segmentTypes).map(([name, number]) => [number, name as AsPathSegment['type']]),
);

/** An AS_PATH that can't be read, RFC 4271 section 6.3 and RFC 7606 section 7.2. */
export class BadAsPath extends Error {
  override name = 'BadAsPath';
}

export function isConfederation(segment: AsPathSegment): boolean {
  return segment.type === 'AS_CONFED_SEQUENCE' || segment.type === 'AS_CONFED_SET';
}

/** An AS_SET of either kind; deprecated (RFC 9774). */
export function isSet(segment: AsPathSegment): boolean {
  return segment.type === 'AS_SET' || segment.type === 'AS_CONFED_SET';
}

/** With two octets an ASN that does not fit becomes AS_TRANS. */
export function encodeSegments(writer: ByteWriter, segments: readonly AsPathSegment[], octetsPerAsn: 2 | 4): void {
  for (const { type, asns } of segments) {
    // A longer sequence is several segments on the wire; a set never gets that long.
    for (let from = 0; from < asns.length; from += 255) {
      const count = Math.min(255, asns.length - from);
      writer.u8(segmentTypes[type]).u8(count);
      for (let i = from; i < from + count; i++) {
        const asn = asns[i] as number;
        if (octetsPerAsn === 4) writer.u32(asn);
        else writer.u16(asn > 0xffff ? AS_TRANS : asn);
      }
    }
  }
}

/** Segments up to the reader's end. Throws {@link BadAsPath}: unknown or empty segment, overrun, ASN 0 (RFC 7607). */
export function decodeSegments(reader: ByteReader, octetsPerAsn: 2 | 4): AsPathSegment[] {
  const segments: AsPathSegment[] = [];
  while (reader.left > 0) {
    if (reader.left < 2) throw new BadAsPath('one octet is left behind the last segment');
    const number = reader.u8();
    const count = reader.u8();
    const type = segmentNames[number];
    if (type === undefined) throw new BadAsPath(`segment type ${number}`);
    if (count === 0) throw new BadAsPath('an empty segment');
    if (count * octetsPerAsn > reader.left) throw new BadAsPath(`a segment of ${count} ASNs with ${reader.left} octets left`);
    const asns: number[] = [];
    for (let i = 0; i < count; i++) {
      const asn = octetsPerAsn === 4 ? reader.u32() : reader.u16();
      if (asn === 0) throw new BadAsPath('ASN 0');
      asns.push(asn);
    }
    segments.push({ type, asns });
  }
  return segments;
}

/** Hops as RFC 4271 section 9.1.2.2 (a) counts them: a set is one, confederation segments are none (RFC 5065 section 5.3). */
export function countHops(segments: readonly AsPathSegment[]): number {
  let hops = 0;
  for (const segment of segments) {
    if (segment.type === 'AS_SEQUENCE') hops += segment.asns.length;
    else if (segment.type === 'AS_SET') hops += 1;
  }
  return hops;
}

/**
 * RFC 6793 section 4.2.3: the real path behind what a 2-octet speaker sent us. The leading hops of AS_PATH that
 * AS4_PATH lacks, then AS4_PATH; AS_PATH alone if AS4_PATH is longer.
 */
export function mergeAs4Path(asPath: readonly AsPathSegment[], as4Path: readonly AsPathSegment[]): readonly AsPathSegment[] {
  let keep = countHops(asPath) - countHops(as4Path);
  if (keep < 0) return asPath;
  const merged: AsPathSegment[] = [];
  for (const segment of asPath) {
    if (isConfederation(segment)) merged.push(segment);
    else if (keep === 0) break;
    else if (segment.type === 'AS_SET') {
      merged.push(segment);
      keep -= 1;
    } else {
      const asns = segment.asns.slice(0, keep);
      merged.push({ type: segment.type, asns });
      keep -= asns.length;
    }
  }
  for (const segment of as4Path) {
    const last = merged.at(-1);
    const joined = last !== undefined && last.type === 'AS_SEQUENCE' && segment.type === 'AS_SEQUENCE';
    if (joined) merged[merged.length - 1] = { type: 'AS_SEQUENCE', asns: [...last.asns, ...segment.asns] };
    else merged.push(segment);
  }
  return merged;
}

/** The path with `asn` in front, RFC 4271 section 5.1.2 (b). */
export function prependAsn(segments: readonly AsPathSegment[], asn: number): readonly AsPathSegment[] {
  const [first, ...rest] = segments;
  if (first === undefined || first.type !== 'AS_SEQUENCE' || first.asns.length >= 255) {
    return [{ type: 'AS_SEQUENCE', asns: [asn] }, ...segments];
  }
  return [{ type: 'AS_SEQUENCE', asns: [asn, ...first.asns] }, ...rest];
}

import { ShortRead, type ByteReader, type ByteWriter } from '../../net/bytes.ts';
import { ipv4FromNumber, ipv4ToNumber, type IpAddress } from '../../net/ip.ts';
import type { AsPathSegment } from '../route.ts';
import { BadAsPath, decodeSegments } from './as-path.ts';
import { errorSubcodes } from './iana.ts';
import { BadNextHop } from './mp-nlri.ts';
import { BadPrefix } from './nlri.ts';

/* What the values of Path Attributes are made of. */

const subcodes = errorSubcodes.update;

/** A value that breaks the rules of its attribute; the walk over the list knows what becomes of it (RFC 7606). */
export class BadAttribute extends Error {
  override name = 'BadAttribute';
  readonly subcode: number;
  constructor(subcode: number, detail: string) {
    super(detail);
    this.subcode = subcode;
  }
}

export function expectLength(value: ByteReader, length: number): void {
  if (value.left !== length) throw new BadAttribute(subcodes.attributeLength, `length ${value.left} instead of ${length}`);
}

export function decodeU32(value: ByteReader): number {
  expectLength(value, 4);
  return value.u32();
}

export function encodeIpv4(writer: ByteWriter, address: IpAddress | undefined): boolean {
  return address !== undefined && !!writer.u32(ipv4ToNumber(address));
}

export function decodeIpv4(value: ByteReader): IpAddress {
  return ipv4FromNumber(decodeU32(value));
}

export function decodeList<Item>(value: ByteReader, size: number, decodeItem: () => Item): Item[] {
  if (value.left === 0 || value.left % size !== 0) {
    throw new BadAttribute(subcodes.attributeLength, `length ${value.left} is no multiple of ${size}`);
  }
  const items: Item[] = [];
  while (value.left > 0) items.push(decodeItem());
  return items;
}

export function readSegments(value: ByteReader, octetsPerAsn: 2 | 4): AsPathSegment[] {
  try {
    return decodeSegments(value, octetsPerAsn);
  } catch (error) {
    if (error instanceof BadAsPath) throw new BadAttribute(subcodes.malformedAsPath, error.message);
    throw error;
  }
}

/** RFC 4760 section 7: whatever is wrong inside is an Optional Attribute Error. */
export function readMp<Value>(decode: () => Value): Value {
  try {
    return decode();
  } catch (error) {
    if (error instanceof BadPrefix || error instanceof BadNextHop || error instanceof ShortRead) {
      throw new BadAttribute(subcodes.optionalAttribute, error.message);
    }
    throw error;
  }
}

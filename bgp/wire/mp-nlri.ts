import { assert } from '../../net/assert.ts';
import type { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { ipFromBytes, isIpv4, isLinkLocal, type Family, type IpAddress } from '../../net/ip.ts';
import { afis, safis } from './iana.ts';
import type { AfiSafi, CodecContext, MpReach, MpUnreach } from './messages.ts';
import { decodePrefixes, encodeAddress, encodePrefixes } from './nlri.ts';

/*
 * RFC 4760 sections 3 and 4, RFC 2545 section 3
 *
 *   MP_REACH_NLRI     AFI 2 | SAFI 1 | Length of Next Hop 1 | Next Hop | Reserved 1 | NLRI
 *   MP_UNREACH_NLRI   AFI 2 | SAFI 1 | Withdrawn Routes
 *
 *   Next Hop: 4 octets for IPv4; for IPv6, and with RFC 8950 for IPv4, 16 (global), or 32 (global, link-local)
 */

/** A next hop field that its family does not allow. */
export class BadNextHop extends Error {
  override name = 'BadNextHop';
}

const spoken: readonly (AfiSafi & { readonly family: Family })[] = [
  { family: 'ipv4-unicast', afi: afis.ipv4, safi: safis.unicast },
  { family: 'ipv6-unicast', afi: afis.ipv6, safi: safis.unicast },
];

/** The numbers of a family. */
export function afiSafiOf(family: Family): AfiSafi {
  const { afi, safi } = family === 'ipv4-unicast' ? (spoken[0] as AfiSafi) : (spoken[1] as AfiSafi);
  return { afi, safi };
}

/** @returns `undefined` for a family that landfall does not speak. */
export function familyOfAfiSafi({ afi, safi }: AfiSafi): Family | undefined {
  return spoken.find((entry) => entry.afi === afi && entry.safi === safi)?.family;
}

export function encodeMpReach(writer: ByteWriter, value: MpReach): void {
  const { nextHop, linkLocalNextHop } = value;
  assert(nextHop !== undefined, 'an MP_REACH_NLRI that we write has a next hop');
  assert(value.afi === afis.ipv4 || !isIpv4(nextHop), 'IPv6 routes have an IPv6 next hop');
  const octets = isIpv4(nextHop) ? 4 : linkLocalNextHop === undefined ? 16 : 32;
  writer.u16(value.afi).u8(value.safi).u8(octets);
  encodeAddress(writer, nextHop);
  if (octets === 32) encodeAddress(writer, linkLocalNextHop as IpAddress);
  writer.u8(0);
  encodePrefixes(writer, value.nlri, value.pathIds);
}

/**
 * Throws ShortRead, BadPrefix or {@link BadNextHop}. Of a family that we don't speak, or that was not agreed on, only its numbers are
 * read. An IPv6 next hop for IPv4 that was not agreed on gives routes without a next hop.
 */
export function decodeMpReach(value: ByteReader, context: CodecContext): MpReach {
  const afi = value.u16();
  const safi = value.u8();
  const nextHop = value.sub(value.u8());
  value.u8();
  const family = agreedFamily({ afi, safi }, context);
  if (family === undefined) {
    value.rest();
    return { afi, safi, nextHop: undefined, nlri: [] };
  }
  const hop = decodeNextHop(nextHop, family, context);
  const pathIds = pathIdsOf(family, context);
  const nlri = decodePrefixes(value, family === 'ipv4-unicast' ? 4 : 16, pathIds);
  return { afi, safi, ...hop, nlri, ...(pathIds === undefined ? {} : { pathIds }) };
}

function decodeNextHop(field: ByteReader, family: Family, context: CodecContext): Pick<MpReach, 'nextHop' | 'linkLocalNextHop'> {
  const octets = field.left;
  const ipv4 = family === 'ipv4-unicast';
  if (ipv4 && octets === 4) return { nextHop: ipFromBytes(field.bytes, field.offset, 4) };
  if (octets !== 16 && octets !== 32) throw new BadNextHop(`a next hop of ${octets} octets for ${family}`);
  if (ipv4 && context.extendedNextHop !== true) return { nextHop: undefined };
  const global = ipFromBytes(field.bytes, field.offset, 16);
  const second = octets === 32 ? ipFromBytes(field.bytes, field.offset + 16, 16) : undefined;
  // Some routers fill the second half with zeros: no address, so none is given. Others have no global one.
  if (second === undefined || !isLinkLocal(second)) return { nextHop: global };
  return global === '::' ? { nextHop: second } : { nextHop: global, linkLocalNextHop: second };
}

export function encodeMpUnreach(writer: ByteWriter, value: MpUnreach): void {
  writer.u16(value.afi).u8(value.safi);
  encodePrefixes(writer, value.withdrawn, value.pathIds);
}

/** Throws ShortRead or BadPrefix. */
export function decodeMpUnreach(value: ByteReader, context: CodecContext): MpUnreach {
  const afi = value.u16();
  const safi = value.u8();
  const family = agreedFamily({ afi, safi }, context);
  if (family === undefined) {
    value.rest();
    return { afi, safi, withdrawn: [] };
  }
  const pathIds = pathIdsOf(family, context);
  const withdrawn = decodePrefixes(value, family === 'ipv4-unicast' ? 4 : 16, pathIds);
  return { afi, safi, withdrawn, ...(pathIds === undefined ? {} : { pathIds }) };
}

/** RFC 4760 section 8: what was not agreed on is not spoken. */
function agreedFamily(numbers: AfiSafi, { families }: CodecContext): Family | undefined {
  const family = familyOfAfiSafi(numbers);
  return family !== undefined && families?.includes(family) !== false ? family : undefined;
}

function pathIdsOf(family: Family, { addPath }: CodecContext): number[] | undefined {
  return addPath?.includes(family) === true ? [] : undefined;
}

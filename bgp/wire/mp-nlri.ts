import { assert } from '../../net/assert.ts';
import type { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { ipFromBytes, isIpv4, isLinkLocal, type Family, type IpAddress } from '../../net/ip.ts';
import { afis, safis } from './iana.ts';
import type { AfiSafi, MpReach, MpUnreach } from './messages.ts';
import { decodePrefixes, encodeAddress, encodePrefix } from './nlri.ts';

/*
 * RFC 4760 sections 3 and 4, RFC 2545 section 3
 *
 *   MP_REACH_NLRI     AFI 2 | SAFI 1 | Length of Next Hop 1 | Next Hop | Reserved 1 | NLRI
 *   MP_UNREACH_NLRI   AFI 2 | SAFI 1 | Withdrawn Routes
 *
 *   Next Hop: 4 octets for IPv4; for IPv6 16 (global), or 32 (global, link-local)
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
  assert(isIpv4(nextHop) === (value.afi === afis.ipv4), 'the next hop is of the family of its routes');
  const octets = value.afi === afis.ipv4 ? 4 : linkLocalNextHop === undefined ? 16 : 32;
  writer.u16(value.afi).u8(value.safi).u8(octets);
  encodeAddress(writer, nextHop);
  if (octets === 32) encodeAddress(writer, linkLocalNextHop as IpAddress);
  writer.u8(0);
  for (const prefix of value.nlri) encodePrefix(writer, prefix);
}

/** Throws ShortRead, BadPrefix or {@link BadNextHop}. Of a family that we don't speak only its numbers are read. */
export function decodeMpReach(value: ByteReader): MpReach {
  const afi = value.u16();
  const safi = value.u8();
  const nextHop = value.sub(value.u8());
  value.u8();
  const family = familyOfAfiSafi({ afi, safi });
  if (family === undefined) {
    value.rest();
    return { afi, safi, nextHop: undefined, nlri: [] };
  }
  const size = family === 'ipv4-unicast' ? 4 : 16;
  const octets = nextHop.left;
  if (octets !== size && !(size === 16 && octets === 32)) throw new BadNextHop(`a next hop of ${octets} octets for ${family}`);
  const global = ipFromBytes(nextHop.bytes, nextHop.offset, size);
  const linkLocal = octets === 32 ? ipFromBytes(nextHop.bytes, nextHop.offset + 16, 16) : undefined;
  const nlri = decodePrefixes(value, size);
  // Some routers fill the second half with zeros: no address, so none is given.
  return linkLocal !== undefined && isLinkLocal(linkLocal)
    ? { afi, safi, nextHop: global, linkLocalNextHop: linkLocal, nlri }
    : { afi, safi, nextHop: global, nlri };
}

export function encodeMpUnreach(writer: ByteWriter, value: MpUnreach): void {
  writer.u16(value.afi).u8(value.safi);
  for (const prefix of value.withdrawn) encodePrefix(writer, prefix);
}

/** Throws ShortRead or BadPrefix. */
export function decodeMpUnreach(value: ByteReader): MpUnreach {
  const afi = value.u16();
  const safi = value.u8();
  const family = familyOfAfiSafi({ afi, safi });
  if (family !== undefined) return { afi, safi, withdrawn: decodePrefixes(value, family === 'ipv4-unicast' ? 4 : 16) };
  value.rest();
  return { afi, safi, withdrawn: [] };
}

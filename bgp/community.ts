import type { Community, LargeCommunity } from './route.ts';

/** The value, or what is wrong with the text in words for the operator. */
export type ParsedCommunity<Value> = { readonly value: Value } | { readonly error: string };

const high = 0xffff0000;

/** Well-known communities by the names that routers use for them: IANA, BGP Well-known Communities. */
export const wellKnownCommunities: Readonly<Record<string, Community>> = {
  'graceful-shutdown': high, // RFC 8326
  'accept-own': high + 1, // RFC 7611
  'llgr-stale': high + 6, // RFC 9494
  'no-llgr': high + 7, // RFC 9494
  blackhole: high + 666, // RFC 7999
  'no-export': high + 0xff01, // RFC 1997
  'no-advertise': high + 0xff02, // RFC 1997
  'local-as': high + 0xff03, // RFC 1997, NO_EXPORT_SUBCONFED
  'no-peer': high + 0xff04, // RFC 3765
};

const names = new Map(Object.entries(wellKnownCommunities).map(([name, value]) => [value, name]));

/** Reads `65010:200` (both 0…65535) or a well-known name (RFC 1997). */
export function parseCommunity(text: string): ParsedCommunity<Community> {
  const known = Object.hasOwn(wellKnownCommunities, text.toLowerCase()) ? wellKnownCommunities[text.toLowerCase()] : undefined;
  if (known !== undefined) return { value: known };
  const parts = /^(\d{1,10}):(\d{1,10})$/.exec(text);
  if (parts === null) {
    return { error: `a community is ASN:VALUE, for example 65010:200, or one of ${Object.keys(wellKnownCommunities).join(', ')}` };
  }
  const [asn, value] = [Number(parts[1]), Number(parts[2])];
  if (asn > 0xffff && asn <= 0xffffffff) {
    return { error: `${asn} is a 4-byte ASN and does not fit into a standard community; use a large one: ${asn}:9:${value}` };
  }
  if (asn > 0xffff) return { error: `${asn} is no ASN` };
  if (value > 0xffff) return { error: `${value} is more than 65535` };
  return { value: asn * 0x10000 + value };
}

/** `65010:200`, or the name of a well-known one. */
export function formatCommunity(community: Community): string {
  return names.get(community) ?? `${community >>> 16}:${community & 0xffff}`;
}

/** Reads `65010:1:7`, each part 0…4294967295 (RFC 8092 section 5). */
export function parseLargeCommunity(text: string): ParsedCommunity<LargeCommunity> {
  const parts = /^(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(text);
  if (parts === null) return { error: 'a large community is ASN:VALUE:VALUE, for example 65010:9:200' };
  const [globalAdmin, localData1, localData2] = parts.slice(1).map(Number) as [number, number, number];
  const excess = [globalAdmin, localData1, localData2].find((part) => part > 0xffffffff);
  if (excess !== undefined) return { error: `${excess} is more than 4294967295` };
  return { value: { globalAdmin, localData1, localData2 } };
}

export function formatLargeCommunity({ globalAdmin, localData1, localData2 }: LargeCommunity): string {
  return `${globalAdmin}:${localData1}:${localData2}`;
}

import { formatCommunity, formatLargeCommunity } from '../../bgp/community.ts';
import { attributeFlags, originNames, segmentTypes } from '../../bgp/wire/iana.ts';
import { ByteReader, ShortRead } from '../../net/bytes.ts';
import { ipv4FromNumber } from '../../net/ip.ts';
import { familyName, nextHops, prefixFamily, readPrefixes } from './families.ts';
import { hexText } from './line.ts';

/** What was negotiated, as far as it changes how octets are read. */
export interface Reading {
  /** AS_PATH and AGGREGATOR carry 4-octet ASNs. */
  readonly as4: boolean;
  /** Families whose NLRI bears path identifiers, as {@link familyName} spells them (RFC 7911). */
  readonly addPath: ReadonlySet<string>;
  /** An entry of a table dump, whose MP_REACH_NLRI holds the next hop alone (RFC 6396 section 4.3.4); some writers put in all of it. */
  readonly tableDump?: boolean;
}

/** IANA, BGP Path Attributes: every code that has a name, also those whose value stays hex. */
const names: Readonly<Record<number, string>> = {
  1: 'ORIGIN', 2: 'AS_PATH', 3: 'NEXT_HOP', 4: 'MULTI_EXIT_DISC', 5: 'LOCAL_PREF', 6: 'ATOMIC_AGGREGATE', 7: 'AGGREGATOR', 8: 'COMMUNITIES',
  9: 'ORIGINATOR_ID', 10: 'CLUSTER_LIST', 14: 'MP_REACH_NLRI', 15: 'MP_UNREACH_NLRI', 16: 'EXTENDED_COMMUNITIES', 17: 'AS4_PATH', 18: 'AS4_AGGREGATOR',
  22: 'PMSI_TUNNEL', 23: 'TUNNEL_ENCAPSULATION', 24: 'TRAFFIC_ENGINEERING', 25: 'IPV6_EXTENDED_COMMUNITIES', 26: 'AIGP', 27: 'PE_DISTINGUISHER_LABELS',
  29: 'BGP_LS', 32: 'LARGE_COMMUNITY', 33: 'BGPSEC_PATH', 35: 'OTC', 36: 'BGP_DOMAIN_PATH', 37: 'SFP', 40: 'BGP_PREFIX_SID', 128: 'ATTR_SET',
};

const segmentNames = new Map<number, string>(Object.entries(segmentTypes).map(([name, number]) => [number, name]));

type Show = (value: ByteReader, reading: Reading) => unknown;

/** How a value is shown; a value that does not fit its attribute throws ShortRead or leaves octets, and is shown in hex. */
const shows: Readonly<Record<number, Show>> = {
  1: (value) => { const number = value.u8(); return originNames[number] ?? number; },
  2: (value, { as4 }) => segments(value, as4),
  3: ipv4,
  4: (value) => value.u32(),
  5: (value) => value.u32(),
  6: () => true,
  7: (value, { as4 }) => ({ asn: as4 ? value.u32() : value.u16(), address: ipv4(value) }),
  8: (value) => list(value, () => formatCommunity(value.u32())),
  9: ipv4,
  10: (value) => list(value, () => ipv4(value)),
  14: mpReach,
  15: mpUnreach,
  16: (value) => list(value, () => extendedCommunity(value.slice(8))),
  17: (value) => segments(value, true),
  18: (value) => ({ asn: value.u32(), address: ipv4(value) }),
  32: (value) => list(value, () => formatLargeCommunity({ globalAdmin: value.u32(), localData1: value.u32(), localData2: value.u32() })),
  35: (value) => value.u32(),
};

/** The attributes of a field by name, as far as the list can be walked. One that comes twice is shown as it came first. */
export function showAttributes(field: Uint8Array, reading: Reading): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  const unknown: unknown[] = [];
  for (const { flags, code, value } of walkAttributes(field)) {
    const name = names[code];
    const known = shows[code] === undefined ? undefined : showValue(shows[code], value, reading);
    if (name !== undefined && !(name in shown)) shown[name] = known ?? { hex: hexText(value) };
    else if (name === undefined) unknown.push({ code, flags: flagNames(flags), hex: hexText(value) });
  }
  if (unknown.length > 0) shown['unknown'] = unknown;
  return shown;
}

export interface RawAttribute {
  readonly flags: number;
  readonly code: number;
  readonly value: Uint8Array;
}

/** RFC 4271 section 4.3: flags 1, type code 1, length 1 or 2, value. Ends where the list can't be walked. */
export function* walkAttributes(field: Uint8Array): Generator<RawAttribute> {
  const reader = new ByteReader(field);
  while (reader.left >= 3) {
    const flags = reader.u8();
    const code = reader.u8();
    const long = (flags & attributeFlags.extendedLength) !== 0;
    if (long && reader.left < 2) return;
    const length = long ? reader.u16() : reader.u8();
    if (length > reader.left) return;
    yield { flags, code, value: reader.slice(length) };
  }
}

function showValue(show: Show, value: Uint8Array, reading: Reading): unknown {
  const reader = new ByteReader(value);
  try {
    const shown = show(reader, reading);
    return reader.left === 0 ? shown : undefined;
  } catch (error) {
    if (error instanceof ShortRead) return undefined;
    throw error;
  }
}

function flagNames(flags: number): string[] {
  return Object.entries(attributeFlags).filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name);
}

function ipv4(value: ByteReader): string {
  return ipv4FromNumber(value.u32());
}

function list<Item>(value: ByteReader, read: () => Item): Item[] {
  const items: Item[] = [];
  while (value.left > 0) items.push(read());
  return items;
}

function segments(value: ByteReader, as4: boolean): unknown[] {
  return list(value, () => {
    const number = value.u8();
    const count = value.u8();
    const asns: number[] = [];
    for (let i = 0; i < count; i++) asns.push(as4 ? value.u32() : value.u16());
    return { type: segmentNames.get(number) ?? number, asns };
  });
}

function mpReach(value: ByteReader, { addPath, tableDump }: Reading): unknown {
  // A whole attribute begins with the upper octet of an AFI, which is no length of a next hop.
  if (tableDump === true && value.left > 1 && value.bytes[value.offset] === value.left - 1) return { nextHop: nextHops(value.slice(value.u8())) };
  const afi = value.u16();
  const safi = value.u8();
  const nextHop = value.slice(value.u8());
  value.u8();
  return { ...family(afi, safi), nextHop: nextHops(nextHop), ...(nextHops(nextHop).length === 0 ? { nextHopHex: hexText(nextHop) } : {}), ...nlri('nlri', value, afi, safi, addPath) };
}

function mpUnreach(value: ByteReader, { addPath }: Reading): unknown {
  const afi = value.u16();
  const safi = value.u8();
  return { ...family(afi, safi), ...nlri('withdrawn', value, afi, safi, addPath) };
}

function family(afi: number, safi: number): Record<string, unknown> {
  return { afi, safi, family: familyName(afi, safi) };
}

function nlri(name: 'nlri' | 'withdrawn', value: ByteReader, afi: number, safi: number, addPath: ReadonlySet<string>): Record<string, unknown> {
  const field = value.rest();
  const size = prefixFamily(afi, safi);
  if (size === undefined) return { [name]: [], hex: hexText(field) };
  const { prefixes, rest } = readPrefixes(field, size, addPath.has(familyName(afi, safi)));
  return rest === undefined ? { [name]: prefixes } : { [name]: prefixes, hex: rest };
}

/** RFC 4360, RFC 5668, RFC 7153: route target and route origin as people write them; others in hex. */
function extendedCommunity(octets: Uint8Array): string {
  const reader = new ByteReader(octets);
  const type = reader.u8();
  const subtype = reader.u8();
  const name = subtype === 2 ? 'rt' : subtype === 3 ? 'ro' : undefined;
  if (name === undefined) return hexText(octets);
  switch (type & 0x3f) {
    case 0: return `${name}:${reader.u16()}:${reader.u32()}`;
    case 1: return `${name}:${ipv4(reader)}:${reader.u16()}`;
    case 2: return `${name}:${reader.u32()}:${reader.u16()}`;
    default: return hexText(octets);
  }
}

import { ShortRead, type ByteReader, type ByteWriter } from '../../net/bytes.ts';
import { ipv4FromNumber, ipv4ToNumber, isUnusable, type IpAddress } from '../../net/ip.ts';
import type { AsPathSegment } from '../route.ts';
import { BadAsPath, decodeSegments, encodeSegments, isConfederation } from './as-path.ts';
import type { attributeCodes as codes} from './iana.ts';
import { AS_TRANS, attributeFlags, errorSubcodes, originNames } from './iana.ts';
import type { CodecContext, PathAttributes } from './messages.ts';
import { BadNextHop, decodeMpReach, decodeMpUnreach, encodeMpReach, encodeMpUnreach } from './mp-nlri.ts';
import { BadPrefix } from './nlri.ts';

const subcodes = errorSubcodes.update;

/** A value that breaks the rules of its attribute; the walk over the list turns it into a BgpError 3/`subcode`. */
export class BadAttribute extends Error {
  override name = 'BadAttribute';
  readonly subcode: number;
  constructor(subcode: number, detail: string) {
    super(detail);
    this.subcode = subcode;
  }
}

/** What the walk fills in; the two attributes of RFC 6793 for 2-octet speakers are merged away at its end. */
export type AttributeDraft = { -readonly [Key in keyof PathAttributes]: PathAttributes[Key] } & {
  as4Path?: readonly AsPathSegment[];
  as4Aggregator?: NonNullable<PathAttributes['aggregator']>;
};

/** What a decoder must know beside the octets. */
export interface AttributeContext extends CodecContext {
  /** The UPDATE has an NLRI field; without one NEXT_HOP is ignored, whatever it says (RFC 4760 section 3). */
  readonly hasNlri: boolean;
}

export interface AttributeCodec {
  readonly name: keyof typeof codes;
  /** Optional and Transitive, as the RFC of the attribute fixes them. */
  readonly flags: number;
  /** Writes the value. @returns false, with nothing written, if the attribute is not there. */
  readonly encode: (writer: ByteWriter, attributes: PathAttributes, context: CodecContext) => boolean;
  readonly decode: (draft: AttributeDraft, value: ByteReader, context: AttributeContext) => void;
}

const wellKnown = attributeFlags.transitive;
const optionalNonTransitive = attributeFlags.optional;
const optionalTransitive = attributeFlags.optional | attributeFlags.transitive;

/** RFC 4271 section 4.3 and those named in each row, in the order in which they are written: ascending type codes. */
export const attributeTable: readonly AttributeCodec[] = [
  {
    name: 'ORIGIN',
    flags: wellKnown,
    encode: (writer, { origin }) => origin !== undefined && !!writer.u8(originNames.indexOf(origin)),
    decode: (draft, value) => {
      expectLength(value, 1);
      const number = value.u8();
      const origin = originNames[number];
      if (origin === undefined) throw new BadAttribute(subcodes.invalidOrigin, `ORIGIN ${number}`);
      draft.origin = origin;
    },
  },
  {
    name: 'AS_PATH',
    flags: wellKnown,
    encode: (writer, { asPath }, { fourOctetAs }) => {
      if (asPath === undefined) return false;
      encodeSegments(writer, asPath, fourOctetAs ? 4 : 2);
      return true;
    },
    decode: (draft, value, { fourOctetAs, ibgp }) => {
      const asPath = readSegments(value, fourOctetAs ? 4 : 2);
      // RFC 5065 section 5: only a member of our own confederation may send its segments.
      if (!ibgp && asPath.some(isConfederation)) throw new BadAttribute(subcodes.malformedAsPath, 'confederation segment from outside');
      draft.asPath = asPath;
    },
  },
  {
    name: 'NEXT_HOP',
    flags: wellKnown,
    encode: (writer, { nextHop }) => encodeIpv4(writer, nextHop),
    decode: (draft, value, { hasNlri }) => {
      const nextHop = decodeIpv4(value);
      if (hasNlri && isUnusable(nextHop)) throw new BadAttribute(subcodes.invalidNextHop, `${nextHop} is no host`);
      if (hasNlri) draft.nextHop = nextHop;
    },
  },
  {
    name: 'MULTI_EXIT_DISC',
    flags: optionalNonTransitive,
    encode: (writer, { med }) => med !== undefined && !!writer.u32(med),
    decode: (draft, value) => (draft.med = decodeU32(value)),
  },
  {
    name: 'LOCAL_PREF',
    flags: wellKnown,
    // RFC 4271 section 5.1.5: never to an external peer, and ignored from one.
    encode: (writer, { localPref }, { ibgp }) => localPref !== undefined && ibgp && !!writer.u32(localPref),
    decode: (draft, value, { ibgp }) => {
      const localPref = decodeU32(value);
      if (ibgp) draft.localPref = localPref;
    },
  },
  {
    name: 'ATOMIC_AGGREGATE',
    flags: wellKnown,
    encode: (_writer, { atomicAggregate }) => atomicAggregate === true,
    decode: (draft, value) => {
      expectLength(value, 0);
      draft.atomicAggregate = true;
    },
  },
  {
    name: 'AGGREGATOR',
    flags: optionalTransitive,
    encode: (writer, { aggregator }, { fourOctetAs }) => {
      if (aggregator === undefined) return false;
      if (fourOctetAs) writer.u32(aggregator.asn);
      else writer.u16(aggregator.asn > 0xffff ? AS_TRANS : aggregator.asn);
      return encodeIpv4(writer, aggregator.address);
    },
    decode: (draft, value, { fourOctetAs }) => {
      expectLength(value, fourOctetAs ? 8 : 6);
      draft.aggregator = { asn: fourOctetAs ? value.u32() : value.u16(), address: ipv4FromNumber(value.u32()) };
    },
  },
  {
    name: 'COMMUNITIES',
    flags: optionalTransitive, // RFC 1997
    encode: (writer, { communities }) => {
      if (communities === undefined || communities.length === 0) return false;
      for (const community of communities) writer.u32(community);
      return true;
    },
    decode: (draft, value) => (draft.communities = decodeList(value, 4, () => value.u32())),
  },
  {
    name: 'ORIGINATOR_ID',
    flags: optionalNonTransitive, // RFC 4456 section 8
    encode: (writer, { originatorId }, { ibgp }) => ibgp && encodeIpv4(writer, originatorId),
    decode: (draft, value, { ibgp }) => {
      const originatorId = decodeIpv4(value);
      if (ibgp) draft.originatorId = originatorId;
    },
  },
  {
    name: 'CLUSTER_LIST',
    flags: optionalNonTransitive, // RFC 4456 section 8
    encode: (writer, { clusterList }, { ibgp }) => {
      if (!ibgp || clusterList === undefined || clusterList.length === 0) return false;
      for (const cluster of clusterList) encodeIpv4(writer, cluster);
      return true;
    },
    decode: (draft, value, { ibgp }) => {
      const clusterList = decodeList(value, 4, () => ipv4FromNumber(value.u32()));
      if (ibgp) draft.clusterList = clusterList;
    },
  },
  {
    name: 'MP_REACH_NLRI',
    flags: optionalNonTransitive, // RFC 4760 section 3
    encode: (writer, { mpReach }) => {
      if (mpReach === undefined) return false;
      encodeMpReach(writer, mpReach);
      return true;
    },
    decode: (draft, value) => (draft.mpReach = readMp(() => decodeMpReach(value))),
  },
  {
    name: 'MP_UNREACH_NLRI',
    flags: optionalNonTransitive, // RFC 4760 section 4
    encode: (writer, { mpUnreach }) => {
      if (mpUnreach === undefined) return false;
      encodeMpUnreach(writer, mpUnreach);
      return true;
    },
    decode: (draft, value) => (draft.mpUnreach = readMp(() => decodeMpUnreach(value))),
  },
  {
    name: 'AS4_PATH',
    flags: optionalTransitive, // RFC 6793 section 3
    encode: (writer, { asPath }, { fourOctetAs }) => {
      if (fourOctetAs || asPath === undefined || !asPath.some(({ asns }) => asns.some((asn) => asn > 0xffff))) return false;
      encodeSegments(writer, asPath.filter((segment) => !isConfederation(segment)), 4);
      return true;
    },
    decode: (draft, value) => (draft.as4Path = readSegments(value, 4).filter((segment) => !isConfederation(segment))),
  },
  {
    name: 'AS4_AGGREGATOR',
    flags: optionalTransitive, // RFC 6793 section 3
    encode: (writer, { aggregator }, { fourOctetAs }) =>
      !fourOctetAs && aggregator !== undefined && aggregator.asn > 0xffff && encodeIpv4(writer.u32(aggregator.asn), aggregator.address),
    decode: (draft, value) => {
      expectLength(value, 8);
      draft.as4Aggregator = { asn: value.u32(), address: ipv4FromNumber(value.u32()) };
    },
  },
  {
    name: 'LARGE_COMMUNITY',
    flags: optionalTransitive, // RFC 8092 section 3
    encode: (writer, { largeCommunities }) => {
      if (largeCommunities === undefined || largeCommunities.length === 0) return false;
      for (const { globalAdmin, localData1, localData2 } of largeCommunities) writer.u32(globalAdmin).u32(localData1).u32(localData2);
      return true;
    },
    decode: (draft, value) => {
      draft.largeCommunities = decodeList(value, 12, () => ({ globalAdmin: value.u32(), localData1: value.u32(), localData2: value.u32() }));
    },
  },
];

function expectLength(value: ByteReader, length: number): void {
  if (value.left !== length) throw new BadAttribute(subcodes.attributeLength, `length ${value.left} instead of ${length}`);
}

function decodeU32(value: ByteReader): number {
  expectLength(value, 4);
  return value.u32();
}

function encodeIpv4(writer: ByteWriter, address: IpAddress | undefined): boolean {
  return address !== undefined && !!writer.u32(ipv4ToNumber(address));
}

function decodeIpv4(value: ByteReader): IpAddress {
  return ipv4FromNumber(decodeU32(value));
}

function decodeList<Item>(value: ByteReader, size: number, decodeItem: () => Item): Item[] {
  if (value.left === 0 || value.left % size !== 0) {
    throw new BadAttribute(subcodes.attributeLength, `length ${value.left} is no multiple of ${size}`);
  }
  const items: Item[] = [];
  while (value.left > 0) items.push(decodeItem());
  return items;
}

function readSegments(value: ByteReader, octetsPerAsn: 2 | 4): AsPathSegment[] {
  try {
    return decodeSegments(value, octetsPerAsn);
  } catch (error) {
    if (error instanceof BadAsPath) throw new BadAttribute(subcodes.malformedAsPath, error.message);
    throw error;
  }
}

/** RFC 4760 section 7: whatever is wrong inside is an Optional Attribute Error. */
function readMp<Value>(decode: () => Value): Value {
  try {
    return decode();
  } catch (error) {
    if (error instanceof BadPrefix || error instanceof BadNextHop || error instanceof ShortRead) {
      throw new BadAttribute(subcodes.optionalAttribute, error.message);
    }
    throw error;
  }
}

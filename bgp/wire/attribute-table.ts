import type { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { ipv4FromNumber, isUnusable } from '../../net/ip.ts';
import type { AsPathSegment } from '../route.ts';
import { encodeSegments, isConfederation, isSet } from './as-path.ts';
import { BadAttribute, decodeIpv4, decodeList, decodeU32, encodeIpv4, expectLength, readMp, readSegments } from './attribute-values.ts';
import type { attributeCodes as codes } from './iana.ts';
import { AS_TRANS, attributeFlags, errorSubcodes, originNames } from './iana.ts';
import type { CodecContext, PathAttributes, UpdateHandling } from './messages.ts';
import { decodeMpReach, decodeMpUnreach, encodeMpReach, encodeMpUnreach } from './mp-nlri.ts';

const subcodes = errorSubcodes.update;

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
  /** Without it there is nothing to write. */
  readonly field: keyof PathAttributes;
  /** Optional and Transitive, as the RFC of the attribute fixes them. */
  readonly flags: number;
  /** What becomes of an UPDATE in which the value is malformed (RFC 7606 section 7). */
  readonly malformed: UpdateHandling;
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
    field: 'origin',
    flags: wellKnown,
    malformed: 'treat-as-withdraw',
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
    field: 'asPath',
    flags: wellKnown,
    malformed: 'treat-as-withdraw',
    encode: (writer, { asPath }, { fourOctetAs }) => {
      if (asPath === undefined) return false;
      encodeSegments(writer, asPath, fourOctetAs ? 4 : 2);
      return true;
    },
    decode: (draft, value, { fourOctetAs, ibgp, peerAsn }) => {
      const asPath = readSegments(value, fourOctetAs ? 4 : 2);
      // RFC 5065 section 5: only a member of our own confederation may send its segments.
      if (!ibgp && asPath.some(isConfederation)) throw new BadAttribute(subcodes.malformedAsPath, 'confederation segment from outside');
      draft.asPath = asPath; // what is refused below can be read, and shown
      refuseSets(asPath);
      if (peerAsn !== undefined && asPath[0]?.asns[0] !== peerAsn) {
        throw new BadAttribute(subcodes.malformedAsPath, `the path does not begin with the peer's AS ${peerAsn}`);
      }
    },
  },
  {
    name: 'NEXT_HOP',
    field: 'nextHop',
    flags: wellKnown,
    malformed: 'treat-as-withdraw',
    encode: (writer, { nextHop }) => encodeIpv4(writer, nextHop),
    decode: (draft, value, { hasNlri }) => {
      const nextHop = decodeIpv4(value);
      if (hasNlri && isUnusable(nextHop)) throw new BadAttribute(subcodes.invalidNextHop, `${nextHop} is no host`);
      if (hasNlri) draft.nextHop = nextHop;
    },
  },
  {
    name: 'MULTI_EXIT_DISC',
    field: 'med',
    flags: optionalNonTransitive,
    malformed: 'treat-as-withdraw',
    encode: (writer, { med }) => med !== undefined && !!writer.u32(med),
    decode: (draft, value) => (draft.med = decodeU32(value)),
  },
  {
    name: 'LOCAL_PREF',
    field: 'localPref',
    flags: wellKnown,
    malformed: 'treat-as-withdraw',
    // RFC 4271 section 5.1.5: never to an external peer, and ignored from one.
    encode: (writer, { localPref }, { ibgp }) => localPref !== undefined && ibgp && !!writer.u32(localPref),
    decode: (draft, value, { ibgp }) => {
      if (ibgp) draft.localPref = decodeU32(value);
    },
  },
  {
    name: 'ATOMIC_AGGREGATE',
    field: 'atomicAggregate',
    flags: wellKnown,
    malformed: 'attribute-discard',
    encode: (_writer, { atomicAggregate }) => atomicAggregate === true,
    decode: (draft, value) => {
      expectLength(value, 0);
      draft.atomicAggregate = true;
    },
  },
  {
    name: 'AGGREGATOR',
    field: 'aggregator',
    flags: optionalTransitive,
    malformed: 'attribute-discard',
    encode: (writer, { aggregator }, { fourOctetAs }) => {
      if (aggregator === undefined) return false;
      if (fourOctetAs) writer.u32(aggregator.asn);
      else writer.u16(aggregator.asn > 0xffff ? AS_TRANS : aggregator.asn);
      return encodeIpv4(writer, aggregator.address);
    },
    decode: (draft, value, { fourOctetAs }) => {
      expectLength(value, fourOctetAs ? 8 : 6);
      draft.aggregator = { asn: someAsn(fourOctetAs ? value.u32() : value.u16()), address: ipv4FromNumber(value.u32()) };
    },
  },
  {
    name: 'COMMUNITIES',
    field: 'communities',
    flags: optionalTransitive, // RFC 1997
    malformed: 'treat-as-withdraw',
    encode: (writer, { communities }) => {
      if (communities === undefined || communities.length === 0) return false;
      for (const community of communities) writer.u32(community);
      return true;
    },
    decode: (draft, value) => (draft.communities = decodeList(value, 4, () => value.u32())),
  },
  {
    name: 'ORIGINATOR_ID',
    field: 'originatorId',
    flags: optionalNonTransitive, // RFC 4456 section 8
    malformed: 'treat-as-withdraw',
    encode: (writer, { originatorId }, { ibgp }) => ibgp && encodeIpv4(writer, originatorId),
    decode: (draft, value, { ibgp }) => {
      if (ibgp) draft.originatorId = decodeIpv4(value);
    },
  },
  {
    name: 'CLUSTER_LIST',
    field: 'clusterList',
    flags: optionalNonTransitive, // RFC 4456 section 8
    malformed: 'treat-as-withdraw',
    encode: (writer, { clusterList }, { ibgp }) => {
      if (!ibgp || clusterList === undefined || clusterList.length === 0) return false;
      for (const cluster of clusterList) encodeIpv4(writer, cluster);
      return true;
    },
    decode: (draft, value, { ibgp }) => {
      if (ibgp) draft.clusterList = decodeList(value, 4, () => ipv4FromNumber(value.u32()));
    },
  },
  {
    name: 'MP_REACH_NLRI',
    field: 'mpReach',
    flags: optionalNonTransitive, // RFC 4760 section 3
    malformed: 'session-reset',
    encode: (writer, { mpReach }) => {
      if (mpReach === undefined) return false;
      encodeMpReach(writer, mpReach);
      return true;
    },
    decode: (draft, value, context) => (draft.mpReach = readMp(() => decodeMpReach(value, context))),
  },
  {
    name: 'MP_UNREACH_NLRI',
    field: 'mpUnreach',
    flags: optionalNonTransitive, // RFC 4760 section 4
    malformed: 'session-reset',
    encode: (writer, { mpUnreach }) => {
      if (mpUnreach === undefined) return false;
      encodeMpUnreach(writer, mpUnreach);
      return true;
    },
    decode: (draft, value, context) => (draft.mpUnreach = readMp(() => decodeMpUnreach(value, context))),
  },
  {
    name: 'EXTENDED_COMMUNITIES',
    field: 'extendedCommunities',
    flags: optionalTransitive, // RFC 4360 section 2
    malformed: 'treat-as-withdraw',
    encode: (writer, { extendedCommunities }) => extendedCommunities !== undefined && !!writer.append(extendedCommunities),
    decode: (draft, value) => {
      const octets = value.bytes.slice(value.offset, value.end);
      decodeList(value, 8, () => value.slice(8)); // what they say is of no use here, whether they are whole is
      draft.extendedCommunities = octets;
    },
  },
  {
    name: 'AS4_PATH',
    field: 'asPath',
    flags: optionalTransitive, // RFC 6793 section 3
    malformed: 'attribute-discard',
    encode: (writer, { asPath }, { fourOctetAs }) => {
      if (fourOctetAs || asPath === undefined || !asPath.some(({ asns }) => asns.some((asn) => asn > 0xffff))) return false;
      encodeSegments(writer, asPath.filter((segment) => !isConfederation(segment)), 4);
      return true;
    },
    decode: (draft, value, { fourOctetAs }) => {
      if (fourOctetAs) return; // section 4.1: it means nothing there
      const as4Path = readSegments(value, 4);
      draft.as4Path = as4Path.filter((segment) => !isConfederation(segment));
    },
  },
  {
    name: 'AS4_AGGREGATOR',
    field: 'aggregator',
    flags: optionalTransitive, // RFC 6793 section 3
    malformed: 'attribute-discard',
    encode: (writer, { aggregator }, { fourOctetAs }) =>
      !fourOctetAs && aggregator !== undefined && aggregator.asn > 0xffff && encodeIpv4(writer.u32(aggregator.asn), aggregator.address),
    decode: (draft, value, { fourOctetAs }) => {
      if (fourOctetAs) return; // section 4.1: it means nothing there
      expectLength(value, 8);
      draft.as4Aggregator = { asn: someAsn(value.u32()), address: ipv4FromNumber(value.u32()) };
    },
  },
  {
    name: 'LARGE_COMMUNITY',
    field: 'largeCommunities',
    flags: optionalTransitive, // RFC 8092 section 3
    malformed: 'treat-as-withdraw',
    encode: (writer, { largeCommunities }) => {
      if (largeCommunities === undefined || largeCommunities.length === 0) return false;
      for (const { globalAdmin, localData1, localData2 } of largeCommunities) writer.u32(globalAdmin).u32(localData1).u32(localData2);
      return true;
    },
    decode: (draft, value) => {
      draft.largeCommunities = decodeList(value, 12, () => ({ globalAdmin: value.u32(), localData1: value.u32(), localData2: value.u32() }));
    },
  },
  {
    name: 'OTC',
    field: 'onlyToCustomer',
    flags: optionalTransitive, // RFC 9234 section 5
    malformed: 'treat-as-withdraw',
    encode: (writer, { onlyToCustomer }) => onlyToCustomer !== undefined && !!writer.u32(onlyToCustomer),
    decode: (draft, value) => (draft.onlyToCustomer = decodeU32(value)),
  },
];

/** RFC 9774 section 3: a path with a set in it is nobody's any more. */
export function refuseSets(asPath: readonly AsPathSegment[]): void {
  if (asPath.some(isSet)) throw new BadAttribute(subcodes.malformedAsPath, 'an AS_SET');
}

/** RFC 7607 section 2. */
function someAsn(asn: number): number {
  if (asn === 0) throw new BadAttribute(subcodes.optionalAttribute, 'ASN 0');
  return asn;
}

import { BgpError } from '../../bgp/errors.ts';
import { headerLength } from '../../bgp/wire/header.ts';
import { attributeCodes, errorCodes, messageTypes } from '../../bgp/wire/iana.ts';
import { decodeMessage } from '../../bgp/wire/message.ts';
import { describeError, describeNotification, shutdownCommunication, unwrapHardReset } from '../../bgp/wire/notification.ts';
import { ByteReader } from '../../net/bytes.ts';
import { families as spoken } from '../../net/ip.ts';
import { type RawAttribute, showAttributes, walkAttributes } from './attributes.ts';
import { familyName, readPrefixes, type ShownPrefix } from './families.ts';
import { hexText, type Line, type MessageError } from './line.ts';
import { showOpen, type OpenFacts } from './open.ts';

/** What is known of the session that a message belongs to. */
export interface MessageReading {
  /** `undefined`: not known; then the AS_PATH itself tells, for a segment fits one width only. */
  readonly as4: boolean | undefined;
  /** `undefined`: not known; then LOCAL_PREF and the attributes of route reflection tell. */
  readonly ibgp: boolean | undefined;
  /** 4096, or 65535 with RFC 8654. */
  readonly maxMessageLength: number;
  /** An IPv6 next hop for IPv4 is agreed on (RFC 8950), or may be. */
  readonly extendedNextHop: boolean;
  readonly addPath: ReadonlySet<string>;
}

/** One message as a line, and what an OPEN means for those after it. */
export interface ShownMessage {
  readonly line: Line;
  readonly open?: OpenFacts;
}

const typeNames = new Map<number, string>(Object.entries(messageTypes).map(([name, number]) => [number, name]));

/** Shows one message (header included) as far as it can be read, with its error if it is malformed. Total. */
export function showMessage(bytes: Uint8Array, reading: MessageReading): ShownMessage {
  const type = bytes.length >= headerLength ? (bytes[18] as number) : undefined;
  const name = type === undefined ? null : typeNames.get(type) ?? `type ${type}`;
  const body = bytes.subarray(headerLength);
  const end = verdictOf(bytes, reading);
  switch (type) {
    case messageTypes.OPEN: {
      const { shown, facts } = showOpen(body);
      return { line: { type: name, length: bytes.length, ...shown, ...end }, open: facts };
    }
    case messageTypes.UPDATE:
      return { line: { type: name, length: bytes.length, ...showUpdate(body, reading), ...end } };
    case messageTypes.NOTIFICATION:
      return { line: { type: name, length: bytes.length, ...showNotification(body), ...end } };
    case messageTypes['ROUTE-REFRESH']:
      return { line: { type: name, length: bytes.length, ...showRouteRefresh(body), ...end } };
    case messageTypes.KEEPALIVE:
      return { line: { type: name, length: bytes.length, ...end } };
    default:
      return { line: { type: name, length: bytes.length, ...(bytes.length === 0 ? {} : { hex: hexText(bytes.subarray(0, 512)) }), ...end } };
  }
}

interface UpdateFields {
  readonly withdrawn: Uint8Array;
  readonly attributes: Uint8Array;
  readonly nlri: Uint8Array;
  /** Where the Total Path Attribute Length stands, from the start of the header. */
  readonly attributesAt: number;
}

/** RFC 4271 section 4.3, as far as the lengths agree with what is there: what is behind a length that does not fit is in no field. */
function splitUpdate(body: Uint8Array): UpdateFields {
  const reader = new ByteReader(body);
  const none = new Uint8Array(0);
  let fits = true;
  const take = (behind: number): Uint8Array => {
    const length = fits && reader.left >= 2 ? reader.u16() : reader.left + 1;
    fits = length + behind <= reader.left;
    return fits ? reader.slice(length) : none;
  };
  const withdrawn = take(2);
  const attributesAt = headerLength + reader.offset;
  const attributes = take(0);
  return { withdrawn, attributes, nlri: fits ? reader.rest() : none, attributesAt };
}

function showUpdate(body: Uint8Array, reading: MessageReading): Record<string, unknown> {
  const { withdrawn, attributes, nlri } = splitUpdate(body);
  const as4 = reading.as4 ?? guessAs4(attributes);
  const shown = showAttributes(attributes, { as4, addPath: reading.addPath });
  const addPath = reading.addPath.has('ipv4-unicast');
  return {
    ...endOfRib(body, shown), ...(reading.as4 === undefined ? { as4 } : {}),
    ...prefixes('withdrawn', withdrawn, addPath), attributes: shown, ...prefixes('nlri', nlri, addPath),
  };
}

function prefixes(name: string, field: Uint8Array, addPath: boolean): Record<string, string | ShownPrefix[]> {
  const { prefixes: shown, rest } = readPrefixes(field, 4, addPath);
  return rest === undefined ? { [name]: shown } : { [name]: shown, [`${name}Hex`]: rest };
}

/** RFC 4724 section 2. */
function endOfRib(body: Uint8Array, attributes: Record<string, unknown>): Record<string, unknown> {
  if (body.length === 4 && body.every((octet) => octet === 0)) return { endOfRib: 'ipv4-unicast' };
  const unreach = attributes['MP_UNREACH_NLRI'] as { afi?: number; safi?: number; withdrawn?: unknown[]; hex?: string } | undefined;
  if (unreach?.afi === undefined || unreach.safi === undefined || Object.keys(attributes).length !== 1) return {};
  return unreach.withdrawn?.length === 0 && (unreach.hex ?? '') === '' ? { endOfRib: familyName(unreach.afi, unreach.safi) } : {};
}

function showNotification(body: Uint8Array): Record<string, unknown> {
  if (body.length < 2) return {};
  const notification = { type: 'NOTIFICATION', code: body[0] as number, subcode: body[1] as number, data: body.subarray(2) } as const;
  const words = shutdownCommunication(unwrapHardReset(notification) ?? notification);
  return {
    code: notification.code, subcode: notification.subcode, text: describeNotification(notification),
    ...(words === undefined ? {} : { shutdownCommunication: words }), data: hexText(notification.data),
  };
}

function showRouteRefresh(body: Uint8Array): Record<string, unknown> {
  if (body.length < 4) return {};
  const reader = new ByteReader(body);
  const afi = reader.u16();
  const subtype = reader.u8();
  const safi = reader.u8();
  const subtypeName = ['request', 'BoRR', 'EoRR'][subtype];
  return { afi, safi, family: familyName(afi, safi), subtype, ...(subtypeName === undefined ? {} : { subtypeName }), ...(reader.left === 0 ? {} : { hex: hexText(reader.rest()) }) };
}

/** The verdict of the speaker's own decoder: what costs the session, or what an UPDATE may have wrong and be handled for (RFC 7606). */
function verdictOf(bytes: Uint8Array, reading: MessageReading): Record<string, unknown> {
  const update = bytes[18] === messageTypes.UPDATE ? splitUpdate(bytes.subarray(headerLength)) : undefined;
  const attributes = update === undefined ? [] : [...walkAttributes(update.attributes)];
  try {
    const message = decodeMessage(bytes, {
      fourOctetAs: reading.as4 ?? guessAs4(update?.attributes ?? new Uint8Array(0)), ibgp: reading.ibgp === true || attributes.some(isInternal),
      maxMessageLength: reading.maxMessageLength, extendedNextHop: reading.extendedNextHop, addPath: spoken.filter((family) => reading.addPath.has(family)),
    });
    const problems = message.type === 'UPDATE' ? message.problems ?? [] : [];
    const errors: MessageError[] = problems.map(({ code, subcode, offset, text, handling }) => ({ code, subcode, offset, text: describeError(code, subcode, text), handling }));
    const worst = errors.find(({ handling }) => handling === 'treat-as-withdraw') ?? errors[0];
    return { ...(worst === undefined ? {} : { error: worst }), ...(errors.length > 1 ? { errors } : {}) };
  } catch (error) {
    if (!(error instanceof BgpError)) throw error;
    const { code, subcode, offset, message } = error;
    const found: MessageError = { code, subcode, offset: offset ?? update?.attributesAt ?? 0, text: describeError(code, subcode, message) };
    return { error: code === errorCodes.update ? { ...found, handling: 'session-reset' } : found };
  }
}

/** What only an internal peer sends: such a message is read as one, whatever the session is, so that all of it is seen. */
function isInternal({ code }: RawAttribute): boolean {
  return code === attributeCodes.LOCAL_PREF || code === attributeCodes.ORIGINATOR_ID || code === attributeCodes.CLUSTER_LIST;
}

/** A segment of 2-octet ASNs has another length than one of 4-octet ASNs, so that a path that is not empty fits one of the two. */
function guessAs4(attributes: Uint8Array): boolean {
  for (const { code, value } of walkAttributes(attributes)) {
    if (code === attributeCodes.AS_PATH) return segmentsFit(value, 4) && !segmentsFit(value, 2);
    if (code === attributeCodes.AGGREGATOR && value.length !== 6) return value.length === 8;
  }
  return false;
}

function segmentsFit(value: Uint8Array, octetsPerAsn: 2 | 4): boolean {
  let at = 0;
  while (at + 2 <= value.length) at += 2 + (value[at + 1] as number) * octetsPerAsn;
  return at === value.length;
}

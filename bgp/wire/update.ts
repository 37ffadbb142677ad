import type { ByteReader } from '../../net/bytes.ts';
import { isUnusable, type Prefix } from '../../net/ip.ts';
import { BgpError } from '../errors.ts';
import { finishMessage, headerLength, startMessage } from './header.ts';
import { attributeCodes, errorCodes, errorSubcodes } from './iana.ts';
import type { CodecContext, PathAttributes, UpdateMessage, UpdateProblem } from './messages.ts';
import { BadPrefix, decodePrefixes, encodePrefixes } from './nlri.ts';
import { decodeAttributes, encodeAttributes, type Finding } from './path-attributes.ts';

/*
 * RFC 4271 section 4.3
 *
 *   Withdrawn Routes Length 2 | Withdrawn Routes | Total Path Attribute Length 2 | Path Attributes | NLRI, the rest
 */

const subcodes = errorSubcodes.update;

export function encodeUpdate(message: UpdateMessage, context: CodecContext): Uint8Array {
  const writer = startMessage('UPDATE');
  let at = writer.length;
  writer.u16(0);
  encodePrefixes(writer, message.withdrawn, message.withdrawnPathIds);
  writer.patchU16(at, writer.length - at - 2);
  at = writer.length;
  writer.u16(0);
  encodeAttributes(writer, message.attributes, context);
  writer.patchU16(at, writer.length - at - 2);
  encodePrefixes(writer, message.nlri, message.pathIds);
  return finishMessage(writer);
}

/**
 * What is wrong and not worth the session stands in `problems` (RFC 7606); the routes of a family that was not agreed on are left out.
 * @throws BgpError 3/1 (lengths that don't fit), 3/10, what `decodeAttributes` throws, and any error where no route can be found that it
 * could be held against.
 */
export function decodeUpdate(reader: ByteReader, context: CodecContext): UpdateMessage {
  const withdrawnField = field(reader, 'Withdrawn Routes', 2);
  const attributesField = field(reader, 'Total Path Attribute', 0);
  const addPath = context.addPath?.includes('ipv4-unicast') === true;
  const withdrawnPathIds = addPath ? [] : undefined;
  const pathIds = addPath ? [] : undefined;
  const withdrawn = ipv4Prefixes(withdrawnField, withdrawnPathIds);
  const hasNlri = reader.left > 0;
  const { attributes, findings, reaches, more } = decodeAttributes(attributesField, { ...context, hasNlri });
  const nlri = ipv4Prefixes(reader, pathIds);
  const problems = [...findings];
  const missing = hasNlri || reaches ? missingWellKnown(attributes, hasNlri, context) : undefined;
  // What is there and malformed is not missing, too.
  if (missing !== undefined && !findings.some(({ handling }) => handling === 'treat-as-withdraw')) problems.push(missing);
  const badHop = unusableNextHop(attributes);
  if (badHop !== undefined) problems.push(badHop);
  // RFC 7606 section 5.2: without routes nobody can tell which are meant.
  const worst = problems.find(({ handling }) => handling === 'treat-as-withdraw');
  if (worst !== undefined && more && !hasNlri && !reaches) throw worst.error;
  const spoken = context.families?.includes('ipv4-unicast') !== false;
  return {
    type: 'UPDATE', withdrawn: spoken ? withdrawn : [], attributes, nlri: spoken ? nlri : [],
    ...(withdrawnPathIds === undefined ? {} : { withdrawnPathIds }), ...(pathIds === undefined ? {} : { pathIds }),
    ...(problems.length === 0 ? {} : { problems: problems.map(problemOf) }),
  };
}

/** RFC 4271 section 6.3: a length that leaves no room for what must follow is a Malformed Attribute List. */
function field(reader: ByteReader, name: string, behind: number): ByteReader {
  const at = reader.offset;
  const length = reader.u16();
  if (length + behind > reader.left) {
    const detail = `${name} Length ${length}, ${reader.left} octets are left`;
    throw new BgpError(errorCodes.update, subcodes.malformedAttributeList, detail, undefined, at);
  }
  return reader.sub(length);
}

function ipv4Prefixes(reader: ByteReader, pathIds?: number[]): Prefix[] {
  try {
    return decodePrefixes(reader, 4, pathIds);
  } catch (error) {
    if (!(error instanceof BadPrefix)) throw error;
    throw new BgpError(errorCodes.update, subcodes.invalidNetworkField, error.message, undefined, error.offset);
  }
}

/** RFC 7606 section 3 (d). */
function missingWellKnown(attributes: PathAttributes, hasNlri: boolean, context: CodecContext): Finding | undefined {
  const missing =
    attributes.origin === undefined ? 'ORIGIN'
    : attributes.asPath === undefined ? 'AS_PATH'
    : hasNlri && attributes.nextHop === undefined ? 'NEXT_HOP'
    : context.ibgp && attributes.localPref === undefined ? 'LOCAL_PREF'
    : undefined;
  if (missing === undefined) return undefined;
  const data = Uint8Array.of(attributeCodes[missing]);
  return { handling: 'treat-as-withdraw', error: new BgpError(errorCodes.update, subcodes.missingWellKnown, `${missing} is missing`, data) };
}

/** A next hop in MP_REACH_NLRI that is no host, or of a family that was not agreed on: its routes go nowhere (RFC 8950 section 4). */
function unusableNextHop({ mpReach }: PathAttributes): Finding | undefined {
  if (mpReach === undefined || mpReach.nlri.length === 0) return undefined;
  const { nextHop } = mpReach;
  const detail = nextHop === undefined ? 'an IPv6 next hop for IPv4 that was not agreed on'
    : isUnusable(nextHop) ? `${nextHop} is no host` : undefined;
  if (detail === undefined) return undefined;
  return { handling: 'treat-as-withdraw', error: new BgpError(errorCodes.update, subcodes.invalidNextHop, `MP_REACH_NLRI: ${detail}`) };
}

function problemOf({ handling, error }: Finding): UpdateProblem {
  const { code, subcode, offset, message: text } = error;
  return { handling: handling as UpdateProblem['handling'], code, subcode, offset: offset ?? headerLength, text };
}

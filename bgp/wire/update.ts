import type { ByteReader } from '../../net/bytes.ts';
import type { Prefix } from '../../net/ip.ts';
import { BgpError } from '../errors.ts';
import { finishMessage, startMessage } from './header.ts';
import { attributeCodes, errorCodes, errorSubcodes } from './iana.ts';
import type { CodecContext, PathAttributes, UpdateMessage } from './messages.ts';
import { BadPrefix, decodePrefixes, encodePrefix } from './nlri.ts';
import { decodeAttributes, encodeAttributes } from './path-attributes.ts';

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
  for (const prefix of message.withdrawn) encodePrefix(writer, prefix);
  writer.patchU16(at, writer.length - at - 2);
  at = writer.length;
  writer.u16(0);
  encodeAttributes(writer, message.attributes, context);
  writer.patchU16(at, writer.length - at - 2);
  for (const prefix of message.nlri) encodePrefix(writer, prefix);
  return finishMessage(writer);
}

/** @throws BgpError 3/…, see `decodeAttributes`, and 3/3 (data: the type code) and 3/10. */
export function decodeUpdate(reader: ByteReader, context: CodecContext): UpdateMessage {
  const withdrawnField = field(reader, 'Withdrawn Routes', 2);
  const attributesField = field(reader, 'Total Path Attribute', 0);
  const withdrawn = ipv4Prefixes(withdrawnField);
  const attributes = decodeAttributes(attributesField, { ...context, hasNlri: reader.left > 0 });
  const nlri = ipv4Prefixes(reader);
  if (nlri.length > 0 || attributes.mpReach !== undefined) requireWellKnown(attributes, nlri.length > 0, context);
  return { type: 'UPDATE', withdrawn, attributes, nlri };
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

function ipv4Prefixes(reader: ByteReader): Prefix[] {
  try {
    return decodePrefixes(reader, 4);
  } catch (error) {
    if (!(error instanceof BadPrefix)) throw error;
    throw new BgpError(errorCodes.update, subcodes.invalidNetworkField, error.message, undefined, error.offset);
  }
}

function requireWellKnown(attributes: PathAttributes, hasNlri: boolean, context: CodecContext): void {
  const missing =
    attributes.origin === undefined ? 'ORIGIN'
    : attributes.asPath === undefined ? 'AS_PATH'
    : hasNlri && attributes.nextHop === undefined ? 'NEXT_HOP'
    : context.ibgp && attributes.localPref === undefined ? 'LOCAL_PREF'
    : undefined;
  if (missing === undefined) return;
  const data = Uint8Array.of(attributeCodes[missing]);
  throw new BgpError(errorCodes.update, subcodes.missingWellKnown, `${missing} is missing`, data);
}

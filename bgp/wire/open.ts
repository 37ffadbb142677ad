import { ByteWriter, ShortRead, type ByteReader } from '../../net/bytes.ts';
import { ipv4FromNumber, ipv4ToNumber } from '../../net/ip.ts';
import { BgpError } from '../errors.ts';
import { decodeCapabilities, encodeCapability } from './capabilities.ts';
import { finishMessage, startMessage } from './header.ts';
import { bgpVersion, errorCodes, errorSubcodes, optionalParameters } from './iana.ts';
import type { Capability, OpenMessage } from './messages.ts';

/*
 * RFC 4271 section 4.2
 *
 *   Version 1 | My Autonomous System 2 | Hold Time 2 | BGP Identifier 4 | Opt Parm Len 1 | Optional Parameters
 *   Optional Parameter:   Parm. Type 1 | Parm. Length 1 | Parm. Value
 *
 * RFC 9072, when that is too short:   … | 255 | 255 | Extended Opt. Parm Length 2 | (Parm. Type 1 | Parm. Length 2 | …) *
 */

const subcodes = errorSubcodes.open;

export function encodeOpen(message: OpenMessage): Uint8Array {
  const capabilities = new ByteWriter();
  for (const capability of message.capabilities) encodeCapability(capabilities, capability);
  const writer = startMessage('OPEN');
  writer.u8(message.version).u16(message.myAs).u16(message.holdTimeSeconds).u32(ipv4ToNumber(message.bgpIdentifier));
  const length = capabilities.length;
  if (length === 0) writer.u8(0);
  else if (length <= 253) writer.u8(length + 2).u8(optionalParameters.capabilities).u8(length);
  else {
    writer.u8(255).u8(optionalParameters.extendedLength).u16(length + 3);
    writer.u8(optionalParameters.capabilities).u16(length);
  }
  return finishMessage(writer.append(capabilities.view()));
}

/**
 * Whether the peer's ASN is the expected one is for the session to judge.
 * @throws BgpError 2/1 (data: 4, the version that we speak), 2/6, 2/3, 2/4, and 2/0 for anything that does not parse.
 */
export function decodeOpen(reader: ByteReader): OpenMessage {
  const version = reader.u8();
  if (version !== bgpVersion) {
    throw failure(subcodes.unsupportedVersionNumber, `version ${version}, we speak ${bgpVersion}`, 19, Uint8Array.of(0, bgpVersion));
  }
  const myAs = reader.u16();
  const holdTimeSeconds = reader.u16();
  if (holdTimeSeconds === 1 || holdTimeSeconds === 2) {
    throw failure(subcodes.unacceptableHoldTime, `Hold Time of ${holdTimeSeconds} s, at least 3 s is allowed`, 22);
  }
  const identifier = reader.u32();
  // RFC 6286 section 2.2: any number but 0.
  if (identifier === 0) throw failure(subcodes.badBgpIdentifier, 'BGP Identifier 0.0.0.0', 24);
  return {
    type: 'OPEN',
    version,
    myAs,
    holdTimeSeconds,
    bgpIdentifier: ipv4FromNumber(identifier),
    capabilities: decodeOptionalParameters(reader),
  };
}

function decodeOptionalParameters(reader: ByteReader): Capability[] {
  const capabilities: Capability[] = [];
  const at = reader.offset;
  let length = reader.u8();
  // RFC 9072 section 2: the type octet decides; the length before it only must not be 0.
  const extended = length !== 0 && reader.left >= 3 && reader.bytes[reader.offset] === optionalParameters.extendedLength;
  if (extended) {
    reader.u8();
    length = reader.u16();
  }
  if (length !== reader.left) {
    throw failure(subcodes.unspecific, `Optional Parameters Length ${length}, but ${reader.left} octets follow`, at);
  }
  while (reader.left > 0) {
    const start = reader.offset;
    try {
      const type = reader.u8();
      const value = reader.sub(extended ? reader.u16() : reader.u8());
      if (type !== optionalParameters.capabilities) {
        throw failure(subcodes.unsupportedOptionalParameter, `Optional Parameter ${type} is not known`, start);
      }
      for (const capability of decodeCapabilities(value)) capabilities.push(capability);
    } catch (error) {
      if (error instanceof ShortRead) throw failure(subcodes.unspecific, 'an Optional Parameter is cut short', start);
      throw error;
    }
  }
  return capabilities;
}

function failure(subcode: number, detail: string, offset: number, data?: Uint8Array): BgpError {
  return new BgpError(errorCodes.open, subcode, detail, data, offset);
}

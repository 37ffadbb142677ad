import { ByteWriter } from '../../net/bytes.ts';
import { BgpError } from '../errors.ts';
import { errorCodes, errorSubcodes, messageTypes } from './iana.ts';
import type { Message } from './messages.ts';

/*
 * RFC 4271 section 4.1
 *
 *   Marker 16 octets, all ones | Length 2 | Type 1
 */

export const headerLength = 19;

/** What is never exceeded without RFC 8654. */
export const standardMaxMessageLength = 4096;

/** With RFC 8654. */
export const extendedMaxMessageLength = 65535;

/** The shortest message of each type, header included (RFC 4271 section 6.1, RFC 2918). */
const minimumLengths: Readonly<Record<number, number>> = {
  [messageTypes.OPEN]: 29,
  [messageTypes.UPDATE]: 23,
  [messageTypes.NOTIFICATION]: 21,
  [messageTypes.KEEPALIVE]: 19,
  [messageTypes['ROUTE-REFRESH']]: 23,
};

const { connectionNotSynchronized, badMessageLength, badMessageType } = errorSubcodes.messageHeader;

/**
 * Checks the 19 octets at `at`, which the caller has. Order of the checks: marker, length, type, length for that type.
 * @returns length in octets (header included) and type, both as the field says and valid.
 * @throws BgpError 1/1, 1/2 (data: the Length field) or 1/3 (data: the Type field).
 */
export function decodeHeader(bytes: Uint8Array, at: number, maxMessageLength: number): { length: number; type: number } {
  for (let i = at; i < at + 16; i++) {
    if (bytes[i] !== 0xff) {
      throw new BgpError(errorCodes.messageHeader, connectionNotSynchronized, 'the marker is not all ones', undefined, i - at);
    }
  }
  const length = ((bytes[at + 16] as number) << 8) | (bytes[at + 17] as number);
  const type = bytes[at + 18] as number;
  // RFC 8654 section 4: OPEN and KEEPALIVE stay within 4096 octets in any case.
  const small = type === messageTypes.OPEN || type === messageTypes.KEEPALIVE;
  if (length < headerLength || length > (small ? Math.min(maxMessageLength, standardMaxMessageLength) : maxMessageLength)) {
    throw badLength(length, `length ${length} is outside ${headerLength} to ${maxMessageLength}`);
  }
  const minimum = minimumLengths[type];
  if (minimum === undefined) {
    throw new BgpError(errorCodes.messageHeader, badMessageType, `type ${type} is not known`, Uint8Array.of(type), 18);
  }
  if (length < minimum || (type === messageTypes.KEEPALIVE && length !== minimum)) {
    throw badLength(length, `length ${length} is wrong for type ${type}`);
  }
  return { length, type };
}

/** Bad Message Length; the data is the erroneous Length field. */
export function badLength(length: number, detail: string, offset = 16): BgpError {
  return new BgpError(errorCodes.messageHeader, badMessageLength, detail, Uint8Array.of(length >>> 8, length), offset);
}

/** A writer that holds the header, its length left open until {@link finishMessage}. */
export function startMessage(type: Message['type'], capacity = 256): ByteWriter {
  const writer = new ByteWriter(Math.max(capacity, headerLength));
  writer.u32(0xffffffff).u32(0xffffffff).u32(0xffffffff).u32(0xffffffff);
  return writer.u16(0).u8(messageTypes[type]);
}

/** Fills in the length. */
export function finishMessage(writer: ByteWriter): Uint8Array {
  writer.patchU16(16, writer.length);
  return writer.view();
}

import type { ByteReader } from '../../net/bytes.ts';
import { printable } from '../../net/printable.ts';
import { finishMessage, headerLength, startMessage } from './header.ts';
import { errorCodes, errorNames, errorSubcodes } from './iana.ts';
import type { CodecContext, NotificationMessage } from './messages.ts';

/*
 * RFC 4271 section 4.5
 *
 *   Error code 1 | Error subcode 1 | Data, the rest
 *
 * RFC 9003, Cease 2 and 4:   Length 1 | Shutdown Communication, UTF-8
 * RFC 8538, Cease 9:         Error code 1 | Error subcode 1 | Data, the rest
 */

/** Data that does not fit into a message is cut off. */
export function encodeNotification(message: NotificationMessage, context: CodecContext): Uint8Array {
  const writer = startMessage('NOTIFICATION', headerLength + 2 + message.data.length).u8(message.code).u8(message.subcode);
  return finishMessage(writer.append(message.data.subarray(0, context.maxMessageLength - writer.length)));
}

export function decodeNotification(reader: ByteReader): NotificationMessage {
  const code = reader.u8();
  const subcode = reader.u8();
  return { type: 'NOTIFICATION', code, subcode, data: reader.rest().slice() };
}

/**
 * Names a code and subcode: `OPEN Message Error / Bad Peer AS (2/2): it says 65011`. What is not registered stays a
 * number. `detail` is put in as it is: whoever takes it from a peer escapes it (`net/printable.ts`).
 */
export function describeError(code: number, subcode: number, detail?: string): string {
  const known = errorNames[code];
  let text = known === undefined ? `Error code ${code}` : known.name;
  const subname = known?.subcodes[subcode];
  if (subname !== undefined) text += ` / ${subname}`;
  else if (subcode !== 0) text += ` / subcode ${subcode}`;
  text += ` (${code}/${subcode})`;
  return detail === undefined || detail === '' ? text : `${text}: ${detail}`;
}

/** {@link describeError} of a NOTIFICATION, with what its data says: the peer's words, a limit, what a Hard Reset wraps. */
export function describeNotification(message: NotificationMessage): string {
  const { code, subcode, data } = message;
  const inner = unwrapHardReset(message);
  if (inner !== undefined) return describeError(code, subcode, describeNotification(inner));
  const words = shutdownCommunication(message);
  if (words !== undefined) return describeError(code, subcode, words === '' ? undefined : `"${printable(words, 256)}"`);
  return describeError(code, subcode, describeData(code, subcode, data));
}

function describeData(code: number, subcode: number, data: Uint8Array): string | undefined {
  if (data.length === 0) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const { cease, open, messageHeader, update } = errorSubcodes;
  if (code === errorCodes.open && subcode === open.unsupportedVersionNumber && data.length === 2) {
    return `it supports version ${view.getUint16(0)}`;
  }
  // Not in the RFC, but FRR and others send the ASN that they object to.
  if (code === errorCodes.open && subcode === open.badPeerAs && (data.length === 2 || data.length === 4)) {
    return `AS ${data.length === 2 ? view.getUint16(0) : view.getUint32(0)}`;
  }
  if (code === errorCodes.messageHeader && subcode === messageHeader.badMessageLength && data.length === 2) {
    return `length ${view.getUint16(0)}`;
  }
  if (code === errorCodes.messageHeader && subcode === messageHeader.badMessageType && data.length === 1) {
    return `type ${view.getUint8(0)}`;
  }
  if (code === errorCodes.update && subcode === update.missingWellKnown && data.length === 1) {
    return `attribute ${view.getUint8(0)}`;
  }
  // RFC 4486 section 4: AFI 2, SAFI 1, upper bound 4.
  if (code === errorCodes.cease && subcode === cease.maximumNumberOfPrefixesReached && data.length === 7) {
    return `AFI ${view.getUint16(0)} SAFI ${view.getUint8(2)}, limit ${view.getUint32(3)}`;
  }
  return `data ${hex(data.subarray(0, 32))}${data.length > 32 ? '…' : ''}`;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * The Shutdown Communication (RFC 9003 section 2) of a Cease 6/2 or 6/4, as the peer wrote it: not escaped. Malformed
 * UTF-8 gives U+FFFD. @returns `undefined` if there is none, or its length is not that of the data.
 */
export function shutdownCommunication(message: NotificationMessage): string | undefined {
  const { administrativeShutdown, administrativeReset } = errorSubcodes.cease;
  if (message.code !== errorCodes.cease) return undefined;
  if (message.subcode !== administrativeShutdown && message.subcode !== administrativeReset) return undefined;
  const length = message.data[0];
  if (length === undefined || length !== message.data.length - 1) return undefined;
  return new TextDecoder().decode(message.data.subarray(1));
}

/** The data of a Cease 6/2 or 6/4; text beyond 255 octets of UTF-8 is cut off between characters. */
export function encodeShutdownCommunication(text: string): Uint8Array {
  const data = new Uint8Array(256);
  const { written } = new TextEncoder().encodeInto(text, data.subarray(1));
  data[0] = written;
  return data.slice(0, 1 + written);
}

/** What a Hard Reset (RFC 8538 section 3) wraps; `undefined` if it is none, or has no room for a code and subcode. */
export function unwrapHardReset(message: NotificationMessage): NotificationMessage | undefined {
  if (message.code !== errorCodes.cease || message.subcode !== errorSubcodes.cease.hardReset) return undefined;
  const [code, subcode] = message.data;
  if (code === undefined || subcode === undefined) return undefined;
  // One level only: a reset in a reset in a reset is a joke at our stack's expense.
  const nested = code === errorCodes.cease && subcode === errorSubcodes.cease.hardReset;
  return nested ? undefined : { type: 'NOTIFICATION', code, subcode, data: message.data.slice(2) };
}

/** The message wrapped into a Hard Reset: a peer with RFC 8538 then does not keep our routes. */
export function hardReset(message: NotificationMessage): NotificationMessage {
  const data = new Uint8Array(2 + message.data.length);
  data.set([message.code, message.subcode]);
  data.set(message.data, 2);
  return { type: 'NOTIFICATION', code: errorCodes.cease, subcode: errorSubcodes.cease.hardReset, data };
}

import { assert, unreachable } from '../../net/assert.ts';
import { ByteReader } from '../../net/bytes.ts';
import { badLength, decodeHeader, headerLength } from './header.ts';
import { messageTypes } from './iana.ts';
import { decodeKeepalive, encodeKeepalive } from './keepalive.ts';
import type { CodecContext, Message } from './messages.ts';
import { decodeNotification, encodeNotification } from './notification.ts';
import { decodeOpen, encodeOpen } from './open.ts';
import { decodeRouteRefresh, encodeRouteRefresh } from './route-refresh.ts';
import { decodeUpdate, encodeUpdate } from './update.ts';

/**
 * One whole message, header included. The octets are the caller's alone.
 * An UPDATE or OPEN longer than the context allows is a fault of ours (`packUpdates` never makes one): AssertionFailed.
 */
export function encodeMessage(message: Message, context: CodecContext): Uint8Array {
  const bytes = encode(message, context);
  assert(bytes.length <= context.maxMessageLength, `a ${message.type} of ${bytes.length} octets does not fit`);
  return bytes;
}

function encode(message: Message, context: CodecContext): Uint8Array {
  switch (message.type) {
    case 'OPEN':
      return encodeOpen(message);
    case 'UPDATE':
      return encodeUpdate(message, context);
    case 'NOTIFICATION':
      return encodeNotification(message, context);
    case 'KEEPALIVE':
      return encodeKeepalive();
    case 'ROUTE-REFRESH':
      return encodeRouteRefresh(message);
    default:
      return unreachable(message);
  }
}

/**
 * Reads exactly one message as the framer cuts it. What it keeps is copied: the octets may be reused afterwards.
 * @throws BgpError and nothing else; its offset counts from the first octet of the header.
 */
export function decodeMessage(bytes: Uint8Array, context: CodecContext): Message {
  if (bytes.length < headerLength) throw badLength(bytes.length, `${bytes.length} octets are no message`, bytes.length);
  const { length, type } = decodeHeader(bytes, 0, context.maxMessageLength);
  if (length !== bytes.length) throw badLength(length, `length ${length}, but ${bytes.length} octets are there`);
  const reader = new ByteReader(bytes, headerLength);
  switch (type) {
    case messageTypes.OPEN:
      return decodeOpen(reader);
    case messageTypes.UPDATE:
      return decodeUpdate(reader, context);
    case messageTypes.NOTIFICATION:
      return decodeNotification(reader);
    case messageTypes.KEEPALIVE:
      return decodeKeepalive();
    default:
      return decodeRouteRefresh(reader);
  }
}

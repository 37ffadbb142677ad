import { finishMessage, startMessage } from './header.ts';
import type { KeepaliveMessage } from './messages.ts';

/* RFC 4271 section 4.4: a header and nothing else; that its length is 19 was checked with the header. */

export function encodeKeepalive(): Uint8Array {
  return finishMessage(startMessage('KEEPALIVE', 19));
}

export function decodeKeepalive(): KeepaliveMessage {
  return { type: 'KEEPALIVE' };
}

import type { ByteReader } from '../../net/bytes.ts';
import { BgpError } from '../errors.ts';
import { finishMessage, startMessage } from './header.ts';
import { errorCodes, errorSubcodes } from './iana.ts';
import type { RouteRefreshMessage } from './messages.ts';

/*
 * RFC 2918 section 3, RFC 7313 section 3.2
 *
 *   AFI 2 | Message Subtype 1 | SAFI 1
 */

export function encodeRouteRefresh(message: RouteRefreshMessage): Uint8Array {
  return finishMessage(startMessage('ROUTE-REFRESH', 23).u16(message.afi).u8(message.subtype).u8(message.safi));
}

/**
 * What follows (the ORF entries of RFC 5291, which we never negotiate) is skipped.
 * @throws BgpError 7/1 for a demarcation (subtype 1, 2) that is longer (RFC 7313 section 5; data: the whole message).
 */
export function decodeRouteRefresh(reader: ByteReader): RouteRefreshMessage {
  const afi = reader.u16();
  const subtype = reader.u8();
  const safi = reader.u8();
  if (reader.left > 0 && (subtype === 1 || subtype === 2)) {
    const { invalidMessageLength } = errorSubcodes.routeRefresh;
    const whole = reader.bytes.slice(0, reader.end);
    throw new BgpError(errorCodes.routeRefresh, invalidMessageLength, `${reader.left} octets too many`, whole, reader.offset);
  }
  return { type: 'ROUTE-REFRESH', afi, safi, subtype };
}

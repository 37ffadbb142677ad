/** RFC 792 (type 8 and 0) and RFC 4443 section 4 (types 128 and 129): the echo messages. */
export const echoTypes = { ipv4: { request: 8, reply: 0 }, ipv6: { request: 128, reply: 129 } } as const;

export type EchoFamily = keyof typeof echoTypes;

/** Octets of a request: 8 of header, 8 of token, 4 of the whole sequence. */
export const echoLength = 20;

/**
 * An echo request. Its payload carries a token, so that nobody else's echo is taken for ours, and the sequence in full:
 *
 *   type(1) code(1) checksum(2) identifier(2) sequence, low half(2) | token(8) sequence(4)
 *
 * The checksum (RFC 1071) of ICMPv6 is the kernel's work (RFC 3542 section 3.1).
 */
export function encodeEcho(family: EchoFamily, identifier: number, token: Uint8Array, sequence: number): Uint8Array {
  const bytes = new Uint8Array(echoLength);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, echoTypes[family].request);
  view.setUint16(4, identifier);
  view.setUint16(6, sequence & 0xffff);
  bytes.set(token.subarray(0, 8), 8);
  view.setUint32(16, sequence >>> 0);
  if (family === 'ipv4') view.setUint16(2, checksum(bytes));
  return bytes;
}

/**
 * The sequence of an echo reply to one of our requests; undefined for everything else.
 * @param bytes what a raw socket gives: for IPv4 with the IP header, for IPv6 without.
 */
export function decodeEchoReply(family: EchoFamily, bytes: Uint8Array, identifier: number, token: Uint8Array): number | undefined {
  const start = family === 'ipv4' ? ((bytes[0] ?? 0) & 0x0f) * 4 : 0;
  if (bytes.length < start + echoLength) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, echoLength);
  if (view.getUint8(0) !== echoTypes[family].reply || view.getUint8(1) !== 0 || view.getUint16(4) !== identifier) return undefined;
  for (let i = 0; i < 8; i++) if (view.getUint8(8 + i) !== token[i]) return undefined;
  const sequence = view.getUint32(16);
  return view.getUint16(6) === (sequence & 0xffff) ? sequence : undefined;
}

/** RFC 1071 over an even number of octets, with the checksum field zero. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

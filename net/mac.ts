declare const macBrand: unique symbol;

/** A MAC address in its one canonical spelling, `52:54:00:aa:00:01`: lower case, colons. */
export type Mac = string & { readonly [macBrand]: true };

const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Reads six hex octets separated by `:` or `-` (one or two digits each). Anything else is `undefined`. */
export function parseMac(text: string): Mac | undefined {
  if (!/^[0-9a-f]{1,2}([:-])[0-9a-f]{1,2}(\1[0-9a-f]{1,2}){4}$/i.test(text)) return undefined;
  return text.split(/[:-]/).map((octet) => octet.padStart(2, '0')).join(':').toLowerCase() as Mac;
}

/** The MAC at `offset`; the caller has checked that six octets are there. */
export function macFromBytes(bytes: Uint8Array, offset = 0): Mac {
  let text = hex[bytes[offset] as number] as string;
  for (let i = 1; i < 6; i++) text += ':' + (hex[bytes[offset + i] as number] as string);
  return text as Mac;
}

/** Six octets in network order. */
export function macToBytes(mac: Mac): Uint8Array {
  const bytes = new Uint8Array(6);
  for (let i = 0; i < 6; i++) bytes[i] = (digit(mac.charCodeAt(3 * i)) << 4) | digit(mac.charCodeAt(3 * i + 1));
  return bytes;
}

/** The value of a lower-case hex digit. By hand: every claim passes here. */
function digit(code: number): number {
  return code <= 0x39 ? code - 0x30 : code - 0x57;
}

/** True for a group address (multicast or broadcast): IEEE 802, I/G bit. Such a MAC never is a sender. */
export function isGroupMac(mac: Mac): boolean {
  return (parseInt(mac.slice(0, 2), 16) & 1) === 1;
}

export const broadcastMac = 'ff:ff:ff:ff:ff:ff' as Mac;
export const zeroMac = '00:00:00:00:00:00' as Mac;

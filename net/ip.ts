import ipaddr from 'ipaddr.js';

declare const ipBrand: unique symbol;
declare const prefixBrand: unique symbol;

/** An IPv4 or IPv6 address in its one canonical spelling (IPv6: RFC 5952), so that `===` and Map keys work. */
export type IpAddress = string & { readonly [ipBrand]: true };

/** `address/length` with the address canonical and all host bits zero. */
export type Prefix = string & { readonly [prefixBrand]: true };

/** The address families that landfall speaks for, named as the configuration names them. */
export type Family = 'ipv4-unicast' | 'ipv6-unicast';

export const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];

/**
 * Reads an address. Strict: four decimal octets for IPv4 (no octal, no short forms), no zone, no IPv4-mapped IPv6.
 * @returns `undefined` for anything else.
 */
export function parseIp(text: string): IpAddress | undefined {
  if (/^(\d{1,3}\.){3}\d{1,3}$/.test(text)) {
    const octets = text.split('.');
    if (octets.some((octet) => Number(octet) > 255 || (octet.length > 1 && octet.startsWith('0')))) return undefined;
    return text as IpAddress;
  }
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  if (address.isIPv4MappedAddress()) return undefined;
  return address.toRFC5952String() as IpAddress;
}

/** {@link parseIp} for text that is known to be right (constants, tests). Throws on anything else. */
export function ip(text: string): IpAddress {
  const address = parseIp(text);
  if (address === undefined) throw new TypeError(`not an IP address: ${text}`);
  return address;
}

/** The address in `length` (4 or 16) octets at `offset`; the caller has checked that they are there. */
export function ipFromBytes(bytes: Uint8Array, offset: number, length: 4 | 16): IpAddress {
  if (length === 4) return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}` as IpAddress;
  return formatIpv6(bytes, offset);
}

/** RFC 5952 section 4, by hand: a frame or an UPDATE with IPv6 passes here, and the library takes ten times as long. */
function formatIpv6(bytes: Uint8Array, offset: number): IpAddress {
  const group = (i: number): number => ((bytes[offset + 2 * i] as number) << 8) | (bytes[offset + 2 * i + 1] as number);
  // The longest run of two or more zero groups, the first of equals (sections 4.2.2 and 4.2.3).
  let gapAt = -1;
  let gapLength = 1;
  for (let i = 0, run = 0; i < 8; i++) {
    run = group(i) === 0 ? run + 1 : 0;
    if (run > gapLength) {
      gapLength = run;
      gapAt = i - run + 1;
    }
  }
  let text = '';
  let separator = '';
  for (let i = 0; i < 8; i++) {
    if (i === gapAt) {
      text += '::';
      separator = '';
      i += gapLength - 1;
    } else {
      text += separator + group(i).toString(16);
      separator = ':';
    }
  }
  return text as IpAddress;
}

/** 4 or 16 octets in network order. */
export function ipToBytes(address: IpAddress): Uint8Array {
  if (isIpv4(address)) {
    const value = ipv4ToNumber(address);
    return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
  }
  return ipv6ToBytes(address);
}

/** Reads the canonical spelling only, which the type promises; by hand for the reason above. */
function ipv6ToBytes(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(16);
  const gap = address.indexOf('::');
  const head = gap < 0 ? address : address.slice(0, gap);
  writeGroups(bytes, 0, head);
  if (gap < 0 || gap + 2 === address.length) return bytes;
  const tail = address.slice(gap + 2);
  let groups = 1;
  for (let i = 0; i < tail.length; i++) if (tail.charCodeAt(i) === 0x3a) groups++;
  writeGroups(bytes, 16 - 2 * groups, tail);
  return bytes;
}

function writeGroups(bytes: Uint8Array, at: number, text: string): void {
  let value = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x3a;
    if (code === 0x3a) {
      if (text.length === 0) return;
      bytes[at++] = value >>> 8;
      bytes[at++] = value;
      value = 0;
    } else {
      value = value * 16 + (code <= 0x39 ? code - 0x30 : code - 0x57);
    }
  }
}

export function isIpv4(address: IpAddress | Prefix): boolean {
  return !address.includes(':');
}

/** fe80::/10. */
export function isLinkLocal(address: IpAddress): boolean {
  return /^fe[89ab]/.test(address);
}

/** Multicast, unspecified, loopback or IPv4 limited broadcast: never the address of a VM or a router. */
export function isUnusable(address: IpAddress): boolean {
  if (isIpv4(address)) {
    const first = parseInt(address, 10);
    return first === 0 || first === 127 || first >= 224;
  }
  return address === '::' || address === '::1' || address.startsWith('ff');
}

/** Order by value, IPv4 before IPv6: what tie-breaks on BGP Identifiers and sorted tables need. */
export function compareIp(a: IpAddress, b: IpAddress): number {
  const x = ipToBytes(a);
  const y = ipToBytes(b);
  if (x.length !== y.length) return x.length - y.length;
  for (let i = 0; i < x.length; i++) {
    const difference = (x[i] as number) - (y[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** An IPv4 address (a BGP Identifier, too) from an unsigned 32-bit number. */
export function ipv4FromNumber(value: number): IpAddress {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` as IpAddress;
}

/** The unsigned 32-bit number of an IPv4 address. */
export function ipv4ToNumber(address: IpAddress): number {
  let value = 0;
  let octet = 0;
  for (let i = 0; i < address.length; i++) {
    const code = address.charCodeAt(i);
    if (code === 0x2e) {
      value = value * 256 + octet;
      octet = 0;
    } else {
      octet = octet * 10 + (code - 0x30);
    }
  }
  return value * 256 + octet;
}

/** Reads `address/length`. @returns `undefined` if it is no prefix, or `{ hostBits: true }`-like cases: host bits must be zero. */
export function parsePrefix(text: string): Prefix | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const address = parseIp(match[1] as string);
  const length = Number(match[2]);
  if (address === undefined || length > (isIpv4(address) ? 32 : 128)) return undefined;
  const prefix = makePrefix(address, length);
  return prefixAddress(prefix) === address ? prefix : undefined;
}

/** The prefix of `length` that contains `address`; host bits are cleared. */
export function makePrefix(address: IpAddress, length: number): Prefix {
  const bytes = ipToBytes(address);
  for (let i = 0; i < bytes.length; i++) {
    const keep = Math.min(8, Math.max(0, length - i * 8));
    bytes[i] = (bytes[i] as number) & (0xff << (8 - keep));
  }
  return `${ipFromBytes(bytes, 0, bytes.length as 4 | 16)}/${length}` as Prefix;
}

/** The /32 or /128 of one address. */
export function hostPrefix(address: IpAddress): Prefix {
  return `${address}/${isIpv4(address) ? 32 : 128}` as Prefix;
}

/** True for a /32 or a /128. */
export function isHostPrefix(prefix: Prefix): boolean {
  return prefixLength(prefix) === (isIpv4(prefix) ? 32 : 128);
}

export function prefixAddress(prefix: Prefix): IpAddress {
  return prefix.slice(0, prefix.indexOf('/')) as IpAddress;
}

export function prefixLength(prefix: Prefix): number {
  return Number(prefix.slice(prefix.indexOf('/') + 1));
}

/** True if `address` lies inside `prefix`; never across families. */
export function prefixContains(prefix: Prefix, address: IpAddress): boolean {
  if (isIpv4(prefix) !== isIpv4(address)) return false;
  const length = prefixLength(prefix);
  if (isIpv4(address)) {
    if (length === 0) return true;
    const shift = 32 - length;
    return ipv4ToNumber(address) >>> shift === ipv4ToNumber(prefixAddress(prefix)) >>> shift;
  }
  return makePrefix(address, length) === prefix;
}

export function familyOf(value: IpAddress | Prefix): Family {
  return isIpv4(value) ? 'ipv4-unicast' : 'ipv6-unicast';
}

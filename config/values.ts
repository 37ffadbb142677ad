import { parseCommunity, parseLargeCommunity } from '../bgp/community.ts';
import { type IpAddress, type Prefix, isLinkLocal, isUnusable, makePrefix, parseIp, parsePrefix, prefixAddress, prefixLength } from '../net/ip.ts';
import { type Mac, isGroupMac, parseMac, zeroMac } from '../net/mac.ts';
import { printable } from '../net/printable.ts';

/** The value, or what is wrong with the text in words for the operator. */
export type Parsed<Value> = { readonly value: Value } | { readonly error: string };

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** `250ms`, `3s`, `2m`, `24h` → milliseconds. */
export function parseDuration(text: string): Parsed<number> {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text);
  if (match === null) return { error: `${quote(text)} is no duration; write a whole number and its unit, such as 250ms, 3s, 2m or 24h` };
  return { value: Number(match[1]) * unitMs[match[2] as keyof typeof unitMs] };
}

/** Milliseconds in the largest unit that holds them whole: `1500ms`, `90s`, `2m`, `24h`. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) if (ms !== 0 && ms % unitMs[unit] === 0 && (ms > 120_000 || unit === 's')) return `${ms / unitMs[unit]}${unit}`;
  return `${ms}ms`;
}

/** Numbers that no router may have: RFC 7607, RFC 6793 section 9, RFC 7300. */
const reservedAsns: Readonly<Record<number, string>> = {
  0: 'reserved (RFC 7607)',
  23456: 'AS_TRANS, which stands for a 4-byte ASN (RFC 6793)',
  65535: 'reserved (RFC 7300)',
  4294967295: 'reserved (RFC 7300)',
};

/** Nothing, or what is wrong with the number. */
export function checkAsn(asn: number): string | undefined {
  if (!Number.isInteger(asn) || asn < 0 || asn > 0xffffffff) return 'an ASN is a whole number, 1..4294967295';
  const reserved = Object.hasOwn(reservedAsns, asn) ? reservedAsns[asn] : undefined;
  return reserved === undefined ? undefined : `${asn} is no ASN of a router: it is ${reserved}`;
}

export function parseAddress(text: string): Parsed<IpAddress> {
  const address = parseIp(text);
  if (address !== undefined) return { value: address };
  if (text.includes('/')) return { error: `${quote(text)} is a prefix; an address is wanted here` };
  if (text.includes('%')) return { error: `${quote(text)} has a zone; give a global address` };
  return { error: `${quote(text)} is no IPv4 or IPv6 address` };
}

/** An address that a router, a node or a VM can have. */
export function parseHostAddress(text: string): Parsed<IpAddress> {
  const parsed = parseAddress(text);
  if ('error' in parsed) return parsed;
  if (isUnusable(parsed.value)) return { error: `${parsed.value} is multicast, loopback or unspecified: no host has it` };
  if (isLinkLocal(parsed.value)) return { error: `${parsed.value} is link-local; give a global address` };
  return parsed;
}

/** A router's address; a link-local one names its interface: `fe80::1%eth0`. */
export function parsePeerAddress(text: string): Parsed<string> {
  const [address = '', zone, ...more] = text.split('%');
  const parsed = zone === undefined ? parseAddress(text) : parseAddress(address);
  if ('error' in parsed) return parsed;
  if (!isLinkLocal(parsed.value)) return zone === undefined ? parseHostAddress(text) : { error: `${quote(text)} has a zone; only a link-local address needs one` };
  if (zone === undefined) return { value: parsed.value };
  if (more.length > 0 || !interfacePattern.test(zone)) return { error: `${quote(zone)} is no name of an interface` };
  return { value: `${parsed.value}%${zone}` };
}

/** Names that Linux allows for an interface, of printable characters. */
export const interfacePattern = /^(?!\.\.?$)[!-$&-.0-9;-~]{1,15}$/;

export function parseNetwork(text: string): Parsed<Prefix> {
  const prefix = parsePrefix(text);
  if (prefix === undefined) return { error: explainPrefix(text) };
  const address = prefixAddress(prefix);
  if (prefixLength(prefix) > 0 && (isUnusable(address) || isLinkLocal(address))) {
    return { error: `${prefix} is multicast, loopback or link-local: no VM is announced there` };
  }
  return { value: prefix };
}

function explainPrefix(text: string): string {
  const [address, length, ...more] = text.split('/');
  const ip = parseIp(address as string);
  if (ip === undefined || more.length > 0) return `${quote(text)} is no prefix, such as 203.0.113.0/24 or "2001:db8:100::/64"`;
  const bits = ip.includes(':') ? 128 : 32;
  if (length === undefined) return `${quote(text)} has no length; for this one address write ${ip}/${bits}`;
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) return `/${printable(length, 16)} is no prefix length, 0..${bits}`;
  return `${quote(text)} has host bits set; the prefix is ${makePrefix(ip, Number(length))}`;
}

export function parseUnicastMac(text: string): Parsed<Mac> {
  const mac = parseMac(text);
  if (mac === undefined) return { error: `${quote(text)} is no MAC address, such as "52:54:00:aa:00:01"` };
  if (isGroupMac(mac)) return { error: `${mac} is a group address (multicast or broadcast): no VM has it` };
  if (mac === zeroMac) return { error: `${mac} is no address of a VM` };
  return { value: mac };
}

/** 100 or "100" → [100, 100]; "200-210" → [200, 210]. */
export function parseVlans(value: string | number): Parsed<readonly [number, number]> {
  const match = /^(\d{1,9})(?:\s*-\s*(\d{1,9}))?$/.exec(String(value));
  if (match === null) return { error: `${quote(String(value))} is no VLAN id (0..4094) and no range such as "200-210"` };
  const low = Number(match[1]);
  const high = match[2] === undefined ? low : Number(match[2]);
  const excess = [low, high].find((id) => id > 4094);
  if (excess !== undefined) return { error: `VLAN ids are 0 (untagged) to 4094, not ${excess}` };
  return low > high ? { error: `a range runs upwards: "${high}-${low}"` } : { value: [low, high] };
}

/** A standard or large community; its text as it was. */
export function checkCommunity(text: string): string | undefined {
  const parsed = text.split(':').length === 3 ? parseLargeCommunity(text) : parseCommunity(text);
  return 'error' in parsed ? parsed.error : undefined;
}

/** An address and a port that this host listens on. */
export interface ListenAddress {
  readonly address: IpAddress;
  readonly port: number;
}

/** `127.0.0.1:17479`, `[::1]:17479` or `off`. */
export function parseListenAddress(text: string): Parsed<ListenAddress | 'off'> {
  if (text === 'off') return { value: 'off' };
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = match === null ? undefined : parseIp(match[1] ?? match[2] ?? '');
  if (match === null || address === undefined || (match[1] !== undefined) !== address.includes(':')) {
    return { error: `${quote(text)} is no address with a port, such as 127.0.0.1:17479 or "[::1]:17479", and not off` };
  }
  const port = Number(match[3]);
  return port >= 1 && port <= 65535 ? { value: { address, port } } : { error: `ports are 1 to 65535, not ${port}` };
}

export function formatListenAddress({ address, port }: ListenAddress): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** "0660" → 0o660. */
export function parseFileMode(text: string): Parsed<number> {
  if (!/^0?[0-7]{3}$/.test(text)) return { error: `${quote(text)} is no file mode, such as "0660"` };
  return { value: parseInt(text, 8) };
}

/** Text of an operator inside a message. */
export function quote(text: string): string {
  return `"${printable(text, 60)}"`;
}

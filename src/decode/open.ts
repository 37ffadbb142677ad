import { ByteReader, ShortRead } from '../../net/bytes.ts';
import { ipv4FromNumber } from '../../net/ip.ts';
import { familyName } from './families.ts';
import { hexText } from './line.ts';

/** What an OPEN says, as far as it can be read: RFC 4271 section 4.2. */
export interface OpenFacts {
  /** Of capability 65, else My Autonomous System. */
  readonly asn: number;
  readonly fourOctetAs: boolean;
  readonly extendedMessage: boolean;
  readonly extendedNextHop: boolean;
  /** Families by what their sender offers of RFC 7911. */
  readonly addPath: ReadonlyMap<string, { readonly send: boolean; readonly receive: boolean }>;
}

interface Show {
  readonly name: string;
  readonly read?: (value: ByteReader) => Record<string, unknown>;
}

/** IANA, Capability Codes. */
const capabilities: Readonly<Record<number, Show>> = {
  1: { name: 'Multiprotocol Extensions', read: (value) => { const afi = value.u16(); value.u8(); return familyOf(afi, value.u8()); } },
  2: { name: 'Route Refresh', read: () => ({}) },
  3: { name: 'Outbound Route Filtering' },
  5: { name: 'Extended Next Hop Encoding', read: (value) => ({ encodings: list(value, () => ({ ...familyOf(value.u16(), value.u16()), nextHopAfi: value.u16() })) }) },
  6: { name: 'Extended Message', read: () => ({}) },
  7: { name: 'BGPsec' },
  8: { name: 'Multiple Labels' },
  9: { name: 'BGP Role', read: (value) => { const role = value.u8(); return { role: roles[role] ?? role }; } },
  64: { name: 'Graceful Restart', read: gracefulRestart },
  65: { name: '4-octet AS number', read: (value) => ({ asn: value.u32() }) },
  66: { name: 'Dynamic Capability' },
  67: { name: 'Dynamic Capability' },
  69: { name: 'ADD-PATH', read: (value) => ({ families: list(value, () => ({ ...familyOf(value.u16(), value.u8()), mode: addPathModes[value.u8()] ?? 'unknown' })) }) },
  70: { name: 'Enhanced Route Refresh', read: () => ({}) },
  71: { name: 'Long-Lived Graceful Restart', read: longLived },
  73: { name: 'FQDN', read: hostName },
  75: { name: 'Software Version', read: (value) => ({ version: text(value) }) },
  128: { name: 'Route Refresh (Cisco)', read: () => ({}) },
};

const roles: readonly string[] = ['Provider', 'RS', 'RS-Client', 'Customer', 'Peer'];
const addPathModes: readonly (string | undefined)[] = [undefined, 'receive', 'send', 'both'];

/** Everything behind the header of an OPEN, as far as it can be read. */
export function showOpen(body: Uint8Array): { readonly shown: Record<string, unknown>; readonly facts: OpenFacts } {
  const reader = new ByteReader(body);
  const shown: Record<string, unknown> = {};
  const found: Record<string, unknown>[] = [];
  try {
    shown['version'] = reader.u8();
    shown['myAs'] = reader.u16();
    shown['holdTimeSeconds'] = reader.u16();
    shown['bgpIdentifier'] = ipv4FromNumber(reader.u32());
    shown['capabilities'] = found;
    readParameters(reader, found, shown);
  } catch (error) {
    if (!(error instanceof ShortRead)) throw error;
  }
  return { shown, facts: factsOf(shown, found) };
}

/** RFC 4271: type 1, length 1; RFC 9072: type 1, length 2 behind 255, 255. */
function readParameters(reader: ByteReader, found: Record<string, unknown>[], shown: Record<string, unknown>): void {
  let length = reader.u8();
  const extended = length !== 0 && reader.left >= 3 && reader.bytes[reader.offset] === 255;
  if (extended) {
    reader.u8();
    length = reader.u16();
  }
  const parameters = reader.sub(Math.min(length, reader.left));
  while (parameters.left > 0) {
    const type = parameters.u8();
    const value = parameters.sub(extended ? parameters.u16() : parameters.u8());
    if (type === 2) {
      while (value.left > 0) found.push(capability(value.u8(), value.slice(value.u8())));
    } else {
      shown['unknown'] = [...((shown['unknown'] as unknown[] | undefined) ?? []), { parameter: type, hex: hexText(value.rest()) }];
    }
  }
}

function capability(code: number, value: Uint8Array): Record<string, unknown> {
  const known = capabilities[code];
  const base = known === undefined ? { code } : { code, name: known.name };
  if (known?.read !== undefined) {
    const reader = new ByteReader(value);
    try {
      const shown = known.read(reader);
      if (reader.left === 0) return { ...base, ...shown };
    } catch (error) {
      if (!(error instanceof ShortRead)) throw error;
    }
  }
  return { ...base, hex: hexText(value) };
}

function factsOf(shown: Record<string, unknown>, found: readonly Record<string, unknown>[]): OpenFacts {
  const fourOctet = found.find(({ code, asn }) => code === 65 && asn !== undefined);
  const addPath = new Map<string, { send: boolean; receive: boolean }>();
  for (const { code, families } of found) {
    if (code !== 69 || !Array.isArray(families)) continue;
    for (const { family, mode } of families as { family: string; mode: string }[]) addPath.set(family, { send: mode === 'send' || mode === 'both', receive: mode === 'receive' || mode === 'both' });
  }
  return {
    asn: (fourOctet?.['asn'] ?? shown['myAs'] ?? 0) as number, fourOctetAs: fourOctet !== undefined,
    extendedMessage: found.some(({ code }) => code === 6), extendedNextHop: found.some(({ code }) => code === 5), addPath,
  };
}

function familyOf(afi: number, safi: number): Record<string, unknown> {
  return { afi, safi, family: familyName(afi, safi) };
}

function list<Item>(value: ByteReader, read: () => Item): Item[] {
  const items: Item[] = [];
  while (value.left > 0) items.push(read());
  return items;
}

/** RFC 4724 section 3, RFC 8538 section 2. */
function gracefulRestart(value: ByteReader): Record<string, unknown> {
  const first = value.u16();
  return {
    restartState: (first & 0x8000) !== 0, notification: (first & 0x4000) !== 0, restartTimeSeconds: first & 0xfff,
    families: list(value, () => ({ ...familyOf(value.u16(), value.u8()), forwardingState: (value.u8() & 0x80) !== 0 })),
  };
}

/** RFC 9494 section 3.1. */
function longLived(value: ByteReader): Record<string, unknown> {
  return {
    families: list(value, () => ({
      ...familyOf(value.u16(), value.u8()), forwardingState: (value.u8() & 0x80) !== 0, staleTimeSeconds: (value.u8() << 16) | value.u16(),
    })),
  };
}

function hostName(value: ByteReader): Record<string, unknown> {
  const hostname = text(value);
  return { hostname, domain: text(value) };
}

function text(value: ByteReader): string {
  return new TextDecoder().decode(value.slice(value.u8()));
}

import { hex, octets } from '../bgp/wire/build.ts';

// What a hostile peer says, and what RFCs let a speaker do about it. The same cases run against the session core, the daemon and
// other speakers; what the speaker did is seen from the peer's end, and in its table.

export type Mode = 'ibgp' | 'ebgp';

/** The AS of the speaker under test, and its BGP Identifier. */
export const speakerAsn = 65001;
export const speakerIdentifier = '192.0.2.1';

/** Who the hostile peer is in one run of a case. */
export interface Facts {
  readonly mode: Mode;
  /** Ours. */
  readonly asn: number;
  /** Tells runs beside each other apart: addresses and prefixes follow from it. 0…199. */
  readonly slot: number;
  /** The session has no 4-octet AS numbers. */
  readonly twoOctet?: boolean;
}

export const addressOf = (slot: number): string => `192.0.2.${10 + slot}`;
export const address6Of = (slot: number): string => `2001:db8::${(0x100 + slot).toString(16)}`;
/** A route of a case: `4:1` is its first IPv4 one. */
export type RouteName = `${4 | 6}:${number}`;

export function prefixOf(name: RouteName, slot: number): string {
  const [family, n] = name.split(':') as [string, string];
  return family === '4' ? `10.77.${slot}.${n}/32` : `2001:db8:77:${(0x100 + slot).toString(16)}::${n}/128`;
}

/** As NLRI. */
export function nlri(name: RouteName, slot: number): string {
  const [family, n] = name.split(':') as [string, string];
  const last = Number(n).toString(16).padStart(2, '0');
  if (family === '4') return `20 0a4d ${slot.toString(16).padStart(2, '0')} ${last}`;
  return `80 2001 0db8 0077 ${(0x100 + slot).toString(16).padStart(4, '0')} 0000 0000 0000 00${last}`;
}

export type Expectation =
  /** A NOTIFICATION with one of these subcodes (none: any), and the connection's end. */
  | { readonly type: 'reset'; readonly code: number; readonly subcodes: readonly number[]; readonly data?: string }
  /** The connection ends without a word. */
  | { readonly type: 'silent' }
  /** The session lives, takes a good route (`4:9`) afterwards, and has, or has not, these. */
  | { readonly type: 'up'; readonly has: readonly RouteName[]; readonly not: readonly RouteName[]; readonly notUsed: readonly RouteName[] }
  /** The connection lives; whether there is a session does not matter. */
  | { readonly type: 'open' };

export const reset = (code: number, ...subcodes: number[]): Expectation => ({ type: 'reset', code, subcodes });
export const resetWith = (code: number, subcode: number, data: string): Expectation => ({ type: 'reset', code, subcodes: [subcode], data });
export const silent: Expectation = { type: 'silent' };
export const open: Expectation = { type: 'open' };
export const up = (routes: { has?: readonly RouteName[]; not?: readonly RouteName[]; notUsed?: readonly RouteName[] } = {}): Expectation => (
  { type: 'up', has: routes.has ?? [], not: routes.not ?? [], notUsed: routes.notUsed ?? [] });

/** Both IPv4 routes of the UPDATE stand; neither does; they stand but are not to be used. */
export const kept = up({ has: ['4:1', '4:2'] });
export const withdrawn = up({ not: ['4:1', '4:2'] });
export const unused = up({ notUsed: ['4:1', '4:2'] });
export const kept6 = up({ has: ['6:1', '6:2'] });
export const withdrawn6 = up({ not: ['6:1', '6:2'] });

export interface Case {
  readonly name: string;
  /** RFC and section. */
  readonly rfc: string;
  /** What the text asks for, in our words. */
  readonly why: string;
  /** Left out: both. */
  readonly mode?: Mode;
  /**
   * `connected`: the octets come instead of our OPEN. `openSent`: after our OPEN, instead of our KEEPALIVE. `established`: after the
   * routes `4:1` and `6:1` were announced.
   */
  readonly stage: 'connected' | 'openSent' | 'established';
  /** Octets, in order; each item is one write. */
  readonly send: (facts: Facts) => readonly Uint8Array[];
  /** Our OPEN does not offer 4-octet AS numbers. */
  readonly twoOctet?: true;
  /** Capabilities of our OPEN, in hex, in place of the usual ones. */
  readonly capabilities?: (facts: Facts) => string;
  /** Routes announced before, in stage `established`. Default: `4:1` and `6:1`. */
  readonly base?: readonly RouteName[];
  /** Any of these is right. */
  readonly expect: readonly Expectation[];
  /** The peer ends the connection behind what it sent; all that is asked is that the speaker lives. */
  readonly hangUp?: 'fin' | 'rst';
}

// ---- octets ----

const byte = (value: number): string => value.toString(16).padStart(2, '0');
export const u16 = (value: number): string => value.toString(16).padStart(4, '0');
export const u32 = (value: number): string => value.toString(16).padStart(8, '0');
export const lengthOf = (text: string): number => octets(text).length;
export const marker = 'ff'.repeat(16);

/** A message with a header that fits, or with the length and marker that are given. */
export function message(type: number, body: string, header: { length?: number; marker?: string } = {}): Uint8Array {
  return octets(`${header.marker ?? marker}${u16(header.length ?? 19 + lengthOf(body))}${byte(type)}${body}`);
}

/** An attribute; its length is one octet, or two with the Extended Length flag. */
export function attribute(flags: number, code: number, value: string, length = lengthOf(value)): string {
  return `${byte(flags)}${byte(code)}${(flags & 0x10) === 0 ? byte(length) : u16(length)}${value}`;
}

export function update(attributes: string, routes = '', withdrawnRoutes = ''): Uint8Array {
  return message(2, `${u16(lengthOf(withdrawnRoutes))}${withdrawnRoutes}${u16(lengthOf(attributes))}${attributes}${routes}`);
}

export const keepalive = message(4, '');
export const capability = (code: number, value = ''): string => `${byte(code)}${byte(lengthOf(value))}${value}`;

export function usualCapabilities({ asn, twoOctet }: Facts): string {
  return capability(1, '00010001') + capability(1, '00020001') + capability(2) + (twoOctet === true ? '' : capability(65, u32(asn)));
}

export interface OpenFields {
  readonly version?: number;
  readonly asn?: number;
  readonly hold?: number;
  readonly identifier?: string;
  /** Hex of all Optional Parameters, with the length before them. */
  readonly parameters?: string;
}

export function openMessage(facts: Facts, capabilities: string, fields: OpenFields = {}): Uint8Array {
  const all = `02${byte(lengthOf(capabilities))}${capabilities}`;
  const parameters = fields.parameters ?? (capabilities === '' ? '00' : `${byte(lengthOf(all))}${all}`);
  const identifier = fields.identifier ?? `0a00${u16(facts.slot + 1)}`;
  return message(1, `${byte(fields.version ?? 4)}${u16(fields.asn ?? facts.asn)}${u16(fields.hold ?? 90)}${identifier}${parameters}`);
}

/** Attributes that are right, by name, so that a case can leave one out or put another in its place. */
export function attributes(facts: Facts, changes: Readonly<Record<string, string>> = {}): string {
  const hop = octets(`c00002${byte(10 + facts.slot)}`);
  const all: Record<string, string> = {
    origin: attribute(0x40, 1, '00'),
    asPath: attribute(0x40, 2, facts.mode === 'ibgp' ? '' : `0201${facts.twoOctet === true ? u16(facts.asn) : u32(facts.asn)}`),
    nextHop: attribute(0x40, 3, hex(hop)),
    ...(facts.mode === 'ibgp' ? { localPref: attribute(0x40, 5, u32(100)) } : {}),
    ...changes,
  };
  return Object.values(all).join('');
}

export const hop6 = (slot: number): string => `2001 0db8 0000 0000 0000 0000 0000 ${u16(0x100 + slot)}`;

/** MP_REACH_NLRI of IPv6 routes, whole or with parts that are given. */
export function mpReach(facts: Facts, names: readonly RouteName[], parts: { flags?: number; hop?: string; reserved?: string; routes?: string } = {}): string {
  const hop = parts.hop ?? hop6(facts.slot);
  const value = `000201${byte(lengthOf(hop))}${hop}${parts.reserved ?? '00'}${parts.routes ?? names.map((name) => nlri(name, facts.slot)).join('')}`;
  return attribute(parts.flags ?? 0x90, 14, value);
}

export function routes(facts: Facts, ...names: RouteName[]): string {
  return names.map((name) => nlri(name, facts.slot)).join('');
}

/** Announces IPv4 routes, and IPv6 routes, as they should be. */
export function goodUpdates(facts: Facts, ...names: RouteName[]): Uint8Array[] {
  const v4 = names.filter((name) => name.startsWith('4'));
  const v6 = names.filter((name) => name.startsWith('6'));
  return [
    ...(v4.length === 0 ? [] : [update(attributes(facts), routes(facts, ...v4))]),
    ...(v6.length === 0 ? [] : [update(attributes(facts, { nextHop: '', mpReach: mpReach(facts, v6) }))]),
  ];
}

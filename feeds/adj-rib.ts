import { extendedMaxMessageLength, headerLength } from '../bgp/wire/header.ts';
import { attributeCodes, attributeFlags, messageTypes } from '../bgp/wire/iana.ts';
import { ByteReader, ByteWriter, ShortRead } from '../net/bytes.ts';
import { familyKey } from './conversation.ts';

// What one side of a session was told, kept in the octets in which it was told: so that who asks later hears the same, attributes that
// nobody here understands included.

/** The attributes of an UPDATE, shared by all of its routes. */
interface Announced {
  /** All but MP_REACH_NLRI and MP_UNREACH_NLRI. */
  readonly attributes: Uint8Array;
  /** Of MP_REACH_NLRI; without it the routes are in the NLRI field. */
  readonly nextHop?: Uint8Array;
}

export interface AdjRib {
  /** By family, then by what stands in NLRI: path identifier where there is one, length, prefix. One character for each octet. */
  readonly families: Map<number, Map<string, Announced>>;
  routes: number;
  /** Routes that found no room. */
  refused: number;
}

/** Routes of one direction of one session. */
export const routesAtMost = 200_000;

const ipv4Unicast = familyKey(1, 1);
/** What a message may have when nothing is known of who reads it. */
const usualLength = 4096;

export function newAdjRib(): AdjRib {
  return { families: new Map(), routes: 0, refused: 0 };
}

/** Carries out one UPDATE, header included. What of it can't be read changes nothing. @param addPath families with path identifiers */
export function applyUpdate(rib: AdjRib, update: Uint8Array, addPath: ReadonlySet<number>): void {
  try {
    const { withdrawn, announced } = takeApart(update, addPath);
    for (const [family, keys] of withdrawn) for (const key of keys) if (rib.families.get(family)?.delete(key) === true) rib.routes -= 1;
    for (const [family, keys, attributes] of announced) for (const key of keys) keep(rib, family, key, attributes);
  } catch (error) {
    if (!(error instanceof ShortRead)) throw error;
  }
}

function keep(rib: AdjRib, family: number, key: string, announced: Announced): void {
  let routes = rib.families.get(family);
  if (routes === undefined) {
    if (rib.families.size >= 16) return;
    routes = new Map();
    rib.families.set(family, routes);
  }
  // A route that changes moves to the end: routes of one UPDATE stay neighbours.
  if (routes.delete(key)) rib.routes -= 1;
  else if (rib.routes >= routesAtMost) {
    rib.refused += 1;
    return;
  }
  routes.set(key, announced);
  rib.routes += 1;
}

/** RFC 4271 section 4.3: Withdrawn Routes Length 2, Withdrawn Routes, Total Path Attribute Length 2, Path Attributes, NLRI. @throws ShortRead */
function takeApart(update: Uint8Array, addPath: ReadonlySet<number>): { withdrawn: [number, string[]][]; announced: [number, string[], Announced][] } {
  const reader = new ByteReader(update, headerLength);
  const withdrawn: [number, string[]][] = [[ipv4Unicast, keysOf(reader.sub(reader.u16()), addPath.has(ipv4Unicast))]];
  const attributes = reader.sub(reader.u16());
  const first = attributes.offset;
  let others: ByteWriter | undefined;
  let reach: { family: number; nextHop: Uint8Array; keys: string[] } | undefined;
  while (attributes.left > 0) {
    const start = attributes.offset;
    const flags = attributes.u8();
    const code = attributes.u8();
    const value = attributes.sub((flags & attributeFlags.extendedLength) === 0 ? attributes.u8() : attributes.u16());
    if (code === attributeCodes.MP_REACH_NLRI || code === attributeCodes.MP_UNREACH_NLRI) others ??= new ByteWriter(attributes.end - first).append(update.subarray(first, start));
    if (code === attributeCodes.MP_UNREACH_NLRI) {
      const family = familyKey(value.u16(), value.u8());
      withdrawn.push([family, keysOf(value, addPath.has(family))]);
    } else if (code === attributeCodes.MP_REACH_NLRI) {
      const family = familyKey(value.u16(), value.u8());
      const nextHop = new Uint8Array(value.slice(value.u8()));
      value.u8();
      reach = { family, nextHop, keys: keysOf(value, addPath.has(family)) };
    } else {
      others?.append(update.subarray(start, attributes.offset));
    }
  }
  const nlri = keysOf(reader, addPath.has(ipv4Unicast));
  const kept = nlri.length === 0 && reach === undefined ? new Uint8Array(0) : others === undefined ? new Uint8Array(update.subarray(first, attributes.end)) : others.done();
  return {
    withdrawn,
    announced: [
      ...(nlri.length === 0 ? [] : [[ipv4Unicast, nlri, { attributes: kept }] as [number, string[], Announced]]),
      ...(reach === undefined ? [] : [[reach.family, reach.keys, { attributes: kept, nextHop: reach.nextHop }] as [number, string[], Announced]]),
    ],
  };
}

const characters = Array.from({ length: 256 }, (_, octet) => String.fromCharCode(octet));

function keysOf(reader: ByteReader, addPath: boolean): string[] {
  const keys: string[] = [];
  while (reader.left > 0) {
    const start = reader.offset;
    if (addPath) reader.u32();
    reader.slice((reader.u8() + 7) >>> 3);
    let key = '';
    for (let i = start; i < reader.offset; i++) key += characters[reader.bytes[i] as number];
    keys.push(key);
  }
  return keys;
}

/**
 * All that is in the rib, as UPDATEs. It may change while this goes on: a route is told as it stands when its turn comes. Routes of
 * one UPDATE share one again, as far as they stand.
 */
export function* updatesOf(rib: AdjRib): Generator<Uint8Array> {
  for (const [family, routes] of rib.families) {
    let shared: Announced | undefined;
    let nlri = new ByteWriter();
    for (const [key, announced] of routes) {
      if (shared !== undefined && (announced !== shared || room(shared) < nlri.length + key.length)) {
        yield* encodeUpdate(family, shared, nlri.view());
        nlri = new ByteWriter();
      }
      shared = announced;
      nlri.append(Uint8Array.from(key, (character) => character.charCodeAt(0)));
    }
    if (shared !== undefined) yield* encodeUpdate(family, shared, nlri.view());
  }
}

/** What is left for NLRI in a message of the usual length; one route has room in any case, as it had when it came. */
function room({ attributes, nextHop }: Announced): number {
  return usualLength - headerLength - 4 - attributes.length - (nextHop === undefined ? 0 : 9 + nextHop.length);
}

/** None where it would be too long: a header of MP_REACH_NLRI may have grown by an octet. */
function encodeUpdate(family: number, { attributes, nextHop }: Announced, nlri: Uint8Array): Uint8Array[] {
  const body = new ByteWriter(usualLength).u16(0);
  if (nextHop === undefined) {
    body.u16(attributes.length).append(attributes).append(nlri);
  } else {
    const length = 5 + nextHop.length + nlri.length;
    body.u16(4 + length + attributes.length).u8(attributeFlags.optional | attributeFlags.extendedLength).u8(attributeCodes.MP_REACH_NLRI).u16(length);
    body.u16(family >>> 8).u8(family & 0xff).u8(nextHop.length).append(nextHop).u8(0).append(nlri).append(attributes);
  }
  return headerLength + body.length > extendedMaxMessageLength ? [] : [message(body.view())];
}

/** The routes of a family as they stand, to be compared with later ones. */
export function standing(rib: AdjRib, family: number): ReadonlyMap<string, unknown> {
  return new Map(rib.families.get(family));
}

/** Withdraws of the routes that were not told again since `before`: what the end of a marked refresh means (RFC 7313 section 4). */
export function* withdrawsSince(rib: AdjRib, family: number, before: ReadonlyMap<string, unknown>): Generator<Uint8Array> {
  const routes = rib.families.get(family);
  const stale = [...before].filter(([key, announced]) => routes?.get(key) === announced);
  let nlri = '';
  for (const [i, [key]] of stale.entries()) {
    nlri += key;
    if (i < stale.length - 1 && nlri.length < usualLength - 64) continue;
    const octets = Uint8Array.from(nlri, (character) => character.charCodeAt(0));
    const mp = new ByteWriter().u8(attributeFlags.optional | attributeFlags.extendedLength).u8(attributeCodes.MP_UNREACH_NLRI).u16(3 + octets.length).u16(family >>> 8).u8(family & 0xff).append(octets);
    yield message(family === ipv4Unicast ? new ByteWriter().u16(octets.length).append(octets).u16(0).view() : new ByteWriter().u16(0).u16(mp.length).append(mp.view()).view());
    nlri = '';
  }
}

/** RFC 4724 section 2. */
export function endOfRibOf(family: number): Uint8Array {
  if (family === ipv4Unicast) return message(Uint8Array.of(0, 0, 0, 0));
  return message(Uint8Array.of(0, 0, 0, 6, attributeFlags.optional, attributeCodes.MP_UNREACH_NLRI, 3, family >>> 16, family >>> 8, family));
}

function message(body: Uint8Array): Uint8Array {
  return new ByteWriter(headerLength + body.length).append(new Uint8Array(16).fill(0xff)).u16(headerLength + body.length).u8(messageTypes.UPDATE).append(body).done();
}

import type { IpAddress } from '../net/ip.ts';
import { type Mac, isGroupMac, zeroMac } from '../net/mac.ts';

/** What a received route says of an address: whose it is, on the word of another node. */
export interface RoutePair {
  readonly vrf: string;
  readonly address: IpAddress;
  readonly mac: Mac;
  /** BGP Identifier of the node that claims it. */
  readonly node: IpAddress;
  /** False for a claim that is being given up: it still tells whose the address is, and keeps nobody from it. */
  readonly stands: boolean;
}

/** So many addresses of one MAC count; a peer that gives a MAC more does not make one RARP cost more. */
export const maxRoutePairsPerMac = 64;

/**
 * MAC ↔ addresses as received routes have them: one pair per address, gone with its route. Written only by {@link setRoutePair}; how many
 * there can be is the Adj-RIB-In's limit.
 */
export interface RoutePairs {
  /** By VRF and address. */
  readonly pairs: ReadonlyMap<string, RoutePair>;
  /** By VRF and MAC. */
  readonly byMac: ReadonlyMap<string, ReadonlySet<string>>;
}

interface Writable {
  pairs: Map<string, RoutePair>;
  byMac: Map<string, Set<string>>;
}

export function emptyRoutePairs(): RoutePairs {
  const pairs: Writable = { pairs: new Map(), byMac: new Map() };
  return pairs;
}

/** The pair that the received routes give now for an address; `undefined` where none does. Group and zero MACs are nobody's and not kept. */
export function setRoutePair(routes: RoutePairs, vrf: string, address: IpAddress, pair: RoutePair | undefined): void {
  const { pairs, byMac } = routes as Writable;
  const key = `${address} ${vrf}`;
  const before = pairs.get(key);
  if (before !== undefined) {
    pairs.delete(key);
    const keys = byMac.get(macKey(vrf, before.mac));
    if (keys?.delete(key) === true && keys.size === 0) byMac.delete(macKey(vrf, before.mac));
  }
  if (pair === undefined || isGroupMac(pair.mac) || pair.mac === zeroMac) return;
  pairs.set(key, pair);
  const keys = byMac.get(macKey(vrf, pair.mac));
  if (keys === undefined) byMac.set(macKey(vrf, pair.mac), new Set([key]));
  else keys.add(key);
}

export function routePairOf(routes: RoutePairs, vrf: string, address: IpAddress): RoutePair | undefined {
  return routes.pairs.get(`${address} ${vrf}`);
}

/** The pairs of a MAC, at most {@link maxRoutePairsPerMac}. */
export function routePairsOf(routes: RoutePairs, vrf: string, mac: Mac): RoutePair[] {
  const found: RoutePair[] = [];
  for (const key of routes.byMac.get(macKey(vrf, mac)) ?? []) {
    if (found.length >= maxRoutePairsPerMac) break;
    found.push(routes.pairs.get(key) as RoutePair);
  }
  return found;
}

function macKey(vrf: string, mac: Mac): string {
  return `${mac} ${vrf}`;
}

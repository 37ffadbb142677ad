import type { Route, RouteChange } from '../bgp/route.ts';
import type { Prefix } from '../net/ip.ts';

/** A route that a peer should have, with a key that changes whenever anything in it changes. */
export interface Wanted {
  readonly route: Route;
  readonly key: string;
}

/**
 * What one peer was sent. The rest is set arithmetic: wanted minus sent is what it lacks, sent minus wanted what it should forget.
 * A session that comes up starts with nothing sent, so the full table, a reload and a single move share one path.
 */
export interface AdjRibOut {
  readonly sent: Map<Prefix, Wanted>;
  /** Wanted, and held back by `maxPrefixes`. */
  readonly overLimit: Set<Prefix>;
}

export function newAdjRibOut(): AdjRibOut {
  return { sent: new Map(), overLimit: new Set() };
}

/**
 * The difference for `prefixes`, taken as sent from now on: withdraws first, so that room under the limit is free.
 * @param limit `maxPrefixes`: at most this many are sent; a route that the peer has already is always renewed.
 */
export function takeDelta(rib: AdjRibOut, prefixes: Iterable<Prefix>, wantedOf: (prefix: Prefix) => Wanted | undefined, limit = Infinity): RouteChange[] {
  const withdraws: RouteChange[] = [];
  const announces: RouteChange[] = [];
  for (const prefix of prefixes) {
    const wanted = wantedOf(prefix);
    const sent = rib.sent.get(prefix);
    if (wanted === undefined) {
      rib.overLimit.delete(prefix);
      if (sent === undefined) continue;
      rib.sent.delete(prefix);
      withdraws.push({ type: 'withdraw', prefix });
    } else if (sent?.key !== wanted.key) {
      if (sent === undefined && rib.sent.size >= limit) {
        rib.overLimit.add(prefix);
        continue;
      }
      rib.overLimit.delete(prefix);
      rib.sent.set(prefix, wanted);
      announces.push({ type: 'announce', route: wanted.route });
    }
  }
  return withdraws.concat(announces);
}

import { compareIp, type IpAddress } from '../net/ip.ts';
import type { Route, RouteAttributes } from './route.ts';
import { countHops } from './wire/as-path.ts';

/** One route for a prefix, and from whom it came. */
export interface Candidate {
  readonly route: Route;
  /** What a policy on import has made of it; counts whatever the peer is. */
  readonly localPref?: number;
  readonly peer: {
    readonly asn: number;
    readonly ibgp: boolean;
    readonly bgpIdentifier: IpAddress;
    readonly address: IpAddress;
  };
}

export interface DecisionOptions {
  /** What a route without MULTI_EXIT_DISC counts as; RFC 4271 section 9.1.2.2 (c) says lowest, that is 0. */
  readonly missingMed: 'lowest' | 'highest';
}

/** The steps, named as what decided; in order. */
export type DecisionStep =
  | 'LOCAL_PREF'
  | 'AS_PATH'
  | 'ORIGIN'
  | 'MULTI_EXIT_DISC'
  | 'eBGP over iBGP'
  | 'BGP Identifier'
  | 'CLUSTER_LIST'
  | 'peer address';

const defaultLocalPref = 100;
const originRank = { IGP: 0, EGP: 1, INCOMPLETE: 2 } as const;

interface Step {
  readonly name: DecisionStep;
  /** Negative: `a` is better. Only called for routes that all steps before left equal. */
  readonly compare: (a: Candidate, b: Candidate, options: DecisionOptions) => number;
}

/** RFC 4271 section 9.1.2.2 with RFC 4456 section 9; the IGP cost is left out, since next hops are on our own links. */
const steps: readonly Step[] = [
  { name: 'LOCAL_PREF', compare: (a, b) => localPref(b) - localPref(a) },
  { name: 'AS_PATH', compare: (a, b) => countHops(attributes(a).asPath) - countHops(attributes(b).asPath) },
  { name: 'ORIGIN', compare: (a, b) => originRank[attributes(a).origin] - originRank[attributes(b).origin] },
  {
    name: 'MULTI_EXIT_DISC',
    compare: (a, b, options) => (neighbourAs(a) === neighbourAs(b) ? med(a, options) - med(b, options) : 0),
  },
  { name: 'eBGP over iBGP', compare: (a, b) => Number(a.peer.ibgp) - Number(b.peer.ibgp) },
  { name: 'BGP Identifier', compare: (a, b) => compareIp(identifier(a), identifier(b)) },
  { name: 'CLUSTER_LIST', compare: (a, b) => clusters(a) - clusters(b) },
  { name: 'peer address', compare: (a, b) => compareIp(a.peer.address, b.peer.address) },
];

/**
 * The best of several routes for one prefix, whatever their order, or `undefined` for none. Routes that may not be used
 * at all (AS loops, no next hop) are the caller's to leave out.
 */
export function bestPath(candidates: readonly Candidate[], options: DecisionOptions = { missingMed: 'lowest' }): Candidate | undefined {
  let left = candidates;
  for (const { compare } of steps) {
    if (left.length < 2) break;
    // Not a sort: MED orders only routes of one neighbouring AS, so that "better" is no order over all of them.
    left = left.filter((candidate) => left.every((other) => compare(candidate, other, options) <= 0));
  }
  return left[0];
}

/** True if `a` is preferred to `b`, of these two alone. */
export function better(a: Candidate, b: Candidate, options: DecisionOptions = { missingMed: 'lowest' }): boolean {
  return decide(a, b, options)?.winner === a;
}

/** Which of two routes is preferred and the step that said so; `undefined` if they are the same to every step. */
export function decide(
  a: Candidate,
  b: Candidate,
  options: DecisionOptions = { missingMed: 'lowest' },
): { readonly winner: Candidate; readonly step: DecisionStep } | undefined {
  for (const { name, compare } of steps) {
    const difference = compare(a, b, options);
    if (difference !== 0) return { winner: difference < 0 ? a : b, step: name };
  }
  return undefined;
}

function attributes(candidate: Candidate): RouteAttributes {
  return candidate.route.attributes;
}

/** RFC 4271 section 5.1.5: LOCAL_PREF counts only from our own AS; of another's routes our own policy says it. */
function localPref({ peer, route, localPref: set }: Candidate): number {
  if (set !== undefined) return set;
  return peer.ibgp ? (route.attributes.localPref ?? defaultLocalPref) : defaultLocalPref;
}

/** The AS that the route came from into ours; our own (0) for a route without an AS_PATH or behind a set. */
function neighbourAs(candidate: Candidate): number {
  const first = attributes(candidate).asPath.find(({ type }) => type === 'AS_SEQUENCE' || type === 'AS_SET');
  return first?.type === 'AS_SEQUENCE' ? (first.asns[0] ?? 0) : 0;
}

function med(candidate: Candidate, { missingMed }: DecisionOptions): number {
  return attributes(candidate).med ?? (missingMed === 'lowest' ? 0 : 0xffffffff);
}

/** RFC 4456 section 9: a reflected route counts with the identifier of its originator. */
function identifier({ peer, route }: Candidate): IpAddress {
  return route.attributes.originatorId ?? peer.bgpIdentifier;
}

function clusters(candidate: Candidate): number {
  return attributes(candidate).clusterList?.length ?? 0;
}

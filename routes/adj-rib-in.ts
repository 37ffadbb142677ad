import { wellKnownCommunities } from '../bgp/community.ts';
import type { Community, Route } from '../bgp/route.ts';
import type { IpAddress, Prefix } from '../net/ip.ts';
import type { Now } from '../net/time.ts';
import { decodeClaimMarks, type ClaimMarks } from './claim-communities.ts';
import { isFuture } from './claim.ts';
import { isLeaving } from './preference.ts';

/**
 * What a received route is to us. `own`: this node's claim, reflected. `rival`: another node's claim. `future`: a claim whose
 * sequence nobody can have reached; alarmed, shown, never obeyed. `foreign`: no claim of a landfall node.
 */
export type ReceivedKind = 'own' | 'rival' | 'future' | 'foreign';

export interface ReceivedRoute {
  readonly route: Route;
  readonly marks: Partial<ClaimMarks>;
  readonly kind: ReceivedKind;
  /** The node gives the address up, or a router keeps its route though it is gone (LLGR_STALE, RFC 9494); such a claim outbids nobody. */
  readonly leaving: boolean;
  readonly since: Now;
}

/** Routes held from one peer, VM prefixes only. Bounded: what is over the limit is counted and not kept. */
export interface AdjRibIn {
  readonly routes: Map<Prefix, ReceivedRoute>;
  /** Where the peer sends several for a prefix (RFC 7911): all of them, by path identifier; see paths.ts. */
  paths?: Map<Prefix, Map<number, ReceivedRoute>>;
  refused: number;
}

/** More than any fleet has VMs in one VRF; a peer that sends its full table costs no more than this. */
export const adjRibInLimit = 50_000;

export function newAdjRibIn(): AdjRibIn {
  return { routes: new Map(), refused: 0 };
}

const llgrStale = wellKnownCommunities['llgr-stale'] as Community;

/**
 * Reads a route as a claim. `routerId` is ours: a route that names us, or that a reflector says was ours, is `own`. `like`: another route of
 * the same UPDATE; what both have in common is then read and kept once, however many prefixes a peer puts into it.
 */
export function classify(route: Route, globalAdmin: number, routerId: IpAddress, now: Now, like?: ReceivedRoute): ReceivedRoute {
  const { attributes } = route;
  if (like?.route.attributes === attributes) return { route, marks: like.marks, leaving: like.leaving, since: like.since, kind: like.kind };
  const marks = decodeClaimMarks(globalAdmin, attributes.largeCommunities);
  const node = marks.node ?? attributes.originatorId;
  const read = { route, marks: node === undefined ? marks : { ...marks, node }, leaving: isLeaving(attributes.communities) || attributes.communities.includes(llgrStale), since: now };
  if (node === routerId) return { ...read, kind: 'own' };
  if (marks.sequence === undefined || node === undefined) return { ...read, kind: 'foreign' };
  return { ...read, kind: isFuture(marks.sequence, now) ? 'future' : 'rival' };
}

/** Keeps a route; false when the limit forbids it. */
export function keepReceived(rib: AdjRibIn, received: ReceivedRoute): boolean {
  const { prefix } = received.route;
  if (!rib.routes.has(prefix) && rib.routes.size >= adjRibInLimit) {
    rib.refused += 1;
    return false;
  }
  rib.routes.set(prefix, received);
  return true;
}

/**
 * Is a rival's claim newer than ours? The higher sequence is; of two equal ones routers prefer the lower BGP Identifier
 * (RFC 4271 section 9.1.2.2 f), so the node with the higher one gives way.
 */
export function isNewer(rival: ReceivedRoute, sequence: number, compareWithOurs: (node: IpAddress) => number): boolean {
  if (rival.kind !== 'rival' || rival.leaving) return false;
  const theirs = rival.marks.sequence as number;
  return theirs > sequence || (theirs === sequence && compareWithOurs(rival.marks.node as IpAddress) < 0);
}

/** A rival's standing claim with our sequence. */
export function isTie(rival: ReceivedRoute, sequence: number): boolean {
  return rival.kind === 'rival' && !rival.leaving && rival.marks.sequence === sequence;
}

import type { AsPathSegment } from '../bgp/route.ts';
import type { IpAddress, Prefix } from '../net/ip.ts';
import type { ReceivedRoute } from './adj-rib-in.ts';
import { bears, stepOf } from './ladder.ts';
import type { Level, PreferenceOptions, Profile } from './preference.ts';

/**
 * A route that bears our BGP Identifier and was not sent by us: it leads to another next hop, and its claim is newer than any of ours. A
 * reflector that sets the next hop itself shows our own claims so, but never one that we did not make.
 * @param sequence the highest of our claims for the address; 0: we made none
 */
export function isTwin({ kind, marks, route }: ReceivedRoute, sequence: number, ownNextHops: ReadonlySet<IpAddress>): boolean {
  return kind === 'own' && (marks.sequence ?? 0) > sequence && !ownNextHops.has(route.attributes.nextHop);
}

/** The ASNs of a path in order, sets and confederations left out. */
export function asnsOf(asPath: readonly AsPathSegment[]): number[] {
  return asPath.flatMap(({ type, asns }) => (type === 'AS_SEQUENCE' ? asns : []));
}

/** How often the AS that originated the route stands at its end beyond the once that every path has it. */
export function prependsIn(asPath: readonly AsPathSegment[]): number {
  const asns = asnsOf(asPath);
  let count = 0;
  while (count < asns.length && asns[asns.length - 1 - count] === asns[asns.length - 1]) count += 1;
  return Math.max(0, count - 1);
}

/** The level at which a rival's route is, read from what its profile puts on it; `undefined` where nothing tells. */
export function levelShown(profile: Profile, received: ReceivedRoute, options: PreferenceOptions): Level | undefined {
  if (received.leaving) return 'leaving';
  const { attributes } = received.route;
  if (profile === 'prepend') return prependsIn(attributes.asPath) === 0 ? 'elevated' : 'normal';
  for (const level of ['elevated', 'normal', 'leaving'] as const) if (bears(attributes, options.levels[level])) return level;
  return undefined;
}

/** What is wrong, and what to do about it. */
export interface Advice {
  readonly text: string;
  readonly fix: string;
}

/**
 * Why routers can't prefer a claim that we make now to this rival's, although ours is newer; `undefined` where they can.
 * In `window` and `prepend` a rival that is still elevated is as good as we are; in `ladder` only one on the top.
 */
export function orderTrouble(profile: Profile, rival: ReceivedRoute, options: PreferenceOptions): Advice | undefined {
  if (rival.kind !== 'rival' || rival.leaving) return undefined;
  const node = rival.marks.node ?? 'a rival';
  switch (profile) {
    case 'sequence':
      return undefined;
    case 'ladder':
      return stepOf(rival.route.attributes, options.ladder) === options.ladder.length - 1 ? { text: `${node} stands on the top of the ladder: routers can't tell our claim from its`, fix: settlesFix } : undefined;
    case 'window':
    case 'prepend':
      return levelShown(profile, rival, options) === 'elevated'
        ? { text: `${node} is still elevated: a second move within elevatedFor ties in profile ${profile}`, fix: 'keep moves of one VM further apart than migration.elevatedFor; ladder and sequence order many moves' }
        : undefined;
  }
}

/** What a claim on the top of the ladder waits for. */
export const settlesFix = 'let its moves pause: a claim steps down after migration.elevatedFor without a rival in sight; or set more steps in routes.ladder.communities, on every node and router';

/** What is known of one session before any route comes. */
export interface RouterView {
  readonly profile: Profile;
  readonly ibgp: boolean;
  readonly peerAsn: number;
  readonly localAsn: number;
}

export type FindingCode = 'med_not_compared' | 'local_pref_changed' | 'marks_stripped' | 'path_too_long' | 'no_step' | 'no_level' | 'rival_hidden' | 'slow_router';

/** Why a profile can't order two nodes at this router, or not in time; each is said once in the life of a session, unless it was mended. */
export interface Finding extends Advice {
  readonly code: FindingCode;
  /** The route that shows it. */
  readonly seen?: { readonly prefix: Prefix; readonly node: IpAddress | undefined };
}

/** What a session has shown of its router, so far. */
export interface FabricEvidence {
  readonly findings: Map<FindingCode, Finding>;
  /** It sends our own routes back to us. */
  reflectsOwn: boolean;
  /** It withdrew a rival after our newer claim: it prefers ours, and shows us nothing but what it prefers. */
  hidesLosers: boolean;
  /** It has shown another node's claim. */
  showsRivals: boolean;
  /** It passes routes on that have our AS in their path: nodes in one AS see each other. */
  showsOwnAs: boolean;
  /** From the last byte of a claim to the router's answer to it, the longest seen, in milliseconds. */
  slowestAnswerMs?: number;
  /** A route with our identifier that is not ours has been logged. */
  twinTold?: true;
}

export function newFabricEvidence(): FabricEvidence {
  return { findings: new Map(), reflectsOwn: false, hidesLosers: false, showsRivals: false, showsOwnAs: false };
}

/** A router that takes longer to answer a claim than this, in milliseconds, holds UPDATEs back. */
export const slowAnswerMs = 1000;

/**
 * The path by which the router itself has a route, as far as it shows: without the router's own AS in front. Empty where the router
 * writes its AS over others (as-override), so that nothing can be told.
 */
export function pathAtRouter(asPath: readonly AsPathSegment[], peerAsn: number): number[] {
  const asns = asnsOf(asPath);
  let from = 0;
  while (asns[from] === peerAsn) from += 1;
  return asns.slice(from);
}

/** What one received route says against the profile of its session. Future and foreign routes say nothing here. */
export function judgeRoute(view: RouterView, received: ReceivedRoute, options: PreferenceOptions): Finding | undefined {
  const found = judge(view, received, options);
  return found === undefined ? undefined : { ...found, seen: { prefix: received.route.prefix, node: received.marks.node } };
}

/** Whether the route that showed it is there and shows it no more: the router, the node or our own profile has been mended. */
export function isMended({ code, seen }: Finding, view: RouterView, received: ReceivedRoute | undefined, options: PreferenceOptions): boolean {
  if (code === 'marks_stripped' && received?.marks.sequence !== undefined) return true;
  if (seen === undefined || received === undefined || received.leaving || received.marks.node !== seen.node) return false;
  return judge(view, received, options)?.code !== code;
}

function judge(view: RouterView, received: ReceivedRoute, options: PreferenceOptions): Omit<Finding, 'seen'> | undefined {
  if (received.leaving || (received.kind !== 'rival' && received.kind !== 'own')) return undefined;
  const { attributes } = received.route;
  const node = received.marks.node ?? 'another node';
  if (received.kind === 'own' && received.marks.sequence === undefined) {
    return { code: 'marks_stripped', text: `our own claim for ${received.route.prefix} comes back without landfall's marks: this router takes large communities off, so nodes see no claim of each other through it`, fix: 'send communities of all kinds towards the nodes (FRR: send-community all; elsewhere large ones have a word of their own), and no policy that removes them' };
  }
  if (view.ibgp) return view.profile === 'sequence' ? judgeLocalPref(received) : undefined;
  if (received.kind === 'own') return undefined;
  const path = pathAtRouter(attributes.asPath, view.peerAsn);
  switch (view.profile) {
    case 'sequence':
      if (path.length === 0 || path[0] === view.localAsn) return undefined;
      return { code: 'med_not_compared', text: `${node}'s routes reach this router from AS ${path[0]}, ours from AS ${view.localAsn}: it does not compare their MED, so profile sequence can't order the two nodes`, fix: 'use profile ladder, or prepend where routers can\'t be configured, on every node' };
    case 'prepend': {
      const hops = path.length - prependsIn(attributes.asPath);
      if (hops <= options.prepend) return undefined;
      return { code: 'path_too_long', text: `${node} is ${hops} ASes away from this router: a normal claim of ours with ${options.prepend} prepends would win over its fresh one`, fix: `set routes.prepend: ${hops} on every node` };
    }
    case 'ladder':
      if (stepOf(attributes, options.ladder) !== undefined) return undefined;
      return { code: 'no_step', text: `${node}'s claim comes without a step of the ladder: that node has another profile, or a router on the way strips communities; profile ladder can't order the two nodes`, fix: stripsFix };
    case 'window':
      if (levelShown('window', received, options) !== undefined) return undefined;
      return { code: 'no_level', text: `${node}'s claim comes without the community of a level: that node has another profile, or a router on the way strips communities; profile window can't order the two nodes`, fix: stripsFix };
  }
}

const stripsFix = 'send communities of all kinds (FRR: send-community all) on all routers between the nodes, and one profile on every node';

function judgeLocalPref({ route, marks, kind }: ReceivedRoute): Omit<Finding, 'seen'> | undefined {
  const { localPref } = route.attributes;
  // A router in graceful shutdown (RFC 8326) tells all of its routes so; among its own paths it chooses as before.
  if (localPref === 0) return undefined;
  if (localPref === undefined || marks.sequence === undefined || localPref === marks.sequence) return undefined;
  const whose = kind === 'own' ? 'our own claim' : `${marks.node ?? 'another node'}'s claim`;
  return { code: 'local_pref_changed', text: `${whose} comes with LOCAL_PREF ${localPref}, not with its sequence ${marks.sequence}: an inbound policy rewrites LOCAL_PREF${kind === 'own' ? '' : ', or that node has another profile'}, and profile sequence can't order two nodes`, fix: 'remove the policy at the router, or use profile window with it' };
}

import type { AsPathSegment, Community, LargeCommunity } from '../bgp/route.ts';
import { highestSequence } from './claim.ts';

/** How much we want routers to prefer a claim. `leaving` is better than nothing and worse than any claim. */
export type Level = 'elevated' | 'normal' | 'leaving';

/**
 * How the newest claim wins at a router. `sequence`: by the claim's sequence itself. `ladder`: by one of a few steps, each a community
 * that routers map to LOCAL_PREF. `window`: three fixed levels, the newest claim elevated for a time. `prepend`: the same by the
 * length of AS_PATH, without any router's help.
 */
export type Profile = 'sequence' | 'ladder' | 'window' | 'prepend';

/** Standard and large communities that are put on a route together. */
export interface CommunitySet {
  readonly communities: readonly Community[];
  readonly largeCommunities: readonly LargeCommunity[];
}

/** What one level says in profile `window`. Of `leaving` the communities count in every profile; of all levels in `prepend`. */
export interface LevelPreference extends CommunitySet {
  readonly localPref: number;
  readonly med: number;
}

export interface PreferenceOptions {
  readonly levels: Readonly<Record<Level, LevelPreference>>;
  /** Profile `ladder`: a set for each step, the lowest first. */
  readonly ladder: readonly CommunitySet[];
  /** Profile `prepend`: how often our ASN is prepended to a normal route; twice as often to a leaving one. */
  readonly prepend: number;
  readonly localAsn: number;
  /** Our BGP Identifier as a number. */
  readonly identifier: number;
  readonly noExport: boolean;
}

/** What of a claim decides how much routers shall prefer it. */
export interface Rank {
  readonly level: Level;
  readonly sequence: number;
  /** Profile `ladder`: 0 is the lowest step. */
  readonly step: number;
  /** The session is iBGP. */
  readonly ibgp?: boolean;
}

/** The attributes that routers compare, for one claim at one level. */
export interface Preference extends CommunitySet {
  readonly localPref: number;
  readonly med: number;
  /** Before the session's own AS, which each eBGP route gets. */
  readonly asPath: readonly AsPathSegment[];
}

/** RFC 8326 section 3: every router that knows it puts such a route last. */
export const gracefulShutdown: Community = 0xffff0000;
/** RFC 1997. */
export const noExport: Community = 0xffffff01;

/**
 * A leaving route has this less its sequence as MED, except in profile `window`: above every claim's, and of two nodes that both leave
 * (a move that is cancelled at once) the newer is still the better, for a tie is an outage.
 */
export const worstMed = 4294967295;

/** LOCAL_PREF of the lowest step of profile `ladder`, on iBGP and in the routers' mapping. */
export const ladderLocalPref = 200;

/**
 * LOCAL_PREF, MED, AS_PATH and communities of a claim. LOCAL_PREF is for iBGP peers (the encoder leaves it out elsewhere). MED orders
 * the claims where routers compare it: in `sequence` it is what decides on eBGP, in `ladder` and `prepend` it breaks ties. On iBGP
 * `sequence` breaks ties, which two nodes that claim in the same second make before they hear of each other, by the BGP Identifier as MED:
 * no router then calls the two equal, and all prefer the lower one, as speakers do, whatever its next hop costs. `elevated`
 * and `normal` are the same on the wire in `sequence`, and in `ladder` at the same step: a claim that settles then sends nothing.
 */
export function preferenceOf(profile: Profile, { level, sequence, step, ibgp }: Rank, options: PreferenceOptions): Preference {
  const { localPref, med, communities, largeCommunities } = options.levels[level];
  const leaving = level === 'leaving';
  const extra = leaving ? [gracefulShutdown] : [];
  if (options.noExport) extra.push(noExport);
  const common = { asPath: [], communities: [...communities, ...extra], largeCommunities };
  const orderedMed = (leaving ? worstMed : highestSequence) - sequence;
  switch (profile) {
    case 'window':
      return { ...common, localPref, med };
    case 'sequence':
      if (leaving) return { ...common, localPref: 0, med: orderedMed };
      return { asPath: [], localPref: sequence, med: ibgp === true ? options.identifier : orderedMed, communities: extra, largeCommunities: [] };
    case 'ladder': {
      const rung = leaving ? undefined : options.ladder[step];
      if (rung === undefined) return { ...common, localPref, med: orderedMed };
      return { asPath: [], localPref: ladderLocalPref + step, med: orderedMed, communities: [...rung.communities, ...extra], largeCommunities: rung.largeCommunities };
    }
    case 'prepend':
      return { ...common, localPref, med: orderedMed, asPath: prepended(options, prependsOf(level, options.prepend)) };
  }
}

/** How often profile `prepend` puts our ASN before a route of a level, besides the once that every eBGP route has it. */
export function prependsOf(level: Level, prepend: number): number {
  return level === 'elevated' ? 0 : level === 'normal' ? prepend : 2 * prepend;
}

function prepended({ localAsn }: PreferenceOptions, times: number): AsPathSegment[] {
  return times === 0 ? [] : [{ type: 'AS_SEQUENCE', asns: new Array<number>(times).fill(localAsn) }];
}

/** True if elevated and normal are the same on the wire, for claims of one step. */
export function settlesSilently(profile: Profile): boolean {
  return profile === 'sequence' || profile === 'ladder';
}

/** True for a received route of a node that is giving the address up. */
export function isLeaving(communities: readonly Community[]): boolean {
  return communities.includes(gracefulShutdown);
}

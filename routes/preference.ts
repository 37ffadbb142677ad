import type { Community, LargeCommunity } from '../bgp/route.ts';
import { highestSequence } from './claim.ts';

/** How much we want routers to prefer a claim. `leaving` is better than nothing and worse than any claim. */
export type Level = 'elevated' | 'normal' | 'leaving';

/** `sequence`: the order is the claim's sequence itself. `window`: three fixed levels, the newest claim elevated for a time. */
export type Profile = 'sequence' | 'window';

/** What one level says in profile `window`; in `sequence` only its communities of `leaving` count. */
export interface LevelPreference {
  readonly localPref: number;
  readonly med: number;
  readonly communities: readonly Community[];
  readonly largeCommunities: readonly LargeCommunity[];
}

export interface PreferenceOptions {
  readonly levels: Readonly<Record<Level, LevelPreference>>;
  readonly noExport: boolean;
}

/** The attributes that routers compare, for one claim at one level. */
export interface Preference {
  readonly localPref: number;
  readonly med: number;
  readonly communities: readonly Community[];
  readonly largeCommunities: readonly LargeCommunity[];
}

/** RFC 8326 section 3: every router that knows it puts such a route last. */
export const gracefulShutdown: Community = 0xffff0000;
/** RFC 1997. */
export const noExport: Community = 0xffffff01;

/** MED of a leaving route in profile `sequence`: above every claim's. */
export const worstMed = 4294967295;

/**
 * LOCAL_PREF, MED and communities of a claim. LOCAL_PREF is for iBGP peers (the encoder leaves it out elsewhere), MED orders the
 * claims on eBGP. In profile `sequence` `elevated` and `normal` are the same on the wire: a claim that settles sends nothing.
 */
export function preferenceOf(profile: Profile, level: Level, sequence: number, options: PreferenceOptions): Preference {
  const configured = options.levels[level];
  const extra = level === 'leaving' ? [gracefulShutdown] : [];
  if (options.noExport) extra.push(noExport);
  if (profile === 'window') {
    return { ...configured, communities: [...configured.communities, ...extra] };
  }
  if (level === 'leaving') {
    return { ...configured, localPref: 0, med: worstMed, communities: [...configured.communities, ...extra] };
  }
  return { localPref: sequence, med: highestSequence - sequence, communities: extra, largeCommunities: [] };
}

/** True for a received route of a node that is giving the address up. */
export function isLeaving(communities: readonly Community[]): boolean {
  return communities.includes(gracefulShutdown);
}

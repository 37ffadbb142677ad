import { parseCommunity, parseLargeCommunity } from '../bgp/community.ts';
import type { LargeCommunity } from '../bgp/route.ts';
import type { Config, LevelConfig } from '../config/config.ts';
import { assert } from '../net/assert.ts';
import { ipv4ToNumber, type IpAddress } from '../net/ip.ts';
import type { CommunitySet, LevelPreference, PreferenceOptions } from '../routes/preference.ts';
import { watchesOf, type Watch } from './watch.ts';

/** What a configuration is turned into once, for the hot path. */
export interface Derived {
  readonly watches: readonly Watch[];
  /** The number of each VRF in the marks of our claims. */
  readonly segments: ReadonlyMap<string, number>;
  readonly preference: PreferenceOptions;
}

/** @param config one that has been checked */
export function deriveFrom(config: Config, routerId: IpAddress): Derived {
  const { routes, watch, bgp } = config;
  const vrfs = [...new Set(watch.map(({ vrf }) => vrf))].sort();
  return {
    watches: watchesOf(watch), segments: new Map(vrfs.map((vrf, i) => [vrf, i])),
    preference: {
      levels: { elevated: levelOf(routes.elevated), normal: levelOf(routes.normal), leaving: levelOf(routes.leaving) },
      ladder: routes.ladder.communities.map((text) => communitiesOf([text])),
      prepend: routes.prepend, localAsn: bgp.asn, identifier: ipv4ToNumber(routerId), noExport: routes.noExport,
    },
  };
}

function levelOf(level: LevelConfig): LevelPreference {
  return { localPref: level.localPref, med: level.med, ...communitiesOf(level.communities) };
}

/** Communities as numbers; the configuration has been checked, so a text that can't be read is our own mistake. */
function communitiesOf(texts: readonly string[]): CommunitySet {
  const communities: number[] = [];
  const largeCommunities: LargeCommunity[] = [];
  for (const text of texts) {
    const large = text.split(':').length === 3 ? parseLargeCommunity(text) : undefined;
    const standard = large === undefined ? parseCommunity(text) : undefined;
    if (large !== undefined && 'value' in large) largeCommunities.push(large.value);
    else if (standard !== undefined && 'value' in standard) communities.push(standard.value);
    else assert(false, `community ${text} passed the configuration check`);
  }
  return { communities, largeCommunities };
}

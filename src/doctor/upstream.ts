import type { Config, PeerConfig } from '../../config/config.ts';
import { warn, type Finding } from './finding.ts';

/** What eBGP routers have to be told, for LOCAL_PREF is not carried to them. */
export function checkUpstream(config: Config): Finding[] {
  return config.bgp.peers.filter((peer) => peer.asn !== config.bgp.asn).flatMap((peer): Finding[] => {
    const text = upstreamNeeds(config, peer);
    return text === undefined ? [] : [warn('upstream', `${peer.name} is eBGP: LOCAL_PREF is not carried; ${text}. See: landfall tor-config ${peer.name}`)];
  });
}

function upstreamNeeds({ routes }: Config, { profile }: PeerConfig): string | undefined {
  switch (profile) {
    case 'window':
      return `it must map ${[...routes.elevated.communities, ...routes.normal.communities, ...routes.leaving.communities].join(', ')}`;
    case 'ladder':
      return `it must map ${routes.ladder.communities[0]} to ${routes.ladder.communities.at(-1)} and ${routes.leaving.communities.join(', ')}`;
    case 'sequence':
      return 'MED orders the nodes only where all of them are in one AS and all routers of the prefix in another one';
    case 'prepend':
      return undefined;
  }
}

/** `bgp.receive: none` leaves us blind. */
export function saysWhetherReflected(config: Config): Finding | undefined {
  return config.bgp.receive === 'none' ? { result: 'skip', topic: 'reflected', text: 'bgp.receive is none: handover times at the ToR cannot be measured' } : undefined;
}

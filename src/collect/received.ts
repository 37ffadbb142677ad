import { formatCommunity, formatLargeCommunity, wellKnownCommunities } from '../../bgp/community.ts';
import type { Community } from '../../bgp/route.ts';
import type { Prefix } from '../../net/ip.ts';
import type { AdjRibIn, ReceivedRoute } from '../../routes/adj-rib-in.ts';
import type { ReceivedItem } from '../views/items.ts';
import type { Peer, World } from '../world.ts';
import { timeText } from './time.ts';

const llgrStale = wellKnownCommunities['llgr-stale'] as Community;

/** Routes held from the peers, and those of sessions that were lost. */
export function collectReceived(world: World, prefix?: string, peerName?: string): ReceivedItem[] {
  const items: ReceivedItem[] = [];
  const wanted = (received: Prefix): boolean => prefix === undefined || received === prefix || received.startsWith(`${prefix}/`);
  for (const peer of world.peers.values()) {
    if (peerName !== undefined && peer.config.name !== peerName) continue;
    for (const { pathId, path } of pathsIn(peer.adjIn, wanted)) items.push(item(peer, path, path.kind === 'rival' && path.leaving ? 'rival, leaving' : path.kind, pathId, path.route.attributes.communities));
    for (const { rib, phase } of peer.retained.values()) {
      for (const { pathId, path } of pathsIn(rib, wanted)) {
        const { communities } = path.route.attributes;
        // RFC 9494 section 4.2: the helper attaches it.
        items.push(item(peer, path, 'stale', pathId, phase === 'restart' || communities.includes(llgrStale) ? communities : [...communities, llgrStale]));
      }
    }
  }
  return items;
}

function* pathsIn({ routes, paths }: AdjRibIn, wanted: (prefix: Prefix) => boolean): Generator<{ readonly pathId: number | undefined; readonly path: ReceivedRoute }> {
  for (const [received, route] of routes) {
    if (!wanted(received)) continue;
    for (const [pathId, path] of [...paths?.get(received) ?? [[undefined, route] as const]]) yield { pathId, path };
  }
}

function item(peer: Peer, { route, marks, since }: ReceivedRoute, kind: string, pathId: number | undefined, communities: readonly Community[]): ReceivedItem {
  const { prefix, attributes } = route;
  return {
    peer: peer.config.name, prefix, nextHop: attributes.nextHop,
    ...(attributes.localPref === undefined ? {} : { localPref: attributes.localPref }),
    ...(attributes.med === undefined ? {} : { med: attributes.med }),
    asPath: attributes.asPath.map((segment) => (segment.type === 'AS_SEQUENCE' ? segment.asns.join(' ') : `{${segment.asns.join(',')}}`)).join(' '),
    communities: communities.map(formatCommunity), largeCommunities: attributes.largeCommunities.map(formatLargeCommunity),
    ...(marks.sequence === undefined ? {} : { sequence: marks.sequence }), ...(marks.mac === undefined ? {} : { mac: marks.mac }),
    ...(pathId === undefined ? {} : { pathId }), ...(marks.node === undefined ? {} : { node: marks.node }), kind, since: timeText(since.wallMs),
  };
}

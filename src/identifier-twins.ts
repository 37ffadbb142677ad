import { prefixAddress, type IpAddress, type Prefix } from '../net/ip.ts';
import { isTwin } from '../routes/fabric.ts';
import { addressKey } from '../routes/loc-rib.ts';
import type { ReceivedRoute } from '../routes/adj-rib-in.ts';
import { ownNextHops } from './next-hop.ts';
import type { Peer, World } from './world.ts';

/** A route that bears our BGP Identifier and is none of ours. */
export interface Twin {
  readonly peer: string;
  readonly prefix: Prefix;
  readonly nextHop: IpAddress;
}

/** One for each peer and next hop: there may be as many prefixes as the other node has VMs. */
export function identifierTwins(world: World): Twin[] {
  const twins: Twin[] = [];
  for (const peer of world.peers.values()) {
    const seen = new Set<IpAddress>();
    for (const [prefix, received] of peer.adjIn.routes) {
      const { nextHop } = received.route.attributes;
      if (received.kind !== 'own' || seen.has(nextHop) || !isTwinRoute(world, peer, prefix, received)) continue;
      seen.add(nextHop);
      twins.push({ peer: peer.config.name, prefix, nextHop });
    }
  }
  return twins;
}

export function isTwinRoute(world: World, peer: Peer, prefix: Prefix, received: ReceivedRoute): boolean {
  const h = world.locRib.handovers.get(addressKey(peer.config.vrf, prefixAddress(prefix)));
  return isTwin(received, h?.sequence ?? 0, ownNextHops(world, peer.config.vrf));
}

/** In words, for `status`. */
export function twinWarnings(world: World): string[] {
  return identifierTwins(world).map(({ peer, prefix, nextHop }) =>
    `${peer}: ${prefix} comes with our BGP Identifier ${world.routerId} and next hop ${nextHop}, and we never sent it: another node has our identifier; leave bgp.routerId out, or make it differ`);
}

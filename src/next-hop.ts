import { isIpv4, type IpAddress } from '../net/ip.ts';
import { peersOf } from './peers.ts';
import type { Peer, World } from './world.ts';

/** All next hops that routes of ours in a VRF can have now. */
export function ownNextHops(world: World, vrf: string): ReadonlySet<IpAddress> {
  const own = new Set<IpAddress>();
  for (const peer of peersOf(world, vrf)) {
    for (const ipv4 of [true, false]) {
      const nextHop = nextHopFor(world, peer, ipv4);
      if (nextHop !== undefined) own.add(nextHop);
    }
  }
  return own;
}

/** The NEXT_HOP for a family: the peer's, the speaker's, else the session's own address where that is of the family. */
export function nextHopFor(world: World, peer: Peer, ipv4: boolean): IpAddress | undefined {
  const configured = ipv4 ? peer.config.nextHop.ipv4 ?? world.config.bgp.nextHop.ipv4 : peer.config.nextHop.ipv6 ?? world.config.bgp.nextHop.ipv6;
  if (configured !== undefined) return configured;
  const { negotiated } = peer.session;
  const local = negotiated?.localAddress;
  if (local === undefined) return undefined;
  // RFC 8950: over a session between IPv6 addresses IPv4 has an IPv6 next hop, where the router takes it.
  return isIpv4(local) === ipv4 || (ipv4 && negotiated?.context.extendedNextHop === true) ? local : undefined;
}

/** An address of this node that the routers know it by. */
export function sourceOf(world: World, vrf: string, ipv4: boolean): IpAddress | undefined {
  for (const peer of peersOf(world, vrf)) {
    const own = nextHopFor(world, peer, ipv4);
    if (own !== undefined && isIpv4(own) === ipv4 && world.bridges.ownAddresses.has(own)) return own;
  }
  return undefined;
}

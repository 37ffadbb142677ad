import type { Peer, World } from './world.ts';

/** The peers that hear of a VRF's addresses. */
export function peersOf(world: World, vrf: string): Peer[] {
  const peers: Peer[] = [];
  for (const peer of world.peers.values()) if (peer.config.vrf === vrf) peers.push(peer);
  return peers;
}

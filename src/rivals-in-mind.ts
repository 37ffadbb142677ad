import { familyOf, prefixAddress } from '../net/ip.ts';
import { keyPrefix, type AddressKey } from '../routes/loc-rib.ts';
import { pathsOf } from '../routes/paths.ts';
import { askClaimant } from './claimants.ts';
import { takeRivalGone } from './early.ts';
import { touch } from './forwarding-state.ts';
import { peersOf } from './peers.ts';
import type { Peer, World } from './world.ts';

// That a rival's claim stood is not forgotten because its router is away; see stale-routes.ts and retained-routes.ts for how long.

/** True while some peer's stale route keeps the rival in mind. */
export function isStale(world: World, vrf: string, key: AddressKey): boolean {
  return peersOf(world, vrf).some((peer) => peer.stale?.keys.has(key) === true || retainsRival(peer, key));
}

/** True while a rival's claim stands among what is kept of the peer's routes. */
function retainsRival(peer: Peer, key: AddressKey): boolean {
  if (peer.retained.size === 0) return false;
  const prefix = keyPrefix(key);
  const stale = peer.retained.get(familyOf(prefix));
  if (stale === undefined) return false;
  for (const { kind, leaving } of pathsOf(stale.rib, prefix)) if (kind === 'rival' && !leaving) return true;
  return false;
}

/** Something that kept a rival in mind is gone: does anything else? `heard`: the peer itself has let it go. */
export function releaseRival(world: World, vrf: string, key: AddressKey, heard: boolean): void {
  if (!world.rivals.has(key)) return;
  const prefix = keyPrefix(key);
  const shown = peersOf(world, vrf).some((other) => {
    for (const { kind, leaving } of pathsOf(other.adjIn, prefix)) if (kind === 'rival' && !leaving) return true;
    return false;
  });
  if (shown || isStale(world, vrf, key)) return;
  touch(world.forwarding, key);
  world.rivals.delete(key);
  if (!heard) return;
  askClaimant(world, vrf, prefixAddress(prefix));
  if (world.locRib.handovers.has(key)) takeRivalGone(world, vrf, prefixAddress(prefix));
}

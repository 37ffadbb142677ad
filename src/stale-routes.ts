import { endOfRibFamily } from '../bgp/pack-updates.ts';
import type { UpdateMessage } from '../bgp/wire/messages.ts';
import { prefixAddress } from '../net/ip.ts';
import { addressKey, keyPrefix, type AddressKey } from '../routes/loc-rib.ts';
import { pathsOf } from '../routes/paths.ts';
import { takeRivalGone } from './early.ts';
import { touch } from './forwarding-state.ts';
import { peersOf } from './peers.ts';
import type { Peer, World } from './world.ts';

// The helper's side of RFC 4724 section 4.2. We forward nothing by a peer's routes, so that a stale one says nothing: it claims nothing and
// demotes nothing. But that a rival's claim stood is not forgotten because a router restarts: a pod that speaks before its VM is still
// too early. What the peer does not show again by its End-of-RIB is gone.

/** The session is up: how long may the peer be away when it restarts? */
export function noteRestartTime(peer: Peer): void {
  const capability = peer.session.negotiated?.remoteCapabilities.find(({ type }) => type === 'gracefulRestart');
  peer.restartTimeSeconds = capability?.type === 'gracefulRestart' ? capability.restartTimeSeconds : 0;
}

/** The session is down, and its routes are still there. */
export function keepStale(world: World, peer: Peer): void {
  const restartTimeSeconds = peer.restartTimeSeconds ?? 0;
  delete peer.stale;
  if (restartTimeSeconds === 0) return;
  const keys = new Set<AddressKey>();
  for (const [prefix, { kind, leaving }] of peer.adjIn.routes) if (kind === 'rival' && !leaving) keys.add(addressKey(peer.config.vrf, prefixAddress(prefix)));
  if (keys.size > 0) peer.stale = { keys, families: new Set(peer.config.families), untilMs: world.now.monotonicMs + restartTimeSeconds * 1000 };
}

/** True while some peer's stale route keeps the rival in mind. */
export function isStale(world: World, vrf: string, key: AddressKey): boolean {
  return peersOf(world, vrf).some((peer) => peer.stale?.keys.has(key) === true);
}

/** An UPDATE of the peer that came back: after the End-of-RIB of each family its word is whole. */
export function hearAgain(world: World, peer: Peer, update: UpdateMessage): void {
  const { stale } = peer;
  if (stale === undefined) return;
  const family = endOfRibFamily(update);
  if (family === undefined) return;
  stale.families.delete(family);
  if ([...stale.families].every((left) => peer.session.negotiated?.families.includes(left) !== true)) endStale(world, peer, true);
}

/** The peer took longer than it said: its old word is forgotten, and that is no evidence. */
export function forgetStaleIfDue(world: World): void {
  for (const peer of world.peers.values()) if (peer.stale !== undefined && peer.stale.untilMs <= world.now.monotonicMs) endStale(world, peer, false);
}

/** Monotonic milliseconds. */
export function staleDeadline(world: World): number {
  let next = Infinity;
  for (const { stale } of world.peers.values()) if (stale !== undefined && stale.untilMs < next) next = stale.untilMs;
  return next;
}

function endStale(world: World, peer: Peer, heard: boolean): void {
  const { stale, config: { vrf } } = peer;
  delete peer.stale;
  for (const key of stale?.keys ?? []) {
    touch(world.forwarding, key);
    const prefix = keyPrefix(key);
    const shown = peersOf(world, vrf).some((other) => {
      for (const { kind, leaving } of pathsOf(other.adjIn, prefix)) if (kind === 'rival' && !leaving) return true;
      return false;
    });
    if (shown || isStale(world, vrf, key) || !world.rivals.delete(key)) continue;
    if (heard && world.locRib.handovers.has(key)) takeRivalGone(world, vrf, prefixAddress(prefix));
  }
}

import { endOfRibFamily } from '../bgp/pack-updates.ts';
import type { UpdateMessage } from '../bgp/wire/messages.ts';
import { prefixAddress } from '../net/ip.ts';
import { addressKey, type AddressKey } from '../routes/loc-rib.ts';
import { endRetained, forgetRetained, hearRestarts, passRetained, retainedDeadline, retainRoutes } from './retained-routes.ts';
import { releaseRival } from './rivals-in-mind.ts';
import type { Peer, World } from './world.ts';

// The helper's side of RFC 4724 section 4.2. We forward nothing by a peer's routes, so that a stale one says nothing: it claims nothing and
// demotes nothing. But that a rival's claim stood is not forgotten because a router restarts: a pod that speaks before its VM is still
// too early. What the peer does not show again by its End-of-RIB is gone.

/** The session is up: how long may the peer be away when it restarts? */
export function noteRestartTime(world: World, peer: Peer): void {
  const capability = peer.session.negotiated?.remoteCapabilities.findLast((one) => one.type === 'gracefulRestart');
  peer.restartTimeSeconds = capability?.restartTimeSeconds ?? 0;
  hearRestarts(world, peer);
}

/** The session is down, and its routes are still there. `lost`: its connection failed, and nobody sent a NOTIFICATION. */
export function keepStale(world: World, peer: Peer, lost: boolean): void {
  const restartTimeSeconds = peer.restartTimeSeconds ?? 0;
  const before = peer.stale;
  delete peer.stale;
  retainRoutes(world, peer, lost);
  if (restartTimeSeconds > 0) keepRivals(world, peer, restartTimeSeconds);
  for (const key of before?.keys ?? []) releaseRival(world, peer.config.vrf, key, false);
}

/** Whatever ended the session, and whether the peer's routes are kept or not: a rival of whom nobody has heard that it left is not forgotten. */
function keepRivals(world: World, peer: Peer, restartTimeSeconds: number): void {
  const keys = new Set<AddressKey>();
  for (const [prefix, { kind, leaving }] of peer.adjIn.routes) if (kind === 'rival' && !leaving) keys.add(addressKey(peer.config.vrf, prefixAddress(prefix)));
  if (keys.size > 0) peer.stale = { keys, families: new Set(peer.config.families), untilMs: world.now.monotonicMs + restartTimeSeconds * 1000 };
}

/** An UPDATE of the peer that came back: after the End-of-RIB of each family its word is whole. */
export function hearAgain(world: World, peer: Peer, update: UpdateMessage): void {
  const { stale } = peer;
  if (stale === undefined && peer.retained.size === 0) return;
  const family = endOfRibFamily(update);
  if (family === undefined) return;
  endRetained(world, peer, family);
  if (stale === undefined) return;
  stale.families.delete(family);
  if ([...stale.families].every((left) => peer.session.negotiated?.families.includes(left) !== true)) endStale(world, peer, true);
}

/** The peer took longer than it said: its old word is forgotten, and that is no evidence. */
export function forgetStaleIfDue(world: World): void {
  passRetained(world);
  for (const peer of world.peers.values()) if (peer.stale !== undefined && peer.stale.untilMs <= world.now.monotonicMs) endStale(world, peer, false);
}

/** Monotonic milliseconds. */
export function staleDeadline(world: World): number {
  let next = retainedDeadline(world);
  for (const { stale } of world.peers.values()) if (stale !== undefined && stale.untilMs < next) next = stale.untilMs;
  return next;
}

/** There is no such peer any more: all that is in mind because of it is forgotten. */
export function forgetStale(world: World, peer: Peer): void {
  endStale(world, peer, false);
  forgetRetained(world, peer);
}

function endStale(world: World, peer: Peer, heard: boolean): void {
  const { stale, config: { vrf } } = peer;
  delete peer.stale;
  for (const key of stale?.keys ?? []) releaseRival(world, vrf, key, heard);
}

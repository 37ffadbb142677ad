import type { PeerConfig } from '../../config/config.ts';
import { errorSubcodes } from '../../bgp/wire/iana.ts';
import { newPeer } from '../new-peer.ts';
import { stepPeer } from '../peering.ts';
import { forgetStale } from '../stale-routes.ts';
import type { Peer, World } from '../world.ts';

// Some routers keep the routes of a session that ended, even after a Cease. So a peer that a reload takes away is sent its withdraws first,
// and the session ends when they have been acknowledged.

/** How long the acknowledgement is waited for, in milliseconds. */
const farewellMs = 2000;

/** Takes leave of a peer. @param next who bears the name after it */
export function beginFarewell(world: World, peer: Peer, next?: PeerConfig): void {
  peer.farewell = { untilMs: world.now.monotonicMs + farewellMs, ...(next === undefined ? {} : { next }) };
  if (peer.session.negotiated === undefined) return endFarewell(world, peer);
  for (const key of world.locRib.handovers.keys()) world.dirty.add(key);
  if (peer.adjOut.sent.size === 0) endFarewell(world, peer);
}

export function takeAcknowledged(world: World, name: string): void {
  const peer = world.peers.get(name);
  if (peer?.farewell !== undefined) endFarewell(world, peer);
}

/** Ends what has lasted long enough, or has lost its session. */
export function farewellsIfDue(world: World): void {
  for (const peer of [...world.peers.values()]) {
    if (peer.farewell === undefined) continue;
    if (peer.session.negotiated === undefined || peer.farewell.untilMs <= world.now.monotonicMs) endFarewell(world, peer);
  }
}

/** Monotonic milliseconds. */
export function farewellDeadline(world: World): number {
  let next = Infinity;
  for (const { farewell } of world.peers.values()) if (farewell !== undefined && farewell.untilMs < next) next = farewell.untilMs;
  return next;
}

function endFarewell(world: World, peer: Peer): void {
  const next = peer.farewell?.next;
  // It does not come back: what it showed says nothing any more.
  peer.restartTimeSeconds = 0;
  dropPeer(world, peer);
  if (next !== undefined) addPeer(world, next);
}

/** There is no such peer any more. */
export function dropPeer(world: World, peer: Peer): void {
  const { name } = peer.config;
  stepPeer(world, peer, { type: 'stop', subcode: errorSubcodes.cease.peerDeconfigured });
  world.peers.delete(name);
  forgetStale(world, peer);
  world.sessionDeadlines.set(name, undefined);
  for (const [key, h] of world.locRib.handovers) if (h.gone.has(name)) world.locRib.handovers.set(key, { ...h, gone: new Set([...h.gone].filter((other) => other !== name)) });
}

/** A new peer, whose session starts at once. */
export function addPeer(world: World, config: PeerConfig): void {
  const peer = newPeer(world.config, config, world.routerId, world.now, false);
  world.peers.set(config.name, peer);
  if (!world.dryRun) stepPeer(world, peer, { type: 'start' });
}

/** The session ends and begins anew as the configuration has it now. What its router showed of rivals stays in mind until it is back. */
export function resetPeer(world: World, peer: Peer, config: PeerConfig): void {
  stepPeer(world, peer, { type: 'stop', subcode: errorSubcodes.cease.otherConfigurationChange });
  world.sessionDeadlines.set(config.name, undefined);
  addPeer(world, config);
  const { stale, retained, bfd } = peer;
  const fresh = world.peers.get(config.name);
  if (fresh !== undefined && bfd !== undefined && config.bfd !== undefined) fresh.bfd = bfd;
  if (fresh === undefined || peer.config.vrf !== config.vrf) return forgetStale(world, peer);
  if (stale !== undefined) fresh.stale = stale;
  fresh.retained = retained;
}

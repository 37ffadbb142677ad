import { familyRestart, type FamilyRestart } from '../bgp/restarts.ts';
import type { RouteChange } from '../bgp/route.ts';
import { familyOf, prefixAddress, type Family } from '../net/ip.ts';
import { addressKey } from '../routes/loc-rib.ts';
import { familyPart, loseFamily, passFamily, replaceStale, type StaleStep, type StaleTerms } from '../routes/stale-rib.ts';
import { releaseRival } from './rivals-in-mind.ts';
import { note, type Peer, type World } from './world.ts';

// The helper's side of RFC 4724 section 4.2 and RFC 9494 section 4.2: which routes of a peer whose session was lost are kept, and shown as stale.
// They claim nothing and demote nothing, in either of the two times; but that a rival's claim stood among them stays in mind.

/** The session is up: what has the peer kept, and what will it keep the next time? */
export function hearRestarts(world: World, peer: Peer): void {
  const { negotiated } = peer.session;
  peer.restarts = new Map(negotiated?.families.map((family) => [family, familyRestart(negotiated.remoteCapabilities, family)]));
  for (const [family, stale] of [...peer.retained]) {
    const said = peer.restarts.get(family);
    if (stale.phase === 'restart' ? said?.preserved === true : said?.longLivedPreserved === true) continue;
    settle(world, peer, family, { gone: [...stale.rib.routes.keys()] }, false);
  }
}

/**
 * The session is down, and its routes are still there. `lost`: its connection failed, and nobody sent a NOTIFICATION. After one nothing is kept:
 * we never set the N bit of RFC 8538.
 */
export function retainRoutes(world: World, peer: Peer, lost: boolean): void {
  for (const family of peer.config.families) {
    const before = peer.retained.get(family);
    const said = lost && peer.session.options.gracefulRestart !== undefined ? peer.restarts?.get(family) : undefined;
    if (said !== undefined) settle(world, peer, family, loseFamily(before, familyPart(peer.adjIn, family), termsOf(world, said, family), world.now.monotonicMs), false);
    else if (before !== undefined) settle(world, peer, family, { gone: [...before.rib.routes.keys()] }, false);
  }
}

/** RFC 9494 section 5: nothing is kept beyond the Restart Time but of families that somebody named. */
function termsOf(world: World, { restartSeconds, longLivedSeconds }: FamilyRestart, family: Family): StaleTerms {
  const { longLivedGracefulRestart: ours } = world.config.bgp;
  const seconds = ours?.families.includes(family) === true ? Math.min(longLivedSeconds, ours.maxStaleTimeSeconds) : 0;
  return { restartMs: restartSeconds * 1000, longLivedMs: seconds * 1000 };
}

/** The peer is back, and says something of a prefix. To be called when that is in the Adj-RIB-In. */
export function replaceRetained(world: World, peer: Peer, change: RouteChange): void {
  if (peer.retained.size === 0) return;
  const prefix = change.type === 'announce' ? change.route.prefix : change.prefix;
  const stale = peer.retained.get(familyOf(prefix));
  if (stale !== undefined && replaceStale(stale, prefix, change.pathId)) releaseRival(world, peer.config.vrf, addressKey(peer.config.vrf, prefixAddress(prefix)), true);
}

/** End-of-RIB of a family: what the peer has not shown again is gone. */
export function endRetained(world: World, peer: Peer, family: Family): void {
  const stale = peer.retained.get(family);
  if (stale !== undefined) settle(world, peer, family, { gone: [...stale.rib.routes.keys()] }, true);
}

/** It does not come back, or nobody wants to hear it: all that is kept of it is forgotten. */
export function forgetRetained(world: World, peer: Peer): void {
  for (const [family, stale] of [...peer.retained]) settle(world, peer, family, { gone: [...stale.rib.routes.keys()] }, false);
}

/** What was kept for long enough goes, or is the least preferred from now on. */
export function passRetained(world: World): void {
  for (const peer of world.peers.values()) {
    for (const [family, stale] of [...peer.retained]) {
      if (stale.untilMs > world.now.monotonicMs) continue;
      settle(world, peer, family, passFamily(stale, world.now.monotonicMs, peer.session.negotiated?.families.includes(family) === true), false);
    }
  }
}

/** Monotonic milliseconds. */
export function retainedDeadline(world: World): number {
  let next = Infinity;
  for (const { retained } of world.peers.values()) for (const { untilMs } of retained.values()) if (untilMs < next) next = untilMs;
  return next;
}

function settle(world: World, peer: Peer, family: Family, { stale, gone }: StaleStep, heard: boolean): void {
  const before = peer.retained.get(family);
  if (stale === undefined) peer.retained.delete(family);
  else peer.retained.set(family, stale);
  if (before?.phase !== stale?.phase && before?.phase !== 'spent') {
    const seconds = stale === undefined ? 0 : Math.max(0, (stale.endsMs - world.now.monotonicMs) / 1000);
    note(world, {
      level: 'info', room: 'bgp', peer: peer.config.name, event: 'session.stale', publish: 'peer',
      fields: { family, phase: stale === undefined ? 'ended' : stale.phase, routes: stale?.rib.routes.size ?? 0, removed: gone.length, endsSeconds: seconds },
    });
  }
  for (const prefix of gone) releaseRival(world, peer.config.vrf, addressKey(peer.config.vrf, prefixAddress(prefix)), heard);
}

import { expirePairs } from '../identity/learned.ts';
import { prefixAddress } from '../net/ip.ts';
import { dueEvent } from '../routes/handover.ts';
import { keyPrefix } from '../routes/loc-rib.ts';
import { callersDeadline, callersIfDue } from './callers.ts';
import { drainDeadline, drainIfDue } from './drain.ts';
import { forwardingDeadline } from './forwarding.ts';
import { askDueGates, nextGateDeadline } from './gate-keeping.ts';
import { restartDeadline, restartIfDue } from './graceful-restart.ts';
import { handle } from './handovers.ts';
import { lookAtIdle } from './idle.ts';
import { runLookups } from './lookups.ts';
import { stepPeer } from './peering.ts';
import { portGone } from './ports.ts';
import { forgetQuestions, searchIfDue } from './probing.ts';
import { farewellDeadline, farewellsIfDue } from './reload/farewell.ts';
import { forgetStaleIfDue, staleDeadline } from './stale-routes.ts';
import { livesHere } from './watching.ts';
import type { World } from './world.ts';

/** How often learned pairs are looked at for age, in milliseconds. */
export const expireEveryMs = 60_000;

/** When the next `tick` is needed, in monotonic milliseconds. */
export function nextDeadline(world: World): number {
  let next = Math.min(world.expireAtMs, restartDeadline(world), staleDeadline(world), forwardingDeadline(world), farewellDeadline(world), callersDeadline(world), drainDeadline(world));
  for (const at of [world.sessionDeadlines.next(), world.locRib.deadlines.next(), world.carrierDeadlines.next(), world.lookups.deadlines.next(), world.search.nextMs, nextGateDeadline(world)]) {
    if (at !== undefined && at < next) next = at;
  }
  if (world.discoveryEndsMs < next && [...world.peers.values()].some((peer) => peer.endOfRibDue && peer.listening === undefined && peer.session.negotiated !== undefined)) {
    next = Math.max(world.discoveryEndsMs, world.now.monotonicMs);
  }
  return next;
}

/** Does all whose time has come. */
export function runDue(world: World): void {
  const { monotonicMs } = world.now;
  for (let name = world.sessionDeadlines.takeDue(monotonicMs); name !== undefined; name = world.sessionDeadlines.takeDue(monotonicMs)) {
    const peer = world.peers.get(name);
    if (peer !== undefined) stepPeer(world, peer, { type: 'tick' });
  }
  for (let ifindex = world.carrierDeadlines.takeDue(monotonicMs); ifindex !== undefined; ifindex = world.carrierDeadlines.takeDue(monotonicMs)) {
    portGone(world, ifindex);
  }
  searchIfDue(world);
  runLookups(world);
  askDueGates(world);
  restartIfDue(world);
  forgetStaleIfDue(world);
  farewellsIfDue(world);
  callersIfDue(world);
  drainIfDue(world);
  const { deadlines, handovers } = world.locRib;
  for (let key = deadlines.takeDue(monotonicMs); key !== undefined; key = deadlines.takeDue(monotonicMs)) {
    const h = handovers.get(key);
    const event = h === undefined ? undefined : dueEvent(h, monotonicMs);
    if (h !== undefined && event !== undefined) handle(world, h.vrf, prefixAddress(keyPrefix(key)), event);
  }
  if (world.expireAtMs <= monotonicMs) {
    world.expireAtMs = monotonicMs + expireEveryMs;
    world.unsaved = true; // the times at which pairs were heard
    expirePairs(world.bindings.learned, monotonicMs, world.config.identity.learnedForMs, (pair) => livesHere(world, pair));
    lookAtIdle(world);
    forgetQuestions(world);
  }
}

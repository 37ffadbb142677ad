import { hostPrefix } from '../net/ip.ts';
import type { ReceivedRoute } from '../routes/adj-rib-in.ts';
import { orderTrouble } from '../routes/fabric.ts';
import type { Handover } from '../routes/handover.ts';
import { stepAbove, stepOf } from '../routes/ladder.ts';
import type { AddressKey } from '../routes/loc-rib.ts';
import { observeDeparture } from './fabric.ts';
import { note, type Peer, type World } from './world.ts';

/**
 * What a claim needs besides its sequence: in profile `ladder` a step of its own, above every rival in sight; and in all profiles a
 * word where routers can't tell it from a rival's.
 */
export function rankClaim(world: World, key: AddressKey, before: Handover, after: Handover, peers: readonly Peer[]): void {
  if (after.sequence !== before.sequence) {
    climb(world, key, after, peers);
    noteUnordered(world, after, peers);
  } else if (after.state === 'normal' || (!stands(after) && after.state !== 'leaving' && after.state !== 'manual')) {
    world.steps.delete(key);
    observeDeparture(world, before, after, peers);
  }
}

/**
 * A rival's older claim that stands at or above our step would win at every router that has both: routers hide a rival as long as they
 * prefer ours, so one may come to light when we have come down. Then our claim steps above it.
 */
export function keepAbove(world: World, key: AddressKey, h: Handover, received: ReceivedRoute | undefined, peers: readonly Peer[]): void {
  if (received?.kind !== 'rival' || received.leaving || !stands(h)) return;
  if ((received.marks.sequence as number) >= h.sequence) return;
  const theirs = stepOf(received.route.attributes, world.preference.ladder);
  const ours = world.steps.get(key) ?? 0;
  if (theirs === undefined || theirs < ours || ours === world.preference.ladder.length - 1) return;
  climb(world, key, h, peers);
  world.dirty.add(key);
}

/** We announce it as a claim, be it a frozen one. */
function stands(h: Handover): boolean {
  return h.state === 'elevated' || h.state === 'normal' || (h.state === 'held' && h.hold?.level === 'elevated');
}

function climb(world: World, key: AddressKey, h: Handover, peers: readonly Peer[]): void {
  const { ladder } = world.preference;
  if (!peers.some((peer) => peer.config.profile === 'ladder')) return;
  const prefix = hostPrefix(h.address);
  const rivals: number[] = [];
  for (const peer of peers) {
    const received = peer.adjIn.routes.get(prefix);
    if (received?.kind !== 'rival' || received.leaving) continue;
    const step = stepOf(received.route.attributes, ladder);
    if (step !== undefined) rivals.push(step);
  }
  const { step } = stepAbove(rivals, ladder.length);
  if (step === 0) world.steps.delete(key);
  else world.steps.set(key, step);
  if (step === ladder.length - 1) {
    note(world, {
      level: 'warn', room: 'routes', event: 'claim.unordered', publish: 'migration',
      fields: { prefix, vrf: h.vrf, sequence: h.sequence, step, text: `the top of the ladder is reached: the next move ties until this claim settles (${world.config.migration.elevatedForMs / 1000} s without a rival)` },
    });
  }
}

function noteUnordered(world: World, h: Handover, peers: readonly Peer[]): void {
  const prefix = hostPrefix(h.address);
  for (const peer of peers) {
    const received = peer.adjIn.routes.get(prefix);
    const trouble = received === undefined ? undefined : orderTrouble(peer.config.profile, received, world.preference);
    if (trouble === undefined) continue;
    world.counters.unordered += 1;
    note(world, {
      level: 'warn', room: 'routes', peer: peer.config.name, event: 'claim.unordered', publish: 'migration',
      fields: { prefix, vrf: h.vrf, sequence: h.sequence, node: received?.marks.node, text: `${trouble.text}; ${trouble.fix}` },
    });
  }
}

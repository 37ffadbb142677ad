import { endOfRibFamily } from '../bgp/pack-updates.ts';
import type { UpdateMessage } from '../bgp/wire/messages.ts';
import type { Family } from '../net/ip.ts';
import type { HandoverEvent } from '../routes/handover.ts';
import type { AddressKey } from '../routes/loc-rib.ts';
import type { Peer, World } from './world.ts';

// The restarting side of RFC 4724 section 4.1: what the life before claimed is said again only after the peer, which keeps our routes
// meanwhile, has told what it knows. A VM that went to another node while we were away is then seen there before we speak for it.

/** How long a peer's routes are waited for, at most, in milliseconds. Some routers gather for a second before they send. */
export const hearPeerForMs = 2000;

/** The session is up: does it have to be heard out first? Only a peer that kept our routes can be: for any other each moment counts. */
export function listenFirst(world: World, peer: Peer): void {
  delete peer.listening;
  const { negotiated } = peer.session;
  if (negotiated === undefined || world.restart.unconfirmed.size === 0 || world.config.bgp.receive === 'none') return;
  const capability = negotiated.remoteCapabilities.find(({ type }) => type === 'gracefulRestart');
  // One that says that it restarts itself may wait for us as we for it, and not be waited for (section 4.1); but FRR says so in its first
  // two minutes, whatever happened. Our wait is bounded, so that both get what they want.
  if (capability === undefined || !world.config.bgp.gracefulRestart.enabled) return;
  peer.listening = { families: new Set(negotiated.families), untilMs: world.now.monotonicMs + hearPeerForMs };
}

/** An UPDATE of the peer: was it the End-of-RIB that we wait for? */
export function hearEndOfRib(peer: Peer, update: UpdateMessage): void {
  const { listening } = peer;
  if (listening === undefined) return;
  const family = endOfRibFamily(update);
  if (family === undefined) return;
  (listening.families as Set<Family>).delete(family);
  if (listening.families.size === 0) heard(peer);
}

function heard(peer: Peer): void {
  delete peer.listening;
  peer.resend = true;
}

/** True while the peer is not to be told of the address: nobody has seen the VM in this life yet, and the peer may know better. */
export function isHeldBack(world: World, peer: Peer, key: AddressKey): boolean {
  return peer.listening !== undefined && world.restart.unconfirmed.has(key);
}

/** Evidence of this life confirms a claim of the one before, whatever peers may say. */
export function confirmByEvidence(world: World, key: AddressKey, event: HandoverEvent): void {
  if (world.restart.unconfirmed.size === 0 || (event.type !== 'HeardLocal' && event.type !== 'Answered')) return;
  if (world.restart.unconfirmed.delete(key)) world.dirty.add(key);
}

/** Ends what has lasted long enough. */
export function restartIfDue(world: World): void {
  const { monotonicMs } = world.now;
  for (const peer of world.peers.values()) if (peer.listening !== undefined && peer.listening.untilMs <= monotonicMs) heard(peer);
  if (world.restart.endsMs <= monotonicMs) {
    world.restart.unconfirmed.clear();
    world.restart.endsMs = Infinity;
  }
}

/** Monotonic milliseconds. */
export function restartDeadline(world: World): number {
  let next = world.restart.endsMs;
  for (const { listening } of world.peers.values()) if (listening !== undefined && listening.untilMs < next) next = listening.untilMs;
  return next;
}

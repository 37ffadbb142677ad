import type { RouteChange } from '../bgp/route.ts';
import type { Handover, HandoverEvent } from '../routes/handover.ts';
import type { AddressKey } from '../routes/loc-rib.ts';
import { chronicle, chronicleSent } from './chronicle.ts';
import { takeWritten } from './chronicle-written.ts';
import { askDelivery } from './delivery.ts';
import type { Peer, World } from './world.ts';

// UPDATEs first: while a frame is worked on, timelines wait until its bytes are with the kernel, and in a burst until those of all frames are.
// Whatever else comes finds them written.

/** A step of a handover, for log, events and timeline. */
export function tellStep(world: World, key: AddressKey, before: Handover, after: Handover, event: HandoverEvent): void {
  if (world.later) world.untold.push({ type: 'step', at: world.now, key, before, after, event });
  else chronicle(world, key, before, after, event);
}

/** A route that a peer is sent. */
export function tellSent(world: World, peer: Peer, change: RouteChange): void {
  if (world.later) world.untold.push({ type: 'sent', at: world.now, peer, change });
  else chronicleSent(world, peer, change);
}

/** The bytes of all that was sent are with the kernel. */
export function tellWritten(world: World, writtenAt: ReadonlyMap<string, number> | undefined): void {
  if (world.later) world.untold.push({ type: 'written', at: world.now, writtenAt: writtenAt === undefined ? undefined : new Map(writtenAt) });
  else askDelivery(world, takeWritten(world, writtenAt));
}

/** Writes down all that waits, as of when it happened. */
export function tellAll(world: World): void {
  if (world.untold.length === 0) return;
  const { now } = world;
  for (const one of world.untold) {
    world.now = one.at;
    if (one.type === 'step') chronicle(world, one.key, one.before, one.after, one.event);
    else if (one.type === 'sent') chronicleSent(world, one.peer, one.change);
    else askDelivery(world, takeWritten(world, one.writtenAt));
  }
  world.untold.length = 0;
  world.now = now;
}

/** Handovers wait to be told that the bytes of this pass are with the kernel: a `written` is due. */
export function isTellingDue(world: World): boolean {
  return world.untold.length > 0 || world.writing.size > 0;
}

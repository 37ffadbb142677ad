import type { Handover } from '../routes/handover.ts';
import type { Level } from '../routes/preference.ts';
import { note, type World } from './world.ts';

// Maintenance, RFC 8326: first every route that a router has gets worse than any other (GRACEFUL_SHUTDOWN), and when the fabric has had time
// to find other ones, all go. Claims are kept and judged meanwhile as ever, so that `undrain` says what is true then.

/** Begins, or begins anew with another wait. */
export function beginDrain(world: World, waitMs: number): void {
  const withdrawn = world.drain?.withdrawn === true;
  world.drain = { since: world.drain?.since ?? world.now, withdrawAtMs: world.now.monotonicMs + waitMs, withdrawn };
  world.unsaved = true;
  compareAll(world);
  note(world, { level: 'warn', room: 'routes', event: 'drain.started', publish: 'config', fields: { waitSeconds: waitMs / 1000 } });
}

/** The life before was drained: so is this one, from its first UPDATE on. */
export function resumeDrain(world: World): void {
  world.drain = { since: world.now, withdrawAtMs: world.now.monotonicMs, withdrawn: true };
  note(world, { level: 'warn', room: 'routes', event: 'drain.started', publish: 'config', fields: { waitSeconds: 0, text: 'drained before the restart, and still: landfall undrain ends it' } });
}

/** All that lives here is announced again. */
export function endDrain(world: World): void {
  if (world.drain === undefined) return;
  delete world.drain;
  world.unsaved = true;
  compareAll(world);
  note(world, { level: 'warn', room: 'routes', event: 'drain.ended', publish: 'config', fields: {} });
}

/** The wait is over: what is left of the routes goes. */
export function drainIfDue(world: World): void {
  const { drain } = world;
  if (drain === undefined || drain.withdrawn || drain.withdrawAtMs > world.now.monotonicMs) return;
  drain.withdrawn = true;
  compareAll(world);
  note(world, { level: 'info', room: 'routes', event: 'drain.withdrawn', publish: 'config', fields: {} });
}

/** Monotonic milliseconds. */
export function drainDeadline({ drain }: World): number {
  return drain === undefined || drain.withdrawn ? Infinity : drain.withdrawAtMs;
}

/** What a peer is told of an address that would be at `level`. A claim that is made during a drain is news to nobody. */
export function drainedLevel({ drain }: World, h: Handover, level: Level | undefined): Level | undefined {
  if (drain === undefined || level === undefined) return level;
  return drain.withdrawn || h.claimedAtMs > drain.since.monotonicMs ? undefined : 'leaving';
}

function compareAll(world: World): void {
  for (const key of world.locRib.handovers.keys()) world.dirty.add(key);
}

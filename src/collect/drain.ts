import type { DrainItem } from '../views/items.ts';
import type { World } from '../world.ts';
import { timeText } from './time.ts';

/** How far maintenance is, and how many routes the peers still have. */
export function collectDrain(world: World): DrainItem {
  const { drain } = world;
  let routes = 0;
  for (const peer of world.peers.values()) routes += peer.adjOut.sent.size;
  if (drain === undefined) return { state: 'off', routes };
  return {
    state: drain.withdrawn ? 'withdrawn' : 'leaving', since: timeText(drain.since.wallMs), routes,
    ...(drain.withdrawn ? {} : { withdrawInSeconds: Math.max(0, drain.withdrawAtMs - world.now.monotonicMs) / 1000 }),
  };
}

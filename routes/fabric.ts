import type { AsPathSegment } from '../bgp/route.ts';
import type { ReceivedRoute } from './adj-rib-in.ts';
import { bears, stepOf } from './ladder.ts';
import type { Level, PreferenceOptions, Profile } from './preference.ts';

/** The ASNs of a path in order, sets and confederations left out. */
export function asnsOf(asPath: readonly AsPathSegment[]): number[] {
  return asPath.flatMap(({ type, asns }) => (type === 'AS_SEQUENCE' ? asns : []));
}

/** How often the AS that originated the route stands at its end beyond the once that every path has it. */
export function prependsIn(asPath: readonly AsPathSegment[]): number {
  const asns = asnsOf(asPath);
  let count = 0;
  while (count < asns.length && asns[asns.length - 1 - count] === asns[asns.length - 1]) count += 1;
  return Math.max(0, count - 1);
}

/** The level at which a rival's route is, read from what its profile puts on it; `undefined` where nothing tells. */
export function levelShown(profile: Profile, received: ReceivedRoute, options: PreferenceOptions): Level | undefined {
  if (received.leaving) return 'leaving';
  const { attributes } = received.route;
  if (profile === 'prepend') return prependsIn(attributes.asPath) === 0 ? 'elevated' : 'normal';
  for (const level of ['elevated', 'normal', 'leaving'] as const) if (bears(attributes, options.levels[level])) return level;
  return undefined;
}

/**
 * Why routers can't prefer a claim that we make now to this rival's, although ours is newer; `undefined` where they can.
 * In `window` and `prepend` a rival that is still elevated is as good as we are; in `ladder` only one on the top.
 */
export function orderTrouble(profile: Profile, rival: ReceivedRoute, options: PreferenceOptions): string | undefined {
  if (rival.kind !== 'rival' || rival.leaving) return undefined;
  const node = rival.marks.node ?? 'a rival';
  switch (profile) {
    case 'sequence':
      return undefined;
    case 'ladder':
      return stepOf(rival.route.attributes, options.ladder) === options.ladder.length - 1 ? `${node} stands on the top of the ladder: routers can't tell our claim from its` : undefined;
    case 'window':
    case 'prepend':
      return levelShown(profile, rival, options) === 'elevated'
        ? `${node} is still elevated: a second move within elevatedFor ties in profile ${profile}; ladder and sequence order many moves`
        : undefined;
  }
}

import type { RouteAttributes } from '../bgp/route.ts';
import type { CommunitySet } from './preference.ts';

/**
 * Profile `ladder`: a claim takes one step above the highest rival that it sees. Eight steps carry seven moves in a row; a claim that
 * has stood for `elevatedFor` with no rival in sight comes down to the lowest one, so that the next moves have them all again.
 */

/** The step that a received claim stands on, the highest if it names several; `undefined` if it names none. */
export function stepOf(attributes: Pick<RouteAttributes, 'communities' | 'largeCommunities'>, ladder: readonly CommunitySet[]): number | undefined {
  for (let step = ladder.length - 1; step >= 0; step--) if (bears(attributes, ladder[step] as CommunitySet)) return step;
  return undefined;
}

/** True if the route has any of the communities. */
export function bears(attributes: Pick<RouteAttributes, 'communities' | 'largeCommunities'>, set: CommunitySet): boolean {
  return set.communities.some((community) => attributes.communities.includes(community)) ||
    set.largeCommunities.some((ours) => attributes.largeCommunities.some((theirs) =>
      theirs.globalAdmin === ours.globalAdmin && theirs.localData1 === ours.localData1 && theirs.localData2 === ours.localData2));
}

/**
 * The step of a claim among rivals on these steps. `tied`: a rival stands on the top already, so that none is left above it.
 * @param steps how many there are; at least 1.
 */
export function stepAbove(rivals: Iterable<number>, steps: number): { readonly step: number; readonly tied: boolean } {
  let highest = -1;
  for (const rival of rivals) highest = Math.max(highest, rival);
  const top = steps - 1;
  return { step: Math.min(top, highest + 1), tied: highest >= top };
}

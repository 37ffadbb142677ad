import { wellKnownCommunities } from '../bgp/community.ts';
import type { Community } from '../bgp/route.ts';
import { familyOf, type Family, type Prefix } from '../net/ip.ts';
import { keepReceived, newAdjRibIn, type AdjRibIn } from './adj-rib-in.ts';
import { mostTelling, takePath } from './paths.ts';

// The routes of a peer whose session was lost, one family of them: first as they were (RFC 4724 section 4.2), then as the least preferred
// of all (RFC 9494 section 4.2), until the peer is back and has shown what it has now, or takes too long. Never more of them than an Adj-RIB-In holds.

export interface StaleFamily {
  readonly rib: AdjRibIn;
  /**
   * `restart`: the peer's Restart Time. `longLived`: after it. `spent`: that ended, too, while the peer was back and had not shown all; what it
   * has shown meanwhile is kept no more if its session is lost before End-of-RIB.
   */
  readonly phase: 'restart' | 'longLived' | 'spent';
  /** End of the phase, monotonic milliseconds. */
  readonly untilMs: number;
  /** End of the last phase, monotonic milliseconds. */
  readonly endsMs: number;
}

/** How long a family's routes may stay: as they were, and then as the least preferred; milliseconds, 0 for not at all. */
export interface StaleTerms {
  readonly restartMs: number;
  readonly longLivedMs: number;
}

/** What there is now, and the prefixes of which something is gone. */
export interface StaleStep {
  readonly stale?: StaleFamily;
  readonly gone: readonly Prefix[];
}

/** The routes of a family. */
export function familyPart(rib: AdjRibIn, family: Family): AdjRibIn {
  const part = newAdjRibIn();
  for (const [prefix, received] of rib.routes) if (familyOf(prefix) === family) part.routes.set(prefix, received);
  for (const [prefix, paths] of rib.paths ?? []) if (familyOf(prefix) === family) (part.paths ??= new Map()).set(prefix, paths);
  return part;
}

/** The session is lost, and with it the routes `lost`. `before`: what the peer had not shown again since it was lost the last time. */
export function loseFamily(before: StaleFamily | undefined, lost: AdjRibIn, { restartMs, longLivedMs }: StaleTerms, nowMs: number): StaleStep {
  if (before?.phase === 'spent') return { gone: [] };
  // RFC 4724 section 4.2 lets nothing stay over two failures; RFC 9494 section 4.2 does, and lets no clock begin anew before End-of-RIB.
  if (before === undefined || longLivedMs === 0 || before.endsMs === before.untilMs && before.phase === 'restart') {
    const gone = [...before?.rib.routes.keys() ?? []];
    if (lost.routes.size === 0 || restartMs + longLivedMs === 0) return { gone };
    return behind(gone, passFamily({ rib: lost, phase: 'restart', untilMs: nowMs + restartMs, endsMs: nowMs + restartMs + longLivedMs }, nowMs, false));
  }
  addOlder(lost, before.rib);
  if (before.phase === 'restart') return passFamily({ ...before, rib: lost, untilMs: Math.min(nowMs + restartMs, before.endsMs) }, nowMs, false);
  return behind(removeUnwilling(lost), passFamily({ ...before, rib: lost }, nowMs, false));
}

/** Time has passed. `back`: the peer's session is up again, and its End-of-RIB still to come. */
export function passFamily(stale: StaleFamily, nowMs: number, back: boolean): StaleStep {
  if (stale.phase === 'spent' || stale.untilMs > nowMs) return stale.rib.routes.size === 0 && !back ? { gone: [] } : { stale, gone: [] };
  if (stale.phase === 'restart' && stale.endsMs > stale.untilMs) {
    return behind(removeUnwilling(stale.rib), passFamily({ ...stale, phase: 'longLived', untilMs: stale.endsMs }, nowMs, back));
  }
  const gone = [...stale.rib.routes.keys()];
  if (!back || stale.phase === 'restart') return { gone };
  return { stale: { rib: newAdjRibIn(), phase: 'spent', untilMs: Infinity, endsMs: stale.endsMs }, gone };
}

/** The peer shows a route anew, or withdraws it: the old one is gone. @returns whether there was one */
export function replaceStale({ rib }: StaleFamily, prefix: Prefix, pathId: number | undefined): boolean {
  if (pathId === undefined || rib.paths?.has(prefix) !== true) {
    rib.paths?.delete(prefix);
    return rib.routes.delete(prefix);
  }
  const { before, best } = takePath(rib, prefix, pathId, undefined) ?? {};
  if (best === undefined) rib.routes.delete(prefix);
  else rib.routes.set(prefix, best);
  return before !== undefined;
}

const noLlgr = wellKnownCommunities['no-llgr'] as Community;

/** Whoever sends NO_LLGR does not want the route to be kept beyond the Restart Time (RFC 9494 section 4.2). @returns the prefixes */
function removeUnwilling(rib: AdjRibIn): Prefix[] {
  const gone: Prefix[] = [];
  for (const [prefix, { route }] of [...rib.routes]) {
    const paths = rib.paths?.get(prefix);
    if (paths === undefined) {
      if (!route.attributes.communities.includes(noLlgr)) continue;
      rib.routes.delete(prefix);
      gone.push(prefix);
      continue;
    }
    const before = paths.size;
    for (const [pathId, path] of [...paths]) if (path.route.attributes.communities.includes(noLlgr)) paths.delete(pathId);
    if (paths.size === before) continue;
    gone.push(prefix);
    const best = mostTelling(paths.values());
    if (best !== undefined) rib.routes.set(prefix, best);
    else {
      rib.routes.delete(prefix);
      rib.paths?.delete(prefix);
    }
  }
  return gone;
}

/** What was stale before stays beside what was lost now, as far as there is room. */
function addOlder(rib: AdjRibIn, older: AdjRibIn): void {
  for (const [prefix, received] of older.routes) {
    const paths = older.paths?.get(prefix);
    const newer = rib.paths?.get(prefix);
    if (rib.routes.has(prefix) && newer === undefined) continue;
    if (newer === undefined) {
      if (keepReceived(rib, received) && paths !== undefined) (rib.paths ??= new Map()).set(prefix, paths);
      continue;
    }
    for (const [pathId, path] of paths ?? []) {
      const best = newer.has(pathId) ? undefined : takePath(rib, prefix, pathId, path)?.best;
      if (best !== undefined) rib.routes.set(prefix, best);
    }
  }
}

function behind(gone: readonly Prefix[], step: StaleStep): StaleStep {
  return { ...step, gone: [...gone, ...step.gone] };
}

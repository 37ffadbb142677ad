import type { Prefix } from '../net/ip.ts';
import { adjRibInLimit, type AdjRibIn, type ReceivedRoute } from './adj-rib-in.ts';

// Several routes of one peer for one prefix (RFC 7911). The one that says most stands in `AdjRibIn.routes`, where everything looks that asks
// what the peer shows; the others count where the question is whether there is a rival at all.

/** More nodes than ever claim an address at once; a peer that sends more is not believed to. */
const pathsPerPrefix = 16;

/** What one path of a prefix now says, or no more. */
export interface PathTaken {
  /** What this path said before. */
  readonly before?: ReceivedRoute;
  /** What says most of all paths now. */
  readonly best?: ReceivedRoute;
}

/** Takes a path, or with `undefined` takes it away. @returns `undefined` where it is one too many: counted, and not kept. */
export function takePath(rib: AdjRibIn, prefix: Prefix, pathId: number, received: ReceivedRoute | undefined): PathTaken | undefined {
  const all = rib.paths ??= new Map();
  let paths = all.get(prefix);
  const before = paths?.get(pathId);
  if (received === undefined) {
    paths?.delete(pathId);
    if (paths?.size === 0) all.delete(prefix);
  } else {
    if (before === undefined && ((paths?.size ?? 0) >= pathsPerPrefix || (paths === undefined && all.size >= adjRibInLimit))) {
      rib.refused += 1;
      return undefined;
    }
    if (paths === undefined) all.set(prefix, paths = new Map<number, ReceivedRoute>());
    paths.set(pathId, received);
  }
  const best = mostTelling(paths?.values() ?? []);
  return { ...(before === undefined ? {} : { before }), ...(best === undefined ? {} : { best }) };
}

/**
 * A claim that stands before one that is given up, before one that nobody obeys, before what is no claim; of those that stand the newest,
 * as routers would choose, and of two that tie the rival's, for that is what has to be seen.
 */
export function mostTelling(paths: Iterable<ReceivedRoute>): ReceivedRoute | undefined {
  let best: ReceivedRoute | undefined;
  for (const path of paths) if (best === undefined || compare(path, best) > 0) best = path;
  return best;
}

const ranks = { foreign: 0, future: 1, own: 3, rival: 3 } as const;
const rank = ({ kind, leaving }: ReceivedRoute): number => (leaving && ranks[kind] === 3 ? 2 : ranks[kind]);

function compare(a: ReceivedRoute, b: ReceivedRoute): number {
  return rank(a) - rank(b) || (a.marks.sequence ?? 0) - (b.marks.sequence ?? 0) || Number(a.kind === 'rival') - Number(b.kind === 'rival');
}

/** All that a peer says of a prefix. */
export function pathsOf(rib: AdjRibIn, prefix: Prefix): Iterable<ReceivedRoute> {
  const paths = rib.paths?.get(prefix);
  if (paths !== undefined) return paths.values();
  const one = rib.routes.get(prefix);
  return one === undefined ? [] : [one];
}

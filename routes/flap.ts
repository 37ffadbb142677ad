/**
 * Moves of an address that can't all be migrations. A VM that has left a node shows no life there until it comes back by a port that
 * came anew; two VMs with one address (or one that somebody plays twice) show life at both nodes at once. Only such moves count: clean
 * ones are free, however many. Each node judges by what it sees itself, and both come to the same holder.
 */
export interface FlapOptions {
  /** So many moves with overlapping life … */
  readonly moves: number;
  /** … within so many milliseconds freeze the address. */
  readonly withinMs: number;
  /** How long it stays frozen, in milliseconds; left out: until an operator clears it. */
  readonly holdMs?: number;
}

/** What one node remembers of an address that it took or lost. */
export interface Episode {
  /** Our claim took the address from a claim that stood elsewhere, monotonic ms. */
  readonly tookAtMs?: number;
  /** Our claim gave way to a sign from elsewhere while its port lived: when, and which port. */
  readonly lost?: { readonly atMs: number; readonly ifindex: number };
  /** Times of the moves with overlapping life, monotonic ms, oldest first; never more than {@link FlapOptions.moves} + 2. */
  readonly moves: readonly number[];
  /** Who had the address before the first of them. */
  readonly holder: 'here' | 'elsewhere';
}

/** A claim that comes back within this time of ours was never given up: it had the address before, in milliseconds. */
export const quickReturnMs = 2_000;

const quiet: Episode = { moves: [], holder: 'here' };

/** Our claim gives way. Where life is known to overlap, this is one move more. */
export function lose(episode: Episode | undefined, ifindex: number, nowMs: number, options: FlapOptions): Episode {
  const { moves, holder, tookAtMs } = recent(episode, nowMs, options);
  const counted = moves.length === 0 ? moves : bounded([...moves, nowMs], options);
  return { moves: counted, holder, lost: { atMs: nowMs, ifindex }, ...(tookAtMs === undefined ? {} : { tookAtMs }) };
}

/** The port that was lost from is gone, and with it the VM that lived there: what comes next is a clean move. */
export function partWith(episode: Episode | undefined): Episode | undefined {
  if (episode?.lost === undefined) return episode;
  const { lost: _l, ...rest } = episode;
  return rest;
}

/** How a claim comes about. */
export interface Regain {
  readonly ifindex: number;
  /** The VM answered a probe: it lives here, whatever another node claims. */
  readonly answered: boolean;
  /** Another node's claim stands that is newer than our last. */
  readonly rivalStands: boolean;
  /** Silence of this length, in milliseconds, under our probes says that the VM was away. */
  readonly silentMs: number;
}

/** We claim: the episode as it is then, with this move counted if the VM was here all the time. */
export function regain(episode: Episode | undefined, by: Regain, nowMs: number, options: FlapOptions): Episode | undefined {
  const { lost } = episode ?? quiet;
  const overlapping = lost !== undefined && by.rivalStands && (by.answered || (by.ifindex === lost.ifindex && nowMs - lost.atMs < by.silentMs));
  if (!overlapping) {
    if (episode === undefined && !by.rivalStands) return undefined;
    const { moves, holder } = recent(episode, nowMs, options);
    return by.rivalStands ? { moves, holder, tookAtMs: nowMs } : { moves, holder };
  }
  const { moves, holder, tookAtMs } = recent(episode, nowMs, options);
  if (moves.length > 0) return { moves: bounded([...moves, nowMs], options), holder };
  // The flapping begins. Where the other side came back at once it had never left, and it was our claim that began it.
  return tookAtMs !== undefined && lost.atMs - tookAtMs < quickReturnMs
    ? { moves: bounded([tookAtMs, lost.atMs, nowMs], options), holder: 'elsewhere' }
    : { moves: bounded([lost.atMs, nowMs], options), holder: 'here' };
}

/** True when the address has moved too often to move again. */
export function isFlapping(episode: Episode | undefined, options: FlapOptions): boolean {
  return episode !== undefined && episode.moves.length >= options.moves;
}

function recent(episode: Episode | undefined, nowMs: number, options: FlapOptions): Episode {
  if (episode === undefined) return quiet;
  const first = episode.moves[0];
  if (first === undefined || nowMs - first < options.withinMs) return episode;
  const moves = episode.moves.filter((at) => nowMs - at < options.withinMs);
  return { ...episode, moves, holder: moves.length === 0 ? 'here' : episode.holder };
}

function bounded(moves: number[], options: FlapOptions): number[] {
  return moves.slice(-(options.moves + 2));
}

import type { Now } from '../net/time.ts';

/** 2020-01-01T00:00:00Z in milliseconds since 1970: where the clock part of a sequence starts to count. */
export const epochMs = 1_577_836_800_000;

/** A sequence stays in 1…2147483647, so that every profile's formula fits into 32 bits and nothing wraps. */
export const highestSequence = 2147483647;

/** How far ahead of our clock a sequence may be before it is *future*: one day, in seconds. */
export const futureAfterSeconds = 86_400;

/** The clock's part of a sequence: whole seconds since {@link epochMs}, at least 1. */
export function clockSequence(now: Now): number {
  return Math.min(highestSequence, Math.max(1, Math.floor((now.wallMs - epochMs) / 1000)));
}

/**
 * By how much a node that takes an address back outbids one that claims it at the same moment: a second for clocks that differ by up to
 * one, and one. Two nodes that claim before either has heard of the other would else take the same number, and where routers prefer the
 * nearer of equals each keeps its own and tells nobody.
 */
export const takeBackAhead = 2;

/**
 * The sequence of a new claim: above everything ever seen for the address, and not below the clock, so that the order stays
 * right after all memory is lost. A clock that is known to be wrong contributes nothing.
 * @param ahead {@link takeBackAhead} for a claim on what this node was about to give up, or on a VM's own answer; else 0
 */
export function nextSequence(highestSeen: number, now: Now, ahead = 0): number {
  const next = Math.max(highestSeen + 1, now.wallTrusted ? clockSequence(now) : 0) + ahead;
  return Math.min(highestSequence, next);
}

/** 2024-01-01T00:00:00Z: a clock before it was never set. */
const neverSetBeforeMs = 1_704_067_200_000;

/**
 * True for a sequence that nobody can have reached honestly: never adopted as "highest seen", whatever it comes from (a route, the state
 * file, another speaker, a binding). A clock that is merely unsynchronised is right to within a day; one that was never set can't tell,
 * so that only the range counts.
 */
export function isFuture(sequence: number, now: Now): boolean {
  if (!Number.isInteger(sequence) || sequence < 1 || sequence > highestSequence) return true;
  if (!now.wallTrusted && now.wallMs < neverSetBeforeMs) return false;
  return sequence > clockSequence(now) + futureAfterSeconds;
}

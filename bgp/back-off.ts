import type { Draft, SessionState } from './machine.ts';
import type { FsmState } from './session-contract.ts';

/** The longest wait between attempts after failures in a row, in seconds (unless ConnectRetryTime itself is longer). */
export const slowestRetrySeconds = 60;
/** So many failures in a row cost one ConnectRetryTime each; then the wait doubles with each. */
export const patientFailures = 3;
/** A session that lived for so long was a good one: its end is the first failure, whatever came before. Shorter ones add up. */
export const lastingSeconds = 30;

/** Counts a failed attempt, or the end of a session: the ConnectRetryCounter. */
export function countFailure({ state, now }: Draft, from: FsmState): void {
  if (state.negotiated !== undefined) return; // the loser of a collision
  const lasted = from === 'Established' && state.establishedAtMs !== undefined && now.monotonicMs - state.establishedAtMs >= lastingSeconds * 1000;
  state.failures = lasted ? 1 : state.failures + 1;
}

/** How long to wait before the next attempt, before jitter. */
export function pauseSeconds({ failures, options: { connectRetrySeconds } }: Pick<SessionState, 'failures' | 'options'>): number {
  const bound = Math.max(connectRetrySeconds, slowestRetrySeconds);
  return Math.min(bound, connectRetrySeconds * 2 ** Math.max(0, failures - patientFailures));
}

/** DampPeerOscillations: plans the next start. */
export function damp(draft: Draft): void {
  const { state, now } = draft;
  // The other machine may be at work, or a start be planned already: a peer that dials us must not put off our own attempts.
  if (state.stopped || state.first.state !== 'Idle' || state.idleHoldAtMs !== undefined) return;
  state.idleHoldAtMs = now.monotonicMs + jitter(draft, pauseSeconds(state)) * 1000;
}

/** RFC 4271 section 10: timers run 0.75 to 1.0 of their value, so that speakers don't march in step. */
export function jitter(draft: Pick<Draft, 'random'>, seconds: number): number {
  return seconds * (0.75 + 0.25 * draft.random());
}

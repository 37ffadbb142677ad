import { nextSequence } from './claim.ts';
import type { Episode } from './flap.ts';
import type { Evidence, Handover, HandoverContext, Hold, StepResult } from './handover-contract.ts';

// The two ways into state `held`.

/** The gate of the port is shut: the evidence waits, and what the routers were told stands. */
export function waitForGate(h: Handover, evidence: Evidence, c: HandoverContext): StepResult {
  const { probe: _p, settleAtMs: _s, early: _e, ...rest } = h;
  const hold: Hold = {
    why: 'gate', evidence, seen: h.highestSeen, untilMs: c.now.monotonicMs + c.gate.timeoutMs,
    ...(h.state === 'leaving' ? { level: 'leaving' } : {}),
  };
  return {
    handover: { ...rest, state: 'held', since: c.now, source: evidence.source, endpoint: evidence.endpoint, evidenceAtMs: evidence.capturedAtMs, hold },
    verdict: 'gated',
  };
}

/**
 * The address lives at two nodes at once and moves no more. A port that is verified wins, else who had the address before it began: the
 * winner claims once more and stands by it; the other says nothing.
 */
export function freeze(h: Handover, evidence: Evidence, why: 'flap' | 'conflict', episode: Episode | undefined, c: HandoverContext): StepResult {
  const { probe: _p, settleAtMs: _s, early: _e, episode: _o, leaveAtMs, ...rest } = h;
  const { holdMs } = c.options.flap;
  const wins = c.portVerified || (episode?.holder ?? 'here') === 'here';
  const common = {
    ...rest, state: 'held' as const, since: c.now, source: evidence.source, endpoint: evidence.endpoint, evidenceAtMs: evidence.capturedAtMs,
    ...(episode === undefined ? {} : { episode }),
  };
  const hold = { why, seen: h.highestSeen, ...(holdMs === undefined ? {} : { untilMs: c.now.monotonicMs + holdMs }) };
  if (wins) {
    const sequence = nextSequence(h.highestSeen, c.now);
    return {
      handover: { ...common, sequence, highestSeen: sequence, claimedAtMs: c.now.monotonicMs, gone: new Set(), hold: { ...hold, level: 'elevated' } },
      verdict: why,
    };
  }
  if (h.state !== 'leaving') return { handover: { ...common, hold }, verdict: why };
  return { handover: { ...common, ...(leaveAtMs === undefined ? {} : { leaveAtMs }), hold: { ...hold, level: 'leaving' } }, verdict: why };
}

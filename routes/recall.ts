import type { Now } from '../net/time.ts';
import { clockSequence, highestSequence, isFuture, nextSequence } from './claim.ts';
import { newHandover, probesBeforeWithdraw, type Endpoint, type Handover, type HandoverOptions } from './handover.ts';
import { ceilingLead, type RememberedAddress } from './memory.ts';

/** True for a record whose sequences nobody can have reached: they are not adopted. */
export function isFutureRecord(record: RememberedAddress, now: Now): boolean {
  return record.highestSeen > 0 && isFuture(record.highestSeen, now);
}

/** The handover that a record gives before anything is confirmed: withdrawn, and above every sequence that may have been used. */
export function recallSequence(record: RememberedAddress, now: Now): Handover {
  const blank = newHandover(record.vrf, record.address, now);
  if (isFutureRecord(record, now)) return blank;
  // The lead is not for a clock that goes: it stays near it, however often the process ends.
  const bound = now.wallTrusted ? clockSequence(now) + ceilingLead : highestSequence;
  return { ...blank, sequence: record.sequence, highestSeen: Math.max(record.highestSeen, Math.min(record.ceiling, bound)) };
}

/** The claim as it stood, with the sequence that the routers have; or a departure that goes on where it was. */
export function recallClaim(h: Handover, record: RememberedAddress, endpoint: Endpoint, now: Now, options: HandoverOptions): Handover {
  const base: Handover = { ...h, source: record.source, endpoint, evidenceAtMs: now.monotonicMs, claimedAtMs: now.monotonicMs };
  if (record.state === 'leaving') {
    return { ...base, state: 'leaving', leaveAtMs: now.monotonicMs + options.withdrawAfterMs, probe: { sent: 0, atMs: now.monotonicMs } };
  }
  const ageMs = record.claimedWallMs === undefined ? 0 : Math.max(0, now.wallMs - record.claimedWallMs);
  const leftMs = options.elevatedForMs - ageMs;
  return leftMs <= 0 ? { ...base, state: 'normal' } : { ...base, state: 'elevated', settleAtMs: now.monotonicMs + leftMs };
}

/** An operator's word outlives the process. */
export function recallManual(h: Handover, record: RememberedAddress, endpoint: Endpoint | undefined, now: Now): Handover {
  const { mode, untilWallMs } = record.manual ?? { mode: 'withdraw' as const };
  // Its sequence was refused: one that is announced needs another.
  const sequence = mode === 'announce' && h.sequence === 0 ? nextSequence(h.highestSeen, now) : h.sequence;
  return {
    ...h, sequence, highestSeen: Math.max(h.highestSeen, sequence), state: 'manual', source: 'manual', ...(endpoint === undefined ? {} : { endpoint }),
    manual: { mode, ...(untilWallMs === undefined ? {} : { untilMs: now.monotonicMs + Math.max(0, untilWallMs - now.wallMs) }) },
  };
}

/** A freeze outlives the process: the one that stood by its claim does so again, the other goes on saying nothing. */
export function recallHeld(h: Handover, record: RememberedAddress, endpoint: Endpoint | undefined, now: Now): Handover {
  const { why, level, untilWallMs } = record.hold ?? { why: 'conflict' as const };
  return {
    ...h, state: 'held', source: record.source, ...(endpoint === undefined ? {} : { endpoint }),
    hold: {
      why, seen: h.highestSeen, ...(level === undefined ? {} : { level }),
      ...(untilWallMs === undefined ? {} : { untilMs: now.monotonicMs + Math.max(0, untilWallMs - now.wallMs) }),
    },
  };
}

/** A VM whose port lives but can't be told to be the one that it was is asked there, as one that was paused is. */
export function recallDoubt(h: Handover, endpoint: Endpoint, now: Now): Handover {
  return { ...h, endpoint, probe: { sent: probesBeforeWithdraw, atMs: now.monotonicMs + 1000 } };
}

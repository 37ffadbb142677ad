import type { Verdict } from '../identity/admit.ts';
import type { Now } from '../net/time.ts';

/** A frame, or what it said, that led to nothing, and why. Like ones are counted together. */
export interface Ignored {
  at: Now;
  readonly first: Now;
  readonly verdict: Verdict;
  readonly kind: string;
  readonly reason: string;
  readonly bridge?: string;
  readonly port?: string;
  readonly mac?: string;
  readonly vlan?: number;
  readonly address?: string;
  count: number;
}

/** The newest kinds of ignored frames: bounded, the one that was not seen for longest goes first. */
export type IgnoredLog = Map<string, Ignored>;

const limit = 1000;

export type Refusal = Omit<Ignored, 'at' | 'first' | 'count'>;

/** Counts one; true when nothing like it was in the log, so that it is worth a line. */
export function countIgnored(log: IgnoredLog, now: Now, refusal: Refusal): boolean {
  const key = `${refusal.verdict}|${refusal.kind}|${refusal.port}|${refusal.mac}|${refusal.address}|${refusal.vlan}|${refusal.reason}`;
  const known = log.get(key);
  if (known !== undefined) {
    known.count += 1;
    known.at = now;
    return false;
  }
  if (log.size >= limit) {
    for (const oldest of log.keys()) {
      log.delete(oldest);
      break;
    }
  }
  log.set(key, { ...refusal, at: now, first: now, count: 1 });
  return true;
}

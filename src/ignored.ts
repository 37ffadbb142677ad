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

/** The newest kinds of ignored frames, oldest first: bounded, and each port has its share of it. */
export type IgnoredLog = Map<string, Ignored>;

/** The keys of each port in the log, oldest first. */
export type IgnoredByPort = Map<string, Set<string>>;

const limit = 1000;

export type Refusal = Omit<Ignored, 'at' | 'first' | 'count'>;

/** Counts one; true when nothing like it was in the log, so that it is worth a line. */
export function countIgnored(log: IgnoredLog, byPort: IgnoredByPort, now: Now, refusal: Refusal): boolean {
  const port = refusal.port ?? '';
  const key = `${refusal.verdict}|${refusal.kind}|${refusal.port}|${refusal.mac}|${refusal.address}|${refusal.vlan}|${refusal.reason}`;
  const known = log.get(key);
  if (known !== undefined) {
    known.count += 1;
    known.at = now;
    return false;
  }
  if (log.size >= limit) makeRoom(log, byPort, port);
  log.set(key, { ...refusal, at: now, first: now, count: 1 });
  const own = byPort.get(port);
  if (own === undefined) byPort.set(port, new Set([key]));
  else own.add(key);
  return true;
}

/** A port with its share or more makes room itself; one with less, at the cost of the port with most. */
function makeRoom(log: IgnoredLog, byPort: IgnoredByPort, port: string): void {
  const own = byPort.get(port)?.size ?? 0;
  let from = port;
  if (own < Math.max(1, Math.floor(limit / (byPort.size + (own === 0 ? 1 : 0))))) {
    let most = own;
    for (const [other, { size }] of byPort) {
      if (size <= most) continue;
      most = size;
      from = other;
    }
  }
  const keys = byPort.get(from);
  for (const oldest of keys ?? []) {
    log.delete(oldest);
    keys?.delete(oldest);
    break;
  }
  if (keys?.size === 0) byPort.delete(from);
}

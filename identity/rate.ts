/** Ports with a bucket of their own at most; the one that was quiet longest gives way. */
export const maxRatedPorts = 4096;

interface Bucket {
  readonly tokens: number;
  /** Monotonic milliseconds. */
  readonly atMs: number;
}

/** The limit on announcements of MACs without a binding: a token bucket per port. Written only by the functions below. */
export interface RateLimits {
  readonly buckets: ReadonlyMap<number, Bucket>;
}

export function emptyRateLimits(): RateLimits {
  return { buckets: new Map() };
}

/**
 * Takes one token of the port's. @returns false if there is none: the verdict is `rate`
 * @param nowMs monotonic
 * @param maxPerSecond refill; a bucket holds the tokens of one second. 0 allows nothing.
 */
export function takeToken(limits: RateLimits, ifindex: number, nowMs: number, maxPerSecond: number): boolean {
  const buckets = limits.buckets as Map<number, Bucket>;
  const before = buckets.get(ifindex);
  const refill = before === undefined ? maxPerSecond : (Math.max(0, nowMs - before.atMs) * maxPerSecond) / 1000;
  const tokens = Math.min(maxPerSecond, (before?.tokens ?? 0) + refill);
  const allowed = tokens >= 1;
  // Put back as the last one, so that the first in the map is the one that was quiet longest.
  buckets.delete(ifindex);
  buckets.set(ifindex, { tokens: allowed ? tokens - 1 : tokens, atMs: Math.max(nowMs, before?.atMs ?? nowMs) });
  if (buckets.size > maxRatedPorts) {
    for (const oldest of buckets.keys()) {
      buckets.delete(oldest);
      break;
    }
  }
  return allowed;
}

/** The port is gone; its ifindex never comes back. */
export function forgetPort(limits: RateLimits, ifindex: number): void {
  (limits.buckets as Map<number, Bucket>).delete(ifindex);
}

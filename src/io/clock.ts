import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { clockSynchronised } from '../../native/index.ts';
import type { Now } from '../../net/time.ts';

/** How often the kernel is asked whether the clock is synchronised, in milliseconds. */
const askAgainMs = 10_000;

/** The one place that reads clocks. */
export interface Clock {
  now(): Now;
}

export function systemClock(): Clock {
  let trusted = true;
  let askedMs = -Infinity;
  return {
    now() {
      const monotonicMs = performance.now();
      if (monotonicMs - askedMs > askAgainMs) {
        askedMs = monotonicMs;
        trusted = wallTrusted();
      }
      return { monotonicMs, wallMs: Date.now(), wallTrusted: trusted };
    },
  };
}

/** Nothing disciplines the clock; or, where the kernel may not be asked, it was never set: it stands before the kernel was built. */
function wallTrusted(): boolean {
  const synchronised = clockSynchronised();
  if (synchronised === false) return false;
  const year = new Date().getUTCFullYear();
  if (year < 2024) return false;
  try {
    const built = /(20\d\d)/.exec(readFileSync('/proc/version', 'utf8').split('#').pop() ?? '');
    return built === null || year >= Number(built[1]);
  } catch {
    return true;
  }
}

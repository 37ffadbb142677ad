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
  let trust: Pick<Now, 'wallTrusted' | 'wallSynchronised'> = { wallTrusted: true, wallSynchronised: true };
  let askedMs = -Infinity;
  return {
    now() {
      const monotonicMs = performance.now();
      if (monotonicMs - askedMs > askAgainMs) {
        askedMs = monotonicMs;
        trust = readClockTrust();
      }
      return { monotonicMs, wallMs: Date.now(), wallTrusted: trust.wallTrusted, wallSynchronised: trust.wallSynchronised ?? true };
    },
  };
}

/** What the wall clock is worth now; `wallSynchronised` is left out where the kernel may not be asked. */
export function readClockTrust(): Pick<Now, 'wallTrusted' | 'wallSynchronised'> {
  return judgeClock(clockSynchronised(), Date.now(), kernelYear());
}

/** Where the kernel does not say when it was built: when this was written. No clock is right that stands before it. */
const writtenYear = 2026;
/** No kernel is run for longer. */
const kernelLifeYears = 8;

/**
 * A clock that the kernel calls unsynchronised is right as a rule, to seconds or minutes, and two claims that see nothing of each other
 * would tie without it, which is an outage. So it counts unless it can't be: before the kernel was built it was never set, and years
 * after it is a mistake, which would outbid every sane node.
 * @param synchronised what the kernel says; undefined: it may not be asked
 * @param builtYear when the kernel was built; undefined: unknown
 */
export function judgeClock(synchronised: boolean | undefined, wallMs: number, builtYear: number | undefined): Pick<Now, 'wallTrusted' | 'wallSynchronised'> {
  const year = new Date(wallMs).getUTCFullYear();
  const first = builtYear ?? writtenYear;
  const possible = year >= first && year <= first + kernelLifeYears;
  return synchronised === undefined ? { wallTrusted: possible } : { wallTrusted: synchronised || possible, wallSynchronised: synchronised };
}

function kernelYear(): number | undefined {
  try {
    const built = /(20\d\d)/.exec(readFileSync('/proc/version', 'utf8').split('#').pop() ?? '');
    return built === null ? undefined : Number(built[1]);
  } catch {
    return undefined;
  }
}

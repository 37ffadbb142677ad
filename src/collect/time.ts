import type { Now } from '../../net/time.ts';

/** RFC 3339 in UTC with milliseconds. */
export function timeText(wallMs: number): string {
  // eslint-disable-next-line no-restricted-globals -- turns a number into text and reads no clock
  return new Date(wallMs).toISOString();
}

/** Seconds between two monotonic times, to the microsecond. */
export function seconds(fromMs: number, toMs: number): number {
  return Math.round((toMs - fromMs) * 1000) / 1e6;
}

/** The wall time of a monotonic one, by what both clocks say now. */
export function wallOf(monotonicMs: number, now: Now): string {
  return timeText(now.wallMs - (now.monotonicMs - monotonicMs));
}

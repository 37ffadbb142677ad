/** Counts of observed values by size. */
export interface Histogram {
  /** Upper bounds of the buckets, rising; one more bucket takes what is beyond the last. */
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum: number;
}

export function newHistogram(bounds: readonly number[]): Histogram {
  return { bounds, counts: new Array<number>(bounds.length + 1).fill(0), sum: 0 };
}

/** @param value seconds; below 0 (a clock that was set) counts as 0. What is no number is not counted. */
export function observe(histogram: Histogram, value: number): void {
  if (!Number.isFinite(value)) return;
  const seconds = Math.max(0, value);
  const at = histogram.bounds.findIndex((bound) => seconds <= bound);
  const bucket = at < 0 ? histogram.bounds.length : at;
  histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
  histogram.sum += seconds;
}

/** How patient we are with the API server; all in milliseconds. */
export interface Pace {
  /** Until an answer begins. */
  readonly answerMs: number;
  /** How long one watch lasts. */
  readonly watchMs: number;
  /** Between the end of a watch and the next. */
  readonly againMs: number;
  /** After the first failure; it doubles up to `retryAtMostMs`. */
  readonly retryMs: number;
  readonly retryAtMostMs: number;
}

export const usualPace: Pace = { answerMs: 10_000, watchMs: 300_000, againMs: 1000, retryMs: 1000, retryAtMostMs: 60_000 };

/** Half of it is chance, so that a fleet that lost its API server does not come back in step. */
export function backOffMs(failures: number, { retryMs, retryAtMostMs }: Pace): number {
  const ms = Math.min(retryAtMostMs, retryMs * 2 ** Math.min(failures - 1, 16));
  return ms / 2 + Math.random() * (ms / 2);
}

/** So many Events may come at once: a node that is evacuated. */
export const burst = 100;
/** And then one in so many milliseconds. */
export const refillMs = 5000;

/** A bucket of Events: the API server has other nodes to serve, too. */
export interface EventBudget {
  readonly tokens: number;
  /** When `tokens` was right, monotonic ms. */
  readonly atMs: number;
  /** Events left out since the last that went. */
  readonly omitted: number;
}

export function newBudget(monotonicMs: number): EventBudget {
  return { tokens: burst, atMs: monotonicMs, omitted: 0 };
}

/** Whether one more Event may go now, and how many were left out before it. */
export function spend(budget: EventBudget, monotonicMs: number): { readonly budget: EventBudget; readonly allowed: boolean; readonly omitted: number } {
  const tokens = Math.min(burst, budget.tokens + Math.max(0, monotonicMs - budget.atMs) / refillMs);
  if (tokens < 1) return { budget: { tokens, atMs: monotonicMs, omitted: budget.omitted + 1 }, allowed: false, omitted: 0 };
  return { budget: { tokens: tokens - 1, atMs: monotonicMs, omitted: 0 }, allowed: true, omitted: budget.omitted };
}

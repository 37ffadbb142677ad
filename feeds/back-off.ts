/** The pause before the next attempt to reach a station, in milliseconds: doubled by each failure. @param random 0 ≤ x < 1 */
export function pauseMs(failures: number, random: number): number {
  const pause = Math.min(firstPauseMs * 2 ** Math.min(failures, 20), longestPauseMs);
  return Math.round(pause * (1 - random / 4));
}

const firstPauseMs = 1000;
const longestPauseMs = 60_000;

/** A time span as the tables show it, two units at most: `4d02h11m`, `3h12m`, `1m12s`, `8s`. @param seconds 0 or more. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const days = Math.floor(whole / 86400);
  const hours = Math.floor(whole / 3600) % 24;
  const minutes = Math.floor(whole / 60) % 60;
  if (days > 0) return `${days}d${two(hours)}h${two(minutes)}m`;
  if (hours > 0) return `${hours}h${two(minutes)}m`;
  if (minutes > 0) return `${minutes}m${two(whole % 60)}s`;
  return `${whole}s`;
}

/** Time until something is due: whole seconds, rounded up, below two minutes, else {@link formatDuration}. */
export function formatRemaining(seconds: number): string {
  return seconds < 120 ? `${Math.max(0, Math.ceil(seconds))}s` : formatDuration(seconds);
}

/** A measured time: `1.1 ms`, `41 ms`; `undefined` (not measured) stays `undefined`. */
export function formatMs(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : `${Math.round(seconds * 10_000) / 10} ms`;
}

/** An RFC 3339 time as tables show it, in UTC: `2026-11-24 10:41:07`. */
export function formatTime(rfc3339: string): string {
  return rfc3339.slice(0, 19).replace('T', ' ');
}

/** Reads `250ms`, `3s`, `2m`, `1h`, `1d` as milliseconds. @returns undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 'ms' | 's' | 'm' | 'h' | 'd'];
  return Number(match[1]) * unit;
}

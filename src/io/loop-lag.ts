/** How late the event loop is: a timer that should come every half second tells. */
export interface LagMeter {
  /** The worst of the last ten seconds, and of now, in ms. */
  worstMs(): number;
  close(): void;
}

const everyMs = 500;
const keep = 20;

export function openLagMeter(): LagMeter {
  const late: number[] = [];
  let dueMs = performance.now() + everyMs;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    late.push(Math.max(0, nowMs - dueMs));
    if (late.length > keep) late.shift();
    dueMs = nowMs + everyMs;
  }, everyMs);
  timer.unref();
  return {
    worstMs: () => Math.max(0, performance.now() - dueMs, ...late),
    close: () => clearInterval(timer),
  };
}

/** The one clock of a simulation: work in order of its time, and of its planning where times are equal. */
export class VirtualClock {
  nowMs = 0;
  private readonly heap: { readonly atMs: number; readonly order: number; readonly work: () => void }[] = [];
  private order = 0;

  later(delayMs: number, work: () => void): void {
    this.at(this.nowMs + delayMs, work);
  }

  at(atMs: number, work: () => void): void {
    const { heap } = this;
    const entry = { atMs: Math.max(atMs, this.nowMs), order: this.order++, work };
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as typeof entry;
      if (!isBefore(entry, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = entry;
  }

  /** When the next work is due; `Infinity` when there is none. */
  nextAt(): number {
    return this.heap[0]?.atMs ?? Infinity;
  }

  /** Takes out the next work; the caller has moved the clock to its time. */
  take(): (() => void) | undefined {
    const { heap } = this;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top?.work;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as typeof last, heap[child] as typeof last)) child++;
      if (!isBefore(heap[child] as typeof last, last)) break;
      heap[i] = heap[child] as typeof last;
      i = child;
    }
    heap[i] = last;
    return top.work;
  }
}

function isBefore(a: { readonly atMs: number; readonly order: number }, b: { readonly atMs: number; readonly order: number }): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** The same numbers for the same seed, 0 ≤ x < 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

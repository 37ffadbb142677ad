/**
 * Deadlines kept as data: which keys are due at which time. A later `set` for the same key replaces the earlier one, so a
 * deadline never outlives the state that it belongs to. All operations cost O(log n).
 */
export class Deadlines<Key> {
  private readonly at = new Map<Key, number>();
  /** A binary heap of (time, key); entries whose time is no longer the key's are skipped when they come up. */
  private heap: { readonly at: number; readonly key: Key }[] = [];

  get size(): number {
    return this.at.size;
  }

  /** Sets the key's deadline in monotonic milliseconds; `undefined` takes it away. */
  set(key: Key, at: number | undefined): void {
    if (at === undefined) {
      this.at.delete(key);
      return;
    }
    if (this.at.get(key) === at) return;
    this.at.set(key, at);
    if (this.heap.length > 2 * this.at.size + 64) this.compact();
    else this.push({ at, key });
  }

  /** The earliest deadline, or `undefined`. */
  next(): number | undefined {
    this.dropStale();
    return this.heap[0]?.at;
  }

  /** Takes out and gives one key that is due at `now`, or `undefined`. */
  takeDue(now: number): Key | undefined {
    this.dropStale();
    const top = this.heap[0];
    if (top === undefined || top.at > now) return undefined;
    this.pop();
    this.at.delete(top.key);
    return top.key;
  }

  private dropStale(): void {
    for (let top = this.heap[0]; top !== undefined && this.at.get(top.key) !== top.at; top = this.heap[0]) this.pop();
  }

  private compact(): void {
    this.heap = [];
    for (const [key, at] of this.at) this.push({ at, key });
  }

  private push(entry: { readonly at: number; readonly key: Key }): void {
    const heap = this.heap;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as typeof entry;
      if (above.at <= entry.at) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = entry;
  }

  private pop(): void {
    const heap = this.heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as typeof last).at < (heap[child] as typeof last).at) child++;
      if ((heap[child] as typeof last).at >= last.at) break;
      heap[i] = heap[child] as typeof last;
      i = child;
    }
    heap[i] = last;
  }
}

/** The demo's TCP stream: 8-octet numbers that count up from 0, one every {@link recordEveryMs}, in both directions. */
export const recordEveryMs = 10;

export class RecordWriter {
  #next = 0n;

  next(): Buffer {
    const record = Buffer.alloc(8);
    record.writeBigUInt64BE(this.#next++);
    return record;
  }
}

/** Checks that no record is missing, doubled or out of order, and remembers the longest time without one. */
export class RecordReader {
  #rest = Buffer.alloc(0);
  #expected = 0n;
  #lastMs: number | undefined;
  /** Longest time between two arrivals, ms. */
  longestStallMs = 0;

  get received(): number {
    return Number(this.#expected);
  }

  /** How long ago the last record came, ms; 0 before the first. */
  silentMs(nowMs: number): number {
    return this.#lastMs === undefined ? 0 : nowMs - this.#lastMs;
  }

  /** Takes what TCP delivered at `nowMs`. Returns what is wrong with it, in words, or nothing. */
  push(bytes: Uint8Array, nowMs: number): string | undefined {
    if (this.#lastMs !== undefined) this.longestStallMs = Math.max(this.longestStallMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.#rest = this.#rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (; at + 8 <= this.#rest.length; at += 8) {
      const number = this.#rest.readBigUInt64BE(at);
      if (number !== this.#expected) return `record ${number} instead of ${this.#expected}`;
      this.#expected++;
    }
    this.#rest = this.#rest.subarray(at);
    return undefined;
  }
}

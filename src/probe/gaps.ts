/** One stretch in which requests were sent and never answered. Times in ms on the caller's clock. */
export interface ProbeGap {
  /** When the first request without an answer was sent. */
  readonly startMs: number;
  /** From there to the first later request that was answered; while none was, to the last one that was lost. */
  readonly lengthMs: number;
  /** Requests lost in it. */
  readonly lost: number;
  /** False when the probe ended inside the gap. */
  readonly ended: boolean;
}

export interface ProbeCounts {
  readonly sent: number;
  readonly received: number;
  /** Sent, and no answer within the time that an answer has. */
  readonly lost: number;
  /** Answers that came after that time; their requests count as lost. */
  readonly late: number;
  /** Not judged: sent last, still within the time that an answer has. */
  readonly pending: number;
  /** Longest time between two answers, which includes a pause of the VM that lost nothing. */
  readonly longestSilenceMs: number;
  /** When that began; undefined with fewer than two answers. */
  readonly silenceStartMs: number | undefined;
}

interface Outstanding {
  readonly sentMs: number;
  answered: boolean;
}

/** Gaps kept for {@link GapLedger.gaps} at most; more are counted and reported one by one as they end. */
export const gapLimit = 10_000;

/**
 * Which requests were answered, and where the gaps are. A pure account: it is told what was sent and what came, and the time.
 * Requests are judged in the order in which they were sent, each when it is answered or when its time is up.
 */
export class GapLedger {
  readonly gaps: ProbeGap[] = [];
  private readonly lossAfterMs: number;
  /** Requests in the order of sending; from `head` on they are not judged yet: those answered out of order wait for the ones before them. */
  private readonly waiting: Outstanding[] = [];
  private head = 0;
  /** The sequence of `waiting[0]`. */
  private base = 0;
  private open: { startMs: number; lost: number } | undefined;
  private lastLostMs = 0;
  private lastAnswerMs: number | undefined;
  private silenceMs = 0;
  private silenceStartMs: number | undefined;
  private sentCount = 0;
  private receivedCount = 0;
  private lostCount = 0;
  private lateCount = 0;

  /** @param lossAfterMs how long an answer may take. */
  constructor(lossAfterMs: number) {
    this.lossAfterMs = lossAfterMs;
  }

  /** The next request left: the first has sequence 0, each further one more. */
  sent(atMs: number): void {
    this.waiting.push({ sentMs: atMs, answered: false });
    this.sentCount++;
  }

  /** An answer came. @returns the round trip in ms; undefined for a duplicate, a late one, or one that answers nothing of ours. */
  answered(sequence: number, atMs: number): number | undefined {
    const index = sequence - this.base;
    const entry = this.waiting[index];
    if (entry === undefined) {
      if (sequence >= 0 && index < 0) this.lateCount++;
      return undefined;
    }
    if (entry.answered) return undefined;
    entry.answered = true;
    if (index < this.head) {
      this.lateCount++;
      return undefined;
    }
    this.receivedCount++;
    if (this.lastAnswerMs !== undefined && atMs - this.lastAnswerMs > this.silenceMs) {
      this.silenceMs = atMs - this.lastAnswerMs;
      this.silenceStartMs = this.lastAnswerMs;
    }
    this.lastAnswerMs = atMs;
    return atMs - entry.sentMs;
  }

  /** Judges what can be judged at `nowMs`. @returns the gaps that ended. */
  settle(nowMs: number): ProbeGap[] {
    const ended: ProbeGap[] = [];
    for (;;) {
      const entry = this.waiting[this.head];
      if (entry === undefined || !(entry.answered || nowMs - entry.sentMs >= this.lossAfterMs)) break;
      this.judge(entry, ended);
    }
    if (this.head > 4096) {
      this.waiting.splice(0, this.head);
      this.base += this.head;
      this.head = 0;
    }
    return ended;
  }

  /**
   * The end: a request that was overtaken by an answered one is lost now; those sent after the last answered one stay pending
   * while their time is not up. @returns the gaps that ended, and the one in which the probe ended.
   */
  finish(nowMs: number): ProbeGap[] {
    const ended = this.settle(nowMs);
    for (let last = this.waiting.length - 1; last >= this.head; last--) {
      if (this.waiting[last]?.answered !== true) continue;
      while (this.head <= last) this.judge(this.waiting[this.head] as Outstanding, ended);
    }
    if (this.open === undefined) return ended;
    const gap = { startMs: this.open.startMs, lengthMs: this.lastLostMs - this.open.startMs, lost: this.open.lost, ended: false };
    this.open = undefined;
    this.keep(gap);
    return [...ended, gap];
  }

  /** True when every request was judged. */
  get judged(): boolean {
    return this.head === this.waiting.length;
  }

  private judge(entry: Outstanding, ended: ProbeGap[]): void {
    this.head++;
    if (!entry.answered) {
      this.lostCount++;
      this.lastLostMs = entry.sentMs;
      this.open ??= { startMs: entry.sentMs, lost: 0 };
      this.open.lost++;
    } else if (this.open !== undefined) {
      const gap = { startMs: this.open.startMs, lengthMs: entry.sentMs - this.open.startMs, lost: this.open.lost, ended: true };
      this.open = undefined;
      this.keep(gap);
      ended.push(gap);
    }
  }

  counts(): ProbeCounts {
    return {
      sent: this.sentCount, received: this.receivedCount, lost: this.lostCount, late: this.lateCount,
      pending: this.sentCount - this.lostCount - this.receivedCount, longestSilenceMs: this.silenceMs, silenceStartMs: this.silenceStartMs,
    };
  }

  private keep(gap: ProbeGap): void {
    if (this.gaps.length < gapLimit) this.gaps.push(gap);
  }
}

/** Growth from one bucket of {@link RoundTrips} to the next: percentiles are right within 1 %. */
const growth = Math.log(1.01);
const smallestMs = 0.001;

/** Round-trip times in constant memory. */
export class RoundTrips {
  private readonly buckets: number[] = [];
  private count = 0;
  private largest = 0;

  add(ms: number): void {
    const bucket = ms <= smallestMs ? 0 : Math.ceil(Math.log(ms / smallestMs) / growth);
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    this.count++;
    this.largest = Math.max(this.largest, ms);
  }

  get maxMs(): number | undefined {
    return this.count === 0 ? undefined : this.largest;
  }

  /** @param share 0…1. */
  percentileMs(share: number): number | undefined {
    let left = Math.max(1, Math.ceil(share * this.count));
    for (let bucket = 0; bucket < this.buckets.length; bucket++) {
      left -= this.buckets[bucket] ?? 0;
      if (left <= 0 && this.count > 0) return Math.min(this.largest, smallestMs * Math.exp(bucket * growth));
    }
    return undefined;
  }
}

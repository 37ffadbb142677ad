import { Cutter } from './cutter.ts';

/** Octets of one direction in the order of their sequence numbers, or a hole where some were not captured. */
export type FlowPart = { readonly type: 'data'; readonly bytes: Uint8Array } | { readonly type: 'lost'; readonly octets: number | undefined };

interface Waiting {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly missing: number;
}

/** A hole that is not filled by then was not captured. */
const mostWaiting = 256;
const mostWaitingOctets = 1024 * 1024;
const mostWaitingMs = 10_000;
/** Without its SYN a stream begins with the lowest sequence number among its first few segments. */
const firstSegments = 4;
const firstSegmentsMs = 2000;
/** A sequence number further away belongs to another connection, whose SYN was not captured. */
const farAway = 16 * 1024 * 1024;
/** What a segment that waits costs beside its octets. */
const overheadOctets = 256;

/** One direction of a TCP connection: puts segments in order, drops what comes again, tells of holes. Holds 1 MiB at most. */
export class Flow {
  cutter = new Cutter(false);
  /** The number behind the last octet, once a FIN told it. */
  private end: number | undefined;
  private next: number | undefined;
  /** The number of the first octet, where the SYN was captured. */
  private opened: number | undefined;
  private waiting: Waiting[] = [];
  private waitingOctets = 0;
  private waitingSinceMs = 0;

  /** The SYN: the first octet has the number behind it, and a message begins there. @returns what came before its SYN and waited. */
  open(sequence: number): FlowPart[] {
    this.next = (sequence + 1) >>> 0;
    this.cutter = new Cutter(true);
    this.opened = this.next;
    const parts: FlowPart[] = [];
    this.drain(parts);
    return parts;
  }

  /** A FIN, with the number of the first octet that does not come any more. */
  close(sequence: number): void {
    this.end = sequence >>> 0;
  }

  /** All octets up to the FIN came, as far as can be told. */
  get finished(): boolean {
    return this.end !== undefined && (this.next === undefined || distance(this.next, this.end) <= 0);
  }

  /** Memory that waits behind holes, roughly. */
  get heldOctets(): number {
    return this.waitingOctets + this.waiting.length * overheadOctets;
  }

  /** True for the SYN of another connection than the one that this is the stream of. The first octets may come before their own SYN. */
  isOther(sequence: number): boolean {
    if (this.opened !== undefined) return this.opened !== (sequence + 1) >>> 0;
    const first = this.waiting[0];
    if (this.next !== undefined || first === undefined) return this.next !== undefined;
    const behind = distance(sequence + 1, first.sequence);
    return behind < 0 || behind > mostWaitingOctets;
  }

  /** False for a number so far from where the stream is that a RST with it is none of this connection (RFC 5961 section 3). */
  isNear(sequence: number): boolean {
    return this.next === undefined || Math.abs(distance(this.next, sequence)) <= farAway;
  }

  /** True for the SYN that was taken already. */
  isSame(sequence: number): boolean {
    return this.opened === (sequence + 1) >>> 0;
  }

  add(sequence: number, bytes: Uint8Array, missing: number, timeMs: number): FlowPart[] {
    if (bytes.length + missing === 0) return [];
    const parts: FlowPart[] = [];
    if (this.next !== undefined && Math.abs(distance(this.next, sequence)) > farAway) {
      parts.push(...this.finish(), { type: 'lost', octets: undefined });
      this.next = undefined;
    }
    if (this.waiting.length === 0) this.waitingSinceMs = timeMs;
    // A copy: what waits shall not keep the whole piece of the file that it came in.
    this.insert({ sequence, bytes: bytes.slice(), missing });
    const waitedMs = timeMs - this.waitingSinceMs;
    if (this.next === undefined) {
      if (this.waiting.length <= firstSegments && waitedMs < firstSegmentsMs) return parts;
      this.next = (this.waiting[0] as Waiting).sequence;
    }
    this.drain(parts);
    if (this.waiting.length > mostWaiting || this.waitingOctets > mostWaitingOctets || (this.waiting.length > 0 && waitedMs > mostWaitingMs)) {
      this.leap(parts);
      this.waitingSinceMs = timeMs;
    }
    return parts;
  }

  /** No more comes: what waits behind holes, with the holes. */
  finish(): FlowPart[] {
    const parts: FlowPart[] = [];
    while (this.waiting.length > 0) this.leap(parts);
    return parts;
  }

  private insert(segment: Waiting): void {
    let at = this.waiting.length;
    while (at > 0 && distance((this.waiting[at - 1] as Waiting).sequence, segment.sequence) < 0) at -= 1;
    this.waiting.splice(at, 0, segment);
    this.waitingOctets += segment.bytes.length;
  }

  private leap(parts: FlowPart[]): void {
    const first = this.waiting[0] as Waiting;
    const hole = this.next === undefined ? 0 : distance(this.next, first.sequence);
    if (hole > 0) parts.push({ type: 'lost', octets: hole });
    this.next = first.sequence;
    this.drain(parts);
  }

  private drain(parts: FlowPart[]): void {
    for (let first = this.waiting[0]; first !== undefined && this.next !== undefined; first = this.waiting[0]) {
      const seen = -distance(this.next, first.sequence);
      if (seen < 0) return;
      this.waiting.shift();
      this.waitingOctets -= first.bytes.length;
      const whole = first.bytes.length + first.missing;
      if (seen >= whole) continue;
      if (seen < first.bytes.length) parts.push({ type: 'data', bytes: first.bytes.subarray(seen) });
      if (first.missing > 0) parts.push({ type: 'lost', octets: whole - Math.max(seen, first.bytes.length) });
      this.next = (first.sequence + whole) >>> 0;
    }
  }
}

/** From `a` to `b` in sequence numbers, which go round (RFC 9293 section 3.4). */
function distance(a: number, b: number): number {
  return (b - a) | 0;
}

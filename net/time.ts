/**
 * The time at which an event is handled. Deadlines use `monotonicMs` (never jumps); sequences and what people read use
 * `wallMs` (milliseconds since 1970-01-01 UTC).
 */
export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
  /** False while the wall clock is known to be wrong (never set, or years ahead): it then contributes nothing to a sequence. */
  readonly wallTrusted: boolean;
  /** False while nothing disciplines the wall clock, as the kernel says; left out where nobody can tell. */
  readonly wallSynchronised?: boolean;
}

/**
 * The time at which an event is handled. Deadlines use `monotonicMs` (never jumps); sequences and what people read use
 * `wallMs` (milliseconds since 1970-01-01 UTC).
 */
export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
  /** False while the wall clock is known to be unsynchronised or unset: it then contributes nothing to a sequence. */
  readonly wallTrusted: boolean;
}

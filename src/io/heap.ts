import { setFlagsFromString } from 'node:v8';
import { trimMemory } from '../../native/index.ts';

/**
 * A small heap: a daemon that runs beside VMs takes no memory for the sake of throughput. Young objects are then collected more often,
 * a tenth of a millisecond each time. Only of use before the heap has grown, so before anything else is loaded.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--optimize-for-size');
}

/** How often, in milliseconds. Each time costs half a millisecond, so it is rare. */
const trimEveryMs = 10_000;

/**
 * What the C library was given back, above all by the threads in which V8 compiles, goes back to the kernel: some 5 MB after a start, and again
 * after a burst of claims. @returns the timer
 */
export function keepTrimmed(): NodeJS.Timeout {
  trimMemory();
  return setInterval(trimMemory, trimEveryMs).unref();
}

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { trimMemory } from '../../native/index.ts';

/**
 * A small heap, and code that stays. A daemon that runs beside VMs takes no memory for the sake of throughput: young objects are collected more
 * often, a tenth of a millisecond each time. But V8 also takes a process that does little for one that needs its code no more, and collects
 * all, bit by bit: a lone claim then began with compiling anew, 13 ms in place of 2. Without marking bit by bit it does not, and the
 * shapes for which code was compiled stay known; what it grows by until all is collected in one go is bounded in place of that. Only of use before the heap has grown, so before anything else is loaded.
 */
export function keepHeapSmall(): void {
  for (const flag of ['--optimize-for-size', '--no-incremental-marking', '--retain-maps-for-n-gc=1000000', '--heap-growing-percent=20', '--expose-gc']) setFlagsFromString(flag);
}

/** Collects everything now, which takes up to 40 ms: after a start, which leaves much behind. From then on V8 knows how small this heap is. */
export function collectNow(): void {
  (runInNewContext('gc') as () => void)();
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

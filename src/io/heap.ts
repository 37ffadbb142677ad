import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { trimMemory } from '../../native/index.ts';

/**
 * A small heap: a daemon that runs beside VMs takes no memory for the sake of throughput. Young objects are then collected more often,
 * a tenth of a millisecond each time. Only of use before the heap has grown, so before anything else is loaded.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--optimize-for-size');
}

/**
 * V8 takes a process that does little for one that needs its code no more: it collects all, bit by bit, and lets go of what was compiled and
 * of the shapes that it was compiled for. A lone claim then began with compiling anew, 13 ms in place of 2. Without marking bit by bit it
 * does nothing of the kind; but then it does not bound the heap either, so that whoever calls this must also {@link keepHeapBounded}.
 */
export function keepCodeCompiled(): void {
  for (const flag of ['--no-incremental-marking', '--retain-maps-for-n-gc=1000000', '--expose-gc']) setFlagsFromString(flag);
}

const lookEveryMs = 100;
/** Garbage that may wait, in octets: in V8's heap until it is quiet, there at all events, and in buffers outside of it. */
const quietSlack = 12e6;
const heapSlack = 24e6;
/** Between two looks; a process to which this little came is quiet. */
const quietGrowth = 0.3e6;
const externalSlack = 16e6;

let collect: (() => void) | undefined;
let kept = { heap: Infinity, external: Infinity };

/** Collects everything now: 5 to 20 ms, more after a start, which leaves much behind. */
export function collectNow(): void {
  collect ??= runInNewContext('gc') as () => void;
  collect();
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  kept = { heap, external };
}

/** Collects when so much came since the last time. @returns the timer */
export function keepHeapBounded(): NodeJS.Timeout {
  collectNow();
  let before = kept.heap;
  return setInterval(() => {
    const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
    const isQuiet = Math.abs(heap - before) < quietGrowth;
    before = heap;
    if (heap > kept.heap + (isQuiet ? quietSlack : heapSlack) || external > kept.external + externalSlack) collectNow();
  }, lookEveryMs).unref();
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

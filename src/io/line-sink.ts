import { openSync, writeSync } from 'node:fs';

/** What is kept at most, in UTF-16 units, while the reader of the lines takes none; what comes then is counted, not kept. */
const backlogLimit = 1024 * 1024;
/** A longer buffer is written at once, without waiting for the end of the turn. */
const eagerLimit = 16 * 1024;

/** Where lines end up: a descriptor that is written synchronously, once per turn of the event loop, and never waited for. */
export interface LineSink {
  /** Takes one line with its line feed. */
  write(line: string): void;
  /** Hands everything to the kernel now. Keeps what it does not take (EAGAIN); gives up silently when the reader is gone. */
  flush(): void;
  /** How many lines were lost so far because the reader was too slow or gone. */
  readonly lost: number;
}

const flushAtExit = new Set<() => void>();

/** @param destination a file descriptor, or the path of a file to append to. */
export function openLineSink(destination: number | string): LineSink {
  const fd = typeof destination === 'number' ? destination : openSync(destination, 'a', 0o640);
  let buffered = '';
  let rest: Uint8Array | undefined;   // of a write that the kernel took in part
  let due = false;
  let gone = false;
  let lost = 0;
  const flush = (): void => {
    due = false;
    if (rest === undefined && buffered === '') return;
    let bytes = rest ?? Buffer.from(buffered);
    if (rest === undefined) buffered = '';
    rest = undefined;
    try {
      for (;;) {
        bytes = bytes.subarray(writeSync(fd, bytes));
        if (bytes.length > 0) continue;
        if (buffered === '') return;
        bytes = Buffer.from(buffered);
        buffered = '';
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') rest = bytes;
      else gone = true;
    }
  };
  if (flushAtExit.size === 0) process.on('exit', () => flushAtExit.forEach((each) => each()));
  flushAtExit.add(flush);
  return {
    write(line) {
      if (gone || buffered.length + line.length > backlogLimit) {
        lost++;
        return;
      }
      buffered += line;
      if (buffered.length >= eagerLimit && rest === undefined) flush();
      if (due) return;
      due = true;
      setImmediate(flush);
    },
    flush,
    get lost() {
      return lost;
    },
  };
}

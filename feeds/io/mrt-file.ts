import { open, rename, stat, type FileHandle } from 'node:fs/promises';

export interface MrtFileOptions {
  readonly file: string;
  /** Of one file. A record that would exceed it begins the next file. */
  readonly maxBytes: number;
  /** Files before the present one: FILE.1 is the youngest of them. */
  readonly keep: number;
  /** Nothing is touched before: another may still be writing there. */
  readonly after?: Promise<void> | undefined;
  /** Why records are lost from now on; undefined: they are written again. */
  readonly onState: (problem: string | undefined) => void;
}

export interface MrtFile {
  /** Never waits for the disk. */
  write(record: Uint8Array): void;
  /** Writes what waits. */
  close(): Promise<void>;
  /** Records lost because the disk was full or too slow. */
  readonly lost: number;
}

/** What may wait for the disk, in octets. */
const waitingAtMost = 8 * 1024 * 1024;
/** After a failure nothing is tried for so long. */
const restMs = 10_000;
/** How long a record waits for others, so that many are written at once. */
const gatherMs = 200;

/**
 * Writes records into a file that never exceeds its size, and moves full ones aside; so it does with what an earlier process left. A disk
 * that is full, broken or slow loses records, whole ones, and nothing else.
 */
export function openMrtFile(options: MrtFileOptions): MrtFile {
  const { file, maxBytes, keep } = options;
  const ready = options.after ?? Promise.resolve();
  let handle: FileHandle | undefined;
  let size = 0;
  let waiting: Uint8Array[] = [];
  let waitingOctets = 0;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let lost = 0;
  let failing = false;
  let restUntil = -Infinity;
  const say = (problem: string | undefined): void => {
    if (failing === (problem !== undefined)) return;
    failing = problem !== undefined;
    options.onState(problem);
  };
  const lose = (records: readonly Uint8Array[], why: string): void => {
    lost += records.length;
    say(why);
  };
  /** FILE becomes FILE.1, FILE.1 becomes FILE.2; what is beyond `keep` is replaced. */
  const moveAside = async (): Promise<void> => {
    const there = await stat(file).catch(ignoreMissing);
    if (there === undefined || there.size === 0) return;
    for (let n = keep; n >= 1; n--) await rename(n === 1 ? file : `${file}.${n - 1}`, `${file}.${n}`).catch(ignoreMissing);
  };
  const begin = async (): Promise<void> => {
    await moveAside();
    handle = await open(file, 'w', 0o640);
    size = 0;
  };
  const end = async (): Promise<void> => {
    const ended = handle;
    handle = undefined;
    await ended?.close();
  };
  /** As many records as fit into the present file, in one call. @returns how many; none: it is full */
  const put = async (records: readonly Uint8Array[]): Promise<number> => {
    let count = 0;
    let octets = 0;
    for (const record of records) {
      if (octets + record.length > maxBytes - size && (size > 0 || count > 0)) break;
      octets += record.length;
      count += 1;
    }
    if (count === 0) return 0;
    const bytes = Buffer.concat(records.slice(0, count), octets);
    try {
      for (let at = 0; at < octets;) at += (await (handle as FileHandle).write(bytes, at, octets - at, size + at)).bytesWritten;
    } catch (error) {
      await (handle as FileHandle).truncate(size).catch(() => undefined); // no half a record
      throw error;
    }
    size += octets;
    return count;
  };
  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      let records = waiting;
      waiting = [];
      waitingOctets = 0;
      try {
        while (records.length > 0) {
          if (handle === undefined) await begin();
          const count = await put(records);
          if (count === 0) await end();
          records = records.slice(count);
        }
        say(undefined);
      } catch (error) {
        lose(records, (error as Error).message);
        restUntil = performance.now() + restMs;
      }
    }
  };
  const run = (): void => {
    timer = undefined;
    running ??= ready.then(flush).finally(() => {
      running = undefined;
      if (waiting.length > 0) timer ??= setTimeout(run, gatherMs);
    });
  };
  return {
    write(record) {
      if (performance.now() < restUntil || waitingOctets + record.length > waitingAtMost) {
        lose([record], 'the disk is too slow');
        return;
      }
      waiting.push(record);
      waitingOctets += record.length;
      if (running === undefined) timer ??= setTimeout(run, gatherMs);
    },
    async close() {
      clearTimeout(timer);
      await ready;
      await running;
      await flush();
      await end().catch(() => undefined);
    },
    get lost() {
      return lost;
    },
  };
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

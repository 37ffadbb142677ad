import { accessSync, closeSync, constants, fstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { appendFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { defaultStateFile } from './state.ts';

/** What is read of the file at a start, octets: its end. */
const readLimit = 32 * 1024 * 1024;
/** The file is written anew when it has this many times the lines that are kept. */
const rewriteAt = 4;

/** Where the history is unless the configuration says: beside the state file, if that folder can be written to. */
export function historyBeside(stateFile: string | undefined): string | undefined {
  const folder = dirname(stateFile ?? defaultStateFile);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return join(folder, 'migrations.jsonl');
  } catch {
    return undefined;
  }
}

export interface HistoryFile {
  /** Puts a line down, when there is time. */
  append(line: string): void;
  /** Resolves when all that was put down is in the file, or has failed. */
  flush(): Promise<void>;
}

/** The last lines of the file, oldest first; none where there is no file. @throws where it is there and can't be read. */
export function readHistory(path: string, keep: number): string[] {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    const { size } = fstatSync(fd);
    const from = Math.max(0, size - readLimit);
    const bytes = Buffer.alloc(size - from);
    const length = readSync(fd, bytes, 0, bytes.length, from);
    const lines = bytes.toString('utf8', 0, length).split('\n').filter((line) => line !== '');
    return (from > 0 ? lines.slice(1) : lines).slice(-keep * rewriteAt);
  } finally {
    closeSync(fd);
  }
}

/**
 * Appends to the file, many lines in one write, never in the turn of the loop that has them.
 * @param lines how many lines it has; at four times `keep` it is replaced by what `latest` gives.
 * @param failed called for the first failure of a row (a full disk, a read-only one); the lines are lost, the daemon runs on.
 */
export function openHistory(path: string, keep: number, lines: number, latest: () => string[], failed: (error: Error) => void): HistoryFile {
  let pending: string[] = [];
  let writing: Promise<void> | undefined;
  let failing = false;
  let written = lines;
  const write = async (): Promise<void> => {
    while (pending.length > 0) {
      const batch = pending;
      pending = [];
      try {
        if (written + batch.length > keep * rewriteAt + 64) {
          const all = latest();
          await writeFile(`${path}.new`, all.join(''), { mode: 0o640 });
          await rename(`${path}.new`, path);
          written = all.length;
        } else {
          // After a write that failed half a line may stand there: it gets its end, and is left out when the file is read.
          await appendFile(path, `${failing ? '\n' : ''}${batch.join('')}`, { mode: 0o640 });
          written += batch.length;
        }
        failing = false;
      } catch (error) {
        if (!failing) failed(error as Error);
        failing = true;
      }
    }
    writing = undefined;
  };
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch {
    // The first write says what is wrong with the folder.
  }
  return {
    append(line) {
      // A disk that hangs must not fill the memory.
      if (pending.length < keep * rewriteAt) pending.push(`${line}\n`);
      writing ??= new Promise<void>((resolve) => setTimeout(() => void write().then(resolve), 50));
    },
    async flush() {
      await writing;
    },
  };
}

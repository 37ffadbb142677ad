import { closeSync, constants, fstatSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';

/** More than the largest state of a speaker; what is bigger is not ours. */
const sizeLimit = 128 * 1024 * 1024;
/** Changes within this time are one write, in milliseconds. */
const gatherMs = 50;
/** A write may take this part of the time: after one that took long the next waits. */
const share = 10;
/** After a write that failed, the next try comes so much later, in milliseconds. */
const retryMs = 30_000;
/** So many records are turned into text in one turn of the event loop. */
const recordsPerTurn = 500;

export type StateRead =
  | { readonly text: string }
  /** There is none: a first start, or it was lost. */
  | { readonly missing: true }
  | { readonly problem: string };

export interface StateFileOptions {
  readonly path: string;
  /** The text, piece by piece. `final`: of a stop in good order, after which nothing changes. */
  readonly content: (final: boolean) => Iterable<string>;
  /** A write failed: told once, until one has worked again. */
  readonly onError: (error: string) => void;
  readonly onRecovered: () => void;
}

export interface StateFile {
  /** Something changed: it is written soon, and never in this turn. */
  changed(): void;
  /** Writes now, before it returns: the last word of a process that ends. */
  saveFinal(): void;
  close(): void;
}

/** Reads the file, if it is one that only its owner could have written. */
export function readStateFile(path: string): StateRead {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { missing: true };
    return { problem: code === 'ELOOP' ? 'it is a symbolic link' : `it cannot be read (${code})` };
  }
  try {
    const { mode, size, uid } = fstatSync(fd);
    const own = process.geteuid?.() ?? uid;
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) return { problem: 'it is no regular file' };
    if (uid !== own && uid !== 0) return { problem: `it belongs to user ${uid}, not to us` };
    if ((mode & 0o022) !== 0) return { problem: `others can write to it (mode ${(mode & 0o777).toString(8)})` };
    if (size > sizeLimit) return { problem: `it has ${size} octets` };
    return { text: readFileSync(fd, 'utf8') };
  } catch (error) {
    return { problem: `it cannot be read (${(error as NodeJS.ErrnoException).code})` };
  } finally {
    closeSync(fd);
  }
}

/** Moves a file that is of no use out of the way, for a person to look at. @returns where it is now, or `undefined` where that is refused */
export function setAside(path: string): string | undefined {
  try {
    renameSync(path, `${path}.bad`);
    return `${path}.bad`;
  } catch {
    return undefined;
  }
}

/**
 * Keeps a file up to date: whole, by rename, so that whoever reads it finds one state or the next; behind the work and never before it,
 * so that no claim waits for a disk. A disk that is full or read-only is told of once, and all goes on.
 */
export function keepStateFile({ path, content, onError, onRecovered }: StateFileOptions): StateFile {
  const draft = `${path}.new`;
  let timer: NodeJS.Timeout | undefined;
  let writing = false;
  let dirty = false;
  let closed = false;
  let failing = false;
  let pauseMs = gatherMs;

  const failed = (error: unknown): void => {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!failing) onError(code ?? message);
    failing = true;
    pauseMs = retryMs;
  };
  const worked = (tookMs: number): void => {
    if (failing) onRecovered();
    failing = false;
    pauseMs = Math.max(gatherMs, tookMs * share);
  };
  const schedule = (): void => {
    if (closed || writing || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      void write();
    }, pauseMs);
    timer.unref();
  };
  const write = async (): Promise<void> => {
    writing = true;
    dirty = false;
    const start = performance.now();
    try {
      const file = await open(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o600);
      try {
        let text = '';
        let records = 0;
        for (const piece of content(false)) {
          text += piece;
          if (++records % recordsPerTurn !== 0) continue;
          await file.writeFile(text);
          text = '';
        }
        await file.writeFile(text);
        await file.datasync();
      } finally {
        await file.close();
      }
      if (closed) return; // the last word is written, this one is older
      await rename(draft, path);
      worked(performance.now() - start);
    } catch (error) {
      await unlink(draft).catch(() => undefined);
      failed(error);
      dirty = true;
    } finally {
      writing = false;
      if (dirty) schedule();
    }
  };
  return {
    changed() {
      dirty = true;
      schedule();
    },
    saveFinal() {
      closed = true;
      clearTimeout(timer);
      const last = `${path}.last`;
      try {
        const fd = openSync(last, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o600);
        try {
          const bytes = Buffer.from([...content(true)].join(''));
          for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
        } finally {
          closeSync(fd);
        }
        renameSync(last, path);
      } catch (error) {
        try {
          unlinkSync(last);
        } catch {
          // it could not even be made
        }
        failed(error);
      }
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

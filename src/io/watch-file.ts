import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, statSync, watch, type FSWatcher } from 'node:fs';
import { dirname, join } from 'node:path';
import { yamlLimits } from '../../config/yaml-text.ts';

export interface WatchedFile {
  close(): void;
}

export interface WatchFileOptions {
  /** From the first sign of a change to the look at the file, in milliseconds: a writer may not have finished. Default: 200. */
  readonly settleMs?: number;
  /** How often the file is looked at without any sign, in milliseconds. Default: 30 s. */
  readonly lookAgainMs?: number;
}

/**
 * Calls `onChange` whenever the content of a file has become another, also when it appears or goes. Its folder is watched, for files are
 * replaced by renaming, and Kubernetes swaps the symlink `..data` beside the one that leads to the file. What gives no sign (a network
 * file system, the target of another symlink, a folder that was not there) is seen at the next look. Never throws.
 */
export function watchFile(path: string, onChange: () => void, { settleMs = 200, lookAgainMs = 30_000 }: WatchFileOptions = {}): WatchedFile {
  let seen = contentOf(path);
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    timer = undefined;
    const now = contentOf(path);
    if (now === seen) return;
    seen = now;
    onChange();
  };
  const soon = (): void => { timer ??= setTimeout(look, settleMs); };
  const open = (): void => {
    try {
      watcher = watch(dirname(path), soon);
      watcher.unref();
      watcher.on('error', () => {
        watcher?.close();
        watcher = undefined;
      });
    } catch {
      watcher = undefined; // no such folder yet, or no more watches to be had
    }
  };
  open();
  const again = setInterval(() => {
    if (watcher === undefined) open();
    look();
  }, lookAgainMs);
  again.unref();
  return {
    close() {
      watcher?.close();
      clearTimeout(timer);
      clearInterval(again);
    },
  };
}

/** True for a file in a ConfigMap or Secret that is mounted as a folder: what is there changes as a whole, and nobody edits it in place. */
export function isMountedMap(path: string): boolean {
  try {
    return lstatSync(join(dirname(path), '..data')).isSymbolicLink();
  } catch {
    return false;
  }
}

/** A digest, or why there is none. A file that is too large to be read changes with its size and time. */
function contentOf(path: string): string {
  try {
    const { size, mtimeMs } = statSync(path);
    if (size > yamlLimits.size) return `${size} ${mtimeMs}`;
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}

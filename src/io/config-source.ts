import { loadConfig, loadText, readText, type LoadOptions, type LoadResult } from '../../config/io/load.ts';
import { isMountedMap, watchFile, type WatchedFile } from './watch-file.ts';

/** What was read, with the text that it came from, where there was any. */
export interface Read extends LoadResult {
  readonly text?: string;
}

export interface ConfigSource {
  /** The configuration and its bindings file as they are now. */
  read(): Read;
  /** The configuration as it was when it was taken, with the bindings file as it is now: what else was edited waits for its reload. */
  readBindings(): Read;
  /** What was read runs from now on: its files are watched. */
  take(read: Read, events: ConfigSourceEvents): void;
  close(): void;
}

export interface ConfigSourceEvents {
  /** The bindings file has changed. */
  bindings(): void;
  /** The configuration itself has changed, in a folder where it changes as a whole (a mounted ConfigMap). */
  configuration(): void;
}

/** The files of the configuration. Nothing is watched before the first `take`. */
export function openConfigSource(file: string, options: LoadOptions): ConfigSource {
  let taken: string | undefined;
  let bindings: { readonly path: string; readonly watched: WatchedFile } | undefined;
  let configuration: WatchedFile | undefined;
  return {
    read() {
      const read = readText(file);
      return 'problem' in read ? loadConfig(file, options) : { ...loadText(read.text, file, options), text: read.text };
    },
    readBindings() {
      return taken === undefined ? this.read() : { ...loadText(taken, file, options), text: taken };
    },
    take({ text, config }, events) {
      taken = text;
      const path = config?.identity.bindingsFile;
      if (path !== bindings?.path) {
        bindings?.watched.close();
        bindings = path === undefined ? undefined : { path, watched: watchFile(path, events.bindings) };
      }
      configuration ??= isMountedMap(file) ? watchFile(file, events.configuration) : undefined;
    },
    close() {
      bindings?.watched.close();
      configuration?.close();
    },
  };
}

import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Config } from '../config.ts';
import type { Labels } from '../effective.ts';
import type { Environment } from '../environment.ts';
import { type ConfigError, tidyErrors } from '../errors.ts';
import { labelText } from '../schema/kinds.ts';
import { yamlLimits } from '../yaml-text.ts';
import { type KeyPlace, parseConfig } from '../parse.ts';

export interface LoadOptions {
  readonly environment: Environment;
  /** Default: `NODE_NAME` of the environment, where it can be a name, else that of the kernel. */
  readonly hostName?: string;
  /** Labels of the Node object as they are now; undefined where nobody knows them. */
  readonly nodeLabels?: () => Labels | undefined;
  /** No session will be opened, so that keys need not be here. */
  readonly keys?: 'not needed';
}

export interface LoadResult {
  /** Deeply frozen. Missing exactly if there are errors. */
  readonly config?: Config;
  readonly errors: readonly ConfigError[];
  readonly warnings: readonly ConfigError[];
}

/**
 * Reads the configuration and its bindings file. Refuses files that everybody can write and keys that others than their owner can read.
 * Synchronous: it runs at the start and on reload, never on the hot path. Never throws.
 */
export function loadConfig(file: string, options: LoadOptions): LoadResult {
  const read = readText(file);
  if ('problem' in read) return { errors: [fileError(file, read.problem)], warnings: [] };
  return loadText(read.text, file, options);
}

/** {@link loadConfig} for text that has been read already; `file` is how messages name it. */
export function loadText(text: string, file: string, options: LoadOptions): LoadResult {
  const nodeLabels = options.nodeLabels?.();
  const parseOptions = { file, environment: options.environment, hostName: options.hostName ?? nodeNameOf(options.environment) ?? hostname(), ...(nodeLabels === undefined ? {} : { nodeLabels }) };
  const first = parseConfig(text, parseOptions);
  let result = first;
  const errors: ConfigError[] = [];
  if (first.bindingsFile !== undefined) {
    const bindings = readText(first.bindingsFile);
    if ('problem' in bindings) errors.push(fileError(first.bindingsFile, bindings.problem, 'identity.bindingsFile'));
    else result = parseConfig(text, { ...parseOptions, bindingsText: bindings.text });
  }
  const warnings = [...result.warnings];
  for (const key of options.keys === 'not needed' ? [] : result.keys) {
    const finding = checkKey(key, options.environment);
    if (finding !== undefined) (finding.fatal ? errors : warnings).push({ ...key.place, message: finding.message });
  }
  const all = tidyErrors([...result.errors, ...errors]);
  return { ...(result.config !== undefined && all.length === 0 ? { config: result.config } : {}), errors: all, warnings: tidyErrors(warnings) };
}

function nodeNameOf({ NODE_NAME }: Environment): string | undefined {
  return labelText.safeParse(NODE_NAME).data;
}

/** The whole of a small regular file as UTF-8, or why not. A named pipe or a device is refused, not waited for. */
export function readText(file: string): { readonly text: string } | { readonly problem: string } {
  let fd: number | undefined;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const { mode, size } = fstatSync(fd);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) return { problem: 'is not a regular file' };
    if ((mode & 0o002) !== 0) return { problem: 'can be written by everybody; run chmod o-w on it' };
    if (size > yamlLimits.size) return { problem: `is larger than ${yamlLimits.size} bytes` };
    return decode(readUpTo(fd, yamlLimits.size));
  } catch (error) {
    return { problem: explain(error) };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function decode(bytes: Uint8Array): { readonly text: string } | { readonly problem: string } {
  if (bytes.length > yamlLimits.size) return { problem: `is larger than ${yamlLimits.size} bytes` };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { problem: 'is not UTF-8 text' };
  }
}

/** At most one octet more than `limit`, so that the caller sees an excess. */
function readUpTo(fd: number, limit: number): Uint8Array {
  const buffer = new Uint8Array(limit + 1);
  let length = 0;
  while (length < buffer.length) {
    const count = readSync(fd, buffer, length, buffer.length - length, null);
    if (count === 0) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

/** Standard input, read like a file. */
export function readStandardInput(): { readonly text: string } | { readonly problem: string } {
  try {
    return decode(readUpTo(0, yamlLimits.size));
  } catch (error) {
    return { problem: explain(error) };
  }
}

/**
 * A key that others can read is refused. One that is not there is a warning only: the same file is also checked on machines that have no
 * keys, and without its key a session does not come up.
 */
function checkKey({ source, peer }: KeyPlace, environment: Environment): { readonly fatal: boolean; readonly message: string } | undefined {
  if ('env' in source) {
    const unset = (environment[source.env] ?? '') === '';
    return unset ? { fatal: false, message: `the variable ${source.env} is not set: no session with ${peer} until it is` } : undefined;
  }
  if (!('file' in source)) return undefined;
  try {
    const { mode } = statSync(source.file);
    if ((mode & 0o077) === 0) return undefined;
    return { fatal: true, message: `others than its owner can read or write ${source.file} (mode 0${(mode & 0o777).toString(8)}); run chmod 600 on it` };
  } catch (error) {
    return { fatal: false, message: `${source.file} ${explain(error)}: no session with ${peer} until that is mended` };
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist', EACCES: 'may not be read by this user', EPERM: 'may not be read by this user', EISDIR: 'is a folder',
  ENOTDIR: 'does not exist (part of its path is no folder)', ELOOP: 'has too many symbolic links', ENAMETOOLONG: 'has too long a name', ENXIO: 'is not a regular file',
};

function explain(error: unknown): string {
  const code = (error as { readonly code?: unknown }).code;
  return typeof code === 'string' ? (reasons[code] ?? `can't be read (${code})`) : "can't be read";
}

function fileError(file: string, message: string, path = ''): ConfigError {
  return { path, line: 0, column: 0, message, file };
}

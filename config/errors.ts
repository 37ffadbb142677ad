import { printable } from '../net/printable.ts';

/** Something wrong (or doubtful) in a configuration file: which key, where, and what to do about it. */
export interface ConfigError {
  /** The key as a path, `bgp.peers[0].asn`; empty for the file as a whole. */
  readonly path: string;
  /** Both start at 1; 0 where no place can be named (the file can't be read). */
  readonly line: number;
  readonly column: number;
  /** Words for the operator, printable, without any secret. */
  readonly message: string;
  /** The file that is meant, where the caller named one. */
  readonly file?: string;
}

/** Where something stands in a file. */
export interface Position {
  readonly file: string | undefined;
  readonly line: number;
  readonly column: number;
}

/** More than this many errors help nobody. */
export const maxErrors = 100;

export function makeError(position: Position, path: string, message: string): ConfigError {
  const { file, line, column } = position;
  return { path: printable(path, 200), line, column, message, ...(file === undefined ? {} : { file }) };
}

/** `landfall.yaml:12:7  bgp.peers[0].asn  unknown key "asm"; did you mean "asn"?` */
export function formatError(error: ConfigError, fallbackFile = 'configuration'): string {
  const file = printable(error.file ?? fallbackFile, 4096);
  const place = error.line > 0 ? `${file}:${error.line}:${error.column}` : file;
  return [place, error.path, error.message].filter((part) => part !== '').join('  ');
}

/** One line for each, in the order in which they were given. */
export function formatErrors(errors: readonly ConfigError[], fallbackFile?: string): string {
  return errors.map((error) => formatError(error, fallbackFile)).join('\n');
}

/** By file and place, one for each key (the others follow from the first), {@link maxErrors} at most (the last then says how many were left out). */
export function tidyErrors(errors: readonly ConfigError[]): ConfigError[] {
  const seen = new Map<string, ConfigError>();
  for (const error of errors) {
    const key = `${error.file} ${error.line} ${error.column} ${error.path}`;
    if (!seen.has(key)) seen.set(key, error);
  }
  const files = [...new Set([...seen.values()].map((error) => error.file))];
  const sorted = [...seen.values()].sort(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
  if (sorted.length <= maxErrors) return sorted;
  const last = sorted[maxErrors - 1] as ConfigError;
  const left = sorted.length - maxErrors + 1;
  return [...sorted.slice(0, maxErrors - 1), { ...last, path: '', message: `and ${left} more` }];
}

/** The name out of `known` that takes the fewest edits, or `undefined` if none is near. Case counts half an edit. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of known) {
    const distance = editDistance(name.slice(0, 64), candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best !== undefined && bestDistance <= Math.max(name.length, best.length) / 2 ? best : undefined;
}

/** Levenshtein, with swapped neighbours as one edit (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = substitution(a[i - 1] as string, b[j - 1] as string);
      let cost = Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, (last[j - 1] as number) + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (beforeLast[j - 2] as number) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] as number;
}

function substitution(a: string, b: string): number {
  if (a === b) return 0;
  return a.toLowerCase() === b.toLowerCase() ? 0.5 : 1;
}

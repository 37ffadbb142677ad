import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';

/** One figure of a benchmark. `what` says what was measured and how, `unit` is a word a reader knows (µs, ms, 1/s, MB, %). */
export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
}

const folder = fileURLToPath(new URL('results/', import.meta.url));

/** Machine, kernel and Node version: a figure without them says nothing. */
export function machine(): { machine: string; kernel: string; node: string } {
  const model = cpus()[0]?.model.replaceAll(/\s+/g, ' ').trim() ?? 'unknown processor';
  return { machine: `${cpus().length} × ${model}`, kernel: release(), node: process.versions.node };
}

/** Prints rows as they are and writes them to bench/results/<date>-<name>.csv. @returns the file's path within the repository */
export function report(name: string, rows: readonly Row[]): string {
  for (const row of rows) process.stdout.write(`  ${row.what.padEnd(64)} ${format(row.value).padStart(12)} ${row.unit}\n`);
  const { machine: model, kernel, node } = machine();
  const date = new Date().toISOString().slice(0, 10);
  const lines = rows.map((row) => [row.what, format(row.value), row.unit, date, model, kernel, node].map(quote).join(','));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}${date}-${name}.csv`, `what,value,unit,date,machine,kernel,node\n${lines.join('\n')}\n`);
  return `bench/results/${date}-${name}.csv`;
}

/** The value below which `share` (0…1) of the sorted values lie. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function format(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return String(Math.round(value));
  return value.toPrecision(3);
}

function quote(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

import { readFileSync, readdirSync } from 'node:fs';
import type { VlanTag } from '../../garp/wire/ethernet.ts';

const folder = new URL('../golden/garp/', import.meta.url);

/** One recorded frame: `#` comment, optional `tag TPID TCI`, annotated hex, `=>`, the expected answer as JSON. */
export interface GoldenCase {
  readonly name: string;
  readonly file: URL;
  /** All that stands before the expected answer. */
  readonly head: string;
  readonly bytes: Uint8Array;
  readonly tag?: VlanTag;
  readonly expected: unknown;
}

export function readGoldenCases(): GoldenCase[] {
  return readdirSync(folder).filter((name) => name.endsWith('.txt')).sort().map(readGoldenCase);
}

export function readGoldenCase(name: string): GoldenCase {
  const file = new URL(name, folder);
  const text = readFileSync(file, 'utf8');
  const [head, json] = text.split('=>\n') as [string, string];
  const lines = head.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const tagLine = lines.find((line) => line.startsWith('tag '));
  const hex = lines.filter((line) => line !== tagLine).map((line) => line.replace(/;.*/, '')).join(' ');
  const bytes = Uint8Array.from(hex.trim().split(/\s+/), (octet) => parseInt(octet, 16));
  const base = { name: name.replace('.txt', ''), file, head, bytes, expected: JSON.parse(json) as unknown };
  if (tagLine === undefined) return base;
  const [, tpid, tci] = tagLine.split(' ').map(Number) as [number, number, number];
  return { ...base, tag: { tpid, tci } };
}

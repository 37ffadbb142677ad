import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VmMoveReport } from './report.ts';

/** What the same moves are made with: nothing, stragglers, stragglers and hints. */
export type Variant = 'without' | 'stragglers' | 'hints';

/** The variants of a run, in their order. */
export function variantsOf({ stragglers, hints }: { readonly stragglers?: boolean; readonly hints?: boolean }): Variant[] {
  if (stragglers !== true) return [];
  return ['without', 'stragglers', ...(hints === true ? ['hints' as const] : [])];
}

/** Makes the folder of a variant with the mesh's key in it. @returns the folder, and what the nodes' configuration has for it */
export function prepareVariant(variant: Variant, parent: string): { readonly folder: string; readonly extra: string } {
  const folder = join(parent, variant);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const key = join(folder, 'mesh-key');
  writeFileSync(key, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  // The neighbour entry is the same for all, so that the stragglers alone make the difference; and the speaker does not wait for the VMs' processors.
  const neighbours = 'kernel: {refreshNeighbors: true}\nprocess: {scheduling: fifo}\n';
  return { folder, extra: variant === 'without' ? neighbours : `${neighbours}stragglers: {enabled: true, key: {file: ${key}}}\n` };
}

/** Packets of one probe that were never answered, move by move. */
export interface Loss {
  readonly probe: string;
  /** Sent outside the VM's downtime. */
  readonly beyondDowntime: readonly number[];
  /** In all, downtime included. */
  readonly inAll: readonly number[];
  readonly medianBeyondDowntime: number;
  readonly medianInAll: number;
}

/** @returns NaN of nothing; the mean of the two in the middle where there are two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** What the moves that succeeded cost, probe by probe. */
export function lossesOf(moves: readonly VmMoveReport[]): Loss[] {
  const moved = moves.filter((move) => move.outcome === 'moved');
  const names = [...new Set(moved.flatMap((move) => Object.keys(move.probes)))];
  return names.map((probe) => {
    const reports = moved.flatMap((move) => move.probes[probe] ?? []);
    const beyondDowntime = reports.map((report) => report.lostBeyondDowntime);
    const inAll = reports.map((report) => report.lost);
    return { probe, beyondDowntime, inAll, medianBeyondDowntime: median(beyondDowntime), medianInAll: median(inAll) };
  });
}

/** Two lines for each variant and probe: what was lost, move by move. */
export function compareText(losses: Readonly<Partial<Record<Variant, readonly Loss[]>>>): string {
  const rows = Object.entries(losses).flatMap(([variant, list]) => (list ?? []).flatMap((loss) => [
    { what: `${variant} ${loss.probe}, beyond the downtime`, median: loss.medianBeyondDowntime, moves: loss.beyondDowntime },
    { what: `${variant} ${loss.probe}, in all`, median: loss.medianInAll, moves: loss.inAll },
  ]));
  const width = Math.max(0, ...rows.map((row) => row.what.length));
  return rows.map((row) => `${row.what.padEnd(width)}  median ${String(row.median).padStart(5)}, ${Math.min(...row.moves)} to ${Math.max(...row.moves)}:  ${row.moves.join(' ')}`).join('\n');
}

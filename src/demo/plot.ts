import type { MoveReport, ProbeReport } from './report.ts';

/** One row of a plot: a probe in one move, with or without landfall. */
export interface PlotRow {
  readonly group: string;
  readonly move: MoveReport;
  readonly probe: string;
  readonly report: ProbeReport;
}

/** All rows of a run, probe by probe, so that what belongs together stands together. */
export function plotRows(runs: Readonly<Record<string, readonly MoveReport[]>>): PlotRow[] {
  const names = new Set(Object.values(runs).flatMap((moves) => moves.flatMap((move) => Object.keys(move.probes))));
  return [...names].flatMap((probe) => Object.entries(runs).flatMap(([group, moves]) => moves.flatMap((move): PlotRow[] => {
    const report = move.probes[probe];
    return report === undefined ? [] : [{ group, move, probe, report }];
  })));
}

/** The stretch of time that a plot shows, ms from RESUME: all silences and a little around them. */
export function plotRange(rows: readonly PlotRow[]): { from: number; to: number } {
  const from = Math.min(...rows.map((row) => -row.move.pauseMs)) - 20;
  const to = Math.max(20, ...rows.map((row) => lastLoss(row.report))) + 20;
  return { from, to };
}

function lastLoss(report: ProbeReport): number {
  return report.samples.reduce((last, [sentAt, answeredAt]) => (answeredAt === null ? Math.max(last, sentAt) : last), 0);
}

/**
 * The gap of each probe as text: a column is a stretch of time, `#` when a packet sent in it was never answered, `.` when all were,
 * `|` at RESUME.
 */
export function plotText(rows: readonly PlotRow[], width = 64): string {
  if (rows.length === 0) return 'no probe saw anything';
  const { from, to } = plotRange(rows);
  const step = (to - from) / width;
  const resume = Math.round((0 - from) / step);
  const label = (row: PlotRow): string => `${row.group} ${row.probe} move ${row.move.number}`;
  const labelWidth = Math.max(...rows.map((row) => label(row).length));
  const lines = rows.map((row) => {
    const columns = new Array<string>(width).fill(' ');
    for (const [sentAt, answeredAt] of row.report.samples) {
      const column = Math.floor((sentAt - from) / step);
      if (column < 0 || column >= width) continue;
      if (answeredAt === null) columns[column] = '#';
      else if (columns[column] === ' ') columns[column] = '.';
    }
    const strip = `${columns.slice(0, resume).join('')}|${columns.slice(resume).join('')}`;
    return `${label(row).padEnd(labelWidth)} ${strip}  ${describeGap(row)}`;
  });
  const scale = `${`${from.toFixed(0)} ms`.padEnd(resume)}0${`${to.toFixed(0)} ms`.padStart(width - resume)}`;
  return [`${''.padEnd(labelWidth)} ${scale}  never answered: in all, after RESUME; longest silence`, ...lines].join('\n');
}

function describeGap({ report }: PlotRow): string {
  return `${report.lost} lost, ${report.lostAfterResume} after RESUME; ${Number.isFinite(report.longestSilenceMs) ? `${report.longestSilenceMs.toFixed(1)} ms` : 'no answer'}`;
}

/** Longest stall of the TCP connections, one line per run: a bar as long as the worst move, and every move's figure. */
export function plotStalls(runs: Readonly<Record<string, readonly MoveReport[]>>, width = 40): string {
  const rows = Object.entries(runs).map(([group, moves]) => ({ group, stalls: moves.map((move) => Math.max(0, ...move.streams.map((stream) => stream.longestStallMs))) }));
  const worst = Math.max(1, ...rows.flatMap((row) => row.stalls));
  const labelWidth = Math.max(...rows.map((row) => row.group.length));
  return rows.map(({ group, stalls }) => {
    const length = Math.round((Math.max(0, ...stalls) / worst) * width);
    return `${group.padEnd(labelWidth)}  |${'#'.repeat(length).padEnd(width)}|  ${stalls.map((stall) => stall.toFixed(0)).join(', ')}`;
  }).join('\n');
}

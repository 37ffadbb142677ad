import type { PlotRow } from './plot.ts';
import { plotRange } from './plot.ts';

const left = 230;
const plotWidth = 720;
const right = 250;
const rowHeight = 22;
const top = 56;

/** The plot of `plot.ts` as an SVG document: grey the VM's own pause, red the packets that were never answered. */
export function plotSvg(rows: readonly PlotRow[], title: string): string {
  const { from, to } = rows.length === 0 ? { from: -1, to: 1 } : plotRange(rows);
  const x = (ms: number): number => left + ((ms - from) / (to - from)) * plotWidth;
  const height = top + rows.length * rowHeight + 40;
  const bottom = top + rows.length * rowHeight;
  const parts: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + plotWidth + right}" height="${height}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<text x="${left}" y="22" font-size="15">${escapeXml(title)}</text>`,
  ];
  rows.forEach((row, i) => {
    const y = top + i * rowHeight;
    parts.push(
      `<text x="${left - 10}" y="${y + 15}" text-anchor="end">${escapeXml(`${row.group}, ${row.probe}, move ${row.move.number}`)}</text>`,
      `<rect x="${left}" y="${y + 3}" width="${plotWidth}" height="${rowHeight - 6}" fill="#dff0e2"/>`,
      `<rect x="${round(x(-row.move.pauseMs))}" y="${y + 3}" width="${round(x(0) - x(-row.move.pauseMs))}" height="${rowHeight - 6}" fill="#ccc"/>`,
      ...lossRuns(row.report.samples).map(([start, end]) => {
        const [a, b] = [Math.max(left, x(start)), Math.min(left + plotWidth, x(end))];
        return b <= a ? '' : `<rect x="${round(a)}" y="${y + 6}" width="${round(b - a)}" height="${rowHeight - 12}" fill="#c0392b"/>`;
      }),
      `<text x="${left + plotWidth + 10}" y="${y + 15}">${row.report.lost} lost, ${row.report.lostAfterResume} after RESUME</text>`,
    );
  });
  for (const tick of ticks(from, to)) {
    parts.push(
      `<line x1="${round(x(tick))}" x2="${round(x(tick))}" y1="${top}" y2="${bottom}" stroke="${tick === 0 ? '#000' : '#999'}" stroke-width="${tick === 0 ? 1.5 : 0.5}"/>`,
      `<text x="${round(x(tick))}" y="${bottom + 16}" text-anchor="middle">${tick}</text>`,
    );
  }
  parts.push(`<text x="${left + plotWidth / 2}" y="${bottom + 34}" text-anchor="middle">ms since RESUME at the destination; grey: the VM's own pause; red: packets never answered</text>`, '</svg>');
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
}

/** Neighbouring losses joined: [first sent, last sent + 1 ms]. */
function lossRuns(samples: PlotRow['report']['samples']): [number, number][] {
  const runs: [number, number][] = [];
  let open = false;
  for (const [sentAt, answeredAt] of samples) {
    const last = runs.at(-1);
    if (answeredAt !== null) open = false;
    else if (open && last !== undefined) last[1] = sentAt + 1;
    else {
      runs.push([sentAt, sentAt + 1]);
      open = true;
    }
  }
  return runs;
}

/** Some ten round values in [from, to], zero among them. */
function ticks(from: number, to: number): number[] {
  const rough = (to - from) / 10;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  const list: number[] = [];
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) list.push(Math.round(tick * 1000) / 1000 || 0);
  return list;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

import { printable } from '../../net/printable.ts';
import type { Histogram } from './histogram.ts';

// Prometheus' text format, version 0.0.4:
//   # HELP name text
//   # TYPE name counter|gauge|histogram
//   name{label="value",...} number

export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** In the order in which they are written. */
export type Labels = Readonly<Record<string, string | number>>;

/** All series of one name. */
export interface MetricFamily {
  /** Without the prefix `landfall_`. */
  readonly name: string;
  readonly help: string;
  readonly series:
    | { readonly type: 'counter' | 'gauge'; readonly samples: readonly { readonly labels: Labels; readonly value: number }[] }
    | { readonly type: 'histogram'; readonly samples: readonly { readonly labels: Labels; readonly value: Histogram }[] };
}

/** Characters of a label's value at most. */
const valueLimit = 253;

/** A name without series still has its HELP and TYPE. */
export function formatMetrics(families: readonly MetricFamily[]): string {
  let text = '';
  for (const { name: short, help, series } of families) {
    const name = `landfall_${short}`;
    text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${series.type}\n`;
    if (series.type === 'histogram') for (const { labels, value } of series.samples) text += formatHistogram(name, labels, value);
    else for (const { labels, value } of series.samples) text += `${name}${formatLabels(labels)} ${formatNumber(value)}\n`;
  }
  return text;
}

function formatHistogram(name: string, labels: Labels, histogram: Histogram): string {
  let text = '';
  let cumulative = 0;
  histogram.counts.forEach((count, at) => {
    cumulative += count;
    text += `${name}_bucket${formatLabels({ ...labels, le: formatNumber(histogram.bounds[at] ?? Infinity) })} ${cumulative}\n`;
  });
  return `${text}${name}_sum${formatLabels(labels)} ${formatNumber(histogram.sum)}\n${name}_count${formatLabels(labels)} ${cumulative}\n`;
}

/** What a VM, a peer or a file has named is printable here as everywhere: no ESC, CR or LF, quotes and backslashes escaped. */
function formatLabels(labels: Labels): string {
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${printable(String(value), valueLimit).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

function formatNumber(value: number): string {
  return value === Infinity ? '+Inf' : String(value);
}

import { parseIp } from '../../net/ip.ts';
import { ProbeUnavailable, startProbe, type ProbeResult } from '../probe/probe.ts';
import type { ProbeGap } from '../probe/gaps.ts';
import { formatMs } from '../views/units.ts';
import { CommandError, print, say, status, type GlobalOptions } from './global.ts';

export interface ProbeCommandOptions {
  readonly address: string;
  readonly intervalMs: number;
  readonly count: number | undefined;
  readonly durationMs: number | undefined;
}

/** `probe IP`: prints each gap as it ends, and the sums at the end. Fails when nothing came back. */
export async function probe(options: GlobalOptions, wanted: ProbeCommandOptions): Promise<number> {
  const address = parseIp(wanted.address);
  if (address === undefined) throw new CommandError(status.usage, `${JSON.stringify(wanted.address)} is not an IP address`);
  const { intervalMs, durationMs, count } = wanted;
  if (intervalMs < 1 || intervalMs > 60_000) throw new CommandError(status.usage, 'the interval must be from 1ms to 60s');
  const live = options.output === 'table' || options.output === 'wide' || options.output === 'jsonl';
  let ended = (): void => undefined;
  const end = new Promise<void>((resolve) => (ended = resolve));
  const running = await startProbe({
    address,
    intervalMs,
    ...(count === undefined ? {} : { count }),
    onEnd: () => ended(),
    onGap: (gap) => {
      if (live) print(options.output === 'jsonl' ? `${JSON.stringify(gapItem(gap))}\n` : gapLine(gap));
    },
  }).catch((error: unknown) => {
    throw error instanceof ProbeUnavailable ? new CommandError(status.failed, error.message) : error;
  });
  say(options, `probing ${address} every ${intervalMs} ms${durationMs === undefined && count === undefined ? '; Ctrl-C ends' : ''}`);
  const timer = durationMs === undefined ? undefined : setTimeout(ended, durationMs);
  process.on('SIGINT', ended).on('SIGTERM', ended);
  await end;
  clearTimeout(timer);
  const result = await Promise.race([running.drain(), secondSignal().then(() => running.stop())]);
  if (options.output === 'yaml') print((await import('../../config/yaml-text.ts')).toYaml(resultItem(result)));
  else print(live && options.output !== 'jsonl' ? summary(result) : `${JSON.stringify(resultItem(result), undefined, options.output === 'json' ? 2 : 0)}\n`);
  return result.received > 0 ? 0 : status.failed;
}

function secondSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
}

function gapLine(gap: ProbeGap): string {
  return `gap  ${wallTime(gap.startMs)}  ${gap.lengthMs.toFixed(1).padStart(8)} ms  ${gap.lost} lost${gap.ended ? '' : ', not over'}\n`;
}

/** UTC, as in the tables, with milliseconds. */
function wallTime(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 23);
}

function summary(result: ProbeResult): string {
  const { sent, received, lost, gaps } = result;
  const longest = gaps.reduce((most, gap) => Math.max(most, gap.lengthMs), 0);
  const extra = [
    [result.late, 'late'], [result.refused, 'refused by the kernel'], [result.skipped, 'not sent in time'], [result.pending, 'without an answer yet'],
  ].flatMap(([count, what]) => (count === 0 ? [] : [`, ${count} ${what}`]));
  const share = sent === 0 ? '' : ` (${((lost / sent) * 100).toFixed(2)} %)`;
  const times = [['p50', result.p50Ms], ['p99', result.p99Ms], ['max', result.maxMs]] as const;
  return (
    `${result.address}: ${sent} sent, ${received} received, ${lost} lost${share}${extra.join('')}\n` +
    `gaps: ${gaps.length}${gaps.length === 0 ? '' : `, longest ${formatMs(longest / 1000)}`}; longest silence ${formatMs(result.longestSilenceMs / 1000)}${result.silenceStartMs === undefined ? '' : `, from ${wallTime(result.silenceStartMs)}`}\n` +
    `round trip: ${times.map(([name, ms]) => `${name} ${ms === undefined ? '-' : `${ms.toFixed(3)} ms`}`).join(', ')}\n`
  );
}

function gapItem(gap: ProbeGap): object {
  return { startedAt: new Date(gap.startMs).toISOString(), gapSeconds: seconds(gap.lengthMs), lost: gap.lost, ended: gap.ended };
}

/** As JSON: times in RFC 3339, durations in seconds. */
function resultItem(result: ProbeResult): object {
  return {
    apiVersion: 'landfall/v1', kind: 'ProbeResult',
    address: result.address, intervalSeconds: seconds(result.intervalMs),
    sent: result.sent, received: result.received, lost: result.lost, late: result.late, pending: result.pending,
    refused: result.refused, skipped: result.skipped, longestSilenceSeconds: seconds(result.longestSilenceMs),
    ...(result.silenceStartMs === undefined ? {} : { longestSilenceAt: new Date(result.silenceStartMs).toISOString() }),
    ...(result.maxMs === undefined ? {} : { roundTripP50Seconds: seconds(result.p50Ms ?? 0), roundTripP99Seconds: seconds(result.p99Ms ?? 0), roundTripMaxSeconds: seconds(result.maxMs) }),
    gaps: result.gaps.map(gapItem),
  };
}

function seconds(ms: number): number {
  return Math.round(ms * 1000) / 1e6;
}

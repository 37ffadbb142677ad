import type { NodeName, Vm } from './addresses.ts';
import { hostPrefix } from './addresses.ts';
import type { StreamReport } from './client.ts';
import type { Gap, ProbeSample } from './gaps.ts';
import { firstAnswer, measureGap } from './gaps.ts';
import type { RouteWatch } from './kernel-routes.ts';
import { torPort } from './kernel-routes.ts';
import type { MoveTimes } from './stage.ts';
import type { MigrationItem } from '../views/items.ts';

/** One line of a move's timeline; `atMs` counts from RESUME, which is when the first RARP was sent. */
export interface TimelineLine {
  readonly atMs: number;
  readonly event: string;
  readonly text: string;
}

export interface ProbeReport extends Gap {
  /** Packets sent at or after RESUME and never answered: what the route cost, without the VM's own pause. */
  readonly lostAfterResume: number;
  /** [sent, answered or null], ms from RESUME. */
  readonly samples: readonly ProbeSample[];
}

export interface MoveReport {
  readonly number: number;
  readonly from: NodeName;
  readonly to: NodeName;
  readonly pauseMs: number;
  readonly timeline: readonly TimelineLine[];
  readonly probes: Readonly<Record<string, ProbeReport>>;
  readonly streams: readonly StreamReport[];
}

export interface MoveFacts {
  readonly number: number;
  readonly from: NodeName;
  readonly to: NodeName;
  readonly times: MoveTimes;
  readonly vm: Vm;
  readonly samples: Readonly<Record<string, readonly ProbeSample[]>>;
  readonly streams: readonly StreamReport[];
  readonly routes: RouteWatch;
  /** What landfall says of it at both ends; empty in the baseline. */
  readonly incoming: readonly MigrationItem[];
  readonly outgoing: readonly MigrationItem[];
}

/** Puts together what the stage, the router's kernel, landfall and the client saw of one move. */
export function reportMove(facts: MoveFacts): MoveReport {
  const { times, vm } = facts;
  const zero = times.resumedAt;
  const lines: TimelineLine[] = [
    { atMs: times.pausedAt - zero, event: 'paused', text: `the VM stands still on node ${facts.from}` },
    { atMs: 0, event: 'resumed', text: `the VM runs on node ${facts.to}; first RARP sent` },
  ];
  for (const address of [vm.ipv4, vm.ipv6]) {
    const prefix = hostPrefix(address);
    lines.push(...landfallLines(facts, prefix));
    const kernel = facts.routes.firstVia(prefix, torPort(facts.to), zero);
    if (kernel !== undefined) lines.push({ atMs: kernel.at - zero, event: 'router', text: `kernel route of ${prefix} leads to node ${facts.to}` });
  }
  const probes = probeReports(facts.samples, zero);
  lines.push(...firstPackets(probes, times.pausedAt - zero, facts.to));
  return {
    number: facts.number,
    from: facts.from,
    to: facts.to,
    pauseMs: zero - times.pausedAt,
    timeline: lines.sort((a, b) => a.atMs - b.atMs),
    probes,
    streams: facts.streams,
  };
}

/** What each probe saw, with times from `zero`. */
export function probeReports(samples: MoveFacts['samples'], zero: number): Record<string, ProbeReport> {
  return Object.fromEntries(Object.entries(samples).map(([name, list]) => {
    const relative = list.map(([sentAt, answeredAt]): ProbeSample => [sentAt - zero, answeredAt === null ? null : answeredAt - zero]);
    const lostAfterResume = relative.filter(([sentAt, answeredAt]) => sentAt >= 0 && answeredAt === null).length;
    return [name, { ...measureGap(relative), lostAfterResume, samples: relative }];
  }));
}

/** A line for each probe: the first answer to a packet that was sent after the VM was stopped, `stoppedMs` from zero. */
export function firstPackets(probes: Readonly<Record<string, ProbeReport>>, stoppedMs: number, node: NodeName): TimelineLine[] {
  return Object.entries(probes).flatMap(([name, { samples }]) => {
    const first = firstAnswer(samples, stoppedMs);
    return first === undefined ? [] : [{ atMs: first, event: 'first packet', text: `${name}: first answer from node ${node}` }];
  });
}

/** landfall's own account of one address: the way in at the destination, the way out at the source. */
export function landfallLines({ incoming, outgoing, from, to, times }: Pick<MoveFacts, 'incoming' | 'outgoing' | 'from' | 'to' | 'times'>, prefix: string): TimelineLine[] {
  const lines: TimelineLine[] = [];
  for (const [items, node] of [[incoming, to], [outgoing, from]] as const) {
    const item = items.find((candidate) => candidate.prefix === prefix && Date.parse(candidate.startedAt) >= times.resumedAt - 20);
    if (item === undefined) continue;
    const told = Date.parse(item.startedAt) - times.resumedAt;
    // Times of day come in whole milliseconds. The first RARP is the one that was sent at 0, so what follows it can be told finer.
    const start = node === to && item.seenBy === 'rarp' && Math.abs(told) < 3 ? 0 : told;
    for (const entry of item.timeline) {
      lines.push({ atMs: start + entry.atSeconds * 1000, event: entry.event, text: `node ${node}, ${prefix}: ${entry.text}` });
    }
  }
  return lines;
}

/** The timeline as text lines, times right-aligned. */
export function formatTimeline(move: MoveReport): string {
  const width = Math.max(...move.timeline.map((line) => line.event.length));
  return move.timeline.map((line) => `${line.atMs.toFixed(1).padStart(9)} ms  ${line.event.padEnd(width)}  ${line.text}`).join('\n');
}

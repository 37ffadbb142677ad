import type { MigrationItem } from '../../views/items.ts';
import type { NodeName, Vm } from '../addresses.ts';
import { hostPrefix } from '../addresses.ts';
import type { StreamReport } from '../client.ts';
import type { ProbeSample } from '../gaps.ts';
import type { KernelRouteEvent } from '../kernel-routes.ts';
import { torPort } from '../kernel-routes.ts';
import type { MoveReport, ProbeReport, TimelineLine } from '../report.ts';
import { firstPackets, landfallLines, probeReports } from '../report.ts';
import type { ListenerEvent } from './listener.ts';
import type { Flow, Migration, Outcome } from './migration.ts';

export interface VmProbeReport extends ProbeReport {
  /** Packets never answered that were sent before STOP or after RESUME: what the move cost beyond the VM's own downtime. */
  readonly lostBeyondDowntime: number;
}

/** One migration of a real VM. `pauseMs` is its downtime, STOP to RESUME; 0 when it never stood still. */
export interface VmMoveReport extends MoveReport {
  readonly flow: Flow;
  readonly outcome: Outcome;
  /** From `migrate` to zero, ms. */
  readonly migrationMs: number;
  readonly copiedBytes: number;
  readonly probes: Readonly<Record<string, VmProbeReport>>;
}

/** What a node's listener heard. */
export type Heard = ListenerEvent & { readonly event: 'frame' | 'port' } & { readonly node: NodeName };

export interface VmMoveFacts {
  readonly number: number;
  /** When the destination's QEMU was started; wall clock, ms. */
  readonly beganAt: number;
  readonly migration: Migration;
  readonly vm: Vm;
  readonly samples: Readonly<Record<string, readonly ProbeSample[]>>;
  readonly streams: readonly StreamReport[];
  readonly routes: readonly KernelRouteEvent[];
  readonly heard: readonly Heard[];
  readonly incoming: readonly MigrationItem[];
  readonly outgoing: readonly MigrationItem[];
}

/** How much before STOP and after RESUME belongs to a move, and how long answers are waited for at most, ms. */
export const around = { beforeMs: 100, afterMs: 1000, latestMs: 15_000 } as const;

/** Puts QEMU's events, the ports, the frames, landfall's account, the router's kernel and the client's probes on one timeline. */
export function reportVmMove(facts: VmMoveFacts): VmMoveReport {
  const { migration, vm } = facts;
  const { from, to, zeroAt } = migration;
  const downtimeMs = migration.stoppedAt === undefined || migration.resumedAt === undefined ? 0 : migration.resumedAt - migration.stoppedAt;
  const atEnd = migration.outcome === 'moved' ? to : from;
  const inside = <T extends { readonly at: number }>(list: readonly T[]): T[] => list.filter(({ at }) => at >= facts.beganAt && at <= zeroAt + around.afterMs);
  const prefixes = [hostPrefix(vm.ipv4), hostPrefix(vm.ipv6)];
  // landfall tells times of day in whole milliseconds: the oldest handover that can belong to this move.
  const times = { pausedAt: zeroAt - downtimeMs, resumedAt: migration.outcome === 'moved' ? zeroAt : migration.startedAt };
  const handover = prefixes.flatMap((prefix) => landfallLines({ ...facts, from, to, times }, prefix));
  const probes = withDowntime(probeReports(facts.samples, zeroAt), downtimeMs);
  const lines: TimelineLine[] = [
    { atMs: migration.startedAt - zeroAt, event: 'qmp', text: `node ${from}: migrate (${describeFlow(migration.flow)})` },
    ...inside(migration.events).map((event) => ({ atMs: event.at - zeroAt, event: 'qmp', text: `node ${event.node}: ${event.event}${details(event.data)}` })),
    ...inside(facts.heard).map((heard) => ({ atMs: heard.at - zeroAt, event: heard.event, text: describeHeard(heard) })),
    ...handover.map((line) => (line.event === 'frame' ? { ...line, event: 'evidence' } : line)),
    ...inside(facts.routes).filter((route) => prefixes.some((prefix) => prefix === route.prefix)).map((route) => ({ atMs: route.at - zeroAt, event: 'router', text: describeRoute(route) })),
    ...(downtimeMs === 0 ? [] : firstPackets(probes, -downtimeMs, atEnd)),
  ];
  return {
    number: facts.number, from, to, flow: migration.flow, outcome: migration.outcome,
    pauseMs: downtimeMs, migrationMs: zeroAt - migration.startedAt, copiedBytes: migration.copiedBytes,
    timeline: lines.sort((a, b) => a.atMs - b.atMs),
    probes, streams: facts.streams,
  };
}

function withDowntime(probes: Readonly<Record<string, ProbeReport>>, downtimeMs: number): Record<string, VmProbeReport> {
  return Object.fromEntries(Object.entries(probes).map(([name, probe]) => {
    const lostBeyondDowntime = probe.samples.filter(([sentAt, answeredAt]) => answeredAt === null && (sentAt < -downtimeMs || sentAt >= 0)).length;
    return [name, { ...probe, lostBeyondDowntime }];
  }));
}

function describeFlow(flow: Flow): string {
  return flow === 'libvirt' ? "libvirt's order: pause before switchover, then cont" : 'QEMU by itself';
}

/** The one field of an event that says something: `status`, `reason`. */
function details(data: Readonly<Record<string, unknown>>): string {
  const word = data['status'] ?? data['reason'];
  return typeof word === 'string' ? ` ${word}` : '';
}

function describeHeard(heard: Heard): string {
  if (heard.event === 'port') return `node ${heard.node}: ${heard.port} ${heard.state === 'carrier' ? 'has carrier' : heard.state}`;
  return `node ${heard.node}: ${heard.kind.toUpperCase()} from ${heard.port}, ${heard.mac}${heard.address === undefined ? '' : `, ${heard.address}`}`;
}

function describeRoute(route: KernelRouteEvent): string {
  if (route.deleted) return `kernel route of ${route.prefix} deleted`;
  if (route.multipath) return `kernel route of ${route.prefix} leads to both nodes`;
  const node = route.device === torPort('a') ? 'a' : route.device === torPort('b') ? 'b' : undefined;
  return `kernel route of ${route.prefix} leads to ${node === undefined ? (route.device ?? 'nobody') : `node ${node}`}`;
}

/** The head of a move's printed report. */
export function describeMove(move: VmMoveReport): string {
  const what = { moved: 'moved', cancelled: 'cancelled by migrate_cancel', 'destination-killed': "the destination's QEMU killed", abandoned: "the destination's QEMU killed when it had loaded everything" }[move.outcome];
  const stood = move.pauseMs === 0 ? 'the VM never stood still' : `the VM stood still for ${move.pauseMs.toFixed(1)} ms, STOP to RESUME`;
  const zero = move.pauseMs === 0 ? 'the end of the migration' : 'RESUME';
  return `Migration ${move.number}, node ${move.from} to node ${move.to}, ${move.flow}: ${what}; ${(move.copiedBytes / (1 << 20)).toFixed(0)} MiB in ${move.migrationMs.toFixed(0)} ms; ${stood}. Times from ${zero}`;
}

/** A line for each probe: what was lost, and how much of it the VM's own downtime does not explain. */
export function describeLoss(move: VmMoveReport): string[] {
  return Object.entries(move.probes).map(([name, { sent, lost, lostBeyondDowntime, longestSilenceMs }]) => (
    `${name}: ${lost} of ${sent} packets never answered, ${lostBeyondDowntime} of them sent outside the VM's downtime (${move.pauseMs.toFixed(1)} ms); longest silence ${longestSilenceMs.toFixed(1)} ms`));
}

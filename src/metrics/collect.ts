import type { Verdict } from '../../identity/admit.ts';
import { forgetPeers, type Metrics } from '../metrics.ts';
import type { World } from '../world.ts';
import { combinations, countOf } from './counts.ts';
import { collectPeerMetrics } from './peers.ts';
import { collectPrefixes } from '../collect/prefixes.ts';
import { formatMetrics, type Labels, type MetricFamily } from './text-format.ts';

/** What only the process knows. */
export interface MetricFacts {
  readonly version: string;
  readonly commit: string;
  /** Frames that the kernel had no room for, since the start. */
  readonly dropped: number;
  /** BMP stations, and records that the MRT file lost where there is one. */
  readonly feeds?: FeedFacts;
}

export interface FeedFacts {
  readonly stations: readonly { readonly station: string; readonly connected: boolean; readonly sent: number }[];
  readonly mrtLost?: number;
}

const verdicts: Readonly<Record<Verdict, true>> = {
  accepted: true, repeat: true, early: true, reflection: true, malformed: true, not_evidence: true, source_mismatch: true, no_binding: true,
  outside_prefixes: true, excluded: true, wrong_vlan: true, wrong_port: true, conflict: true, flap: true, future: true, gated: true, held: true,
  rate: true, table_full: true,
};
/** What announces a VM; other kinds of frames have series once one was heard. */
const mainKinds = ['garp', 'rarp', 'na'];
const prefixStates = ['normal', 'elevated', 'leaving', 'withdrawn', 'held', 'manual'];
const migrationEnds = { in: ['settled', 'held', 'superseded', 'reclaimed'], out: ['withdrawn', 'held', 'superseded', 'reclaimed'] };
const underWay = new Set(['active', 'held', 'announced', 'leaving']);

/** All metrics as text, as of now. Series of a peer that is gone are gone from the next call on. */
export function renderMetrics(world: World, metrics: Metrics, facts: MetricFacts): string {
  forgetPeers(metrics, (peer) => world.peers.has(peer));
  return formatMetrics([
    ...collectProcess(world, metrics, facts),
    ...collectPeerMetrics(world, metrics),
    ...collectFrames(world, facts),
    ...collectHandovers(world, metrics),
    ...collectFeeds(facts.feeds),
    ...(world.config.telemetry.perPrefixMetrics ? [collectPerPrefix(world)] : []),
  ]);
}

function collectProcess({ lastReload }: World, { reload }: Metrics, { version, commit }: MetricFacts): MetricFamily[] {
  return [
    gauge('build_info', 'The version that runs; always 1.', [[{ version, commit }, 1]]),
    gauge('config_last_reload_successful', '1 if the configuration that was read last runs, 0 if it was refused and an older one does.', [[{}, lastReload?.successful === false ? 0 : 1]]),
    gauge('config_last_reload_success_timestamp_seconds', 'When the configuration that runs was read.', [[{}, reload.successWallMs / 1000]]),
  ];
}

function collectFrames(world: World, { dropped }: MetricFacts): MetricFamily[] {
  const { framesHeard, announcements } = world.counters;
  const bridges = [...new Set(world.watches.map((watch) => watch.bridge))];
  const heard = new Map<string, [Labels, number]>();
  const judged = new Map<string, [Labels, number]>();
  for (const bridge of bridges) {
    for (const kind of mainKinds) {
      heard.set(`${bridge} ${kind}`, [{ bridge, kind }, 0]);
      for (const verdict of Object.keys(verdicts)) judged.set(`${bridge} ${kind} ${verdict}`, [{ bridge, kind, verdict }, 0]);
    }
  }
  for (const { words: [bridge, kind], value } of combinations(framesHeard)) if (bridges.includes(bridge)) heard.set(`${bridge} ${kind}`, [{ bridge, kind }, value]);
  for (const { words: [bridge, kind, verdict], value } of combinations(announcements)) {
    if (bridges.includes(bridge)) judged.set(`${bridge} ${kind} ${verdict}`, [{ bridge, kind, verdict }, value]);
  }
  return [
    counter('frames_total', 'Frames heard on ports of a watched bridge that could announce a VM.', [...heard.values()]),
    counter('capture_dropped_total', 'Frames that the kernel had no room for. One socket hears all bridges, so they are told of no single one.', [[{ bridge: '*' }, dropped]]),
    counter('announcements_total', 'Addresses that frames spoke of, by what was made of them.', [...judged.values()]),
  ];
}

function collectFeeds({ stations, mrtLost }: FeedFacts = { stations: [] }): MetricFamily[] {
  return [
    ...(stations.length === 0 ? [] : [
      gauge('bmp_station_up', '1 while the BMP station is connected.', stations.map(({ station, connected }) => [{ station }, connected ? 1 : 0])),
      counter('bmp_messages_total', 'Messages handed over for the BMP station.', stations.map(({ station, sent }) => [{ station }, sent])),
    ]),
    ...(mrtLost === undefined ? [] : [counter('mrt_records_lost_total', 'Records that are not in the MRT file because the disk was full or too slow.', [[{}, mrtLost]])]),
  ];
}

function collectHandovers(world: World, metrics: Metrics): MetricFamily[] {
  const prefixes: Record<string, number> = Object.fromEntries(prefixStates.map((state) => [state, 0]));
  for (const h of world.locRib.handovers.values()) if (h.sequence > 0 || h.state !== 'withdrawn') prefixes[h.state] = (prefixes[h.state] ?? 0) + 1;
  let active = 0;
  for (const m of world.migrations.open.values()) if (underWay.has(m.result)) active += 1;
  const ends = (['in', 'out'] as const).flatMap((direction) =>
    migrationEnds[direction].map((result): [Labels, number] => [{ direction, result }, countOf(metrics.migrations, direction, result)]));
  return [
    gauge('prefixes', 'Addresses of VMs by the state of their route.', Object.entries(prefixes).map(([state, value]) => [{ state }, value])),
    counter('migrations_total', 'Handovers of an address that have ended.', ends),
    gauge('migrations_active', 'Handovers of an address under way.', [[{}, active]]),
    {
      name: 'migration_announce_seconds', help: 'From a VM\'s first frame to the last UPDATE written, without the time that a policy gate held it or no session was up.',
      series: { type: 'histogram', samples: Object.entries(metrics.announce).map(([afi, value]) => ({ labels: { afi }, value })) },
    },
  ];
}

/** One series for each prefix. */
function collectPerPrefix(world: World): MetricFamily {
  return gauge('prefix_info', 'State of the route of one VM\'s address; always 1.',
    collectPrefixes(world, {}).map(({ prefix, vrf, vm = '', state }) => [{ prefix, vrf, vm, state }, 1]));
}

export function gauge(name: string, help: string, samples: readonly [Labels, number][]): MetricFamily {
  return { name, help, series: { type: 'gauge', samples: samples.map(([labels, value]) => ({ labels, value })) } };
}

export function counter(name: string, help: string, samples: readonly [Labels, number][]): MetricFamily {
  return { name, help, series: { type: 'counter', samples: samples.map(([labels, value]) => ({ labels, value })) } };
}

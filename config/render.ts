import type { Config, PeerConfig, StragglersConfig, VlanRange, WatchConfig } from './config.ts';
import { formatListenAddress } from './values.ts';

/**
 * The effective configuration in the shape of the YAML: what `landfall show config` prints, and what `config check` takes back for
 * the same result on this node (overrides are merged, peers of other nodes left out). Keys are never in it, only where they are.
 */
export function renderConfig(config: Config): Record<string, unknown> {
  const { bgp, migration, identity } = config;
  const { longLivedGracefulRestart: longLived } = bgp;
  return {
    apiVersion: 'landfall/v1',
    node: config.node,
    bgp: prune({
      asn: bgp.asn, routerId: bgp.routerId, listen: bgp.listen, nextHop: bgp.nextHop,
      gracefulRestart: { enabled: bgp.gracefulRestart.enabled, restartTime: durationText(bgp.gracefulRestart.restartTimeSeconds * 1000) },
      ...(longLived === undefined ? {} : { longLivedGracefulRestart: { families: longLived.families, maxStaleTime: durationText(longLived.maxStaleTimeSeconds * 1000) } }),
      receive: bgp.receive, peers: bgp.peers.map(renderPeer),
    }),
    watch: config.watch.map(renderWatch),
    routes: config.routes,
    migration: {
      firstEvidence: migration.firstEvidence, elevatedFor: durationText(migration.elevatedForMs), debounce: durationText(migration.debounceMs),
      withdrawOn: migration.withdrawOn, withdrawAfter: durationText(migration.withdrawAfterMs), portGoneGrace: durationText(migration.portGoneGraceMs),
      maxPerSecond: migration.maxPerSecond,
      flap: {
        moves: migration.flap.moves, within: durationText(migration.flap.withinMs),
        hold: migration.flap.holdMs === undefined ? 'until-cleared' : durationText(migration.flap.holdMs),
      },
    },
    identity: {
      mode: identity.mode, onConflict: identity.onConflict, learnedFor: durationText(identity.learnedForMs),
      learnedIdleFor: durationText(identity.learnedIdleForMs), unverifiedPorts: identity.unverifiedPorts, shared: identity.shared,
      bindings: identity.bindings.map(({ vm, mac, vlan, vrf, ips, port }) => prune({ vm, mac, vlan, vrf, ips, port })),
    },
    gate: { checks: config.gate.checks, timeout: durationText(config.gate.timeoutMs), onTimeout: config.gate.onTimeout },
    ...(config.state === undefined ? {} : { state: config.state }),
    stragglers: renderStragglers(config.stragglers), kernel: config.kernel, kubernetes: config.kubernetes, process: config.process, telemetry: { ...config.telemetry, listen: config.telemetry.listen === undefined ? 'off' : formatListenAddress(config.telemetry.listen) }, log: config.log,
    api: prune({ ...config.api, mode: config.api.mode.toString(8).padStart(4, '0') }),
  };
}

function renderStragglers({ ceilingMs, listen, ...rest }: StragglersConfig): Record<string, unknown> {
  return prune({ ...rest, ceiling: durationText(ceilingMs), listen: listen === undefined ? undefined : formatListenAddress(listen) });
}

function renderPeer({ profile, timers, ...peer }: PeerConfig): Record<string, unknown> {
  return prune({
    ...peer,
    timers: {
      hold: durationText(timers.holdSeconds * 1000), keepalive: durationText(timers.keepaliveSeconds * 1000), connectRetry: durationText(timers.connectRetrySeconds * 1000),
      ...(timers.sendHoldSeconds === undefined ? {} : { sendHold: durationText(timers.sendHoldSeconds * 1000) }),
    },
    routes: { profile },
  });
}

function renderWatch({ vlans, ...watch }: WatchConfig): Record<string, unknown> {
  return prune({ ...watch, vlans: vlans?.map(vlanText) });
}

const vlanText = ([low, high]: VlanRange): number | string => (low === high ? low : `${low}-${high}`);

/** The shortest text of a duration in whole milliseconds: `90s`, `24h`, `1500ms`. */
export function durationText(ms: number): string {
  for (const [unit, size] of [['h', 3_600_000], ['m', 60_000], ['s', 1000]] as const) {
    if (ms !== 0 && ms % size === 0) return `${ms / size}${unit}`;
  }
  return ms === 0 ? '0s' : `${ms}ms`;
}

/** Without the keys whose value is undefined. */
function prune(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

import type { ConnectionId } from '../bgp/session-contract.ts';
import { emptyBridgeState } from '../bridge/fdb.ts';
import type { Config } from '../config/config.ts';
import { makeBindingTable } from '../identity/bindings.ts';
import { emptyRateLimits } from '../identity/rate.ts';
import { Deadlines } from '../net/deadlines.ts';
import type { IpAddress } from '../net/ip.ts';
import type { Now } from '../net/time.ts';
import { newLocRib } from '../routes/loc-rib.ts';
import { newMigrationLog } from '../routes/migrations.ts';
import { deriveFrom } from './derived.ts';
import { expireEveryMs } from './due.ts';
import { isForwarding } from './forwarding.ts';
import { newForwarding } from './forwarding-state.ts';
import { newPeer } from './new-peer.ts';
import { newPortShares } from './port-shares.ts';
import type { World } from './world.ts';

export interface SpeakerOptions {
  readonly config: Config;
  readonly routerId: IpAddress;
  readonly dryRun: boolean;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly newConnection: () => ConnectionId;
}

/** What a speaker knows before its first input. */
export function newWorld(options: SpeakerOptions, now: Now): World {
  const { config } = options;
  return {
    config, routerId: options.routerId, random: options.random, newConnection: options.newConnection, dryRun: options.dryRun,
    peers: new Map(config.bgp.peers.map((peer) => [peer.name, newPeer(config, peer, options.routerId, now, true)])),
    rangesFull: new Map(), sessionDeadlines: new Deadlines(), ...deriveFrom(config, options.routerId), bridges: emptyBridgeState(),
    bindings: makeBindingTable(config.identity.bindings, undefined, undefined, config.identity.shared), rates: emptyRateLimits(), locRib: newLocRib(),
    // The clock makes ids of different lives of the process differ.
    migrations: newMigrationLog(config.telemetry.history.keep, Math.floor(now.wallMs / 1000) % 1_000_000 * 1000),
    ignored: new Map(), ignoredByPort: new Map(), portSince: new Map(), carrierDeadlines: new Deadlines(), gates: new Map(), rarpHeard: new Set(), asked: new Map(),
    lookups: { pending: new Map(), deadlines: new Deadlines(), ofPort: new Map() }, idle: new Map(), voices: new Map(), claimants: newPortShares(), rivals: new Map(), steps: new Map(), rivalMacs: new Map(), recentLocal: newPortShares(), search: { asked: [], frames: 0, rounds: 0 }, discoveryEndsMs: Infinity,
    forwarding: newForwarding(!options.dryRun && isForwarding(config), (config.kernel.routes === 'off' && !config.stragglers.enabled) || options.dryRun ? undefined : now.monotonicMs + 1000 * config.bgp.gracefulRestart.restartTimeSeconds),
    restart: { claims: [], unconfirmed: new Set(), endsMs: Infinity, sameBoot: false }, unsaved: false, expireAtMs: now.monotonicMs + expireEveryMs,
    counters: { frames: 0, framesHeard: new Map(), announcements: new Map(), unresolvedRoutes: 0, reflections: 0, futures: 0, unordered: 0 },
    startedAt: now, lastInputMs: now.monotonicMs, stoodStillUntilMs: -Infinity, now, dirty: new Set(), writing: new Map(), later: false, untold: [], outputs: [],
  };
}

import type { ConnectionId } from '../bgp/session-contract.ts';
import { emptyBridgeState } from '../bridge/fdb.ts';
import type { Config } from '../config/config.ts';
import { makeBindingTable } from '../identity/bindings.ts';
import { expirePairs } from '../identity/learned.ts';
import { emptyRateLimits } from '../identity/rate.ts';
import { Deadlines } from '../net/deadlines.ts';
import { prefixAddress, type IpAddress } from '../net/ip.ts';
import type { Now } from '../net/time.ts';
import { dueEvent } from '../routes/handover.ts';
import { addressKey, keyPrefix, newLocRib } from '../routes/loc-rib.ts';
import { newMigrationLog } from '../routes/migrations.ts';
import { takeDelivery } from './delivery.ts';
import { deriveFrom } from './derived.ts';
import { callersDeadline, callersIfDue, takeCaller } from './callers.ts';
import { beginDrain, drainDeadline, drainIfDue, endDrain } from './drain.ts';
import { askDueGates, nextGateDeadline, takeGateAnswer } from './gate-keeping.ts';
import { restartDeadline, restartIfDue } from './graceful-restart.ts';
import { handle } from './handovers.ts';
import { flush, forwardingDeadline, isForwarding } from './forwarding.ts';
import { newForwarding } from './forwarding-state.ts';
import { lookAtIdle } from './idle.ts';
import { takeHint, type HintRequest, type HintResult } from './hints.ts';
import { takeFrame } from './intake.ts';
import { forgetBfdReports, takeBfdReport } from './liveness.ts';
import { runLookups } from './lookups.ts';
import { newPeer } from './new-peer.ts';
import { stepPeer } from './peering.ts';
import { newPortShares } from './port-shares.ts';
import { portGone, takeBridgeChange } from './ports.ts';
import { noteStandstill } from './early.ts';
import { forgetQuestions, searchIfDue } from './probing.ts';
import { applyReload } from './reload/apply.ts';
import { farewellDeadline, farewellsIfDue, takeAcknowledged } from './reload/farewell.ts';
import { takeMemory } from './restore.ts';
import { endAllStragglers, takeMeshMessage } from './stragglers.ts';
import { forgetStaleIfDue, staleDeadline } from './stale-routes.ts';
import { tellAll, tellWritten } from './untold.ts';
import { livesHere } from './watching.ts';
import { note, type Input, type Output, type Peer, type World } from './world.ts';

export interface SpeakerOptions {
  readonly config: Config;
  readonly routerId: IpAddress;
  readonly dryRun: boolean;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly newConnection: () => ConnectionId;
}

/** How often learned pairs are looked at for age, in milliseconds. */
const expireEveryMs = 60_000;

/**
 * The one deterministic object: what comes in, and when, decides all that goes out. It opens no socket and reads no clock.
 * A frame becomes bytes for the routers inside one `dispatch`.
 */
export class Speaker {
  readonly world: World;
  private expireAtMs: number;

  constructor(options: SpeakerOptions, now: Now) {
    const { config } = options;
    this.expireAtMs = now.monotonicMs + expireEveryMs;
    this.world = {
      config, routerId: options.routerId, random: options.random, newConnection: options.newConnection, dryRun: options.dryRun,
      peers: new Map(config.bgp.peers.map((peer) => [peer.name, newPeer(config, peer, options.routerId, now, true)])),
      rangesFull: new Map(), sessionDeadlines: new Deadlines(), ...deriveFrom(config, options.routerId), bridges: emptyBridgeState(),
      bindings: makeBindingTable(config.identity.bindings, undefined, undefined, config.identity.shared), rates: emptyRateLimits(), locRib: newLocRib(),
      // The clock makes ids of different lives of the process differ.
      migrations: newMigrationLog(config.telemetry.history.keep, Math.floor(now.wallMs / 1000) % 1_000_000 * 1000),
      ignored: new Map(), portSince: new Map(), carrierDeadlines: new Deadlines(), gates: new Map(), rarpHeard: new Set(), asked: new Map(),
      lookups: { pending: new Map(), deadlines: new Deadlines(), ofPort: new Map() }, idle: new Map(), voices: new Map(), claimants: newPortShares(), rivals: new Map(), steps: new Map(), rivalMacs: new Map(), recentLocal: newPortShares(), search: { asked: [], frames: 0, rounds: 0 }, discoveryEndsMs: Infinity,
      forwarding: newForwarding(!options.dryRun && isForwarding(config), (config.kernel.routes === 'off' && !config.stragglers.enabled) || options.dryRun ? undefined : now.monotonicMs + 1000 * config.bgp.gracefulRestart.restartTimeSeconds),
      restart: { claims: [], unconfirmed: new Set(), endsMs: Infinity, sameBoot: false }, unsaved: false,
      counters: { frames: 0, framesHeard: new Map(), announcements: new Map(), unresolvedRoutes: 0, reflections: 0, futures: 0, unordered: 0 },
      startedAt: now, lastInputMs: now.monotonicMs, stoodStillUntilMs: -Infinity, now, dirty: new Set(), writing: new Map(), later: false, untold: [], outputs: [],
    };
  }

  /** Takes one input and gives all that follows from it, in order. */
  dispatch(input: Input, now: Now): Output[] {
    const { world } = this;
    // The bridge's own copy of a frame, or one of an interface that is nobody's port.
    if (input.type === 'frame' && world.bridges.links.get(input.frame.ifindex)?.master === undefined) return [];
    noteStandstill(world, now.monotonicMs);
    world.now = now;
    world.outputs = [];
    world.later = input.type === 'frame' || (input.type === 'written' && input.framesWait === true);
    if (!world.later) tellAll(world);
    switch (input.type) {
      case 'start':
        if (!world.dryRun) for (const peer of world.peers.values()) stepPeer(world, peer, { type: 'start' });
        break;
      case 'restored':
        takeMemory(world, input.memory, input.boot);
        break;
      case 'frame':
        takeFrame(world, input.frame);
        break;
      case 'bridge':
        takeBridgeChange(world, input.change);
        break;
      case 'session': {
        const peer = world.peers.get(input.peer);
        // What a connection had on its way when a reload removed its peer is nobody's.
        if (peer !== undefined) stepPeer(world, peer, input.input);
        break;
      }
      case 'caller':
        takeCaller(world, input);
        break;
      case 'written':
        tellWritten(world, input.at);
        break;
      case 'delivery':
        takeDelivery(world, input.answers);
        break;
      case 'rewrites':
        world.forwarding.rewrites = input.rules;
        break;
      case 'mesh':
        takeMeshMessage(world, input.message);
        break;
      case 'gate':
        takeGateAnswer(world, input);
        break;
      case 'bfd':
        takeBfdReport(world, input.report);
        break;
      case 'bfdLost':
        forgetBfdReports(world, input.reason);
        break;
      case 'reload':
        applyReload(world, input.config);
        break;
      case 'acknowledged':
        takeAcknowledged(world, input.peer);
        break;
      case 'tick':
        break;
      case 'stop':
        this.stop(input.restart);
        break;
    }
    this.runDue();
    flush(world);
    world.later = false;
    return world.outputs;
  }

  /** The words about a frame that wait for its bytes to be out (untold.ts), for who wants them beside what they are about. */
  tell(): Output[] {
    const { world } = this;
    world.outputs = [];
    tellAll(world);
    return world.outputs;
  }

  /** When the next `tick` is needed, in monotonic milliseconds. */
  nextDeadline(): number {
    const { world } = this;
    let next = Math.min(this.expireAtMs, restartDeadline(world), staleDeadline(world), forwardingDeadline(world), farewellDeadline(world), callersDeadline(world), drainDeadline(world));
    for (const at of [world.sessionDeadlines.next(), world.locRib.deadlines.next(), world.carrierDeadlines.next(), world.lookups.deadlines.next(), world.search.nextMs, nextGateDeadline(world)]) {
      if (at !== undefined && at < next) next = at;
    }
    if (world.discoveryEndsMs < next && [...world.peers.values()].some((peer) => peer.endOfRibDue && peer.listening === undefined && peer.session.negotiated !== undefined)) {
      next = Math.max(world.discoveryEndsMs, world.now.monotonicMs);
    }
    return next;
  }

  /** `clear`: lifts a hold after a conflict or flap, and forgets remembered sequences. @returns also whether there was a hold to lift. */
  clear(vrf: string, address: IpAddress, now: Now): { readonly outputs: Output[]; readonly lifted: boolean } {
    const { world } = this;
    world.now = now;
    world.outputs = [];
    tellAll(world);
    const hold = world.locRib.handovers.get(addressKey(vrf, address))?.hold;
    const lifted = hold !== undefined && hold.why !== 'gate';
    handle(world, vrf, address, { type: 'OperatorClears' });
    note(world, { level: 'warn', room: 'routes', event: 'hold.cleared', publish: 'migration', fields: { address, vrf, lifted } });
    this.runDue();
    flush(world);
    return { outputs: world.outputs, lifted };
  }

  /** `hint`: a VM stands still here, or runs here. @returns also what came of it. */
  hint(request: HintRequest, now: Now): { readonly outputs: Output[]; readonly result: HintResult } {
    const { world } = this;
    world.now = now;
    world.outputs = [];
    const result = takeHint(world, request);
    this.runDue();
    flush(world);
    return { outputs: world.outputs, result };
  }

  /** Operator's override, in the words of the CLI. */
  override(vrf: string, address: IpAddress, what: 'announce' | 'withdraw' | 'auto', now: Now, forSeconds?: number): Output[] {
    const { world } = this;
    world.now = now;
    world.outputs = [];
    tellAll(world);
    handle(world, vrf, address, what === 'announce' ? { type: 'OperatorAnnounces' }
      : what === 'auto' ? { type: 'OperatorReleases' }
      : forSeconds === undefined ? { type: 'OperatorWithdraws' } : { type: 'OperatorWithdraws', untilMs: now.monotonicMs + forSeconds * 1000 });
    note(world, {
      level: 'warn', room: 'routes', event: what === 'auto' ? 'override.cleared' : 'override.set', publish: 'migration',
      fields: { address, vrf, override: what, ...(forSeconds === undefined ? {} : { forSeconds }) },
    });
    this.runDue();
    flush(world);
    return world.outputs;
  }

  /** `drain`: all routes leave, after `waitMs` they are withdrawn, and nothing is announced until {@link undrain}. */
  drain(waitMs: number, now: Now): Output[] {
    return this.change(now, (world) => beginDrain(world, waitMs));
  }

  /** `undrain`: what lives here is announced again. */
  undrain(now: Now): Output[] {
    return this.change(now, endDrain);
  }

  private change(now: Now, work: (world: World) => void): Output[] {
    const { world } = this;
    world.now = now;
    world.outputs = [];
    tellAll(world);
    work(world);
    this.runDue();
    flush(world);
    return world.outputs;
  }

  private runDue(): void {
    const { world } = this;
    const { monotonicMs } = world.now;
    for (let name = world.sessionDeadlines.takeDue(monotonicMs); name !== undefined; name = world.sessionDeadlines.takeDue(monotonicMs)) {
      const peer = world.peers.get(name);
      if (peer !== undefined) stepPeer(world, peer, { type: 'tick' });
    }
    for (let ifindex = world.carrierDeadlines.takeDue(monotonicMs); ifindex !== undefined; ifindex = world.carrierDeadlines.takeDue(monotonicMs)) {
      portGone(world, ifindex);
    }
    searchIfDue(world);
    runLookups(world);
    askDueGates(world);
    restartIfDue(world);
    forgetStaleIfDue(world);
    farewellsIfDue(world);
    callersIfDue(world);
    drainIfDue(world);
    const { deadlines, handovers } = world.locRib;
    for (let key = deadlines.takeDue(monotonicMs); key !== undefined; key = deadlines.takeDue(monotonicMs)) {
      const h = handovers.get(key);
      const event = h === undefined ? undefined : dueEvent(h, monotonicMs);
      if (h !== undefined && event !== undefined) handle(world, h.vrf, prefixAddress(keyPrefix(key)), event);
    }
    if (this.expireAtMs <= monotonicMs) {
      this.expireAtMs = monotonicMs + expireEveryMs;
      world.unsaved = true; // the times at which pairs were heard
      expirePairs(world.bindings.learned, monotonicMs, world.config.identity.learnedForMs, (pair) => livesHere(world, pair));
      lookAtIdle(world);
      forgetQuestions(world);
    }
  }

  /**
   * Explicit withdraws before any stop for good: some helpers keep stale routes even on a hard reset. The daemon waits until TCP has
   * acknowledged them before it gives the `stop`.
   */
  withdrawEverything(now: Now): Output[] {
    const { world } = this;
    world.now = now;
    world.outputs = [];
    tellAll(world);
    for (const peer of world.peers.values()) if (peer.session.negotiated !== undefined) withdrawAll(world, peer);
    flush(world);
    return world.outputs;
  }

  private stop(restart: boolean): void {
    const { world } = this;
    if (endAllStragglers(world)) flush(world); // while it is known what the routers told
    for (const peer of world.peers.values()) {
      stepPeer(world, peer, restart
        ? { type: 'stop', subcode: 2, silent: true }
        : { type: 'stop', subcode: 2, message: world.drain === undefined ? 'landfall stops' : 'landfall stops after a drain for maintenance' });
    }
  }
}

function withdrawAll(world: World, peer: Peer): void {
  for (const [key, h] of world.locRib.handovers) {
    if (h.vrf !== peer.config.vrf || !peer.adjOut.sent.has(keyPrefix(key))) continue;
    world.locRib.handovers.set(key, { ...h, gone: new Set(h.gone).add(peer.config.name) });
    world.dirty.add(key);
  }
}

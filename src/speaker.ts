import type { IpAddress } from '../net/ip.ts';
import type { Now } from '../net/time.ts';
import { addressKey, keyPrefix } from '../routes/loc-rib.ts';
import { takeDelivery } from './delivery.ts';
import { takeCaller } from './callers.ts';
import { beginDrain, endDrain } from './drain.ts';
import { takeGateAnswer } from './gate-keeping.ts';
import { nextDeadline, runDue } from './due.ts';
import { handle } from './handovers.ts';
import { flush } from './forwarding.ts';
import { takeHint, type HintRequest, type HintResult } from './hints.ts';
import { takeFrame } from './intake.ts';
import { forgetBfdReports, takeBfdReport } from './liveness.ts';
import { newWorld, type SpeakerOptions } from './new-world.ts';
import { stepPeer } from './peering.ts';
import { takeBridgeChange } from './ports.ts';
import { noteStandstill } from './early.ts';
import { applyReload } from './reload/apply.ts';
import { takeAcknowledged } from './reload/farewell.ts';
import { takeMemory } from './restore.ts';
import { endAllStragglers, takeMeshMessage } from './stragglers.ts';
import { tellAll, tellWritten } from './untold.ts';
import { note, type Input, type Output, type Peer, type World } from './world.ts';

/**
 * The one deterministic object: what comes in, and when, decides all that goes out. It opens no socket and reads no clock.
 * A frame becomes bytes for the routers inside one `dispatch`.
 */
export class Speaker {
  readonly world: World;

  constructor(options: SpeakerOptions, now: Now) {
    this.world = newWorld(options, now);
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
    runDue(world);
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
    return nextDeadline(this.world);
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
    runDue(world);
    flush(world);
    return { outputs: world.outputs, lifted };
  }

  /** `hint`: a VM stands still here, or runs here. @returns also what came of it. */
  hint(request: HintRequest, now: Now): { readonly outputs: Output[]; readonly result: HintResult } {
    const { world } = this;
    world.now = now;
    world.outputs = [];
    const result = takeHint(world, request);
    runDue(world);
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
    runDue(world);
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
    runDue(world);
    flush(world);
    return world.outputs;
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

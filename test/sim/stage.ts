import { ip, type IpAddress } from '../../net/ip.ts';
import type { Now } from '../../net/time.ts';
import { parseMemory } from '../../routes/memory.ts';
import { memoryText } from '../../src/restore.ts';
import { Speaker } from '../../src/speaker.ts';
import { isTellingDue } from '../../src/untold.ts';
import type { Input, Output } from '../../src/world.ts';
import { seeded, VirtualClock } from './clock.ts';
import { newNode, vmOf, type Line, type Node, type Pipe, type Vm } from './node.ts';
import type { Scenario } from './scenario.ts';
import { ToyRouter, type RouterObserver } from './toy-router.ts';

const startWallMs = Date.UTC(2026, 10, 25);
/** More inputs than any history has; beyond it something feeds itself. */
const inputLimit = 60_000;
/** What one frame may cause: a few notes and writes per address and peer. */
const outputLimit = 80;

/** Nodes and routers on one virtual clock, as a scenario has them. What happens on the stage is for others to say. */
export class Stage {
  readonly clock = new VirtualClock();
  readonly random: () => number;
  readonly nodes: Node[] = [];
  readonly routers: ToyRouter[] = [];
  readonly vms: readonly Vm[];
  readonly scenario: Scenario;
  /** Loss, doubling and lateness are over. */
  calm = false;
  /** Says what happens, for people. */
  log: ((line: string) => void) | undefined;
  private connections = 1;
  private readonly saves: boolean;
  private inputs = 0;
  /** After each input that a speaker took. */
  after: (node: Node, outputs: readonly Output[]) => void = () => undefined;

  constructor(scenario: Scenario, observer: RouterObserver) {
    this.scenario = scenario;
    this.random = seeded(scenario.seed);
    this.saves = scenario.steps.some((step) => step.do === 'kill' && step.keeps);
    this.vms = Array.from({ length: scenario.vms }, (_, i) => vmOf(i));
    const ebgp = scenario.profile === 'ebgp';
    for (let i = 0; i < (scenario.routers === 'one' ? 1 : 2); i++) {
      this.routers.push(new ToyRouter({
        name: `tor${i + 1}`, asn: ebgp ? 65001 : 65010, nodeAsn: 65010, identifier: ip(`192.0.2.${250 + i}`), mraiMs: scenario.mraiMs, slowMs: scenario.slowMs,
        holdSeconds: scenario.holdSeconds, helper: scenario.graceful, after: (ms, work) => this.clock.later(ms, work), observer,
      }, () => this.clock.nowMs));
    }
    if (scenario.routers === 'chain') {
      const [a, b] = this.routers as [ToyRouter, ToyRouter];
      a.beside(b, this.ordered({ lastMs: 0 }));
      b.beside(a, this.ordered({ lastMs: 0 }));
    }
    for (let i = 0; i < scenario.nodes; i++) this.nodes.push(newNode(scenario, i, this.routers, this.vms));
    for (const router of this.routers) this.heartbeat(router);
  }

  now(node: Node): Now {
    const { nowMs } = this.clock;
    return { monotonicMs: nowMs, wallMs: startWallMs + nowMs + node.offsetMs, wallTrusted: true };
  }

  /** How long something is under way. */
  delay(): number {
    return this.calm ? 0.5 : 0.2 + this.random() * this.random() * this.scenario.lateMs;
  }

  start(node: Node): void {
    node.life += 1;
    node.speaker = new Speaker({ config: node.config, routerId: node.config.bgp.routerId as IpAddress, dryRun: false, random: this.random, newConnection: () => this.connections++ }, this.now(node));
    const read = node.file === undefined ? undefined : parseMemory(node.file);
    const memory = read !== undefined && 'memory' in read ? { memory: read.memory } : {};
    this.give(node, { type: 'restored', ...memory, boot: { id: 'boot', uptimeSeconds: 1e6 } });
    this.give(node, { type: 'bridge', change: { type: 'resync', links: [...node.links.values()], fdb: [...node.fdb.values()], ownAddresses: [] } });
    this.give(node, { type: 'start' });
  }

  /** kill -9: the kernel closes its connections. The state file stays as it was written last, or is lost. */
  kill(node: Node, keeps: boolean): void {
    delete node.speaker;
    node.savePlanned = false;
    if (!keeps) delete node.file;
    node.deadlineMs = Infinity;
    for (const line of node.lines.values()) this.hangUp(node, line);
  }

  give(node: Node, input: Input): void {
    const { speaker } = node;
    if (speaker === undefined) return;
    this.inputs += 1;
    if (this.inputs > inputLimit) throw new Error(`more than ${inputLimit} inputs: something feeds itself`);
    const outputs = speaker.dispatch(input, this.now(node));
    if (input.type === 'frame' && outputs.length > outputLimit) throw new Error(`a frame caused ${outputs.length} outputs at ${node.name}`);
    this.perform(node, outputs);
    if (isTellingDue(speaker.world)) this.perform(node, speaker.dispatch({ type: 'written' }, this.now(node)));
    if (node.speaker === speaker) node.deadlineMs = speaker.nextDeadline();
    this.save(node, outputs);
    this.after(node, outputs);
  }

  /** The state file is written a little after something changed. */
  private save(node: Node, outputs: readonly Output[]): void {
    const { speaker } = node;
    if (!this.saves || node.savePlanned || speaker === undefined || !outputs.some((output) => output.type === 'note' && output.note.event === 'handover.transition')) return;
    node.savePlanned = true;
    this.clock.later(5 + this.random() * 100, () => {
      if (node.speaker !== speaker) return;
      node.savePlanned = false;
      speaker.world.now = this.now(node);
      node.file = [...memoryText(speaker.world, 'boot', false)].join('');
    });
  }

  run(untilMs: number): void {
    const { clock } = this;
    for (;;) {
      let next = clock.nextAt();
      let due: Node | undefined;
      for (const node of this.nodes) if (node.deadlineMs < next) { next = node.deadlineMs; due = node; }
      if (next > untilMs) break;
      clock.nowMs = Math.max(clock.nowMs, next);
      if (due !== undefined) this.give(due, { type: 'tick' });
      else clock.take()?.();
    }
    clock.nowMs = untilMs;
  }

  /** The session is lost at both ends, and refused for a while. */
  cut(node: Node, router: string, forMs: number): void {
    const line = node.lines.get(router);
    if (line === undefined) return;
    line.refusedUntilMs = this.clock.nowMs + forMs;
    const { connection } = line;
    if (connection === undefined) return;
    this.hangUp(node, line);
    this.give(node, { type: 'session', peer: router, input: { type: 'closed', connection, error: 'ECONNRESET' } });
  }

  private hangUp(node: Node, line: Line): void {
    const { connection, up } = line;
    if (connection === undefined) return;
    delete line.connection;
    line.up = { lastMs: 0 };
    line.down = { lastMs: 0 };
    // What was written before still arrives.
    this.ordered(up, line)(() => {
      if (line.routerConnection !== connection) return;
      delete line.routerConnection;
      line.router.disconnect(node.name);
    });
  }

  /** What routers do by the clock: keepalives, and giving up a speaker that is not heard. */
  private heartbeat(router: ToyRouter): void {
    const { holdSeconds } = this.scenario;
    for (const node of this.nodes) {
      const line = node.lines.get(router.name);
      const connection = line?.routerConnection;
      if (line === undefined || connection === undefined || this.clock.nowMs - line.heardAtMs < holdSeconds * 1000) continue;
      delete line.routerConnection;
      router.disconnect(node.name);
      this.ordered(line.down, line)(() => this.closed(node, line, connection, 'closed by peer'));
    }
    router.keepalive();
    this.clock.later(holdSeconds * 1000 / 3, () => this.heartbeat(router));
  }

  private closed(node: Node, line: Line, connection: number, error: string): void {
    if (line.connection !== connection) return;
    delete line.connection;
    this.give(node, { type: 'session', peer: line.router.name, input: { type: 'closed', connection, error } });
  }

  private ordered(pipe: Pipe, line?: Line): (work: () => void) => void {
    return (work) => {
      pipe.lastMs = Math.max(pipe.lastMs, line?.stalledUntilMs ?? 0, this.clock.nowMs + this.delay());
      this.clock.at(pipe.lastMs, work);
    };
  }

  private perform(node: Node, outputs: readonly Output[]): void {
    for (const output of outputs) {
      if (output.type === 'note') this.log?.(`${this.clock.nowMs.toFixed(1)} ${node.name} ${output.note.event} ${JSON.stringify(output.note.fields)}`);
      else if (output.type === 'sendFrame') node.onProbe(output.ifindex, output.bytes);
      else if (output.type === 'session') this.performSession(node, node.lines.get(output.peer) as Line, output.peer, output.output);
    }
  }

  private performSession(node: Node, line: Line, peer: string, output: Extract<Output, { type: 'session' }>['output']): void {
    const { connection } = output;
    const { life } = node;
    if (output.type === 'dial') {
      line.connection = connection;
      this.clock.at(Math.max(line.stalledUntilMs, this.clock.nowMs + this.delay()), () => {
        if (node.life !== life || line.connection !== connection) return;
        if (line.refusedUntilMs > this.clock.nowMs) return this.closed(node, line, connection, 'ECONNREFUSED');
        line.routerConnection = connection;
        line.heardAtMs = this.clock.nowMs;
        const deliver = this.ordered(line.down, line);
        this.give(node, { type: 'session', peer, input: { type: 'connected', connection, localAddress: node.config.bgp.routerId as IpAddress } });
        line.router.connect(node.name, node.config.bgp.routerId as IpAddress, (bytes) => deliver(() => {
          if (node.life === life && line.connection === connection) this.give(node, { type: 'session', peer, input: { type: 'data', connection, bytes } });
        }));
      });
    } else if (output.type === 'write') {
      if (line.connection !== connection) return;
      this.ordered(line.up, line)(() => {
        if (line.routerConnection !== connection) return;
        line.heardAtMs = this.clock.nowMs;
        line.router.receive(node.name, output.bytes);
      });
    } else if (line.connection === connection) {
      this.hangUp(node, line);
    }
  }
}

import type { RouteAttributes } from '../../bgp/route.ts';
import { ip, type IpAddress } from '../../net/ip.ts';
import type { BridgeChange } from '../../bridge/ports.ts';
import type { Now } from '../../net/time.ts';
import { parseMemory } from '../../routes/memory-text.ts';
import { memoryText } from '../../src/restore.ts';
import { Speaker } from '../../src/speaker.ts';
import { isTellingDue } from '../../src/untold.ts';
import type { Input, Output } from '../../src/world.ts';
import { seeded, VirtualClock } from './clock.ts';
import { newNode, placesOf, vmOf, vrfs, type Line, type Node, type Pipe, type Vm, type Vrf } from './node.ts';
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
  readonly routersOf = new Map<Vrf, readonly ToyRouter[]>();
  /** `node|life|ifindex`: ports of which a speaker was told that their gate is open. */
  readonly gatesOpen = new Set<string>();
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
    const tenants = scenario.twoVrfs === true ? vrfs : [vrfs[0]];
    this.vms = tenants.flatMap((vrf, at) => Array.from({ length: scenario.vms }, (_, i) => vmOf(i, vrf, at * scenario.vms + i)));
    for (const vrf of tenants) this.routersOf.set(vrf, this.newRouters(vrf, observer));
    this.routers.push(...[...this.routersOf.values()].flat());
    for (let i = 0; i < scenario.nodes; i++) this.nodes.push(newNode(scenario, i, this.routersOf, this.vms));
    for (const router of this.routers) this.heartbeat(router);
  }

  /** The routers of one VRF; they know nothing of the other. */
  private newRouters(vrf: Vrf, observer: RouterObserver): ToyRouter[] {
    const { scenario } = this;
    const { profile } = scenario;
    const names = scenario.routers === 'one' ? ['tor1'] : scenario.routers === 'clos' ? ['tor1', 'tor2', 'spine'] : ['tor1', 'tor2'];
    const all = names.map((name, i) => new ToyRouter({
      name: vrf === 'default' ? name : `${vrf}-${name}`, asn: profile === 'ebgp' ? 65001 : profile === 'ladder' || profile === 'prepend' ? 65001 + i : 65010,
      nodeAsn: 65010, identifier: ip(`192.0.2.${250 - vrfs.indexOf(vrf) * names.length + i}`), mraiMs: scenario.mraiMs, slowMs: scenario.slowMs,
      holdSeconds: scenario.holdSeconds, helper: scenario.graceful, after: (ms, work) => this.clock.later(ms, work), observer,
      ...(profile === 'ladder' ? { importLocalPref: ladderLocalPrefOf } : {}),
    }, () => this.clock.nowMs));
    const [a, b, spine] = all as [ToyRouter, ToyRouter, ToyRouter?];
    const cables = scenario.routers === 'chain' ? [[a, b], [b, a]] : spine === undefined ? [] : [[a, spine], [spine, a], [b, spine], [spine, b]];
    for (const [from, to] of cables as [ToyRouter, ToyRouter][]) from.beside(to, this.ordered({ lastMs: 0 }));
    return all;
  }

  vrfOf(router: ToyRouter): Vrf {
    return [...this.routersOf].find(([, list]) => list.includes(router))?.[0] ?? 'default';
  }

  /** The VRF of a port. */
  vrfAt(node: Node, ifindex: number): Vrf {
    return node.links.get(ifindex)?.master === placesOf.blue.bridgeIfindex ? 'blue' : 'default';
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
    for (const change of [
      { type: 'fdbDump', phase: 'begins' }, { type: 'fdbNews', news: [...node.fdb.values()], dumped: true }, { type: 'fdbDump', phase: 'ends' },
      { type: 'resync', links: [...node.links.values()], ownAddresses: [] },
    ] satisfies BridgeChange[]) this.give(node, { type: 'bridge', change });
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
      else if (output.type === 'askGate') this.answerGate(node, output.ifindex, output.port);
      else if (output.type === 'session') this.performSession(node, node.lines.get(output.peer) as Line, output.peer, output.output);
    }
  }

  private answerGate(node: Node, ifindex: number, port: string): void {
    const { life } = node;
    this.clock.later(0.2 + this.random(), () => {
      if (node.life !== life || node.speaker === undefined || !node.links.has(ifindex)) return;
      const open = this.clock.nowMs >= (node.portSinceMs.get(ifindex) ?? -Infinity) + (this.scenario.gate?.opensMs ?? 0);
      if (open) this.gatesOpen.add(`${node.name}|${life}|${ifindex}`);
      this.give(node, { type: 'gate', ifindex, port, open, text: open ? 'is there' : 'is not there' });
    });
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

/** What the routers' mapping makes of the communities of the ladder, on every session. */
function ladderLocalPrefOf({ communities }: RouteAttributes): number | undefined {
  const levels = communities.filter((one) => Math.floor(one / 0x10000) === 65010).map((one) => one % 0x10000).filter((level) => level === 50 || (level >= 200 && level <= 207));
  return levels.length === 0 ? undefined : Math.min(...levels);
}

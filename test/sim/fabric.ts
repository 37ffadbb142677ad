import type { CapturedFrame } from '../../garp/announcement.ts';
import type { FdbEntry, Link } from '../../bridge/ports.ts';
import type { Config } from '../../config/config.ts';
import type { KernelEntry } from '../../forward/entries.ts';
import type { MeshMessage, MeshText } from '../../forward/mesh.ts';
import { ip, type IpAddress, type Prefix } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import type { Now } from '../../net/time.ts';
import { Speaker } from '../../src/speaker.ts';
import type { DeliveryAnswer, DeliveryQuestion } from '../../src/delivery-contract.ts';
import type { Input, Note, Output } from '../../src/world.ts';
import { ToyRouter } from './toy-router.ts';

export const vmMac = parseMac('52:54:00:aa:00:01') as Mac;
export const vm4 = ip('203.0.113.11');
export const vm6 = ip('2001:db8:100::11');

/** The smallest configuration that all of this stands on. */
export function baseConfig(node: number, more: (config: Config) => Config = (config) => config): Config {
  const address = `192.0.2.${node}` as IpAddress;
  return more({
    node: { name: `hv-${node}`, labels: {} },
    bgp: {
      asn: 65010, routerId: address, listen: { enabled: false, port: 179 }, nextHop: { ipv4: address, ipv6: ip(`2001:db8::${node}`) },
      gracefulRestart: { enabled: false, restartTimeSeconds: 60 }, receive: 'vm-prefixes',
      peers: [{
        name: 'tor', address: ip('192.0.2.254'), asn: 65010, port: 179, families: ['ipv4-unicast', 'ipv6-unicast'],
        timers: { holdSeconds: 9, keepaliveSeconds: 3, connectRetrySeconds: 1 }, ttlSecurity: false, nextHop: {}, profile: 'sequence', vrf: 'default', bindings: 'learn',
      }],
    },
    watch: [{
      bridge: 'br-vlan', ports: { local: ['tap*', 'veth*'], uplink: ['bond*'] }, announcements: ['garp', 'rarp', 'na'],
      prefixes: ['203.0.113.0/24', '2001:db8:100::/64'] as Prefix[], exclude: [ip('203.0.113.1')], vrf: 'default',
    }],
    routes: {
      globalAdmin: 65010, noExport: false,
      normal: { localPref: 100, med: 100, communities: ['65010:100'] }, elevated: { localPref: 200, med: 0, communities: ['65010:200'] },
      leaving: { localPref: 50, med: 200, communities: ['65010:50'] },
      ladder: { communities: [200, 201, 202, 203, 204, 205, 206, 207].map((n) => `65010:${n}`) }, prepend: 3,
    },
    migration: {
      firstEvidence: 'auto', elevatedForMs: 90_000, debounceMs: 1500, withdrawOn: ['uplink-announcement', 'remote-claim', 'port-gone'],
      withdrawAfterMs: 2000, portGoneGraceMs: 2000, maxPerSecond: 100, flap: { moves: 5, withinMs: 180_000, holdMs: 60_000 },
    },
    identity: {
      mode: 'strict', onConflict: 'keep', learnedForMs: 86_400_000, learnedIdleForMs: 1_800_000, unverifiedPorts: 'allow', shared: [],
      bindings: [{ vm: 'shop/web-1', mac: vmMac, vrf: 'default', ips: [vm4, vm6] }],
    },
    gate: { checks: [], timeoutMs: 500, onTimeout: 'closed' },
    stragglers: { enabled: false, mode: 'auto', ceilingMs: 5000, members: 'auto' }, kernel: { routes: 'off', refreshNeighbors: false }, kubernetes: { enabled: false, serviceAccount: '/nowhere' }, process: { scheduling: 'normal' }, telemetry: { web: false, perPrefixMetrics: false, bmp: [], history: { keep: 1000 } }, log: { level: 'info', format: 'json' },
    api: { socket: '/nowhere', mode: 0o660 },
  });
}

const bridgeIfindex = 2;
const uplinkIfindex = 3;

/** A node: a speaker with a bridge of its own. Its VM ports are made and unmade by the test. */
export interface SimNode {
  readonly name: string;
  readonly speaker: Speaker;
  readonly notes: Note[];
  /** What the kernel is to have. */
  readonly kernel: Map<string, KernelEntry>;
  /** Types of the messages that other speakers told it, in order. */
  readonly told: string[];
  nextIfindex: number;
  connection?: number;
  readonly uplink: number;
  /** Answers probes that go out of a port: the VM behind it, if it runs there. */
  onProbe?: (ifindex: number, frame: Uint8Array, node: SimNode) => void;
  /** Where the kernel would send to an address; left out: nobody answers. */
  onDelivery?: (question: DeliveryQuestion) => Omit<DeliveryAnswer, keyof DeliveryQuestion>;
  /** Asked for the policy gate of a port. */
  onGate?: (ifindex: number, port: string) => void;
}

/** Speakers and one toy router on one virtual clock; messages take `latencyMs` each way. */
export class Fabric {
  readonly router = new ToyRouter({ asn: 65010 });
  readonly nodes: SimNode[] = [];
  nowMs = 0;
  latencyMs = 1;
  readonly startWallMs = Date.UTC(2026, 10, 25);
  private readonly queue: { readonly atMs: number; readonly order: number; readonly work: () => void }[] = [];
  private order = 0;
  private connections = 1;

  /** `here`: ports and forwarding entries that the node finds when it starts. */
  addNode(id: number, more?: (config: Config) => Config, here: { readonly links?: readonly Link[]; readonly fdb?: readonly FdbEntry[] } = {}, onProbe?: SimNode['onProbe']): SimNode {
    const config = baseConfig(id, more);
    const speaker = new Speaker({ config, routerId: config.bgp.routerId as IpAddress, dryRun: false, random: () => 0.5, newConnection: () => this.connections++ }, this.now());
    const node: SimNode = { name: config.node.name, speaker, notes: [], kernel: new Map(), told: [], nextIfindex: 10, uplink: uplinkIfindex, ...(onProbe === undefined ? {} : { onProbe }) };
    this.nodes.push(node);
    const bridge: Link = { ifindex: bridgeIfindex, name: 'br-vlan', mac: parseMac('02:00:00:00:00:01') as Mac, kind: 'bridge', up: true, carrier: true };
    const bond: Link = { ifindex: uplinkIfindex, name: 'bond0', master: bridgeIfindex, up: true, carrier: true };
    this.give(node, { type: 'bridge', change: { type: 'resync', links: [bridge, bond, ...(here.links ?? [])], fdb: here.fdb ?? [], ownAddresses: [] } });
    this.give(node, { type: 'start' });
    return node;
  }

  now(): Now {
    return { monotonicMs: this.nowMs, wallMs: this.startWallMs + this.nowMs, wallTrusted: true };
  }

  /** A port of the VM's; kind `tun` or `veth`. */
  addPort(node: SimNode, name: string, kind = 'tun', mac?: Mac): number {
    const ifindex = node.nextIfindex++;
    this.give(node, { type: 'bridge', change: { type: 'link', link: { ifindex, name, master: bridgeIfindex, kind, up: true, carrier: true, ...(mac === undefined ? {} : { mac }) } } });
    return ifindex;
  }

  removePort(node: SimNode, ifindex: number): void {
    this.give(node, { type: 'bridge', change: { type: 'linkGone', ifindex } });
  }

  frame(node: SimNode, ifindex: number, bytes: Uint8Array, more: Partial<CapturedFrame> = {}): void {
    this.give(node, { type: 'frame', frame: { bytes, ifindex, capturedAtMs: this.nowMs, ...more } });
  }

  /** The same after the time that a VM takes to answer. */
  frameLater(node: SimNode, ifindex: number, bytes: Uint8Array): void {
    this.later(() => this.frame(node, ifindex, bytes), 0.2);
  }

  give(node: SimNode, input: Input): void {
    this.perform(node, node.speaker.dispatch(input, this.now()));
    this.perform(node, node.speaker.dispatch({ type: 'written' }, this.now()));
  }

  /** Carries out what a speaker said to something else than an input. */
  performFor(node: SimNode, outputs: readonly Output[]): void {
    this.perform(node, outputs);
  }

  /** Lets time pass: messages arrive, deadlines come. */
  run(forMs: number): void {
    const until = this.nowMs + forMs;
    for (;;) {
      this.queue.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      const message = this.queue[0];
      let next = until;
      if (message !== undefined) next = Math.min(next, message.atMs);
      for (const node of this.nodes) next = Math.min(next, Math.max(this.nowMs, node.speaker.nextDeadline()));
      if (next >= until && (message === undefined || message.atMs > until)) break;
      this.nowMs = next;
      if (message !== undefined && message.atMs <= this.nowMs) {
        this.queue.shift();
        message.work();
      }
      for (const node of this.nodes) if (node.speaker.nextDeadline() <= this.nowMs) this.give(node, { type: 'tick' });
      this.keepAlive();
    }
    this.nowMs = until;
  }

  /** The session of a node is lost without a word. */
  cut(node: SimNode): void {
    this.router.disconnect(node.name);
    const { connection } = node;
    delete node.connection;
    if (connection !== undefined) this.give(node, { type: 'session', peer: 'tor', input: { type: 'closed', connection, error: 'ECONNRESET' } });
  }

  /** Which node the router sends an address to. */
  best(address: IpAddress = vm4): string | undefined {
    return this.router.best.get(`${address}/${address.includes(':') ? 128 : 32}` as Prefix)?.client;
  }

  private keptAliveMs = 0;
  private keepAlive(): void {
    if (this.nowMs - this.keptAliveMs < 2000) return;
    this.keptAliveMs = this.nowMs;
    this.router.keepalive();
  }

  /** Does something after a time. */
  after(delayMs: number, work: () => void): void {
    this.later(work, delayMs);
  }

  private later(work: () => void, delayMs = this.latencyMs): void {
    this.queue.push({ atMs: this.nowMs + delayMs, order: this.order++, work });
  }

  private perform(node: SimNode, outputs: readonly Output[]): void {
    for (const output of outputs) {
      if (output.type === 'note') node.notes.push(output.note);
      else if (output.type === 'sendFrame') node.onProbe?.(output.ifindex, output.bytes, node);
      else if (output.type === 'askDelivery') { if (node.onDelivery !== undefined) this.answerDelivery(node, output.asked); }
      else if (output.type === 'askGate') node.onGate?.(output.ifindex, output.port);
      else if (output.type === 'session') { if (output.peer === 'tor') this.performSession(node, output.output); } // nobody is there for another
      else if (output.type === 'kernel') for (const { id, entry } of output.changes) if (entry === undefined) node.kernel.delete(id); else node.kernel.set(id, entry);
      else if (output.type === 'mesh') for (const { text, members } of output.tellings) for (const member of members) this.tell(node, text, member);
    }
  }

  private answerDelivery(node: SimNode, asked: readonly DeliveryQuestion[]): void {
    const answers = asked.map((question) => ({ ...question, ...(node.onDelivery as NonNullable<SimNode['onDelivery']>)(question) }));
    this.later(() => this.give(node, { type: 'delivery', answers }), 0.1);
  }

  private meshCounter = 0;
  /** Types of what speakers tell each other that gets lost on its way. */
  readonly meshLost = new Set<MeshText['type']>();

  /** Reaches the node that is heard at the address. */
  private tell(from: SimNode, text: MeshText, member: IpAddress): void {
    const message = { ...text, boot: `000000000000000${this.nodes.indexOf(from)}`, counter: ++this.meshCounter } as MeshMessage;
    if (this.meshLost.has(text.type)) return;
    this.later(() => {
      for (const node of this.nodes) {
        if (node === from || !node.speaker.world.forwarding.listening.has(member)) continue;
        node.told.push(text.type);
        this.give(node, { type: 'mesh', message });
      }
    });
  }

  private performSession(node: SimNode, output: Extract<Output, { type: 'session' }>['output']): void {
    const { connection } = output;
    if (output.type === 'dial') {
      node.connection = connection;
      this.later(() => {
        if (node.connection !== connection) return;
        this.give(node, { type: 'session', peer: 'tor', input: { type: 'connected', connection, localAddress: node.speaker.world.routerId } });
        this.router.connect(node.name, node.speaker.world.routerId, (bytes) => this.later(() => {
          if (node.connection === connection) this.give(node, { type: 'session', peer: 'tor', input: { type: 'data', connection, bytes } });
        }));
      });
    } else if (output.type === 'write') {
      this.later(() => { if (node.connection === connection) this.router.receive(node.name, output.bytes); });
    } else if (node.connection === connection) {
      this.router.disconnect(node.name);
      delete node.connection;
    }
  }
}

import { roleOf, type Link } from '../../bridge/ports.ts';
import type { Config } from '../../config/config.ts';
import type { CapturedFrame } from '../../garp/announcement.ts';
import { ip, isIpv4, type IpAddress } from '../../net/ip.ts';
import { macFromBytes, type Mac } from '../../net/mac.ts';
import type { Now } from '../../net/time.ts';
import { Speaker } from '../speaker.ts';
import type { Input, Output } from '../world.ts';
import { accountFrame, accountOther, type Entry } from './account.ts';
import { toyPeer, type ToyPeer } from './toy-peer.ts';

/** What would have gone out on the wire, once for all peers. */
export interface Sent {
  readonly change: 'announce' | 'change' | 'withdraw';
  readonly prefix: string;
  /** The state whose preference it bears. */
  readonly state: string;
  readonly offsetSeconds: number;
  /** While frames still came. */
  readonly during: boolean;
}

/** How long before the first frame the node begins, so that its search for VMs is over; in milliseconds. */
const settlingMs = 20_000;
/** How long after the last frame it is watched, beyond the longest of its own delays. */
const afterMs = 5000;
/** More timers than that at one moment are a fault of ours. */
const mostTicks = 100_000;

/** A node as the configuration describes it, with ports that appear as frames name them, and peers that take every session. */
export class Stage {
  readonly sent: Sent[] = [];
  readonly entries: Entry[] = [];
  private readonly config: Config;
  private readonly speaker: Speaker;
  private readonly peers = new Map<string, ToyPeer>();
  private readonly announced = new Set<string>();
  private readonly ports = new Map<string, number>();
  private readonly bridges = new Map<string, number>();
  private readonly learnt = new Map<Mac, number>();
  private readonly startWallMs: number;
  private nowMs = 0;
  private connections = 0;
  private during = true;
  /** Prefixes of which the pass that runs has told the peers. */
  private readonly told = new Set<string>();
  /** Monotonic time of the first line. */
  private zeroMs: number | undefined;

  /** @param firstFrameMs the wall time of the first frame. */
  constructor(config: Config, firstFrameMs: number, defaultPort: string) {
    this.config = config;
    this.startWallMs = firstFrameMs - settlingMs;
    const routerId = config.bgp.routerId ?? ip('192.0.2.17');
    this.speaker = new Speaker({ config, routerId, dryRun: false, random: () => 0.5, newConnection: () => ++this.connections }, this.now());
    config.bgp.peers.forEach((peer, i) => this.peers.set(peer.name, toyPeer(config, peer, i + 1)));
    for (const { bridge } of config.watch) if (!this.bridges.has(bridge)) this.bridges.set(bridge, this.bridges.size + 1);
    const links: Link[] = [...this.bridges].map(([name, ifindex]) => ({ ifindex, name, kind: 'bridge', up: true, carrier: true }));
    links.push(this.newPort(defaultPort));
    this.give({ type: 'bridge', change: { type: 'resync', links, fdb: [], ownAddresses: [] } }, 'bridge');
    this.give({ type: 'start' }, 'session');
    this.runTo(settlingMs);
  }

  /** One frame at its wall time. A time before that of the frame before counts as the same. */
  frame(number: number, wallMs: number, port: string, bytes: Pick<CapturedFrame, 'bytes' | 'tag'>): void {
    this.runTo(wallMs - this.startWallMs);
    if (!this.ports.has(port)) this.give({ type: 'bridge', change: { type: 'link', link: this.newPort(port) } }, 'bridge');
    const frame: CapturedFrame = { ...bytes, ifindex: this.ports.get(port) as number, capturedAtMs: this.nowMs };
    this.zeroMs ??= this.nowMs;
    const now = this.now();
    const outputs = this.dispatch({ type: 'frame', frame }, now);
    this.entries.push(...accountFrame(this.speaker.world, frame, now, outputs, number, this.offset(), this.told));
    this.learn(frame);
  }

  /** As the bridge does, after the capture has seen the frame. */
  private learn({ bytes, ifindex }: CapturedFrame): void {
    if (bytes.length < 14 || ((bytes[6] as number) & 1) === 1) return;
    const mac = macFromBytes(bytes, 6);
    if (this.learnt.get(mac) === ifindex) return;
    this.learnt.set(mac, ifindex);
    this.give({ type: 'bridge', change: { type: 'fdb', entry: { ifindex, mac, vlan: 0, permanent: false } } }, 'bridge');
  }

  /** After the last frame: all delays run out. */
  finish(): void {
    this.during = false;
    const { elevatedForMs, withdrawAfterMs, portGoneGraceMs, debounceMs } = this.config.migration;
    this.runTo(this.nowMs + Math.max(elevatedForMs, withdrawAfterMs, portGoneGraceMs, debounceMs) + afterMs);
  }

  private now(): Now {
    return { monotonicMs: this.nowMs, wallMs: this.startWallMs + this.nowMs, wallTrusted: true };
  }

  private offset(): number {
    return Math.round(this.nowMs * 1000 - (this.zeroMs ?? this.nowMs) * 1000) / 1e6;
  }

  /** Lets time pass to `untilMs`, with each timer at its own moment. */
  private runTo(untilMs: number): void {
    for (let ticks = 0; ticks < mostTicks; ticks++) {
      const due = this.speaker.nextDeadline();
      if (!(due <= untilMs)) break;
      this.nowMs = Math.max(this.nowMs, due);
      this.give({ type: 'tick' }, 'timer');
      if (this.speaker.nextDeadline() <= this.nowMs) this.nowMs += 1;
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  private give(input: Input, what: string): void {
    const outputs = this.dispatch(input, this.now());
    this.entries.push(...accountOther(what, outputs, this.offset()).filter(({ decision }) => this.during || decision !== 'change'));
  }

  /** One pass, with what the peers answer to it. */
  private dispatch(input: Input, now: Now): Output[] {
    this.told.clear();
    const outputs = this.speaker.dispatch(input, now);
    outputs.push(...this.speaker.dispatch({ type: 'written' }, now));
    for (const output of outputs) if (output.type === 'session') this.perform(output.peer, output.output);
    return outputs;
  }

  private perform(name: string, output: Extract<Output, { type: 'session' }>['output']): void {
    const peer = this.peers.get(name);
    if (peer === undefined) return;
    if (output.type === 'write') for (const change of peer.take(output.bytes)) this.note(change.type, change.type === 'announce' ? change.route.prefix : change.prefix);
    if (output.type !== 'dial') return;
    const { connection } = output;
    this.give({ type: 'session', peer: name, input: { type: 'connected', connection, localAddress: this.localAddress(name) } }, 'session');
    this.give({ type: 'session', peer: name, input: { type: 'data', connection, bytes: peer.greeting } }, 'session');
  }

  private note(type: 'announce' | 'withdraw', prefix: string): void {
    const known = this.announced.has(prefix);
    if (this.told.has(prefix) || (type === 'withdraw' && !known)) return;
    this.told.add(prefix);
    if (type === 'withdraw') this.announced.delete(prefix);
    else this.announced.add(prefix);
    const h = [...this.speaker.world.locRib.handovers].find(([key]) => key.endsWith(`|${prefix}`))?.[1];
    this.sent.push({ change: type === 'withdraw' ? 'withdraw' : known ? 'change' : 'announce', prefix, state: h?.state ?? '', offsetSeconds: this.offset(), during: this.during });
  }

  private localAddress(name: string): IpAddress {
    const peer = this.config.bgp.peers.find((candidate) => candidate.name === name);
    const ipv4 = peer === undefined || isIpv4(peer.address);
    return peer?.sourceAddress ?? (ipv4 ? peer?.nextHop.ipv4 ?? ip('192.0.2.17') : peer?.nextHop.ipv6 ?? ip('2001:db8::17'));
  }

  private newPort(name: string): Link {
    const watch = this.config.watch.find((candidate) => roleOf({ bridge: candidate.bridge, ...candidate.ports }, name) !== 'unlisted') ?? this.config.watch[0];
    const ifindex = 100 + this.ports.size;
    this.ports.set(name, ifindex);
    return {
      ifindex, name, up: true, carrier: true, kind: name.startsWith('veth') ? 'veth' : 'tun',
      ...(watch === undefined ? {} : { master: this.bridges.get(watch.bridge) as number }),
    };
  }
}

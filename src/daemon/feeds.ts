import { endOfRib, packUpdates } from '../../bgp/pack-updates.ts';
import { streamOf } from '../../bgp/session.ts';
import type { FsmState } from '../../bgp/session-contract.ts';
import { encodeMessage } from '../../bgp/wire/message.ts';
import type { BmpStation, Config, PeerConfig } from '../../config/config.ts';
import { formatListenAddress } from '../../config/values.ts';
import { applyUpdate, newAdjRib } from '../../feeds/adj-rib.ts';
import { follow } from '../../feeds/conversation.ts';
import { greeting, messageFor, statistics, tables, termination } from '../../feeds/bmp-feed.ts';
import { openMrtFile, type MrtFile } from '../../feeds/io/mrt-file.ts';
import { openStation, type Station } from '../../feeds/io/station.ts';
import { messageRecord, stateRecord } from '../../feeds/mrt.ts';
import type { Ends, Neighbour, Observation } from '../../feeds/observation.ts';
import { hear, newSessions, type Session } from '../../feeds/sessions.ts';
import type { Now } from '../../net/time.ts';
import type { Log } from '../log.ts';
import type { FeedFacts } from '../metrics/collect.ts';
import type { Note, World } from '../world.ts';

export interface FeedsOptions {
  /** How a station may know this speaker. */
  readonly version: string;
  readonly world: () => World;
  readonly now: () => Now;
  readonly log: Log;
}

interface OpenStation {
  readonly config: BmpStation;
  readonly station: Station;
  readonly timer: NodeJS.Timeout;
  /** Why it is not connected. */
  problem: string | undefined;
}

/** So many octets are worked on in a turn of the event loop, or a quarter of what waits: so a flood of UPDATEs neither holds frames up nor piles up. */
const octetsInTurn = 16 * 1024;

/**
 * What passes on the sessions, for BMP stations and the MRT file. The sockets only hand over what they write and read; all else happens
 * in turns of its own, after the bytes have gone out.
 */
export class Feeds {
  private readonly options: FeedsOptions;
  private readonly sessions = newSessions();
  private readonly queue: Observation[] = [];
  private queuedOctets = 0;
  private due = false;
  private stations: OpenStation[] = [];
  private mrt: { readonly config: NonNullable<Config['telemetry']['mrt']>; readonly file: MrtFile } | undefined;

  constructor(options: FeedsOptions) {
    this.options = options;
  }

  /** Opens and closes what another configuration wants. */
  configure({ telemetry: { bmp, mrt } }: Config): void {
    const had = this.isOn;
    const hadTables = this.stations.length > 0;
    this.work(Infinity);
    if (!had && (bmp.length > 0 || mrt !== undefined)) this.catchUp();
    if (!hadTables && bmp.length > 0) for (const session of this.sessions.up.values()) this.fillTables(session);
    if (hadTables && bmp.length === 0) for (const session of this.sessions.up.values()) forget(session);
    const unwanted = this.stations.filter(({ config }) => !bmp.some((wanted) => isSame(wanted, config)));
    for (const each of unwanted) void closeStation(each);
    this.stations = [...this.stations.filter((each) => !unwanted.includes(each)), ...bmp.filter((wanted) => !this.stations.some(({ config }) => isSame(wanted, config))).map((wanted) => this.openStation(wanted))];
    if (isSame(mrt, this.mrt?.config)) return;
    const before = this.mrt?.file.close();
    this.mrt = mrt === undefined ? undefined : { config: mrt, file: this.openMrt(mrt, before) };
  }

  opened(peer: PeerConfig, connection: number, ends: Ends): void {
    this.push({ type: 'opened', connection, neighbour: this.neighbour(peer), ends, atMs: this.options.now().wallMs });
  }

  octets(connection: number, sent: boolean, bytes: Uint8Array): void {
    // Without a listener what is said in a session that is up is of no interest; how it came up is.
    if (!this.isOn && this.sessions.up.has(connection)) return;
    this.queuedOctets += bytes.length;
    this.push({ type: 'octets', connection, sent, bytes, atMs: this.options.now().wallMs });
  }

  closed(connection: number, byUs: boolean): void {
    this.push({ type: 'closed', connection, byUs, atMs: this.options.now().wallMs });
  }

  transition({ peer: name, fields: { from, to } }: Note, wallMs: number): void {
    if (this.mrt === undefined || name === undefined) return;
    const peer = this.options.world().peers.get(name)?.config;
    if (peer !== undefined) this.push({ type: 'state', neighbour: this.neighbour(peer), from: stateOf(from), to: stateOf(to), atMs: wallMs });
  }

  /** Says the last words to all. */
  async close(): Promise<void> {
    this.work(Infinity);
    const { stations, mrt } = this;
    this.stations = [];
    this.mrt = undefined;
    await Promise.all([...stations.map(closeStation), mrt?.file.close()]);
  }

  /** For metrics. */
  get facts(): FeedFacts {
    return {
      stations: this.stations.map(({ config, station: { connected, sent } }) => ({ station: formatListenAddress(config), connected, sent })),
      ...(this.mrt === undefined ? {} : { mrtLost: this.mrt.file.lost }),
    };
  }

  /** For `landfall status`. */
  get warnings(): string[] {
    const lost = this.mrt?.file.lost ?? 0;
    return [
      ...this.stations.flatMap(({ config, problem }) => (problem === undefined ? [] : [`BMP station ${formatListenAddress(config)} is told nothing: ${problem}`])),
      ...(lost === 0 ? [] : [`${lost} records are not in ${this.mrt?.config.file}: the disk was full or too slow`]),
    ];
  }

  private get isOn(): boolean {
    return this.stations.length > 0 || this.mrt !== undefined;
  }

  private push(observation: Observation): void {
    this.queue.push(observation);
    if (this.due) return;
    this.due = true;
    setImmediate(() => this.turn());
  }

  private turn(): void {
    this.due = false;
    this.work(Math.max(octetsInTurn, this.queuedOctets / 4));
    if (this.queue.length === 0) return;
    this.due = true;
    setImmediate(() => this.turn());
  }

  private work(octets: number): void {
    let done = 0;
    let count = 0;
    for (; count < this.queue.length && done <= octets; count++) {
      const observation = this.queue[count] as Observation;
      if (observation.type === 'octets') done += observation.bytes.length;
      this.take(observation);
    }
    this.queuedOctets -= done;
    this.queue.splice(0, count);
  }

  private take(observation: Observation): void {
    if (observation.type === 'state') {
      const { neighbour, from, to, atMs } = observation;
      this.mrt?.file.write(stateRecord(neighbour, this.localAddressTowards(neighbour), from, to, atMs));
      return;
    }
    for (const heard of hear(this.sessions, observation, this.stations.length > 0)) {
      if (heard.type === 'message') this.mrt?.file.write(messageRecord(heard));
      if (this.stations.length === 0) continue;
      const message = messageFor(heard);
      if (message !== undefined) for (const { station } of this.stations) station.send(message);
    }
  }

  private localAddressTowards({ name }: Neighbour): Ends['localAddress'] | undefined {
    for (const { neighbour, ends } of this.sessions.conversations.values()) if (neighbour.name === name) return ends.localAddress;
    return undefined;
  }

  private neighbour({ name, address, asn, vrf }: PeerConfig): Neighbour {
    const { config, segments } = this.options.world();
    return { name, address, asn, localAsn: config.bgp.asn, instance: vrf === 'default' ? 0 : (segments.get(vrf) ?? 0) + 1 };
  }

  /** Nothing was followed in the sessions that are up: from here on it is. */
  private catchUp(): void {
    for (const { session } of this.options.world().peers.values()) {
      const followed = session.negotiated === undefined ? undefined : this.sessions.up.get(session.negotiated.connection);
      if (followed !== undefined) follow(followed.conversation, streamOf(session));
    }
  }

  /** What the peer was sent so far. What it sent comes again: a reload asks for it (see reload/routes.ts). */
  private fillTables(session: Session): void {
    forget(session);
    const { config, peers } = this.options.world();
    const peer = peers.get(session.conversation.neighbour.name);
    const negotiated = peer?.session.negotiated;
    if (peer === undefined || negotiated === undefined) return;
    const updates = packUpdates([...peer.adjOut.sent.values()].map(({ route }) => ({ type: 'announce', route })), {
      context: negotiated.context, localAsn: config.bgp.asn, families: negotiated.families, peerType: peer.ibgp ? 'ibgp' : 'ebgp',
      ...(peer.config.role === undefined ? {} : { role: peer.config.role }),
    });
    for (const update of [...updates, ...negotiated.families.map(endOfRib)]) applyUpdate(session.adjRibOut, encodeMessage(update, negotiated.context), session.conversation.settled.addPath.sent);
  }

  private openStation(config: BmpStation): OpenStation {
    const { options, sessions } = this;
    const where = formatListenAddress(config);
    const log = options.log.child({ room: 'feeds' });
    const station = openStation({
      address: config.address, port: config.port, tables: () => tables(sessions),
      greeting: () => greeting(sessions, { sysName: options.world().config.node.name, sysDescr: `landfall ${options.version}` }),
      onState: (problem) => {
        opened.problem = problem;
        if (problem === undefined) log.write('info', 'station.connected', { station: where });
        else log.write('warn', 'station.lost', { station: where, text: problem });
      },
    });
    const report = (): void => {
      for (const message of statistics(sessions, options.now().wallMs)) station.send(message);
    };
    const opened: OpenStation = { config, station, timer: setInterval(report, config.statisticsSeconds * 1000).unref(), problem: undefined };
    return opened;
  }

  private openMrt({ file, maxBytes, keep }: NonNullable<Config['telemetry']['mrt']>, after: Promise<void> | undefined): MrtFile {
    const log = this.options.log.child({ room: 'feeds' });
    return openMrtFile({
      file, maxBytes, keep, after,
      onState: (problem) => (problem === undefined ? log.write('info', 'mrt.written', { file }) : log.write('warn', 'mrt.lost', { file, text: problem })),
    });
  }
}

function forget({ adjRibIn, adjRibOut }: Session): void {
  for (const rib of [adjRibIn, adjRibOut]) Object.assign(rib, newAdjRib());
}

function closeStation({ station, timer }: OpenStation): Promise<void> {
  clearInterval(timer);
  return station.close(termination());
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const states: readonly FsmState[] = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'];

/** Notes spell states in lower case. */
function stateOf(text: unknown): FsmState {
  return states.find((state) => state.toLowerCase() === text) ?? 'Idle';
}

import { networkInterfaces } from 'node:os';
import type { Config } from '../../config/config.ts';
import { parseIp, type IpAddress } from '../../net/ip.ts';
import { formatHistoryLine } from '../history.ts';
import { serveApi, type ApiServer } from '../io/api-socket.ts';
import { systemClock } from '../io/clock.ts';
import type { ConfigSource, Read } from '../io/config-source.ts';
import { keepHeapBounded, keepTrimmed } from '../io/heap.ts';
import type { Kubernetes } from '../io/kubernetes.ts';
import { listenSignals } from '../io/signals.ts';
import { notifySupervisor } from '../io/supervisor.ts';
import { openTelemetry, type Telemetry } from '../io/telemetry.ts';
import type { State } from '../io/state.ts';
import type { Log } from '../log.ts';
import type { ProcessFacts } from '../process-facts.ts';
import { chooseRouterId } from '../router-id.ts';
import { seededRandom } from '../replay/format.ts';
import { openRecorder, type Recorder } from '../replay/io/recorder.ts';
import { recorded } from '../replay/record.ts';
import { Speaker } from '../speaker.ts';
import { warmUp } from '../warm-up.ts';
import type { Input } from '../world.ts';
import { BgpSockets } from './bgp-sockets.ts';
import { answerCommands } from './commands.ts';
import { DataPlane } from './data-plane.ts';
import { Feeds } from './feeds.ts';
import { openHistoryFile, openMemory } from './memory.ts';
import { Reloading } from './reloading.ts';
import { Sources } from './sources.ts';
import { feedSupervisor, useFifo } from './supervision.ts';
import { Turn } from './turn.ts';
import { Words } from './words.ts';
import packageJson from '#package' with { type: 'json' };

export interface DaemonOptions {
  readonly configFile: string;
  readonly socket?: string;
  readonly dryRun: boolean;
  /** A folder for a recording. */
  readonly record?: string;
}

/** How long a stop waits until TCP has acknowledged the withdraws, in milliseconds. */
const drainForMs = 2000;

/** The process as a whole: its parts, the order in which they start, and how they stop. What happens in between is in the files beside it. */
export class Daemon {
  readonly ended: Promise<number>;
  private readonly options: DaemonOptions;
  private readonly log: Log;
  private readonly source: ConfigSource;
  private readonly clock = systemClock();
  private readonly speaker: Speaker;
  private readonly routerIdFrom: string;
  private readonly recorder: Recorder | undefined;
  private readonly words: Words;
  private readonly sockets: BgpSockets;
  private readonly sources: Sources;
  private readonly dataPlane: DataPlane;
  private readonly feeds: Feeds;
  private readonly turn: Turn;
  private readonly reloading: Reloading;
  private readonly telemetry: Telemetry;
  private readonly kubernetes: Kubernetes | undefined;
  private stopping = false;
  private state: State | undefined;
  private api: ApiServer | undefined;
  private watchdog: NodeJS.Timeout | undefined;
  private trimming: NodeJS.Timeout | undefined;
  private bounding: NodeJS.Timeout | undefined;
  private ignoreSignals: (() => void) | undefined;
  private end: (status: number) => void = () => undefined;

  constructor(config: Config, options: DaemonOptions, log: Log, source: ConfigSource, kubernetes: Kubernetes | undefined) {
    this.kubernetes = kubernetes;
    this.options = options;
    this.log = log;
    this.source = source;
    this.ended = new Promise((resolve) => { this.end = resolve; });
    const now = () => this.clock.now();
    const pump = (input: Input) => this.turn.pump(input);
    const warn = (text: string) => this.words.warn(text);
    const { dryRun } = options;
    this.words = new Words(log, (note, wallMs) => {
      this.telemetry.note(note, wallMs);
      this.kubernetes?.note(note, wallMs);
    });
    const feeds = new Feeds({ version: packageJson.version, world: () => this.speaker.world, now, log });
    this.feeds = feeds;
    this.sockets = new BgpSockets({ config: () => this.reloading.config, peer: (name) => this.speaker.world.peers.get(name)?.config, pump, warn, watcher: feeds });
    const { routerId, from } = chooseRouterId(config, ownAddresses());
    this.routerIdFrom = from;
    this.recorder = this.openRecorder({ version: packageJson.version, config, routerId, dryRun, now: now() });
    const speaker = new Speaker({
      config, routerId, dryRun, random: this.recorder === undefined ? Math.random : seededRandom(this.recorder.seed), newConnection: () => this.sockets.newConnection(),
    }, now());
    this.speaker = this.recorder === undefined ? speaker : recorded(speaker, (line) => this.recorder?.write(line));
    this.sources = new Sources({ frame: (frame, left) => this.turn.frame(frame, left), batchEnd: () => this.turn.batchEnd(), bridge: (change) => this.turn.bridge(change), pump, log });
    this.dataPlane = new DataPlane({ dryRun, pump, log, warn });
    const { sockets, sources, dataPlane, words } = this;
    this.turn = new Turn(this.speaker, this.clock, { sockets, sources, dataPlane, words, transition: (note, wallMs) => feeds.transition(note, wallMs), unsaved: () => this.state?.changed() });
    this.reloading = new Reloading({ config, source, dryRun, socket: options.socket, now, log, speaker: this.speaker, turn: this.turn, sockets, sources, dataPlane, feeds });
    this.telemetry = openTelemetry({
      backend: this.backend(), world: () => this.speaker.world, now, version: packageJson.version, log, dropped: () => sources.captured()?.dropped, feeds: () => feeds.facts, warn,
    });
  }

  private openRecorder(header: Parameters<typeof openRecorder>[1]): Recorder | undefined {
    const { record } = this.options;
    try {
      return record === undefined ? undefined : openRecorder(record, header, (text) => this.words.warn(text));
    } catch (error) {
      this.words.warn(`nothing is recorded in ${record}: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** @throws StartFailed where this host or the configuration won't have it */
  async start(loaded: Read): Promise<void> {
    const { log, options: { dryRun, socket }, reloading, speaker: { world }, turn, sources, words } = this;
    const { config } = reloading;
    const now = () => this.clock.now();
    const warn = (text: string) => words.warn(text);
    reloading.watch(loaded);
    this.kubernetes?.onLabels(() => void reloading.reload({ dryRun: false, of: 'labels' }));
    this.ignoreSignals = listenSignals({ stop: () => void this.stop(), reload: () => void reloading.reload({ dryRun: false }) });
    if (config.process.scheduling === 'fifo') useFifo(warn);
    const alone = this.dataPlane.keepJanitor(config);
    warmUp({ config, routerId: world.routerId }, now(), (bytes) => Buffer.from(bytes));
    this.bounding = keepHeapBounded();
    words.history = openHistoryFile({ config, world, now, log, warn });
    // Between the first frame and what is remembered nothing may wait.
    await alone;
    if (this.stopping) return;
    sources.keepGates(config);
    log.write('info', 'daemon.started', { version: packageJson.version, node: config.node.name, routerId: world.routerId, routerIdFrom: this.routerIdFrom, dryRun });
    sources.openCapture();
    this.dataPlane.keepKernel(config);
    this.dataPlane.keepMesh(config);
    this.dataPlane.watchFirewall(config);
    if (!dryRun) {
      // Before anything is judged.
      this.state = openMemory({ config, world, now, log, warn });
      turn.pump({ type: 'restored', ...this.state.restored });
    }
    await sources.openMonitor();
    if (this.stopping) return;
    const { mode, group } = config.api;
    this.api = await serveApi({ path: socket ?? config.api.socket, mode, ...(group === undefined ? {} : { group }), backend: this.backend(), log });
    await this.telemetry.serve();
    if (this.stopping) return this.close();
    this.trimming = keepTrimmed();
    if (!dryRun) this.sockets.warnOfKernel(config);
    if (config.bgp.listen.enabled && !dryRun) this.sockets.listen();
    if (!dryRun) this.feeds.configure(config);
    turn.pump({ type: 'start' });
    if (!dryRun) sources.openBfd(config, socket ?? config.api.socket);
    this.watchdog = feedSupervisor(world, warn);
    log.write('info', 'daemon.ready', { peers: config.bgp.peers.length });
  }

  private backend(): ReturnType<typeof answerCommands> {
    return answerCommands({
      speaker: this.speaker, turn: this.turn, now: () => this.clock.now(), reload: (options) => this.reloading.reload(options), facts: () => this.facts(), listeners: this.words.listeners,
    });
  }

  private facts(): Omit<ProcessFacts, 'capabilities'> {
    const { received = 0, dropped = 0 } = this.sources.captured() ?? {};
    const stateFile = this.state?.file;
    const stateProblem = this.state?.problem();
    return {
      version: packageJson.version, routerIdFrom: this.routerIdFrom, capture: { received, dropped },
      warnings: [...this.words.warnings, ...this.reloading.warnings, ...(this.kubernetes?.problems() ?? []), ...this.dataPlane.warnings(this.speaker.world), ...this.feeds.warnings],
      ...(stateFile === undefined ? {} : { stateFile }), ...(stateProblem === undefined ? {} : { stateProblem }), ...(this.recorder === undefined ? {} : { recording: this.recorder.folder }),
    };
  }

  /** SIGTERM: a restart where Graceful Restart is on (nothing is withdrawn, no Cease), else a stop for good. */
  private async stop(): Promise<void> {
    this.stopping = true;
    const { world } = this.speaker;
    // What was drained is not to come back by itself.
    const restart = this.reloading.config.bgp.gracefulRestart.enabled && world.drain === undefined;
    notifySupervisor('STOPPING=1');
    this.log.write('info', 'daemon.stopping', { restart });
    // A stop for good withdraws explicitly and waits until TCP has acknowledged it, before the Cease.
    if (!restart) {
      this.turn.carryOut(this.speaker.withdrawEverything(this.clock.now()));
      const until = this.clock.now().monotonicMs + drainForMs;
      while (this.clock.now().monotonicMs < until && this.sockets.unacknowledged() > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.sources.closeBfd(!restart);
    this.turn.pump({ type: 'stop', restart });
    this.state?.saveFinal();
    if (!restart) this.dataPlane.removeRoutes();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await this.close();
    for (const migration of world.migrations.open.values()) this.words.history?.append(formatHistoryLine(migration));
    await this.words.history?.flush();
    this.log.write('info', 'daemon.stopped', {});
    this.log.flush();
    this.end(0);
  }

  sayNow(): void {
    this.words.sayNow();
  }

  async close(): Promise<void> {
    this.sayNow();
    this.recorder?.close();
    this.ignoreSignals?.();
    this.turn.close();
    clearInterval(this.watchdog);
    clearInterval(this.trimming);
    clearInterval(this.bounding);
    this.source.close();
    this.sources.close();
    this.dataPlane.close();
    this.sockets.close();
    await this.feeds.close();
    this.state?.close();
    this.telemetry.close();
    this.kubernetes?.close();
    await this.api?.close();
  }
}

function ownAddresses(): IpAddress[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
    .filter((address) => !address.internal && !address.address.startsWith('169.254.'))
    .map((address) => parseIp(address.address))
    .filter((address) => address !== undefined);
}

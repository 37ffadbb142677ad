import { networkInterfaces } from 'node:os';
import { openBfd, type BfdClient } from '../bfd/io/client.ts';
import { openMonitor, type Monitor } from '../bridge/io/monitor.ts';
import { dial, listen, type Connection, type Listener } from '../bgp/io/tcp.ts';
import { readKey } from '../bgp/io/tcp-auth.ts';
import type { ConnectionId } from '../bgp/session-contract.ts';
import type { Config, PeerConfig } from '../config/config.ts';
import { formatErrors } from '../config/errors.ts';
import { readKernelFacts } from '../forward/io/facts.ts';
import { openFib, type Fib } from '../forward/io/fib.ts';
import { openMesh, type Mesh } from '../forward/io/mesh.ts';
import { openKernel, type Kernel } from '../forward/io/kernel.ts';
import { openCapture, type Capture } from '../garp/io/capture.ts';
import { isIpv4, parseIp, type IpAddress } from '../net/ip.ts';
import type { Migration } from '../routes/migrations.ts';
import type { Backend } from './backend.ts';
import { collectDrain } from './collect/drain.ts';
import { timeText } from './collect/time.ts';
import { coverageFindings, undeliverable } from './coverage.ts';
import { eventOf } from './events.ts';
import { collectPrefixes } from './collect/prefixes.ts';
import { formatHistoryLine, restoreHistory } from './history.ts';
import { openGateKeeper, type GateKeeper } from './io/gate.ts';
import { historyBeside, openHistory, readHistory, type HistoryFile } from './io/history-file.ts';
import { serveApi, type ApiServer } from './io/api-socket.ts';
import { explainMissing, readCapabilitySets } from './io/capabilities.ts';
import { systemClock } from './io/clock.ts';
import { openConfigSource, type ConfigSource, type Read } from './io/config-source.ts';
import { listenSignals } from './io/signals.ts';
import { openTelemetry, type Telemetry } from './io/telemetry.ts';
import { openState, type State } from './io/state.ts';
import { notifySupervisor, setScheduling } from './io/supervisor.ts';
import { bfdOrder } from './liveness.ts';
import { createLog, type Log } from './log.ts';
import type { ProcessFacts } from './process-facts.ts';
import { answer, findAddress, list, refusal } from './queries.ts';
import { chooseRouterId } from './router-id.ts';
import { memoryText } from './restore.ts';
import { planReload } from './reload/plan.ts';
import { reportReload } from './reload/report.ts';
import { seededRandom } from './replay/format.ts';
import { openRecorder, type Recorder } from './replay/io/recorder.ts';
import { recorded } from './replay/record.ts';
import { Speaker } from './speaker.ts';
import type { EventItem, ReloadItem } from './views/items.ts';
import { whyNeverAnnounced } from './watching.ts';
import { warmUp } from './warm-up.ts';
import type { Input, Note, Output } from './world.ts';
import packageJson from '#package' with { type: 'json' };

export interface DaemonOptions {
  readonly configFile: string;
  readonly socket?: string;
  readonly dryRun: boolean;
  /** A folder for a recording. */
  readonly record?: string;
}

/** A daemon that can't start: the sentence for the operator, and the exit status. */
class StartFailed extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** How long a stop waits until TCP has acknowledged the withdraws, in milliseconds. */
const drainForMs = 2000;
/** How long `drain` lets routes leave before it withdraws them, in seconds. */
const usualDrainSeconds = 5;
/** From so many frames at once on, UPDATEs share a call of the kernel; after so many frames they go out. */
const shareFrom = 4;
const shareAtMost = 16;
/** So many notes may wait for the end of a burst of frames. */
const unsaidAtMost = 20_000;

/** Runs until it is told to stop. @returns the exit status: 0, 1 (can't run here), 3 (configuration not valid). */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  const source = openConfigSource(options.configFile, { environment: process.env });
  const loaded = source.read();
  if (loaded.config === undefined) {
    process.stderr.write(`${formatErrors(loaded.errors)}\n`);
    return 3;
  }
  const { config } = loaded;
  const log = createLog({ level: config.log.level, format: config.log.format });
  for (const warning of loaded.warnings) log.child({ room: 'config' }).write('warn', 'config.warning', { text: formatErrors([warning]) });
  const daemon = new Daemon(config, options, log, source);
  // A belief of ours was false: say so once and end, so that the supervisor starts anew; nothing goes on half alive.
  process.on('uncaughtException', (error) => {
    daemon.sayNow();
    log.write('error', 'daemon.failed', { text: `internal error: ${error.message}`, stack: error.stack });
    log.flush();
    process.exit(70);
  });
  try {
    daemon.watch(loaded);
    await daemon.start();
  } catch (error) {
    await daemon.close();
    if (!(error instanceof Error)) throw error;
    log.write('error', 'daemon.failed', { text: error.message });
    log.flush();
    return error instanceof StartFailed ? error.status : 1;
  }
  return daemon.ended;
}

/** The loop: inputs go into the speaker, outputs to sockets, one alarm for the whole process. */
class Daemon {
  readonly ended: Promise<number>;
  private config: Config;
  private readonly source: ConfigSource;
  private readonly options: DaemonOptions;
  private readonly log: Log;
  private readonly logs = new Map<string, Log>();
  private readonly clock = systemClock();
  private readonly speaker: Speaker;
  private readonly routerIdFrom: string;
  private readonly recorder: Recorder | undefined;
  private readonly connections = new Map<ConnectionId, Connection>();
  private readonly listeners = new Set<(event: EventItem) => void>();
  private readonly warnings = new Set<string>();
  private capture: Capture | undefined;
  private monitor: Monitor | undefined;
  /** Open where `kernel` is configured. */
  private kernel: Kernel | undefined;
  private fib: Fib | undefined;
  private mesh: Mesh | undefined;
  private readonly bgpListeners = new Map<IpAddress, Listener>();
  private state: State | undefined;
  private api: ApiServer | undefined;
  private alarm: NodeJS.Timeout | undefined;
  private alarmAt = Infinity;
  private watchdog: NodeJS.Timeout | undefined;
  private bfd: BfdClient | undefined;
  private ignoreSignals: (() => void) | undefined;
  private nextConnection = 1;
  private end: (status: number) => void = () => undefined;
  /** Inputs that came while one was being worked on; a `dispatch` is never entered twice. */
  private readonly waiting: Input[] = [];
  private working = false;
  /** More frames are about to come in this turn of the loop. */
  private inBatch = false;
  /** Inputs since connections were held, while they are: their UPDATEs go out in one call of the kernel. */
  private held: number | undefined;
  /** The packet socket had more frames than one turn takes. */
  private moreFrames = false;
  private readonly unsaid: { readonly note: Note; readonly wallMs: number }[] = [];
  private sayingDue = false;
  /** When each peer's last byte of this pass was handed to the kernel, monotonic ms. */
  private readonly writtenAt = new Map<string, number>();
  /** Migrations whose line in the history file is out of date. */
  private readonly unrecorded = new Set<Migration>();
  private gateKeeper: GateKeeper | undefined;
  private history: HistoryFile | undefined;
  private readonly telemetry: Telemetry;
  /** Why what is on disk does not run, after a reload that was refused. */
  private readonly refused = new Map<'configuration' | 'bindings', string>();

  constructor(config: Config, options: DaemonOptions, log: Log, source: ConfigSource) {
    this.config = config;
    this.source = source;
    this.options = options;
    this.log = log;
    this.ended = new Promise((resolve) => { this.end = resolve; });
    const { routerId, from } = chooseRouterId(config, ownAddresses());
    this.routerIdFrom = from;
    const now = this.clock.now();
    this.recorder = this.openRecorder({ version: packageJson.version, config, routerId, dryRun: options.dryRun, now });
    const speaker = new Speaker({
      config, routerId, dryRun: options.dryRun, random: this.recorder === undefined ? Math.random : seededRandom(this.recorder.seed), newConnection: () => this.nextConnection++,
    }, now);
    this.speaker = this.recorder === undefined ? speaker : recorded(speaker, (line) => this.recorder?.write(line));
    this.telemetry = openTelemetry({
      backend: this.backend(), world: () => this.speaker.world, now: () => this.clock.now(), version: packageJson.version, log,
      dropped: () => this.capture?.statistics().dropped, warn: (text) => this.warn(text),
    });
  }

  private openRecorder(header: Parameters<typeof openRecorder>[1]): Recorder | undefined {
    const { record } = this.options;
    try {
      return record === undefined ? undefined : openRecorder(record, header, (text) => this.warn(text));
    } catch (error) {
      this.warn(`nothing is recorded in ${record}: ${(error as Error).message}`);
      return undefined;
    }
  }

  async start(): Promise<void> {
    const { config, log } = this;
    this.ignoreSignals = listenSignals({ stop: () => void this.stop(), reload: () => void this.reload({ dryRun: false }) });
    if (config.process.scheduling === 'fifo') this.useFifo();
    warmUp({ config, routerId: this.speaker.world.routerId }, this.clock.now(), (bytes) => Buffer.from(bytes));
    this.openHistoryFile();
    this.keepGates();
    log.write('info', 'daemon.started', {
      version: packageJson.version, node: config.node.name, routerId: this.speaker.world.routerId, routerIdFrom: this.routerIdFrom, dryRun: this.options.dryRun,
    });
    try {
      this.capture = openCapture({
        onFrame: (frame, left) => {
          // A new port's first frame can be here before the news of the port: the two come on different sockets.
          if (!this.speaker.world.bridges.links.has(frame.ifindex)) this.monitor?.catchUp();
          this.inBatch = true;
          if (left >= shareFrom) this.moreFrames = true;
          if (left >= shareFrom && this.held === undefined) this.hold();
          this.pump({ type: 'frame', frame });
          if (this.held !== undefined && ++this.held >= shareAtMost) this.release();
        },
        onBatchEnd: () => {
          this.release();
          this.afterwards();
        },
        onError: (error) => this.log.child({ room: 'garp' }).write('error', 'capture.failed', { text: error.message }),
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPERM') throw new StartFailed(`cannot open a packet socket: ${explainMissing('CAP_NET_RAW')}`, 1);
      throw error;
    }
    log.child({ room: 'garp' }).write('info', 'capture.opened', {});
    this.keepKernel();
    this.openMesh();
    this.restore();
    await this.openMonitor();
    const backend = this.backend();
    this.api = await serveApi({
      path: this.options.socket ?? config.api.socket, mode: config.api.mode, ...(config.api.group === undefined ? {} : { group: config.api.group }), backend, log,
    });
    await this.telemetry.serve();
    if (config.bgp.listen.enabled && !this.options.dryRun) this.listen();
    this.pump({ type: 'start' });
    this.openBfd();
    this.feedSupervisor();
    log.write('info', 'daemon.ready', { peers: config.bgp.peers.length });
  }

  /** What the life before left behind, before anything is judged; from then on what this one will leave is kept. */
  private restore(): void {
    if (this.options.dryRun) return;
    const { world } = this.speaker;
    this.state = openState({
      file: this.config.state?.file, node: this.config.node.name, log: this.log.child({ room: 'src' }), warn: (text) => this.warn(text),
      content: (bootId, final) => {
        world.now = this.clock.now();
        return memoryText(world, bootId, final);
      },
    });
    this.pump({ type: 'restored', ...this.state.restored });
  }

  /** The first look at bridges and ports comes before the first frame is judged. */
  private openMonitor(): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = setTimeout(() => reject(new StartFailed('the kernel did not answer a netlink dump within 5 s', 1)), 5000);
      this.monitor = openMonitor({
        onChange: (change) => {
          this.pump({ type: 'bridge', change });
          if (change.type !== 'resync') return;
          clearTimeout(giveUp);
          resolve();
        },
        onError: (error) => this.log.child({ room: 'bridge' }).write('warn', 'bridge.changed', { text: error.message }),
      });
    });
  }

  private keepKernel(): void {
    const { kernel: { routes, refreshNeighbors }, stragglers } = this.config;
    if (this.kernel !== undefined || this.options.dryRun || (routes === 'off' && !refreshNeighbors && !stragglers.enabled)) return;
    this.kernel = openKernel((text) => this.log.child({ room: 'forward' }).write('warn', 'kernel.problem', { text }), stragglers.mode);
  }

  private keepGates(): void {
    this.gateKeeper?.close();
    const { checks } = this.config.gate;
    this.gateKeeper = checks.length === 0 ? undefined : openGateKeeper(checks, (ifindex, port, answer) => this.pump({ type: 'gate', ifindex, port, ...answer }));
  }

  /**
   * Reads the files again, and applies what differs from what runs: all of it or, where anything is wrong, nothing. The sessions of peers
   * that it takes away end a little later. @param bindingsOnly the bindings file alone is read again
   */
  reload({ dryRun, bindingsOnly = false }: { readonly dryRun: boolean; readonly bindingsOnly?: boolean }): ReloadItem {
    if (!dryRun) notifySupervisor(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    const read = bindingsOnly ? this.source.readBindings() : this.source.read();
    const plan = read.config === undefined ? undefined : planReload(this.config, read.config);
    const item = reportReload(dryRun, plan, read.errors, read.warnings);
    if (dryRun) return item;
    const log = this.log.child({ room: 'config' });
    if (read.config === undefined || item.result === 'refused') {
      const problems = read.config === undefined ? item.errors : [`only a restart can change ${plan?.refused.map(({ key }) => key).join(', ')}`];
      this.perform(problems.map((text): Output => ({ type: 'note', note: { level: 'warn', room: 'config', event: 'config.refused', publish: 'config', fields: { text } } })));
      this.afterwards();
      const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
      this.refused.set(bindingsOnly ? 'bindings' : 'configuration', `what is on disk is not what runs: ${problems[0]}${more}; mend it${bindingsOnly ? '' : ', then landfall reload'}`);
      this.speaker.world.lastReload = { wallMs: this.clock.now().wallMs, successful: false };
    } else {
      this.refused.delete('bindings');
      if (!bindingsOnly) this.refused.delete('configuration');
      for (const text of item.warnings) log.write('warn', 'config.warning', { text });
      this.apply(read.config, item);
      this.watch(read);
      if (this.refused.size > 0) this.speaker.world.lastReload = { wallMs: this.clock.now().wallMs, successful: false };
    }
    notifySupervisor('READY=1');
    return item;
  }

  /** This is what runs: its files are watched from now on. */
  watch(read: Read): void {
    this.source.take(read, {
      bindings: () => void this.reload({ dryRun: false, bindingsOnly: true }),
      configuration: () => void this.reload({ dryRun: false }),
    });
  }

  private apply(config: Config, item: ReloadItem): void {
    const gates = item.changes.some(({ key }) => key.startsWith('gate.'));
    const watched = JSON.stringify(bfdOrder(this.config));
    this.config = config;
    this.log.setLevel(config.log.level);
    this.log.setFormat(config.log.format);
    if (gates) this.keepGates();
    this.keepKernel();
    this.mesh?.close();
    this.mesh = undefined;
    this.openMesh();
    this.pump({ type: 'reload', config });
    if (watched !== JSON.stringify(bfdOrder(config))) {
      this.bfd?.close(bfdOrder(config) === undefined);
      this.bfd = undefined;
      this.openBfd();
    }
    if (item.peers.length > 0) {
      this.renewListeners();
      void this.seeOff();
    }
  }

  /** Peers that are taken away have their withdraws now: when TCP says so, their sessions end. */
  private async seeOff(): Promise<void> {
    for (;;) {
      const leaving = [...this.speaker.world.peers.values()].filter((peer) => peer.farewell !== undefined);
      if (leaving.length === 0) return;
      for (const { config, session } of leaving) {
        const connection = session.negotiated === undefined ? undefined : this.connections.get(session.negotiated.connection);
        if ((connection?.unacknowledged() ?? 0) === 0) this.pump({ type: 'acknowledged', peer: config.name });
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  private useFifo(): void {
    try {
      setScheduling('fifo', 20);
    } catch {
      this.warn(`process.scheduling fifo is refused: ${explainMissing('CAP_SYS_NICE')}; running with normal scheduling`);
    }
  }

  /** Takes up the migrations of earlier lives. Whatever is wrong with the file, the daemon runs. */
  private openHistoryFile(): void {
    const { keep, file: configured } = this.config.telemetry.history;
    const file = configured ?? historyBeside(this.config.state?.file);
    if (file === undefined) return;
    const { world } = this.speaker;
    let lines: string[] = [];
    try {
      lines = readHistory(file, keep);
      const skipped = restoreHistory(world.migrations, lines, this.clock.now());
      if (skipped > 0) this.log.write('warn', 'daemon.warning', { text: `${skipped} lines of ${file} are no migrations of this version: left out` });
    } catch (error) {
      this.warn(`telemetry.history.file can't be read: ${(error as Error).message}; show migrations begins anew`);
    }
    const latest = (): string[] => world.migrations.all.slice(-keep).map((m) => `${formatHistoryLine(m)}\n`);
    this.history = openHistory(file, keep, lines.length, latest, (error) => this.warn(`telemetry.history.file can't be written: ${error.message}; migrations are not kept over a restart`));
  }

  private warn(text: string): void {
    this.warnings.add(text);
    this.log.write('warn', 'daemon.warning', { text });
  }

  /** Nearly all of the daemon: one input in, its outputs out, in the same turn of the loop. */
  private pump(input: Input): void {
    this.waiting.push(input);
    if (this.working) return;
    this.working = true;
    try {
      for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
        this.perform(this.speaker.dispatch(next, this.clock.now()));
        if (this.held === undefined) this.tellWritten();
      }
    } finally {
      this.working = false;
    }
    if (!this.inBatch) this.afterwards();
  }

  /** The bytes are with the kernel: the handovers they were for learn when. */
  private tellWritten(): void {
    if (this.speaker.world.writing.size === 0) return;
    this.perform(this.speaker.dispatch({ type: 'written', at: this.writtenAt }, this.clock.now()));
    this.writtenAt.clear();
  }

  /** Many VMs at once: what follows from some frames is one write per router. */
  private hold(): void {
    this.held = 0;
    for (const connection of this.connections.values()) connection.hold();
  }

  private release(): void {
    if (this.held === undefined) return;
    this.held = undefined;
    for (const connection of this.connections.values()) connection.release();
    if (this.writtenAt.size > 0) {
      const { monotonicMs } = this.clock.now();
      for (const peer of this.writtenAt.keys()) this.writtenAt.set(peer, monotonicMs);
    }
    this.tellWritten();
  }

  /** What can wait until the frames that are here have been turned into UPDATEs: words, and the alarm. */
  private afterwards(): void {
    this.inBatch = false;
    this.setAlarm();
    if (this.speaker.world.unsaved) {
      this.speaker.world.unsaved = false;
      this.state?.changed();
    }
    if (this.sayingDue || (this.unsaid.length === 0 && this.unrecorded.size === 0)) return;
    this.sayingDue = true;
    setImmediate(() => this.sayAll());
  }

  /** Words come last: while a burst of frames goes on they wait, up to a limit. */
  private sayAll(): void {
    this.sayingDue = false;
    if (this.moreFrames && this.unsaid.length < unsaidAtMost) {
      this.moreFrames = false;
      this.afterwards();
      return;
    }
    this.sayNow();
  }

  sayNow(): void {
    for (const { note, wallMs } of this.unsaid.splice(0)) this.say(note, wallMs);
    for (const migration of this.unrecorded) this.history?.append(formatHistoryLine(migration));
    this.unrecorded.clear();
  }

  /** Bytes for the routers first; words about them after. */
  private perform(outputs: readonly Output[]): void {
    for (const output of outputs) {
      if (output.type === 'session') this.performSession(output.peer, output.output);
      else if (output.type === 'sendFrame') this.sendFrame(output.ifindex, output.bytes);
      else if (output.type === 'mesh') this.performMesh(output);
      else if (output.type === 'kernel') this.performKernel(output);
      else if (output.type === 'askGate') this.gateKeeper?.ask(output.ifindex, output.port);
      else if (output.type === 'history') this.unrecorded.add(output.migration);
      else this.unsaid.push({ note: output.note, wallMs: this.speaker.world.now.wallMs });
    }
  }

  private performKernel({ changes, refresh, leftovers }: Extract<Output, { type: 'kernel' }>): void {
    this.kernel?.apply(changes);
    this.kernel?.refresh(refresh);
    if (leftovers === true) this.kernel?.removeLeftovers();
  }

  private performMesh({ endpoint, claims }: Extract<Output, { type: 'mesh' }>): void {
    if (endpoint !== undefined) this.kernel?.prepareTunnel(endpoint);
    for (const { claim, members } of claims) this.mesh?.tell(claim, members);
  }

  /** Without its key a node tells nothing and believes nothing. */
  private openMesh(): void {
    const { enabled, listen, key } = this.config.stragglers;
    if (!enabled || this.options.dryRun || listen === undefined || key === undefined) return;
    try {
      this.mesh = openMesh({
        key: readKey(key), port: listen.port, ...(listen.address === '0.0.0.0' || listen.address === '::' ? {} : { address: listen.address }),
        onClaim: (claim) => this.pump({ type: 'mesh', claim }), onError: (text) => this.warn(text),
      });
    } catch (error) {
      this.warn(`stragglers are not passed on: ${(error as Error).message}`);
    }
  }

  private performSession(peer: string, output: Extract<Output, { type: 'session' }>['output']): void {
    switch (output.type) {
      case 'dial':
        this.dial(peer, output.connection);
        return;
      case 'write':
        this.connections.get(output.connection)?.write(output.bytes);
        if (this.speaker.world.writing.size > 0) this.writtenAt.set(peer, this.clock.now().monotonicMs);
        return;
      case 'close':
        this.connections.get(output.connection)?.close();
        this.connections.delete(output.connection);
        return;
    }
  }

  private dial(name: string, connection: ConnectionId): void {
    const peer = this.speaker.world.peers.get(name)?.config;
    if (peer === undefined) return;
    let key: Uint8Array | undefined;
    try {
      key = peer.password === undefined ? undefined : readKey(peer.password);
    } catch (error) {
      // Without its key a keyed peer has no session at all.
      setImmediate(() => this.pump({ type: 'session', peer: name, input: { type: 'closed', connection, error: (error as Error).message } }));
      return;
    }
    this.connections.set(connection, dial({
      address: peer.address, port: peer.port, ibgp: peer.asn === this.config.bgp.asn, ttlSecurity: peer.ttlSecurity,
      ...(peer.sourceAddress === undefined ? {} : { sourceAddress: peer.sourceAddress }), ...(peer.multihop === undefined ? {} : { multihop: peer.multihop }),
      ...(key === undefined ? {} : { md5: key }), ...(peer.interface === undefined ? {} : { interface: peer.interface }),
      // The kernel gives up on a peer that acknowledges nothing a little after we would have told it so (RFC 9687), and not after a quarter of an hour.
      userTimeoutMs: ((peer.timers.sendHoldSeconds ?? Math.max(480, 2 * peer.timers.holdSeconds)) + 5) * 1000,
    }, {
      connected: ({ localAddress }) => this.pump({ type: 'session', peer: name, input: { type: 'connected', connection, localAddress } }),
      data: (bytes) => this.pump({ type: 'session', peer: name, input: { type: 'data', connection, bytes } }),
      written: (unsent) => this.pump({ type: 'session', peer: name, input: { type: 'written', connection, unsent } }),
      closed: (error) => this.connectionClosed(name, connection, error),
    }));
  }

  /** One listener per family that has peers; it answers nobody else, and has every key before it listens. */
  private listen(): void {
    for (const address of ['0.0.0.0', '::'] as IpAddress[]) {
      try {
        this.listenOn(address);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        const { port } = this.config.bgp.listen;
        throw new StartFailed(`cannot listen for BGP on port ${port}: ${code === 'EACCES' ? explainMissing('CAP_NET_BIND_SERVICE') : message}`, 1);
      }
    }
  }

  /** The process is started where no one else has done so; it outlives us. */
  private openBfd(): void {
    const order = this.options.dryRun ? undefined : bfdOrder(this.config);
    if (order === undefined) return;
    const elsewhere = process.env['LANDFALL_BFD_SOCKET'];
    const path = elsewhere ?? `${(this.options.socket ?? this.config.api.socket).replace(/\.sock$/, '')}-bfd.sock`;
    this.bfd = openBfd({
      path, order, ...(elsewhere === undefined ? { command: [process.execPath, ...process.execArgv, process.argv[1] as string, 'bfd', '--listen', path, '--transient'] } : {}),
      onReport: (report) => this.pump({ type: 'bfd', report }),
      onLost: (reason) => this.pump({ type: 'bfdLost', reason }),
    });
  }

  /** A reload has changed peers: those that are there now are answered, with their keys. */
  private renewListeners(): void {
    if (!this.config.bgp.listen.enabled || this.options.dryRun) return;
    for (const address of ['0.0.0.0', '::'] as IpAddress[]) {
      try {
        this.listenOn(address);
      } catch (error) {
        this.warn(`the BGP listener does not know the peers of the last reload: ${(error as Error).message}`);
      }
    }
  }

  private listenOn(address: IpAddress): void {
    const { bgp } = this.config;
    const ofFamily = (): readonly PeerConfig[] => this.config.bgp.peers.filter((peer) => isIpv4(peer.address) === isIpv4(address));
    const peers = ofFamily().map((peer) => ({
      address: peer.address, ibgp: peer.asn === bgp.asn, ttlSecurity: peer.ttlSecurity, ...(peer.interface === undefined ? {} : { interface: peer.interface }),
      ...(peer.multihop === undefined ? {} : { multihop: peer.multihop }), ...(peer.password === undefined ? {} : { md5: readKey(peer.password) }),
    }));
    const there = this.bgpListeners.get(address);
    if (there !== undefined) return there.setPeers(peers);
    if (peers.length === 0) return;
    this.bgpListeners.set(address, listen({ address, port: bgp.listen.port, peers }, (accepted) => {
      const peer = ofFamily().find((candidate) => candidate.address === accepted.remoteAddress
        && (candidate.interface === undefined || accepted.interface === undefined || candidate.interface === accepted.interface));
      if (peer === undefined) return;
      const connection = this.nextConnection++;
      this.connections.set(connection, accepted.take({
        data: (bytes) => this.pump({ type: 'session', peer: peer.name, input: { type: 'data', connection, bytes } }),
        written: (unsent) => this.pump({ type: 'session', peer: peer.name, input: { type: 'written', connection, unsent } }),
        closed: (error) => this.connectionClosed(peer.name, connection, error),
      }));
      this.pump({ type: 'session', peer: peer.name, input: { type: 'accepted', connection, localAddress: accepted.localAddress } });
    }, (error) => this.warn(`the BGP listener failed: ${error.message}`)));
  }

  private connectionClosed(peer: string, connection: ConnectionId, error?: string): void {
    if (!this.connections.delete(connection)) return; // we closed it
    this.pump({ type: 'session', peer, input: error === undefined ? { type: 'closed', connection } : { type: 'closed', connection, error } });
  }

  private sendFrame(ifindex: number, bytes: Uint8Array): void {
    try {
      this.capture?.send(ifindex, bytes);
    } catch {
      // The port went down or away under the probe: netlink tells of that, and a probe that was not sent is one that is not answered.
    }
  }

  private say(note: Note, wallMs: number): void {
    const owner = `${note.room} ${note.peer ?? ''}`;
    let log = this.logs.get(owner);
    if (log === undefined) {
      log = this.log.child(note.peer === undefined ? { room: note.room } : { room: note.room, peer: note.peer });
      this.logs.set(owner, log);
    }
    log.write(note.level, note.event, note.fields, wallMs);
    this.telemetry.note(note, wallMs);
    if (this.listeners.size === 0) return;
    const event = eventOf(note, timeText(wallMs));
    if (event !== undefined) for (const listener of this.listeners) listener(event);
  }

  private setAlarm(): void {
    const at = this.speaker.nextDeadline();
    if (at === this.alarmAt && this.alarm !== undefined) return;
    clearTimeout(this.alarm);
    this.alarmAt = at;
    // Socket data that waits is delivered before timers that are due, so a process that was stopped judges its peers by what they sent.
    this.alarm = setTimeout(() => {
      this.alarm = undefined;
      setImmediate(() => this.pump({ type: 'tick' }));
    }, Math.min(Math.max(0, Math.ceil(at - this.clock.now().monotonicMs)), 60_000));
  }

  private backend(): Backend {
    return {
      handle: (request) => {
        const { world } = this.speaker;
        world.now = this.clock.now();
        if (request.verb === 'announce' || request.verb === 'withdraw' || request.verb === 'auto') {
          const found = findAddress(world, request.address, request.vrf);
          if ('kind' in found) return found;
          const barred = request.verb === 'announce' ? whyNeverAnnounced(world, found.vrf, found.address) : undefined;
          if (barred !== undefined) return refusal('conflict', `${found.address} is ${barred}: not even an operator can announce it`);
          const forSeconds = request.verb === 'withdraw' ? request.forSeconds : undefined;
          this.perform(this.speaker.override(found.vrf, found.address, request.verb, this.clock.now(), forSeconds));
          this.tellWritten();
          this.afterwards();
          return list(world, 'PrefixList', []);
        }
        if (request.verb === 'clear') {
          const found = findAddress(world, request.address, request.vrf);
          if ('kind' in found) return found;
          const { outputs, lifted } = this.speaker.clear(found.vrf, found.address, this.clock.now());
          this.perform(outputs);
          this.tellWritten();
          this.afterwards();
          return list(world, 'PrefixList', lifted ? collectPrefixes(world, { prefix: found.address }) : []);
        }
        if (request.verb === 'reload') return list(world, 'Reload', [this.reload({ dryRun: request.dryRun === true })]);
        if (request.verb === 'beginDrain' || request.verb === 'undrain') {
          const now = this.clock.now();
          this.perform(request.verb === 'undrain' ? this.speaker.undrain(now) : this.speaker.drain((request.waitSeconds ?? usualDrainSeconds) * 1000, now));
          this.afterwards();
          return list(world, 'Drain', [collectDrain(world)]);
        }
        const { received = 0, dropped = 0 } = this.capture?.statistics() ?? {};
        return answer(world, request, {
          version: packageJson.version, routerIdFrom: this.routerIdFrom, capture: { received, dropped }, warnings: [...this.warnings, ...this.refused.values(), ...(this.kernel?.problems() ?? []), ...this.coverageWarnings()], ...processFacts(this.state?.file), ...(this.recorder === undefined ? {} : { recording: this.recorder.folder }),
        });
      },
      subscribe: (listener) => {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
      },
    };
  }

  /** What the node's own data plane leaves open, as the kernel stands now. */
  private coverageWarnings(): string[] {
    const { world } = this.speaker;
    try {
      this.fib ??= openFib();
      const { fib } = this;
      return [...coverageFindings(world, readKernelFacts).map(({ text }) => text), ...undeliverable(world, (address) => fib.outgoing(address))];
    } catch (error) {
      return [`the node's own table can't be asked: ${(error as Error).message}`];
    }
  }

  /** sd_notify: ready, then the watchdog from the event loop itself, and one line of status. */
  private feedSupervisor(): void {
    const status = (): string => {
      const { peers, locRib } = this.speaker.world;
      let established = 0;
      for (const peer of peers.values()) if (peer.session.fsm === 'Established') established += 1;
      let announced = 0;
      for (const h of locRib.handovers.values()) if (h.state !== 'withdrawn') announced += 1;
      return `STATUS=${established} of ${peers.size} peers established, ${announced} prefixes`;
    };
    const ready = notifySupervisor(`READY=1\n${status()}`);
    if (typeof ready === 'object') this.warn(`the supervisor does not take READY (${ready.error}): it may end us at its start timeout`);
    if (ready === 'nobody') return;
    const watchdogMs = Number(process.env['WATCHDOG_USEC'] ?? 20_000_000) / 1000;
    this.watchdog = setInterval(() => notifySupervisor(`WATCHDOG=1\n${status()}`), Math.max(500, watchdogMs / 2));
  }

  /** SIGTERM: a restart where Graceful Restart is on (nothing is withdrawn, no Cease), else a stop for good. */
  private async stop(): Promise<void> {
    // What was drained is not to come back by itself.
    const restart = this.config.bgp.gracefulRestart.enabled && this.speaker.world.drain === undefined;
    notifySupervisor('STOPPING=1');
    this.log.write('info', 'daemon.stopping', { restart });
    // A stop for good withdraws explicitly and waits until TCP has acknowledged it, before the Cease.
    if (!restart) {
      this.perform(this.speaker.withdrawEverything(this.clock.now()));
      this.afterwards();
      const until = this.clock.now().monotonicMs + drainForMs;
      while (this.clock.now().monotonicMs < until && [...this.connections.values()].some((connection) => connection.unacknowledged() > 0)) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    this.bfd?.close(!restart);
    this.pump({ type: 'stop', restart });
    this.state?.saveFinal();
    if (!restart) this.kernel?.close(true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await this.close();
    for (const migration of this.speaker.world.migrations.open.values()) this.history?.append(formatHistoryLine(migration));
    await this.history?.flush();
    this.log.write('info', 'daemon.stopped', {});
    this.log.flush();
    this.end(0);
  }

  async close(): Promise<void> {
    this.sayNow();
    this.recorder?.close();
    this.ignoreSignals?.();
    clearTimeout(this.alarm);
    clearInterval(this.watchdog);
    this.gateKeeper?.close();
    this.bfd?.close(false);
    this.source.close();
    this.capture?.close();
    this.monitor?.close();
    this.kernel?.close(false);
    this.fib?.close();
    this.mesh?.close();
    for (const listener of this.bgpListeners.values()) listener.close();
    for (const connection of this.connections.values()) connection.close();
    this.connections.clear();
    this.state?.close();
    this.telemetry.close();
    await this.api?.close();
  }
}

function processFacts(stateFile: string | undefined): Pick<ProcessFacts, 'capabilities' | 'stateFile'> {
  const capabilities = readCapabilitySets();
  return { ...(capabilities === undefined ? {} : { capabilities }), ...(stateFile === undefined ? {} : { stateFile }) };
}

function ownAddresses(): IpAddress[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
    .filter((address) => !address.internal && !address.address.startsWith('169.254.'))
    .map((address) => parseIp(address.address))
    .filter((address) => address !== undefined);
}

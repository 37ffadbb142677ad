import type { Config } from '../../config/config.ts';
import type { Now } from '../../net/time.ts';
import type { ConfigSource, Read } from '../io/config-source.ts';
import { notifySupervisor } from '../io/supervisor.ts';
import { bfdOrder } from '../liveness.ts';
import type { Log } from '../log.ts';
import { planReload } from '../reload/plan.ts';
import { reportReload } from '../reload/report.ts';
import type { Speaker } from '../speaker.ts';
import type { ReloadItem } from '../views/items.ts';
import type { Output } from '../world.ts';
import type { BgpSockets } from './bgp-sockets.ts';
import type { DataPlane } from './data-plane.ts';
import type { Feeds } from './feeds.ts';
import type { Sources } from './sources.ts';
import type { Turn } from './turn.ts';

export interface ReloadingOptions {
  readonly config: Config;
  readonly source: ConfigSource;
  readonly dryRun: boolean;
  /** Of the API, where the command line says so: it wins over the configuration. */
  readonly socket: string | undefined;
  readonly now: () => Now;
  readonly log: Log;
  readonly speaker: Speaker;
  readonly turn: Turn;
  readonly sockets: BgpSockets;
  readonly sources: Sources;
  readonly dataPlane: DataPlane;
  readonly feeds: Feeds;
}

/** What has changed, or may have: files; the bindings file alone; the labels of the Node object alone. */
type ReloadOf = 'configuration' | 'bindings' | 'labels';

/** The configuration that runs, and how another comes to take its place. */
export class Reloading {
  private readonly options: ReloadingOptions;
  private running: Config;
  /** Why what is on disk does not run, after a reload that was refused. */
  private readonly refused = new Map<ReloadOf, string>();

  constructor(options: ReloadingOptions) {
    this.options = options;
    this.running = options.config;
  }

  get config(): Config {
    return this.running;
  }

  /** What `landfall status` warns of. */
  get warnings(): Iterable<string> {
    return this.refused.values();
  }

  /**
   * Reads the files again, and applies what differs from what runs: all of it or, where anything is wrong, nothing. The sessions of peers
   * that it takes away end a little later. @param of only `configuration` reads the file itself again
   */
  reload({ dryRun, of = 'configuration' }: { readonly dryRun: boolean; readonly of?: ReloadOf }): ReloadItem {
    const { source, speaker, now } = this.options;
    if (!dryRun) notifySupervisor(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    const read = of === 'configuration' ? source.read() : source.readBindings();
    const plan = read.config === undefined ? undefined : planReload(this.running, read.config);
    const rekeyed = read.config === undefined ? [] : this.options.sockets.changedKeys(read.config);
    const item = reportReload(dryRun, plan, read.errors, read.warnings, rekeyed);
    if (dryRun) return item;
    const log = this.options.log.child({ room: 'config' });
    if (read.config === undefined || item.result === 'refused') {
      this.refuse(read.config === undefined ? item.errors : [`only a restart can change ${plan?.refused.map(({ key }) => key).join(', ')}`], of);
      speaker.world.lastReload = { wallMs: now().wallMs, successful: false };
    } else {
      this.refused.delete('bindings');
      this.refused.delete('labels');
      if (of === 'configuration') this.refused.delete('configuration');
      for (const text of item.warnings) log.write('warn', 'config.warning', { text });
      this.apply(read.config, item, rekeyed);
      this.watch(read);
      if (this.refused.size > 0) speaker.world.lastReload = { wallMs: now().wallMs, successful: false };
    }
    notifySupervisor('READY=1');
    return item;
  }

  /** This is what runs: its files are watched from now on. */
  watch(read: Read): void {
    this.options.source.take(read, {
      bindings: () => void this.reload({ dryRun: false, of: 'bindings' }),
      configuration: () => void this.reload({ dryRun: false }),
    });
  }

  private refuse(problems: readonly string[], of: ReloadOf): void {
    this.options.turn.carryOut(problems.map((text): Output => ({ type: 'note', note: { level: 'warn', room: 'config', event: 'config.refused', publish: 'config', fields: { text } } })));
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
    this.refused.set(of, of === 'labels' ? `what the labels of this Node select is not what runs: ${problems[0]}${more}; restart the daemon, or change the labels back`
      : `what is on disk is not what runs: ${problems[0]}${more}; mend it${of === 'bindings' ? '' : ', then landfall reload'}`);
  }

  private apply(config: Config, item: ReloadItem, rekeyed: readonly { readonly name: string }[]): void {
    const { log, turn, sources, dataPlane, sockets, speaker, feeds, dryRun, socket } = this.options;
    const watched = JSON.stringify(bfdOrder(this.running));
    this.running = config;
    log.setLevel(config.log.level);
    log.setFormat(config.log.format);
    if (item.changes.some(({ key }) => key.startsWith('gate.'))) sources.keepGates(config);
    void dataPlane.keepJanitor(config);
    dataPlane.keepKernel(config);
    dataPlane.keepMesh(config);
    dataPlane.watchFirewall(config);
    if (!dryRun) feeds.configure(config);
    turn.pump({ type: 'reload', config });
    if (watched !== JSON.stringify(bfdOrder(config))) {
      sources.closeBfd(bfdOrder(config) === undefined);
      if (!dryRun) sources.openBfd(config, socket ?? config.api.socket);
    }
    if (!dryRun && item.changes.some(({ key }) => key.includes('.tcpAo'))) sockets.warnOfKernel(config);
    // A session that begins anew has read its key by now.
    const live = rekeyed.map(({ name }) => name).filter((name) => speaker.world.peers.has(name) && !item.peers.some((peer) => peer.name === name));
    sockets.rekey(live);
    turn.carryOut(live.map((peer): Output => ({ type: 'note', note: { level: 'info', room: 'bgp', peer, event: 'session.rekeyed', publish: 'peer', fields: {} } })));
    const answered = item.peers.length > 0 || item.changes.some(({ key }) => key.startsWith('bgp.listen.ranges')) || [...config.bgp.peers, ...config.bgp.listen.ranges ?? []].some(({ password, tcpAo }) => password !== undefined || tcpAo !== undefined);
    if (answered && config.bgp.listen.enabled && !dryRun) sockets.renewListeners();
    void this.seeOff();
  }

  /** Peers that are taken away have their withdraws now: when TCP says so, their sessions end. */
  private async seeOff(): Promise<void> {
    const { speaker, turn, sockets } = this.options;
    for (;;) {
      const leaving = [...speaker.world.peers.values()].filter((peer) => peer.farewell !== undefined);
      if (leaving.length === 0) return;
      for (const { config, session } of leaving) {
        if (session.negotiated === undefined || sockets.unacknowledged(session.negotiated.connection) === 0) turn.pump({ type: 'acknowledged', peer: config.name });
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

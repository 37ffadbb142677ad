import { openBfd, type BfdClient } from '../../bfd/io/client.ts';
import { openMonitor, type Monitor } from '../../bridge/io/monitor.ts';
import { bridgesAfter, type BridgeChange } from '../../bridge/ports.ts';
import type { Config } from '../../config/config.ts';
import type { CapturedFrame } from '../../garp/announcement.ts';
import { openCapture, type Capture } from '../../garp/io/capture.ts';
import { explainMissing } from '../io/capabilities.ts';
import { openGateKeeper, type GateKeeper } from '../io/gate.ts';
import { bfdOrder } from '../liveness.ts';
import type { Log } from '../log.ts';
import type { Input } from '../world.ts';
import { StartFailed } from './start-failed.ts';

export interface SourcesOptions {
  readonly frame: (frame: CapturedFrame, left: number) => void;
  readonly batchEnd: () => void;
  readonly bridge: (change: BridgeChange) => void;
  readonly pump: (input: Input) => void;
  readonly log: Log;
}

/** Where inputs come from besides BGP: frames, the kernel's news of ports, the gate's answers, BFD. */
export class Sources {
  private readonly options: SourcesOptions;
  private capture: Capture | undefined;
  private monitor: Monitor | undefined;
  private gateKeeper: GateKeeper | undefined;
  private bfd: BfdClient | undefined;
  private giveUp: NodeJS.Timeout | undefined;
  private bridges: ReadonlySet<number> = new Set();

  constructor(options: SourcesOptions) {
    this.options = options;
  }

  /** @throws StartFailed without CAP_NET_RAW */
  openCapture(): void {
    const { frame, batchEnd, log } = this.options;
    try {
      this.capture = openCapture({
        onFrame: frame, onBatchEnd: batchEnd,
        onError: (error) => log.child({ room: 'garp' }).write('error', 'capture.failed', { text: error.message }),
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPERM') throw new StartFailed(`cannot open a packet socket: ${explainMissing('CAP_NET_RAW')}`, 1);
      throw error;
    }
    log.child({ room: 'garp' }).write('info', 'capture.opened', {});
  }

  /** The first look at bridges and ports comes before the first frame is judged; a stop meanwhile leaves it unanswered. @throws StartFailed when the kernel says nothing */
  openMonitor(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.giveUp = setTimeout(() => reject(new StartFailed('the kernel did not answer a netlink dump within 15 s', 1)), 15_000);
      this.monitor = openMonitor({
        onChange: (change) => {
          this.leaveOutCopies(change);
          this.options.bridge(change);
          if (change.type !== 'resync') return;
          clearTimeout(this.giveUp);
          resolve();
        },
        onError: (error) => this.options.log.child({ room: 'bridge' }).write('warn', 'bridge.changed', { text: error.message }),
      });
    });
  }

  /** What came on a port comes again on its bridge, and the copy says nothing. */
  private leaveOutCopies(change: BridgeChange): void {
    const bridges = bridgesAfter(this.bridges, change);
    if (bridges === this.bridges) return;
    this.bridges = bridges;
    try {
      this.capture?.ignore([...bridges]);
    } catch (error) {
      this.options.log.child({ room: 'garp' }).write('warn', 'capture.failed', { text: (error as Error).message });
    }
  }

  /** The kernel's news that wait are taken in now. */
  catchUp(): void {
    this.monitor?.catchUp();
  }

  sendFrame(ifindex: number, bytes: Uint8Array): void {
    try {
      this.capture?.send(ifindex, bytes);
    } catch {
      // The port went down or away under the probe: netlink tells of that, and a probe that was not sent is one that is not answered.
    }
  }

  /** Frames since the start; undefined: no capture is open. */
  captured(): { received: number; dropped: number } | undefined {
    return this.capture?.statistics();
  }

  /** The gate's checks as they are configured now. */
  keepGates({ gate: { checks } }: Config): void {
    this.gateKeeper?.close();
    this.gateKeeper = checks.length === 0 ? undefined : openGateKeeper(checks, (ifindex, port, answer) => this.options.pump({ type: 'gate', ifindex, port, ...answer }));
  }

  askGate(ifindex: number, port: string): void {
    this.gateKeeper?.ask(ifindex, port);
  }

  /** The process is started where no one else has done so; it outlives us. @param socket path of our API socket, beside which BFD's is */
  openBfd(config: Config, socket: string): void {
    const order = bfdOrder(config);
    if (order === undefined) return;
    const elsewhere = process.env['LANDFALL_BFD_SOCKET'];
    const path = elsewhere ?? `${socket.replace(/\.sock$/, '')}-bfd.sock`;
    this.bfd = openBfd({
      path, order, ...(elsewhere === undefined ? { command: [process.execPath, ...process.execArgv, process.argv[1] as string, 'bfd', '--listen', path, '--transient'] } : {}),
      onReport: (report) => this.options.pump({ type: 'bfd', report }),
      onLost: (reason) => this.options.pump({ type: 'bfdLost', reason }),
    });
  }

  /** @param forGood nobody comes back to it */
  closeBfd(forGood: boolean): void {
    this.bfd?.close(forGood);
    this.bfd = undefined;
  }

  close(): void {
    clearTimeout(this.giveUp);
    this.gateKeeper?.close();
    this.bfd?.close(false);
    this.capture?.close();
    this.monitor?.close();
  }
}

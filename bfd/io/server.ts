import type { Server, Socket } from 'node:net';
import type { SystemError } from '../../native/index.ts';
import { isIpv4 } from '../../net/ip.ts';
import { findBfdSession } from '../demultiplex.ts';
import { parseBfdOrder, type BfdNeighbor, type BfdOrder, type BfdReport } from '../orders.ts';
import { bfdDeadline, createBfdSession, detectionTimeMs, sendIntervalMs, stepBfd, type BfdInput, type BfdOptions, type BfdSession } from '../session.ts';
import { decodeControlPacket, diagnosticText, encodeControlPacket } from '../wire/control-packet.ts';
import { onLines } from './lines.ts';
import { hear, isInterface, speak, type Heard } from './udp.ts';

interface Watched {
  readonly address: BfdNeighbor['address'];
  readonly interface?: string;
  readonly discriminator: number;
  neighbor: BfdNeighbor;
  session: BfdSession;
  readonly socket: ReturnType<typeof speak>;
  ups: number;
}

export interface BfdServerOptions {
  /** It ends with its last neighbor; otherwise it waits for the next order. */
  readonly endsWhenIdle: boolean;
  readonly onProblem: (text: string) => void;
}

/** Another BFD daemon may have the port for a while. */
const retryMs = 5000;
/** AdminDown is said more than once, for one packet may be lost and then looks like a failure. */
const farewells = 3;
const clientsAtMost = 16;

const nowMs = (): number => performance.now();

/** Watches the neighbors that its clients order. `server` listens already. */
export class BfdServer {
  /** Resolves when there is nothing left to do. */
  readonly ended: Promise<void>;
  private readonly options: BfdServerOptions;
  private readonly server: Server;
  private readonly watched = new Map<string, Watched>();
  private readonly clients = new Set<Socket>();
  private readonly listeners = new Map<4 | 6, { close(): void }>();
  private lingerSeconds = 0;
  private order: BfdOrder = { neighbors: [], lingerSeconds: 0 };
  private alarm: NodeJS.Timeout | undefined;
  private retry: NodeJS.Timeout | undefined;
  private linger: NodeJS.Timeout | undefined;
  private lastDiscriminator = Math.floor(Math.random() * 0x7fff_0000);
  private end: () => void = () => undefined;

  constructor(server: Server, options: BfdServerOptions) {
    this.server = server;
    this.options = options;
    this.ended = new Promise((resolve) => { this.end = resolve; });
    server.on('connection', (socket) => this.serve(socket));
    this.startLinger(retryMs);
  }

  /** AdminDown to everyone; nothing has failed. */
  stop(): void {
    this.take({ neighbors: [], lingerSeconds: 0 });
    clearTimeout(this.linger);
    for (const listener of this.listeners.values()) listener.close();
    for (const client of this.clients) client.destroy();
    this.server.close();
    this.end();
  }

  private serve(socket: Socket): void {
    if (this.clients.size >= clientsAtMost) return void socket.destroy();
    this.clients.add(socket);
    clearTimeout(this.linger);
    socket.on('error', () => undefined).on('close', () => {
      if (!this.clients.delete(socket) || this.clients.size > 0) return;
      this.startLinger(this.lingerSeconds * 1000);
    });
    onLines(socket, (line) => {
      const order = parseBfdOrder(line);
      if (order === undefined) return void socket.destroy();
      this.take(order);
      for (const watched of this.watched.values()) socket.write(reportLine(watched));
      if (order.neighbors.length === 0 && this.options.endsWhenIdle) this.stop();
    });
  }

  /** The speaker is away. Sessions go on until it must be taken for gone for good. */
  private startLinger(ms: number): void {
    clearTimeout(this.linger);
    this.linger = setTimeout(() => {
      this.take({ neighbors: [], lingerSeconds: 0 });
      if (this.options.endsWhenIdle) this.stop();
    }, ms);
  }

  private take(order: BfdOrder): void {
    this.order = order;
    this.lingerSeconds = order.lingerSeconds;
    for (const [name, watched] of this.watched) {
      const still = order.neighbors.find((neighbor) => neighbor.name === name);
      if (still === undefined || !samePath(still, watched.neighbor)) this.forget(name, watched);
      else {
        watched.neighbor = still;
        this.step(watched, { type: 'change', options: optionsOf(still, watched.discriminator) });
      }
    }
    this.open();
  }

  /** Opens what is not open yet, and tries again later where that fails. */
  private open(): void {
    clearTimeout(this.retry);
    try {
      for (const neighbor of this.order.neighbors) this.begin(neighbor);
    } catch (error) {
      const { code, syscall } = error as SystemError;
      this.options.onProblem(code === 'EADDRINUSE' && syscall === 'bind' ? 'UDP port 3784 is taken: another BFD daemon runs here' : (error as Error).message);
      this.retry = setTimeout(() => this.open(), retryMs);
    }
    this.setAlarm();
  }

  private begin(neighbor: BfdNeighbor): void {
    const { name, address, interface: link } = neighbor;
    if (this.watched.has(name)) return;
    const family = isIpv4(address) ? 4 : 6;
    if (!this.listeners.has(family)) this.listeners.set(family, hear(family, (heard) => this.receive(heard)));
    const discriminator = ++this.lastDiscriminator;
    this.watched.set(name, {
      address, ...(link === undefined ? {} : { interface: link }), discriminator, neighbor, ups: 0,
      session: createBfdSession(optionsOf(neighbor, discriminator), nowMs()), socket: speak(neighbor, Math.random),
    });
  }

  private forget(name: string, watched: Watched): void {
    const { outputs } = stepBfd(watched.session, { type: 'disable' }, nowMs(), Math.random);
    for (const output of outputs) if (output.type === 'send') for (let i = 0; i < farewells; i++) watched.socket.send(encodeControlPacket(output.packet));
    watched.socket.close();
    this.watched.delete(name);
  }

  private receive({ bytes, address, ttl, ifindex }: Heard): void {
    const packet = decodeControlPacket(bytes);
    if (packet === undefined) return;
    const found = findBfdSession(this.watched.values(), packet, { address, ttl }, (name) => isInterface(name, ifindex));
    if (found === undefined) return;
    this.step(found, { type: 'packet', packet });
    this.setAlarm();
  }

  private step(watched: Watched, input: BfdInput): void {
    const { session, outputs } = stepBfd(watched.session, input, nowMs(), Math.random);
    watched.session = session;
    for (const output of outputs) {
      if (output.type === 'send') watched.socket.send(encodeControlPacket(output.packet));
      else {
        if (output.to === 'Up') watched.ups += 1;
        for (const client of this.clients) client.write(reportLine(watched));
      }
    }
  }

  private setAlarm(): void {
    let next = Infinity;
    for (const { session } of this.watched.values()) next = Math.min(next, bfdDeadline(session) ?? Infinity);
    clearTimeout(this.alarm);
    if (next === Infinity) return;
    // Packets that wait in the sockets are given before anyone is declared gone: a process that was held up is no dead neighbor.
    this.alarm = setTimeout(() => setImmediate(() => {
      for (const watched of this.watched.values()) this.step(watched, { type: 'tick' });
      this.setAlarm();
    }), Math.max(0, Math.ceil(next - nowMs())));
  }
}

/** Over another path it is another session. */
function samePath(a: BfdNeighbor, b: BfdNeighbor): boolean {
  return a.address === b.address && a.interface === b.interface && a.sourceAddress === b.sourceAddress;
}

function optionsOf({ minTxMs, minRxMs, multiplier }: BfdNeighbor, discriminator: number): BfdOptions {
  return { discriminator, minTxMs, minRxMs, multiplier };
}

function reportLine({ neighbor, session, ups }: Watched): string {
  const report: BfdReport = {
    name: neighbor.name, state: session.state, remoteState: session.remoteState, ups,
    text: session.state === 'Up' ? '' : `${diagnosticText(session.diagnostic)}${session.remoteDiagnostic === 0 ? '' : `; the neighbor says: ${diagnosticText(session.remoteDiagnostic)}`}`,
    administrative: session.state === 'AdminDown' || session.remoteState === 'AdminDown',
    detectionTimeMs: detectionTimeMs(session), sendIntervalMs: sendIntervalMs(session),
  };
  return `${JSON.stringify(report)}\n`;
}

// BGP sessions and nothing else, for bgp-session.test.ts: started with a list of sessions (JSON), tells what becomes of them in lines of
// JSON, and takes orders in the same form.
import { createInterface } from 'node:readline';
import { dial, listen, type Connection, type ConnectionEvents, type Listener } from '../../bgp/io/tcp.ts';
import { packUpdates } from '../../bgp/pack-updates.ts';
import { createSession, sessionDeadline, stepSession, type ConnectionId, type SessionInput, type SessionOptions, type SessionState } from '../../bgp/session.ts';
import type { IpAddress, Prefix } from '../../net/ip.ts';

export interface DrivenSession extends Omit<SessionOptions, 'peer'> {
  readonly name: string;
  readonly localAddress: IpAddress;
  readonly peerAddress: IpAddress;
  readonly md5?: string;
  readonly ttlSecurity: boolean;
  readonly multihop?: number;
  /** Of a link-local address. */
  readonly interface?: string;
  /** We take connections, too. */
  readonly listen: boolean;
}

export type Order =
  | { readonly type: 'announce'; readonly name: string; readonly prefix: Prefix; readonly nextHop: IpAddress }
  | { readonly type: 'stop'; readonly name: string; readonly message?: string }
  | { readonly type: 'start'; readonly name: string }
  | { readonly type: 'refresh'; readonly name: string };

/** One line of what the driver says. */
export interface Said {
  readonly name: string;
  readonly fsm: string;
  readonly lastError?: string;
  /** Connections that are open. */
  readonly connections: number;
  readonly received: Readonly<Record<string, number>>;
  /** How often the session has been Established. */
  readonly established: number;
}

let connectionCount = 0;

class Driven {
  readonly #options: DrivenSession;
  readonly #connections = new Map<ConnectionId, Connection>();
  #state: SessionState;
  #alarm: NodeJS.Timeout | undefined;
  #established = 0;
  #listener: Listener | undefined;

  constructor(options: DrivenSession) {
    this.#options = options;
    this.#state = createSession({ ...options, peer: options.name });
    if (options.listen) this.#listen();
  }

  #security(): { address: IpAddress; ibgp: boolean; ttlSecurity: boolean; multihop?: number; md5?: Uint8Array } {
    const { peerAddress, localAsn, peerAsn, ttlSecurity, multihop, md5 } = this.#options;
    return {
      address: peerAddress, ibgp: localAsn === peerAsn, ttlSecurity, ...(multihop === undefined ? {} : { multihop }),
      ...(md5 === undefined ? {} : { md5: new TextEncoder().encode(md5) }),
    };
  }

  #listen(): void {
    this.#listener = listen({ address: this.#options.localAddress, port: 179, peers: [this.#security()] }, (accepted) => {
      const connection = ++connectionCount;
      this.#connections.set(connection, accepted.take(this.#events(connection)));
      this.step({ type: 'accepted', connection, localAddress: accepted.localAddress });
    }, (error) => {
      throw error;
    });
  }

  #events(connection: ConnectionId): ConnectionEvents {
    return {
      data: (bytes) => this.step({ type: 'data', connection, bytes }),
      closed: (error) => {
        if (this.#connections.delete(connection)) this.step({ type: 'closed', connection, ...(error === undefined ? {} : { error }) });
      },
    };
  }

  step(input: SessionInput): void {
    const now = { monotonicMs: performance.now(), wallMs: Date.now(), wallTrusted: true };
    const { state, outputs } = stepSession(this.#state, input, now, Math.random, () => ++connectionCount);
    this.#state = state;
    for (const output of outputs) {
      switch (output.type) {
        case 'dial':
          this.#connections.set(output.connection, dial({
            ...this.#security(), port: 179, sourceAddress: this.#options.localAddress, ...(this.#options.interface === undefined ? {} : { interface: this.#options.interface }),
          }, {
            ...this.#events(output.connection), connected: ({ localAddress }) => this.step({ type: 'connected', connection: output.connection, localAddress }),
          }));
          break;
        case 'write':
          this.#connections.get(output.connection)?.write(output.bytes);
          break;
        case 'close': {
          const connection = this.#connections.get(output.connection);
          this.#connections.delete(output.connection);
          connection?.close();
          break;
        }
        case 'established':
          this.#established += 1;
          break;
        default:
          break;
      }
    }
    clearTimeout(this.#alarm);
    const due = sessionDeadline(this.#state);
    if (due !== undefined) this.#alarm = setTimeout(() => this.step({ type: 'tick' }), Math.max(1, Math.ceil(due - performance.now())));
    this.#say();
  }

  order(order: Order): void {
    if (order.type === 'start') return this.step({ type: 'start' });
    if (order.type === 'stop') return this.step({ type: 'stop', subcode: 2, ...(order.message === undefined ? {} : { message: order.message }) });
    if (order.type === 'refresh') return this.step({ type: 'refresh', family: 'ipv4-unicast' });
    const { negotiated } = this.#state;
    if (negotiated === undefined) return;
    const { localAsn, peerAsn } = this.#options;
    const updates = packUpdates([{ type: 'announce', route: {
      prefix: order.prefix, attributes: { origin: 'IGP', asPath: [], nextHop: order.nextHop, localPref: 100, med: 0, communities: [], largeCommunities: [] },
    } }], { context: negotiated.context, localAsn, families: negotiated.families, peerType: localAsn === peerAsn ? 'ibgp' : 'ebgp' });
    this.step({ type: 'send', updates });
  }

  #say(): void {
    const { fsm, lastError, messages } = this.#state;
    const said: Said = {
      name: this.#options.name, fsm, ...(lastError === undefined ? {} : { lastError: lastError.text }), connections: this.#connections.size,
      received: messages.received, established: this.#established,
    };
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }

  end(): void {
    this.step({ type: 'stop', subcode: 3 });
    this.#listener?.close();
  }
}

const sessions = new Map((JSON.parse(process.argv[2] as string) as DrivenSession[]).map((options) => [options.name, new Driven(options)]));
for (const session of sessions.values()) session.step({ type: 'start' });
createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line) as Order;
  sessions.get(order.name)?.order(order);
}).on('close', () => process.exit(0));
process.on('SIGTERM', () => {
  for (const session of sessions.values()) session.end();
  setTimeout(() => process.exit(0), 200);
});

import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { listen, type Connection, type Listener } from '../../bgp/io/tcp.ts';
import { createSession, sessionDeadline, stepSession, type Negotiated, type SessionInput, type SessionState } from '../../bgp/session.ts';
import { errorSubcodes } from '../../bgp/wire/iana.ts';
import { families, isLinkLocal, parseIp, type Family, type IpAddress, type Prefix } from '../../net/ip.ts';
import type { Now } from '../../net/time.ts';
import { KernelRoutes, leftoverRoutes } from './io/router-kernel.ts';
import { parseRouterConfig, type RouterConfig } from './router-config.ts';
import { Router, type RouterEvent } from './router.ts';

// The embedded router as a program: `node router-main.js --config FILE`. One JSON line per event on standard output.

/** As the FRR and BIRD of the demo have them, in seconds. */
const timers = { holdSeconds: 9, keepaliveSeconds: 3, connectRetrySeconds: 5 } as const;

/** How long routes of a killed predecessor stay while the peers come back. */
const leftoverMs = 20_000;

interface Live {
  session: SessionState;
  readonly connections: Map<number, Connection>;
}

function main(config: RouterConfig): void {
  const peers = new Map<string, Live>();
  let connectionCount = 0;
  let flushPlanned = false;
  let alarm: NodeJS.Timeout | undefined;
  const kernel = new KernelRoutes((text) => report({ event: 'problem', text, at: wallMs() }));
  const leftover = new Set<Prefix>(config.installRoutes ? leftoverRoutes() : []);

  const router = new Router(config, config.peers, {
    send: (name, updates) => step(name, { type: 'send', updates }),
    install(prefix, nextHop) {
      leftover.delete(prefix);
      if (config.installRoutes) kernel.set(prefix, nextHop);
    },
    report,
    now: wallMs,
    ownAddress,
  });

  for (const peer of config.peers) {
    const session = createSession({
      peer: peer.name, localAsn: config.asn, peerAsn: peer.asn, bgpIdentifier: config.routerId, families, ...timers, passive: true,
    });
    peers.set(peer.name, { session, connections: new Map() });
  }

  function step(name: string, input: SessionInput): void {
    const live = peers.get(name) as Live;
    const { state, outputs } = stepSession(live.session, input, clock(), Math.random, () => ++connectionCount);
    live.session = state;
    for (const output of outputs) {
      switch (output.type) {
        case 'write':
          live.connections.get(output.connection)?.write(output.bytes);
          break;
        case 'close':
          live.connections.get(output.connection)?.close();
          live.connections.delete(output.connection);
          break;
        case 'established':
          router.established(name, state.negotiated as Negotiated);
          break;
        case 'down':
          router.down(name, output.reason);
          break;
        case 'update':
          router.update(name, output.update);
          break;
        case 'refreshRequested':
          router.refresh(name, output.family);
          break;
        case 'note':
          if (output.note.event !== 'session.transition') report({ event: 'problem', text: `${name}: ${output.note.text}`, at: wallMs() });
          break;
        case 'refreshBegins': // nodes resend within the same turn
        case 'refreshEnds':
        case 'dial': // every peer dials us
          break;
      }
    }
    planFlush();
    setAlarm();
  }

  /** All that one turn of the loop has read takes effect together. */
  function planFlush(): void {
    if (flushPlanned) return;
    flushPlanned = true;
    setImmediate(() => {
      flushPlanned = false;
      router.flush();
      kernel.flush();
    });
  }

  function setAlarm(): void {
    const deadlines = [...peers.values()].flatMap(({ session }) => sessionDeadline(session) ?? []);
    clearTimeout(alarm);
    if (deadlines.length === 0) return;
    alarm = setTimeout(() => {
      for (const name of peers.keys()) step(name, { type: 'tick' });
    }, Math.max(1, Math.ceil(Math.min(...deadlines) - performance.now())));
  }

  function accept(name: string, localAddress: IpAddress, take: (events: { data(bytes: Uint8Array): void; closed(error?: string): void }) => Connection): void {
    const live = peers.get(name) as Live;
    const connection = ++connectionCount;
    live.connections.set(connection, take({
      data: (bytes) => step(name, { type: 'data', connection, bytes }),
      closed(error) {
        live.connections.delete(connection);
        step(name, error === undefined ? { type: 'closed', connection } : { type: 'closed', connection, error });
      },
    }));
    step(name, { type: 'accepted', connection, localAddress });
  }

  const known = config.peers.map((peer) => ({ address: peer.address, ibgp: peer.asn === config.asn, ttlSecurity: false }));
  const listeners: Listener[] = config.listen.map((address) =>
    listen({ address, port: config.port, peers: known }, (accepted) => {
      const peer = config.peers.find((candidate) => candidate.address === accepted.remoteAddress);
      if (peer !== undefined) accept(peer.name, accepted.localAddress, (events) => accepted.take(events));
    }, (error) => report({ event: 'problem', text: `listener: ${error.message}`, at: wallMs() })),
  );
  for (const name of peers.keys()) step(name, { type: 'start' });
  report({ event: 'listening', addresses: config.listen, port: config.port, at: wallMs() });

  setTimeout(() => {
    for (const prefix of leftover) kernel.set(prefix, undefined);
    kernel.flush();
  }, leftoverMs).unref();

  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    for (const listener of listeners) listener.close();
    for (const name of peers.keys()) step(name, { type: 'stop', subcode: errorSubcodes.cease.administrativeShutdown });
    router.flush();
    for (const prefix of leftover) kernel.set(prefix, undefined);
    void kernel.close().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function report(event: RouterEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function clock(): Now {
  return { monotonicMs: performance.now(), wallMs: Date.now(), wallTrusted: true };
}

/** Wall clock with a fraction of microseconds. */
function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

/** The address of a family on the interface that has the session's local address. */
function ownAddress(negotiated: Negotiated, family: Family): IpAddress | undefined {
  const wanted = family === 'ipv4-unicast' ? 'IPv4' : 'IPv6';
  for (const addresses of Object.values(networkInterfaces())) {
    const own = (addresses ?? []).map((entry) => ({ family: entry.family, address: parseIp(entry.address) }));
    if (!own.some(({ address }) => address === negotiated.localAddress)) continue;
    return own.find(({ family: of, address }) => of === wanted && address !== undefined && !isLinkLocal(address))?.address;
  }
  return undefined;
}

function readConfig(argv: readonly string[]): RouterConfig {
  const [flag, file] = argv;
  if (flag !== '--config' || file === undefined) throw new Error('usage: router-main --config FILE.json');
  return parseRouterConfig(readFileSync(file, 'utf8'));
}

try {
  main(readConfig(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`router: ${(error as Error).message}\n`);
  process.exit(1);
}

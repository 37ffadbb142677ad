import { Socket, createServer, type Server } from 'node:net';
import { tcpConnect, tcpListen, unacknowledgedBytes, type SystemError, type TcpMd5 } from '../../native/index.ts';
import { isIpv4, parseIp, type IpAddress } from '../../net/ip.ts';

/** How a socket to a peer has to be; all of it is set before the first packet, or there is no socket. */
export interface DialOptions {
  readonly address: IpAddress;
  readonly port: number;
  readonly ibgp: boolean;
  readonly sourceAddress?: IpAddress;
  readonly interface?: string;
  readonly md5?: Uint8Array;
  /** RFC 5082: TTL 255 out, nothing below 255 in. */
  readonly ttlSecurity: boolean;
  readonly multihop?: number;
}

export interface ConnectionEvents {
  connected(info: { readonly localAddress: IpAddress }): void;
  data(bytes: Uint8Array): void;
  /** Once, at the end; `error` unless it was we who closed. */
  closed(error?: string): void;
}

export interface Connection {
  /** Hands the bytes to the kernel in this turn where it takes them. A peer that reads nothing loses the connection. */
  write(bytes: Uint8Array): void;
  /** Ends the connection after what was written has gone out. */
  close(): void;
  /** Octets that the peer's TCP has not acknowledged. */
  unacknowledged(): number;
}

/** What may wait for a peer that reads slowly, in octets; more than a full table of VM routes. */
const backlogLimit = 8 * 1024 * 1024;
/** RFC 4271 section 8.2.2 leaves the limit to the system: a connect that takes longer has failed. */
const connectTimeoutMs = 10_000;
/** After `close`: how long what was written may take to go out. */
const lingerMs = 2000;
/** DSCP CS6, network control, as routers mark it. */
const tos = 0xc0;

/** Connects; the result is there at once, what becomes of it comes as events. Never throws. */
export function dial(options: DialOptions, events: ConnectionEvents): Connection {
  const family = isIpv4(options.address) ? 4 : 6;
  let socket: Socket | undefined;
  let fd = -1;
  let attempt: { cancel(): void } | undefined;
  let done = false;
  let closing = false;
  const finish = (error?: string): void => {
    if (done) return;
    done = true;
    clearTimeout(giveUp);
    attempt?.cancel();
    events.closed(closing ? undefined : error);
  };
  const giveUp = setTimeout(() => finish('ETIMEDOUT'), connectTimeoutMs);
  const ready = (error: SystemError | undefined, connectedFd: number): void => {
    attempt = undefined;
    if (error !== undefined) return finish(explain(error, options));
    if (done || closing) {
      new Socket({ fd: connectedFd }).destroy();
      return finish();
    }
    clearTimeout(giveUp);
    fd = connectedFd;
    socket = new Socket({ fd: connectedFd, readable: true, writable: true });
    const localAddress = parseIp(socket.localAddress?.replace(/%.*$/, '') ?? '');
    attach(socket, events, finish);
    if (localAddress === undefined) {
      socket.destroy();
      return finish('the kernel tells no local address');
    }
    events.connected({ localAddress });
  };
  // An option that can't be set is no connection: fail closed. `tcpConnect` tells it like every other failure, in a later turn.
  attempt = tcpConnect({
    family, address: options.address, port: options.port, tos, ...ttlOf(options),
    ...(options.sourceAddress === undefined ? {} : { localAddress: options.sourceAddress }),
    ...(options.interface === undefined ? {} : { bindToDevice: options.interface }),
    ...(options.md5 === undefined ? {} : { md5: { address: options.address, key: options.md5 } }),
  }, ready);
  return {
    write: (bytes) => writeTo(socket, bytes, finish),
    close() {
      if (closing) return;
      closing = true;
      if (socket === undefined) return finish();
      endSocket(socket);
      finish();
    },
    unacknowledged: () => unacknowledged(socket, fd),
  };
}

/** Directly connected eBGP peers get TTL 1, so that nobody farther away can be taken for them (RFC 5082 says 255 and checks). */
function ttlOf(options: Pick<DialOptions, 'ttlSecurity' | 'multihop' | 'ibgp'>): { ttl?: number; minTtl?: number } {
  if (options.ttlSecurity) return { ttl: 255, minTtl: 255 };
  if (options.multihop !== undefined) return { ttl: options.multihop };
  return options.ibgp ? {} : { ttl: 1 };
}

function attach(socket: Socket, events: ConnectionEvents, finish: (error?: string) => void): void {
  socket.setNoDelay(true);
  socket.on('data', (bytes) => events.data(bytes));
  socket.on('end', () => finish('closed by peer'));
  socket.on('error', (error) => finish((error as NodeJS.ErrnoException).code ?? error.message));
  socket.on('close', () => finish('closed'));
  socket.resume();
}

function writeTo(socket: Socket | undefined, bytes: Uint8Array, finish: (error?: string) => void): void {
  if (socket === undefined || socket.destroyed) return;
  if (socket.writableLength > backlogLimit) {
    socket.destroy();
    finish('slow reader: more than 8 MiB wait for the peer to read');
    return;
  }
  socket.write(bytes);
}

function endSocket(socket: Socket): void {
  socket.removeAllListeners('data');
  socket.resume();
  socket.end();
  setTimeout(() => socket.destroy(), lingerMs).unref();
}

function unacknowledged(socket: Socket | undefined, fd: number): number {
  if (socket === undefined || socket.destroyed || fd < 0) return 0;
  try {
    return socket.writableLength + unacknowledgedBytes(fd);
  } catch {
    return 0;
  }
}

function explain(error: SystemError, options: DialOptions): string {
  const what = error.code ?? error.message;
  if (error.syscall?.includes('MD5') === true) return `the MD5 key cannot be set on the socket (${what}): no key, no session`;
  if (error.syscall?.startsWith('setsockopt') === true) return `${error.message}`;
  // The kernel drops segments with a wrong or missing digest without a word: all that shows is silence.
  if (what === 'ETIMEDOUT' && options.md5 !== undefined) return 'ETIMEDOUT (with a key set: a wrong or missing key at the other side looks like this)';
  return what;
}

export interface ListenOptions {
  /** The local address, or `0.0.0.0`, `::`. */
  readonly address: IpAddress;
  readonly port: number;
  /** Nobody else is answered. Keys are on the socket before it listens. */
  readonly peers: readonly ListenPeer[];
}

export interface ListenPeer {
  readonly address: IpAddress;
  readonly ibgp: boolean;
  readonly md5?: Uint8Array;
  readonly ttlSecurity: boolean;
  readonly multihop?: number;
}

export interface Accepted {
  readonly remoteAddress: IpAddress;
  readonly localAddress: IpAddress;
  /** Takes the connection over; without it the connection is closed. */
  take(events: Omit<ConnectionEvents, 'connected'>): Connection;
}

export interface Listener {
  readonly port: number;
  close(): void;
}

/**
 * Listens for known peers. An unknown source is closed before a byte is read or answered; where any peer has TTL security, the
 * socket itself demands TTL 255 of everyone.
 * @throws SystemError when the address, a key or the TTL can't be set: no listener at all.
 */
export function listen(options: ListenOptions, onConnection: (accepted: Accepted) => void, onError: (error: Error) => void): Listener {
  const family = isIpv4(options.address) ? 4 : 6;
  const peers = options.peers.filter((peer) => isIpv4(peer.address) === isIpv4(options.address));
  const md5: TcpMd5[] = peers.flatMap((peer) => (peer.md5 === undefined ? [] : [{ address: peer.address, key: peer.md5 }]));
  const secured = peers.length > 0 && peers.every((peer) => peer.ttlSecurity);
  const fd = tcpListen({ family, address: options.address, port: options.port, backlog: 64, md5, tos, ...(secured ? { ttl: 255, minTtl: 255 } : {}) });
  const server: Server = createServer({ pauseOnConnect: true }, (socket) => {
    const remoteAddress = parseIp(socket.remoteAddress?.replace(/%.*$/, '') ?? '');
    const localAddress = parseIp(socket.localAddress?.replace(/%.*$/, '') ?? '');
    const peer = peers.find((candidate) => candidate.address === remoteAddress);
    if (peer === undefined || remoteAddress === undefined || localAddress === undefined) {
      socket.destroy();
      return;
    }
    let taken = false;
    onConnection({
      remoteAddress, localAddress,
      take(events) {
        taken = true;
        return takeSocket(socket, events);
      },
    });
    if (!taken) socket.destroy();
  });
  server.on('error', onError);
  server.listen({ fd });
  const bound = server.address();
  return { port: typeof bound === 'object' && bound !== null ? bound.port : options.port, close: () => server.close() };
}

function takeSocket(socket: Socket, events: Omit<ConnectionEvents, 'connected'>): Connection {
  let done = false;
  let closing = false;
  const finish = (error?: string): void => {
    if (done) return;
    done = true;
    events.closed(closing ? undefined : error);
  };
  attach(socket, { ...events, connected: () => undefined }, finish);
  return {
    write: (bytes) => writeTo(socket, bytes, finish),
    close() {
      if (closing) return;
      closing = true;
      endSocket(socket);
      finish();
    },
    unacknowledged: () => socket.writableLength,
  };
}

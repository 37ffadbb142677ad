import { Socket } from 'node:net';
import { tcpConnect, type SystemError } from '../../native/index.ts';
import { isIpv4, type IpAddress } from '../../net/ip.ts';
import { addressOf, connectionOf, type Connection, type ConnectionEvents } from './connection.ts';
import { aoRequests, explainAo, signedConnection, type AoKey } from './tcp-ao.ts';
import { networkControl, ttlOf, type TtlOptions } from './ttl.ts';

export type { Connection, ConnectionEvents } from './connection.ts';
export { listen, type Accepted, type Listener, type ListenOptions, type ListenPeer } from './listen.ts';

/** How a socket to a peer has to be; all of it is set before the first packet, or there is no socket. */
export interface DialOptions extends TtlOptions {
  readonly address: IpAddress;
  readonly port: number;
  readonly sourceAddress?: IpAddress;
  /** A device to bind to. */
  readonly interface?: string;
  /** RFC 2385; see `tcp-auth.ts`. */
  readonly md5?: Uint8Array;
  /** RFC 5925; see `tcp-ao.ts`. At least one, the preferred one first; not beside `md5`. */
  readonly ao?: readonly AoKey[];
  /** TCP_USER_TIMEOUT: how long written data may stay unacknowledged, in milliseconds. */
  readonly userTimeoutMs?: number;
}

export interface DialEvents extends ConnectionEvents {
  connected(info: { readonly localAddress: IpAddress; readonly localPort: number }): void;
}

/** A connect that takes longer has failed; the ConnectRetryTimer is normally shorter. */
const connectTimeoutMs = 10_000;

/**
 * Connects; the result is there at once, what becomes of it comes as events, none of them before `dial` has returned. Never throws:
 * an option that can't be set is a failed connection like any other, and no packet was sent.
 */
export function dial(options: DialOptions, events: DialEvents): Connection {
  let connection: Connection | undefined;
  let over = false;
  let connecting = true;
  const finish = (error?: string): void => {
    if (over) return;
    over = true;
    clearTimeout(giveUp);
    if (connecting) attempt.cancel();
    events.closed(error);
  };
  const giveUp = setTimeout(() => finish(explain('ETIMEDOUT', undefined, options)), connectTimeoutMs);
  const attempt = tcpConnect({
    family: isIpv4(options.address) ? 4 : 6, address: options.address, port: options.port, tos: networkControl, ...ttlOf(options),
    localAddress: options.sourceAddress, bindToDevice: options.interface, userTimeoutMs: options.userTimeoutMs,
    ...(options.md5 === undefined ? {} : { md5: { address: options.address, key: options.md5 } }),
    ...(options.ao === undefined ? {} : { ao: aoRequests(options, options.ao, true) }),
  }, (error, fd) => {
    connecting = false;
    if (error !== undefined) return finish(explain(error.code ?? error.message, error.syscall, options));
    const socket = new Socket({ fd, readable: true, writable: true });
    const localAddress = addressOf(socket.localAddress);
    if (localAddress === undefined) {
      socket.on('error', () => undefined).destroy();
      return finish('ENOTCONN'); // reset before we could look
    }
    clearTimeout(giveUp);
    const signed = options.ao === undefined ? undefined : signedConnection(fd, options, options.ao);
    if (options.ao !== undefined && signed === undefined) {
      socket.on('error', () => undefined).destroy();
      return finish('the connection is not signed (TCP-AO): no key, no session');
    }
    connection = connectionOf(socket, {
      data: (bytes) => events.data(bytes),
      written: (unsent) => events.written?.(unsent),
      closed(reason) {
        over = true;
        events.closed(reason);
      },
    }, signed);
    events.connected({ localAddress, localPort: socket.localPort ?? 0 });
  });
  return {
    write: (bytes) => connection?.write(bytes),
    hold: () => connection?.hold(),
    release: () => connection?.release(),
    close: () => (connection === undefined ? finish() : connection.close()),
    destroy: () => (connection === undefined ? finish() : connection.destroy()),
    unacknowledged: () => connection?.unacknowledged() ?? 0,
    rekey: (address, key) => (connection === undefined ? finish('the MD5 key has changed') : connection.rekey(address, key)),
    rekeyAo: (keys) => (connection === undefined ? finish('the TCP-AO keys have changed') : connection.rekeyAo(keys)),
  };
}

function explain(code: string, syscall: SystemError['syscall'] | undefined, options: DialOptions): string {
  if (syscall?.includes('MD5') === true) return `the MD5 key cannot be set on the socket (${code}): no key, no session`;
  const ao = syscall === undefined ? undefined : explainAo({ code, syscall });
  if (ao !== undefined) return ao;
  if (syscall?.startsWith('setsockopt') === true) return `${syscall.replace('setsockopt ', '')} cannot be set on the socket (${code}): no session without it`;
  if (syscall === 'bind') return `the source address ${options.sourceAddress} cannot be used (${code})`;
  // The kernel drops segments with a wrong or missing digest without a word: all that shows is silence.
  if (code === 'ETIMEDOUT' && options.md5 !== undefined) return 'ETIMEDOUT (a wrong or missing MD5 key at the other side looks like this)';
  if (code === 'ETIMEDOUT' && options.ao !== undefined) return 'ETIMEDOUT (a wrong or missing TCP-AO key at the other side looks like this)';
  return code;
}

import { binary, type SystemError, type Watch } from './binary.ts';

/** Of tcp.c and tcp-auth.c. */
interface TcpFunctions {
  tcpConnect(options: TcpConnectOptions, callback: (event: number | Error) => void): Watch;
  tcpListen(options: TcpListenOptions): number;
  tcpSetMd5(fd: number, family: number, address: string, key: Uint8Array, prefixLength: number): void;
  tcpSetAo(fd: number, option: number, request: Uint8Array): void;
  tcpAoInfo(fd: number, room: Uint8Array): void;
  tcpProbeAo(family: number, request: Uint8Array): SystemError | undefined;
  tcpSetTtl(fd: number, family: number, ttl: number, minTtl: number): void;
  tcpSend(fd: number, bytes: Uint8Array): number;
  tcpUnacknowledged(fd: number): number;
  close(watch: Watch): void;
}

/** TCP MD5 signature (RFC 2385) for segments from and to `address`. 1 to 80 octets. */
export interface TcpMd5 {
  readonly address: string;
  readonly key: Uint8Array;
  /** For every address of the prefix that has no key of its own; left out: for the address alone. */
  readonly prefixLength?: number | undefined;
}

export interface TcpOptions {
  readonly family: 4 | 6;
  /** Without a zone; see `scopeId`. */
  readonly address: string;
  readonly port: number;
  /** SO_BINDTODEVICE. */
  readonly bindToDevice?: string | undefined;
  /** 1…255. */
  readonly ttl?: number | undefined;
  /** RFC 5082 (GTSM): the kernel drops segments that arrive with less. */
  readonly minTtl?: number | undefined;
  readonly tos?: number | undefined;
  readonly userTimeoutMs?: number | undefined;
  /** The interface of a link-local IPv6 address. */
  readonly scopeId?: number | undefined;
}

export interface TcpConnectOptions extends TcpOptions {
  readonly localAddress?: string | undefined;
  readonly md5?: TcpMd5 | undefined;
  /** TCP-AO (RFC 5925): a TCP_AO_ADD_KEY request for each key; none at all is an error. */
  readonly ao?: readonly Uint8Array[] | undefined;
}

export interface TcpListenOptions extends TcpOptions {
  readonly backlog?: number | undefined;
  readonly md5?: readonly TcpMd5[] | undefined;
  readonly ao?: readonly Uint8Array[] | undefined;
}

/**
 * Dials. All options are set before the first segment; if one can't be set, nothing is sent and the error's `syscall` names it
 * (`setsockopt TCP_MD5SIG`). `done` is called once, never before this function returned, and not after `cancel`. The
 * descriptor is non-blocking and belongs to the caller: `new net.Socket({ fd })`.
 */
export function tcpConnect(options: TcpConnectOptions, done: (error: SystemError | undefined, fd: number) => void): { cancel(): void } {
  const native = binary<TcpFunctions>();
  let over = false;
  const finish = (event: number | Error) => {
    if (over) return;
    over = true;
    if (typeof event === 'number') done(undefined, event);
    else done(event as SystemError, -1);
  };
  try {
    const watch = native.tcpConnect(options, finish);
    return {
      cancel() {
        over = true;
        native.close(watch);
      },
    };
  } catch (error) {
    setImmediate(finish, error as SystemError);
    return {
      cancel() {
        over = true;
      },
    };
  }
}

/** Binds and listens; for `server.listen({ fd })`. Accepted sockets inherit the options and keys. @throws SystemError */
export function tcpListen(options: TcpListenOptions): number {
  return binary<TcpFunctions>().tcpListen(options);
}

const noKey = new Uint8Array(0);

/** Sets, changes or (with `undefined`) takes away the MD5 key for `address`, or a prefix, on an open socket. @throws SystemError */
export function setTcpMd5(fd: number, address: string, key: Uint8Array | undefined, prefixLength = 0): void {
  if (key !== undefined && key.length === 0) throw new TypeError('an MD5 key has at least one octet');
  binary<TcpFunctions>().tcpSetMd5(fd, address.includes(':') ? 6 : 4, address, key ?? noKey, prefixLength);
}

/** TCP-AO (RFC 5925): TCP_AO_ADD_KEY, TCP_AO_DEL_KEY or TCP_AO_INFO with the structure that it takes, of `<linux/tcp.h>`. */
export interface TcpAoRequest {
  readonly option: 38 | 39 | 40;
  readonly bytes: Uint8Array;
}

/** @throws SystemError `ENOPROTOOPT`: a kernel without TCP-AO */
export function setTcpAo(fd: number, { option, bytes }: TcpAoRequest): void {
  binary<TcpFunctions>().tcpSetAo(fd, option, bytes);
}

/** `struct tcp_ao_info_opt`, 48 octets. @throws SystemError `ENOENT`: the socket has no key, nothing is signed; `ENOPROTOOPT`: a kernel without TCP-AO */
export function tcpAoInfo(fd: number): Uint8Array {
  const room = new Uint8Array(48);
  binary<TcpFunctions>().tcpAoInfo(fd, room);
  return room;
}

/** What the kernel would say to a TCP_AO_ADD_KEY, tried on a socket that nobody sees. @returns undefined where it takes it */
export function probeTcpAo(family: 4 | 6, { bytes }: TcpAoRequest): SystemError | undefined {
  return binary<TcpFunctions>().tcpProbeAo(family, bytes);
}

/** IP_TTL and IP_MINTTL, or their IPv6 kin; an absent value is left alone. @throws SystemError */
export function setSocketTtl(fd: number, family: 4 | 6, ttl: number | undefined, minTtl?: number): void {
  binary<TcpFunctions>().tcpSetTtl(fd, family, ttl ?? 0, minTtl ?? 0);
}

/**
 * Hands octets to the kernel without Node's stream between, which costs several times the call itself. Only for a socket whose stream has
 * nothing waiting. @returns how many it took, 0 to all; what it can't take for an error, the stream finds out when it writes
 */
export function sendNow(fd: number, bytes: Uint8Array): number {
  return Math.max(0, binary<TcpFunctions>().tcpSend(fd, bytes));
}

/** Octets written to a TCP socket that the peer's TCP has not acknowledged (SIOCOUTQ). @throws SystemError */
export function unacknowledgedBytes(fd: number): number {
  return binary<TcpFunctions>().tcpUnacknowledged(fd);
}

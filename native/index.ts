import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

declare const watchBrand: unique symbol;
/** A C structure; JavaScript only carries it around. */
type Watch = { readonly [watchBrand]: true };

interface Binary {
  packetOpen(slab: Uint8Array, fields: Float64Array, ringBytes: number, callback: (event: number | Error) => void): Watch;
  packetSend(watch: Watch, ifindex: number, frame: Uint8Array): void;
  packetStatistics(watch: Watch): [received: number, dropped: number];
  packetIgnore(watch: Watch, ifindexes: readonly number[]): void;
  packetReview(watch: Watch): number;
  netlinkOpen(slab: Uint8Array, groups: readonly number[], receiveBufferBytes: number, callback: (event: number | Error) => void): [Watch, number];
  netlinkDrain(watch: Watch): void;
  netlinkSend(watch: Watch, message: Uint8Array): void;
  tcpConnect(options: TcpConnectOptions, callback: (event: number | Error) => void): Watch;
  tcpListen(options: TcpListenOptions): number;
  tcpSetMd5(fd: number, family: number, address: string, key: Uint8Array, prefixLength: number): void;
  tcpSetAo(fd: number, option: number, request: Uint8Array): void;
  tcpAoInfo(fd: number, room: Uint8Array): void;
  tcpProbeAo(family: number, request: Uint8Array): SystemError | undefined;
  tcpSetTtl(fd: number, family: number, ttl: number, minTtl: number): void;
  tcpSend(fd: number, bytes: Uint8Array): number;
  tcpUnacknowledged(fd: number): number;
  udpOpen(slab: Uint8Array, options: UdpOptions, callback: (event: number | Error, address: string, port: number, ttl: number, ifindex: number) => void): Watch;
  udpSend(watch: Watch, bytes: Uint8Array, address: string, port: number, scopeId: number): void;
  close(watch: Watch): void;
  setScheduling(fifo: boolean, priority: number): void;
  notify(socket: string, text: string): void;
  clockMaxError(): number;
  trimMemory(): void;
}

/** What every function here throws or hands to its callback: `code` is the name of the errno, `syscall` the step that failed. */
export interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
}

// From the sources (native/index.ts) and from the build (dist/native/index.js).
const places = ['./build/landfall.node', '../../native/build/landfall.node'];

/** The program that outlives the speaker (janitor.c); `undefined`: it is not built. */
export function janitorFile(): string | undefined {
  return places.map((place) => fileURLToPath(new URL(place.replace('landfall.node', 'landfall-janitor'), import.meta.url))).find((path) => existsSync(path));
}

let loaded: Binary | undefined;

/** Loaded at the first use, so that commands which need no socket run without it. */
function binary(): Binary {
  if (loaded !== undefined) return loaded;
  const file = places.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((path) => existsSync(path));
  if (file === undefined) {
    throw new Error("landfall's native module is not built: run `node native/build.mjs` (it needs a C compiler) in landfall's folder.");
  }
  try {
    loaded = createRequire(import.meta.url)(file) as Binary;
  } catch (error) {
    throw new Error(
      `landfall's native module does not load (${(error as Error).message}): build it on this machine with \`node native/build.mjs\`.`,
      { cause: error },
    );
  }
  return loaded;
}

/** Why no socket can be opened and no clock asked; `undefined` where the module is there and loads. */
export function nativeProblem(): string | undefined {
  try {
    binary();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const batchFrames = 64;
const frameSnap = 256;
const frameFields = 6;
const datagramOctets = 65_536;

/** One frame of a batch. */
export interface PacketFrame {
  /** At most 256 octets; the caller's own copy. */
  readonly bytes: Uint8Array;
  readonly ifindex: number;
  /** How long ago the kernel got it, in milliseconds; never negative. */
  readonly ageMs: number;
  /** The 802.1Q tag that the kernel took out. */
  readonly tag?: { readonly tpid: number; readonly tci: number };
}

export interface PacketSocket {
  send(ifindex: number, frame: Uint8Array): void;
  /** Since it was opened. `dropped`: the ring was full, or the interface sent more than one may; how much of a flood the kernel left out is estimated. */
  statistics(): { received: number; dropped: number };
  /** Nothing of these interfaces is wanted any more, of all others everything; of more than 64 the first are left out. */
  ignore(ifindexes: readonly number[]): void;
  /** To be called a few times a second after `onFlood`, until it says 0: of how many interfaces the kernel lets a part through only. */
  review(): number;
  close(): void;
}

/**
 * Opens a packet socket on all interfaces of this network namespace, also those to come, with the filter of filter.h.
 * Needs CAP_NET_RAW. `onFrames` gets up to 64 frames.
 * @throws SystemError EPERM without the capability.
 */
export function openPacketSocket(options: {
  /** Memory for waiting frames, at most 256 MiB; a frame takes 384 octets. Needs no further capability. */
  readonly ringBytes: number;
  readonly onFrames: (frames: readonly PacketFrame[]) => void;
  readonly onError: (error: SystemError) => void;
  /** Some interface floods: the kernel lets a part of its frames through, until `review` finds that it sends less. Said with each batch. */
  readonly onFlood?: () => void;
}): PacketSocket {
  const slab = new Uint8Array(batchFrames * frameSnap);
  const fields = new Float64Array(batchFrames * frameFields + 1);
  const native = binary();
  let open = true;
  const watch = native.packetOpen(slab, fields, options.ringBytes, (event) => {
    if (!open) return;
    if (typeof event !== 'number') return options.onError(event as SystemError);
    const frames: PacketFrame[] = [];
    for (let i = 0; i < event; i++) {
      const at = i * frameFields;
      const start = i * frameSnap;
      const bytes = slab.slice(start, start + (fields[at + 1] as number));
      // As a small integer: a double would give every object that it enters another shape.
      const ifindex = (fields[at] as number) | 0;
      const ageMs = fields[at + 2] as number;
      frames.push(
        fields[at + 3] === 0
          ? { bytes, ifindex, ageMs }
          : { bytes, ifindex, ageMs, tag: { tpid: (fields[at + 4] as number) | 0, tci: (fields[at + 5] as number) | 0 } },
      );
    }
    if (frames.length > 0) options.onFrames(frames);
    if (fields[batchFrames * frameFields] !== 0) options.onFlood?.();
  });
  return {
    send: (ifindex, frame) => native.packetSend(watch, ifindex, frame),
    statistics() {
      const [received, dropped] = native.packetStatistics(watch);
      return { received, dropped };
    },
    ignore: (ifindexes) => native.packetIgnore(watch, ifindexes),
    review: () => native.packetReview(watch),
    close() {
      open = false;
      native.close(watch);
    },
  };
}

export interface NetlinkSocket {
  /** The port number of this socket: what the kernel answers to our requests carries it. */
  readonly port: number;
  send(message: Uint8Array): void;
  /** Hands over what waits in the socket before it returns. Does nothing while `onData` runs: events stay in order. */
  drain(): void;
  close(): void;
}

/**
 * Opens a NETLINK_ROUTE socket that is a member of `groups` (RTNLGRP_* numbers). Needs no capability.
 * `onData` gets one datagram (several messages) as a view that is overwritten after the call. With `octetsPerTurn` (1 MiB at most) it gets
 * all that wait in one go, up to about so many octets, once in a turn of the event loop: a flood of events costs a turn no more than that.
 * `onError` with code ENOBUFS: events were lost, the socket goes on.
 */
export function openNetlinkSocket(options: {
  readonly groups: readonly number[];
  readonly receiveBufferBytes: number;
  readonly octetsPerTurn?: number;
  readonly onData: (datagram: Uint8Array) => void;
  readonly onError: (error: SystemError) => void;
}): NetlinkSocket {
  const slab = new Uint8Array(datagramOctets + Math.min(options.octetsPerTurn ?? 0, 1 << 20));
  const native = binary();
  let open = true;
  let busy = false;
  const [watch, port] = native.netlinkOpen(slab, options.groups, options.receiveBufferBytes, (event) => {
    if (!open) return;
    busy = true;
    try {
      if (typeof event === 'number') options.onData(slab.subarray(0, event));
      else options.onError(event as SystemError);
    } finally {
      busy = false;
    }
  });
  return {
    port,
    send: (message) => native.netlinkSend(watch, message),
    drain() {
      if (!busy) native.netlinkDrain(watch);
    },
    close() {
      open = false;
      native.close(watch);
    },
  };
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
  const native = binary();
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
  return binary().tcpListen(options);
}

const noKey = new Uint8Array(0);

/** Sets, changes or (with `undefined`) takes away the MD5 key for `address`, or a prefix, on an open socket. @throws SystemError */
export function setTcpMd5(fd: number, address: string, key: Uint8Array | undefined, prefixLength = 0): void {
  if (key !== undefined && key.length === 0) throw new TypeError('an MD5 key has at least one octet');
  binary().tcpSetMd5(fd, address.includes(':') ? 6 : 4, address, key ?? noKey, prefixLength);
}

/** TCP-AO (RFC 5925): TCP_AO_ADD_KEY, TCP_AO_DEL_KEY or TCP_AO_INFO with the structure that it takes, of `<linux/tcp.h>`. */
export interface TcpAoRequest {
  readonly option: 38 | 39 | 40;
  readonly bytes: Uint8Array;
}

/** @throws SystemError `ENOPROTOOPT`: a kernel without TCP-AO */
export function setTcpAo(fd: number, { option, bytes }: TcpAoRequest): void {
  binary().tcpSetAo(fd, option, bytes);
}

/** `struct tcp_ao_info_opt`, 48 octets. @throws SystemError `ENOENT`: the socket has no key, nothing is signed; `ENOPROTOOPT`: a kernel without TCP-AO */
export function tcpAoInfo(fd: number): Uint8Array {
  const room = new Uint8Array(48);
  binary().tcpAoInfo(fd, room);
  return room;
}

/** What the kernel would say to a TCP_AO_ADD_KEY, tried on a socket that nobody sees. @returns undefined where it takes it */
export function probeTcpAo(family: 4 | 6, { bytes }: TcpAoRequest): SystemError | undefined {
  return binary().tcpProbeAo(family, bytes);
}

/** IP_TTL and IP_MINTTL, or their IPv6 kin; an absent value is left alone. @throws SystemError */
export function setSocketTtl(fd: number, family: 4 | 6, ttl: number | undefined, minTtl?: number): void {
  binary().tcpSetTtl(fd, family, ttl ?? 0, minTtl ?? 0);
}

/**
 * Hands octets to the kernel without Node's stream between, which costs several times the call itself. Only for a socket whose stream has
 * nothing waiting. @returns how many it took, 0 to all; what it can't take for an error, the stream finds out when it writes
 */
export function sendNow(fd: number, bytes: Uint8Array): number {
  return Math.max(0, binary().tcpSend(fd, bytes));
}

/** Octets written to a TCP socket that the peer's TCP has not acknowledged (SIOCOUTQ). @throws SystemError */
export function unacknowledgedBytes(fd: number): number {
  return binary().tcpUnacknowledged(fd);
}

export interface UdpOptions {
  readonly family: 4 | 6;
  /** Bound to; `0.0.0.0` or `::` for any. An IPv6 socket takes no IPv4. */
  readonly address: string;
  readonly port: number;
  readonly scopeId?: number | undefined;
  /** SO_BINDTODEVICE. */
  readonly bindToDevice?: string | undefined;
  /** Of what is sent, 1…255. */
  readonly ttl?: number | undefined;
  readonly tos?: number | undefined;
}

/** Where a datagram came from. `ttl`: with how much it arrived, -1 where the kernel did not say; likewise `ifindex`. */
export interface UdpArrival {
  readonly address: string;
  readonly port: number;
  readonly ttl: number;
  readonly ifindex: number;
}

export interface UdpSocket {
  /** @throws SystemError, also for what an earlier datagram met (ECONNREFUSED). */
  send(bytes: Uint8Array, address: string, port: number, scopeId?: number): void;
  close(): void;
}

const udpSlabOctets = 2048;

/** A UDP socket that tells TTL and interface. `onData` gets its own copy of the datagram; one longer than 2048 octets is dropped. @throws SystemError */
export function openUdpSocket(options: UdpOptions & {
  readonly onData: (datagram: Uint8Array, from: UdpArrival) => void;
  readonly onError: (error: SystemError) => void;
}): UdpSocket {
  const slab = new Uint8Array(udpSlabOctets);
  const native = binary();
  let open = true;
  const watch = native.udpOpen(slab, options, (event, address, port, ttl, ifindex) => {
    if (!open) return;
    if (typeof event !== 'number') options.onError(event as SystemError);
    else if (event <= udpSlabOctets) options.onData(slab.slice(0, event), { address, port, ttl, ifindex });
  });
  return {
    send: (bytes, address, port, scopeId = 0) => native.udpSend(watch, bytes, address, port, scopeId),
    close() {
      open = false;
      native.close(watch);
    },
  };
}

/** Scheduling class of the thread that runs JavaScript. `priority` 1…99, for `fifo` only. @throws SystemError EPERM without CAP_SYS_NICE. */
export function setScheduling(policy: 'normal' | 'fifo', priority = 0): void {
  binary().setScheduling(policy === 'fifo', priority);
}

/**
 * Tells the service manager, for example `READY=1` (sd_notify(3)). @returns false if there is none (no NOTIFY_SOCKET).
 * @throws SystemError if there is one and it can't be reached.
 */
export function notifySupervisor(text: string): boolean {
  const socket = process.env['NOTIFY_SOCKET'];
  if (socket === undefined || socket === '') return false;
  binary().notify(socket, text);
  return true;
}

/** From this error on the kernel calls its clock unsynchronised, in microseconds (NTP_PHASE_LIMIT). */
const unsynchronisedError = 16_000_000;

/**
 * Whether something disciplines the wall clock (adjtimex(2)). By the largest error, not by STA_UNSYNC: that is also set to keep the kernel
 * from writing the hardware clock. `undefined` where a sandbox forbids the question.
 */
export function clockSynchronised(): boolean | undefined {
  try {
    return binary().clockMaxError() < unsynchronisedError;
  } catch {
    return undefined;
  }
}

/** Gives memory that the C library was given back, and keeps for the next time, back to the kernel. A few milliseconds. */
export function trimMemory(): void {
  binary().trimMemory();
}

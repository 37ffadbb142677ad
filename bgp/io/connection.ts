import type { Socket } from 'node:net';
import { sendNow, setTcpMd5, unacknowledgedBytes } from '../../native/index.ts';
import { parseIp, type IpAddress } from '../../net/ip.ts';
import type { AoKey, SignedConnection } from './tcp-ao.ts';

export interface ConnectionEvents {
  data(bytes: Uint8Array): void;
  /** Once, at the end, perhaps from within a call of ours; `error` unless it was we who closed. */
  closed(error?: string): void;
  /** The kernel has not taken all that was written (true, and again whenever it takes some more), or has it all (false). */
  written?(unsent: boolean): void;
}

export interface Connection {
  /** Hands the bytes to the kernel in this turn where it takes them. A peer that reads nothing loses the connection. */
  write(bytes: Uint8Array): void;
  /** From now on until `release` what is written waits, to be one call of the kernel. Both may be called at any time. */
  hold(): void;
  release(): void;
  /** Ends the connection after what was written has gone out, within two seconds. */
  close(): void;
  /** Ends it at once; what was not sent is lost. */
  destroy(): void;
  /** Octets that the peer's TCP has not acknowledged. */
  unacknowledged(): number;
  /**
   * From now on segments from and to the peer's address are signed with another key (RFC 2385), of a connection that has one. The connection
   * lives on if the peer changes its key, too, before a timer of either side is up: what was lost meanwhile is sent again. A connection that
   * is not there yet ends.
   * @throws SystemError: then the key before stays.
   */
  rekey(address: IpAddress, key: Uint8Array): void;
  /**
   * From now on these are the keys (RFC 5925) of a connection that is signed by some: new ones are added, the peer is asked to use the first, those
   * that are gone are taken away. A connection that is not there yet ends.
   * @throws KeyError, SystemError: then the keys before stay.
   */
  rekeyAo(keys: readonly AoKey[]): void;
}

/** What may wait for a peer that reads slowly, in octets; more than a full table of VM routes. */
const backlogLimit = 8 * 1024 * 1024;
/** A peer that says so much at once is heard once in a turn of the event loop. */
const muchOctets = 16 * 1024;
/** After `close`: how long what was written may take to go out. */
const lingerMs = 2000;

/** Makes a Connection of a connected socket, and lets its data flow. @param signed there where TCP-AO signs it */
export function connectionOf(socket: Socket, events: ConnectionEvents, signed?: SignedConnection): Connection {
  let over = false;
  let closing = false;
  const finish = (error?: string): void => {
    if (over) return;
    over = true;
    events.closed(closing ? undefined : error);
  };
  const linger = (): void => {
    setTimeout(() => socket.destroy(), lingerMs).unref();
  };
  socket.on('data', (bytes) => {
    if (over) return;
    // Left to itself the socket gives two megabytes in one turn of the loop, and frames and other peers wait meanwhile.
    if (bytes.length >= muchOctets) {
      socket.pause();
      setImmediate(() => socket.resume());
    }
    events.data(bytes);
  });
  socket.on('end', () => {
    finish('closed by peer');
    linger(); // a peer that has said its last and reads no more must not hold the socket
  });
  socket.on('error', (error) => finish((error as NodeJS.ErrnoException).code ?? error.message));
  socket.on('close', () => finish('closed'));
  let unsent = false;
  /** After a part of what waited has gone out. */
  const progress = (): void => {
    if (over || !unsent) return;
    unsent = socket.writableLength > 0;
    events.written?.(unsent);
  };
  const stalled = (): void => {
    if (unsent || over || socket.writableLength === 0) return;
    unsent = true;
    events.written?.(true);
  };
  /** To the kernel first, past the stream; what it does not take waits in the stream, and then all that follows does. */
  const put = (bytes: Uint8Array): void => {
    if (over || socket.destroyed) return;
    const fd = socket.writableLength === 0 ? descriptorOf(socket) : undefined;
    const taken = fd === undefined ? 0 : sendNow(fd, bytes);
    if (taken === bytes.length) return;
    const rest = taken === 0 ? bytes : bytes.subarray(taken);
    if (socket.writableLength + rest.length > backlogLimit) {
      socket.destroy();
      return finish(`slow reader: more than ${backlogLimit / 1024 / 1024} MiB wait for the peer to read`);
    }
    socket.write(rest, progress);
    stalled();
  };
  let held: Uint8Array[] | undefined;
  const release = (): void => {
    const parts = held;
    held = undefined;
    if (parts !== undefined && parts.length > 0) put(parts.length === 1 ? parts[0] as Uint8Array : Buffer.concat(parts));
  };
  socket.resume();
  return {
    write(bytes) {
      if (held === undefined) put(bytes);
      else held.push(bytes);
    },
    hold() {
      held ??= [];
    },
    release,
    close() {
      if (closing) return;
      release();
      if (over) return; // a peer that reads nothing
      closing = true;
      // The socket goes on reading into nothing: unread data at the close would make the kernel reset, and lose our NOTIFICATION.
      socket.end();
      linger();
      finish();
    },
    destroy() {
      closing = true;
      socket.destroy();
      finish();
    },
    unacknowledged() {
      const fd = descriptorOf(socket);
      if (socket.destroyed || fd === undefined) return 0;
      try {
        return socket.writableLength + unacknowledgedBytes(fd);
      } catch {
        return 0; // the descriptor is gone, and all that waited with it
      }
    },
    rekey(address, key) {
      const fd = descriptorOf(socket);
      if (!socket.destroyed && fd !== undefined) setTcpMd5(fd, address, key);
    },
    rekeyAo(keys) {
      const fd = descriptorOf(socket);
      if (!socket.destroyed && fd !== undefined) signed?.rekey(fd, keys);
    },
  };
}

/** Node tells no descriptor of an accepted socket; the handle of libuv has it. */
export function descriptorOf(socket: Socket): number | undefined {
  const fd = (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd;
  return fd === undefined || fd < 0 ? undefined : fd;
}

/** An address as Node writes it, without a zone. */
export function addressOf(text: string | undefined): IpAddress | undefined {
  return text === undefined ? undefined : parseIp(text.replace(/%.*$/, ''));
}

import { openNetlinkSocket } from '../../native/index.ts';
import type { NetlinkSocket, SystemError } from '../../native/index.ts';
import type { BridgeChange } from '../ports.ts';
import { createFollower } from '../wire/follow.ts';
import { decodeRtnetlink, encodeDumpRequest, RTNLGRP } from '../wire/rtnetlink.ts';
import { withMacOrigin } from './mac-origin.ts';
import { openNeighbours, type Neighbours } from './neighbours.ts';

/** Room for some thousand events before one is lost. More than net.core.rmem_max only with CAP_NET_ADMIN. */
const receiveBufferBytes = 8 * 1024 * 1024;
/** After an error that is no overrun a new socket is opened, but not at once: it may fail again. */
const reopenAfterMs = 1000;
/** So long the first look at links waits for that at forwarding entries, which say where to ask for VMs. */
const neighboursWithinMs = 1500;

export interface MonitorOptions {
  /**
   * First one `resync`, then what changes; another `resync` whenever events were lost. News of forwarding entries begin before the first
   * `resync`, and later come after news of links that are older.
   */
  readonly onChange: (change: BridgeChange) => void;
  /** The monitor recovers by itself; the error is for the log. `code` ENOBUFS: events were lost, the tables are read again. */
  readonly onError: (error: Error) => void;
  /** Reads the tables anew this often, as a safety net. Absent: only after an overrun. */
  readonly dumpIntervalMs?: number;
  /** Links and own addresses alone. */
  readonly withoutEntries?: true;
}

export interface Monitor {
  /**
   * Gives out what the kernel has already told of links before it returns. For a frame from an interface that is no port yet: the
   * kernel tells of a port before the port brings a frame, but the two come through different sockets.
   */
  catchUp(): void;
  close(): void;
}

/**
 * Follows links, bridge forwarding entries and own addresses of this network namespace. Needs no capability.
 * @throws an Error with `code` if the first socket can't be opened.
 */
export function openMonitor(options: MonitorOptions): Monitor {
  let socket: NetlinkSocket | undefined;
  let reopening: NodeJS.Timeout | undefined;
  let neighbours: Neighbours | undefined;
  let told = false;
  let begun = false;
  let closed = false;
  const follower = createFollower({
    request: (dump, sequence) => socket?.send(encodeDumpRequest(dump, sequence)),
    onChange(change) {
      options.onChange(withMacOrigin(change));
      if (change.type !== 'resync') return;
      // What was lost of links may have taken forwarding entries along that are there.
      if (told) neighbours?.refresh();
      told = true;
    },
  });

  function open(): void {
    socket = openNetlinkSocket({
      groups: [RTNLGRP.link, RTNLGRP.ipv4Address, RTNLGRP.ipv6Address, RTNLGRP.bridgeVlan],
      receiveBufferBytes,
      onData: (datagram) => guard(() => follower.take(decodeRtnetlink(datagram), socket?.port ?? 0)),
      onError(error) {
        options.onError(error);
        // What still waits in the full queue is stale, for what came after it was lost; and the kernel goes on losing events
        // silently until the queue is empty. A new socket has a new queue.
        if (error.code === 'ENOBUFS') guard(replace);
        else reopenLater();
      },
    });
    follower.reset();
    follower.restart();
  }

  function guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!isExpected(error)) throw error;
      options.onError(error);
      reopenLater();
    }
  }

  function replace(): void {
    socket?.close();
    socket = undefined;
    open();
  }

  function reopenLater(): void {
    socket?.close();
    socket = undefined;
    reopening ??= setTimeout(() => {
      reopening = undefined;
      guard(open);
    }, reopenAfterMs);
  }

  function catchUp(): void {
    guard(() => socket?.drain());
  }

  let waiting: NodeJS.Timeout | undefined;
  function openLinks(): void {
    clearTimeout(waiting);
    if (!closed && !begun) guard(open);
    begun = true;
  }

  if (options.withoutEntries === true) {
    open();
  } else {
    neighbours = openNeighbours({
      onChange(change) {
        // The ports that they speak of are known, as far as that goes.
        if (change.type === 'fdbNews') catchUp();
        options.onChange(change);
      },
      onError: options.onError,
      onReady: openLinks,
    });
    waiting = setTimeout(openLinks, neighboursWithinMs);
  }
  const interval =
    options.dumpIntervalMs === undefined ? undefined : setInterval(() => guard(() => socket && follower.restart()), options.dumpIntervalMs);
  interval?.unref();
  return {
    catchUp,
    close() {
      closed = true;
      clearTimeout(waiting);
      clearTimeout(reopening);
      clearInterval(interval);
      neighbours?.close();
      socket?.close();
      socket = undefined;
      reopening = undefined;
    },
  };
}

/** What the kernel or a full table may do to us: system call errors, refused dumps, malformed messages. All else is our fault. */
function isExpected(error: unknown): error is Error {
  return error instanceof Error && ('syscall' in (error as Partial<SystemError>) || error.name === 'MalformedNetlink' || error.name === 'DumpRefused');
}

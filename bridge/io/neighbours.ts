import { openNetlinkSocket } from '../../native/index.ts';
import type { NetlinkSocket, SystemError } from '../../native/index.ts';
import type { FdbChange } from '../ports.ts';
import { DumpRefused } from '../wire/follow.ts';
import { readFdb } from '../wire/neighbours.ts';
import { encodeDumpRequest, RTNLGRP } from '../wire/rtnetlink.ts';

/** Room for some ten thousand events. More than net.core.rmem_max only with CAP_NET_ADMIN. */
const receiveBufferBytes = 8 * 1024 * 1024;
/** Less than a millisecond's work: frames, links and BGP wait no longer than that for the forwarding entries of a turn. */
const octetsPerTurn = 32 * 1024;
/** After events were lost all entries are read again, so much later; while that goes on, twice as late each time. */
const firstPauseMs = 1000;
const longestPauseMs = 8000;
/** After an error that is no overrun a new socket is opened, but not at once: it may fail again. */
const reopenAfterMs = 1000;

export interface NeighboursOptions {
  readonly onChange: (change: FdbChange) => void;
  /** For the log; it goes on by itself. */
  readonly onError: (error: Error) => void;
  /** Once: the entries that were there at the start have been told, or the kernel would not tell them. */
  readonly onReady: () => void;
}

export interface Neighbours {
  /** Reads all entries again, soon. */
  refresh(): void;
  close(): void;
}

/**
 * Follows the forwarding entries of all bridges of this network namespace. A tenant decides how many of them there are and how fast they
 * change, so they have sockets of their own: one for events, which are read so fast as it goes and may be lost, and for the time of a
 * dump another, which hears no events, so that nothing can be lost there. Needs no capability.
 * @throws an Error with `code` if a first socket can't be opened.
 */
export function openNeighbours({ onChange, onError, onReady }: NeighboursOptions): Neighbours {
  let events: NetlinkSocket | undefined;
  let dump: NetlinkSocket | undefined;
  let dumpDue: NodeJS.Timeout | undefined;
  let reopening: NodeJS.Timeout | undefined;
  let again = false;
  let pauseMs = firstPauseMs;
  let overrunTold = false;
  let ready = false;

  function openEvents(): void {
    events = openNetlinkSocket({
      groups: [RTNLGRP.neigh], receiveBufferBytes, octetsPerTurn,
      onData: (octets) => guard(() => {
        const { news, overrun } = readFdb(octets);
        if (news.length > 0) onChange({ type: 'fdbNews', news });
        if (overrun) refresh();
      }),
      onError(error) {
        if (error.code !== 'ENOBUFS') return failed(error);
        // Said once for each time that it leads to a dump, for in a flood it happens all the time.
        if (!overrunTold) onError(error);
        overrunTold = true;
        refresh();
      },
    });
  }

  function refresh(): void {
    if (dump !== undefined) again = true;
    else dumpDue ??= setTimeout(() => guard(startDump), pauseMs);
  }

  function startDump(): void {
    dumpDue = undefined;
    again = false;
    overrunTold = false;
    let interrupted = false;
    const socket = openNetlinkSocket({
      groups: [], receiveBufferBytes, octetsPerTurn,
      onData: (octets) => guard(() => {
        const reading = readFdb(octets);
        interrupted ||= reading.interrupted;
        if (reading.news.length > 0) onChange({ type: 'fdbNews', news: reading.news, dumped: true });
        if (reading.done === undefined) return;
        if (reading.done !== 0) onError(new DumpRefused(`the kernel ended the dump of forwarding entries with errno ${reading.done}`));
        endDump(reading.done === 0 && !interrupted ? 'ends' : 'cut');
      }),
      onError: failed,
    });
    dump = socket;
    onChange({ type: 'fdbDump', phase: 'begins' });
    socket.send(encodeDumpRequest('fdb', 1));
  }

  function endDump(phase: 'ends' | 'cut'): void {
    dump?.close();
    dump = undefined;
    onChange({ type: 'fdbDump', phase });
    if (again || phase === 'cut') {
      pauseMs = Math.min(longestPauseMs, pauseMs * 2);
      refresh();
    } else {
      pauseMs = firstPauseMs;
    }
    tellReady();
  }

  function tellReady(): void {
    if (ready) return;
    ready = true;
    onReady();
  }

  function guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof Error) || !('syscall' in (error as Partial<SystemError>) || error.name === 'MalformedNetlink')) throw error;
      failed(error);
    }
  }

  /** Both sockets anew, a little later. */
  function failed(error: Error): void {
    onError(error);
    closeSockets();
    tellReady();
    reopening ??= setTimeout(() => {
      reopening = undefined;
      guard(() => {
        openEvents();
        startDump();
      });
    }, reopenAfterMs);
  }

  function closeSockets(): void {
    clearTimeout(dumpDue);
    dumpDue = undefined;
    events?.close();
    events = undefined;
    if (dump === undefined) return;
    dump.close();
    dump = undefined;
    onChange({ type: 'fdbDump', phase: 'cut' });
  }

  openEvents();
  try {
    startDump();
  } catch (error) {
    closeSockets();
    throw error;
  }
  return {
    refresh,
    close() {
      clearTimeout(reopening);
      clearTimeout(dumpDue);
      events?.close();
      dump?.close();
      ready = true;
    },
  };
}

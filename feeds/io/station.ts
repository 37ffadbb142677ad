import { connect, type Socket } from 'node:net';
import { pauseMs } from '../back-off.ts';

export interface StationOptions {
  readonly address: string;
  readonly port: number;
  /** What a station is told first, at each connection: the first words, and then, as fast as it reads, the tables. */
  readonly greeting: () => Uint8Array[];
  readonly tables: () => Iterator<Uint8Array>;
  /** Once for each change: a sentence; undefined: it is connected. */
  readonly onState: (problem: string | undefined) => void;
}

export interface Station {
  /** Never waits. A station that reads too slowly loses the connection, and is told everything when it comes back. */
  send(message: Uint8Array): void;
  /** Says `last` and closes for good; resolves when that is out, or half a second later. */
  close(last: Uint8Array): Promise<void>;
  readonly connected: boolean;
  /** Messages handed over since it was opened, tables included. */
  readonly sent: number;
}

/** What may wait for a station, in octets. */
export const waitingAtMost = 8 * 1024 * 1024;
/** Tables are read on while less than this waits, so that what happens meanwhile finds room. */
const tableOctetsAhead = 256 * 1024;
/** So many messages of tables in one turn of the event loop. */
const messagesInTurn = 32;
const connectTimeoutMs = 10_000;
/** A connection that lasted so long sets the back-off back. */
const lastedMs = 30_000;
const closeWithinMs = 500;

/** Keeps a connection to a BMP station (RFC 7854 section 3.2: we connect, and what it says is not read). */
export function openStation(options: StationOptions): Station {
  let socket: Socket | undefined;
  let connected = false;
  let retry: NodeJS.Timeout | undefined;
  let open = true;
  let failures = 0;
  let sent = 0;
  const write = (to: Socket, message: Uint8Array): void => {
    sent += 1;
    to.write(message);
  };
  let said: string | undefined = '';
  const say = (problem: string | undefined): void => {
    if (open && problem !== said) options.onState(problem);
    said = problem;
  };
  const dial = (): void => {
    const attempt = connect({ host: options.address, port: options.port });
    let upMs = Infinity;
    let problem = 'the station has closed the connection';
    socket = attempt;
    const giveUp = setTimeout(() => attempt.destroy(new Error('no answer')), connectTimeoutMs);
    attempt.setNoDelay(true);
    attempt.setKeepAlive(true, 30_000);
    attempt.on('connect', () => {
      clearTimeout(giveUp);
      upMs = performance.now();
      connected = true;
      say(undefined);
      for (const message of options.greeting()) write(attempt, message);
      feed(attempt, options.tables(), write);
    });
    attempt.resume(); // whatever it says
    attempt.on('end', () => attempt.destroy());
    attempt.on('error', (error: NodeJS.ErrnoException) => { problem = error.code ?? error.message; });
    attempt.on('close', () => {
      clearTimeout(giveUp);
      if (socket !== attempt) return;
      connected = false;
      if (!open) return;
      if (performance.now() - upMs > lastedMs) failures = 0;
      say(problem);
      retry = setTimeout(dial, pauseMs(failures++, Math.random()));
    });
  };
  dial();
  return {
    send(message) {
      if (!connected || socket === undefined || socket.destroyed) return;
      if (socket.writableLength + message.length > waitingAtMost) socket.destroy(new Error(`it reads too slowly: ${waitingAtMost / 1024 / 1024} MiB wait`));
      else write(socket, message);
    },
    close(last) {
      open = false;
      clearTimeout(retry);
      const ended = socket;
      if (ended === undefined || !connected) {
        ended?.destroy();
        return Promise.resolve();
      }
      return new Promise((resolve) => {
        const giveUp = setTimeout(() => ended.destroy(), closeWithinMs);
        ended.once('close', () => {
          clearTimeout(giveUp);
          resolve();
        });
        ended.end(last, () => ended.destroySoon());
      });
    },
    get connected() {
      return connected;
    },
    get sent() {
      return sent;
    },
  };
}

/** Tables go out as fast as they are read, and never all at once. */
function feed(socket: Socket, messages: Iterator<Uint8Array>, write: (to: Socket, message: Uint8Array) => void): void {
  const more = (): void => {
    for (let i = 0; i < messagesInTurn; i++) {
      if (!socket.writable) return;
      if (socket.writableLength > tableOctetsAhead) {
        socket.once('drain', more);
        return;
      }
      const next = messages.next();
      if (next.done === true) return;
      write(socket, next.value);
    }
    setImmediate(more);
  };
  more();
}

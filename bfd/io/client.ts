import { spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { parseBfdReport, type BfdOrder, type BfdReport } from '../orders.ts';
import { onLines } from './lines.ts';

export interface BfdClientOptions {
  readonly path: string;
  /** Starts the process where none listens: program and words. Left out: someone else starts it. */
  readonly command?: readonly string[];
  readonly order: BfdOrder;
  readonly onReport: (report: BfdReport) => void;
  /** There is no process now, so that nothing is known. */
  readonly onLost: (reason: string) => void;
}

export interface BfdClient {
  /** For good: AdminDown to all neighbors. Otherwise their sessions go on for a while (`lingerSeconds`). */
  close(forGood: boolean): void;
}

const retryMs = 1000;
/** A process that was started gets so long before it is looked for. */
const startMs = 300;

/** Tells the BFD process what to watch, now and whenever it is there anew; starts it if need be. It outlives this process. */
export function openBfd(options: BfdClientOptions): BfdClient {
  let socket: Socket | undefined;
  let retry: NodeJS.Timeout | undefined;
  let open = true;
  let known = false;
  const lost = (reason: string): void => {
    if (known) options.onLost(reason);
    known = false;
  };
  const dial = (): void => {
    const attempt = connect(options.path);
    socket = attempt;
    let started = false;
    attempt.on('connect', () => {
      known = true;
      attempt.write(`${JSON.stringify(options.order)}\n`);
    });
    attempt.on('error', ({ code }: NodeJS.ErrnoException) => {
      known = true;
      lost(`the BFD process can't be reached on ${options.path} (${code})`);
      if (options.command === undefined || (code !== 'ENOENT' && code !== 'ECONNREFUSED')) return;
      started = true;
      start(options.command);
    });
    attempt.on('close', () => {
      socket = undefined;
      lost('the BFD process has ended');
      if (open) retry = setTimeout(dial, started ? startMs : retryMs);
    });
    onLines(attempt, (line) => {
      const report = parseBfdReport(line);
      if (report !== undefined && open) options.onReport(report);
    });
  };
  dial();
  return {
    close(forGood) {
      open = false;
      clearTimeout(retry);
      if (forGood) socket?.end(`${JSON.stringify({ neighbors: [], lingerSeconds: 0 })}\n`);
      else socket?.destroy();
    },
  };
}

/** In a session of its own and with no pipe to us, so that it lives on. */
function start([program, ...words]: readonly string[]): void {
  if (program === undefined) return;
  spawn(program, words, { detached: true, stdio: 'ignore' }).on('error', () => undefined).unref();
}

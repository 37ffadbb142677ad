import { spawn, type ChildProcess } from 'node:child_process';
import { janitorFile } from '../../native/index.ts';

/** A small process that takes the routes for late packets out of the kernel when this one has died and nobody has started it again. */
export interface Janitor {
  /** Resolves once no janitor of a life before is at work on the tables, after 3 s at the latest. Never rejects. */
  readonly ready: Promise<void>;
  /** What this process has just written into the kernel, or may have, is to go so long from now, should it die before. */
  within(ms: number): void;
  /** The process stops as it should, and has left nothing. */
  close(): void;
}

/** Of a janitor that may not change the kernel's tables (native/janitor.c). */
const noCapability = 77;
const readyWithinMs = 3000;
const againAfterMs = 10_000;

/**
 * Starts it; one that ends is started again after 10 s.
 * @param ms how long after this moment, or after a death later than that, things may stay
 * @param say words for the log
 */
export function openJanitor(ms: number, say: (text: string) => void): Janitor {
  const file = janitorFile();
  let child: ChildProcess | undefined;
  let again: NodeJS.Timeout | undefined;
  const said = new Set<string>();
  let closed = false;
  let last = ms;
  let isReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => { isReady = resolve; });

  function fail(why: string): void {
    isReady();
    if (said.has(why)) return;
    said.add(why);
    say(`nothing takes the routes for late packets away if this process is killed and not started again: ${why}`);
  }

  function start(): void {
    again = undefined;
    if (file === undefined) return fail('landfall-janitor is not built');
    // Its own session: no signal of a terminal reaches it. Nothing of the environment is its business.
    const started = spawn(file, [], { detached: true, cwd: '/', env: {}, stdio: ['pipe', 'pipe', 'ignore'] });
    child = started;
    started.on('error', (error) => fail(error.message));
    started.on('exit', (status, signal) => {
      child = undefined;
      if (closed) return;
      if (status === noCapability) return fail('CAP_NET_ADMIN is missing');
      fail(`landfall-janitor has ended (${signal ?? `status ${status}`})`);
      again = setTimeout(start, againAfterMs).unref();
    });
    started.stdin?.on('error', () => undefined);
    started.stdout?.once('data', () => {
      isReady();
      started.stdout?.destroy();
    });
    started.unref();
    for (const stream of [started.stdin, started.stdout]) if (stream !== null && 'unref' in stream) (stream as { unref: () => void }).unref();
    tell(last);
  }

  function tell(value: number): void {
    child?.stdin?.write(`${Math.ceil(value)}\n`);
  }

  start();
  const patience = setTimeout(isReady, readyWithinMs);
  void ready.then(() => clearTimeout(patience));
  return {
    ready,
    within(value) {
      last = value;
      tell(value);
    },
    close() {
      closed = true;
      clearTimeout(again);
      isReady();
      tell(0);
      child?.stdin?.end();
    },
  };
}

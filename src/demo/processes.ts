import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What to add to `performance.now()`: found at a tick of the wall clock, which is finer than `performance.timeOrigin` (off by a ms). */
let originMs = ((): number => {
  const before = Date.now();
  while (Date.now() === before);
  return Date.now() - performance.now();
})();

/**
 * Wall clock in milliseconds with a fraction of microseconds: one clock for all processes of this host. The two clocks drift apart by
 * milliseconds within a minute, so each call corrects by what `Date.now()`, which is cut to whole milliseconds, still allows.
 */
export function wallMs(): number {
  const wall = Date.now();
  const now = performance.now();
  originMs = Math.min(Math.max(originMs, wall - now), wall + 1 - now);
  return originMs + now;
}

let abortReason: Error | undefined;
const sleepers = new Set<(reason: Error) => void>();

/** Breaks off whatever waits here ({@link sleep}, {@link waitFor}), now and later: Ctrl-C. What was started still has to be stopped. */
export function abort(reason: string): void {
  abortReason ??= new Error(reason);
  for (const reject of sleepers) reject(abortReason);
  sleepers.clear();
}

export function isAborted(): boolean {
  return abortReason !== undefined;
}

/** Resolves after `ms` milliseconds; rejects at once after {@link abort}. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    if (abortReason !== undefined) return reject(abortReason);
    const timer = setTimeout(() => {
      sleepers.delete(wake);
      resolve();
    }, ms);
    const wake = (reason: Error): void => {
      clearTimeout(timer);
      reject(reason);
    };
    sleepers.add(wake);
  });
}

/** Asks `check` every `everyMs` until it gives something truthy. Throws with `what` after `timeoutMs`. */
export async function waitFor<T>(what: string, timeoutMs: number, check: () => Promise<T> | T, everyMs = 50): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`timed out after ${timeoutMs} ms: ${what}`);
    await sleep(everyMs);
  }
}

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, 10 s at most unless told, and returns what came out, whatever the status. */
export function run(command: readonly string[], options: { input?: string; timeoutMs?: number } = {}): Promise<Finished> {
  const [program, ...args] = command as [string, ...string[]];
  return new Promise((resolve) => {
    const child = execFile(program, args, { timeout: options.timeoutMs ?? 10_000, maxBuffer: 64 << 20, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      const code: unknown = error?.code;
      const status = error === null ? 0 : typeof code === 'number' ? code : 127;
      resolve({ status, stdout, stderr: stderr || (status === 127 ? String(error?.message) : '') });
    });
    child.stdin?.on('error', () => undefined); // a program that ends before it has read its input
    child.stdin?.end(options.input ?? '');
  });
}

/** {@link run}, for programs that have to succeed. Throws with the command and what it said. */
export async function must(command: readonly string[], options: { input?: string; timeoutMs?: number } = {}): Promise<string> {
  const done = await run(command, options);
  if (done.status === 0) return done.stdout;
  throw new Error(`${command.join(' ').slice(0, 300)}: status ${done.status}: ${(done.stderr || done.stdout).trim().slice(0, 2000)}`);
}

/** Where `program` is: in PATH or in the places where Debian keeps administrators' programs; FRR's own before others of its names. */
export function findProgram(program: string): string | undefined {
  // OpenBGPD's bgpd is in PATH and takes other options.
  const folders = ['/usr/lib/frr', ...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.map((folder) => `${folder}/${program}`).find((path) => existsSync(path));
}

const fromSource = import.meta.url.endsWith('.ts');
const builtCli = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url));
/** Run from the sources we take the built programs where there are some: they start faster, and are what users run. */
const built = !fromSource || (existsSync(builtCli) && process.env['LANDFALL_FROM_SOURCE'] !== '1');

/** The command line that starts a script of this folder. */
export function scriptCommand(name: string): string[] {
  return nodeCommand(`demo/${name}`);
}

/** The command line that starts `landfall` itself. */
export function landfallCommand(): string[] {
  return nodeCommand('cli');
}

/** `module` is below `src/` and has no suffix. */
function nodeCommand(module: string): string[] {
  if (!built) return [process.execPath, '--import', import.meta.resolve('tsx'), fileURLToPath(new URL(`../${module}.ts`, import.meta.url))];
  const base = fromSource ? '../../dist/src' : '..';
  return [process.execPath, fileURLToPath(new URL(`${base}/${module}.js`, import.meta.url))];
}

/**
 * A program that we keep running. Started in a session of its own, so that Ctrl-C reaches us alone and we decide in which
 * order things end. Its output goes line by line to `onLine`, and to a log file when one is named.
 */
export class Daemon {
  readonly name: string;
  readonly pid: number;
  readonly ended: Promise<string>;
  #child: ChildProcess;
  #alive = true;
  #log: WriteStream | undefined;
  #tail: string[] = [];

  constructor(name: string, command: readonly string[], options: { log?: string; env?: NodeJS.ProcessEnv; onLine?: (line: string) => void } = {}) {
    const [program, ...args] = command as [string, ...string[]];
    this.name = name;
    this.#log = options.log === undefined ? undefined : createWriteStream(options.log, { flags: 'a' });
    this.#log?.on('error', () => undefined); // its folder may go before the last line
    this.#child = spawn(program, args, { detached: true, stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...options.env } });
    this.pid = this.#child.pid ?? -1;
    this.#child.stdin?.on('error', () => undefined);
    const keep = (line: string): void => {
      this.#tail.push(line);
      if (this.#tail.length > 20) this.#tail.shift();
      this.#log?.write(`${line}\n`);
    };
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      keep(line.slice(0, 400));
      options.onLine?.(line);
    });
    createInterface({ input: this.#child.stderr! }).on('line', keep);
    this.ended = new Promise((resolve) => {
      const end = (text: string): void => {
        this.#alive = false;
        this.#log?.end();
        resolve(text);
      };
      this.#child.on('error', (error) => end(error.message));
      this.#child.on('exit', (code, signal) => end(signal === null ? `status ${code}` : signal));
    });
    daemons.add(this);
    void this.ended.then(() => daemons.delete(this));
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The last lines that it said, for an error message. */
  get tail(): string {
    return this.#tail.join('\n');
  }

  /** Writes one JSON object and a line end to its standard input. */
  tell(message: object): void {
    if (this.#alive) this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#alive && this.pid > 0) this.#child.kill(signal);
  }

  /** Ends it: `signal`, and SIGKILL when it has not gone after `patienceMs`. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', patienceMs = 3000): Promise<void> {
    if (!this.#alive) return;
    this.signal(signal);
    const timer = setTimeout(() => this.signal('SIGKILL'), patienceMs);
    await this.ended;
    clearTimeout(timer);
  }
}

const daemons = new Set<Daemon>();

/** Ends everything that was started here and still runs. */
export async function stopAll(): Promise<void> {
  await Promise.all([...daemons].map((daemon) => daemon.stop('SIGTERM', 1500)));
}

let killsAtExit = false;

/** Whatever still runs at the end of this process is killed: a last resort, for nothing can be awaited there. */
export function killAtExit(): void {
  if (killsAtExit) return;
  killsAtExit = true;
  process.on('exit', killAll);
}

/** A last resort for `process.on('exit')`: nothing can be awaited there. */
export function killAll(): void {
  for (const daemon of daemons) daemon.signal('SIGKILL');
}

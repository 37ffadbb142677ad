import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon, findProgram, run, waitFor, type Finished } from '../../src/demo/processes.ts';
import { copySystemdDebian } from './debian.ts';

const bootScript = fileURLToPath(new URL('boot-systemd.sh', import.meta.url));

/** What keeps systemd from being booted here, in words. */
export async function missingForMachine(): Promise<string[]> {
  if (process.geteuid?.() !== 0) return ['root'];
  const programs = ['unshare', 'nsenter', 'ip', 'bird', ...(process.env['LANDFALL_DEBIAN'] === undefined ? ['debootstrap'] : [])].filter((name) => findProgram(name) === undefined);
  if (programs.length > 0) return programs;
  const probe = await withControlGroups(`mkdir "$0/landfall-probe-${process.pid}"; rmdir "$0/landfall-probe-${process.pid}"`);
  return probe.status === 0 ? [] : [`control groups (version 2) that can be made: ${probe.stderr.trim()}`];
}

/** Runs shell lines in which `$0` is the tree of control groups. */
async function withControlGroups(lines: string): Promise<Finished> {
  const folder = mkdtempSync('/tmp/landfall-cgroup-');
  const done = await run(['unshare', '-m', 'sh', '-ec', `mount --make-rprivate /; mount -t cgroup2 cgroup2 "$0"; ${lines}`, folder]);
  rmSync(folder, { recursive: true });
  return done;
}

/** The child of a process that has become systemd. */
function systemdBelow(pid: number): number | undefined {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number).find((child) => readFileSync(`/proc/${child}/comm`, 'utf8') === 'systemd\n');
  } catch {
    return undefined; // one of its earlier children, which has ended meanwhile
  }
}

/** A Debian 12 in which systemd is PID 1: namespaces and control groups of its own, in a network namespace that is given. */
export class Machine {
  readonly folder: string;
  readonly #name: string;
  readonly #enter: (command: readonly string[]) => string[];
  #outer: Daemon | undefined;
  #init = 0;

  private constructor(folder: string, name: string, enter: (command: readonly string[]) => string[]) {
    this.folder = folder;
    this.#name = name;
    this.#enter = enter;
  }

  /** @param name of its control group @param enter makes of a command one that runs in the network namespace */
  static async create(parent: string, name: string, enter: (command: readonly string[]) => string[]): Promise<Machine> {
    return new Machine(await copySystemdDebian(parent), name, enter);
  }

  /** Starts it, and waits until its systemd has started everything that is to start. @returns what that came to: `running` is well */
  async boot(): Promise<string> {
    const outer = new Daemon(this.#name, this.#enter(['sh', bootScript, this.folder, this.#name, 'hv-07']));
    this.#outer = outer;
    this.#init = await waitFor('the first process', 20_000, () => {
      if (!outer.alive) throw new Error(`no boot: ${outer.tail}`);
      return systemdBelow(outer.pid);
    });
    return waitFor('systemd to be up', 60_000, async () => {
      if (!outer.alive) throw new Error(`it ended: ${outer.tail}`);
      const state = (await this.run(['systemctl', 'is-system-running'])).stdout.trim();
      return ['running', 'degraded'].includes(state) ? state : undefined;
    }, 200);
  }

  /** Runs a command in it. */
  run(words: readonly string[], timeoutMs = 120_000): Promise<Finished> {
    const namespaces = ['-m', '-u', '-i', '-p', '-C', '-n'];
    return run(['nsenter', '-t', String(this.#init), ...namespaces, 'env', '-i', 'PATH=/usr/sbin:/usr/bin', 'LC_ALL=C.UTF-8', 'DEBIAN_FRONTEND=noninteractive', ...words], { timeoutMs });
  }

  /** One property of a unit, as `systemctl show` has it. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.run(['systemctl', 'show', '--value', '-p', name, unit])).stdout.trim();
  }

  /** Shuts it down in order, as the power button does. */
  async powerOff(): Promise<void> {
    await this.run(['systemctl', 'poweroff']);
    await waitFor('the end of systemd', 60_000, () => this.#outer?.alive !== true);
  }

  /** Ends all that runs in it, and removes its files. */
  async remove(): Promise<void> {
    await this.#outer?.stop('SIGKILL');
    await withControlGroups(`for n in $(seq 100); do find "$0/${this.#name}" -depth -type d -exec rmdir {} + 2>/dev/null || true; [ -d "$0/${this.#name}" ] || exit 0; sleep 0.1; done`);
    rmSync(dirname(this.folder), { recursive: true, force: true });
  }

  at(path: string): string {
    return join(this.folder, path);
  }
}

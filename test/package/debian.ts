import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must, run, type Finished } from '../../src/demo/processes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Makes a folder of the checkout once; half of one never stands there. */
async function keep(folder: string, make: (fresh: string) => Promise<unknown>): Promise<string> {
  if (existsSync(folder)) return folder;
  const fresh = `${folder}.${process.pid}`;
  await make(fresh);
  await must(['mv', fresh, folder]);
  return folder;
}

/** A minimal Debian 12, made once by debootstrap and kept in the checkout; LANDFALL_DEBIAN names another. */
async function provideBase(): Promise<string> {
  return process.env['LANDFALL_DEBIAN'] ?? keep(join(root, '.debian'), (fresh) => must(['debootstrap', '--variant=minbase', 'bookworm', fresh], { timeoutMs: 900_000 }));
}

/** The same with systemd, kept beside it. */
async function provideSystemdBase(): Promise<string> {
  return keep(join(root, '.debian-systemd'), async (fresh) => {
    await copyTree(await provideBase(), fresh);
    copyFileSync('/etc/resolv.conf', join(fresh, 'etc/resolv.conf'));
    const apt = 'DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$0" apt-get -q -y';
    await must(['unshare', '-m', 'sh', '-ec', `mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; ${apt} update; ${apt} install --no-install-recommends systemd systemd-sysv`, fresh], { timeoutMs: 600_000 });
  });
}

async function copyTree(from: string, to: string): Promise<void> {
  await must(['cp', '-a', '--reflink=auto', from, to], { timeoutMs: 120_000 });
}

/** Copies a minimal Debian 12 with systemd into a new folder below `parent`. @returns its root */
export async function copySystemdDebian(parent: string): Promise<string> {
  const folder = join(mkdtempSync(join(parent, 'machine-')), 'root');
  await copyTree(await provideSystemdBase(), folder);
  return folder;
}

/** A copy of a minimal Debian 12, whose programs run in a network namespace. */
export class Debian {
  readonly folder: string;
  readonly #enter: (command: readonly string[]) => string[];

  private constructor(folder: string, enter: (command: readonly string[]) => string[]) {
    this.folder = folder;
    this.#enter = enter;
  }

  /** @param enter makes of a command one that runs in the namespace */
  static async create(parent: string, enter: (command: readonly string[]) => string[]): Promise<Debian> {
    const folder = join(mkdtempSync(join(parent, 'debian-')), 'root');
    await copyTree(await provideBase(), folder);
    mkdirSync(join(folder, 'run/systemd/system'), { recursive: true });
    copyFileSync(fileURLToPath(new URL('systemctl-stand-in.sh', import.meta.url)), join(folder, 'usr/bin/systemctl'));
    chmodSync(join(folder, 'usr/bin/systemctl'), 0o755);
    return new Debian(folder, enter);
  }

  /** Runs a command in it, with /proc, /sys and /dev of its own. @param prepare shell lines before that, in which `$root` is the folder */
  command(words: readonly string[], prepare = ''): string[] {
    const mounts = 'mount -t proc proc "$root/proc"; mount -t sysfs sysfs "$root/sys"; mount --rbind /dev "$root/dev"';
    return this.#enter(['sh', '-ec', `root=$0; ${mounts}; ${prepare}\nexec chroot "$root" "$@"`, this.folder, 'env', '-i', 'PATH=/usr/sbin:/usr/bin', 'LC_ALL=C.UTF-8', 'DEBIAN_FRONTEND=noninteractive', ...words]);
  }

  run(words: readonly string[]): Promise<Finished> {
    return run(this.command(words), { timeoutMs: 120_000 });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

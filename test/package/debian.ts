import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must, run, type Finished } from '../../src/demo/processes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A minimal Debian 12, made once by debootstrap and kept in the checkout; LANDFALL_DEBIAN names another. */
async function provideBase(): Promise<string> {
  const given = process.env['LANDFALL_DEBIAN'];
  if (given !== undefined) return given;
  const base = join(root, '.debian');
  if (existsSync(base)) return base;
  const fresh = `${base}.${process.pid}`;
  await must(['debootstrap', '--variant=minbase', 'bookworm', fresh], { timeoutMs: 900_000 });
  await must(['mv', fresh, base]);
  return base;
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
    await must(['cp', '-a', '--reflink=auto', await provideBase(), folder], { timeoutMs: 120_000 });
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

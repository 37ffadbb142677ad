import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The VM's own files, which `scripts/setup.mjs --for qemu` makes. */
export interface Guest {
  readonly kernel: string;
  readonly initramfs: string;
  /** The kernel's release: `6.1.0-50-cloud-amd64`. */
  readonly release: string;
}

/** The files below the checkout's root; undefined where the set-up has not made them. */
export function findGuest(): Guest | undefined {
  const folder = join(root(), '.guest');
  const about = join(folder, 'about.json');
  if (!existsSync(about)) return undefined;
  const { kernel } = JSON.parse(readFileSync(about, 'utf8')) as { kernel: string };
  return { kernel: join(folder, 'vmlinuz'), initramfs: join(folder, 'initramfs.gz'), release: kernel };
}

/** The checkout, from the sources or from `dist/`. */
function root(): string {
  return fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../../../' : '../../../../', import.meta.url));
}

/** A program that users are given to copy. */
export function findExample(name: string): string {
  return join(root(), 'examples', name);
}

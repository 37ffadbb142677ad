import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { findProgram, must, run } from './processes.ts';

const marker = 'LANDFALL_DEMO_INSIDE';

/** True when this process may make network namespaces: root, or already inside a user namespace of ours. */
export function isPrivileged(): boolean {
  return process.geteuid?.() === 0;
}

/**
 * Runs this very command again as root of a new user namespace, with network and mount namespaces of its own: what it builds is seen
 * by nobody else and ends with it. Returns its exit status.
 */
export async function runInsideUserNamespace(): Promise<number> {
  if (findProgram('unshare') === undefined) throw new Error('without root the demo needs `unshare` (package util-linux)');
  const flags = ['--user', '--map-root-user', '--net', '--mount'];
  const tried = await run(['unshare', ...flags, 'true']);
  if (tried.status !== 0) {
    throw new Error(`this machine lets no ordinary user make user namespaces (${tried.stderr.trim()}): run the demo as root, or set the sysctl kernel.unprivileged_userns_clone=1 (AppArmor: kernel.apparmor_restrict_unprivileged_userns=0)`);
  }
  const child = spawn('unshare', [...flags, '--', process.execPath, ...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit', env: { ...process.env, [marker]: '1' } });
  const pass = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  const ignore = (): void => undefined; // Ctrl-C reaches the child by itself
  process.on('SIGINT', ignore).on('SIGTERM', pass);
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
    });
  } finally {
    process.off('SIGINT', ignore).off('SIGTERM', pass);
  }
}

/** Inside our own user namespace `/run/netns` belongs to the real root: puts a private /run over it. Elsewhere does nothing. */
export async function prepareUserNamespace(): Promise<void> {
  if (process.env[marker] !== '1') return;
  await must(['mount', '-t', 'tmpfs', 'landfall-demo', '/run']);
  mkdirSync('/run/netns');
}

/** True inside the user namespace of {@link runInsideUserNamespace}. */
export function isInsideUserNamespace(): boolean {
  return process.env[marker] === '1';
}

// Builds native/build/landfall.node and native/build/landfall-janitor. Plain JavaScript with Node built-ins only: it runs before anything is installed or compiled.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const sources = ['landfall.c', 'packet.c', 'ring.c', 'budget.c', 'sieve.c', 'netlink.c', 'tcp.c', 'tcp-auth.c', 'udp.c'];
const common = ['-O2', '-Wall', '-Wextra', '-Werror', '-Wl,-z,relro,-z,now'];
const flags = [...common, '-shared', '-fPIC', '-fvisibility=hidden'];
/** The process that outlives a speaker: a program of its own, for Node's tens of MB are too much for a process that waits. */
const janitorSources = ['janitor.c', 'sweep.c'];
const janitorFlags = [...common, '-fPIE', '-pie'];

/** The folder that holds node_api.h and uv.h, or undefined. */
function findHeaders(nodeDir) {
  const roots = [
    nodeDir,
    resolve(dirname(process.execPath), '..'),
    process.env.npm_config_nodedir,
    configuredNodeDir(join(process.env.HOME ?? '/root', '.npmrc')),
    configuredNodeDir('/etc/npmrc'),
    '/usr',
  ];
  for (const root of roots) {
    if (!root) continue;
    const folder = join(root, 'include', 'node');
    if (existsSync(join(folder, 'node_api.h')) && existsSync(join(folder, 'uv.h'))) return folder;
  }
  return undefined;
}

/** `nodedir` from an npm configuration file: outside `npm run` it is not in the environment. */
function configuredNodeDir(file) {
  try {
    return /^\s*nodedir\s*=\s*(\S+)\s*$/m.exec(readFileSync(file, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

/** What the binary depends on. Not on the Node version: N-API is the same in all. */
function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${flags.join(' ')} ${janitorFlags.join(' ')}\n`);
  for (const name of readdirSync(here).filter((file) => /\.[ch]$/.test(file)).sort()) {
    hash.update(`${name}\n`).update(readFileSync(join(here, name)));
  }
  return hash.digest('hex');
}

/** @throws {Error} as {@link buildNative} does */
function compile(options, names, file) {
  const compiler = process.env.CC ?? 'cc';
  const partial = `${file}.${process.pid}.partial`;
  const result = spawnSync(compiler, [...options, '-o', partial, ...names.map((name) => join(here, name))], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (result.error !== undefined) {
    throw new Error(`The C compiler "${compiler}" can't be run (${result.error.code ?? result.error.message}). Install one (Debian: apt-get install gcc libc6-dev).`);
  }
  if (result.status !== 0) {
    rmSync(partial, { force: true });
    throw new Error(`The native module does not compile (${compiler}, exit status ${result.status}):\n${result.stderr}`);
  }
  renameSync(partial, file); // at once: a process that starts now sees the old one or the new one, never half
}

/**
 * Builds the native module and the janitor, or does nothing if it is up to date.
 * @param {{ nodeDir?: string }} [options] nodeDir: where `include/node` is, if not beside the running binary.
 * @returns {{ file: string, built: boolean }}
 * @throws {Error} with a sentence for the administrator: compiler or headers missing, or what the compiler said.
 */
export function buildNative(options = {}) {
  const folder = join(here, 'build');
  const file = join(folder, 'landfall.node');
  const janitor = join(folder, 'landfall-janitor');
  const stampFile = join(folder, 'landfall.stamp');
  const stamp = fingerprint();
  if (existsSync(file) && existsSync(janitor) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return { file, built: false };

  if (process.platform !== 'linux') throw new Error('landfall needs Linux: its native module uses AF_PACKET and rtnetlink.');
  const headers = findHeaders(options.nodeDir);
  if (headers === undefined) {
    throw new Error(
      `The headers of Node (node_api.h, uv.h) were not found beside ${process.execPath} nor in /usr/include/node. ` +
        'Install them (Debian: libnode-dev; or use the archive from nodejs.org), or name the folder that holds include/node in npm_config_nodedir.',
    );
  }
  mkdirSync(folder, { recursive: true });
  compile([...flags, `-I${headers}`], sources, file);
  compile(janitorFlags, janitorSources, janitor);
  writeFileSync(stampFile, stamp);
  return { file, built: true };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const { file, built } = buildNative();
    console.log(`${file} ${built ? 'built' : 'is up to date'}`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}

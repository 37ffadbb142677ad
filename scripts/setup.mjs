#!/usr/bin/env node
// Brings a fresh clone to the point where `npm run demo`, `npm test` and the others can run. Runs before anything is installed:
// plain JavaScript, Node built-ins only. Each step is skipped when nothing that it depends on has changed.
import { chmodSync, cpSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand, stopCommands } from './setup/command.mjs';
import { buildGuest, guestFolder, guestKey } from './setup/guest.mjs';
import { takeLock } from './setup/lock.mjs';
import { hashOf, readStamp, writeStamp } from './setup/stamp.mjs';
import { aptLine, hasCommand, headersPrefix, installPackages, missingPackages } from './setup/system-packages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = join(root, '.setup-stamp');
const lockFile = join(root, '.setup-lock');
const purposes = ['demo', 'qemu', 'test', 'netns', 'build', 'bench'];
const oldestNode = [20, 19];
const rooms = ['net', 'native', 'garp', 'bridge', 'bgp', 'bfd', 'feeds', 'identity', 'routes', 'forward', 'config', 'src'];
const machine = `${process.platform}-${process.arch} abi ${process.versions.modules}`;

/** Optional packages: their absence costs a feature, not the set-up. */
const optional = [
  { name: 'pcap', binary: 'build/Release/pcap_binding.node', lost: 'capture files cannot be read or written' },
  { name: 'raw-socket', binary: 'build/Release/raw.node', lost: 'the ICMP probe (`landfall probe`, and that of the demo) is off' },
];

const say = (text) => process.stderr.write(`setup: ${text}\n`);

class SetupError extends Error {}

/** Runs one step and says so; throws a SetupError with the command's last lines when it fails. */
async function step(what, file, args, options) {
  const start = Date.now();
  say(`${what} …`);
  const result = await runCommand(file, args, { cwd: root, ...options });
  if (!result.ok) throw new SetupError(`${what} failed: ${result.reason}.\n${result.output}`);
  say(`${what}: done in ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

const steps = {
  npm: {
    key: () => `${machine} pcap ${existsSync('/usr/include/pcap/pcap.h')} ${hasCommand('g++')} ${hashOf(root, ['package-lock.json', '.npmrc'])}`,
    isThere: () => existsSync(join(root, 'node_modules/.package-lock.json')),
    run: async () => {
      const underNpm = /npm-cli\.js$/.test(process.env.npm_execpath ?? '');
      const [file, first] = underNpm ? [process.execPath, [process.env.npm_execpath]] : ['npm', []];
      if (!underNpm && !hasCommand('npm')) throw new SetupError('npm is not installed: install it (Debian: apt-get install npm) and run this again.');
      // The headers beside this very binary: a user's npm configuration may name those of another Node.
      const prefix = headersPrefix();
      const env = { ...process.env, ...(prefix === undefined ? {} : { npm_config_nodedir: prefix }) };
      const args = [...first, 'ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
      await step('npm packages (npm ci)', file, args, { seconds: 900, env });
    },
  },
  native: {
    key: () => `${machine} ${hashOf(root, ['native'], (file) => /\.(c|h|mjs)$/.test(file))}`,
    isThere: () => ['landfall.node', 'landfall-janitor'].every((file) => existsSync(join(root, 'native/build', file))),
    run: () => step('native module (cc)', process.execPath, ['native/build.mjs'], { seconds: 120 }),
  },
  build: {
    key: () => hashOf(root, [...rooms, 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'], (file) => /\.(ts|json|html|css|js|svg)$/.test(file)),
    isThere: () => existsSync(join(root, 'dist/src/cli.js')),
    run: async () => {
      // Into a folder beside it and then renamed, so that a daemon or a test that runs from dist/ never sees half a build.
      const fresh = join(root, `dist.${process.pid}`);
      const old = join(root, `dist.old.${process.pid}`);
      try {
        await step('build (tsc)', process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', fresh], { seconds: 300 });
        chmodSync(join(fresh, 'src/cli.js'), 0o755);
        cpSync(join(root, 'src/web'), join(fresh, 'src/web'), { recursive: true });
        const commit = await runCommand('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: root, seconds: 10 });
        if (commit.ok) writeFileSync(join(fresh, 'src/commit.txt'), commit.output);
        if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old);
        renameSync(fresh, join(root, 'dist'));
      } finally {
        rmSync(fresh, { recursive: true, force: true });
        rmSync(old, { recursive: true, force: true });
      }
    },
  },
  guest: {
    purposes: ['qemu', 'netns'],
    key: () => guestKey(root),
    isThere: () => existsSync(join(guestFolder(root), 'about.json')),
    run: async (purpose) => {
      const start = Date.now();
      say('a small VM (kernel and busybox from Debian packages, not installed) …');
      try {
        await buildGuest(root);
      } catch (error) {
        if (purpose === 'qemu') throw new SetupError(`no VM: ${error.message}`);
        say(`no VM, so the tests of a real migration are skipped: ${error.message}`);
        return false;
      }
      say(`a small VM: done in ${((Date.now() - start) / 1000).toFixed(1)} s`);
      return true;
    },
  },
};

const isDue = (name, purpose, stamp) => (steps[name].purposes?.includes(purpose) ?? true) && (stamp[name] !== steps[name].key() || !steps[name].isThere());

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (process.platform !== 'linux') throw new SetupError('landfall runs on Linux only: it needs packet sockets and rtnetlink.');
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  throw new SetupError(`Node ${process.versions.node} is too old: landfall needs ${oldestNode.join('.')} or newer.`);
}

/** @returns the packages that are missing still */
async function provideSystemPackages(purpose, missing) {
  const names = missing.map((need) => need.package).join(', ');
  if (process.getuid() !== 0 || !hasCommand('apt-get')) {
    const who = process.getuid() === 0 ? 'this system has no apt-get; install these by its own means' : 'an administrator must install them';
    say(`system packages are missing, and ${who}:\n    ${aptLine(missing)}`);
  } else {
    say(`system packages: installing ${names} (apt-get; their services are not started) …`);
    const problem = await installPackages(missing);
    if (problem !== undefined) say(problem);
  }
  const still = missingPackages(purpose);
  for (const need of still) say(`without ${need.package}: ${need.without}`);
  return still;
}

function reportLostFeatures() {
  const lost = optional.filter(({ name, binary }) => !existsSync(join(root, 'node_modules', name, binary)));
  for (const { name, lost: feature } of lost) say(`the optional package ${name} did not compile here: ${feature}. All else works.`);
}

async function setUp(purpose) {
  checkNode();
  const start = Date.now();
  let missing = missingPackages(purpose);
  const due = Object.keys(steps).filter((name) => isDue(name, purpose, readStamp(stampFile)));
  if (missing.length === 0 && due.length === 0) {
    say(`up to date (${((Date.now() - start) / 1000).toFixed(2)} s)`);
    reportLostFeatures();
    return;
  }
  say(`Node ${process.versions.node} on ${machine}; preparing for: ${purpose}`);
  const release = takeLock(lockFile, say);
  process.once('exit', release);
  try {
    if (missing.length > 0) missing = await provideSystemPackages(purpose, missing);
    for (const name of Object.keys(steps)) {
      const stamp = readStamp(stampFile);
      if (!isDue(name, purpose, stamp)) continue;
      const cannot = name === 'native' && missing.some((need) => need.without.startsWith('the native module'));
      if (cannot && purpose !== 'test') throw new SetupError('without the native module landfall hears no frames, so there is nothing to run.');
      if (cannot) continue;
      const key = steps[name].key();
      if ((await steps[name].run(purpose)) === false) continue;
      writeStamp(stampFile, { ...readStamp(stampFile), [name]: key });
    }
    reportLostFeatures();
    say(`ready (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  } finally {
    release();
  }
}

function parseArguments(args) {
  if (args.length === 2 && args[0] === '--for' && purposes.includes(args[1])) return args[1];
  throw new SetupError(`usage: node scripts/setup.mjs --for ${purposes.join('|')}`);
}

for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
  process.once(signal, () => {
    stopCommands();
    say('stopped; run the same command again to go on');
    process.exit(status);
  });
}

try {
  await setUp(parseArguments(process.argv.slice(2)));
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}

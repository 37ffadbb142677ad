#!/usr/bin/env node
// `npm run check`: types, lint, imports, docs and what must not stand in any file. Every check runs, also after one has failed.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand, stopCommands } from './setup/command.mjs';
import { findDeadLinks } from './check/links.mjs';
import { findMachinePaths } from './check/machine-paths.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const cruisedFolders = ['net', 'native', 'garp', 'bridge', 'bgp', 'bfd', 'feeds', 'identity', 'routes', 'forward', 'config', 'src', 'test', 'bench'];

if (!existsSync(join(root, 'node_modules/.package-lock.json'))) {
  const setup = await runCommand(process.execPath, [join(root, 'scripts/setup.mjs'), '--for', 'build'], { seconds: 1800, cwd: root });
  if (!setup.ok) fail('set-up', setup.output);
}

const tool = (path, args, seconds = 240) => () => runCommand(process.execPath, [join(root, 'node_modules', path), ...args], { seconds, cwd: root, lines: 300 });
const script = (path, args) => () => runCommand(process.execPath, [join(root, path), ...args], { seconds: 120, cwd: root });

const checks = [
  ['types (tsc)', tool('typescript/bin/tsc', ['--noEmit', '-p', '.'])],
  ['lint (eslint)', tool('eslint/bin/eslint.js', ['--max-warnings', '0', '.'])],
  ['imports (dependency-cruiser)', tool('dependency-cruiser/bin/dependency-cruise.mjs', ['--config', '.dependency-cruiser.cjs', '--output-type', 'err-long', ...cruisedFolders.filter((folder) => existsSync(join(root, folder)))])],
  ['generated docs are current', script('scripts/docs.mjs', ['--check'])],
  ['every word of the interface is on its page', () => runCommand(process.execPath, ['--import', 'tsx', join(root, 'scripts/check-interface.ts')], { seconds: 60, cwd: root, lines: 300 })],
  ['links of the docs', async () => report(findDeadLinks(root))],
  ['no machine paths', async () => report(findMachinePaths(root))],
  ['lock file names no hosts', async () => report(lockFileHosts())],
];

process.once('SIGINT', () => {
  stopCommands();
  process.exit(130);
});

let failed = 0;
for (const [name, check] of checks) {
  const start = Date.now();
  const { ok, reason, output } = await check();
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'}  ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)\n`);
  if (!ok) {
    failed += 1;
    process.stdout.write(`${output}\n${reason}\n\n`);
  }
}
process.stdout.write(failed === 0 ? 'all checks passed\n' : `${failed} of ${checks.length} checks failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

function report(lines) {
  return { ok: lines.length === 0, reason: `${lines.length} found`, output: lines.slice(0, 20).join('\n') };
}

function lockFileHosts() {
  const lines = readFileSync(join(root, 'package-lock.json'), 'utf8').split('\n');
  return lines.flatMap((line, index) => (/"resolved": *"/.test(line) ? [`package-lock.json:${index + 1}: remove it (.npmrc sets omit-lockfile-registry-resolved)`] : []));
}

function fail(what, output) {
  process.stdout.write(`FAIL  ${what}\n${output}\n`);
  process.exit(1);
}

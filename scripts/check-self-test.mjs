#!/usr/bin/env node
// Do the checks bite? Plants one violation of each rule into a copy of the checkout and expects that very rule to report that very file.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './setup/command.mjs';
import { findDeadLinks } from './check/links.mjs';
import { findMachinePaths } from './check/machine-paths.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** [rule of dependency-cruiser, file, its text] */
const imports = [
  ['no-cycles', 'net/planted-a.ts', "import { b } from './planted-b.ts';\nexport const a = (): number => b();\n"],
  ['', 'net/planted-b.ts', "import { a } from './planted-a.ts';\nexport const b = (): number => a();\n"],
  ['not-resolvable', 'net/planted-lost.ts', "export * from './nowhere.ts';\n"],
  ['room-net', 'net/planted.ts', "export type { Announcement } from '../garp/announcement.ts';\n"],
  ['room-garp', 'garp/planted.ts', "export type * from '../bridge/ports.ts';\n"],
  ['room-bridge', 'bridge/planted.ts', "export type * from '../identity/admit.ts';\n"],
  ['room-identity', 'identity/planted.ts', "export type * from '../bgp/route.ts';\n"],
  ['room-bgp', 'bgp/planted.ts', "export type * from '../garp/announcement.ts';\n"],
  ['room-feeds', 'feeds/planted.ts', "export type * from '../src/backend.ts';\n"],
  ['room-routes', 'routes/planted.ts', "export * from '../bgp/errors.ts';\n"],
  ['room-forward', 'forward/planted.ts', "export type * from '../config/config.ts';\n"],
  ['room-config', 'config/planted.ts', "export type * from '../src/backend.ts';\n"],
  ['native-from-io-only', 'bridge/planted-native.ts', "export * from '../native/planted.ts';\n"],
  ['native-imports-no-room', 'native/planted.ts', "export type * from '../net/mac.ts';\n"],
  ['', 'config/io/planted.ts', 'export const planted = 1;\n'],
  ['io-from-the-shell-only', 'config/planted-io.ts', "export * from './io/planted.ts';\n"],
  ['no-node-built-ins-in-the-core', 'bgp/planted-built-in.ts', "import { readFileSync } from 'node:fs';\nexport const text = readFileSync('x');\n"],
  ['product-knows-no-tests', 'src/planted-test.ts', "export * from '../test/planted.ts';\n"],
  ['', 'test/planted.ts', 'export const planted = 1;\n'],
  ...['commander', 'ipaddr.js', 'pcap', 'pino', 'raw-socket', 'yaml', 'zod'].map((name) => [
    `one-importer-${name.replace(/\W/g, '-')}`,
    `src/demo/planted-${name.replace(/\W/g, '-')}.ts`,
    `import * as it from '${name}';\nexport { it };\n`,
  ]),
  ['only-chosen-packages', 'src/demo/planted-other.ts', "export * from 'fast-check';\n"],
];

/** [rule of ESLint, file, its text] */
const globals = [
  ['no-restricted-globals', 'routes/planted-date.ts', 'export const now = (): number => Date.now();\n'],
  ['no-restricted-globals', 'routes/planted-timeout.ts', 'export const later = (f: () => void): unknown => setTimeout(f, 1);\n'],
  ['no-restricted-globals', 'bgp/planted-interval.ts', 'export const often = (f: () => void): unknown => setInterval(f, 1);\n'],
  ['no-restricted-globals', 'garp/planted-process.ts', 'export const env = (): unknown => process.env;\n'],
  ['no-restricted-globals', 'net/planted-console.ts', "export const shout = (): void => console.log('x');\n"],
  ['no-restricted-properties', 'src/planted-random.ts', 'export const dice = (): number => Math.random();\n'],
  ['@typescript-eslint/no-floating-promises', 'config/io/planted-promise.ts', 'export const go = (): void => {\n  Promise.resolve(1);\n};\n'],
  ['@typescript-eslint/switch-exhaustiveness-check', 'net/planted-switch.ts', "export function f(x: 'a' | 'b'): void {\n  switch (x) {\n    case 'a':\n      return;\n  }\n}\n"],
];

const copy = mkdtempSync(join(tmpdir(), 'check-self-test-'));
try {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8', maxBuffer: 16 << 20 }).split('\0');
  for (const file of files) if (file !== '' && existsSync(join(root, file))) cpSync(join(root, file), join(copy, file));
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  for (const [, file, text] of [...imports, ...globals]) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    writeFileSync(join(copy, file), text);
  }
  const missed = [...(await missedImports()), ...(await missedGlobals()), ...(await missedInterface()), ...missedText()];
  for (const line of missed) process.stdout.write(`FAIL  ${line}\n`);
  process.stdout.write(missed.length === 0 ? `ok    all ${imports.length + globals.length + 3} planted files were judged as they should be\n` : `${missed.length} planted violations went unseen\n`);
  process.exitCode = missed.length === 0 ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}

async function missedImports() {
  const folders = ['net', 'native', 'garp', 'bridge', 'bgp', 'bfd', 'feeds', 'identity', 'routes', 'forward', 'config', 'src', 'test'];
  const out = join(copy, 'imports.json');
  const args = ['node_modules/dependency-cruiser/bin/dependency-cruise.mjs', '--config', '.dependency-cruiser.cjs', '--output-type', 'json', '--output-to', out, ...folders];
  const result = await runCommand(process.execPath, args, { seconds: 120, cwd: copy });
  if (!existsSync(out)) return [`dependency-cruiser did not run: ${result.output}`];
  const { summary } = JSON.parse(readFileSync(out, 'utf8'));
  return imports
    .filter(([rule, file]) => rule !== '' && !summary.violations.some((violation) => violation.rule.name === rule && violation.from === file))
    .map(([rule, file]) => `imports: ${rule} does not report ${file}`);
}

async function missedGlobals() {
  const out = join(copy, 'lint.json');
  const args = ['node_modules/eslint/bin/eslint.js', '--format', 'json', '--output-file', out, ...globals.map(([, file]) => file)];
  const result = await runCommand(process.execPath, args, { seconds: 180, cwd: copy });
  if (!existsSync(out)) return [`eslint did not run: ${result.output}`];
  const results = JSON.parse(readFileSync(out, 'utf8'));
  return globals
    .filter(([rule, file]) => !results.some((one) => one.filePath === join(copy, file) && one.messages.some((message) => message.ruleId === rule)))
    .map(([rule, file]) => `lint: ${rule} does not report ${file}`);
}

async function missedInterface() {
  const page = join(copy, 'docs/interface-check.md');
  writeFileSync(page, readFileSync(page, 'utf8').replace('`show why`', '`show whither`').replace('test/src/top.test.ts` “on a terminal', 'test/src/top.test.ts` “planted title'));
  const { ok, output } = await runCommand(process.execPath, ['--import', 'tsx', 'scripts/check-interface.ts'], { seconds: 60, cwd: copy, lines: 300 });
  const expected = ['does not name show why', 'names show whither, which does not exist', 'no test of test/src/top.test.ts is called “planted title'];
  return expected.filter((words) => ok || !output.includes(words)).map((words) => `interface: nothing says "${words}"`);
}

function missedText() {
  execFileSync('git', ['init', '-q'], { cwd: copy });
  writeFileSync(join(copy, 'docs-planted.md'), `see ${['/ho', 'me/someone/x'].join('')} and [here](nowhere.md)\n`);
  return [
    ...(findMachinePaths(copy).some((line) => line.startsWith('docs-planted.md:1')) ? [] : ['machine paths: docs-planted.md is not reported']),
    ...(findDeadLinks(copy).includes('docs-planted.md: nowhere.md') ? [] : ['links: docs-planted.md is not reported']),
  ];
}

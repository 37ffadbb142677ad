#!/usr/bin/env node
// `npm run docs`: writes the pages that are made from code. With --check: says which of them are not what the code would write now.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './setup/command.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const generators = [
  { script: 'scripts/draw-tables.ts', pages: ['docs/bgp-fsm.md', 'docs/handover.md'] },
  { script: 'scripts/write-config-docs.ts', pages: ['docs/configuration.md', 'docs/landfall.schema.json'] },
];
const checkOnly = process.argv.includes('--check');
const read = (page) => (existsSync(join(root, page)) ? readFileSync(join(root, page), 'utf8') : undefined);

let stale = 0;
for (const { script, pages } of generators.filter((generator) => existsSync(join(root, generator.script)))) {
  const before = new Map(pages.map((page) => [page, read(page)]));
  const { ok, reason, output } = await runCommand(process.execPath, ['--import', 'tsx', script], { seconds: 60, cwd: root });
  if (!ok) {
    process.stdout.write(`${script} failed: ${reason}\n${output}\n`);
    process.exit(1);
  }
  for (const page of pages) {
    const old = before.get(page);
    if (read(page) === old) continue;
    stale += 1;
    process.stdout.write(checkOnly ? `${page} is not current: run npm run docs and commit it\n` : `${page} written\n`);
    if (checkOnly && old !== undefined) writeFileSync(join(root, page), old);
  }
}
if (stale === 0) process.stdout.write('all generated pages are current\n');
process.exitCode = checkOnly && stale > 0 ? 1 : 0;

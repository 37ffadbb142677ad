// `npm run fuzz -- [--minutes N] [--targets a,b]`: coverage-guided fuzzing of every decoder, one after the other. Begins with the corpus that
// is kept here; what it finds beyond lands in build/. Plain JavaScript with Node built-ins: jsfuzz is installed here and nowhere else.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const words = process.argv.slice(2);
const option = (name) => (words.includes(name) ? words[words.indexOf(name) + 1] : undefined);
const minutes = Number(option('--minutes') ?? 10);
const all = readdirSync(join(here, 'targets')).map((file) => file.replace(/\.ts$/, ''));
const targets = option('--targets')?.split(',') ?? all;

if (!(minutes > 0) || targets.some((target) => !all.includes(target))) {
  console.error(`usage: npm run fuzz -- [--minutes N] [--targets ${all.join(',')}]`);
  process.exit(2);
}
if (!existsSync(join(here, 'node_modules/jsfuzz'))) {
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

const common = { bundle: true, platform: 'node', format: 'cjs', logLevel: 'error' };

/** jsfuzz counts what `require` loads: one CommonJS file for each target with our own code in it, and packages where it does not look. */
async function bundle(target) {
  const { build } = await import('esbuild');
  const folder = join(here, 'build', target);
  const packages = {
    name: 'packages',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^[^./#]/ }, ({ path, kind }) => (kind === 'entry-point' || path.startsWith('node:') ? undefined : { path, namespace: 'package' }));
      onLoad({ filter: /.*/, namespace: 'package' }, async ({ path }) => {
        const outfile = join(folder, `${path.replace(/\W/g, '-')}.txt`);
        await build({ ...common, stdin: { contents: `module.exports = require(${JSON.stringify(path)})`, resolveDir: root }, outfile });
        return { contents: `const made = { exports: {} }; new Function('module', 'exports', 'require', require('node:fs').readFileSync(${JSON.stringify(outfile)}, 'utf8'))(made, made.exports, require); module.exports = made.exports;` };
      });
    },
  };
  await build({ ...common, entryPoints: [join(here, 'targets', `${target}.ts`)], outfile: join(folder, 'target.cjs'), plugins: [packages] });
}

/** Runs one target for a time. @returns what came of it. */
async function fuzz(target, seconds) {
  const folder = join(here, 'build', target);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await bundle(target);
  cpSync(join(here, 'corpus', target), join(folder, 'corpus'), { recursive: true });
  const child = spawn(process.execPath, [
    join(here, 'node_modules/jsfuzz/build/src/index.js'), 'target.cjs', 'corpus', '--timeout', '20', '--rss-limit-mb', '1024', // Its recombination of text makes inputs of megabytes, which then cost all of the time.
    '--versifier=false',
  ], { cwd: folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  // The time counts from the first input: on a busy machine the worker takes seconds to load.
  let timers = [];
  const begin = () => {
    timers = [setTimeout(() => signal('SIGINT'), seconds * 1000), setTimeout(() => signal('SIGKILL'), (seconds + 20) * 1000)];
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (data) => {
      text = (text + data).slice(-20_000);
      if (timers.length === 0 && / NEW /.test(text)) begin();
    });
  }
  const ended = new Promise((resolve) => child.on('close', resolve));
  const signal = (name) => {
    try {
      process.kill(-child.pid, name);
    } catch {
      // it has ended
    }
  };
  // Asked to end (SIGINT), the worker writes down its coverage before its next input.
  await ended;
  timers.forEach(clearTimeout);
  const crashes = readdirSync(folder).filter((name) => name.startsWith('crash-'));
  const executions = Math.max(0, ...[...text.matchAll(/^#(\d+) /gm)].map(([, count]) => Number(count)));
  return { target, seconds, executions, corpus: readdirSync(join(folder, 'corpus')).length, coverage: coverageOf(folder, target), crashes, text };
}

/** Statements of our own code that ran, of all in the bundle. */
function coverageOf(folder, target) {
  const file = join(folder, '.nyc_output/cov.json');
  if (!existsSync(file)) return undefined;
  const own = Object.entries(JSON.parse(readFileSync(file, 'utf8'))).filter(([path]) => path.endsWith(join(target, 'target.cjs'))).map(([, value]) => value);
  const counts = own.flatMap(({ s }) => Object.values(s));
  const branches = own.flatMap(({ b }) => Object.values(b).flat());
  const share = (list) => `${list.filter((count) => count > 0).length} of ${list.length} (${((100 * list.filter((count) => count > 0).length) / Math.max(1, list.length)).toFixed(1)} %)`;
  return { statements: share(counts), branches: share(branches) };
}

let failed = false;
console.log('| decoder | time | inputs | corpus | statements | branches | crashes |\n| --- | --- | --- | --- | --- | --- | --- |');
for (const target of targets) {
  const { seconds, executions, corpus, coverage, crashes, text } = await fuzz(target, (minutes * 60) / targets.length);
  console.log(`| ${target} | ${Math.round(seconds)} s | ${executions} | ${corpus} | ${coverage?.statements ?? '?'} | ${coverage?.branches ?? '?'} | ${crashes.length} |`);
  if (crashes.length === 0 && coverage !== undefined) continue;
  failed = true;
  console.error(`${text.slice(-3000)}\n${crashes.map((name) => `fuzz/build/${target}/${name}`).join('\n')}`);
}
process.exitCode = failed ? 1 : 0;

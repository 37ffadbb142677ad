import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon, landfallCommand, run, sleep, waitFor } from '../../src/demo/processes.ts';
import { needs } from './lab.ts';

// The demo as users start it: its exit status, its figures, and what it leaves behind.

interface Report {
  readonly ok: boolean;
  readonly tor: string;
  readonly landfall: { readonly moves: { readonly timeline: { event: string }[]; readonly probes: Record<string, { sent: number; lost: number }> }[]; readonly streams: { alive: boolean }[] };
}

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What a user gets by installing: nobody may be able to read the checkout. Returns the program. */
function install(target: string): string {
  const listed = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: root, encoding: 'utf8', timeout: 30_000 }).split('\n');
  const packages = listed.filter((path) => path.includes('/node_modules/')).map((path) => relative(root, path));
  for (const path of ['package.json', 'dist', 'native/build', ...packages]) cpSync(join(root, path), join(target, path), { recursive: true });
  return join(target, 'dist/src/cli.js');
}

describe('the demo', function () {
  this.timeout(90_000);
  let folder: string;
  before(function () {
    needs(this, 'frr');
    folder = mkdtempSync(join(tmpdir(), 'landfall-demo-test-'));
    chmodSync(folder, 0o777);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const asNobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', 'env', 'HOME=/'];
  const cases: { name: string; wrap: string[]; options: string[]; tor: string }[] = [
    { name: 'as root, with FRR by default', wrap: [], options: ['--mode', 'l3', '--vms', '2'], tor: 'frr' },
    { name: 'without root, with the embedded router by default', wrap: asNobody, options: ['--mode', 'l2'], tor: 'embedded' },
  ];
  for (const { name, wrap, options, tor } of cases) {
    it(`runs ${name}`, async () => {
      const json = join(folder, `${tor}.json`);
      const svg = join(folder, `${tor}.svg`);
      const program = wrap.length === 0 ? landfallCommand() : [process.execPath, install(join(folder, 'lib'))];
      const done = await run([...wrap, ...program, 'demo', '--migrations', '2', '--json', json, '--svg', svg, ...options], { timeoutMs: 80_000 });
      assert.equal(done.status, 0, `${done.stdout}\n${done.stderr}`);
      const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
      assert.deepEqual([report.ok, report.tor, report.landfall.moves.length], [true, tor, 2]);
      assert.ok(report.landfall.streams.length === 2 && report.landfall.streams.every((stream) => stream.alive));
      for (const move of report.landfall.moves) {
        const seen = new Set(move.timeline.map((line) => line.event));
        for (const event of ['paused', 'resumed', 'frame', 'accepted', 'announced', 'router', 'first packet', 'withdrawn']) assert.ok(seen.has(event), `${event} in ${[...seen].join()}`);
        for (const probe of ['udp-ipv4', 'udp-ipv6', 'icmp-ipv4', 'icmp-ipv6']) assert.ok((move.probes[probe]?.sent ?? 0) > 500, probe);
      }
      assert.match(readFileSync(svg, 'utf8'), /<svg[^]*<\/svg>/);
    });
  }

  it('leaves nothing behind after Ctrl-C', async () => {
    const demo = new Daemon('demo', [...landfallCommand(), 'demo', '--tor', 'embedded', '--svg', join(folder, 'x.svg')]);
    const left = async (): Promise<string[]> => (await run(['ip', 'netns', 'list'])).stdout.split('\n').filter((line) => line.startsWith(`lf${demo.pid}-`));
    await waitFor('its namespaces', 20_000, async () => (await left()).length > 4);
    await sleep(1500);
    demo.signal('SIGINT');
    assert.equal(await demo.ended, 'status 130');
    assert.deepEqual(await left(), []);
    const alive = (await run(['ps', '-eo', 'args'])).stdout.split('\n').filter((line) => line.includes(`landfall-demo-${demo.pid}-`));
    assert.deepEqual(alive, []);
  });

  it('refuses what it cannot do, with exit status 2', async () => {
    for (const options of [['--vms', '33'], ['--migrations', '101'], ['--tor', 'openbsd']]) {
      assert.equal((await run([...landfallCommand(), 'demo', ...options])).status, 2, options.join(' '));
    }
  });
});

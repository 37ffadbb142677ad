import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serveApi, type ApiServer } from '../../src/io/api-socket.ts';
import { fakeBackend, silentLog } from './fake-daemon.ts';

const command = [process.execPath, '--import', import.meta.resolve('tsx'), fileURLToPath(new URL('../../src/cli.ts', import.meta.url))];
/** A program with a terminal for standard input, output and error. */
const terminal = 'import pty, sys, os; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';

describe('on a terminal', function () {
  this.timeout(60_000);
  this.slow(10_000);
  let folder: string;
  let server: ApiServer;
  before(async function () {
    if (spawnSync('python3', ['--version']).status !== 0) return this.skip();
    folder = mkdtempSync(join(tmpdir(), 'landfall-terminal-'));
    server = await serveApi({ path: join(folder, 's'), mode: 0o600, backend: fakeBackend(), log: silentLog });
  });
  after(async () => {
    await server?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  async function landfall(words: readonly string[], environment: Record<string, string> = {}): Promise<string> {
    const { NO_COLOR: _, ...plain } = process.env;
    const child = spawn('python3', ['-c', terminal, ...command, '-s', join(folder, 's'), ...words], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...plain, TERM: 'xterm', ...environment } });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    await new Promise((resolve) => child.on('close', resolve));
    return text;
  }

  it('tables have colour, unless --no-color or NO_COLOR says no', async () => {
    assert.match(await landfall(['show', 'peers']), /\x1b\[32mestablished\x1b\[39m/);
    for (const [words, environment] of [[['show', 'peers', '--no-color'], {}], [['show', 'peers'], { NO_COLOR: '1' }]] as const) {
      const text = await landfall(words, environment);
      assert.match(text, /established/);
      assert.doesNotMatch(text, /\x1b/);
    }
  });

  it('-v says on standard error who was asked and how long it took; -q says nothing that is no error', async () => {
    assert.match(await landfall(['-v', 'show', 'peers', '-o', 'name']), /\/s \/v1\/peers: [\d.]+ ms/);
    assert.match(await landfall(['show', 'prefixes', '--state', 'held']), /no prefixes/);
    assert.doesNotMatch(await landfall(['-q', 'show', 'prefixes', '--state', 'held']), /no prefixes/);
  });
});

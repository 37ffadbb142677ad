import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serveApi, type ApiServer } from '../../src/io/api-socket.ts';
import { fakeBackend, silentLog } from './fake-daemon.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const command = [process.execPath, '--import', import.meta.resolve('tsx'), cli];

/** A terminal of 100 by 30 around a program; what it reads becomes keys, what is printed comes out. */
const terminal = `
import fcntl, os, pty, select, struct, sys, termios
pid, fd = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
while True:
    ready, _, _ = select.select([fd, 0], [], [])
    try:
        if fd in ready:
            data = os.read(fd, 65536)
            if not data: break
            os.write(1, data)
    except OSError: break
    if 0 in ready:
        data = os.read(0, 100)
        if data == b'R': fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 8, 40, 0, 0))
        elif data: os.write(fd, data)
        else: break
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

describe('landfall top', function () {
  this.timeout(60_000);
  this.slow(10_000);
  let folder: string;
  let socket: string;
  let server: ApiServer;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-top-'));
    socket = join(folder, 's');
    server = await serveApi({ path: socket, mode: 0o600, backend: fakeBackend(), log: silentLog });
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  it('without a terminal it is wrong usage', () => {
    const done = spawnSync(command[0] as string, [...command.slice(1), '-s', socket, 'top'], { encoding: 'utf8', timeout: 50_000 });
    assert.deepEqual([done.status, done.stdout], [2, '']);
    assert.match(done.stderr, /top needs a terminal/);
  });

  it('on a terminal it draws, draws anew when that is resized, and q gives the terminal back', async function () {
    if (spawnSync('python3', ['--version']).status !== 0) return this.skip();
    const child = spawn('python3', ['-c', terminal, ...command, '-s', socket, 'top'], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, NO_COLOR: '1', TERM: 'xterm' } });
    let seen = '';
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    child.stdout.on('data', (chunk: Buffer) => { seen += chunk.toString('utf8'); });
    const until = async (pattern: RegExp): Promise<void> => {
      for (const end = Date.now() + 40_000; !pattern.test(seen); ) {
        assert.ok(Date.now() < end, `no ${pattern} in ${JSON.stringify(seen.slice(-2000))}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    try {
      await until(/landfall 0\.1\.0 on hv-07/);
      await until(/q quits/);
      assert.ok(seen.startsWith('\x1b[?1049h'), 'the alternate screen');
      seen = '';
      child.stdin.write('R');
      await until(/\.\.\. \d+ more lines\x1b\[K\r+\nq quits\x1b\[K\x1b\[J/);
      child.stdin.write('q');
      assert.equal(await ended, 0);
      assert.ok(seen.endsWith('\x1b[?25h\x1b[?1049l'), 'cursor and screen are given back');
    } finally {
      child.kill('SIGKILL');
    }
  });
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listenOnFile, SocketFileError } from '../../../src/io/socket-file.ts';

describe('socket file', () => {
  let folder: string;
  const servers: Server[] = [];
  const open = (path: string, mode = 0o660, group?: string): Promise<() => void> => {
    const server = createServer((socket) => socket.end());
    servers.push(server);
    return listenOnFile(server, { path, mode, ...(group === undefined ? {} : { group }) });
  };
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'landfall-socket-'))));
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    rmSync(folder, { recursive: true });
  });

  for (const mode of [0o600, 0o660, 0o666]) {
    it(`has mode ${mode.toString(8)} whatever the umask`, async () => {
      const before = process.umask(0o022);
      try {
        await open(join(folder, 's'), mode);
        assert.equal(statSync(join(folder, 's')).mode & 0o7777, mode);
        assert.equal(process.umask(), 0o022, 'the umask is back');
      } finally {
        process.umask(before);
      }
    });
  }

  it('makes its folder', async () => {
    await open(join(folder, 'run', 'landfall', 's'));
    assert.ok(statSync(join(folder, 'run', 'landfall', 's')).isSocket());
  });

  it('goes to the group, by number or by name', async () => {
    const gid = process.getgid?.() as number;
    const name = readFileSync('/etc/group', 'utf8').split('\n').find((line) => line.split(':')[2] === String(gid))?.split(':')[0];
    await open(join(folder, 'a'), 0o660, String(gid));
    assert.equal(statSync(join(folder, 'a')).gid, gid);
    if (name === undefined) return;
    await open(join(folder, 'b'), 0o660, name);
    assert.equal(statSync(join(folder, 'b')).gid, gid);
  });

  it('knows no such group, and leaves nothing behind', async () => {
    await assert.rejects(open(join(folder, 's'), 0o660, 'no-such-group'), (error: Error) => error instanceof SocketFileError && /no group no-such-group/.test(error.message));
    assert.equal(existsSync(join(folder, 's')), false);
  });

  it('is refused by a live process', async () => {
    await open(join(folder, 's'));
    await assert.rejects(open(join(folder, 's')), /a process listens on .* already/);
    assert.ok(statSync(join(folder, 's')).isSocket(), 'the live one is still there');
  });

  it('takes the place of a dead process', async () => {
    const path = join(folder, 's');
    const dead = spawnSync(process.execPath, ['-e', `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`]);
    assert.equal(dead.signal, 'SIGKILL');
    assert.equal(await dial(path), 'ECONNREFUSED');
    await open(path);
    assert.equal(await dial(path), 'connected');
  });

  for (const what of ['file', 'symlink'] as const) {
    it(`never replaces a ${what}`, async () => {
      const path = join(folder, 's');
      if (what === 'file') writeFileSync(path, 'precious');
      else symlinkSync('/nowhere', path);
      await assert.rejects(open(path), /is no socket; it is left alone/);
      if (what === 'file') assert.equal(readFileSync(path, 'utf8'), 'precious');
    });
  }

  it('has a path that fits', () => assert.rejects(open(join(folder, 'x'.repeat(120))), /longer than 107 bytes/));

  it('says when its folder cannot be made', () => assert.rejects(open('/proc/landfall/s'), /cannot make the folder \/proc\/landfall/));

  it('removes its own file and no other', async () => {
    const remove = await open(join(folder, 's'));
    remove();
    assert.equal(existsSync(join(folder, 's')), false);
    writeFileSync(join(folder, 's'), 'other');
    remove();
    assert.equal(readFileSync(join(folder, 's'), 'utf8'), 'other');
  });
});

function dial(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve('connected');
    });
    socket.on('error', (error) => resolve((error as NodeJS.ErrnoException).code as string));
  });
}

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clockSynchronised, notifySupervisor, openNetlinkSocket, setScheduling } from '../../native/index.ts';

const room = fileURLToPath(new URL('../../native/', import.meta.url));

const binary = JSON.stringify(join(room, 'build/landfall.node'));

/** Runs a script in a Node of its own. */
function runScript(script: string, options: readonly string[] = []): { status: number | null; signal: string | null; output: string } {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...options, '-e', script], {
    encoding: 'utf8',
    cwd: join(room, '..'),
    timeout: 20_000,
  });
  return { status, signal, output: stdout + stderr };
}

describe('the native module', () => {
  it('gives memory back that was freed', () => {
    const { status, output } = runScript(`
      const { trimMemory } = require(${binary});
      const used = () => Number(/^RssAnon:\\s+(\\d+)/m.exec(require('fs').readFileSync('/proc/self/status', 'utf8'))[1]);
      // Buffers of less than M_MMAP_THRESHOLD come from the C library's heap; those that stay keep its end where it is.
      let buffers = [];
      const kept = [];
      for (let i = 0; i < 2000; i++) (i % 100 === 99 ? kept : buffers).push(Buffer.alloc(20_000, 1));
      buffers = undefined;
      gc();
      setTimeout(() => {
        const before = used();
        trimMemory();
        console.log(before - used() > 10_000 ? 'given back' : 'kept ' + before + ' ' + used(), kept.length);
      }, 200);
    `, ['--expose-gc']);
    assert.match(output, /^given back 20$/m);
    assert.equal(status, 0);
  });

  it('gives events from netlink, asked for or not', async () => {
    const lengths: number[] = [];
    const socket = openNetlinkSocket({ groups: [], receiveBufferBytes: 65_536, onData: (datagram) => lengths.push(datagram.length), onError: assert.fail });
    const loopback = Uint8Array.of(32, 0, 0, 0, 18, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0); // RTM_GETLINK
    socket.send(loopback);
    socket.drain();
    assert.equal(lengths.length, 1);
    socket.send(loopback);
    while (lengths.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.close();
    socket.close();
    assert.throws(() => socket.send(loopback), { code: 'EBADF' });
    assert.notEqual(socket.port, 0);
  });

  it('hands what waits in a netlink socket over in one go, up to a limit in a turn', async () => {
    const lengths: number[] = [];
    const socket = openNetlinkSocket({ groups: [], receiveBufferBytes: 1 << 20, octetsPerTurn: 16_384, onData: (octets) => lengths.push(octets.length), onError: assert.fail });
    const loopback = Uint8Array.of(32, 0, 0, 0, 18, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0); // RTM_GETLINK
    socket.send(loopback);
    socket.drain();
    const [one] = lengths as [number];
    for (let i = 0; i < 100; i++) socket.send(loopback);
    while (lengths.slice(1).reduce((sum, length) => sum + length, 0) < 100 * one) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.close();
    assert.equal(lengths.slice(1).reduce((sum, length) => sum + length, 0), 100 * one);
    const perTurn = Math.floor(16_384 / one) + 1;
    assert.equal(lengths.length, 1 + Math.ceil(100 / perTurn));
    assert.equal(lengths[1], perTurn * one);
  });

  it('tells a supervisor, and knows when there is none', () => {
    const before = process.env['NOTIFY_SOCKET'];
    try {
      delete process.env['NOTIFY_SOCKET'];
      assert.equal(notifySupervisor('READY=1'), false);
      process.env['NOTIFY_SOCKET'] = '/nonexistent/notify';
      assert.throws(() => notifySupervisor('READY=1'), { code: 'ENOENT', syscall: 'sendto' });
      process.env['NOTIFY_SOCKET'] = `/${'x'.repeat(200)}`;
      assert.throws(() => notifySupervisor('READY=1'), { code: 'ENAMETOOLONG' });
    } finally {
      if (before === undefined) delete process.env['NOTIFY_SOCKET'];
      else process.env['NOTIFY_SOCKET'] = before;
    }
  });

  it('reaches an abstract and a named socket', async () => {
    // Node has no datagram sockets of this family. The compiler is there: it built the module.
    const folder = mkdtempSync(join(tmpdir(), 'landfall-notify-'));
    const supervisor = `
      #include <stddef.h>
      #include <stdio.h>
      #include <string.h>
      #include <sys/socket.h>
      #include <sys/un.h>
      int main(int argc, char **argv) {
        struct sockaddr_un own = {.sun_family = AF_UNIX};
        char text[4096];
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
        strcpy(own.sun_path, argv[argc - 1]);
        if (own.sun_path[0] == '@') own.sun_path[0] = 0;
        if (bind(fd, (struct sockaddr *)&own, offsetof(struct sockaddr_un, sun_path) + strlen(argv[1])) != 0) return 1;
        puts("bound");
        fflush(stdout);
        return fwrite(text, 1, recv(fd, text, sizeof text, 0), stdout) == 0;
      }`;
    const before = process.env['NOTIFY_SOCKET'];
    try {
      execFileSync('cc', ['-x', 'c', '-o', join(folder, 'supervisor'), '-'], { input: supervisor });
      for (const name of [`@landfall-test-${process.pid}`, join(folder, 'notify')]) {
        const child = spawn(join(folder, 'supervisor'), [name], { timeout: 10_000, stdio: ['ignore', 'pipe', 'inherit'] });
        const heard: string[] = [];
        await new Promise<void>((resolve) => child.stdout.setEncoding('utf8').on('data', (text: string) => heard.push(text) && resolve()));
        process.env['NOTIFY_SOCKET'] = name;
        assert.equal(notifySupervisor('READY=1\nSTATUS=grüß Gott'), true);
        await new Promise((resolve) => child.once('close', resolve));
        assert.equal(heard.join(''), 'bound\nREADY=1\nSTATUS=grüß Gott');
      }
    } finally {
      if (before === undefined) delete process.env['NOTIFY_SOCKET'];
      else process.env['NOTIFY_SOCKET'] = before;
      rmSync(folder, { recursive: true });
    }
  }).timeout(30_000);

  it('refuses a priority that does not exist', () => {
    assert.throws(() => setScheduling('fifo', 100), { code: /EINVAL|EPERM/, syscall: 'sched_setscheduler' });
    setScheduling('normal');
  });

  it('lets Node end with sockets open, in a worker and in the main thread', () => {
    const { status, signal, output } = runScript(`
      const { Worker } = require('node:worker_threads');
      const open = () => require(${binary}).netlinkOpen(new Uint8Array(65536), [1], 1000, () => undefined);
      const code = "(" + open + ")(); setTimeout(() => process.exit(7), 50);";
      new Worker(code, { eval: true }).on('exit', (status) => {
        open();
        setTimeout(() => process.exit(status + 1), 20);
      });`);
    assert.deepEqual({ status, signal, output }, { status: 8, signal: null, output: '' });
  }).timeout(30_000);

  it('does not swallow what a callback throws', () => {
    const { output } = runScript(`
      process.on('uncaughtException', (error) => console.log('caught', error.message));
      require(${binary}).tcpConnect({ family: 4, address: '127.0.0.1', port: 1 }, () => { throw new Error('mine'); });`);
    assert.equal(output, 'caught mine\n');
  }).timeout(30_000);

  it('checks what it is given', () => {
    const native = runScript(`
      const native = require(${binary});
      const calls = [() => native.packetOpen(), () => native.packetOpen(new Uint8Array(5), new Float64Array(5), 1, () => 0),
        () => native.netlinkOpen(new Uint8Array(9), [], 1, () => 0), () => native.packetSend({}, 1, new Uint8Array(1)), () => native.tcpConnect({}, () => 0),
        () => native.tcpConnect({ family: '4' }, () => 0), () => native.tcpListen({ family: 4, address: 'x'.repeat(99), port: 1 }), () => native.tcpSetMd5(0, 4, 'x', 5, 0)];
      for (const call of calls) { try { call(); console.log('no error'); } catch (error) { console.log(error.code ?? error.name); } }`);
    assert.equal(native.output, 'TypeError\nEINVAL\nEINVAL\nEBADF\nEINVAL\nTypeError\nTypeError\nEINVAL\n');
  }).timeout(30_000);

  it('tells whether the clock is synchronised, as the kernel sees it', () => assert.equal(typeof clockSynchronised(), 'boolean'));

  describe('when it is not built', () => {
    let folder: string;
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'landfall-native-'));
      cpSync(room, join(folder, 'native'), { recursive: true, filter: (path) => !path.endsWith('build') });
      cpSync(join(room, '../package.json'), join(folder, 'package.json'));
    });
    after(() => rmSync(folder, { recursive: true }));

    it('says which command builds it, at the first use', () => {
      const { output } = runScript(
        `import { tcpListen } from ${JSON.stringify(join(folder, 'native/index.ts'))};
        try { tcpListen({ family: 4, address: '127.0.0.1', port: 0 }); } catch (error) { console.log(error.message); }`,
        ['--import', 'tsx', '--input-type=module'],
      );
      assert.match(output, /^landfall's native module is not built: run `node native\/build\.mjs`/);
    }).timeout(30_000);

    it('says what is missing when there is no compiler', () => {
      const { status, stderr } = spawnSync(process.execPath, [join(folder, 'native/build.mjs')], { encoding: 'utf8', env: { ...process.env, CC: '/nonexistent/cc' } });
      assert.deepEqual([status, stderr], [1, 'The C compiler "/nonexistent/cc" can\'t be run (ENOENT). Install one (Debian: apt-get install gcc libc6-dev).\n']);
    });

    it('is built once, and again when a source changes', () => {
      const file = join(folder, 'native/build/landfall.node');
      const build = () => spawnSync(process.execPath, [join(folder, 'native/build.mjs')], { encoding: 'utf8' });
      assert.match(build().stdout, / built\n$/);
      assert.ok(existsSync(file));
      const { mtimeMs } = statSync(file);
      assert.match(build().stdout, / is up to date\n$/);
      assert.equal(statSync(file).mtimeMs, mtimeMs);
      execFileSync('sh', ['-c', `echo '/* */' >> ${join(folder, 'native/tcp.c')}`]);
      assert.match(build().stdout, / built\n$/);
    }).timeout(30_000);
  });
});

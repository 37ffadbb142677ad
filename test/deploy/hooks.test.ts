import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../../src/demo/processes.ts';

// The programs that users are given to copy: what calls landfall when a VM is about to leave.

describe('examples: the libvirt hook', function () {
  this.timeout(20_000);
  const hook = 'examples/libvirt-hook-qemu.sh';
  let folder: string;
  let environment: NodeJS.ProcessEnv;
  const xml = "<domain type='kvm'>\n  <name>web-1</name>\n  <interface type='bridge'>\n    <mac address='52:54:00:aa:00:01'/>\n  </interface>\n  <interface type='bridge'>\n    <mac address='52:54:00:aa:00:02'/>\n  </interface>\n</domain>\n";
  const script = (name: string, text: string): void => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  const called = (): string[] => (existsSync(join(folder, 'called')) ? readFileSync(join(folder, 'called'), 'utf8').trim().split('\n') : []);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-hook-'));
    environment = { ...process.env, LANDFALL_HOOK_RUNTIME: join(folder, 'run'), LANDFALL: join(folder, 'landfall'), VIRSH: join(folder, 'virsh') };
    script('landfall', `echo "$@" >> ${folder}/called`);
    script('virsh', `echo "$@" > ${folder}/virsh-called
      echo "event 'lifecycle' for domain 'web-1': Suspended Paused"
      echo "event 'lifecycle' for domain 'web-1': Suspended Migrated"
      echo "event 'lifecycle' for domain 'web-1': Resumed Migrated"
      exec sleep 60`);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('follows a VM from its start to its end: paused when it stands still to migrate, running when it goes on', async () => {
    const run = (...words: readonly string[]): void => assert.equal(spawnSync(hook, ['web-1', ...words], { env: environment, input: xml }).status, 0);
    run('prepare', 'begin', '-');
    run('started', 'begin', '-');
    await waitFor('hints', 10_000, () => called().length === 4);
    assert.deepEqual(called(), ['paused', 'running'].flatMap((state) => ['52:54:00:aa:00:01', '52:54:00:aa:00:02'].map((mac) => `--quiet hint ${state} ${mac}`)));
    assert.equal(readFileSync(join(folder, 'virsh-called'), 'utf8').trim(), 'event --domain web-1 --event lifecycle --loop');
    const pid = Number(readFileSync(join(folder, 'run', 'web-1.pid'), 'utf8'));
    run('stopped', 'end', '-');
    await waitFor('the watcher to end', 10_000, () => !existsSync(`/proc/${pid}`));
    assert.ok(!existsSync(join(folder, 'run', 'web-1.pid')));
  });

  it('does nothing for a VM without a network card, nor for a name that is no name', () => {
    for (const [name, input] of [['web-1', '<domain/>'], ['../../etc/x', xml], ['', xml]] as const) {
      assert.equal(spawnSync(hook, [name, 'started', 'begin', '-'], { env: environment, input }).status, 0);
    }
    assert.ok(!existsSync(join(folder, 'virsh-called')));
  });
});

describe('examples: the QMP watcher', function () {
  this.timeout(20_000);
  let folder: string;
  let end: (() => void)[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-qmp-'));
  });
  afterEach(() => {
    for (const work of end.reverse()) work();
    end = [];
    rmSync(folder, { recursive: true, force: true });
  });

  /** A monitor whose events the test tells, a daemon that writes hints down, and the watcher between them. */
  async function start(remaining: () => number, ...options: readonly string[]): Promise<{ event: (name: string, data?: object) => void; hints: object[] }> {
    let client: Socket | undefined;
    let negotiated = false;
    const monitor = createServer((socket) => {
      client = socket;
      socket.write('{"QMP": {"version": {}, "capabilities": []}}\n');
      socket.on('error', () => undefined).on('data', (bytes) => {
        for (const line of bytes.toString().trim().split('\n')) {
          const { execute } = JSON.parse(line) as { execute: string };
          if (execute === 'qmp_capabilities') negotiated = true;
          const answer = execute === 'query-migrate' ? { status: 'active', ram: { remaining: remaining(), mbps: 800 } } : execute === 'query-migrate-parameters' ? { 'downtime-limit': 300 } : {};
          socket.write(`${JSON.stringify({ return: answer })}\n`);
        }
      });
    }).listen(join(folder, 'qmp'));
    const hints: object[] = [];
    const daemon = createHttpServer((request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => { body += part.toString(); }).on('end', () => {
        if (request.url === '/v1/hint') hints.push(JSON.parse(body) as object);
        response.end(JSON.stringify({ items: [{ prefix: '203.0.113.11/32', state: 'sending', node: 'hv-2' }] }));
      });
    }).listen(join(folder, 'api'));
    const child = spawn(process.execPath, ['examples/qmp-watcher.mjs', '--qmp', join(folder, 'qmp'), '--api', join(folder, 'api'), '--vm', 'shop/web-1', ...options], { stdio: 'ignore' });
    end.push(() => monitor.close(), () => daemon.close(), () => client?.destroy(), () => child.kill('SIGKILL'));
    await waitFor('the watcher', 10_000, () => negotiated);
    return { hints, event: (event, data = {}) => client?.write(`${JSON.stringify({ event, data, timestamp: { seconds: 1, microseconds: 0 } })}\n`) };
  }

  const until = (what: string, hints: readonly object[], wanted: readonly object[]): Promise<unknown> =>
    waitFor(what, 10_000, () => hints.length >= wanted.length).then(() => assert.deepEqual(hints, wanted), () => assert.deepEqual(hints, wanted));
  const paused = { state: 'paused', vm: 'shop/web-1' };
  const running = { state: 'running', vm: 'shop/web-1' };

  it('STOP in a migration: paused; when it is cancelled: running; STOP outside of one: nothing', async () => {
    const { event, hints } = await start(() => 1e9, '--lead', '0', '--to', 'hv-2');
    event('STOP');
    event('RESUME');
    event('MIGRATION', { status: 'setup' });
    event('MIGRATION', { status: 'active' });
    event('STOP');
    event('MIGRATION', { status: 'pre-switchover' });
    event('MIGRATION', { status: 'cancelling' });
    event('MIGRATION', { status: 'cancelled' });
    event('RESUME');
    await until('hints', hints, [{ ...paused, to: 'hv-2' }, running]);
  });

  it('one that is completed: the destination\'s claim has the last word', async () => {
    const { event, hints } = await start(() => 1e9, '--lead', '0');
    event('MIGRATION', { status: 'active' });
    event('STOP');
    event('MIGRATION', { status: 'device' });
    event('MIGRATION', { status: 'completed' });
    event('STOP');
    event('RESUME');
    await until('hints', hints, [paused]);
  });

  it('before the VM is stopped, when what is left goes over within the downtime limit; and takes it back when it grows again', async () => {
    // 800 Mbit/s and 300 ms: 30 MB.
    let left = 50e6;
    const { event, hints } = await start(() => { left -= 1e6; return left; });
    event('MIGRATION', { status: 'active' });
    await until('the hint', hints, [paused]);
    assert.ok(left < 45e6, `${left}`);
    left = 3e9;
    await until('its end', hints, [paused, running]);
    left = 31e6;
    await until('the next', hints, [paused, running, paused]);
    event('STOP');
    event('MIGRATION', { status: 'completed' });
    await until('no more', hints, [paused, running, paused]);
  });
});

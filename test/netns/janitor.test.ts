import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { janitorFile } from '../../native/index.ts';
import { must, run, waitFor } from '../../src/demo/processes.ts';

// The program that outlives a speaker, in a network namespace with what a speaker leaves.

let count = 0;

const left = `
link set lo up
link add br0 type bridge
link set br0 up
addr add 203.0.113.1/24 dev br0
link add rt0 type veth peer name rt1
link set rt0 up
link set rt1 up
addr add 192.0.2.2/24 dev rt0
addr add 2001:db8:9::2/64 dev rt0 nodad
link add lf-stragglers type vxlan id 179 dstport 17491 local 192.0.2.2 nolearning
link set lf-stragglers up
route add 203.0.113.10/32 via inet6 fe80::1 dev lf-stragglers proto 180 metric 10
route add 203.0.113.11/32 via 192.0.2.3 dev rt0 proto 180 metric 10
route add 2001:db8::10/128 via fe80::1 dev lf-stragglers proto 180 metric 10
route add 2001:db8::11/128 via 2001:db8:9::3 dev rt0 proto 180 metric 10
route add 203.0.113.14/32 dev br0 proto 179 metric 10 table 179
neigh add 203.0.113.14 lladdr 02:00:00:00:00:14 dev br0 nud permanent protocol 179
neigh add proxy 203.0.113.10 dev br0 protocol 179
neigh add proxy 2001:db8::11 dev br0 protocol 179
rule add iif lf-stragglers lookup 179 pref 179 protocol 179
rule add iif lf-stragglers lookup 180 pref 180 protocol 179
`;
/** What is not the janitor's. */
const others = `
route add 203.0.113.12/32 via 192.0.2.3 dev rt0 proto 179 metric 10
route add blackhole 203.0.113.13/32 proto 179 metric 10
route add 203.0.113.99/32 via 192.0.2.3 dev rt0 proto 180 metric 11
route add 203.0.113.10/32 via 192.0.2.3 dev rt0 metric 50
neigh add 203.0.113.15 lladdr 02:00:00:00:00:15 dev br0 nud permanent protocol 179
neigh add proxy 203.0.113.12 dev br0 protocol 179
rule add iif rt0 lookup 180 pref 180 protocol 179
`;

describe('the janitor', function () {
  this.timeout(60_000);
  let ns: string;
  const children: ChildProcess[] = [];
  let folder: string | undefined;
  let program: string;
  before(function () {
    if (process.getuid?.() !== 0) this.skip();
    // Where any user finds it.
    folder = mkdtempSync(join(tmpdir(), 'landfall-janitor-'));
    chmodSync(folder, 0o755);
    program = join(folder, 'landfall-janitor');
    copyFileSync(janitorFile() ?? assert.fail('it is not built'), program);
    chmodSync(program, 0o755);
  });
  after(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    ns = `lfj${process.pid}-${count++}`;
    await must(['ip', 'netns', 'add', ns]);
    await must(['ip', '-n', ns, '-batch', '-'], { input: left + others });
    for (const table of ['179', '180']) await must(['ip', '-n', ns, '-6', 'rule', 'add', 'iif', 'lf-stragglers', 'lookup', table, 'pref', table, 'protocol', '179']);
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await run(['ip', 'netns', 'delete', ns]);
  });

  async function start(...prefix: string[]): Promise<ChildProcess> {
    const child = spawn('ip', ['netns', 'exec', ns, ...prefix, program], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    child.stdin?.on('error', () => undefined);
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
    return child;
  }

  const show = async (): Promise<string> => (await Promise.all(['route show table all proto 180', '-6 route show table all proto 180', 'route show table 179', 'rule', '-6 rule', '-o link show', 'neigh show proxy', '-6 neigh show proxy', 'neigh show nud permanent']
    .map(async (args) => (await run(['ip', '-n', ns, ...args.split(' ')])).stdout))).join('');
  const ends = async (child: ChildProcess): Promise<number | null> => {
    if (child.exitCode === null) await once(child, 'exit');
    return child.exitCode;
  };

  it('after the time it takes away what sends packets on, and nothing else; it is small', async () => {
    const child = await start();
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    assert.match(status, /^Name:\tlandfall-janito$/m);
    assert.ok(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) <= 2048, status);
    child.stdin?.write('100000\n');
    const before = await show();
    child.stdin?.write('700\n');
    const begun = performance.now();
    child.stdin?.end();
    assert.equal(await ends(child), 0);
    assert.ok(performance.now() - begun > 500);
    const after = await show();
    for (const gone of ['203.0.113.11', '2001:db8::1', 'lf-stragglers', '203.0.113.14']) {
      assert.ok(before.includes(gone) && !after.includes(gone), `${gone} in\n${after}`);
    }
    assert.match(await must(['ip', '-n', ns, 'route', 'show', 'table', '180']), /^blackhole 203\.0\.113\.10 .*\nblackhole 203\.0\.113\.11 .*\n$/);
    assert.equal((await run(['ip', '-n', ns, '-6', 'route', 'show', 'table', '180'])).stdout, '', 'there is no rule from the fabric for IPv6');
    const routes = await must(['ip', '-n', ns, 'route', 'show']);
    for (const kept of [/^203\.0\.113\.12 via/m, /^blackhole 203\.0\.113\.13/m, /^203\.0\.113\.99 via .* metric 11/m, /^203\.0\.113\.10 via .* metric 50/m]) assert.match(routes, kept);
    for (const kept of ['203.0.113.15', '203.0.113.12', 'iif rt0 lookup 180']) assert.ok(after.includes(kept), kept);
  });

  it('a speaker that stops says so: nothing is touched', async () => {
    const before = await show();
    const child = await start();
    child.stdin?.write('200\n');
    child.stdin?.end('0\n');
    assert.equal(await ends(child), 0);
    assert.equal(await show(), before);
  });

  it('a new life has the tables: the janitor of the one before leaves them alone, and that of the new one does its work in turn', async () => {
    const first = await start();
    first.stdin?.end('4000\n');
    const second = await start();
    second.stdin?.write('1500\n');
    const before = await show();
    assert.equal(await ends(first), 0);
    assert.equal(await show(), before);
    second.stdin?.end();
    assert.equal(await ends(second), 0);
    assert.ok(!(await show()).includes('lf-stragglers'));
  });

  it("somebody else's process under the name of the speaker's does not hold it up for ever", async () => {
    const holder = spawn('ip', ['netns', 'exec', ns, process.execPath, '-e', "process.setuid(65534); require('net').createServer().listen('\\0landfall-stragglers', () => console.log('holds'))"], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(holder);
    await once(holder.stdout, 'data');
    const child = await start();
    child.stdin?.end('100\n');
    assert.equal(await ends(child), 0);
    assert.ok(!(await show()).includes('lf-stragglers'));
  });

  it('told to end before the death it waits for that, and then for nothing more', async () => {
    const child = await start();
    child.stdin?.write('100000\n');
    child.kill('SIGTERM');
    child.kill('SIGHUP');
    await waitFor('the signals', 5000, () => /^SigPnd:\t0+\n(.*\n)?ShdPnd:\t0+$/m.test(readFileSync(`/proc/${child.pid}/status`, 'utf8')));
    assert.equal(child.exitCode, null);
    assert.ok((await show()).includes('lf-stragglers'));
    child.stdin?.end();
    assert.equal(await ends(child), 0);
    assert.ok(!(await show()).includes('lf-stragglers'));
  });

  it('told to end after the death it does not wait', async () => {
    const child = await start();
    child.stdin?.end('100000\n');
    child.kill('SIGTERM');
    assert.equal(await ends(child), 0);
    assert.ok(!(await show()).includes('lf-stragglers'));
  });

  it('without the capability it says so at once', async () => {
    assert.equal(await ends(await start('setpriv', '--reuid', '65534', '--clear-groups')), 77);
  });

  it('does its work as the unit runs a speaker: some user, an ambient capability, no new privileges', async () => {
    const child = await start('setpriv', '--reuid', '65534', '--clear-groups', '--bounding-set', '-all,+net_admin', '--inh-caps', '-all,+net_admin', '--ambient-caps', '+net_admin', '--no-new-privs');
    child.stdin?.end('100\n');
    assert.equal(await ends(child), 0);
    assert.ok(!(await show()).includes('lf-stragglers'));
  });

  it('does its work as a pod runs a speaker: uid 0 with little else, no new privileges', async () => {
    const child = await start('setpriv', '--bounding-set', '-all,+net_admin,+net_raw', '--inh-caps', '-all', '--no-new-privs');
    child.stdin?.end('100\n');
    assert.equal(await ends(child), 0);
    assert.ok(!(await show()).includes('lf-stragglers'));
  });

  it('nonsense is no order, and without one there is nothing to do', async () => {
    const before = await show();
    const child = await start();
    child.stdin?.end('abc\n\n-\n5');
    assert.equal(await ends(child), 0);
    assert.equal(await show(), before);
  });
});

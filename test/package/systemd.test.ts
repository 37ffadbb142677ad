import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { must as mustRun, sleep, waitFor } from '../../src/demo/processes.ts';
import type { ListReply, PrefixItem } from '../../src/views/items.ts';
import { Machine, missingForMachine } from './machine.ts';
import { buildPackage, nodeConfig, Stage, vm } from './stage.ts';

// The package and its unit under a real systemd: PID 1 of a Debian 12, with a bridge, a VM's port, and BIRD as the router, which wants a key.

const key = 'a key from LoadCredential';
const config = nodeConfig(', password: {credential: bgp-tor-a}');
const unit = 'landfall.service';

describe('the package under systemd', function () {
  this.timeout(120_000);
  let stage: Stage;
  let machine: Machine;
  const debs: Record<string, string> = {};

  before(async function () {
    this.timeout(1_200_000);
    const missing = await missingForMachine();
    if (missing.length > 0) {
      process.stderr.write(`    skipped: systemd can't be booted here: needs ${missing.join(', ')}\n`);
      return this.skip();
    }
    stage = await Stage.create('systemd', key);
    for (const version of ['0.1.0', '0.1.1']) debs[version] = await buildPackage(stage.folder, version);
    machine = await Machine.create(stage.folder, stage.namespaces.prefix, (command) => stage.namespaces.exec('node', command));
  });
  after(async () => {
    await machine?.remove();
    await stage?.remove();
  });

  const property = (name: string): Promise<string> => machine.property(unit, name);
  const systemctl = (...words: string[]): ReturnType<Machine['run']> => machine.run(['systemctl', ...words]);
  const prefixes = async (): Promise<readonly PrefixItem[]> => (JSON.parse((await machine.run(['landfall', 'show', 'prefixes', '-o', 'json'])).stdout) as ListReply<PrefixItem>).items;
  const isRunning = async (): Promise<boolean> => (await property('ActiveState')) === 'active' && (await property('SubState')) === 'running';

  async function must(...words: string[]): Promise<string> {
    const done = await machine.run(words);
    assert.equal(done.status, 0, `${words.join(' ')}: ${done.stdout}${done.stderr}${(await machine.run(['journalctl', '-u', unit, '-n', '20', '--no-pager'])).stdout}`);
    return done.stdout + done.stderr;
  }

  /** The router had the route in all its looks. */
  async function kept({ looks, missing }: { looks: number; missing: number }): Promise<void> {
    const journal = missing === 0 ? '' : (await machine.run(['journalctl', '-u', 'landfall*', '-n', '60', '-o', 'cat', '--no-pager'])).stdout;
    assert.equal(missing, 0, `the route was away in ${missing} of ${looks} looks\n${journal}`);
  }

  async function install(version: string): Promise<string> {
    copyFileSync(debs[version] as string, machine.at('srv/landfall.deb'));
    return must('apt-get', 'install', '-y', '--no-install-recommends', ...(existsSync(machine.at('usr/bin/landfall')) ? ['--reinstall'] : []), '/srv/landfall.deb');
  }

  /** Waits until systemd has another process for the unit, and it is ready. */
  async function replaced(before: string, patienceMs: number): Promise<void> {
    await waitFor('another process, and ready', patienceMs, async () => (await property('MainPID')) !== before && await isRunning(), 100);
  }

  it('boots', async () => {
    assert.equal(await machine.boot(), 'running');
    assert.match(await must('cat', '/proc/1/comm'), /^systemd$/m);
  });

  it('is installed with its user, and starts nothing while the configuration is the example', async () => {
    assert.match(await install('0.1.0'), /not started: .* is still the example/);
    assert.equal(await property('ActiveState'), 'inactive');
    assert.equal(await property('UnitFileState'), 'disabled');
    assert.match(await must('id', 'landfall'), /\(landfall\)/);
  });

  it('start returns when it is READY, with a key that only root can read', async () => {
    writeFileSync(machine.at('etc/landfall/landfall.yaml'), config);
    writeFileSync(machine.at('etc/landfall/keys/bgp-tor-a'), `${key}\n`);
    chmodSync(machine.at('etc/landfall/keys/bgp-tor-a'), 0o600);
    mkdirSync(machine.at(`etc/systemd/system/${unit}.d`), { recursive: true });
    writeFileSync(machine.at(`etc/systemd/system/${unit}.d/keys.conf`), '[Service]\nLoadCredential=bgp-tor-a:/etc/landfall/keys/bgp-tor-a\n');
    await must('systemctl', 'daemon-reload');
    await must('systemctl', 'enable', '--now', 'landfall');
    assert.ok(await isRunning());
    assert.equal(await property('Type'), 'notify');
    await must('landfall', '-q', 'status');
    await stage.settled();
  });

  it('announces a VM that its capture hears, and says so in STATUS=', async () => {
    assert.deepEqual((await prefixes()).map(({ prefix, vm: name }) => [prefix, name]), [[`${vm.ipv4}/32`, vm.name]]);
    await waitFor('the status', 15_000, async () => (await property('StatusText')) === '1 of 1 peers established, 1 prefixes', 200);
    assert.match((await systemctl('status', 'landfall', '--no-pager')).stdout, /Status: "1 of 1 peers established, 1 prefixes"/);
  });

  it('runs as its user, with NET_RAW alone, a filter of system calls and a view of its own', async () => {
    const pid = await property('MainPID');
    const status = await must('cat', `/proc/${pid}/status`);
    for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb']) assert.match(status, new RegExp(`^Cap${set}:\t0000000000002000$`, 'm'));
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    assert.equal((await must('stat', '-c', '%U %G', `/proc/${pid}`)).trim(), 'landfall landfall');
    const inside = (...words: string[]): ReturnType<Machine['run']> => machine.run(['nsenter', '-t', pid, '-m', ...words]);
    for (const path of ['/etc/landfall/x', '/usr/x', '/var/lib/x', '/run/x', '/sys/fs/cgroup/x']) assert.match((await inside('touch', path)).stderr, /Read-only file system/, path);
    assert.equal((await inside('touch', '/var/lib/landfall/x')).status, 0);
    assert.equal((await inside('rm', '/var/lib/landfall/x')).status, 0);
    assert.equal((await inside('ls', '-A', '/home', '/root')).stdout, '/home:\n\n/root:\n');
    assert.match((await inside('mount')).stdout, /^proc on \/proc type proc \(.*hidepid=invisible/m);
    assert.match((await inside('stat', '-c', '%a', '/run/credentials/landfall.service/bgp-tor-a')).stdout, /^4[04]0$/m);
    assert.doesNotMatch(await must('cat', `/proc/${pid}/environ`), new RegExp(key), 'the key is not in the environment');
    const graded = await must('systemd-analyze', 'security', '--no-pager', unit);
    const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(graded)?.[1]);
    assert.ok(exposure <= 2, `exposure ${exposure}`);
    process.stdout.write(`      exposure ${exposure}\n`);
  });

  it('says nothing in the journal that an operator would have to look into', async () => {
    const lines = (await must('journalctl', '-u', unit, '-o', 'cat', '--no-pager')).split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as { level: string; event: string; text?: string });
    assert.ok(lines.length > 5);
    assert.deepEqual(lines.filter(({ level }) => level === 'warn' || level === 'error'), []);
    assert.deepEqual((await machine.run(['journalctl', '-p', 'warning', '-u', unit, '-o', 'cat', '--no-pager', '_PID=1'])).stdout, '');
  });

  it('reload takes over what changed; a refused file fails it, and what runs goes on', async () => {
    const pid = await property('MainPID');
    const other = '198.18.0.250';
    writeFileSync(machine.at('etc/landfall/landfall.yaml'), config.replace('log: {level: info', 'unknownKey: 1\nlog: {level: info'));
    const refused = await systemctl('reload', 'landfall');
    assert.notEqual(refused.status, 0);
    assert.ok(await isRunning());
    writeFileSync(machine.at('etc/landfall/landfall.yaml'), config.replace(`ips: [${vm.ipv4}]`, `ips: [${vm.ipv4}, ${other}]`));
    await must('systemctl', 'reload', 'landfall');
    assert.match(await must('landfall', 'show', 'config'), new RegExp(other.replaceAll('.', '\\.')));
    assert.equal(await property('MainPID'), pid);
    assert.ok(await stage.isUp() && await stage.hasRoute());
    writeFileSync(machine.at('etc/landfall/landfall.yaml'), config);
    await must('systemctl', 'reload', 'landfall');
  });

  it('a speaker that hangs is replaced by the watchdog', async () => {
    const pid = await property('MainPID');
    const start = performance.now();
    await must('sh', '-c', `kill -STOP ${pid}`);
    await replaced(pid, 60_000);
    process.stdout.write(`      after ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
    assert.match((await must('journalctl', '-u', unit, '-o', 'cat', '--no-pager')), /Watchdog timeout/);
    await waitFor('the route', 30_000, () => stage.hasRoute());
  });

  it('a speaker that is killed comes back and remembers: no look at the router finds the route away', async () => {
    const [before] = await prefixes();
    const pid = await property('MainPID');
    const restarts = Number(await property('NRestarts'));
    const start = performance.now();
    const seen = await stage.watching(async () => {
      await must('sh', '-c', `kill -KILL ${pid}`);
      await replaced(pid, 30_000);
      process.stdout.write(`      ready again after ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
      await waitFor('the session', 30_000, () => stage.isUp());
      await sleep(2000);
    });
    assert.equal(Number(await property('NRestarts')), restarts + 1);
    await kept(seen);
    const [after] = await prefixes();
    assert.deepEqual([after?.prefix, after?.sequence], [before?.prefix, before?.sequence]);
  });

  it('stop leaves the routes for the restart time, and a start within it loses none', async () => {
    const seen = await stage.watching(async () => {
      await must('systemctl', 'stop', 'landfall');
      assert.equal(await property('Result'), 'success');
      assert.equal(existsSync(machine.at('var/lib/landfall/state.json')), true);
      await sleep(3000);
      assert.equal(await stage.isUp(), false);
      await must('systemctl', 'start', 'landfall');
      await waitFor('the session', 30_000, () => stage.isUp());
      await sleep(2000);
    });
    await kept(seen);
  });

  it('an upgrade restarts it, and so does the same version once more; the routes stay', async () => {
    const seen = await stage.watching(async () => {
      for (const version of ['0.1.1', '0.1.1']) {
        const pid = await property('MainPID');
        await install(version);
        await replaced(pid, 30_000);
        assert.match(await must('landfall', 'status'), /0\.1\.1/);
        await waitFor('the session', 30_000, () => stage.isUp());
      }
      await sleep(2000);
    });
    await kept(seen);
  });

  it('comes up with the machine, before what starts guests; the routes outlive a reboot', async () => {
    writeFileSync(machine.at('etc/systemd/system/libvirtd.service'), '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "systemctl is-active landfall > /var/lib/seen"\n[Install]\nWantedBy=multi-user.target\n');
    await must('systemctl', 'enable', 'libvirtd');
    const seen = await stage.watching(async () => {
      await machine.powerOff();
      assert.equal(await machine.boot(), 'running');
      await waitFor('the session', 30_000, () => stage.isUp());
      await sleep(2000);
    });
    assert.equal(readFileSync(machine.at('var/lib/seen'), 'utf8'), 'active\n');
    await kept(seen);
  });

  it('a unit of its own for BFD outlives a restart of the speaker', async () => {
    writeFileSync(machine.at(`etc/systemd/system/${unit}.d/bfd.conf`), '[Service]\nEnvironment=LANDFALL_BFD_SOCKET=/run/landfall-bfd/bfd.sock\n');
    writeFileSync(machine.at('etc/landfall/landfall.yaml'), nodeConfig(', password: {credential: bgp-tor-a}, bfd: {multiplier: 6}'));
    await must('systemctl', 'daemon-reload');
    await must('systemctl', 'enable', '--now', 'landfall-bfd');
    const pid = await machine.property('landfall-bfd', 'MainPID');
    const status = await must('cat', `/proc/${pid}/status`);
    for (const set of ['Eff', 'Bnd']) assert.match(status, new RegExp(`^Cap${set}:\t0000000000800000$`, 'm'));
    assert.match(await must('chrt', '-p', pid), /SCHED_FIFO/);
    await must('systemctl', 'restart', 'landfall');
    const up = await waitFor('BFD to be up', 60_000, async () => / Up /.test(await stage.bfd()) && await stage.isUp() && stage.bfd());
    const seen = await stage.watching(async () => {
      await must('systemctl', 'restart', 'landfall');
      await waitFor('the session', 30_000, () => stage.isUp());
      await sleep(2000);
    });
    await kept(seen);
    assert.equal(await stage.bfd(), up, 'the router saw no change');
    assert.equal(await machine.property('landfall-bfd', 'MainPID'), pid);
  });

  it('with CAP_NET_ADMIN from a drop-in its janitor runs beside it, filtered like it, and does its work when the speaker is killed for good', async () => {
    writeFileSync(machine.at(`etc/systemd/system/${unit}.d/kernel.conf`), '[Service]\nAmbientCapabilities=CAP_NET_ADMIN\nCapabilityBoundingSet=CAP_NET_ADMIN\nProtectKernelTunables=no\nRestart=no\n');
    const before = readFileSync(machine.at('etc/landfall/landfall.yaml'), 'utf8');
    writeFileSync(machine.at('etc/landfall/landfall.yaml'), `${before}stragglers: {enabled: true, ceiling: 3s, key: {credential: bgp-tor-a}}\n`);
    await must('systemctl', 'daemon-reload');
    await must('systemctl', 'restart', 'landfall');
    await waitFor('the session', 30_000, () => stage.isUp());
    const pids = (await must('systemctl', 'show', unit, '-p', 'ControlGroup', '--value')).trim();
    const members = (await must('cat', `/sys/fs/cgroup${pids}/cgroup.procs`)).trim().split('\n');
    const names = await Promise.all(members.map(async (pid) => [pid, (await machine.run(['cat', `/proc/${pid}/comm`])).stdout.trim()] as const));
    const [janitor] = names.find(([, name]) => name === 'landfall-janito') ?? assert.fail(JSON.stringify(names));
    const status = await must('cat', `/proc/${janitor}/status`);
    assert.match(status, /^CapEff:\t0000000000003000$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    const late = ['198.18.9.9/32', '198.18.9.10/32'];
    const ip = (...words: string[]): Promise<string> => mustRun(stage.namespaces.exec('node', ['ip', 'route', ...words]));
    const added = (route: string, protocol: string): Promise<string> => ip('add', 'blackhole', route, 'metric', '10', 'proto', protocol);
    // As if it sent late packets on when it dies; and a route that only looks alike.
    await added(late[0] as string, '180');
    await added(late[1] as string, '181');
    await must('systemctl', 'kill', '--kill-whom=main', '-s', 'SIGKILL', unit);
    await waitFor('the end of the unit', 20_000, async () => (await property('ActiveState')) === 'failed', 100);
    const left = await ip('show');
    assert.ok(!left.includes('198.18.9.9') && left.includes('198.18.9.10'), left);
    await ip('del', 'blackhole', late[1] as string, 'metric', '10');
    await machine.run(['rm', `/etc/systemd/system/${unit}.d/kernel.conf`]);
    writeFileSync(machine.at('etc/landfall/landfall.yaml'), before);
    await must('systemctl', 'daemon-reload');
    await must('systemctl', 'restart', 'landfall');
    await waitFor('the session', 30_000, () => stage.isUp());
    await waitFor('the route', 30_000, () => stage.hasRoute());
  });

  it('a purge withdraws every route and leaves nothing', async () => {
    assert.ok(await stage.hasRoute());
    assert.match(await must('apt-get', 'purge', '-y', 'landfall'), /withdrawing every route/);
    assert.equal(await stage.hasRoute(), false);
    for (const path of ['etc/landfall', 'var/lib/landfall', 'usr/lib/landfall', 'usr/share/landfall', ...['landfall', 'landfall-bfd'].flatMap((name) => [`lib/systemd/system/${name}.service`, `etc/systemd/system/multi-user.target.wants/${name}.service`])]) {
      assert.equal(existsSync(machine.at(path)), false, path);
    }
    await assert.rejects(must('ls', '/run/landfall'));
    assert.notEqual((await machine.run(['id', 'landfall'])).status, 0, 'the user is gone');
    for (const name of ['landfall', 'landfall-bfd']) assert.deepEqual([await machine.property(name, 'ActiveState'), await machine.property(name, 'UnitFileState')], ['inactive', ''], name);
    assert.match((await systemctl('--failed', '--no-pager')).stdout, /^0 loaded units/m);
  });
});

import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';
import { Daemon, run, sleep, waitFor } from '../../src/demo/processes.ts';
import { Debian } from './debian.ts';
import { buildPackage, node, nodeConfig, Stage } from './stage.ts';

// The package on a Debian 12 that has nothing else: installed, started, upgraded, removed, purged; and as the image's layout in a pod.
// PID 1 is not systemd here (systemd.test.ts has that), so a stand-in for systemctl starts what the unit says. The router is BIRD.

const root = fileURLToPath(new URL('../../', import.meta.url));
const config = nodeConfig();

describe('the package on Debian 12', function () {
  this.timeout(180_000);
  let stage: Stage;
  let debian: Debian;
  const debs: Record<string, string> = {};

  before(async function () {
    this.timeout(1_200_000);
    stage = await Stage.create('package');
    for (const version of ['0.1.0', '0.1.1']) debs[version] = await buildPackage(stage.folder, version);
    debian = await Debian.create(stage.folder, (command) => stage.namespaces.exec('node', command));
  });
  after(async () => {
    if (debian !== undefined) await debian.run(['sh', '-c', '[ ! -f /run/stand-in.pid ] || kill -KILL "$(cat /run/stand-in.pid)"']);
    await stage?.remove();
  });

  const at = (path: string): string => join(debian.folder, path);
  const cli = (...words: string[]): ReturnType<Debian['run']> => debian.run(['landfall', ...words]);

  async function install(version: string): Promise<string> {
    copyFileSync(debs[version] as string, at('tmp/landfall.deb'));
    const done = await debian.run(['apt-get', 'install', '-y', '--no-install-recommends', '/tmp/landfall.deb', ...(installed() ? ['--reinstall'] : [])]);
    assert.equal(done.status, 0, done.stdout + done.stderr);
    return done.stdout + done.stderr;
  }

  /** The links that enable units; they point to where only a chroot has files. */
  function wanted(): string[] {
    return readdirSync(at('etc/systemd/system/multi-user.target.wants'));
  }

  function installed(): boolean {
    return existsSync(at('usr/bin/landfall'));
  }

  it('installs, and starts nothing while the configuration is the example', async () => {
    const said = await install('0.1.0');
    assert.match(said, /not started: \/etc\/landfall\/landfall\.yaml is still the example/);
    assert.equal(existsSync(at('run/stand-in.pid')), false);
    assert.equal((await cli('--version')).stdout.trim(), '0.1.0');
    assert.equal((await cli('config', 'check')).status, 0, 'the example passes the check');
    assert.equal((await debian.run(['id', '-un', 'landfall'])).stdout.trim(), 'landfall');
    for (const path of ['lib/systemd/system/landfall.service', 'usr/share/man/man8/landfall.8.gz', 'usr/share/bash-completion/completions/landfall', 'usr/share/landfall/landfall.schema.json', 'usr/share/doc/landfall/copyright']) {
      assert.ok(statSync(at(path)).size > 100, path);
    }
    const init = await cli('config', 'init', '--platform', 'libvirt');
    assert.match(init.stdout, /bridge: "br-vlan"/, init.stderr);
  });

  it('runs as the unit says once it is configured, and announces a VM', async () => {
    writeFileSync(at('etc/landfall/landfall.yaml'), config);
    assert.equal((await cli('config', 'check')).status, 0);
    assert.equal((await debian.run(['systemctl', 'enable', 'landfall.service'])).status, 0);
    assert.equal((await debian.run(['systemctl', 'start', 'landfall.service'])).status, 0);
    await stage.settled();
    assert.match((await cli('status')).stdout, /0\.1\.0/);
  });

  it('keeps the route and the configuration over an upgrade', async () => {
    const before = readFileSync(at('run/stand-in.pid'), 'utf8');
    let said = '';
    const seen = await stage.watching(async () => {
      said = await install('0.1.1');
      await waitFor('the new version', 20_000, async () => /0\.1\.1/.test((await cli('status')).stdout));
      await waitFor('the session', 20_000, () => stage.isUp());
      await sleep(3000);
    });
    assert.notEqual(readFileSync(at('run/stand-in.pid'), 'utf8'), before, `it was restarted: ${said}`);
    assert.equal(readFileSync(at('etc/landfall/landfall.yaml'), 'utf8'), config);
    assert.equal(existsSync(at('etc/landfall/landfall.yaml.dpkg-dist')), false);
    assert.equal(seen.missing, 0, `the route was away in ${seen.missing} of ${seen.looks} looks`);
    process.stdout.write(`      the route was there in all ${seen.looks} looks at the router\n`);
  });

  it('leaves what runs alone when the configuration is not valid', async () => {
    const before = readFileSync(at('run/stand-in.pid'), 'utf8');
    writeFileSync(at('etc/landfall/landfall.yaml'), `${config}unknownKey: 1\n`);
    const said = await install('0.1.1');
    assert.match(said, /not \(re\)started: .* is not valid for this version/);
    assert.equal(readFileSync(at('run/stand-in.pid'), 'utf8'), before);
    assert.ok(await stage.isUp() && await stage.hasRoute());
    writeFileSync(at('etc/landfall/landfall.yaml'), config);
  });

  it('withdraws every route when it is removed, and leaves the configuration', async () => {
    assert.ok(await stage.hasRoute());
    const done = await debian.run(['apt-get', 'remove', '-y', 'landfall']);
    assert.equal(done.status, 0, done.stdout + done.stderr);
    assert.match(done.stderr + done.stdout, /withdrawing every route/);
    // A mere stop would leave the route as stale for the restart time of 60 s.
    assert.equal(await stage.hasRoute(), false);
    assert.equal(existsSync(at('run/stand-in.pid')), false);
    assert.deepEqual(['usr/bin/landfall', 'usr/lib/landfall', 'lib/systemd/system/landfall.service'].filter((path) => existsSync(at(path))), []);
    assert.equal(readFileSync(at('etc/landfall/landfall.yaml'), 'utf8'), config);
  });

  it('starts at once where a valid configuration is there already', async () => {
    await install('0.1.1');
    await stage.settled();
    assert.ok(wanted().includes('landfall.service'), 'it is enabled');
  });

  it('leaves nothing behind when it is purged', async () => {
    const done = await debian.run(['apt-get', 'purge', '-y', 'landfall']);
    assert.equal(done.status, 0, done.stdout + done.stderr);
    assert.equal(await stage.hasRoute(), false);
    assert.deepEqual(['etc/landfall', 'var/lib/landfall', 'run/landfall', 'usr/lib/landfall', 'usr/share/landfall'].filter((path) => existsSync(at(path))), []);
    assert.ok(!wanted().includes('landfall.service'));
    assert.notEqual((await debian.run(['id', 'landfall'])).status, 0, 'the user is gone');
  });

  it('is what the image holds: runs with a read-only root and the capabilities of the pod', async () => {
    // The image's own step (deploy/Dockerfile); a container has no systemd.
    rmSync(at('run/systemd'), { recursive: true });
    await install('0.1.0');
    const manifests = parseAllDocuments(readFileSync(join(root, 'deploy/kustomize/base/daemonset.yaml'), 'utf8')).map((document) => document.toJS());
    const [container] = manifests.find(({ kind }) => kind === 'DaemonSet').spec.template.spec.containers;
    const entry = parse(/^ENTRYPOINT (.*)$/m.exec(readFileSync(join(root, 'deploy/Dockerfile'), 'utf8'))?.[1] ?? '') as string[];
    const kept = (container.securityContext.capabilities.add as string[]).map((name) => `,+${name.toLowerCase()}`).join('');
    const asPod = ['setpriv', '--reuid', '0', '--regid', '0', '--clear-groups', '--inh-caps=-all', `--bounding-set=-all${kept}`, '--no-new-privs'];
    const prepare = `mount --bind "$root" "$root"
for folder in etc/landfall run/landfall var/lib/landfall; do mkdir -p "$root/$folder"; mount -t tmpfs tmpfs "$root/$folder"; done
cat > "$root/etc/landfall/landfall.yaml" <<'END'
${config}END
mount -o remount,bind,ro "$root"`;
    // `mount --bind` made a new mount above the first three: enter it by its path anew.
    const pod = new Daemon('pod', debian.command(['NODE_NAME=hv-07', `NODE_IP=${node.address}`, ...asPod, ...entry, ...(container.args as string[])], prepare));
    try {
      await waitFor('the session', 30_000, async () => {
        assert.ok(pod.alive, `it ended: ${pod.tail}`);
        return stage.isUp();
      });
      const status = readFileSync(`/proc/${pod.pid}/status`, 'utf8');
      assert.match(status, /^CapEff:\t0000000000002000$/m);
      assert.match(status, /^NoNewPrivs:\t1$/m);
      const probe = await run(['nsenter', '-t', String(pod.pid), '-m', '--root', 'touch', '/usr/lib/landfall/x']);
      assert.match(probe.stderr, /Read-only file system/);
      await stage.announceVm();
      await waitFor('the route', 15_000, () => stage.hasRoute());
    } finally {
      await pod.stop('SIGTERM', 5000);
    }
  });
});

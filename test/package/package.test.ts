import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';
import { asn, crowd, crowdVm } from '../../src/demo/addresses.ts';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, must, run, sleep, waitFor } from '../../src/demo/processes.ts';
import { BirdTor } from '../../src/demo/tor-bird.ts';
import { Debian } from './debian.ts';

// The package on a Debian 12 that has nothing else: installed, started, upgraded, removed, purged; and as the image's layout in a pod.
// PID 1 is not systemd here, so a stand-in for systemctl starts what the unit says. The router is BIRD.

const root = fileURLToPath(new URL('../../', import.meta.url));
const node = { address: '192.0.2.2', torAddress: '192.0.2.1' };
const vm = crowdVm(1);
const prefix = `${vm.ipv4}/32`;
const config = `apiVersion: landfall/v1
bgp:
  asn: ${asn.nodes}
  peers:
    - {name: tor, address: ${node.torAddress}, asn: ${asn.nodes}, timers: {hold: 9s, keepalive: 3s, connectRetry: 1s}}
watch:
  - bridge: br-vlan
    ports: {local: ["tap*"], uplink: [up0]}
    prefixes: [${crowd.ipv4}]
identity:
  mode: strict
  bindings:
    - {vm: ${vm.name}, mac: "${vm.mac}", ips: [${vm.ipv4}]}
log: {level: info, format: json}
`;

describe('the package on Debian 12', function () {
  this.timeout(180_000);
  let namespaces: Namespaces;
  let folder: string;
  let tor: BirdTor;
  let debian: Debian;
  const debs: Record<string, string> = {};

  before(async function () {
    this.timeout(1_200_000);
    folder = mkdtempSync(join(tmpdir(), 'landfall-package-'));
    for (const version of ['0.1.0', '0.1.1']) {
      debs[version] = (await must([process.execPath, join(root, 'scripts/package.mjs'), '--out', folder, '--version', version], { timeoutMs: 300_000 })).trim();
    }
    namespaces = new Namespaces(`lfpackage${process.pid}`);
    await namespaces.create('out', { forwarding: true });
    await namespaces.create('node');
    await namespaces.ip('node', [
      'link add br-vlan type bridge', 'link add tap0 type veth peer name vm0 netns @out', 'link add up0 type veth peer name tor0 netns @out',
      'link set tap0 master br-vlan', `address add ${node.address}/30 dev up0`, ...['lo', 'br-vlan', 'tap0', 'up0'].map((link) => `link set ${link} up`),
    ]);
    await namespaces.ip('out', [`address add ${node.torAddress}/30 dev tor0`, 'link set vm0 up', 'link set tor0 up']);
    mkdirSync(join(folder, 'tor'));
    tor = new BirdTor(namespaces, {
      namespace: 'out', routerId: node.torAddress, asn: asn.nodes, peering: { type: 'ibgp' },
      neighbors: [{ node: 'a', address: node.address, localAddress: node.torAddress, localAddress6: 'fe80::1' }],
    }, join(folder, 'tor'));
    await tor.start();
    debian = await Debian.create(folder, (command) => namespaces.exec('node', command));
  });
  after(async () => {
    if (debian !== undefined) await debian.run(['sh', '-c', '[ ! -f /run/stand-in.pid ] || kill -KILL "$(cat /run/stand-in.pid)"']);
    await tor?.stop();
    await namespaces?.removeAll();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  const at = (path: string): string => join(debian.folder, path);
  const cli = (...words: string[]): ReturnType<Debian['run']> => debian.run(['landfall', ...words]);
  const hasRoute = async (): Promise<boolean> => (await tor.routes()).some((route) => route.prefix === prefix && route.nextHop === node.address);
  const isUp = async (): Promise<boolean> => (await tor.established()).includes(node.address);

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

  async function announceVm(): Promise<void> {
    const script = fileURLToPath(new URL('../netns/send-rarp.ts', import.meta.url));
    const done = await run(namespaces.exec('out', [process.execPath, '--import', 'tsx', script, 'vm0', vm.mac]), { timeoutMs: 30_000 });
    assert.equal(done.status, 0, done.stderr);
  }

  async function settled(): Promise<void> {
    await waitFor('the session', 30_000, isUp);
    await announceVm();
    await waitFor('the route', 15_000, hasRoute);
  }

  /** Looks at the router every 20 ms while something happens. @returns how often it looked, and how often the route was not there */
  async function watching(work: () => Promise<unknown>): Promise<{ looks: number; missing: number }> {
    const seen = { looks: 0, missing: 0 };
    let on = true;
    const look = (async () => {
      for (; on; await sleep(20)) {
        seen.looks += 1;
        if (!await hasRoute()) seen.missing += 1;
      }
    })();
    await work();
    on = false;
    await look;
    return seen;
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
    await settled();
    assert.match((await cli('status')).stdout, /0\.1\.0/);
  });

  it('keeps the route and the configuration over an upgrade', async () => {
    const before = readFileSync(at('run/stand-in.pid'), 'utf8');
    let said = '';
    const seen = await watching(async () => {
      said = await install('0.1.1');
      await waitFor('the new version', 20_000, async () => /0\.1\.1/.test((await cli('status')).stdout));
      await waitFor('the session', 20_000, isUp);
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
    assert.ok(await isUp() && await hasRoute());
    writeFileSync(at('etc/landfall/landfall.yaml'), config);
  });

  it('withdraws every route when it is removed, and leaves the configuration', async () => {
    assert.ok(await hasRoute());
    const done = await debian.run(['apt-get', 'remove', '-y', 'landfall']);
    assert.equal(done.status, 0, done.stdout + done.stderr);
    assert.match(done.stderr + done.stdout, /withdrawing every route/);
    // A mere stop would leave the route as stale for the restart time of 60 s.
    assert.equal(await hasRoute(), false);
    assert.equal(existsSync(at('run/stand-in.pid')), false);
    assert.deepEqual(['usr/bin/landfall', 'usr/lib/landfall', 'lib/systemd/system/landfall.service'].filter((path) => existsSync(at(path))), []);
    assert.equal(readFileSync(at('etc/landfall/landfall.yaml'), 'utf8'), config);
  });

  it('starts at once where a valid configuration is there already', async () => {
    await install('0.1.1');
    await settled();
    assert.ok(wanted().includes('landfall.service'), 'it is enabled');
  });

  it('leaves nothing behind when it is purged', async () => {
    const done = await debian.run(['apt-get', 'purge', '-y', 'landfall']);
    assert.equal(done.status, 0, done.stdout + done.stderr);
    assert.equal(await hasRoute(), false);
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
        return isUp();
      });
      const status = readFileSync(`/proc/${pod.pid}/status`, 'utf8');
      assert.match(status, /^CapEff:\t0000000000002000$/m);
      assert.match(status, /^NoNewPrivs:\t1$/m);
      const probe = await run(['nsenter', '-t', String(pod.pid), '-m', '--root', 'touch', '/usr/lib/landfall/x']);
      assert.match(probe.stderr, /Read-only file system/);
      await announceVm();
      await waitFor('the route', 15_000, hasRoute);
    } finally {
      await pod.stop('SIGTERM', 5000);
    }
  });
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { asn, crowd, crowdVm } from '../../src/demo/addresses.ts';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, run, waitFor } from '../../src/demo/processes.ts';
import { BirdTor } from '../../src/demo/tor-bird.ts';
import type { TorPlan } from '../../src/demo/tor.ts';

// What deploy/ ships, started as far as a machine without systemd and Kubernetes allows: the unit's ExecStart line and the pod's
// arguments, each under setpriv with exactly the user and the capabilities that it would have there. Both must announce a route.

const root = fileURLToPath(new URL('../../', import.meta.url));
const node = { address: '192.0.2.2', torAddress: '192.0.2.1' };
/** One for each case: the router may keep the first one's route for a while (Graceful Restart). */
const vms = { unit: crowdVm(1), pod: crowdVm(2) };
const serviceUid = 64_777; // no user of this machine

const keepOnly = (capability: string): string[] => [`--inh-caps=-all,+${capability}`, `--ambient-caps=-all,+${capability}`, `--bounding-set=-all,+${capability}`, '--no-new-privs'];
const cases = {
  /** systemd: a user of its own, one ambient capability. */
  unit: { uid: serviceUid, setpriv: ['--reuid', String(serviceUid), '--regid', String(serviceUid), '--clear-groups', ...keepOnly('net_raw')] },
  /** Kubernetes: uid 0, all dropped but NET_RAW, which exec takes from the bounding set for uid 0 alone. */
  pod: { uid: 0, setpriv: ['--reuid', '0', '--regid', '0', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all,+net_raw', '--no-new-privs'] },
  /** What Kubernetes gives any other user: NET_RAW in the bounding set and nothing effective. */
  otherUid: { uid: 65_534, setpriv: ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all,+net_raw', '--no-new-privs'] },
};

/** What ExecStart= of the unit says, in words. */
function unitCommand(): string[] {
  const line = /^ExecStart=(.*)$/m.exec(readFileSync(join(root, 'deploy/landfall.service'), 'utf8'))?.[1];
  return line!.split(/\s+/);
}

/** The image's entry point and the pod's arguments. */
function podCommand(): string[] {
  const entry = /^ENTRYPOINT (.*)$/m.exec(readFileSync(join(root, 'deploy/Dockerfile'), 'utf8'))?.[1];
  return [...(JSON.parse(entry!) as string[]), ...(manifest('DaemonSet').spec.template.spec.containers[0].args as string[])];
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
function manifest(kind: string): any {
  const documents = parseAllDocuments(readFileSync(join(root, 'deploy/kustomize/base/daemonset.yaml'), 'utf8')).map((document) => document.toJS());
  return documents.find((document) => document.kind === kind);
}

describe('as deployed', function () {
  this.timeout(60_000);
  let namespaces: Namespaces;
  let folder: string;
  let tor: BirdTor;
  let landfall: Daemon | undefined;

  before(async () => {
    // An installation of its own, readable by every user: where the checkout is, another user may not look.
    folder = mkdtempSync(join(tmpdir(), 'landfall-deploy-'));
    chmodSync(folder, 0o755);
    install(join(folder, 'lib'));
    namespaces = new Namespaces(`lfdeploy${process.pid}`);
    await namespaces.create('out', { forwarding: true });
    await namespaces.create('node');
    await namespaces.ip('node', [
      'link add br-vlan type bridge',
      'link add tap0 type veth peer name vm0 netns @out',
      'link add up0 type veth peer name tor0 netns @out',
      'link set tap0 master br-vlan',
      `address add ${node.address}/30 dev up0`,
      ...['br-vlan', 'tap0', 'up0'].map((link) => `link set ${link} up`),
    ]);
    await namespaces.ip('out', [`address add ${node.torAddress}/30 dev tor0`, 'link set vm0 up', 'link set tor0 up']);
    const plan: TorPlan = {
      namespace: 'out',
      routerId: node.torAddress,
      asn: asn.nodes,
      peering: { type: 'ibgp' },
      neighbors: [{ node: 'a', address: node.address, localAddress: node.torAddress, localAddress6: 'fe80::1' }],
    };
    mkdirSync(join(folder, 'tor'));
    tor = new BirdTor(namespaces, plan, join(folder, 'tor'));
    await tor.start();
  });
  afterEach(async () => {
    await landfall?.stop('SIGKILL');
    landfall = undefined;
  });
  after(async () => {
    await tor?.stop();
    await namespaces?.removeAll();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** package.json, the build, the native module and the packages that the product uses, as docs/operating.md installs them. */
  function install(target: string): void {
    const packages = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: root, encoding: 'utf8', timeout: 30_000 });
    const paths = packages.split('\n').filter((path) => path.includes('/node_modules/')).map((path) => relative(root, path));
    for (const path of ['package.json', 'dist', 'native/build', ...paths]) cpSync(join(root, path), join(target, path), { recursive: true });
  }

  /** The shipped command line with the installed program's and the configuration's places put in. */
  function command(shipped: readonly string[], config: string): string[] {
    assert.equal(shipped[0], '/usr/bin/landfall');
    const words = shipped.map((word) => (word === '/usr/bin/landfall' ? join(folder, 'lib/dist/src/cli.js') : word === '/etc/landfall/landfall.yaml' ? config : word));
    assert.ok(words.includes(config), 'it names the configuration file');
    return words;
  }

  function writeConfig(name: string, uid: number): string {
    const own = join(folder, name);
    mkdirSync(own, { recursive: true });
    const file = join(own, 'landfall.yaml');
    writeFileSync(file, `apiVersion: landfall/v1
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
${Object.values(vms).map((vm) => `    - {vm: ${vm.name}, mac: "${vm.mac}", ips: [${vm.ipv4}]}`).join('\n')}
log: {level: info, format: json}
api: {socket: ${join(own, 'landfall.sock')}, mode: "0600"}
`);
    for (const path of [own, file]) chownSync(path, uid, uid);
    return file;
  }

  /** Has the VM send a RARP, as QEMU does, from its side of the veth. */
  async function announceVm(mac: string): Promise<void> {
    const script = fileURLToPath(new URL('send-rarp.ts', import.meta.url));
    const done = await run(namespaces.exec('out', [process.execPath, '--import', 'tsx', script, 'vm0', mac]));
    assert.equal(done.status, 0, done.stderr);
  }

  for (const [name, shipped] of [['unit', unitCommand], ['pod', podCommand]] as const) {
    it(`announces a route with the user and the capabilities of the ${name}`, async () => {
      const { uid, setpriv } = cases[name];
      const config = writeConfig(name, uid);
      const notify = join(folder, name, 'notify');
      const listener = new Daemon('notify', ['python3', '-uc', 'import socket,sys,os\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nos.chmod(sys.argv[1],0o777)\nwhile True: print(s.recv(4096).decode().replace("\\n"," "))', notify]);
      await waitFor('the notify socket', 5000, () => existsSync(notify));
      landfall = new Daemon(name, namespaces.exec('node', ['setpriv', ...setpriv, ...command(shipped(), config)]), { env: { NODE_NAME: name, NODE_IP: node.address, ...(name === 'unit' ? { NOTIFY_SOCKET: notify } : {}) } });
      try {
        await waitFor('the session', 20_000, async () => {
          assert.ok(landfall?.alive, `it ended: ${landfall?.tail}`);
          return (await tor.established()).includes(node.address);
        });
        const status = readFileSync(`/proc/${landfall.pid}/status`, 'utf8');
        assert.match(status, /^CapEff:\t0000000000002000$/m, 'NET_RAW and nothing else');
        assert.match(status, /^CapBnd:\t0000000000002000$/m);
        assert.match(status, /^NoNewPrivs:\t1$/m);
        assert.match(status, new RegExp(`^Uid:\t${uid}\t${uid}\t`, 'm'));
        const prefix = `${vms[name].ipv4}/32`;
        assert.deepEqual((await tor.routes()).filter((route) => route.prefix === prefix), []);
        await announceVm(vms[name].mac);
        const route = await waitFor('the route', 10_000, async () => (await tor.routes()).find((one) => one.prefix === prefix));
        assert.deepEqual([route.nextHop, route.best], [node.address, true]);
        if (name === 'unit') await waitFor('READY=1 for systemd', 5000, () => /\bREADY=1\b/.test(listener.tail));
        // A restart as systemd does it ends at once and leaves no error behind.
        await landfall.stop('SIGTERM', 5000);
        assert.equal(await landfall.ended, 'status 0', landfall.tail);
      } finally {
        await listener.stop('SIGKILL');
      }
    });
  }

  it('says which capability set lacks NET_RAW, and the cure, to a user who has it in the bounding set only', async () => {
    const { uid, setpriv } = cases.otherUid;
    const config = writeConfig('other', uid);
    const done = await run(namespaces.exec('node', ['setpriv', ...setpriv, ...command(podCommand(), config)]), { timeoutMs: 15_000 });
    assert.equal(done.status, 1, done.stderr);
    for (const part of [/NET_RAW/, /effective/i, /bounding/i, /NoNewPrivs/i, /uid 0|root|ambient/i]) assert.match(done.stderr, part);
    assert.doesNotMatch(done.stderr, /^\s+at .*:\d+:\d+/m, 'no stack trace');
  });

  it('finds nothing wrong with the ConfigMap', async () => {
    const file = join(folder, 'configmap.yaml');
    cpSync(join(root, 'deploy/kustomize/base/landfall.yaml'), file);
    const done = await run(['env', 'NODE_NAME=hv-07', 'NODE_IP=192.0.2.17', join(folder, 'lib/dist/src/cli.js'), 'config', 'check', file]);
    assert.equal(done.status, 0, done.stderr + done.stdout);
  });
});

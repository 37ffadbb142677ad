import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asn, crowd, crowdVm } from '../../src/demo/addresses.ts';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, landfallCommand, must, run, waitFor } from '../../src/demo/processes.ts';
import { BirdTor } from '../../src/demo/tor-bird.ts';
import { needs } from './lab.ts';

// kubernetes.enabled: a daemon, BIRD as its router, a VM, and a stand-in for the API server (no real cluster can run here).

const node = { address: '192.0.2.2', torAddress: '192.0.2.1' };
const vm = crowdVm(1);
const controlPort = 6400;

describe('kubernetes', function () {
  this.timeout(300_000);
  let namespaces: Namespaces;
  let folder: string;
  let tor: BirdTor;
  let landfall: Daemon;
  const daemons: Daemon[] = [];

  before(async function () {
    needs(this, 'bird');
    folder = mkdtempSync(join(tmpdir(), 'landfall-kubernetes-'));
    namespaces = new Namespaces(`lfkube${process.pid}`);
    await namespaces.create('out', { forwarding: true });
    await namespaces.create('node');
    await namespaces.ip('node', [
      'link add br-vlan type bridge', 'link add tap0 type veth peer name vm0 netns @out', 'link add up0 type veth peer name tor0 netns @out',
      'link set tap0 master br-vlan', `address add ${node.address}/30 dev up0`, ...['br-vlan', 'tap0', 'up0'].map((link) => `link set ${link} up`),
    ]);
    await namespaces.ip('out', [`address add ${node.torAddress}/30 dev tor0`, 'link set vm0 up', 'link set tor0 up']);
    mkdirSync(join(folder, 'tor'));
    tor = new BirdTor(namespaces, {
      namespace: 'out', routerId: node.torAddress, asn: asn.nodes, peering: { type: 'ibgp' }, neighbors: [{ node: 'a', address: node.address, localAddress: node.torAddress, localAddress6: 'fe80::1' }],
    }, join(folder, 'tor'));
    await tor.start();
    const stand = start('api', [process.execPath, '--import', 'tsx', fileURLToPath(new URL('kube-api-main.ts', import.meta.url)), join(folder, 'api'), String(controlPort)]);
    await waitFor('the stand-in', 60_000, () => stand.tail.includes('ready'));
    const { port } = await api('/node?name=hv-1&rack=r1');
    const timers = 'timers: {hold: 9s, keepalive: 3s, connectRetry: 1s}';
    writeFileSync(join(folder, 'landfall.yaml'), `apiVersion: landfall/v1
node: {name: hv-1}
bgp:
  asn: ${asn.nodes}
  peers:
    - {name: tor, address: ${node.torAddress}, asn: ${asn.nodes}, ${timers}, nodeSelector: {rack: r1}}
    - {name: elsewhere, address: 192.0.2.250, asn: ${asn.nodes}, ${timers}, nodeSelector: {rack: r2}}
watch: [{bridge: br-vlan, ports: {local: ["tap*"], uplink: [up0]}, prefixes: [${crowd.ipv4}]}]
identity: {bindings: [{vm: shop/web-1, mac: "${vm.mac}", ips: [${vm.ipv4}]}]}
overrides: [{nodeSelector: {rack: r3}, bgp: {routerId: 192.0.2.77}}]
kubernetes: {enabled: true, server: "https://127.0.0.1:${port}", serviceAccount: ${join(folder, 'api')}}
log: {level: info, format: json}
api: {socket: ${join(folder, 'landfall.sock')}, mode: "0600"}
state: {file: ${join(folder, 'state.json')}}
`);
    landfall = start('landfall', [...landfallCommand(), 'run', '-c', join(folder, 'landfall.yaml')]);
    await waitFor('the session', 60_000, async () => (await tor.established()).includes(node.address));
  });
  after(async () => {
    for (const daemon of daemons) await daemon.stop('SIGKILL');
    await tor?.stop();
    await namespaces?.removeAll();
    if (folder !== undefined && process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(folder, { recursive: true, force: true });
  });

  function start(name: string, command: readonly string[]): Daemon {
    const daemon = new Daemon(name, namespaces.exec('node', command), { log: join(folder, `${name}.log`) });
    daemons.push(daemon);
    return daemon;
  }

  async function api(path: string): Promise<{ port: number; watching: number; events: { reason: string; message: string; involvedObject: { uid: string } }[] }> {
    const script = 'const a = await fetch(process.argv[1]); console.log(await a.text())';
    return JSON.parse(await must(namespaces.exec('node', [process.execPath, '--input-type=module', '-e', script, `http://127.0.0.1:${controlPort}${path}`]), { timeoutMs: 20_000 })) as never;
  }

  const cli = (words: string, environment: readonly string[] = []): ReturnType<typeof run> =>
    run(namespaces.exec('node', ['env', ...environment, ...landfallCommand(), '-s', join(folder, 'landfall.sock'), ...words.split(' ')]), { timeoutMs: 20_000 });
  const peers = async (): Promise<string[]> => (await cli('show peers -o name')).stdout.trim().split('\n');
  const warnings = async (): Promise<string[]> => (JSON.parse((await cli('status -o json')).stdout) as { items: { warnings: string[] }[] }).items[0]?.warnings ?? [];

  it('the labels of the Node select the peers from the start on, and an arrival is an Event', async () => {
    assert.deepEqual(await peers(), ['tor']);
    await must(namespaces.exec('out', [process.execPath, '--import', 'tsx', fileURLToPath(new URL('send-rarp.ts', import.meta.url)), 'vm0', vm.mac]), { timeoutMs: 30_000 });
    await waitFor('the route', 60_000, async () => (await tor.routes()).some((route) => route.prefix === `${vm.ipv4}/32`));
    const events = await waitFor('the Events', 60_000, async () => {
      const told = (await api('/')).events;
      return told.some(({ reason }) => reason === 'VMArrived') ? told : undefined;
    });
    assert.match(events.find(({ reason }) => reason === 'VMArrived')?.message ?? '', new RegExp(`^shop/web-1 \\(${vm.ipv4}\\) runs here: announced [\\d.]+ ms after the first sign \\(rarp\\)`));
    assert.ok(events.some(({ reason, message }) => reason === 'BGPSessionUp' && message.includes('tor')));
    assert.ok(events.every(({ involvedObject }) => involvedObject.uid === 'uid-of-hv-1' || involvedObject.uid === 'hv-1'));
  });

  it('a label that changes moves the node to its other peer, and back, without a restart', async () => {
    await api('/node?name=hv-1&rack=r2');
    await waitFor('the other peer', 60_000, async () => (await peers()).join() === 'elsewhere');
    await waitFor('the withdraw', 60_000, async () => (await tor.routes()).every((route) => route.prefix !== `${vm.ipv4}/32`));
    await api('/node?name=hv-1&rack=r1');
    await waitFor('the route again', 60_000, async () => (await tor.routes()).some((route) => route.prefix === `${vm.ipv4}/32`));
    assert.deepEqual(await peers(), ['tor']);
  });

  it('a label whose override only a restart can apply changes nothing, and status says so', async () => {
    await api('/node?name=hv-1&rack=r3');
    await waitFor('the warning', 60_000, async () => (await warnings()).some((text) => text.startsWith('what the labels of this Node select is not what runs: only a restart can change bgp.routerId')));
    assert.deepEqual(await peers(), ['tor']);
    assert.ok((await tor.established()).includes(node.address));
    await api('/node?name=hv-1&rack=r1');
    await waitFor('no warning', 60_000, async () => (await warnings()).every((text) => !text.includes('labels of this Node')));
  });

  it('landfall --node asks the speaker by way of the API server', async () => {
    await api('/pod?name=landfall-abcde&node=hv-1&port=17479');
    const { port } = await api('/');
    writeFileSync(join(folder, 'kubectl'), `#!/bin/sh
exec ${process.execPath} --input-type=module -e 'import { get } from "node:https"; import { readFileSync } from "node:fs"; get({ host: "127.0.0.1", port: ${port}, path: process.argv[1], ca: readFileSync("${folder}/api/ca.crt"), headers: { authorization: "Bearer token-1" } }, (answer) => answer.pipe(process.stdout))' "$3"
`, { mode: 0o755 });
    const { status, stdout, stderr } = await cli('show peers --node hv-1 --timeout 10s', [`PATH=${folder}:${process.env['PATH']}`]);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^PEER +ADDRESS[^\n]*\ntor +192\.0\.2\.1 .* established /);
  });

  it('a restart while the API server is away has the labels of before, and keeps the route', async () => {
    await api('/away');
    await waitFor('the warning', 60_000, async () => (await warnings()).some((text) => /the Node hv-1 can't be watched/.test(text)));
    await landfall.stop('SIGTERM');
    landfall = start('landfall', [...landfallCommand(), 'run', '-c', join(folder, 'landfall.yaml')]);
    await waitFor('the session', 60_000, async () => (await tor.established()).includes(node.address));
    assert.deepEqual(await peers(), ['tor']);
    assert.ok((await warnings()).some((text) => text.includes('are those of an earlier run')));
    await waitFor('the prefix', 60_000, async () => (await cli('show prefixes -o name')).stdout.includes(`${vm.ipv4}/32`));
    assert.ok((await tor.routes()).some((route) => route.prefix === `${vm.ipv4}/32`));
  });
});

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { linkOf, type NodeName } from '../../src/demo/addresses.ts';
import { kernelHostRoutes } from '../../src/demo/kernel-routes.ts';
import { Daemon, landfallCommand, must, run, waitFor } from '../../src/demo/processes.ts';
import { nodeNamespace } from '../../src/demo/topology.ts';
import type { FindingItem } from '../../src/views/items.ts';
import { Lab, beforeSecondTry, needs } from './lab.ts';

// Set-ups that are broken on purpose, several at once in one lab, each found by the program as users run it.

const canary = '203.0.113.200';

describe('doctor, in set-ups that are broken on purpose', function () {
  this.timeout(90_000);
  let lab: Lab;
  let folder: string;
  /** What the configurations of the nodes have instead of what they should have. */
  const changes: Record<NodeName, (yaml: string) => string> = { a: (yaml) => yaml, b: (yaml) => yaml };
  const free = (yaml: string): string => yaml.replace('identity:\n', `  - bridge: br-free
    ports: {local: ["tap*"], uplink: [up1]}
    prefixes: [198.51.100.128/25]
identity:\n`);

  before(async function () {
    needs(this, 'frr');
    changes.a = free;
    lab = await Lab.start({ mode: 'l3', tors: ['frr'], nodes: { rewrite: (yaml) => changes[yaml.includes('name: node-a') ? 'a' : 'b'](yaml) } });
    folder = mkdtempSync(join(tmpdir(), 'landfall-doctor-'));
    await lab.topology.namespaces.ip(nodeNamespace('a'), [
      'link add odd7 type veth peer name odd7-far', 'link set odd7 master br-vlan up',
      'link add br-free type bridge', 'link set br-free up', 'link add tap9 type veth peer name tap9-far', 'link set tap9 address 02:00:00:00:09:09', 'link set tap9 master br-free up',
    ]);
    await lab.topology.namespaces.sysctl(nodeNamespace('a'), { 'net/ipv4/conf/br-vlan/rp_filter': 1, 'net/ipv4/conf/br-vlan/arp_accept': 0, 'net/ipv6/conf/br-vlan/accept_untracked_na': 0, 'net/ipv4/conf/br-vlan/send_redirects': 1, 'net/ipv6/conf/all/forwarding': 0 });
    await nft('add table ip t; add chain ip t post { type nat hook postrouting priority 100; }; add rule ip t post ip saddr 203.0.113.0/25 oifname "rt0" masquerade');
    await lab.stage.boot([lab.vm], 'a');
  });
  after(async () => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    await lab?.stop();
  });
  beforeSecondTry(async (title) => {
    if (!title.startsWith('what was mended')) return;
    await run(lab.topology.namespaces.exec(nodeNamespace('a'), ['ip', 'link', 'add', 'odd7', 'type', 'veth', 'peer', 'name', 'odd7-far']));
    await nft('add table ip t');
  });

  /** Commands of nft in node a, as one transaction. */
  async function nft(commands: string): Promise<void> {
    await must(lab.topology.namespaces.exec(nodeNamespace('a'), ['nft', '-f', '-']), { input: `${commands.replaceAll('; add ', '\nadd ').replaceAll('; delete ', '\ndelete ')}\n` });
  }

  async function findings(node: NodeName, ...more: string[]): Promise<{ status: number; items: FindingItem[] }> {
    const { status, stdout, stderr } = await lab.nodes[node].cli(['doctor', '-o', 'json', ...more]);
    assert.notEqual(stdout, '', stderr);
    return { status, items: (JSON.parse(stdout) as { items: FindingItem[] }).items };
  }

  const of = (items: readonly FindingItem[], topic: string): string[] => items.filter((item) => item.topic === topic && item.result !== 'ok').map(({ result, text }) => `${result} ${text}`);

  async function restart(node: NodeName, change: (yaml: string) => string): Promise<void> {
    changes[node] = change;
    await lab.nodes[node].stop();
    await lab.nodes[node].start();
  }

  it('an unlisted port, strict rp_filter, a borrowed bridge MAC, deaf neighbour tables: each is named, with its fix', async () => {
    const { status, items } = await findings('a');
    assert.equal(status, 1);
    assert.deepEqual(of(items, 'ports'), ['fail odd7 is on br-vlan and in neither ports.local nor ports.uplink: its VM is never announced']);
    assert.match(of(items, 'rp_filter').join(), /^warn br-vlan rp_filter=1 \(strict\)/);
    assert.match(of(items, 'bridge-mac').join('\n'), /^warn br-free has no MAC of its own: 02:00:00:00:09:09 is that of its port tap9[^\n]*$/);
    assert.deepEqual(of(items, 'arp_accept').map((line) => line.split(':')[0]), ['warn br-vlan arp_accept=0', 'warn br-vlan accept_untracked_na=0']);
    assert.match(of(items, 'neighbours').join('\n'), /^fail br-vlan has no uplink and kernel\.routes is off/);
    assert.deepEqual([of(items, 'session'), of(items, 'identifier'), of(items, 'capability')], [[], [], []]);
    assert.match(of(items, 'snat').join('\n'), /^warn a rule rewrites the source of packets from 203\.0\.113\.0\/24: ip saddr 203\.0\.113\.0\/25[^\n]*$/);
    assert.match(of(items, 'redirects').join('\n'), /^warn br-vlan send_redirects=1/);
    assert.deepEqual(of(items, 'forwarding'), ['fail br-vlan has an IPv6 address among those of the VMs, and the node forwards no IPv6']);
    assert.match(of(items, 'icmp').join('\n'), /^warn late packets to a VM that has left br-vlan are answered/);
    for (const { result, fix, topic } of items) if (result === 'fail') assert.ok(fix !== undefined, topic);
  });

  it('what was mended is found no more', async () => {
    await lab.topology.namespaces.ip(nodeNamespace('a'), ['link del odd7', 'link set br-free address 02:00:00:00:09:01']);
    await lab.topology.namespaces.sysctl(nodeNamespace('a'), { 'net/ipv4/conf/br-vlan/rp_filter': 2, 'net/ipv4/conf/br-vlan/arp_accept': 1, 'net/ipv6/conf/br-vlan/accept_untracked_na': 1, 'net/ipv4/conf/all/send_redirects': 0, 'net/ipv4/conf/br-vlan/send_redirects': 0, 'net/ipv6/conf/all/forwarding': 1 });
    await nft('delete table ip t; add table inet f; add chain inet f out { type filter hook output priority 0; }; add rule inet f out icmp type destination-unreachable icmp code host-unreachable drop; add rule inet f out icmpv6 type destination-unreachable icmpv6 code addr-unreachable drop');
    const { items } = await findings('a');
    assert.deepEqual(['ports', 'rp_filter', 'bridge-mac', 'arp_accept', 'snat', 'redirects', 'forwarding', 'icmp'].flatMap((topic) => of(items, topic)), []);
  });

  it('a user with CAP_NET_RAW in the bounding set alone, without a daemon', async () => {
    chmodSync(folder, 0o755);
    const file = join(folder, 'landfall.yaml');
    writeFileSync(file, `apiVersion: landfall/v1
bgp: {asn: 65010, peers: [{name: tor-a, address: 192.0.2.1, asn: 65010}]}
watch: [{bridge: br-vlan, ports: {local: ["tap*"], uplink: [up0]}, prefixes: [203.0.113.0/24]}]
identity: {mode: learn}
`, { mode: 0o644 });
    const words = ['setpriv', '--reuid', '65534', '--clear-groups', '--bounding-set=-all,+net_raw', '--no-new-privs', ...landfallCommand(), '-c', file, '-s', join(folder, 'nobody'), 'doctor'];
    const { status, stdout, stderr } = await run(lab.topology.namespaces.exec(nodeNamespace('a'), words));
    assert.equal(status, 1, stderr);
    assert.match(stdout, /^FAIL {2}capability {3}this process lacks CAP_NET_RAW, needed to hear the VMs\n {19}fix: CAP_NET_RAW is only in the bounding set \(effective lacks it, bounding has it, NoNewPrivs 1, uid 65534\)/m);
    assert.match(stdout, /^skip {2}daemon /m);
    assert.match(stdout, /^FAIL {2}speakers {5}tor-a: the daemon does not answer, yet a BGP session from 192\.0\.2\.2 to 192\.0\.2\.1 is up/m);
  });

  it('canary: two nodes in turn, the newer claim wins, and nothing is left', async () => {
    const lines: string[] = [];
    const words = (node: NodeName): string[] => lab.topology.namespaces.exec(nodeNamespace(node), [...landfallCommand(), '-s', join(lab.nodes[node].folder, 'landfall.sock'), 'doctor', '--canary', canary]);
    const first = new Daemon('canary-a', words('a'), { onLine: (line) => lines.push(line) });
    await waitFor('the canary of node a at node b', 10_000, async () => ((await lab.nodes.b.cli(['show', 'received', canary])).stdout.includes(canary)));
    const second = await run(words('b'), { timeoutMs: 40_000 });
    assert.equal(second.status, 0, second.stdout + second.stderr);
    assert.match(second.stdout, /^ok {4}canary {7}tor (no longer shows the older canary|shows our canary back)/m);
    assert.equal(await first.ended, 'status 0', first.tail);
    assert.match(lines.join('\n'), /^ok {4}canary {7}tor shows the newer canary of 192\.0\.2\.6 .*the newer claim wins$/m);
    await goneFromRouter();
  });

  it('canary: Ctrl-C gives the address back; a VM\'s address is refused', async () => {
    const words = lab.topology.namespaces.exec(nodeNamespace('a'), [...landfallCommand(), '-s', join(lab.nodes.a.folder, 'landfall.sock'), 'doctor', '--canary', canary]);
    const running = new Daemon('canary-a', words);
    await waitFor('the canary', 10_000, async () => (await lab.nodes.a.prefixes()).some(({ prefix, state }) => prefix === `${canary}/32` && state === 'manual'));
    running.signal('SIGINT');
    await running.ended;
    assert.match(running.tail, /203\.0\.113\.200 is given back/);
    await goneFromRouter();
    const refused = await lab.nodes.a.cli(['doctor', '--canary', lab.vm.ipv4]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /is not taken as a canary: it belongs to demo\/vm-1/);
  });

  async function goneFromRouter(): Promise<void> {
    await waitFor('the canary to be gone', 10_000, async () => !(await kernelHostRoutes(lab.topology.namespaces, lab.tor.namespace)).has(`${canary}/32` as never));
    for (const node of ['a', 'b'] as const) assert.deepEqual((await lab.nodes[node].prefixes()).filter(({ state }) => state === 'manual'), [], `node ${node}`);
  }

  it('a router whose AS is another than configured', async () => {
    await restart('a', (yaml) => yaml.replace(/(address: 192\.0\.2\.1\n +asn: )65010/, '$165011').replace(/( +families: \[ipv4-unicast, ipv6-unicast\]\n)/, '$1      routes: {profile: prepend}\n'));
    const text = await waitFor('the refusal', 20_000, async () => {
      const found = of((await findings('a')).items, 'session').join('\n');
      return found.includes('Bad Peer AS') ? found : undefined;
    }, 500);
    assert.match(text, /^fail tor is (active|connect|idle).*Bad Peer AS/);
  });

  it('two nodes with one BGP Identifier: FAIL within 5 s of the other one\'s route, naming its next hop', async () => {
    await restart('a', (yaml) => yaml);
    await lab.sessionsUp(['a']);
    await restart('b', (yaml) => yaml.replace(/routerId: .*/, `routerId: ${linkOf(0, 'a').node.ipv4}`));
    await lab.sessionsUp();
    await waitFor('node a to announce its VM', 15_000, async () => (await lab.nodes.a.prefixes()).some(({ peers }) => peers.sent > 0));
    await waitFor('its route at node b', 15_000, async () => (await lab.nodes.b.cli(['show', 'received', lab.vm.ipv4])).stdout.includes(lab.vm.ipv4));
    const begun = Date.now();
    const found = await waitFor('the finding', 15_000, async () => {
      const lines = of((await findings('b')).items, 'identifier');
      return lines.length > 0 ? lines : undefined;
    }, 200);
    const ms = Date.now() - begun;
    process.stderr.write(`        route announced to FAIL printed (the commands to see both included): ${ms} ms\n`);
    assert.match(found[0] as string, /^fail tor shows .* with our BGP Identifier 192\.0\.2\.2 and next hop (192\.0\.2\.2|2001:db8:0:1::2), and we never sent it/);
    assert.ok(ms < 5000, `${ms} ms`);
    assert.match((await lab.nodes.b.cli(['status'])).stdout, /another node has our identifier/);
  });
});

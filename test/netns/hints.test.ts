import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostPrefix } from '../../net/ip.ts';
import { nodeNames, vlan, type NodeName, type Vm } from '../../src/demo/addresses.ts';
import { must, waitFor } from '../../src/demo/processes.ts';
import { nodeNamespace, plug, portOf, unplug } from '../../src/demo/topology.ts';
import type { HintItem, ListReply } from '../../src/views/items.ts';
import { withoutNeighbours, withoutSubnet } from './host-routes.ts';
import { Lab, beforeSecondTry, needs } from './lab.ts';

// `landfall hint` against real kernels: a VM stands still on node a, and what comes for it goes to its port on node b, where it does not run.

const packets = 50;

/** Frames that went out of a port, towards the VM; and packets that came in from the router. */
async function counted(lab: Lab, node: NodeName, ifname: string): Promise<{ readonly out: number; readonly in: number }> {
  const [device] = (await lab.topology.namespaces.ipJson(nodeNamespace(node), ['-s', 'link', 'show', ifname])) as { stats64: { rx: { packets: number }; tx: { packets: number } } }[];
  return { out: device?.stats64.tx.packets ?? 0, in: device?.stats64.rx.packets ?? 0 };
}

/** UDP packets from the client to both addresses of the VM, to a port where nobody listens. */
async function send(lab: Lab, { ipv4, ipv6 }: Vm): Promise<void> {
  const script = `const d = require('dgram'); let left = ${2 * packets};
    for (const [type, to] of [['udp4', '${ipv4}'], ['udp6', '${ipv6}']]) { const s = d.createSocket(type); for (let i = 0; i < ${packets}; i++) s.send('x', 9, to, () => { if (--left === 0) process.exit(0); }); }`;
  await must(lab.topology.namespaces.exec('client', [process.execPath, '-e', script]));
}

async function innerRoutes(lab: Lab, node: NodeName): Promise<string[]> {
  const { namespaces } = lab.topology;
  const text = await must(namespaces.exec(nodeNamespace(node), ['sh', '-c', 'ip route show table 179 2>/dev/null; ip -6 route show table 179 2>/dev/null']));
  return text.split('\n').map((line) => line.split(' ')[0] as string).filter((dst) => dst !== '').sort();
}

async function hint(lab: Lab, node: NodeName, ...args: readonly string[]): Promise<HintItem[]> {
  const done = await lab.nodes[node].cli(['hint', ...args, '-o', 'json']);
  assert.equal(done.status, 0, done.stderr);
  return (JSON.parse(done.stdout) as ListReply<HintItem>).items;
}

/** Where the client's packets come out: at the VM's port of this node all of them, at the other one none; and none goes round. */
async function comesOutAt(lab: Lab, node: NodeName): Promise<void> {
  const other = node === 'a' ? 'b' : 'a';
  const port = portOf(lab.vm);
  const look = async (): Promise<number[]> => [(await counted(lab, node, port)).out, (await counted(lab, other, port)).out, (await counted(lab, 'a', 'rt0')).in, (await counted(lab, 'b', 'rt0')).in];
  const before = await look();
  await send(lab, lab.vm);
  let grown: number[] = [];
  await waitFor(`packets at node ${node}`, 10_000, async () => {
    grown = (await look()).map((value, i) => value - (before[i] as number));
    return (grown[0] as number) >= 2 * packets;
  }, 50).catch(() => assert.fail(`of ${2 * packets} packets ${grown[0]} came out at node ${node}, ${grown[1]} at node ${other}; ${grown[2]} and ${grown[3]} came in from the router`));
  assert.ok((grown[1] as number) < packets / 2, `${grown[1]} came out at node ${other} too`);
  // Each comes in once, or once more through the tunnel; one that went round would come in some sixty times.
  for (const came of grown.slice(2)) assert.ok(came < 4 * packets, `${came} packets came in from the router: they go round`);
}

for (const routes of ['off', 'received', 'host'] as const) {
  describe(`hints, frr, l3, kernel.routes: ${routes}`, function () {
    this.timeout(180_000);
    let folder: string;
    let lab: Lab;
    before(async function () {
      needs(this, 'frr');
      folder = mkdtempSync(join(tmpdir(), 'landfall-hints-'));
      writeFileSync(join(folder, 'key'), 'a key of the whole fleet\n', { mode: 0o600 });
      lab = await Lab.start({
        mode: 'l3', tors: ['frr'], client: true,
        prepare: async ({ namespaces, vms }) => {
          if (routes !== 'host') return;
          for (const node of nodeNames) await withoutSubnet(namespaces, nodeNamespace(node));
          for (const vm of vms) await withoutNeighbours(namespaces, vm);
        },
        nodes: { extra: `stragglers: {enabled: true, key: {file: ${folder}/key}}\nkernel: {routes: ${routes}}\n`, rewrite: (yaml) => yaml.replace('    exclude:', `    gateway: {addresses: [${vlan.gateway.ipv4}, "${vlan.gateway.ipv6}"]}\n    exclude:`) },
      });
      await lab.stage.boot([lab.vm], 'a');
      await lab.agree(new Map([[lab.vm, 'a']]));
    });
    after(async () => {
      await lab?.stop();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    });
    beforeSecondTry(async (title) => {
      if (title.startsWith('names a gateway')) {
        await lab.topology.namespaces.ip(nodeNamespace('b'), [`link set br-vlan address ${vlan.gateway.mac}`]);
        await lab.nodes.b.stop('SIGKILL');
        await lab.nodes.b.start();
        await lab.sessionsUp(['b']);
        await waitFor('no warning', 40_000, async () => !/gateway MAC differs/.test((await lab.nodes.a.cli(['status'])).stdout), 200);
      } else if (title.startsWith('and back') || title.startsWith('with a port')) {
        const [from, to] = title.startsWith('and back') ? ['b', 'a'] as const : ['a', 'b'] as const;
        await lab.home(from);
        await lab.nodes[to].stop('SIGKILL');
        await lab.nodes[to].start();
        await lab.sessionsUp([to]);
        await waitFor(`what node ${to} expected to go`, 30_000, async () => (await innerRoutes(lab, to)).length === 0, 200);
        await waitFor(`node ${to} to see the claim of node ${from}`, 30_000, async () => (await lab.nodes[to].cli(['show', 'received', '-o', 'json'])).stdout.includes(hostPrefix(lab.vm.ipv6)), 200);
      } else if (title.startsWith('with a node')) {
        await lab.nodes.a.cli(['hint', 'running', lab.vm.ipv4]);
        await unplug(lab.topology, lab.vm, 'b');
        await lab.stage.boot([lab.vm], 'a');
        await lab.agree(new Map([[lab.vm, 'a']]));
      }
    });

    it('nodes know each other, and are heard at the addresses of their sessions alone', async () => {
      const heard = await must(lab.topology.namespaces.exec(nodeNamespace('a'), ['ss', '-Hlun', 'sport = :17490']));
      const local = heard.split('\n').filter((line) => line !== '').map((line) => line.trim().split(/\s+/)[3]).sort();
      assert.deepEqual(local, ['192.0.2.2:17490', '[2001:db8:0:1::2]:17490'].sort());
      const unknown = await lab.nodes.a.cli(['hint', 'paused', lab.vm.name, '--to', 'node-z']);
      assert.deepEqual([unknown.status, unknown.stderr.trim()], [1, 'landfall: no node is called node-z; heard of: node-b']);
      assert.match((await lab.nodes.a.cli(['hint', 'paused', 'shop/none'])).stderr, /no VM that is or was on this node/);
      assert.match((await lab.nodes.a.cli(['hint', 'paused', lab.vm.mac])).stderr, /no node has said that it is ready.*--to/);
      assert.equal((await lab.nodes.a.cli(['hint', 'resting', lab.vm.mac])).status, 2);
    });

    it('names a gateway that has another MAC on the other node', async () => {
      const { namespaces } = lab.topology;
      assert.doesNotMatch((await lab.nodes.a.cli(['status'])).stdout, /gateway MAC differs/);
      await namespaces.ip(nodeNamespace('b'), ['link set br-vlan address 02:00:5e:00:01:02']);
      // Said with the next greeting, or by a speaker that begins anew.
      await lab.nodes.b.stop('SIGKILL');
      await lab.nodes.b.start();
      await lab.sessionsUp(['b']);
      await waitFor('the warning', 40_000, async () => /br-vlan: gateway MAC differs: 203\.0\.113\.1 is \S+ here, 02:00:5e:00:01:02 at node node-b/.test((await lab.nodes.a.cli(['status'])).stdout), 200);
      await namespaces.ip(nodeNamespace('b'), [`link set br-vlan address ${vlan.gateway.mac}`]);
    });

    // Nobody has asked either node to expect it: nothing but the mark, which comes after the port, says so.
    const byMark = async (from: NodeName, to: NodeName): Promise<void> => {
      await unplug(lab.topology, lab.vm, to);
      await plug(lab.topology, lab.vm, to);
      assert.deepEqual(await innerRoutes(lab, to), []);
      await lab.topology.namespaces.ip(nodeNamespace(to), [`link set ${portOf(lab.vm)} alias mac=${lab.vm.mac}`]);
      await waitFor(`node ${to} to be ready`, 10_000, async () => (await innerRoutes(lab, to)).length === 2, 50);
      await lab.stage.detach(lab.vm, from);
      await waitFor(`node ${from} to have heard so`, 10_000, async () => (await lab.nodes[from].cli(['hint', 'paused', lab.vm.mac])).status === 0, 100);
      await comesOutAt(lab, to);
      await lab.stage.attach(lab.vm, to);
      await lab.stage.boot([lab.vm], to);
      await lab.agree(new Map([[lab.vm, to]]));
      assert.deepEqual(await innerRoutes(lab, to), []);
      await comesOutAt(lab, to);
    };

    it('with a port that bears the VM\'s mark: the node is ready before the hint, which names none; the claim follows', () => byMark('a', 'b'));

    it('and back, by the mark alone', () => byMark('b', 'a'));

    it('with a node that is named: its port without any mark gets the packets, nothing is announced, and running undoes it', async () => {
      await unplug(lab.topology, lab.vm, 'b');
      await plug(lab.topology, lab.vm, 'b');
      await lab.stage.detach(lab.vm, 'a');
      await comesOutAt(lab, 'a');
      assert.deepEqual((await hint(lab, 'a', 'paused', lab.vm.name, '--to', 'node-b')).map(({ node }) => node), ['node-b', 'node-b']);
      await waitFor('node b to be ready', 10_000, async () => (await innerRoutes(lab, 'b')).length === 2, 50);
      await waitFor('node a to send', 10_000, async () => (await must(lab.topology.namespaces.exec(nodeNamespace('a'), ['ip', 'route', 'show', 'proto', '180']))).includes('lf-stragglers'), 50);
      await comesOutAt(lab, 'b');
      await lab.agree(new Map([[lab.vm, 'a']]));
      assert.deepEqual((await hint(lab, 'a', 'running', lab.vm.ipv4)).map(({ state }) => state), ['undone', 'undone']);
      await comesOutAt(lab, 'a');
      await lab.stage.attach(lab.vm, 'a');
      await unplug(lab.topology, lab.vm, 'b');
    });

    it('a killed speaker\'s way out of the tunnel is found by the next one, and goes', async () => {
      const { namespaces } = lab.topology;
      await plug(lab.topology, lab.vm, 'a').catch(() => undefined); // its old port may still be there
      await must(namespaces.exec(nodeNamespace('b'), ['ip', 'route', 'replace', '203.0.113.99/32', 'dev', 'br-vlan', 'proto', '179', 'metric', '10', 'table', '179']));
      await lab.nodes.b.stop('SIGKILL');
      await lab.nodes.b.start();
      await lab.sessionsUp(['b']);
      await waitFor('the leftover to go', 30_000, async () => (await innerRoutes(lab, 'b')).length === 0, 200);
    });
  });
}

import assert from 'node:assert/strict';
import type { NodeName, Vm } from '../../src/demo/addresses.ts';
import { crowdVm, demoVm, hostPrefix, linkOf, vlan } from '../../src/demo/addresses.ts';
import { torPort } from '../../src/demo/kernel-routes.ts';
import { must, sleep, waitFor, wallMs } from '../../src/demo/processes.ts';
import type { TorKind } from '../../src/demo/tor.ts';
import { cableOf, nodeNamespace, plug, unplug } from '../../src/demo/topology.ts';
import type { BindingItem, IgnoredItem } from '../../src/views/items.ts';
import { logOf } from './faults.ts';
import { announcementFrame, garpFrame, naFrame, rarpFrame } from './frames.ts';
import { Lab, allOn, beforeSecondTry, needs } from './lab.ts';

// Who may claim what, asked at real routers: mode learn without a single binding, guests that say nothing, shared addresses, two VRFs.

const learnMode = (yaml: string): string => yaml.replace(/identity:\n {2}mode: strict\n {2}bindings:\n(?: {4}- .*\n)*/, 'identity: {mode: learn}\n');
/** A tap's far end is QEMU alone; here every port is a veth, of which a pod could speak too early. */
const tapsOnly = 'migration: {firstEvidence: any}\n';

async function items<Item>(lab: Lab, node: NodeName, what: string): Promise<Item[]> {
  return (JSON.parse((await lab.nodes[node].cli(['show', what, '-o', 'json'])).stdout) as { items: Item[] }).items;
}

/** Until when (ms after `from`) the first router's kernel had sent every address of the VM to the node. */
async function movedAfter(lab: Lab, vm: Vm, node: NodeName, from: number): Promise<number> {
  const watch = lab.watches[0];
  return waitFor(`the routes to ${vm.name} to lead to node ${node}`, 10_000, () => {
    const at = [vm.ipv4, vm.ipv6].map((address) => watch?.firstVia(hostPrefix(address), torPort(node), from)?.at);
    return at.every((one) => one !== undefined) ? Math.max(...(at)) - from : undefined;
  }, 5);
}

for (const kind of ['frr', 'bird'] as const satisfies TorKind[]) {
  describe(`mode learn without bindings, ${kind}`, function () {
    this.timeout(60_000);
    let lab: Lab;
    const stranger = demoVm(99).mac;
    before(async function () {
      needs(this, kind);
      lab = await Lab.start({ mode: 'l3', tors: [kind], nodes: { rewrite: learnMode, extra: tapsOnly } });
      await lab.stage.boot([lab.vm], 'a');
      await lab.agree(allOn('a', [lab.vm]));
    });
    after(() => lab?.stop());
    beforeSecondTry(async (title) => {
      await lab.home(title.startsWith('silent') ? 'b' : 'a');
      if (/^(one RARP|its address is free)/.test(title)) await plug(lab.topology, lab.vm, 'b');
    });

    it('node b, which never saw the VM, knows its addresses from the routes of node a', async () => {
      const told = (await items<BindingItem>(lab, 'b', 'bindings')).filter((item) => item.origin === 'route');
      assert.deepEqual(told.map(({ mac, ips }) => ({ mac, ips: [...ips].sort() })), [{ mac: lab.vm.mac, ips: [lab.vm.ipv6, lab.vm.ipv4].sort() }]);
    });

    it('a second MAC with its addresses is refused on both nodes, and no router hears of it', async () => {
      await plug(lab.topology, lab.vm, 'b');
      const frames = [garpFrame(stranger, lab.vm.ipv4), naFrame(stranger, lab.vm.ipv6)];
      const counted = async (node: NodeName): Promise<IgnoredItem[]> => (await items<IgnoredItem>(lab, node, 'ignored')).filter((item) => item.mac === stranger);
      const sum = (refused: readonly IgnoredItem[]): number => refused.reduce((total, item) => total + item.count, 0);
      const before = { a: sum(await counted('a')), b: sum(await counted('b')) };
      await lab.withoutUpdate(async () => {
        for (let i = 0; i < 20; i++) for (const node of ['a', 'b'] as const) await lab.sendFrames('hv', cableOf(lab.vm, node), frames);
      });
      for (const node of ['a', 'b'] as const) {
        const refused = await counted(node);
        assert.deepEqual([...new Set(refused.map((item) => item.verdict))], ['conflict'], `node ${node}`);
        assert.equal(sum(refused) - before[node], 40, `node ${node}`);
      }
    });

    it('one RARP there moves all its addresses, in one pass', async () => {
      await lab.stage.detach(lab.vm, 'a');
      await lab.stage.attach(lab.vm, 'b');
      const from = linkOf(0, 'b').node.ipv4;
      const before = await lab.tor.updatesReceived(from);
      const at = wallMs();
      await lab.sendFrames('hv', cableOf(lab.vm, 'b'), [rarpFrame(lab.vm.mac)]);
      const ms = await movedAfter(lab, lab.vm, 'b', at);
      process.stderr.write(`        ${kind}: RARP sent (the command to send it included) to the last of two kernel routes: ${ms.toFixed(1)} ms\n`);
      await lab.agree(allOn('b', [lab.vm]));
      assert.equal(await lab.tor.updatesReceived(from), before + 2, 'one UPDATE for each family');
    });

    it('silent, with every RARP lost, it moves with its first ordinary packet', async () => {
      await unplug(lab.topology, lab.vm, 'a');
      await lab.agree(allOn('b', [lab.vm]));
      await lab.stage.move('a', { leadMs: 300, announce: false });
      // It knows the gateway's MAC, so that the packet is IP and nothing else.
      await lab.topology.namespaces.ip(`vm${lab.vm.index}`, [`neigh replace ${vlan.gateway.ipv4} lladdr ${vlan.gateway.mac} nud permanent dev eth0`]);
      const at = wallMs();
      await must(lab.topology.namespaces.exec(`vm${lab.vm.index}`, ['bash', '-c', `echo >/dev/udp/${vlan.gateway.ipv4}/9`]));
      const ms = await movedAfter(lab, lab.vm, 'a', at - 500);
      process.stderr.write(`        ${kind}: first ordinary packet (the command to send it included) to the last of two kernel routes: ${(ms - 500).toFixed(1)} ms\n`);
      assert.ok(ms - 500 < 2000, `${ms - 500} ms`);
      await lab.agree(allOn('a', [lab.vm]));
      const moved = (await lab.nodes.a.prefixes()).filter((item) => item.state !== 'withdrawn');
      assert.ok(moved.every((item) => item.source === 'probe'), moved.map((item) => item.source).join());
    });

    it('its address is free at once when it is gone, for another MAC on another node', async () => {
      await unplug(lab.topology, lab.vm, 'a');
      await lab.agree(new Map(), 10_000);
      const heir: Vm = { ...lab.vm, name: 'heir', mac: stranger };
      await lab.sendFrames('hv', cableOf(lab.vm, 'b'), [garpFrame(stranger, heir.ipv4), naFrame(stranger, heir.ipv6)]);
      await lab.agree(allOn('b', [heir]), 5000);
    });
  });
}

for (const kind of ['frr', 'bird'] as const) describe(`a shared address, ${kind}`, function () {
  this.timeout(60_000);
  let lab: Lab;
  const vip: Vm = { ...crowdVm(200), name: 'vip' };
  const [one, two] = [crowdVm(1), crowdVm(2)];
  before(async function () {
    needs(this, kind);
    const shared = (yaml: string): string => yaml
      .replace(/ips: \[(198\.18\.0\.[12]), "([^"]+)"\]/g, `ips: [$1, "$2", ${vip.ipv4}, "${vip.ipv6}"]`)
      .replace('identity:\n', `identity:\n  shared: [${vip.ipv4}, "${vip.ipv6}"]\n`);
    lab = await Lab.start({ mode: 'l3', tors: [kind], vms: 0, paperVms: [one, two], nodes: { rewrite: shared, localPorts: ['veth-*'] } });
    for (const node of ['a', 'b'] as const) await plugByHand(lab, node, `vrrp-${node}`);
  });
  after(() => lab?.stop());
  beforeSecondTry(async () => {
    for (const node of ['a', 'b'] as const) await lab.topology.namespaces.ip('hv', [`link del vrrp-${node}`]);
    await lab.agree(new Map());
    for (const node of ['a', 'b'] as const) await plugByHand(lab, node, `vrrp-${node}`);
  });

  it('fails over with its own GARP and NA alone, there and back, without a conflict', async () => {
    const speak = (node: NodeName, vm: Vm, addresses: Vm): Promise<void> =>
      lab.sendFrames('hv', `vrrp-${node}`, [addresses.ipv4, addresses.ipv6].map((address) => announcementFrame(vm.mac, address)));
    await lab.sendFrames('hv', 'vrrp-a', [rarpFrame(one.mac)]);
    await lab.sendFrames('hv', 'vrrp-b', [rarpFrame(two.mac)]);
    const vms = (node: NodeName): Map<Vm, NodeName> => new Map([[one, 'a'], [two, 'b'], [vip, node]]);
    await lab.agree(new Map([[one, 'a'], [two, 'b']]));
    // Claims of one second that have not seen each other are equals: the next speaks when its node has heard of the last, as a VRRP backup
    // waits for the silence of its master.
    const known = async (from: NodeName, to: NodeName): Promise<void> => {
      const claims = (await lab.nodes[from].prefixes()).filter(({ prefix }) => prefix === hostPrefix(vip.ipv4) || prefix === hostPrefix(vip.ipv6));
      assert.equal(claims.length, 2);
      const lines = claims.map(({ prefix, sequence }) => `"prefix":"${prefix}","kind":"rival","sequence":${sequence}`);
      await waitFor(`node ${to} to hear of the claims of node ${from}`, 20_000, () => lines.every((line) => logOf(lab, to).includes(line)));
    };
    for (const [node, vm, next] of [['a', one, 'b'], ['b', two, 'a'], ['a', one, 'b']] as const) {
      await speak(node, vm, vip);
      await lab.agree(vms(node));
      await known(node, next);
    }
    for (const node of ['a', 'b'] as const) assert.deepEqual((await items<IgnoredItem>(lab, node, 'ignored')).filter((item) => item.verdict === 'conflict'), []);
  });
});

describe('two VRFs with the same addresses and their own routers', function () {
  this.timeout(60_000);
  let lab: Lab;
  const [red, blue] = [crowdVm(1), { ...crowdVm(2), ipv4: crowdVm(1).ipv4, ipv6: crowdVm(1).ipv6 }];
  before(async function () {
    needs(this, 'frr', 'bird');
    const twoVrfs = (yaml: string): string => yaml
      .replace('    - name: tor\n', '    - name: tor\n      vrf: red\n').replace('    - name: tor2\n', '    - name: tor2\n      vrf: blue\n')
      .replace(/watch:\n( {2}- bridge: br-vlan\n(?: {4}.*\n)*)/, (_, watch: string) => `watch:\n${watch}    vrf: red\n${watch.replace('br-vlan', 'br-blue').replace('up0', 'up1')}    vrf: blue\n`)
      .replace(`mac: "${red.mac}",`, `mac: "${red.mac}", vrf: red,`).replace(`mac: "${blue.mac}",`, `mac: "${blue.mac}", vrf: blue,`);
    lab = await Lab.start({ mode: 'l3', tors: ['frr', 'bird'], vms: 0, paperVms: [red, blue], nodes: { rewrite: twoVrfs, localPorts: ['veth-*'] } });
    for (const node of ['a', 'b'] as const) {
      await lab.topology.namespaces.ip(nodeNamespace(node), ['link add br-blue type bridge stp_state 0 forward_delay 0 mcast_snooping 0', 'link set br-blue up']);
      await plugByHand(lab, node, `red-${node}`);
      await plugByHand(lab, node, `blue-${node}`, 'br-blue');
    }
    await sleep(500);
  });
  after(() => lab?.stop());
  beforeSecondTry(async (title) => {
    if (!title.startsWith('each VM')) return;
    for (const name of ['red-a', 'red-b', 'blue-a', 'blue-b']) await lab.topology.namespaces.ip('hv', [`link del ${name}`]);
    await becomes(['', '', '', '']);
    for (const node of ['a', 'b'] as const) {
      await plugByHand(lab, node, `red-${node}`);
      await plugByHand(lab, node, `blue-${node}`, 'br-blue');
    }
    await sleep(500);
  });

  /** Where each router sends the address that both VMs have: `a`, `b`, or nothing. */
  async function where(): Promise<string[]> {
    const found: string[] = [];
    for (const [i, tor] of lab.tors.entries()) {
      for (const family of ['ipv4', 'ipv6'] as const) {
        const hops = (await tor.routes()).filter((route) => route.prefix === hostPrefix(red[family]) && route.best).map((route) => route.nextHop);
        found.push(hops.map((hop) => (['a', 'b'] as const).find((node) => linkOf(i, node).node[family] === hop)).join());
      }
    }
    return found;
  }
  const becomes = async (expected: string[]): Promise<void> => {
    let last: string[] = [];
    await waitFor(`routes ${expected.join()}`, 10_000, async () => { last = await where(); return last.join('|') === expected.join('|'); }, 100)
      .catch(() => assert.deepEqual(last, expected));
  };

  it('each VM is announced to its own router only, and moves alone', async () => {
    await lab.sendFrames('hv', 'red-a', [rarpFrame(red.mac)]);
    await becomes(['a', 'a', '', '']);
    await lab.sendFrames('hv', 'blue-b', [rarpFrame(blue.mac)]);
    await becomes(['a', 'a', 'b', 'b']);
    await sleep(1100); // claims of one second that have not seen each other are equals
    await lab.sendFrames('hv', 'red-b', [rarpFrame(red.mac)]);
    await becomes(['b', 'b', 'b', 'b']);
    await lab.sendFrames('hv', 'blue-a', [rarpFrame(blue.mac)]);
    await becomes(['b', 'b', 'a', 'a']);
  });

  it('a VM in the wrong VRF claims nothing', async () => {
    await lab.withoutUpdate(() => lab.sendFrames('hv', 'blue-b', [rarpFrame(red.mac), garpFrame(red.mac, red.ipv4)]));
    await becomes(['b', 'b', 'a', 'a']);
  });
});

/** A port of a bridge of node `node` whose other end, `name`, is in hv. */
async function plugByHand(lab: Lab, node: NodeName, name: string, bridge = 'br-vlan'): Promise<void> {
  await lab.topology.namespaces.ip('hv', [`link add ${name} type veth peer name veth-${name} netns @${nodeNamespace(node)}`, `link set ${name} arp off`, `link set ${name} up`]);
  await lab.topology.namespaces.ip(nodeNamespace(node), [`link set veth-${name} master ${bridge} up`]);
}

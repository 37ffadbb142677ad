import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { ip } from '../../net/ip.ts';
import type { NodeName, Vm } from '../../src/demo/addresses.ts';
import { client, demoVm, linkOf, nodeNames, vlan, vlanAddressOf } from '../../src/demo/addresses.ts';
import type { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, must, run, sleep, waitFor } from '../../src/demo/processes.ts';
import type { TorKind } from '../../src/demo/tor.ts';
import { buildVm, cableOf, nodeNamespace, plug, unplug, type Mode, type Topology } from '../../src/demo/topology.ts';
import { rarpFrame, resumeFrames } from './frames.ts';
import { withoutNeighbours, withoutSubnet } from './host-routes.ts';
import { Lab } from './lab.ts';
import type { Flowed, Reached, TalkOrder, Target } from './talker.ts';

// Two nodes with two VLANs each, VMs in both, a client, and everybody talking to everybody.

/** The second VLAN: its own bridge on each node, its own subnet. */
const other = {
  bridge: 'br-other', uplink: 'up1', switchPort: 'so', prefixes: ['198.19.0.0/24', '2001:db8:300::/64'],
  gateway: { ipv4: ip('198.19.0.1'), ipv6: ip('2001:db8:300::1'), mac: '02:00:5e:00:01:03' },
} as const;

const otherVm = (index: number): Vm => ({ ...demoVm(index), ipv4: ip(`198.19.0.${10 + index}`), ipv6: ip(`2001:db8:300::${10 + index}`) });
const otherAddressOf = (node: NodeName): { ipv4: string; ipv6: string } => ({ ipv4: `198.19.0.${2 + nodeNames.indexOf(node)}`, ipv6: `2001:db8:300::${2 + nodeNames.indexOf(node)}` });

export interface Fabric {
  readonly mode: Mode;
  readonly tor: TorKind;
  /** `kernel.routes` of both nodes. */
  readonly routes: 'off' | 'received' | 'host';
  /** More of the nodes' configuration. */
  readonly extra?: string;
  /** Changes the configuration of a node. */
  readonly rewrite?: (yaml: string) => string;
}

/** Namespaces in which somebody talks, and what they say. */
class Talkers {
  readonly #namespaces: Namespaces;
  readonly #daemons = new Map<string, Daemon>();
  readonly #answers = new Map<number, (value: unknown) => void>();
  #next = 1;

  constructor(namespaces: Namespaces) {
    this.#namespaces = namespaces;
  }

  async start(names: readonly string[]): Promise<void> {
    const script = fileURLToPath(new URL('talker.ts', import.meta.url));
    let ready = 0;
    for (const ns of names) {
      const onLine = (line: string): void => {
        const { id, value } = JSON.parse(line) as { id: number; value: unknown };
        if (id === 0) ready += 1;
        else this.#answers.get(id)?.(value);
        this.#answers.delete(id);
      };
      this.#daemons.set(ns, new Daemon(`${ns}/talker`, this.#namespaces.exec(ns, [process.execPath, '--import', 'tsx', script]), { onLine }));
    }
    await waitFor('talkers', 30_000, () => {
      for (const daemon of this.#daemons.values()) if (!daemon.alive) throw new Error(`${daemon.name} has ended: ${daemon.tail}`);
      return ready === names.length;
    });
  }

  ask<T>(ns: string, order: TalkOrder): Promise<T> {
    const id = this.#next++;
    const daemon = this.#daemons.get(ns);
    return new Promise((resolve, reject) => {
      if (daemon?.alive !== true) return reject(new Error(`no talker in ${ns}: ${daemon?.tail}`));
      this.#answers.set(id, resolve as (value: unknown) => void);
      daemon.tell({ ...order, id });
    });
  }
}

/** What ends connections or misleads, unreachable and redirect, and what tells of a loop, time exceeded; IPv4 and IPv6. */
const complaints = 'icmp[icmptype] == 3 or icmp[icmptype] == 5 or icmp[icmptype] == 11 or (icmp6 and (ip6[40] == 1 or ip6[40] == 137 or ip6[40] == 3))';
/** A packet of a client that has crossed more than six routers has gone round: there are three on its way, with the tunnel. */
const loops = `table inet loops {
  counter looped { }
  chain in { type filter hook prerouting priority -300; udp dport 7008 ip ttl < 58 counter name looped; udp dport 7008 ip6 hoplimit < 58 counter name looped; }
}
`;

export class TwoVlans {
  readonly lab: Lab;
  readonly place = new Map<Vm, NodeName>();
  readonly vms: readonly Vm[];
  /** New connections that needed more than one SYN. */
  slow = 0;
  /** Who went where, with the time. */
  readonly history: string[] = [];
  /** ICMP and ICMPv6 messages that should not be, as tcpdump put them. */
  readonly heard: string[] = [];
  /** VMs' routes that the router's kernel lost, if for a moment, as `ip monitor` put them: a route that is replaced is not among them. */
  readonly lost: string[] = [];
  /** How often the router's kernel was given such a route, IPv4 and IPv6. */
  readonly given = { ipv4: 0, ipv6: 0 };
  readonly #fabric: Fabric;
  readonly #talkers: Talkers;

  private constructor(lab: Lab, fabric: Fabric, vms: readonly Vm[]) {
    this.lab = lab;
    this.#fabric = fabric;
    this.vms = vms;
    this.#talkers = new Talkers(lab.topology.namespaces);
  }

  /** VMs 1 to 3 in the first VLAN, 4 and 5 in the other; the odd ones on node a. */
  static async start(fabric: Fabric): Promise<TwoVlans> {
    const others = [otherVm(4), otherVm(5)];
    const lab = await Lab.start({
      mode: fabric.mode, tors: [fabric.tor], vms: 3, paperVms: others,
      nodes: { extra: `migration: {flap: {moves: 100}}\nkernel: {routes: ${fabric.routes}, refreshNeighbors: true}\n${fabric.extra ?? ''}`, rewrite: (yaml) => (fabric.rewrite ?? String)(watches(fabric, yaml)) },
      prepare: (topology) => build(topology, fabric, others),
    });
    const crowd = new TwoVlans(lab, fabric, [...lab.topology.vms, ...others]);
    try {
      await crowd.#begin();
      return crowd;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  async #begin(): Promise<void> {
    const { lab, vms } = this;
    const spaces = [...vms.map((vm) => `vm${vm.index}`), 'client'];
    for (const ns of spaces) {
      new Daemon(`${ns}/tcpdump`, lab.topology.namespaces.exec(ns, ['tcpdump', '-l', '-n', '-q', '-i', 'eth0', complaints]), {
        onLine: (line) => { if (/ICMP/.test(line) && !/^(tcpdump|listening)/.test(line)) this.heard.push(`${ns}: ${line}`); },
      });
    }
    for (const family of ['ipv4', 'ipv6'] as const) {
      new Daemon(`tor/monitor ${family}`, lab.topology.namespaces.exec('tor', ['ip', '-ts', family === 'ipv4' ? '-4' : '-6', 'monitor', 'route']), {
        onLine: (line) => {
          if (!/(203\.0\.113\.|198\.19\.0\.|2001:db8:[13]00::)1[1-5] /.test(line)) return;
          if (line.includes('Deleted ')) this.lost.push(line);
          else this.given[family] += 1;
        },
      });
    }
    await this.#talkers.start([...spaces, ...nodeNames.map(nodeNamespace)]);
    for (const vm of vms) {
      if (!lab.topology.vms.includes(vm)) {
        await plug(lab.topology, vm, 'a', other.bridge);
        await lab.stage.attach(vm, 'a');
      }
      this.place.set(vm, 'a');
    }
    await lab.stage.boot(vms, 'a');
    await lab.agree(this.place);
    for (const vm of vms) if (vm.index % 2 === 0) await this.move(vm, 'b');
    await this.settled();
  }

  async stop(): Promise<void> {
    await this.lab.stop();
  }

  #bridgeOf(vm: Vm): string {
    return this.lab.topology.vms.includes(vm) ? 'br-vlan' : other.bridge;
  }

  /** As QEMU does it. `quiet`: its RARP alone, from a guest that says nothing. Whether the routers have followed is not waited for. */
  async move(vm: Vm, to: NodeName, { quiet = false, leadMs = 200, keepSourceMs = 100, onRun = (): void => undefined } = {}): Promise<void> {
    const { lab } = this;
    const from = this.place.get(vm) as NodeName;
    await unplug(lab.topology, vm, to); // left there by a try that broke off
    await plug(lab.topology, vm, to, this.#bridgeOf(vm));
    await sleep(leadMs);
    await lab.stage.detach(vm, from);
    await lab.stage.attach(vm, to);
    this.history.push(`${new Date().toISOString().slice(11, 23)} vm${vm.index} ${from} → ${to}`);
    onRun();
    await lab.sendFrames('hv', cableOf(vm, to), quiet ? [rarpFrame(vm.mac)] : resumeFrames(vm));
    this.place.set(vm, to);
    await sleep(keepSourceMs);
    await unplug(lab.topology, vm, from);
  }

  /** The next of a round in which every VM moves, to the node where it is not. */
  async nextMove(number: number, options: { quiet?: boolean; leadMs?: number; keepSourceMs?: number } = {}): Promise<void> {
    const vm = this.vms[number % this.vms.length] as Vm;
    // With and without the guest's own word; the old port goes with the VM, soon after it, or when all is over.
    await this.move(vm, this.place.get(vm) === 'a' ? 'b' : 'a', { quiet: number % 2 === 0, keepSourceMs: [100, 0, 400][number % 3] as number, ...options });
  }

  settled(): Promise<void> {
    return this.lab.agree(this.place);
  }

  #ends(): { ns: string; addresses: string[] }[] {
    return [...this.vms.map((vm) => ({ ns: `vm${vm.index}`, addresses: [vm.ipv4, vm.ipv6] as string[] })), { ns: 'client', addresses: [client.host.ipv4, client.host.ipv6] as string[] }];
  }

  /** Every pair of VMs, every VM and the client, every VM and either node, from either side, by new connections. */
  async everybodyReaches(withinMs = 4000): Promise<void> {
    const ends = this.#ends();
    const links = nodeNames.flatMap((node) => [linkOf(0, node).node.ipv4, linkOf(0, node).node.ipv6]);
    const failed = await Promise.all([
      ...ends.map(({ ns }) => [ns, [...ends.filter((end) => end.ns !== ns).flatMap(({ addresses }) => addresses), ...(ns === 'client' ? [] : [...links, ...this.#gateways(ns)])]] as const),
      ...nodeNames.map((node) => [nodeNamespace(node), this.vms.flatMap((vm) => [vm.ipv4, vm.ipv6])] as const),
    ].map(async ([ns, hosts]) => {
      const { failed: missing, slow } = await this.#talkers.ask<Reached>(ns, { order: 'reach', targets: hosts.map((host) => ({ host })), withinMs });
      this.slow += slow;
      return missing.map((name) => `${ns} → ${name}`);
    }));
    assert.deepEqual(failed.flat(), []);
  }

  /** The addresses by which the VM's own node is its gateway; of a stretched VLAN, those of both nodes in it. */
  #gateways(ns: string): string[] {
    const first = this.lab.topology.vms.some((vm) => `vm${vm.index}` === ns);
    if (this.#fabric.mode === 'l3') return first ? [vlan.gateway.ipv4, vlan.gateway.ipv6] : [other.gateway.ipv4, other.gateway.ipv6];
    return nodeNames.flatMap((node) => Object.values(first ? vlanAddressOf(node) : otherAddressOf(node)));
  }

  /** Opens connections between all of them, from either side, which are to live as long as the test. */
  async openAll(everyMs = 300): Promise<void> {
    const ends = this.#ends();
    const links = nodeNames.map((node) => ({ node, link: linkOf(0, node).node }));
    const dead = await Promise.all([
      ...ends.map(({ ns }) => [ns, [...ends.filter((end) => end.ns !== ns).flatMap(({ addresses }) => addresses), ...(ns === 'client' ? [] : links.flatMap(({ link }) => [link.ipv4, link.ipv6]))].map((host): Target => ({ host }))] as const),
      // A VM's node is another one after its move, so the node speaks by the address that is its own.
      ...links.map(({ node, link }) => [nodeNamespace(node), this.vms.flatMap((vm): Target[] => [{ host: vm.ipv4, from: link.ipv4 }, { host: vm.ipv6, from: link.ipv6 }])] as const),
    ].map(async ([ns, targets]) => (await this.#talkers.ask<string[]>(ns, { order: 'open', targets, everyMs })).map((name) => `${ns} → ${name}`)));
    assert.deepEqual(dead.flat(), [], 'connections that were not made');
  }

  /** Every connection that was opened still carries octets. */
  async connectionsLive(withinMs = 15_000): Promise<void> {
    const dead = await Promise.all([...this.#ends().map(({ ns }) => ns), ...nodeNames.map(nodeNamespace)].map(async (ns) =>
      (await this.#talkers.ask<string[]>(ns, { order: 'dead', withinMs })).map((name) => `${ns} → ${name}`)));
    assert.deepEqual(dead.flat(), [], 'connections that died');
  }

  /** Datagrams from one namespace to VMs, both families, from now on. */
  flow(ns: string, vms: readonly Vm[], everyMs: number): Promise<null> {
    return this.#talkers.ask(ns, { order: 'flow', targets: vms.flatMap((vm) => [{ host: vm.ipv4 }, { host: vm.ipv6 }]), everyMs });
  }

  /** Packets that went round, as routers and nodes count them from the first call on. */
  async looped(): Promise<number> {
    const { namespaces } = this.lab.topology;
    const counts = await Promise.all(['tor', ...nodeNames.map(nodeNamespace)].map(async (ns) => {
      const listed = await run(namespaces.exec(ns, ['nft', '-j', 'list', 'counter', 'inet', 'loops', 'looped']));
      if (listed.status !== 0) await must(namespaces.exec(ns, ['nft', '-f', '-']), { input: loops });
      return listed.status === 0 ? Number(/"packets": (\d+)/.exec(listed.stdout)?.[1]) : 0;
    }));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  flowed(ns: string): Promise<Flowed[]> {
    return this.#talkers.ask(ns, { order: 'flowed' });
  }
}

/** The second watch of a node, and the gateways where the node itself is one. */
function watches({ mode }: Fabric, yaml: string): string {
  const gateway = (addresses: { ipv4: string; ipv6: string }): string => (mode === 'l3' ? `    gateway: {addresses: [${addresses.ipv4}, "${addresses.ipv6}"]}\n` : '');
  const [ipv4, ipv6] = other.prefixes;
  const second = `  - bridge: ${other.bridge}
    ports: {local: ["tap*"], uplink: [${other.uplink}]}
    announcements: [garp, rarp, na]
    prefixes: [${ipv4}, "${ipv6}"]
    exclude: [${other.gateway.ipv4}, "${other.gateway.ipv6}"]
${gateway(other.gateway)}`;
  return yaml.replace(/^ {4}exclude: .*\n/m, (line) => `${line}${gateway(vlan.gateway)}${second}`);
}

async function build(topology: Topology, fabric: Fabric, others: readonly Vm[]): Promise<void> {
  const { namespaces } = topology;
  const { gateway } = other;
  if (fabric.mode === 'l2') {
    await namespaces.ip('tor', [
      `link add ${other.bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`, `link set ${other.bridge} address ${gateway.mac} up`,
      `addr add ${gateway.ipv4}/24 dev ${other.bridge}`, `addr add ${gateway.ipv6}/64 dev ${other.bridge} nodad`,
    ]);
  }
  for (const node of nodeNames) {
    const ns = nodeNamespace(node);
    const own = fabric.mode === 'l3' ? gateway : { ...otherAddressOf(node), mac: `02:00:5e:00:03:0${nodeNames.indexOf(node) + 1}` };
    await namespaces.ip(ns, [
      `link add ${other.bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`, `link set ${other.bridge} address ${own.mac} up`,
      `addr add ${own.ipv4}/24 dev ${other.bridge}`, `addr add ${own.ipv6}/64 dev ${other.bridge} nodad`,
    ]);
    if (fabric.mode === 'l2') {
      await namespaces.ip('tor', [`link add ${other.switchPort}-${node} type veth peer name ${other.uplink} netns @${ns}`, `link set ${other.switchPort}-${node} master ${other.bridge} up`]);
      await namespaces.ip(ns, [`link set ${other.uplink} master ${other.bridge} up`]);
    }
    await namespaces.sysctl(ns, { [`net/ipv4/conf/${other.bridge}/send_redirects`]: 0 });
    if (fabric.routes !== 'off') await withoutRedirects(namespaces, ns);
    if (fabric.routes === 'host') {
      await withoutSubnet(namespaces, ns);
      await withoutSubnet(namespaces, ns, other.bridge, gateway);
    }
  }
  for (const vm of others) await buildVm(namespaces, vm, gateway);
  if (fabric.routes === 'host') for (const vm of [...topology.vms, ...others]) await withoutNeighbours(namespaces, vm, others.includes(vm) ? gateway : vlan.gateway);
}

/** As docs/data-plane.md says it: a switch for IPv4, a rule for IPv6. */
async function withoutRedirects(namespaces: Namespaces, ns: string): Promise<void> {
  await namespaces.sysctl(ns, { 'net/ipv4/conf/all/send_redirects': 0 });
  await must(namespaces.exec(ns, ['nft', '-f', '-']), { input: 'table inet no-redirects { chain out { type filter hook output priority 0; icmpv6 type nd-redirect drop; }; }\n' });
}

/** What is in the kernel's main table under our protocol numbers, both families. */
export async function ownRoutes(lab: Lab, node: NodeName): Promise<string[]> {
  const text = await must(lab.topology.namespaces.exec(nodeNamespace(node), ['sh', '-c', 'for proto in 179 180; do ip route show proto $proto; ip -6 route show proto $proto; done']));
  return text.split('\n').filter((line) => line !== '');
}

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeName, Vm } from '../../src/demo/addresses.ts';
import { demoVm, hostPrefix, nodeNames, vlan } from '../../src/demo/addresses.ts';
import { makeFolder } from '../../src/demo/folder.ts';
import { RouteWatch, kernelHostRoutes } from '../../src/demo/kernel-routes.ts';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, landfallCommand, run, stopAll, waitFor } from '../../src/demo/processes.ts';
import type { Finished } from '../../src/demo/processes.ts';
import { Stage } from '../../src/demo/stage.ts';
import { FrrTor } from '../../src/demo/tor-frr.ts';
import { BirdTor } from '../../src/demo/tor-bird.ts';
import type { Topology } from '../../src/demo/topology.ts';
import { buildNode, buildVm, nodeNamespace } from '../../src/demo/topology.ts';
import type { Tor } from '../../src/demo/tor.ts';
import type { PrefixItem, ReceivedItem, StatusItem } from '../../src/views/items.ts';
import { asns, birdConfig, cables, frrConfig, ipv4Of, ipv6Of, nodeAsn, routerNames, type Cable, type Mapping, type RouterName } from './clos-routers.ts';

export { asns, neighborsOf, routerIds, routerNames, type RouterName } from './clos-routers.ts';

/** The interface that each router must send a VM's packets out of. */
const wayTo: Readonly<Record<NodeName, Readonly<Record<RouterName, string>>>> = {
  a: { tor1: 'n0', spine: 't1', tor2: 's0' },
  b: { tor1: 's0', spine: 't2', tor2: 'n0' },
};

export interface ClosOptions {
  readonly profile: 'ladder' | 'prepend' | 'sequence';
  /** Namespace names begin with it. */
  readonly prefix: string;
  /** What the routers are. Default: FRR. */
  readonly os?: 'frr' | 'bird';
  /** Where routers map the steps of the ladder; default: on every session. */
  readonly mapping?: Mapping;
  /** Another configuration of a router, from what the node's file says. */
  readonly router?: (router: RouterName, nodeFile: string) => string;
}

/** How long a claim stays on its step, s; above the hold time, since graceful restart is off here. */
export const elevatedForSeconds = 10;

function landfallConfig(node: NodeName, folder: string, vms: readonly Vm[], profile: ClosOptions['profile']): string {
  const cable = cables[node === 'a' ? 0 : 3] as Cable;
  const router = node === 'a' ? 'tor1' : 'tor2';
  return `apiVersion: landfall/v1
node: {name: node-${node}}
bgp:
  asn: ${nodeAsn}
  routerId: 192.0.2.${node === 'a' ? 101 : 102}
  gracefulRestart: {enabled: false}
  peers:
    - name: ${router}
      address: ${ipv4Of(cable, 0)}
      asn: ${asns[router]}
      timers: {hold: 9s, keepalive: 3s, connectRetry: 1s}
      nextHop: {ipv4: ${ipv4Of(cable, 1)}, ipv6: "${ipv6Of(cable, 1)}"}
watch:
  - bridge: br-vlan
    ports: {local: ["tap*"], uplink: []}
    prefixes: [${vlan.ipv4}, "${vlan.ipv6}"]
    exclude: [${vlan.gateway.ipv4}, "${vlan.gateway.ipv6}"]
routes: {profile: ${profile}}
migration: {elevatedFor: ${elevatedForSeconds}s}
identity:
  mode: strict
  bindings:
${vms.map((vm) => `    - {vm: ${vm.name}, mac: "${vm.mac}", ips: [${vm.ipv4}, "${vm.ipv6}"]}`).join('\n')}
log: {level: debug, format: json}
api: {socket: ${join(folder, 'landfall.sock')}, mode: "0600"}
`;
}

/** The whole fabric with both nodes and one VM, which is silent on node a. */
export class Clos {
  readonly topology: Topology;
  readonly stage: Stage;
  readonly watches: Readonly<Record<RouterName, RouteWatch>>;
  readonly #folder: string;
  readonly #profile: ClosOptions['profile'];
  readonly #mapping: Mapping;
  readonly #os: 'frr' | 'bird';
  readonly #router: ClosOptions['router'];

  private constructor(topology: Topology, folder: string, { profile, mapping, router, os }: ClosOptions) {
    this.topology = topology;
    this.stage = new Stage(topology);
    this.watches = Object.fromEntries(routerNames.map((name) => [name, new RouteWatch(topology.namespaces, name)])) as Record<RouterName, RouteWatch>;
    this.#folder = folder;
    this.#profile = profile;
    this.#mapping = mapping;
    this.#os = os ?? 'frr';
    this.#router = router;
  }

  /** The configuration file of a node. */
  static nodeFile(node: NodeName, folder: string, profile: ClosOptions['profile']): string {
    return landfallConfig(node, folder, [demoVm(1)], profile);
  }

  static async start(options: ClosOptions): Promise<Clos> {
    const namespaces = new Namespaces(options.prefix);
    const topology: Topology = { mode: 'l3', namespaces, vms: [demoVm(1)], tors: [...routerNames] };
    const folder = makeFolder();
    try {
      for (const router of routerNames) await namespaces.create(router, { forwarding: true });
      for (const node of nodeNames) await namespaces.create(nodeNamespace(node), { forwarding: true });
      await namespaces.create('hv');
      await namespaces.sysctl('hv', { 'net/ipv6/conf/default/disable_ipv6': 1 });
      for (const node of nodeNames) await buildNode(topology, node);
      for (const cable of cables) await layCable(namespaces, cable);
      for (const vm of topology.vms) await buildVm(namespaces, vm);
      const clos = new Clos(topology, folder, options);
      await Promise.all(routerNames.map((router) => clos.#startRouter(router)));
      await clos.stage.start('a', { client: false });
      for (const node of nodeNames) await clos.startNode(node);
      return clos;
    } catch (error) {
      await stopAll();
      await namespaces.removeAll();
      throw error;
    }
  }

  /** Takes everything down. Never throws. */
  async stop(): Promise<void> {
    await stopAll();
    await this.topology.namespaces.removeAll();
    if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(this.#folder, { recursive: true, force: true });
  }

  get vm(): Vm {
    return this.topology.vms[0] as Vm;
  }

  async #startRouter(router: RouterName): Promise<void> {
    const folder = join(this.#folder, router);
    mkdirSync(folder);
    const plan = { namespace: router, routerId: '', asn: asns[router], peering: { type: 'ebgp' as const }, neighbors: [] };
    const own = this.#router?.(router, landfallConfig(router === 'tor2' ? 'b' : 'a', folder, this.topology.vms, this.#profile));
    const config = own ?? (this.#os === 'bird' ? birdConfig : frrConfig)(router, this.#profile === 'ladder', this.#mapping);
    const tor: Tor = this.#os === 'bird' ? new BirdTor(this.topology.namespaces, plan, folder, config) : new FrrTor(this.topology.namespaces, plan, folder, config);
    await tor.start();
  }

  configOf(node: NodeName): string {
    return join(this.#folder, node, 'landfall.yaml');
  }

  async startNode(node: NodeName): Promise<void> {
    const folder = join(this.#folder, node);
    mkdirSync(folder, { recursive: true });
    writeFileSync(this.configOf(node), landfallConfig(node, folder, this.topology.vms, this.#profile));
    const daemon = new Daemon(`node-${node}/landfall`, this.#inside(node, [...landfallCommand(), 'run', '-c', this.configOf(node)]), { log: join(folder, 'landfall.log') });
    await waitFor(`the session of node ${node}`, 60_000, async () => {
      if (!daemon.alive) throw new Error(`landfall on node ${node} ended: ${daemon.tail}`);
      const done = await this.cli(node, ['status', '-o', 'json']);
      return done.status === 0 && (JSON.parse(done.stdout) as { items: StatusItem[] }).items[0]?.peers.established === 1;
    }, 200);
  }

  #inside(node: NodeName, command: readonly string[]): string[] {
    return this.topology.namespaces.exec(nodeNamespace(node), command);
  }

  /** `landfall ARGS` on a node. */
  cli(node: NodeName, args: readonly string[]): Promise<Finished> {
    return run(this.#inside(node, [...landfallCommand(), '--socket', join(this.#folder, node, 'landfall.sock'), ...args]));
  }

  async #items<Item>(node: NodeName, args: readonly string[]): Promise<Item[]> {
    return (JSON.parse((await this.cli(node, [...args, '-o', 'json'])).stdout) as { items: Item[] }).items;
  }

  prefixes(node: NodeName): Promise<PrefixItem[]> {
    return this.#items(node, ['show', 'prefixes']);
  }

  received(node: NodeName): Promise<ReceivedItem[]> {
    return this.#items(node, ['show', 'received']);
  }

  /** What `status` warns of, but for the clock of this machine and for what `kernel.routes: off` does not cover. */
  async warnings(node: NodeName): Promise<readonly string[]> {
    return ((await this.#items<StatusItem>(node, ['status']))[0]?.warnings ?? []).filter((text) => !/^(the clock |br-vlan: )/.test(text));
  }

  /** What each router's kernel does with the VM's two addresses: `spine 203.0.113.11/32 via t1`. */
  async kernel(): Promise<string[]> {
    const all = await Promise.all(routerNames.map(async (router) => {
      const routes = await kernelHostRoutes(this.topology.namespaces, router);
      return [this.vm.ipv4, this.vm.ipv6].map((address) => `${router} ${hostPrefix(address)} via ${routes.get(hostPrefix(address))?.join('+') ?? 'nothing'}`);
    }));
    return all.flat();
  }

  /** What {@link kernel} says when every router sends to `node` and to it alone. */
  expected(node: NodeName): string[] {
    return routerNames.flatMap((router) => [this.vm.ipv4, this.vm.ipv6].map((address) => `${router} ${hostPrefix(address)} via ${wayTo[node][router]}`));
  }

  /** Waits until every tier sends to `node`, and both nodes say the same. */
  async agree(node: NodeName, timeoutMs = 15_000): Promise<void> {
    const expected = this.expected(node).join('\n');
    const other = node === 'a' ? 'b' : 'a';
    let found = '';
    await waitFor('every tier', timeoutMs, async () => {
      const [kernel, here, there] = await Promise.all([this.kernel(), this.prefixes(node), this.prefixes(other)]);
      const announces = (items: readonly PrefixItem[]): number => items.filter((item) => item.peers.sent > 0).length;
      found = kernel.join('\n') + `\nnode ${node} announces ${announces(here)}, node ${other} ${announces(there)}`;
      return found === `${expected}\nnode ${node} announces 2, node ${other} 0`;
    }, 100).catch(() => { throw new Error(`not at node ${node}:\n${found}`); });
  }
}

async function layCable(namespaces: Namespaces, cable: Cable): Promise<void> {
  const [near, far] = cable.ends;
  await namespaces.ip(near.place, [
    `link add ${near.device} type veth peer name ${far.device} netns @${far.place}`,
    `addr add ${ipv4Of(cable, 0)}/30 dev ${near.device}`,
    `addr add ${ipv6Of(cable, 0)}/64 dev ${near.device} nodad`,
    `link set ${near.device} up`,
  ]);
  await namespaces.ip(far.place, [
    `addr add ${ipv4Of(cable, 1)}/30 dev ${far.device}`,
    `addr add ${ipv6Of(cable, 1)}/64 dev ${far.device} nodad`,
    `link set ${far.device} up`,
  ]);
}

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
import type { Topology } from '../../src/demo/topology.ts';
import { buildNode, buildVm, nodeNamespace } from '../../src/demo/topology.ts';
import type { PrefixItem, ReceivedItem, StatusItem } from '../../src/views/items.ts';

/*
 * A Clos fabric of eBGP, an AS for each router:
 *
 *     node a ─n0 tor1 s0── t1 spine t2 ──s0 tor2 n0─ node b
 *      65010      65001       65100       65002      65010
 */
export const routerNames = ['tor1', 'spine', 'tor2'] as const;
export type RouterName = (typeof routerNames)[number];
const asns: Readonly<Record<RouterName, number>> = { tor1: 65001, spine: 65100, tor2: 65002 };
const nodeAsn = 65010;

/** A cable between two namespaces: which device of which, and the number that its addresses are made of. */
interface Cable {
  readonly number: number;
  readonly ends: readonly [End, End];
}
interface End {
  readonly place: string;
  readonly device: string;
}

const cables: readonly Cable[] = [
  { number: 1, ends: [{ place: 'tor1', device: 'n0' }, { place: nodeNamespace('a'), device: 'rt0' }] },
  { number: 2, ends: [{ place: 'spine', device: 't1' }, { place: 'tor1', device: 's0' }] },
  { number: 3, ends: [{ place: 'spine', device: 't2' }, { place: 'tor2', device: 's0' }] },
  { number: 4, ends: [{ place: 'tor2', device: 'n0' }, { place: nodeNamespace('b'), device: 'rt0' }] },
];

/** The sessions of a router: with whom. */
export function neighborsOf(router: RouterName): { readonly address: string; readonly asn: number; readonly node: boolean }[] {
  return cables.flatMap((cable) => cable.ends.flatMap(({ place }, i) => {
    if (place !== router) return [];
    const far = (1 - i) as 0 | 1;
    const peer = cable.ends[far].place;
    return [{ address: ipv4Of(cable, far), asn: peer in asns ? asns[peer as RouterName] : nodeAsn, node: !(peer in asns) }];
  }));
}

const ipv4Of = (cable: Cable, end: 0 | 1): string => `192.0.2.${cable.number * 4 + 1 + end}`;
const ipv6Of = (cable: Cable, end: 0 | 1): string => `2001:db8:0:${cable.number}::${1 + end}`;

/** The interface that each router must send a VM's packets out of. */
const wayTo: Readonly<Record<NodeName, Readonly<Record<RouterName, string>>>> = {
  a: { tor1: 'n0', spine: 't1', tor2: 's0' },
  b: { tor1: 's0', spine: 't2', tor2: 'n0' },
};

export interface ClosOptions {
  readonly profile: 'ladder' | 'prepend' | 'sequence';
  /** Namespace names begin with it. */
  readonly prefix: string;
  /** Where routers map the steps of the ladder; default: on every session. */
  readonly mapping?: 'everywhere' | 'towards nodes';
  /** Another configuration of a router, from what the node's file says. */
  readonly router?: (router: RouterName, nodeFile: string) => string;
}

/** How long a claim stays on its step, s; above the hold time, since graceful restart is off here. */
export const elevatedForSeconds = 10;

/** bgpd of one router. With `ladder`, the steps mean LOCAL_PREF 200…207 and leaving 50, on every session. */
function frrConfig(router: RouterName, ladder: boolean, mapping: ClosOptions['mapping']): string {
  const neighbors = neighborsOf(router).map(({ node, ...neighbor }) => ({ ...neighbor, passive: node }));
  const levels = [...Array.from({ length: 8 }, (_, step) => 200 + step), 50];
  const family = (name: string): string => `
 address-family ${name} unicast${neighbors.map(({ address, passive }) => `
  neighbor ${address} activate
  neighbor ${address} send-community both${ladder && (passive || mapping !== 'towards nodes') ? `
  neighbor ${address} route-map ladder-in in` : ''}`).join('')}
 exit-address-family`;
  return `frr version 8.4
frr defaults traditional
hostname ${router}
!
${ladder ? `${levels.map((n) => `bgp community-list standard level-${n} seq 5 permit ${nodeAsn}:${n}\n`).join('')}!
${levels.map((n, i) => `route-map ladder-in permit ${(i + 1) * 10}
 match community level-${n}
 set local-preference ${n}
`).join('')}route-map ladder-in permit 1000
!
` : ''}router bgp ${asns[router]}
 bgp router-id ${router === 'spine' ? '192.0.2.201' : router === 'tor1' ? '192.0.2.202' : '192.0.2.203'}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 bgp bestpath as-path multipath-relax
 timers bgp 3 9${neighbors.map(({ address, asn, passive }) => `
 neighbor ${address} remote-as ${asn}
 neighbor ${address} advertisement-interval 0
 neighbor ${address} timers connect 1${passive ? `
 neighbor ${address} passive` : ''}`).join('')}${family('ipv4')}${family('ipv6')}
!
`;
}

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
  readonly #mapping: ClosOptions['mapping'];
  readonly #router: ClosOptions['router'];

  private constructor(topology: Topology, folder: string, { profile, mapping, router }: ClosOptions) {
    this.topology = topology;
    this.stage = new Stage(topology);
    this.watches = Object.fromEntries(routerNames.map((name) => [name, new RouteWatch(topology.namespaces, name)])) as Record<RouterName, RouteWatch>;
    this.#folder = folder;
    this.#profile = profile;
    this.#mapping = mapping;
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
    await new FrrTor(this.topology.namespaces, plan, folder,
      this.#router?.(router, landfallConfig(router === 'tor2' ? 'b' : 'a', folder, this.topology.vms, this.#profile)) ?? frrConfig(router, this.#profile === 'ladder', this.#mapping)).start();
  }

  configOf(node: NodeName): string {
    return join(this.#folder, node, 'landfall.yaml');
  }

  async startNode(node: NodeName): Promise<void> {
    const folder = join(this.#folder, node);
    mkdirSync(folder, { recursive: true });
    writeFileSync(this.configOf(node), landfallConfig(node, folder, this.topology.vms, this.#profile));
    const daemon = new Daemon(`node-${node}/landfall`, this.#inside(node, [...landfallCommand(), 'run', '-c', this.configOf(node)]), { log: join(folder, 'landfall.log') });
    await waitFor(`the session of node ${node}`, 30_000, async () => {
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

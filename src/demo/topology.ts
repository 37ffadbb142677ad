import type { IpAddress } from '../../net/ip.ts';
import type { NodeName, Vm } from './addresses.ts';
import { client, demoVm, linkOf, nodeNames, tapMac, vlan, vlanAddressOf } from './addresses.ts';
import { Namespaces } from './namespaces.ts';

/**
 * The stage: network namespaces and the cables between them.
 *
 *     client ── c0 ┌─────┐ a0 ─── rt0 ┌────────┐
 *                  │ tor │            │ node a │ br-vlan ── tap1 ── hv: vm1-a ┐
 *                  └─────┘ b0 ─── rt0 ├────────┤                              ├ vm1 ── eth0 of the VM
 *                                     │ node b │ br-vlan ── tap1 ── hv: vm1-b ┘
 *                                     └────────┘
 *
 * `hv` stands for what QEMU is on both nodes: each VM's network card (`vm1-e`) is on a small bridge there, and exactly one of the two
 * cables to the nodes is attached to it, so the guest itself notices nothing of its move, as on real hardware.
 *
 * mode l3: both nodes have the VMs' subnet on br-vlan with the same gateway addresses and the same MAC, and nothing but the ToR
 *   joins them. `arp_accept` and `accept_untracked_na` let the node learn a VM that has just landed from its GARP and NA.
 * mode l2: the VLAN is stretched (`up0` of each node goes to a bridge in the ToR, which has the gateway addresses); the route
 *   decides which node the packets enter by.
 */
export type Mode = 'l3' | 'l2';

export interface TopologyOptions {
  readonly mode: Mode;
  /** How many living VMs, 0…32, default 1. */
  readonly vms?: number;
  /** How many routers, 1 or 2; the client is behind the first. */
  readonly tors?: number;
  /** Namespace names begin with it; default `lf<pid>`. */
  readonly prefix?: string;
}

export interface Topology {
  readonly mode: Mode;
  readonly namespaces: Namespaces;
  readonly vms: readonly Vm[];
  /** Short names of the routers' namespaces: `tor`, `tor2`. */
  readonly tors: readonly string[];
}

/** The name of namespace `node-a` or `node-b`. */
export function nodeNamespace(node: NodeName): string {
  return `node-${node}`;
}

/** The port of a VM on a node's bridge. */
export function portOf(vm: Vm): string {
  return `tap${vm.index}`;
}

/** The other end of that port, inside `hv`. */
export function cableOf(vm: Vm, node: NodeName): string {
  return `vm${vm.index}-${node}`;
}

/** Builds the stage; the VMs' ports are not there yet (`plug` makes them). On failure nothing is left behind. */
export async function buildTopology(options: TopologyOptions): Promise<Topology> {
  const namespaces = new Namespaces(options.prefix ?? `lf${process.pid}`);
  const topology: Topology = {
    mode: options.mode,
    namespaces,
    vms: Array.from({ length: options.vms ?? 1 }, (_, i) => demoVm(i + 1)),
    tors: Array.from({ length: options.tors ?? 1 }, (_, i) => (i === 0 ? 'tor' : `tor${i + 1}`)),
  };
  try {
    for (const tor of topology.tors) await namespaces.create(tor, { forwarding: true });
    for (const node of nodeNames) await namespaces.create(nodeNamespace(node), { forwarding: true });
    await namespaces.create('client');
    await namespaces.create('hv');
    await namespaces.sysctl('hv', { 'net/ipv6/conf/default/disable_ipv6': 1 });
    await buildClient(namespaces);
    for (const node of nodeNames) await buildNode(topology, node);
    for (let i = 0; i < topology.tors.length; i++) for (const node of nodeNames) await joinTor(topology, i, node);
    if (options.mode === 'l2') await stretchVlan(topology);
    for (const vm of topology.vms) await buildVm(namespaces, vm);
    return topology;
  } catch (error) {
    await namespaces.removeAll();
    throw error;
  }
}

async function buildClient(namespaces: Namespaces): Promise<void> {
  await namespaces.ip('tor', [
    'link add c0 type veth peer name eth0 netns @client',
    `addr add ${client.tor.ipv4}/24 dev c0`,
    `addr add ${client.tor.ipv6}/64 dev c0 nodad`,
    'link set c0 up',
  ]);
  await namespaces.ip('client', [
    `addr add ${client.host.ipv4}/24 dev eth0`,
    `addr add ${client.host.ipv6}/64 dev eth0 nodad`,
    'link set eth0 up',
    `route add default via ${client.tor.ipv4}`,
    `route add default via ${client.tor.ipv6}`,
  ]);
}

/** The bridge of a node, with the gateway addresses in mode l3. */
export async function buildNode({ namespaces, mode }: Topology, node: NodeName): Promise<void> {
  const ns = nodeNamespace(node);
  const address = mode === 'l3' ? vlan.gateway : vlanAddressOf(node);
  await namespaces.ip(ns, [
    'link add br-vlan type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
    `link set br-vlan address ${mode === 'l3' ? vlan.gateway.mac : `02:00:5e:00:02:0${nodeNames.indexOf(node) + 1}`}`,
    'link set br-vlan up',
    `addr add ${address.ipv4}/24 dev br-vlan`,
    `addr add ${address.ipv6}/64 dev br-vlan nodad`,
  ]);
  await namespaces.sysctl(ns, {
    'net/ipv4/conf/br-vlan/arp_accept': 1,
    'net/ipv6/conf/br-vlan/accept_untracked_na': 1,
    'net/ipv4/conf/br-vlan/send_redirects': 0,
  });
}

async function joinTor({ namespaces, tors }: Topology, torIndex: number, node: NodeName): Promise<void> {
  const link = linkOf(torIndex, node);
  const port = torIndex === 0 ? 'rt0' : `rt${torIndex}`;
  const tor = tors[torIndex] as string;
  await namespaces.ip(tor, [
    `link add ${node}0 type veth peer name ${port} netns @${nodeNamespace(node)}`,
    `addr add ${link.tor.ipv4}/30 dev ${node}0`,
    `addr add ${link.tor.ipv6}/64 dev ${node}0 nodad`,
    `link set ${node}0 up`,
  ]);
  await namespaces.ip(nodeNamespace(node), [
    `addr add ${link.node.ipv4}/30 dev ${port}`,
    `addr add ${link.node.ipv6}/64 dev ${port} nodad`,
    `link set ${port} up`,
    ...(torIndex === 0 ? [`route add default via ${link.tor.ipv4}`, `route add default via ${link.tor.ipv6}`] : []),
  ]);
}

async function stretchVlan({ namespaces }: Topology): Promise<void> {
  await namespaces.ip('tor', [
    'link add br-vlan type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
    `link set br-vlan address ${vlan.gateway.mac}`,
    'link set br-vlan up',
    `addr add ${vlan.gateway.ipv4}/24 dev br-vlan`,
    `addr add ${vlan.gateway.ipv6}/64 dev br-vlan nodad`,
  ]);
  for (const node of nodeNames) {
    await namespaces.ip('tor', [`link add sw-${node} type veth peer name up0 netns @${nodeNamespace(node)}`, `link set sw-${node} master br-vlan up`]);
    await namespaces.ip(nodeNamespace(node), ['link set up0 master br-vlan up']);
  }
}

/** The network card of a VM in a namespace of its own, and the bridge in `hv` that its cables to the nodes are attached to. */
export async function buildVm(namespaces: Namespaces, vm: Vm, gateway: { readonly ipv4: IpAddress; readonly ipv6: IpAddress } = vlan.gateway): Promise<void> {
  const ns = `vm${vm.index}`;
  await namespaces.create(ns);
  await namespaces.ip('hv', [
    `link add ${ns} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    `link set ${ns} up`,
    `link add ${ns}-e type veth peer name eth0 netns @${ns}`,
    `link set ${ns}-e master ${ns} up`,
  ]);
  await namespaces.ip(ns, [
    `link set eth0 address ${vm.mac}`,
    `addr add ${vm.ipv4}/24 dev eth0`,
    `addr add ${vm.ipv6}/64 dev eth0 nodad`,
    'link set eth0 up',
    `route add default via ${gateway.ipv4}`,
    `route add default via ${gateway.ipv6}`,
  ]);
}

/** Makes a VM's port on a node's bridge, as QEMU's start does: it has carrier, and nobody speaks through it yet. */
export async function plug({ namespaces }: Topology, vm: Vm, node: NodeName, bridge = 'br-vlan'): Promise<void> {
  const cable = cableOf(vm, node);
  await namespaces.ip('hv', [`link add ${cable} type veth peer name ${portOf(vm)} netns @${nodeNamespace(node)}`, `link set ${cable} arp off`, `link set ${cable} up`]);
  await namespaces.sysctl(nodeNamespace(node), { [`net/ipv6/conf/${portOf(vm)}/disable_ipv6`]: 1 });
  await namespaces.ip(nodeNamespace(node), [`link set ${portOf(vm)} address ${tapMac(vm)}`, `link set ${portOf(vm)} master ${bridge} up`]);
}

/** Deletes a VM's port from a node, as libvirt does after a migration. Its absence is no error. */
export async function unplug({ namespaces }: Topology, vm: Vm, node: NodeName): Promise<void> {
  const links = (await namespaces.ipJson('hv', ['link', 'show'])) as { ifname: string }[];
  if (links.some((link) => link.ifname === cableOf(vm, node))) await namespaces.ip('hv', [`link del ${cableOf(vm, node)}`]);
}

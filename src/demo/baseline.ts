import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeName, Vm } from './addresses.ts';
import { asn, hostPrefix, linkOf } from './addresses.ts';
import type { Namespaces } from './namespaces.ts';
import { FrrTor } from './tor-frr.ts';
import type { Peering, TorPlan } from './tor.ts';
import type { Topology } from './topology.ts';
import { nodeNamespace } from './topology.ts';

/**
 * The same move without landfall, as people build it today: FRR on each node redistributes the node's kernel routes, and a hook of the
 * orchestrator puts the VM's host route into the kernel of the node where it now runs and takes it from the other. The hook here is as
 * quick as one can be (it runs at RESUME), so the figure flatters the baseline.
 */
export class BaselineNode {
  readonly #frr: FrrTor;
  readonly #namespaces: Namespaces;
  readonly #node: NodeName;

  constructor(topology: Topology, node: NodeName, peering: Peering, folder: string) {
    const own = join(folder, `baseline-${node}`);
    mkdirSync(own, { recursive: true });
    chmodSync(own, 0o755);
    const plan: TorPlan = { namespace: nodeNamespace(node), routerId: linkOf(0, node).node.ipv4, asn: asn.nodes, peering, neighbors: [] };
    this.#namespaces = topology.namespaces;
    this.#node = node;
    this.#frr = new FrrTor(topology.namespaces, plan, own, baselineConfig(node, peering));
  }

  start(): Promise<void> {
    return this.#frr.start();
  }

  stop(): Promise<void> {
    return this.#frr.stop();
  }

  /** What the hook does on the node that the VM came to. */
  async addRoutes(vms: readonly Vm[]): Promise<void> {
    await this.#namespaces.ip(nodeNamespace(this.#node), routesOf(vms).map((prefix) => `route replace ${prefix} dev br-vlan`));
  }

  /** And on the one that it left. */
  async removeRoutes(vms: readonly Vm[]): Promise<void> {
    await this.#namespaces.ip(nodeNamespace(this.#node), routesOf(vms).map((prefix) => `route del ${prefix} dev br-vlan`));
  }
}

function routesOf(vms: readonly Vm[]): string[] {
  return vms.flatMap((vm) => [hostPrefix(vm.ipv4), hostPrefix(vm.ipv6)]);
}

function baselineConfig(node: NodeName, peering: Peering): string {
  const link = linkOf(0, node);
  const tor = link.tor.ipv4;
  const family = (name: string, prefixes: string): string => `
 address-family ${name} unicast
  redistribute kernel route-map ${prefixes}
  neighbor ${tor} activate
 exit-address-family`;
  return `frr version 8.4
frr defaults traditional
hostname node-${node}
!
ip prefix-list vms seq 5 permit 203.0.113.0/24 ge 32
ipv6 prefix-list vms6 seq 5 permit 2001:db8:100::/64 ge 128
route-map vms permit 10
 match ip address prefix-list vms
route-map vms6 permit 10
 match ipv6 address prefix-list vms6
!
router bgp ${asn.nodes}
 bgp router-id ${link.node.ipv4}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 timers bgp 3 9
 neighbor ${tor} remote-as ${peering.type === 'ibgp' ? asn.nodes : asn.tor}
 neighbor ${tor} advertisement-interval 0
 neighbor ${tor} timers connect 1${peering.password === undefined ? '' : `
 neighbor ${tor} password ${peering.password}`}${family('ipv4', 'vms')}${family('ipv6', 'vms6')}
!
`;
}

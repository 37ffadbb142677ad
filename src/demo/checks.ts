import type { NodeName, Vm } from './addresses.ts';
import { hostPrefix, linkOf, nodeNames } from './addresses.ts';
import { kernelHostRoutes, torPort } from './kernel-routes.ts';
import type { Tor } from './tor.ts';
import type { Topology } from './topology.ts';

/**
 * Compares a router with the truth: each VM's /32 and /128 leads to the node where it is, in the router's kernel and in its own table,
 * by one path, and no other node offers one. Returns what is wrong, in words.
 */
export async function findWrongPaths(topology: Topology, tor: Tor, where: ReadonlyMap<Vm, NodeName>): Promise<string[]> {
  const [kernel, routes] = await Promise.all([kernelHostRoutes(topology.namespaces, tor.namespace), tor.routes()]);
  const index = topology.tors.indexOf(tor.namespace);
  const problems: string[] = [];
  const expected = new Set<string>();
  for (const [vm, node] of where) {
    for (const address of [vm.ipv4, vm.ipv6]) {
      const prefix = hostPrefix(address);
      expected.add(prefix);
      const devices = kernel.get(prefix) ?? [];
      if (devices.length !== 1 || devices[0] !== torPort(node)) problems.push(`${tor.namespace}: kernel sends ${prefix} to ${devices.join(' and ') || 'nobody'}, not to ${torPort(node)}`);
      const nextHop = linkOf(index, node).node[address === vm.ipv4 ? 'ipv4' : 'ipv6'];
      const paths = routes.filter((route) => route.prefix === prefix);
      if (paths.length !== 1 || paths[0]?.nextHop !== nextHop || !paths[0].best) {
        problems.push(`${tor.namespace}: table has ${prefix} via ${paths.map((path) => path.nextHop).join(' and ') || 'nobody'}, not via ${nextHop} alone`);
      }
    }
  }
  for (const prefix of new Set([...kernel.keys(), ...routes.map((route) => route.prefix)])) {
    if (!expected.has(prefix)) problems.push(`${tor.namespace}: has a route to ${prefix}, where no VM is`);
  }
  return problems;
}

/** The node addresses that a router must have sessions with. */
export function expectedSessions(topology: Topology, tor: Tor): string[] {
  const index = topology.tors.indexOf(tor.namespace);
  return nodeNames.map((node) => linkOf(index, node).node.ipv4);
}

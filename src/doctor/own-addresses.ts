import type { BridgeState } from '../../bridge/fdb.ts';
import type { Config } from '../../config/config.ts';
import { prefixContains } from '../../net/ip.ts';
import { fail, warn, type Finding } from './finding.ts';
import type { HostState } from './host-state.ts';

/** Addresses inside `watch.prefixes` that are no VM's: a VM that takes a router's address takes the sessions with it. */
export function checkOwnAddresses(host: HostState, bridges: BridgeState, config: Config): Finding[] {
  const found: Finding[] = [];
  for (const [index, watch] of config.watch.entries()) {
    const inside = (address: string): boolean => watch.prefixes.some((prefix) => prefixContains(prefix, address as never)) && !watch.exclude.includes(address as never);
    for (const peer of config.bgp.peers) {
      if (peer.vrf === watch.vrf && inside(peer.address)) {
        found.push(fail('prefixes', `${peer.name}'s address ${peer.address} is inside watch[${index}].prefixes: a VM could claim the router's own address`, `add ${peer.address} to watch[${index}].exclude`));
      }
    }
    const here = new Set(host.layer3.get(watch.bridge) ?? [watch.bridge]);
    for (const [address, ifindexes] of bridges.ownAddresses) {
      if (!inside(address)) continue;
      const names = [...ifindexes].map((ifindex) => bridges.links.get(ifindex)?.name ?? `interface ${ifindex}`).filter((name) => !here.has(name));
      if (names.length > 0) found.push(warn('prefixes', `${address} of ${names.join(', ')} is inside watch[${index}].prefixes, and not on ${watch.bridge}: the node's own network and the VMs' overlap`, 'make watch.prefixes no wider than the networks of the VMs'));
    }
  }
  return found;
}

import type { Config } from '../../config/config.ts';
import { warn, type Finding } from './finding.ts';
import type { HostState } from './host-state.ts';
import { kernelOf } from './kernel-options.ts';
import { gatewaysOf } from './node-as-gateway.ts';

/** Does the text of `nft list ruleset` or `iptables-save` have a rule that drops ICMP errors of unreachable hosts? */
export function dropsUnreachable(rules: string): boolean {
  return rules.split('\n').some((line) => /(destination-unreachable|host-unreachable|--icmp-type (3|host))/.test(line) && /\b(drop|DROP)\b/.test(line));
}

/**
 * A node that routes for its VMs looks in vain for the one that has left, and says so to whoever still sends to it here. Some TCP stacks
 * then end the connection, where silence would have cost one retransmission.
 */
export function checkIcmpErrors(host: HostState, config: Config): Finding[] {
  if (kernelOf(config).routes !== 'off' || host.dropsUnreachable === true) return [];
  return gatewaysOf(host, config).filter(({ ipv4 }) => ipv4 && host.settings.get('net/ipv4/ip_forward') !== 0).map(({ name }) => warn('icmp',
    `late packets to a VM that has left ${name} are answered with ICMP host unreachable, which ends connections${host.dropsUnreachable === undefined ? ' (unless the firewall, which can\'t be read, drops that)' : ''}`,
    'kernel.routes: received, or: nft add rule inet filter output icmp type destination-unreachable icmp code host-unreachable drop'));
}

/** With `kernel.routes: host` every node holds the gateway's addresses alone, with one MAC, and no subnet of the VMs is local. */
export function checkHostMode(host: HostState, config: Config): Finding[] {
  const { bridges } = host;
  if (kernelOf(config).routes !== 'host' || bridges === undefined) return [];
  const found: Finding[] = [];
  for (const [index, watch] of config.watch.entries()) {
    for (const address of watch.gateway?.addresses ?? []) {
      if (!bridges.ownAddresses.has(address)) found.push(warn('gateway', `gateway ${address} of watch[${index}] is no address of this node: in kernel.routes: host every node holds it, with the same MAC`, `ip address add ${address}/${address.includes(':') ? 128 : 32} dev ${watch.bridge}`));
    }
    const here = host.layer3.get(watch.bridge) ?? [watch.bridge];
    for (const { interface: name, cidr } of host.addresses) {
      if (here.includes(name) && !/\/(32|128)$/.test(cidr)) found.push(warn('gateway', `${cidr} makes the VMs' subnet local to ${name}: this node looks there for VMs that live elsewhere`, 'give the address as /32 or /128'));
    }
  }
  return found;
}

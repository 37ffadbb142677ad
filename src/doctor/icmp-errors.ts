import type { Config } from '../../config/config.ts';
import { hostPrefix, prefixContains } from '../../net/ip.ts';
import { warn, type Finding } from './finding.ts';
import { parseFirewall } from './firewall-rules.ts';
import type { HostState } from './host-state.ts';
import { kernelOf } from './kernel-options.ts';
import { gatewaysOf } from './node-as-gateway.ts';

const errors = {
  ipv4: { name: 'ICMP host unreachable', rule: /(\bicmp code host-unreachable|\bicmp type destination-unreachable(?! icmp code)|--icmp-type (3|3\/1|host-unreachable|destination-unreachable))(?![\w/-])/, match: 'icmp type destination-unreachable icmp code host-unreachable' },
  ipv6: { name: 'ICMPv6 address unreachable', rule: /(\bicmpv6 code addr-unreachable|\bicmpv6 type destination-unreachable(?! icmpv6 code)|--icmpv6-type (1|1\/3|address-unreachable|destination-unreachable))(?![\w/-])/, match: 'icmpv6 type destination-unreachable icmpv6 code addr-unreachable' },
} as const;

/** Does what `readFirewall` gives have a rule, for packets of this node itself, that drops ICMP errors of unreachable hosts? */
export function dropsUnreachable(text: string): { readonly ipv4: boolean; readonly ipv6: boolean } {
  const rules = parseFirewall(text).filter(({ text: rule, place }) => /\b(drop|DROP)\b/.test(rule) && [undefined, 'output', 'postrouting'].includes(place?.hook));
  return { ipv4: rules.some((rule) => errors.ipv4.rule.test(rule.text)), ipv6: rules.some((rule) => errors.ipv6.rule.test(rule.text)) };
}

/**
 * A node that routes for its VMs looks in vain for the one that has left, and says so to whoever still sends to it here. Some TCP stacks
 * then end the connection, where silence would have cost one retransmission.
 */
export function checkIcmpErrors(host: HostState, config: Config): Finding[] {
  if (kernelOf(config).routes !== 'off') return [];
  const { dropsUnreachable: drops, settings } = host;
  const forwards = { ipv4: settings.get('net/ipv4/ip_forward') !== 0, ipv6: settings.get('net/ipv6/conf/all/forwarding') !== 0 };
  return gatewaysOf(host, config).flatMap((gateway) => (['ipv4', 'ipv6'] as const).filter((family) => gateway[family] && forwards[family] && drops?.[family] !== true).map((family) => warn('icmp',
    `late packets to a VM that has left ${gateway.name} are answered with ${errors[family].name}, which ends connections${drops === undefined ? ' (unless the firewall, which can\'t be read, drops that)' : ''}`,
    `nft 'add table inet landfall; add chain inet landfall output { type filter hook output priority 0; }; add rule inet landfall output ${errors[family].match} drop', or kernel.routes: received`)));
}

/** With `kernel.routes: host` every node holds the gateway's addresses alone, with one MAC, and no subnet of the VMs is local. */
export function checkHostMode(host: HostState, config: Config): Finding[] {
  const { bridges } = host;
  if (kernelOf(config).routes !== 'host' || bridges === undefined) return [];
  const found: Finding[] = [];
  for (const [index, watch] of config.watch.entries()) {
    for (const address of watch.gateway?.addresses ?? []) {
      if (!bridges.ownAddresses.has(address)) found.push(warn('gateway', `gateway ${address} of watch[${index}] is no address of this node: in kernel.routes: host every node holds it, with the same MAC`, `ip address add ${hostPrefix(address)} dev ${watch.bridge}`));
    }
    const here = host.layer3.get(watch.bridge) ?? [watch.bridge];
    for (const { interface: name, address, cidr } of host.addresses) {
      const narrow = `${address}/${address.includes(':') ? 128 : 32}`;
      if (here.includes(name) && cidr !== narrow && watch.prefixes.some((prefix) => prefixContains(prefix, address as never))) found.push(warn('gateway', `${cidr} makes the VMs' subnet local to ${name}: this node looks there for VMs that live elsewhere`, `ip address del ${cidr} dev ${name}; ip address add ${narrow} dev ${name}`));
    }
  }
  return found;
}

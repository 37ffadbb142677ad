import type { BridgeState } from '../../bridge/fdb.ts';
import { isBridge, matchesPattern } from '../../bridge/ports.ts';
import type { Config, WatchConfig } from '../../config/config.ts';
import { isIpv4, prefixContains, type IpAddress } from '../../net/ip.ts';
import { fail, ok, warn, type Finding } from './finding.ts';
import { strongest, sysctlName, type HostState } from './host-state.ts';
import { kernelOf } from './kernel-options.ts';

/** An interface of the node in a network of VMs: the node routes for them. */
interface Gateway {
  readonly name: string;
  readonly bridge: string;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** Where the node has an address among those of the VMs, on a watched bridge or a VLAN of it. */
export function gatewaysOf(host: HostState, config: Config): Gateway[] {
  const { bridges } = host;
  if (bridges === undefined) return [];
  const found = new Map<string, Gateway>();
  for (const watch of config.watch) {
    for (const name of host.layer3.get(watch.bridge) ?? [watch.bridge]) {
      const mine = addressesOf(bridges, name).filter((address) => watch.prefixes.some((prefix) => prefixContains(prefix, address)));
      const before = found.get(name);
      const [ipv4, ipv6] = [mine.some(isIpv4) || before?.ipv4 === true, mine.some((address) => !isIpv4(address)) || before?.ipv6 === true];
      if (ipv4 || ipv6) found.set(name, { name, bridge: watch.bridge, ipv4, ipv6 });
    }
  }
  return [...found.values()];
}

function addressesOf(bridges: BridgeState, name: string): IpAddress[] {
  return [...(bridges.addressesOf.get(bridges.byName.get(name) ?? -1) ?? [])];
}

/** Settings of the kernel that stand in the way of a VM that comes or goes, where this node is its gateway. */
export function checkGatewaySettings(host: HostState, config: Config): Finding[] {
  return gatewaysOf(host, config).flatMap((gateway) => [...reversePath(host, gateway), ...neighbours(host, gateway, config), ...redirects(host, gateway), ...forwarding(host, gateway)]);
}

function reversePath(host: HostState, { name, ipv4 }: Gateway): Finding[] {
  if (!ipv4 || strongest(host, 'ipv4', name, 'rp_filter') !== 1) return [];
  const from = host.settings.get('net/ipv4/conf/all/rp_filter') === 1 ? 'all' : name;
  return [warn('rp_filter', `${name} rp_filter=1 (strict) drops replies that return by another path; use 2`, `sysctl -w ${sysctlName('ipv4', from, 'rp_filter')}=2`)];
}

/** With `arp_accept` 0 a GARP makes no neighbour entry, and one in FAILED keeps packets back. */
function neighbours(host: HostState, { name, ipv4, ipv6 }: Gateway, config: Config): Finding[] {
  if (kernelOf(config).refreshesNeighbors) return [];
  const found: Finding[] = [];
  if (ipv4 && strongest(host, 'ipv4', name, 'arp_accept') === 0) {
    found.push(warn('arp_accept', `${name} arp_accept=0: this node learns nothing from the GARP of a VM that has landed here, and may hold its packets back for seconds`, `sysctl -w ${sysctlName('ipv4', name, 'arp_accept')}=1, or kernel.refreshNeighbors: true`));
  }
  const untracked = host.settings.get(`net/ipv6/conf/${name}/accept_untracked_na`);
  if (ipv6 && untracked !== 1 && untracked !== 2) {
    found.push(warn('arp_accept', untracked === undefined ? `this kernel has no accept_untracked_na: an unsolicited NA of a VM makes no neighbour entry on ${name}`
      : `${name} accept_untracked_na=0: this node learns nothing from the unsolicited NA of a VM that has landed here`,
    untracked === undefined ? 'kernel.refreshNeighbors: true' : `sysctl -w ${sysctlName('ipv6', name, 'accept_untracked_na')}=1, or kernel.refreshNeighbors: true`));
  }
  return found;
}

function redirects(host: HostState, { name, ipv4 }: Gateway): Finding[] {
  if (!ipv4 || (strongest(host, 'ipv4', name, 'send_redirects') ?? 0) === 0) return [];
  return [warn('redirects', `${name} send_redirects=1: after a VM has left, this node tells its neighbours to send to it directly, which ends connections`,
    `sysctl -w net.ipv4.conf.all.send_redirects=0 ${sysctlName('ipv4', name, 'send_redirects')}=0`)];
}

function forwarding(host: HostState, { name, ipv4, ipv6 }: Gateway): Finding[] {
  const found: Finding[] = [];
  if (ipv4 && host.settings.get('net/ipv4/ip_forward') === 0) found.push(fail('forwarding', `${name} has an IPv4 address among those of the VMs, and the node forwards no IPv4`, 'sysctl -w net.ipv4.ip_forward=1'));
  else if (ipv4 && host.settings.get(`net/ipv4/conf/${name}/forwarding`) === 0) found.push(fail('forwarding', `${name} has an IPv4 address among those of the VMs, and the node forwards no IPv4 that comes in there`, `sysctl -w ${sysctlName('ipv4', name, 'forwarding')}=1`));
  if (ipv6 && host.settings.get('net/ipv6/conf/all/forwarding') === 0) found.push(fail('forwarding', `${name} has an IPv6 address among those of the VMs, and the node forwards no IPv6`, 'sysctl -w net.ipv6.conf.all.forwarding=1'));
  return found;
}

/**
 * Do VMs of the same subnet on this node still reach the one that has left? To them it is on-link, so no router is asked: the VLAN is
 * stretched (a frame through an uplink finds it), or `kernel.routes` repairs it.
 */
export function checkNeighbourReach(host: HostState, config: Config): Finding[] {
  const { bridges } = host;
  if (bridges === undefined) return [];
  const { routes } = kernelOf(config);
  return config.watch.flatMap((watch): Finding[] => {
    const bridge = bridges.byName.get(watch.bridge);
    const link = bridges.links.get(bridge ?? -1);
    if (bridge === undefined || link === undefined || !isBridge(link)) return [];
    const where = `${watch.bridge}${watch.vlans === undefined ? '' : ` VLAN ${watch.vlans.map(([low, high]) => (low === high ? `${low}` : `${low}-${high}`)).join(', ')}`}`;
    if (routes !== 'off') return [ok('neighbours', `${where}: neighbours of a VM that leaves are repaired by kernel.routes: ${routes}`)];
    const stretched = uplinkCarries(bridges, bridge, watch);
    if (stretched !== undefined) return [ok('neighbours', `${where} is stretched by ${stretched}: neighbours of a VM that leaves still reach it`)];
    return [fail('neighbours', `${where} has no uplink and kernel.routes is off: VMs on this node lose a neighbour that leaves, until their caches time out`, 'kernel.routes: received or host; or stretch the VLAN by an uplink')];
  });
}

/** The name of an uplink that lets a VLAN of the watch pass. */
function uplinkCarries(bridges: BridgeState, bridge: number, watch: WatchConfig): string | undefined {
  const wanted = watch.vlans;
  for (const ifindex of bridges.ports.get(bridge) ?? []) {
    const link = bridges.links.get(ifindex);
    if (link === undefined || !watch.ports.uplink.some((pattern) => matchesPattern(pattern, link.name))) continue;
    const { vlans } = link;
    if (wanted === undefined || vlans === undefined || wanted.every(([low, high]) => vlans.some(([from, to]) => from <= Math.max(1, low) && high <= to) || (low === 0 && link.pvid !== undefined))) return link.name;
  }
  return undefined;
}

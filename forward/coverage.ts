import type { IpAddress } from '../net/ip.ts';
import type { KernelRoutes } from './plan.ts';

/** What one watched bridge and its node are like, as far as the data plane is concerned. Left out: it could not be found out. */
export interface BridgeFacts {
  readonly bridge: string;
  /** The place in the file, `watch[0]`. */
  readonly path: string;
  readonly routes: KernelRoutes;
  readonly refreshNeighbors: boolean;
  /** `watch[].gateway.refresh` tells VMs that have landed. */
  readonly refreshesGateway: boolean;
  /** The VLAN goes on through an uplink port. */
  readonly stretched: boolean;
  /** This node's own addresses on the bridge that are inside `watch.prefixes`. */
  readonly gateways: readonly IpAddress[];
  /** The prefixes of the watch, for IPv4 and for IPv6. */
  readonly families: readonly ('ipv4' | 'ipv6')[];
  /** Of the interface that has the gateway addresses. */
  readonly ifname: string;
  /** Somebody gave the bridge its MAC; else it takes that of its lowest port, and changes with it. */
  readonly macFixed?: boolean;
  readonly arpAccept?: boolean;
  readonly acceptUntrackedNa?: boolean;
  readonly forwarding4?: boolean;
  readonly forwarding6?: boolean;
  readonly sendRedirects?: boolean;
  readonly linkLocal: boolean;
}

export interface CoverageFinding {
  readonly code: 'neighbours_lost' | 'gateway_mac_not_fixed' | 'neighbour_entry_late' | 'not_forwarding' | 'redirects' | 'no_gateway' | 'gateway_mac_differs';
  readonly text: string;
}

/**
 * What this node's data plane does not cover on one bridge, each with the line that would cover it. Empty: a right route is a working VM here,
 * as far as that can be told from outside.
 */
export function coverage(facts: BridgeFacts): CoverageFinding[] {
  const { bridge, path, routes } = facts;
  const found: CoverageFinding[] = [];
  const say = (code: CoverageFinding['code'], text: string): void => { found.push({ code, text: `${bridge}: ${text}` }); };
  const isRouter = facts.gateways.length > 0;
  if (routes === 'off' && !facts.stretched && isRouter) {
    say('neighbours_lost', 'VMs that stay lose those of their subnet that leave, for they ask for them on the bridge and the VLAN goes no further; set kernel.routes: received (or host, without a connected subnet)');
  }
  if (routes !== 'off' && !isRouter) say('no_gateway', `kernel.routes: ${routes} needs this node to be the gateway of its VMs, and it has no address inside watch.prefixes there`);
  if (isRouter && facts.macFixed === false) {
    say('gateway_mac_not_fixed', `the gateway's MAC changes with the ports of the bridge, and VMs then send into the void; ip link set ${bridge} address MAC, the same on all nodes${facts.refreshesGateway ? '' : `, or else ${path}.gateway: {refresh: auto} as well`}`);
  }
  if (isRouter && routes !== 'host' && !facts.refreshNeighbors) {
    const missing = [
      ...(facts.families.includes('ipv4') && facts.arpAccept === false ? [`net.ipv4.conf.${facts.ifname}.arp_accept=1`] : []),
      ...(facts.families.includes('ipv6') && facts.acceptUntrackedNa === false ? [`net.ipv6.conf.${facts.ifname}.accept_untracked_na=1`] : []),
    ];
    if (missing.length > 0) say('neighbour_entry_late', `the first packets for a VM that has landed wait for its neighbour entry; set kernel.refreshNeighbors: true, or sysctl ${missing.join(' ')}`);
  }
  const still = [...(facts.families.includes('ipv4') && facts.forwarding4 === false ? ['net.ipv4.ip_forward=1'] : []), ...(facts.families.includes('ipv6') && facts.forwarding6 === false ? ['net.ipv6.conf.all.forwarding=1'] : [])];
  if (isRouter && still.length > 0) say('not_forwarding', `this node does not forward: sysctl ${still.join(' ')}`);
  if (routes === 'host') {
    const switches = [
      ...(facts.families.includes('ipv4') && facts.sendRedirects === true ? [`sysctl net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.${facts.ifname}.send_redirects=0`] : []),
      ...(facts.families.includes('ipv6') && facts.linkLocal ? [`for IPv6 there is no switch: take the link-local address off (ip link set ${facts.ifname} addrgenmode none) or drop ICMPv6 type 137 on its way out`] : []),
    ];
    if (switches.length > 0) say('redirects', `VMs of this bridge are redirected to each other, and lose the one that leaves: ${switches.join('; ')}`);
  }
  return found;
}

import { isUplinked } from '../bridge/locate.ts';
import { coverage, type BridgeFacts, type CoverageFinding } from '../forward/coverage.ts';
import { whereabouts } from '../forward/plan.ts';
import { hostPrefix, isIpv4, type IpAddress } from '../net/ip.ts';
import { printable } from '../net/printable.ts';
import { whyUndeliverable } from './delivery.ts';
import { gatewayFindings } from './gateway-macs.ts';
import { gatewayOf, watchOf } from './gateways.ts';
import { gatewayAddresses } from './neighbour-frames.ts';
import type { World } from './world.ts';

/** So many claims are looked at, and so many named. */
const lookedAtMost = 256;
const namedAtMost = 3;

type Switches = Pick<BridgeFacts, 'macFixed' | 'arpAccept' | 'acceptUntrackedNa' | 'forwarding4' | 'forwarding6' | 'sendRedirects'>;

/** What the node's own data plane leaves open, bridge by bridge. `read` gives what only the kernel knows of a bridge and its gateway interface. */
export function coverageFindings(world: World, read: (bridge: string, ifname: string) => Switches): CoverageFinding[] {
  const { config, bridges } = world;
  return [...gatewayFindings(world), ...world.watches.flatMap((watch, index) => {
    const gateway = gatewayOf(world, watch);
    if (gateway === undefined || bridges.links.get(gateway.ifindex) === undefined) return [];
    const own = gatewayAddresses(world, watch, gateway);
    return coverage({
      bridge: printable(watch.bridge), path: `watch[${index}]`, routes: config.kernel.routes, refreshNeighbors: config.kernel.refreshNeighbors,
      refreshesGateway: watch.config.gateway?.refresh === 'auto', stretched: isUplinked(bridges, watch),
      gateways: own.filter((address) => !address.startsWith('fe80:')), linkLocal: [...(bridges.addressesOf.get(gateway.ifindex) ?? [])].some((address) => address.startsWith('fe80:')),
      families: [...new Set(watch.config.prefixes.map((prefix) => (isIpv4(prefix) ? 'ipv4' as const : 'ipv6' as const)))],
      ifname: printable(gateway.ifname), ...read(watch.bridge, gateway.ifname),
    });
  })];
}

/**
 * Addresses that this node announces and can't deliver: its own table does not lead to their bridge, so what the router sends here goes
 * elsewhere or nowhere. `outgoing` is the kernel's answer.
 */
export function undeliverable(world: World, outgoing: (address: IpAddress) => number | undefined): string[] {
  const found: string[] = [];
  let looked = 0;
  for (const h of world.locRib.handovers.values()) {
    if (whereabouts(h, undefined, true, world.now.monotonicMs).at !== 'here' || h.state === 'leaving') continue;
    if (++looked > lookedAtMost) break;
    const watch = watchOf(world, h.vrf, h.address, h);
    const gateway = watch === undefined ? undefined : gatewayOf(world, watch);
    if (watch === undefined || gateway === undefined || watch.vrf !== 'default') continue;
    const why = whyUndeliverable(world, watch, gateway, h.address, outgoing(h.address));
    if (why !== undefined) found.push(`${hostPrefix(h.address)} is undeliverable: it is announced, and ${why}`);
  }
  return found.length <= namedAtMost ? found : [...found.slice(0, namedAtMost), `${found.length - namedAtMost} more announced addresses are undeliverable`];
}

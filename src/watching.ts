import { isOwnAddress } from '../bridge/fdb.ts';
import { isRunning } from '../bridge/changes.ts';
import { portMark } from '../bridge/ports.ts';
import { locate, missingBridges, portFor, unlistedPorts, unsupportedBridges, doublyListedPorts } from '../bridge/locate.ts';
import { bindingsOf } from '../identity/bindings.ts';
import type { Claim } from '../identity/admit.ts';
import type { ClaimPort } from '../identity/ports.ts';
import type { LearnedPair } from '../identity/learned.ts';
import type { Endpoint } from '../routes/handover.ts';
import { addressKey } from '../routes/loc-rib.ts';
import { prefixContains, type IpAddress } from '../net/ip.ts';
import { printable } from '../net/printable.ts';
import type { World } from './world.ts';

/** True if some watch of the VRF may announce the address at all. */
export function insidePrefixes(world: World, vrf: string, address: IpAddress): boolean {
  return world.watches.some((watch) => watch.vrf === vrf && watch.config.prefixes.some((prefix) => prefixContains(prefix, address)));
}

/** The name that a binding gives the VM behind an endpoint. */
export function vmOf(world: World, vrf: string, endpoint: Pick<Endpoint, 'mac' | 'vlan'>): string | undefined {
  return bindingsOf(world.bindings, vrf, endpoint.mac, endpoint.vlan)[0]?.vm;
}

/** Why no claim for the address can ever be made here, whoever asks; `undefined` where one can. */
export function whyNeverAnnounced(world: World, vrf: string, address: IpAddress): string | undefined {
  if (!insidePrefixes(world, vrf, address)) return 'outside watch.prefixes';
  if (isOwnAddress(world.bridges, address)) return 'an address of this node';
  if (world.watches.some((watch) => watch.vrf === vrf && watch.config.exclude.includes(address))) return 'in watch.exclude';
  return undefined;
}

/** The port exists and frames can pass. */
export function isPortAlive(world: World, ifindex: number): boolean {
  const link = world.bridges.links.get(ifindex);
  return link !== undefined && isRunning(link);
}

/** A local port, and frames can pass. */
export function isLivePort(world: World, ifindex: number): boolean {
  return isPortAlive(world, ifindex) && locate(world.bridges, world.watches, ifindex)?.role === 'local';
}

/**
 * The MAC of a learned pair lives on this node. What this node has given up does not, though its port may be kept and the bridge remember
 * it for minutes. Else: the port where it was heard last is there, or the bridges see it behind another local one. An uplink's entry
 * outlives the VM too, so it counts only where no routes tell of VMs elsewhere.
 */
export function livesHere(world: World, { vrf, address, mac, vlan, ifindex }: LearnedPair): boolean {
  const h = world.locRib.handovers.get(addressKey(vrf, address));
  if (h !== undefined && h.state === 'withdrawn' && h.sequence > 0) return false;
  if (locate(world.bridges, world.watches, ifindex, vlan)?.role === 'local' && isPortAlive(world, ifindex)) return true;
  const seen = portFor(world.bridges, world.watches, mac, vlan);
  if (seen === undefined || !isPortAlive(world, seen.port.ifindex)) return false;
  return seen.role === 'local' || world.config.bgp.receive === 'none';
}

/** The port with the mark that it bears. */
export function claimPort(world: World, port: { readonly ifindex: number; readonly name: string }): ClaimPort {
  const link = world.bridges.links.get(port.ifindex);
  const mark = link === undefined ? undefined : portMark(link);
  return { ifindex: port.ifindex, name: port.name, ...(mark === undefined ? {} : { mark }) };
}

/**
 * Another node's claim stands, and the VM behind this port does not merely defend its own: the port holds the address, or held it and the
 * VM there answers us.
 */
export function takesOver(world: World, claim: Claim, address: IpAddress): boolean {
  const key = addressKey(claim.vrf, address);
  if (!world.rivals.has(key)) return false;
  const h = world.locRib.handovers.get(key);
  const own = h?.endpoint?.mac === claim.mac && h.endpoint.ifindex === claim.port.ifindex;
  return !own || (h.state === 'withdrawn' && claim.kind !== 'answer');
}

/** What is wrong with bridges and ports, each with its cure, for `status` and the log. */
export function watchWarnings(world: World): string[] {
  const warnings: string[] = [];
  for (const name of missingBridges(world.bridges, world.watches)) {
    warnings.push(`bridge ${name} does not exist (yet): nothing is heard there; create it or change watch[].bridge`);
  }
  for (const { bridge, kind } of unsupportedBridges(world.bridges, world.watches)) {
    warnings.push(`${printable(bridge)} is of kind ${printable(kind)}, not a Linux bridge: nothing is heard there; watch a Linux bridge`);
  }
  for (const port of unlistedPorts(world.bridges, world.watches)) {
    warnings.push(`port ${printable(port.link.name)} is on ${printable(port.bridge)} and in neither ports.local nor ports.uplink: its VM is never announced; add it to one of them`);
  }
  for (const port of doublyListedPorts(world.bridges, world.watches)) {
    warnings.push(`port ${printable(port.link.name)} is in both ports.local and ports.uplink: taken as an uplink; make the patterns differ`);
  }
  return warnings;
}

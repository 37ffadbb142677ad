import { portFor, portsOf, type Port } from '../bridge/locate.ts';
import { contradicts, portMark } from '../bridge/ports.ts';
import { buildProbe } from '../garp/probe.ts';
import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Endpoint } from '../routes/handover.ts';
import { addressKey, type AddressKey } from '../routes/loc-rib.ts';
import type { World } from './world.ts';

/** How long after a probe a frame with the address counts as its answer, in milliseconds. */
const answerWithinMs = 1000;
/** An answer may be read so much later than it came, where much else waits. */
const readLateMs = 10_000;
/** How long the search for VMs that are already here takes, and when it asks, in milliseconds after the first look at the bridges. */
export const searchForMs = 1000;
const searchEveryMs = 300;
const searchRounds = 3;
/** A binding whose MAC no bridge knows is asked for on every local port, while that is this many frames at most. */
const searchFrames = 10_000;

/** Asks a VM behind its port whether it lives there. Never sent to an uplink: an endpoint is a local port. */
export function sendProbe(world: World, key: AddressKey, address: IpAddress, endpoint: Endpoint): void {
  const link = world.bridges.links.get(endpoint.ifindex);
  const from = (link?.master === undefined ? undefined : world.bridges.links.get(link.master)?.mac) ?? link?.mac;
  if (from === undefined) return;
  const nowMs = world.now.monotonicMs;
  const before = world.asked.get(key);
  const sinceMs = before !== undefined && before.untilMs + readLateMs >= nowMs ? before.sinceMs : nowMs;
  world.asked.set(key, { sinceMs, untilMs: nowMs + answerWithinMs });
  world.outputs.push({ type: 'sendFrame', ifindex: endpoint.ifindex, bytes: buildProbe(from, endpoint.mac, endpoint.tagged ? endpoint.vlan : 0, address) });
}

/** True if a frame with this address may be the answer to a probe of ours: by when it came, for it may be read late. */
export function wasAsked(world: World, key: AddressKey, capturedAtMs: number): boolean {
  const asked = world.asked.get(key);
  return asked !== undefined && capturedAtMs >= asked.sinceMs && capturedAtMs <= asked.untilMs;
}

/** Questions whose answers can't come any more. */
export function forgetQuestions(world: World): void {
  for (const [key, { untilMs }] of world.asked) if (untilMs + readLateMs < world.now.monotonicMs) world.asked.delete(key);
}

/**
 * At the start: every address of a binding is asked behind the port where the forwarding database saw its MAC; where it did not,
 * behind the port that bears the guest's mark, else behind every local port. Only an answer claims.
 */
export function discover(world: World): void {
  const local = localPorts(world);
  for (const bindings of world.bindings.byMac.values()) {
    for (const { vrf, mac, vlan, ips } of bindings) if (!searchFor(world, local, vrf, mac, vlan, ips)) break;
  }
  if (world.search.asked.length === 0) world.discoveryEndsMs = world.now.monotonicMs;
  else {
    world.discoveryEndsMs = world.now.monotonicMs + searchForMs;
    world.search.nextMs = world.now.monotonicMs;
  }
}

/** By VRF. */
export type LocalPorts = ReadonlyMap<string, readonly Port[]>;

export function localPorts(world: World): LocalPorts {
  const ports = new Map<string, Port[]>();
  for (const watch of world.watches) {
    ports.set(watch.vrf, [...(ports.get(watch.vrf) ?? []), ...portsOf(world.bridges, watch).filter((port) => port.role === 'local')]);
  }
  return ports;
}

/** Adds a VM's addresses to the search that is about to begin. @returns false if there is no more room for any */
export function searchFor(world: World, local: LocalPorts, vrf: string, mac: Mac, vlan: number | undefined, ips: readonly IpAddress[]): boolean {
  const { search } = world;
  const ifindexes = portsToAsk(world, local.get(vrf) ?? [], mac, vlan);
  if (search.frames + ifindexes.length * ips.length > searchFrames) return false;
  search.frames += ifindexes.length * ips.length;
  const endpoints = ifindexes.map((ifindex): Endpoint => ({ mac, vlan: vlan ?? 0, ifindex, tagged: isTagged(world, ifindex, vlan) }));
  if (endpoints.length > 0) for (const address of ips) search.asked.push({ vrf, address, endpoints });
  return true;
}

/** Local ports behind which a VM may be; none where the forwarding database saw it behind an uplink. */
function portsToAsk(world: World, candidates: readonly Port[], mac: Mac, vlan: number | undefined): number[] {
  const seen = portFor(world.bridges, world.watches, mac, vlan);
  if (seen !== undefined) return seen.role === 'local' ? [seen.port.ifindex] : [];
  const marked = candidates.filter(({ link }) => { const mark = portMark(link); return mark !== undefined && !contradicts(mark, mac); });
  return [...new Set((marked.length > 0 ? marked : candidates).map(({ link }) => link.ifindex))];
}

/** One round of the search, if it is due. */
export function searchIfDue(world: World): void {
  const { search } = world;
  if (search.nextMs === undefined || search.nextMs > world.now.monotonicMs) return;
  for (const { vrf, address, endpoints } of search.asked) {
    const key = addressKey(vrf, address);
    const h = world.locRib.handovers.get(key);
    if (h !== undefined && h.state !== 'withdrawn') continue;
    for (const endpoint of endpoints) sendProbe(world, key, address, endpoint);
  }
  search.rounds += 1;
  if (search.rounds < searchRounds) {
    search.nextMs = world.now.monotonicMs + searchEveryMs;
  } else {
    delete search.nextMs;
    search.asked.length = 0;
  }
}

/** A VLAN that is not the port's own (PVID) is told by a tag. */
export function isTagged(world: World, ifindex: number, vlan: number | undefined): boolean {
  if (vlan === undefined || vlan === 0) return false;
  return world.bridges.links.get(ifindex)?.pvid !== vlan;
}

import { portsOf } from '../bridge/locate.ts';
import { announcementFrame } from '../garp/wire/frames.ts';
import type { GatewayInterface } from '../forward/plan.ts';
import { isIpv4, prefixAddress, prefixContains, type IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Handover } from '../routes/handover.ts';
import { keyPrefix } from '../routes/loc-rib.ts';
import { isTagged } from './probing.ts';
import type { Watch } from './watch.ts';
import { isPortAlive } from './watching.ts';
import type { World } from './world.ts';

// What VMs are told of their neighbours' MACs after a move, by gratuitous ARP and unsolicited NA. Such a frame corrects entries that are
// there and makes none. It goes out of one local port at a time, never to an uplink: other nodes have their own truth.

/** Frames to VMs, a second and at once: with many VMs moving at once the rest find out by ARP. */
const framesASecond = 4096;

function send(world: World, ifindex: number, bytes: Uint8Array): boolean {
  const { frames } = world.forwarding;
  const { monotonicMs } = world.now;
  const earned = frames.atMs === -Infinity ? framesASecond : ((monotonicMs - frames.atMs) / 1000) * framesASecond;
  frames.left = Math.min(framesASecond, frames.left + earned);
  frames.atMs = monotonicMs;
  if (frames.left < 1) return false;
  frames.left -= 1;
  world.outputs.push({ type: 'sendFrame', ifindex, bytes });
  return true;
}

function tell(world: World, ifindex: number, vlan: number, mac: Mac, address: IpAddress, router = false): boolean {
  return send(world, ifindex, announcementFrame(mac, address, { vlan: isTagged(world, ifindex, vlan) ? vlan : 0, ...(router ? { router: true } : {}) }));
}

function tellOthers(world: World, watch: Watch, own: number | undefined, vlan: number, mac: Mac, address: IpAddress): void {
  for (const { link, role } of portsOf(world.bridges, watch)) {
    if (role !== 'local' || link.ifindex === own || !isPortAlive(world, link.ifindex)) continue;
    if (!tell(world, link.ifindex, vlan, mac, address)) return;
  }
}

/** A VM came here: its neighbours on this node, who reached it by the gateway, learn its own MAC, also where it came with a RARP alone. */
export function correctNeighbours(world: World, watch: Watch, h: Handover, address: IpAddress, mac: Mac): void {
  tellOthers(world, watch, h.endpoint?.ifindex, h.endpoint?.vlan ?? 0, mac, address);
}

/** A VM left this node: its neighbours here reach it by the gateway from now on. */
export function correctDeparted(world: World, watch: Watch, h: Handover | undefined, address: IpAddress, gateway: GatewayInterface | undefined): void {
  const mac = gateway === undefined ? undefined : world.bridges.links.get(gateway.ifindex)?.mac;
  if (mac !== undefined) tellOthers(world, watch, h?.endpoint?.ifindex, h?.endpoint?.vlan ?? 0, mac, address);
}

/**
 * A VM came here with the caches of the node that it left: its own port, and no other, learns this node's gateway MAC
 * (`watch[].gateway.refresh`), and, with `neighbours`, the right MAC of every VM of its subnet: their own for those here, the gateway's for
 * the others.
 */
export function welcome(world: World, watch: Watch, h: Handover, gateway: GatewayInterface | undefined, neighbours: boolean): void {
  const { endpoint } = h;
  const mac = gateway === undefined ? undefined : world.bridges.links.get(gateway.ifindex)?.mac;
  if (gateway === undefined || endpoint === undefined || mac === undefined) return;
  const { ifindex, vlan } = endpoint;
  if (watch.config.gateway?.refresh === 'auto') {
    for (const address of gatewayAddresses(world, watch, gateway)) if (isIpv4(address) === isIpv4(h.address)) tell(world, ifindex, vlan, mac, address, true);
  }
  if (!neighbours) return;
  const near = watch.config.prefixes.filter((prefix) => prefixContains(prefix, h.address));
  for (const [key, { where }] of world.forwarding.planned) {
    const address = prefixAddress(keyPrefix(key));
    if (address === h.address || !key.startsWith(`${h.vrf}|`) || !near.some((prefix) => prefixContains(prefix, address))) continue;
    if (where.at === 'here' ? !tell(world, ifindex, vlan, where.mac, address) : where.at === 'elsewhere' && !tell(world, ifindex, vlan, mac, address)) return;
  }
}

/** The gateway addresses that this node itself has; of IPv6 also the link-local one, by which VMs know their router. */
export function gatewayAddresses(world: World, watch: Watch, gateway: GatewayInterface): IpAddress[] {
  const own = [...(world.bridges.addressesOf.get(gateway.ifindex) ?? [])];
  const configured = watch.config.gateway?.addresses ?? [];
  if (configured.length > 0) return own.filter((address) => configured.includes(address) || address.startsWith('fe80:'));
  return own.filter((address) => address.startsWith('fe80:') || watch.config.prefixes.some((prefix) => prefixContains(prefix, address)));
}

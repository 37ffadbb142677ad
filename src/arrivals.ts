import { locate } from '../bridge/locate.ts';
import { contradicts, portMark } from '../bridge/ports.ts';
import type { MeshHanding } from '../forward/mesh.ts';
import { hostPrefix, prefixAddress, prefixContains, type IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { ReceivedRoute } from '../routes/adj-rib-in.ts';
import type { Handover } from '../routes/handover.ts';
import { addressKey, keyPrefix, type AddressKey } from '../routes/loc-rib.ts';
import type { Expected } from './forwarding-state.ts';
import { isMeshed, tellNode, whereToTell } from './mesh-nodes.ts';
import { peersOf } from './peers.ts';
import { whyNeverAnnounced } from './watching.ts';
import { note, type World } from './world.ts';

// The node that a VM is about to come to. Its port is there seconds before it runs, and what the old node sends meanwhile can wait in the
// port's queue: so the way out of the tunnel is made ready, and the old node told. Nothing is announced for it, and nobody else's
// packets go another way.

/** Said again so often while the port lives. */
const saidEveryMs = 10_000;
/** A node that said so is believed so long. */
export const readyForMs = 3 * saidEveryMs;
/** When it is over, what is still on its way goes to the bridge and nowhere else for longer than any hint lasts. */
const lingerMs = 35_000;
const arrivalsLimit = 16_384;

/** A local port appeared, or its VM has been loaded: if it bears the mark of a VM that another node claims, that VM is expected. */
export function expectBehind(world: World, ifindex: number): void {
  const link = world.bridges.links.get(ifindex);
  const mark = link === undefined ? undefined : portMark(link);
  const place = locate(world.bridges, world.watches, ifindex);
  const watch = place?.role === 'local' ? world.watches[place.watch] : undefined;
  if (!isMeshed(world) || world.config.stragglers.mode === 'on-link' || mark === undefined || watch === undefined) return;
  for (const key of world.rivals.keys()) {
    if (!key.startsWith(`${watch.vrf}|`)) continue;
    const address = prefixAddress(keyPrefix(key));
    const rival = standingRival(world, watch.vrf, address);
    const mac = rival?.marks.mac;
    if (rival === undefined || mac === undefined || contradicts(mark, mac) || !watch.config.prefixes.some((prefix) => prefixContains(prefix, address))) continue;
    expect(world, key, { mac, ifindex, member: whereToTell(world.forwarding, rival.marks.node, rival.route.attributes.nextHop) });
  }
}

function standingRival(world: World, vrf: string, address: IpAddress): ReceivedRoute | undefined {
  for (const peer of peersOf(world, vrf)) {
    const received = peer.adjIn.routes.get(hostPrefix(address));
    if (received?.kind === 'rival' && !received.leaving) return received;
  }
  return undefined;
}

/** The old node asks whether it may send; it may where the address can live here at all. */
export function takeHanding(world: World, vrf: string, { address, mac, nextHop }: MeshHanding): void {
  if (world.config.stragglers.mode === 'on-link' || whyNeverAnnounced(world, vrf, address) !== undefined) return;
  const known = standingRival(world, vrf, address)?.marks.mac;
  if (known !== undefined && known !== mac) return;
  expect(world, addressKey(vrf, address), { mac, member: nextHop });
}

function expect(world: World, key: AddressKey, expected: Expected): void {
  const { forwarding, now } = world;
  const h = world.locRib.handovers.get(key);
  const before = forwarding.arrivals.get(key);
  if (h?.state === 'elevated' || h?.state === 'normal' || (before === undefined && forwarding.arrivals.size >= arrivalsLimit)) return;
  // The news of a port come in several: what is said already is not said again.
  if (before !== undefined && before.ending === undefined && before.ifindex !== undefined && before.ifindex === expected.ifindex && before.member === expected.member) return;
  forwarding.arrivals.set(key, expected);
  forwarding.arrivalEnds.set(key, now.monotonicMs + (expected.ifindex === undefined ? lingerMs : saidEveryMs));
  forwarding.dirty.add(key);
  say(world, key, expected, 'ready');
  note(world, { level: 'debug', room: 'routes', event: 'arrival.expected', publish: 'migration', fields: { prefix: keyPrefix(key), mac: expected.mac, from: expected.member } });
}

/** The kernel has to know before the other node does: this goes among what is sent at the end of the pass. */
function say(world: World, key: AddressKey, { member }: Expected, type: 'ready' | 'unready'): void {
  const { forwarding, routerId, segments } = world;
  if (forwarding.endpoint === undefined) return;
  const vrf = key.slice(0, key.indexOf('|'));
  const text = { type, segment: segments.get(vrf) ?? 0, node: routerId, nextHop: forwarding.endpoint, address: prefixAddress(keyPrefix(key)) };
  forwarding.said.push(() => tellNode(world, text, [member]));
}

/** The port with the mark is gone: the VM does not come this way. */
export function expectNoMore(world: World, ifindex: number): void {
  for (const [key, expected] of world.forwarding.arrivals) if (expected.ifindex === ifindex && expected.ending === undefined) end(world, key, expected);
}

function end(world: World, key: AddressKey, expected: Expected): void {
  const { forwarding, now } = world;
  forwarding.arrivals.set(key, { ...expected, ending: true });
  forwarding.arrivalEnds.set(key, now.monotonicMs + lingerMs);
  say(world, key, expected, 'unready');
}

/** What is due of it: said again, or over. */
export function arrivalsIfDue(world: World): void {
  const { forwarding, now, bridges } = world;
  for (let key = forwarding.arrivalEnds.takeDue(now.monotonicMs); key !== undefined; key = forwarding.arrivalEnds.takeDue(now.monotonicMs)) {
    const expected = forwarding.arrivals.get(key);
    if (expected === undefined) continue;
    if (expected.ending === true || expected.ifindex === undefined) {
      forwarding.arrivals.delete(key);
      forwarding.dirty.add(key);
    } else if (bridges.links.has(expected.ifindex) && world.rivals.has(key)) {
      forwarding.arrivalEnds.set(key, now.monotonicMs + saidEveryMs);
      say(world, key, expected, 'ready');
    } else {
      end(world, key, expected);
    }
  }
}

/** What is expected of an address now. With the claim of this node it has come. */
export function arrivalFor({ forwarding }: World, key: AddressKey, h: Handover | undefined): { readonly mac: Mac } | undefined {
  const expected = forwarding.arrivals.get(key);
  if (expected === undefined) return undefined;
  if (h?.state !== 'elevated' && h?.state !== 'normal') return expected;
  forwarding.arrivals.delete(key);
  forwarding.arrivalEnds.set(key, undefined);
  return undefined;
}

import type { FdbEntry } from '../bridge/ports.ts';
import { isOfItsBridge, locate, type Place } from '../bridge/locate.ts';
import { admit } from '../identity/admit.ts';
import { endpointsOf } from '../identity/bindings.ts';
import type { Endpoint } from '../routes/handover.ts';
import type { IpAddress } from '../net/ip.ts';
import { addressKey, type AddressKey } from '../routes/loc-rib.ts';
import { rulesOf } from './intake.ts';
import { isTagged, sendProbe } from './probing.ts';
import { claimPort } from './watching.ts';
import type { World } from './world.ts';

/** So many questions, so far apart in milliseconds: a guest that has just resumed may miss the first. */
const questions = 3;
const everyMs = 300;
/** Lookups at a time; what is beyond waits for the next sighting. */
const limit = 4096;

/**
 * The bridge learnt a MAC behind a local port: some frame came from there, of whatever kind. That is no evidence, for a pod's kernel speaks
 * before its VM; it says where to look. So each address of the MAC that this node does not announce is asked for behind that port, and the
 * answer claims. This is how a guest moves that never announces itself, or whose RARPs were all lost, without the capture having to
 * look at every packet for its source.
 */
export function lookBehind(world: World, entry: FdbEntry): void {
  if (entry.permanent || !isOfItsBridge(world.bridges, entry)) return;
  const first = locate(world.bridges, world.watches, entry.ifindex, entry.vlan);
  if (first?.role !== 'local') return;
  const vrf = world.watches[first.watch]?.vrf;
  if (vrf === undefined) return;
  // A bridge that is not VLAN-aware keeps all its entries under VLAN 0, whatever tags its frames bear.
  for (const { vlan, addresses } of endpointsOf(world.bindings, vrf, entry.mac, entry.vlan === 0 ? undefined : entry.vlan)) {
    const endpoint: Endpoint = { mac: entry.mac, vlan, ifindex: entry.ifindex, tagged: isTagged(world, entry.ifindex, vlan) };
    const place = vlan === entry.vlan ? first : locate(world.bridges, world.watches, entry.ifindex, vlan);
    if (place === undefined) continue;
    for (const address of addresses) start(world, vrf, address, endpoint, place);
  }
}

function start(world: World, vrf: string, address: IpAddress, endpoint: Endpoint, place: Place): void {
  const key = addressKey(vrf, address);
  const watch = world.watches[place.watch];
  if (watch === undefined || watch.vrf !== vrf || !isOpen(world, key)) return;
  const { mac, vlan } = endpoint;
  const claim = { kind: 'answer' as const, mac, vlan, vrf, role: place.role, port: claimPort(world, place.port), address };
  if (admit(rulesOf(world, watch), claim, address).verdict !== 'accepted') return;
  const { pending, deadlines } = world.lookups;
  const known = pending.get(key);
  if (known !== undefined) {
    // Seen elsewhere while it is asked for: the next question goes there. A MAC that flaps costs no more questions for it.
    known.endpoint = endpoint;
    return;
  }
  if (pending.size >= limit) return;
  pending.set(key, { address, endpoint, sent: 0 });
  deadlines.set(key, world.now.monotonicMs);
}

/** True while this node does not announce the address. */
function isOpen(world: World, key: AddressKey): boolean {
  const state = world.locRib.handovers.get(key)?.state;
  return state === undefined || state === 'withdrawn' || state === 'leaving';
}

/** Asks what is due. */
export function runLookups(world: World): void {
  const { pending, deadlines } = world.lookups;
  const { monotonicMs } = world.now;
  for (let key = deadlines.takeDue(monotonicMs); key !== undefined; key = deadlines.takeDue(monotonicMs)) {
    const lookup = pending.get(key);
    if (lookup === undefined) continue;
    if (lookup.sent >= questions || !isOpen(world, key)) {
      pending.delete(key);
      continue;
    }
    lookup.sent += 1;
    // The VLANs of the port may have been told meanwhile.
    const { ifindex, vlan } = lookup.endpoint;
    sendProbe(world, key, lookup.address, { ...lookup.endpoint, tagged: isTagged(world, ifindex, vlan) });
    deadlines.set(key, monotonicMs + everyMs);
  }
}

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
import type { Lookup, World } from './world.ts';

/** So many questions, so far apart in milliseconds: a guest that has just resumed may miss the first. */
const questions = 3;
const everyMs = 300;
/** Lookups of one port at a time; what is beyond waits for the next sighting. */
const mostPerPort = 1024;

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
  const { pending, deadlines, ofPort } = world.lookups;
  const known = pending.get(key);
  if (known !== undefined) {
    // Seen elsewhere while it is asked for: the next question goes there. A MAC that flaps costs no more questions for it.
    known.endpoint = endpoint;
    return;
  }
  const own = ofPort.get(endpoint.ifindex) ?? 0;
  if (own >= mostPerPort) return;
  ofPort.set(endpoint.ifindex, own + 1);
  pending.set(key, { address, endpoint, startedBy: endpoint.ifindex, sent: 0 });
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
      end(world, key, lookup);
      continue;
    }
    lookup.sent += 1;
    // The VLANs of the port may have been told meanwhile.
    for (const endpoint of [lookup.endpoint, ...(lookup.also ?? [])]) {
      sendProbe(world, key, lookup.address, { ...endpoint, tagged: isTagged(world, endpoint.ifindex, endpoint.vlan) });
    }
    deadlines.set(key, monotonicMs + everyMs);
  }
}

function end(world: World, key: AddressKey, { startedBy }: Lookup): void {
  const { pending, ofPort } = world.lookups;
  pending.delete(key);
  if (startedBy === undefined) return;
  const left = (ofPort.get(startedBy) ?? 0) - 1;
  if (left > 0) ofPort.set(startedBy, left);
  else ofPort.delete(startedBy);
}

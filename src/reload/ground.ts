import { locate, portsOf } from '../../bridge/locate.ts';
import { admit } from '../../identity/admit.ts';
import { bindingsOf, type BindingOptions } from '../../identity/bindings.ts';
import { addressKey } from '../../routes/loc-rib.ts';
import { hasGates } from '../gate.ts';
import { askGate } from '../gate-keeping.ts';
import { handle } from '../handovers.ts';
import { rulesOf } from '../intake.ts';
import { localPorts, searchFor } from '../probing.ts';
import type { Watch } from '../watch.ts';
import { claimPort, isPortAlive, whyNeverAnnounced } from '../watching.ts';
import type { World } from '../world.ts';

/** Claims that the configuration allows no more go, at once. */
export function dropGroundless(world: World): void {
  for (const h of [...world.locRib.handovers.values()]) {
    if (h.state === 'withdrawn') {
      if (h.probe === undefined && h.early === undefined) continue;
    } else if (h.state === 'manual' && whyNeverAnnounced(world, h.vrf, h.address) === undefined) continue;
    if (!hasGround(world, h.vrf, h.address)) handle(world, h.vrf, h.address, { type: 'GroundLost' });
  }
}

function hasGround(world: World, vrf: Watch['vrf'], address: Parameters<typeof admit>[2] & string): boolean {
  if (whyNeverAnnounced(world, vrf, address) !== undefined) return false;
  const h = world.locRib.handovers.get(addressKey(vrf, address));
  const endpoint = h?.endpoint ?? h?.early?.endpoint;
  if (endpoint === undefined) return true;
  const { mac, vlan, ifindex } = endpoint;
  const place = locate(world.bridges, world.watches, ifindex, vlan);
  // A port that is gone is judged by the grace that it has.
  if (place === undefined) return !world.bridges.links.has(ifindex) && bindingsOf(world.bindings, vrf, mac, vlan).some(({ ips }) => ips.includes(address));
  const watch = world.watches[place.watch] as Watch;
  if (watch.vrf !== vrf || place.role !== 'local') return false;
  const claim = { mac, vlan, vrf, role: place.role, port: claimPort(world, place.port), kind: 'answer' as const, address };
  const { verdict } = admit(rulesOf(world, watch), claim, address);
  // What needs a better mark than the port has is refused to new claims; the one that stands does.
  return verdict === 'accepted' || verdict === 'table_full';
}

/**
 * Bound addresses that are not announced here are asked for, as at the start: only an answer claims. @param known bindings that were there
 * before, where nothing else has changed that could make them VMs of this node
 */
export function searchAnew(world: World, known: readonly BindingOptions[] = []): void {
  const before = new Set(known.flatMap(({ vrf, mac, vlan, ips }) => ips.map((address) => `${vrf} ${mac} ${vlan} ${address}`)));
  const { search, now } = world;
  search.asked.length = 0;
  search.frames = 0;
  search.rounds = 0;
  const local = localPorts(world);
  for (const bindings of world.bindings.byMac.values()) {
    for (const { vrf, mac, vlan, ips } of bindings) {
      const missing = ips.filter((address) => !before.has(`${vrf} ${mac} ${vlan} ${address}`) && (world.locRib.handovers.get(addressKey(vrf, address))?.state ?? 'withdrawn') === 'withdrawn');
      if (missing.length > 0 && !searchFor(world, local, vrf, mac, vlan, missing)) break;
    }
  }
  if (search.asked.length > 0) search.nextMs = now.monotonicMs;
}

/** The gates of all local ports are asked by the checks as they are now; without any, what waited waits no more. */
export function askGatesAnew(world: World): void {
  world.gates.clear();
  if (hasGates(world)) {
    for (const watch of world.watches) for (const { role, link } of portsOf(world.bridges, watch)) if (role === 'local' && !world.gates.has(link.ifindex)) askGate(world, link.ifindex);
    return;
  }
  for (const h of [...world.locRib.handovers.values()]) if (h.hold?.why === 'gate') handle(world, h.vrf, h.address, { type: 'GateOpened' });
}

/** Ports that a change of `watch` has made local have their gates asked for the first time. */
export function askNewGates(world: World): void {
  if (!hasGates(world)) return;
  for (const watch of world.watches) {
    for (const { role, link } of portsOf(world.bridges, watch)) if (role === 'local' && isPortAlive(world, link.ifindex) && !world.gates.has(link.ifindex)) askGate(world, link.ifindex);
  }
}

import { locate } from '../../bridge/locate.ts';
import { letsIn, type Link } from '../../bridge/ports.ts';
import { isKnownMac } from '../../identity/bindings.ts';
import { standingOf } from '../../identity/ports.ts';
import { isWatchedVlan } from '../../identity/watch-rules.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import type { Ignored } from '../ignored.ts';
import type { Watch } from '../watch.ts';
import { claimPort } from '../watching.ts';
import type { World } from '../world.ts';
import { atMost, warn, type Finding } from './finding.ts';
import { checkRarp } from './guests.ts';

// What was ignored stays in the log when its cause has gone: each is judged anew, by what is bound, marked and watched now.

interface Refused {
  readonly mac: Mac;
  readonly vlan: number;
  readonly port: Link;
  readonly watch: Watch;
}

/** Guests that speak behind a local port and are refused for their port or their VLAN, and RARPs that mean no address. */
export function checkRefused(world: World): Finding[] {
  const wrong = new Map<string, Finding>();
  const unbound: Ignored[] = [];
  for (const item of world.ignored.values()) {
    const refused = placeOf(world, item);
    if (refused === undefined) continue;
    if (item.verdict === 'no_binding' && !isKnownMac(world.bindings, refused.watch.vrf, refused.mac, refused.vlan)) unbound.push(item);
    const found = item.verdict === 'wrong_port' ? wrongPort(world, refused) : item.verdict === 'wrong_vlan' && item.vlan !== undefined ? wrongVlan(refused) : undefined;
    if (found !== undefined) wrong.set(found.text, found);
  }
  return [...checkRarp(unbound), ...atMost([...wrong.values()], (count) => warn('marks', `${count} more guests are refused for their port or VLAN`, 'landfall show ignored names each'))];
}

function placeOf(world: World, { mac, port, vlan = 0 }: Ignored): Refused | undefined {
  const link = world.bridges.links.get(world.bridges.byName.get(port ?? '') ?? -1);
  const parsed = parseMac(mac ?? '');
  const place = link === undefined ? undefined : locate(world.bridges, world.watches, link.ifindex, vlan);
  if (link === undefined || parsed === undefined || place?.role !== 'local') return undefined;
  return { mac: parsed, vlan, port: link, watch: world.watches[place.watch] as Watch };
}

function wrongPort(world: World, { mac, vlan, port, watch }: Refused): Finding | undefined {
  const judged = standingOf(world.bindings, { mac, vlan, vrf: watch.vrf, port: claimPort(world, port) });
  if (judged.standing !== 'wrong') return undefined;
  const cure = judged.reason.startsWith('binding ') ? `name it in that binding: {mac: ${mac}, port: ${port.name}}` : `ip link set ${port.name} alias mac=${mac}`;
  return warn('marks', `${mac} speaks behind ${port.name} and is refused: ${judged.reason}`, `if it belongs there, ${cure}; else look who is behind ${port.name}`);
}

function wrongVlan({ mac, vlan, port, watch }: Refused): Finding | undefined {
  const where = `${mac} speaks behind ${port.name} in ${vlan === 0 ? 'no VLAN (untagged)' : `VLAN ${vlan}`} and is refused`;
  if (!letsIn(port, vlan)) return warn('vlan', `${where}: the bridge lets no such frame in there`, `bridge vlan add dev ${port.name} vid ${vlan}, if its guest is meant to be in it`);
  if (isWatchedVlan(watch.rules, vlan)) return undefined;
  return warn('vlan', `${where}: no watch of ${watch.bridge} covers that`, `watch[].vlans: add ${vlan}; or put the guest's frames into a VLAN that is watched`);
}

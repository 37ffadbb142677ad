import { formatCommunity, formatLargeCommunity } from '../../bgp/community.ts';
import { hostPrefix } from '../../net/ip.ts';
import type { Handover } from '../../routes/handover.ts';
import { saidOfHold } from '../chronicle-held.ts';
import { peersOf } from '../peers.ts';
import type { PrefixItem } from '../views/items.ts';
import { printable } from '../../net/printable.ts';
import { vmOf } from '../watching.ts';
import type { World } from '../world.ts';
import { seconds, timeText } from './time.ts';

export interface PrefixFilter {
  readonly prefix?: string;
  readonly peer?: string;
  readonly state?: string;
  readonly vm?: string;
}

/** Everything that this node announces, or announced and knows why it does not any more. Addresses that it merely heard of are left out. */
export function collectPrefixes(world: World, filter: PrefixFilter): PrefixItem[] {
  const items: PrefixItem[] = [];
  for (const h of world.locRib.handovers.values()) {
    if (h.sequence === 0 && h.state === 'withdrawn') continue;
    const prefix = hostPrefix(h.address);
    if (filter.prefix !== undefined && filter.prefix !== prefix && filter.prefix !== h.address) continue;
    if (filter.state !== undefined && filter.state !== h.state) continue;
    const item = collectPrefix(world, h);
    if (filter.vm !== undefined && filter.vm !== item.vm) continue;
    if (filter.peer !== undefined && !item.peers.names.includes(filter.peer)) continue;
    items.push(item);
  }
  return items;
}

function collectPrefix(world: World, h: Handover): PrefixItem {
  const { now } = world;
  const prefix = hostPrefix(h.address);
  const peers = peersOf(world, h.vrf);
  const holding = peers.filter((peer) => peer.adjOut.sent.has(prefix));
  const shown = holding[0]?.adjOut.sent.get(prefix)?.route.attributes;
  const ibgp = holding.find((peer) => peer.ibgp)?.adjOut.sent.get(prefix)?.route.attributes;
  const vm = h.endpoint === undefined ? undefined : vmOf(world, h.vrf, h.endpoint);
  const port = h.endpoint === undefined ? undefined : world.bridges.links.get(h.endpoint.ifindex)?.name;
  const next = world.drain !== undefined && h.state !== 'withdrawn' && h.state !== 'held' ? nextOfDrain(world, holding.length > 0)
    : h.settleAtMs !== undefined ? { state: 'normal' as const, inSeconds: Math.max(0, seconds(now.monotonicMs, h.settleAtMs)) }
    : h.leaveAtMs !== undefined ? { state: 'withdrawn' as const, inSeconds: Math.max(0, seconds(now.monotonicMs, h.leaveAtMs)) }
    : h.hold?.untilMs !== undefined && h.hold.why !== 'gate' ? { state: h.hold.level === undefined ? 'withdrawn' as const : 'elevated' as const, inSeconds: Math.max(0, seconds(now.monotonicMs, h.hold.untilMs)) }
    // The end of a withdraw by hand: the VM is asked then, and claims by its answer; without its port there is nobody to ask.
    : h.manual?.untilMs !== undefined ? { state: port === undefined ? 'withdrawn' as const : 'elevated' as const, inSeconds: Math.max(0, seconds(now.monotonicMs, h.manual.untilMs)) } : undefined;
  return {
    prefix, vrf: h.vrf, ...(vm === undefined ? {} : { vm: printable(vm) }), state: h.state,
    ...(ibgp?.localPref === undefined ? {} : { localPref: ibgp.localPref }), ...(shown?.med === undefined ? {} : { med: shown.med }),
    communities: (shown?.communities ?? []).map(formatCommunity), largeCommunities: (shown?.largeCommunities ?? []).map(formatLargeCommunity),
    peers: { sent: holding.length, of: peers.length, names: holding.map((peer) => peer.config.name) },
    since: timeText(h.since.wallMs), sinceSeconds: Math.max(0, seconds(h.since.monotonicMs, now.monotonicMs)),
    ...(next === undefined ? {} : { next }),
    ...(h.endpoint === undefined ? {} : { mac: h.endpoint.mac, vlan: h.endpoint.vlan }), ...(port === undefined ? {} : { port: printable(port) }),
    source: h.source, ...(h.sequence === 0 ? {} : { sequence: h.sequence }),
    ...(h.hold === undefined ? {} : { held: { why: h.hold.why, announced: holding.length > 0, text: printable(saidOfHold(world, h), 400) } }),
  };
}

/** While the node is drained a claim settles for nobody. */
function nextOfDrain({ drain, now }: World, isAnnounced: boolean): PrefixItem['next'] {
  return !isAnnounced || drain === undefined || drain.withdrawn ? undefined : { state: 'withdrawn', inSeconds: Math.max(0, seconds(now.monotonicMs, drain.withdrawAtMs)) };
}

import { wellKnownCommunities } from '../bgp/community.ts';
import { endOfRib, packUpdates } from '../bgp/pack-updates.ts';
import type { Community, RouteAttributes, RouteChange } from '../bgp/route.ts';
import { familyOf, isIpv4, prefixAddress, type Prefix } from '../net/ip.ts';
import { takeDelta, type Wanted } from '../routes/adj-rib-out.ts';
import { encodeClaimMarks } from '../routes/claim-communities.ts';
import type { Handover } from '../routes/handover.ts';
import { addressKey, keyPrefix } from '../routes/loc-rib.ts';
import { preferenceOf, settlesSilently, type Level } from '../routes/preference.ts';
import { drainedLevel } from './drain.ts';
import { isHeldBack } from './graceful-restart.ts';
import { nextHopFor } from './next-hop.ts';
import { stepPeer } from './peering.ts';
import { tellSent } from './untold.ts';
import { note, type Peer, type World } from './world.ts';

const noLlgr = wellKnownCommunities['no-llgr'] as Community;

/** Sends every established peer what it lacks of the addresses that changed; a peer that has just come up gets everything. */
export function flushRoutes(world: World): void {
  if (world.dirty.size === 0 && ![...world.peers.values()].some((peer) => peer.resend || peer.endOfRibDue)) return;
  for (const peer of world.peers.values()) {
    const { negotiated } = peer.session;
    if (negotiated === undefined) continue;
    const keys = peer.resend ? world.locRib.handovers.keys() : world.dirty;
    const shared = new Map<string, RouteAttributes>();
    const prefixes: Prefix[] = [];
    for (const key of keys) if (key.startsWith(peer.config.vrf) && key[peer.config.vrf.length] === '|') prefixes.push(keyPrefix(key));
    const changes = takeDelta(peer.adjOut, prefixes, (prefix) => wantedRoute(world, peer, prefix, shared), peer.config.maxPrefixes);
    peer.resend = false;
    const updates = packUpdates(changes, {
      context: negotiated.context, localAsn: world.config.bgp.asn, families: negotiated.families, peerType: peer.ibgp ? 'ibgp' : 'ebgp',
      ...(peer.config.role === undefined ? {} : { role: peer.config.role }),
    });
    // A session that lives through the search for VMs that are already here says only afterwards that this was all.
    if (peer.endOfRibDue && peer.listening === undefined && world.now.monotonicMs >= world.discoveryEndsMs) {
      peer.endOfRibDue = false;
      for (const family of negotiated.families) updates.push(endOfRib(family));
    }
    const refreshing = [...peer.resendAsked];
    peer.resendAsked.clear();
    if (updates.length === 0 && refreshing.length === 0) continue;
    stepPeer(world, peer, { type: 'send', updates, refreshing });
    noteChanges(world, peer, changes);
  }
  world.dirty.clear();
}

function noteChanges(world: World, peer: Peer, changes: readonly RouteChange[]): void {
  for (const change of changes) {
    const announced = change.type === 'announce';
    const attributes = announced ? change.route.attributes : undefined;
    note(world, {
      level: 'info', room: 'routes', peer: peer.config.name, event: announced ? 'route.announced' : 'route.withdrawn', publish: 'migration',
      fields: {
        prefix: announced ? change.route.prefix : change.prefix,
        ...(attributes === undefined ? {} : { nextHop: attributes.nextHop, ...(peer.ibgp ? { localPref: attributes.localPref } : {}), med: attributes.med }),
      },
    });
    tellSent(world, peer, change);
  }
}

/** The route that a peer should have for a prefix now, or `undefined` for none. */
export function wantedRoute(world: World, peer: Peer, prefix: Prefix, shared: Map<string, RouteAttributes>): Wanted | undefined {
  const addressed = addressKey(peer.config.vrf, prefixAddress(prefix));
  const h = world.locRib.handovers.get(addressed);
  if (isHeldBack(world, peer, addressed)) return undefined;
  const level = h === undefined ? undefined : drainedLevel(world, h, levelOf(h));
  if (h === undefined || level === undefined || peer.farewell !== undefined || h.gone.has(peer.config.name)) return undefined;
  const nextHop = nextHopFor(world, peer, isIpv4(prefix));
  if (nextHop === undefined || !peer.session.negotiated?.families.includes(familyOf(prefix))) {
    world.counters.unresolvedRoutes += 1;
    peer.noNextHop.add(familyOf(prefix));
    return undefined;
  }
  const step = peer.config.profile === 'ladder' ? world.steps.get(addressKey(h.vrf, h.address)) ?? 0 : 0;
  const onWire = level === 'elevated' && settlesSilently(peer.config.profile) ? 'normal' : level;
  const key = `${onWire} ${h.sequence} ${step} ${h.endpoint?.mac} ${nextHop}`;
  let attributes = shared.get(key);
  if (attributes === undefined) {
    const preference = preferenceOf(peer.config.profile, { level, sequence: h.sequence, step, ibgp: peer.ibgp }, world.preference);
    const marks = encodeClaimMarks(world.config.routes.globalAdmin, {
      segment: world.segments.get(h.vrf) ?? 0, sequence: h.sequence, node: world.routerId,
      ...(h.endpoint === undefined ? {} : { mac: h.endpoint.mac }),
    });
    attributes = {
      origin: 'IGP', asPath: preference.asPath, nextHop, med: preference.med, localPref: preference.localPref,
      // However long other routers may keep stale routes (RFC 9494 section 4.3), a VM's is worth nothing when its node is gone.
      communities: [...preference.communities, noLlgr], largeCommunities: [...preference.largeCommunities, ...marks],
    };
    shared.set(key, attributes);
  }
  return { route: { prefix, attributes }, key };
}

function levelOf(h: Handover): Level | undefined {
  if (h.state === 'manual') return h.manual?.mode === 'announce' ? 'elevated' : undefined;
  if (h.state === 'held') return h.hold?.level;
  return h.state === 'withdrawn' ? undefined : h.state;
}

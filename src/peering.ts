import { packUpdates, endOfRib, routesOf } from '../bgp/pack-updates.ts';
import { wellKnownCommunities } from '../bgp/community.ts';
import type { Community, RouteAttributes, RouteChange } from '../bgp/route.ts';
import { sessionDeadline, stepSession } from '../bgp/session.ts';
import type { SessionInput, SessionNote } from '../bgp/session-contract.ts';
import type { UpdateMessage } from '../bgp/wire/messages.ts';
import { familyOf, isHostPrefix, isIpv4, prefixAddress, type Prefix } from '../net/ip.ts';
import { classify, isTie, keepReceived, newAdjRibIn, type ReceivedRoute } from '../routes/adj-rib-in.ts';
import { newAdjRibOut, takeDelta, type Wanted } from '../routes/adj-rib-out.ts';
import { encodeClaimMarks } from '../routes/claim-communities.ts';
import type { Handover } from '../routes/handover.ts';
import { addressKey, keyPrefix } from '../routes/loc-rib.ts';
import { pathsOf, takePath } from '../routes/paths.ts';
import { preferenceOf, settlesSilently, type Level } from '../routes/preference.ts';
import { newFabricEvidence } from '../routes/fabric.ts';
import { chronicleReceived } from './chronicle.ts';
import { drainedLevel } from './drain.ts';
import { observeRoute } from './fabric.ts';
import { takeRivalGone } from './early.ts';
import { touch } from './forwarding-state.ts';
import { hearEndOfRib, isHeldBack, listenFirst } from './graceful-restart.ts';
import { handle, peersOf, showsNewer } from './handovers.ts';
import { rebind } from './route-bindings.ts';
import { keepAbove } from './ladder.ts';
import { beginRefresh, confirmRoute, endRefresh } from './refresh.ts';
import { hearAgain, isStale, keepStale, noteRestartTime } from './stale-routes.ts';
import { nextHopFor } from './next-hop.ts';
import { tellAll, tellSent } from './untold.ts';
import { insidePrefixes } from './watching.ts';
import { note, type Peer, type World } from './world.ts';

const noLlgr = wellKnownCommunities['no-llgr'] as Community;

/** Gives one session its input and carries out what the session says, except what concerns its sockets: that goes out. */
export function stepPeer(world: World, peer: Peer, input: SessionInput): void {
  const { state, outputs } = stepSession(peer.session, input, world.now, world.random, world.newConnection);
  peer.session = state;
  world.sessionDeadlines.set(peer.config.name, sessionDeadline(state));
  for (const output of outputs) {
    switch (output.type) {
      case 'dial':
      case 'write':
      case 'close':
        world.outputs.push({ type: 'session', peer: peer.config.name, output });
        break;
      case 'established':
        peer.adjIn = newAdjRibIn();
        peer.adjOut = newAdjRibOut();
        peer.fabric = newFabricEvidence();
        peer.resend = true;
        peer.endOfRibDue = true;
        listenFirst(world, peer);
        noteRestartTime(peer);
        break;
      case 'down':
        sessionDown(world, peer);
        break;
      case 'update':
        receive(world, peer, output.update);
        break;
      case 'refreshRequested':
        for (const prefix of [...peer.adjOut.sent.keys()]) if (familyOf(prefix) === output.family) peer.adjOut.sent.delete(prefix);
        peer.resend = true;
        peer.resendAsked.add(output.family);
        break;
      case 'refreshBegins':
        beginRefresh(peer.refreshes, output.family, peer.adjIn.routes.keys());
        break;
      case 'refreshEnds':
        for (const prefix of endRefresh(peer.refreshes, output.family)) {
          peer.adjIn.paths?.delete(prefix);
          receiveChange(world, peer, { type: 'withdraw', prefix });
        }
        break;
      case 'note':
        noteSession(world, peer, output.note);
        break;
    }
  }
}

function noteSession(world: World, peer: Peer, n: SessionNote): void {
  const fields = n.event === 'session.transition' ? { from: n.from.toLowerCase(), to: n.to.toLowerCase(), cause: n.cause }
    : n.event === 'session.problem' ? { text: n.text }
    : { code: n.notification.code, subcode: n.notification.subcode, text: n.text };
  const warn = n.event === 'session.problem' || n.event === 'notification.received' || n.event === 'notification.sent';
  note(world, { level: warn ? 'warn' : 'info', room: 'bgp', peer: peer.config.name, event: n.event, fields, publish: 'peer' });
}

/**
 * Its routes say nothing any more, and that they are gone says nothing either: a session that was lost is no rival that left.
 */
function sessionDown(world: World, peer: Peer): void {
  keepStale(world, peer);
  forgetReceived(world, peer);
  peer.adjOut = newAdjRibOut();
  peer.resend = false;
  peer.resendAsked.clear();
  peer.refreshes.clear();
  delete peer.listening;
}

/** All that the peer showed. */
export function forgetReceived(world: World, peer: Peer): void {
  const held = peer.adjIn.routes;
  for (const received of held.values()) countMac(world, peer, received, -1);
  peer.adjIn = newAdjRibIn();
  for (const prefix of held.keys()) {
    const key = addressKey(peer.config.vrf, prefixAddress(prefix));
    rebind(world, peer.config.vrf, prefix);
    if (!rivalVisible(world, peer.config.vrf, prefix) && !isStale(world, peer.config.vrf, key)) {
      world.rivals.delete(key);
      touch(world.forwarding, key);
    }
  }
}

/** An UPDATE of a peer: routes for VM addresses are kept as evidence; everything else is none of our business. */
function receive(world: World, peer: Peer, update: UpdateMessage): void {
  hearEndOfRib(peer, update);
  hearAgain(world, peer, update);
  if (world.config.bgp.receive === 'none') return;
  let like: ReceivedRoute | undefined;
  for (const change of routesOf(update)) {
    const prefix = change.type === 'announce' ? change.route.prefix : change.prefix;
    if (isHostPrefix(prefix) && insidePrefixes(world, peer.config.vrf, prefixAddress(prefix))) like = (change.pathId === undefined ? receiveChange(world, peer, change, like) : receivePath(world, peer, change, change.pathId, like)) ?? like;
  }
}

/** One of several routes for a prefix (RFC 7911): what says most counts as the peer's route, and a change behind it is weighed, too. */
function receivePath(world: World, peer: Peer, change: RouteChange, pathId: number, like: ReceivedRoute | undefined): ReceivedRoute | undefined {
  const prefix = change.type === 'announce' ? change.route.prefix : change.prefix;
  const received = change.type === 'withdraw' ? undefined : classify(change.route, world.config.routes.globalAdmin, world.routerId, world.now, like);
  const shown = peer.adjIn.routes.get(prefix);
  const taken = takePath(peer.adjIn, prefix, pathId, received);
  if (taken === undefined) return undefined;
  if (received !== undefined) confirmRoute(peer.refreshes, prefix);
  if (taken.best === undefined) return receiveChange(world, peer, { type: 'withdraw', prefix });
  if (shown === undefined || shown.route !== taken.best.route) receiveChange(world, peer, { type: 'announce', route: taken.best.route }, taken.best);
  else if (taken.before !== undefined || received !== undefined) weigh(world, peer, prefix, taken.before, shown);
  return received;
}

/** One route that a peer announces or withdraws, or that is looked at anew. `like`: another of the same UPDATE. @returns what is kept of it */
export function receiveChange(world: World, peer: Peer, change: RouteChange, like?: ReceivedRoute): ReceivedRoute | undefined {
  const prefix = change.type === 'announce' ? change.route.prefix : change.prefix;
  const before = peer.adjIn.routes.get(prefix);
  if (change.type === 'withdraw') {
    if (before === undefined) return undefined;
    peer.adjIn.routes.delete(prefix);
    countMac(world, peer, before, -1);
    rebind(world, peer.config.vrf, prefix);
    weigh(world, peer, prefix, before, undefined);
    return undefined;
  }
  const received = classify(change.route, world.config.routes.globalAdmin, world.routerId, world.now, like);
  if (!keepReceived(peer.adjIn, received)) return undefined;
  confirmRoute(peer.refreshes, prefix);
  if (before !== undefined) countMac(world, peer, before, -1);
  countMac(world, peer, received, 1);
  rebind(world, peer.config.vrf, prefix);
  weigh(world, peer, prefix, before, received);
  return received;
}

/** Keeps count of the MACs that live elsewhere. */
function countMac(world: World, peer: Peer, { kind, marks }: ReceivedRoute, change: 1 | -1): void {
  if (kind !== 'rival' || marks.mac === undefined) return;
  const key = `${peer.config.vrf}|${marks.mac}`;
  const count = (world.rivalMacs.get(key) ?? 0) + change;
  if (count > 0) world.rivalMacs.set(key, count);
  else world.rivalMacs.delete(key);
}

/** What a received route means for the address: a newer claim elsewhere, our own reflected, a rival that gave up. */
function weigh(world: World, peer: Peer, prefix: Prefix, before: ReceivedRoute | undefined, after: ReceivedRoute | undefined): void {
  const { vrf } = peer.config;
  const address = prefixAddress(prefix);
  const key = addressKey(vrf, address);
  note(world, {
    level: 'debug', room: 'routes', peer: peer.config.name, event: 'route.received',
    fields: { prefix, kind: after?.kind ?? 'withdrawn', ...(after?.marks.sequence === undefined ? {} : { sequence: after.marks.sequence }) },
  });
  if (after?.kind === 'future' && before?.kind !== 'future') {
    world.counters.futures += 1;
    note(world, {
      level: 'warn', room: 'routes', peer: peer.config.name, event: 'route.refused', publish: 'migration',
      fields: { prefix, verdict: 'future', sequence: after.marks.sequence, node: after.marks.node, text: 'sequence more than a day ahead of the clock: not obeyed' },
    });
  }
  const wasVisible = world.rivals.has(key);
  const visible = rivalVisible(world, vrf, prefix);
  if (visible && !wasVisible) world.rivals.set(key, world.now);
  if (!visible && wasVisible) world.rivals.delete(key);
  touch(world.forwarding, key);

  observeRoute(world, peer, prefix, before, after);
  const h = world.locRib.handovers.get(key);
  if (h === undefined) return;
  tellAll(world);
  chronicleReceived(world, key, peer, h, before, after);
  if (peer.config.profile === 'ladder') keepAbove(world, key, h, after, peersOf(world, vrf));
  if (showsNewer(world, peer, h) && world.config.migration.withdrawOn.includes('remote-claim')) {
    handle(world, vrf, address, { type: 'RemoteNewer', peer: peer.config.name });
  } else if (after !== undefined && isTie(after, h.sequence)) {
    handle(world, vrf, address, { type: 'TieSeen' });
  } else if (wasVisible && !visible) {
    takeRivalGone(world, vrf, address);
  }
}

function rivalVisible(world: World, vrf: string, prefix: Prefix): boolean {
  return peersOf(world, vrf).some((peer) => {
    for (const { kind, leaving } of pathsOf(peer.adjIn, prefix)) if (kind === 'rival' && !leaving) return true;
    return false;
  });
}

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

import { routesOf } from '../bgp/pack-updates.ts';
import type { RouteChange } from '../bgp/route.ts';
import type { UpdateMessage } from '../bgp/wire/messages.ts';
import { isHostPrefix, prefixAddress, type Prefix } from '../net/ip.ts';
import { classify, isTie, keepReceived, newAdjRibIn, type ReceivedRoute } from '../routes/adj-rib-in.ts';
import { addressKey } from '../routes/loc-rib.ts';
import { pathsOf, takePath } from '../routes/paths.ts';
import { chronicleReceived } from './chronicle.ts';
import { observeRoute } from './fabric.ts';
import { askClaimant } from './claimants.ts';
import { takeRivalGone } from './early.ts';
import { touch } from './forwarding-state.ts';
import { hearEndOfRib } from './graceful-restart.ts';
import { handle, peersOf, showsNewer } from './handovers.ts';
import { rebind } from './route-bindings.ts';
import { keepAbove } from './ladder.ts';
import { confirmRoute } from './refresh.ts';
import { replaceRetained } from './retained-routes.ts';
import { isStale } from './rivals-in-mind.ts';
import { hearAgain } from './stale-routes.ts';
import { tellAll } from './untold.ts';
import { insidePrefixes } from './watching.ts';
import { note, type Peer, type World } from './world.ts';

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
export function receive(world: World, peer: Peer, update: UpdateMessage): void {
  hearEndOfRib(peer, update);
  hearAgain(world, peer, update);
  if (world.config.bgp.receive === 'none') return;
  let like: ReceivedRoute | undefined;
  for (const change of routesOf(update)) {
    const prefix = change.type === 'announce' ? change.route.prefix : change.prefix;
    if (isHostPrefix(prefix) && insidePrefixes(world, peer.config.vrf, prefixAddress(prefix))) like = (change.pathId === undefined ? receiveChange(world, peer, change, like) : receivePath(world, peer, change, change.pathId, like)) ?? like;
    replaceRetained(world, peer, change);
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
  if (!visible && wasVisible) {
    world.rivals.delete(key);
    askClaimant(world, vrf, address);
  }
  touch(world.forwarding, key);

  observeRoute(world, peer, prefix, before, after);
  const h = world.locRib.handovers.get(key);
  if (h === undefined) return;
  tellAll(world);
  chronicleReceived(world, key, peer, h, before, after);
  if (peer.config.profile === 'ladder') keepAbove(world, key, h, after, peersOf(world, vrf));
  if (showsNewer(world, peer, h) && world.config.migration.withdrawOn.includes('remote-claim')) {
    // It has the VM now, or another one has: when the VM is here again it is ready no more, or says so anew.
    world.forwarding.ready.delete(key);
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

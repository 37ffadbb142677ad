import { changesBetween, entryId, type KernelChange } from '../forward/entries.ts';
import { idsOf, planAddress, planArrival, silenceEndsMs, whereabouts, type RivalRoute, type Whereabouts } from '../forward/plan.ts';
import type { Config } from '../config/config.ts';
import { hostPrefix, isLinkLocal, prefixAddress, type IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Handover } from '../routes/handover.ts';
import { keyPrefix, type AddressKey } from '../routes/loc-rib.ts';
import { arrivalFor, arrivalsIfDue } from './arrivals.ts';
import { gatewayOf, watchOf } from './gateways.ts';
import { hintsIfDue } from './hints.ts';
import { greetIfDue, greetingDeadline, meet } from './mesh-nodes.ts';
import { correctDeparted, correctNeighbours, welcome } from './neighbour-frames.ts';
import { flushRoutes } from './sent-routes.ts';
import { beginByRoute, endStragglers, prepareEndpoint, stragglerFor, tellOfClaim, type Telling } from './stragglers.ts';
import { peersOf } from './peers.ts';
import { isPortAlive } from './watching.ts';
import type { World } from './world.ts';

/** After every session is up and the search for VMs is over, the leftovers of a life before stay this long, in milliseconds. */
const leftoversAfterMs = 2000;

interface Refresh { readonly ifindex: number; readonly address: IpAddress; readonly mac: Mac }

/** Whether anything of the node's own data plane is ours to do. */
export function isForwarding(config: Config): boolean {
  return config.stragglers.enabled || config.kernel.routes !== 'off' || config.kernel.refreshNeighbors || config.watch.some(({ gateway }) => gateway?.refresh === 'auto');
}

/**
 * Ends a pass: UPDATEs first. Only in mode `host` the kernel comes before them, for there it is the route here that makes the VM
 * reachable at all.
 */
export function flush(world: World): void {
  const { forwarding, config } = world;
  forwarding.on = !world.dryRun && isForwarding(config);
  // What a reload switched off is taken away once more.
  if (!forwarding.on && forwarding.planned.size === 0) return flushRoutes(world);
  for (const key of world.dirty) forwarding.dirty.add(key);
  takeSilence(world);
  endStragglers(world);
  hintsIfDue(world);
  arrivalsIfDue(world);
  prepareEndpoint(world);
  greetIfDue(world);
  lookAtGateways(world);
  const host = config.kernel.routes === 'host';
  if (host) forwardAll(world);
  flushRoutes(world);
  if (!host) forwardAll(world);
  for (const say of forwarding.said.splice(0)) say();
  if (!forwarding.on) forwarding.planned.clear();
  removeLeftovers(world);
}

/** When `flush` has something to do by itself, monotonic ms. */
export function forwardingDeadline(world: World): number {
  const { leftoversMs, silence, stragglerEnds, hintEnds, arrivalEnds } = world.forwarding;
  return Math.min(leftoversMs ?? Infinity, silence.next() ?? Infinity, stragglerEnds.next() ?? Infinity, hintEnds.next() ?? Infinity, arrivalEnds.next() ?? Infinity, greetingDeadline(world));
}

function takeSilence({ forwarding, now }: World): void {
  for (let key = forwarding.silence.takeDue(now.monotonicMs); key !== undefined; key = forwarding.silence.takeDue(now.monotonicMs)) forwarding.dirty.add(key);
}

/** A reload, a bridge that is made anew, or one whose gateway address moves makes every plan void. */
function lookAtGateways(world: World): void {
  const inside = world.watches.map((watch) => gatewayOf(world, watch)?.ifindex ?? 0);
  const signature = `${world.config.kernel.routes} ${inside.join()}`;
  if (signature === world.forwarding.gateways) return;
  world.forwarding.gateways = signature;
  world.forwarding.inside = inside;
  for (const key of world.locRib.handovers.keys()) world.forwarding.dirty.add(key);
  for (const key of world.rivals.keys()) world.forwarding.dirty.add(key);
  for (const key of world.forwarding.planned.keys()) world.forwarding.dirty.add(key);
}

/** The newest claim of another node that stands, as the routers show it. */
export function rivalRoute(world: World, vrf: string, address: IpAddress): RivalRoute | undefined {
  const prefix = hostPrefix(address);
  let best: { readonly sequence: number; readonly route: RivalRoute } | undefined;
  for (const peer of peersOf(world, vrf)) {
    const received = peer.adjIn.routes.get(prefix);
    if (received === undefined || received.kind !== 'rival' || received.leaving) continue;
    const sequence = received.marks.sequence ?? 0;
    if (best !== undefined && best.sequence >= sequence) continue;
    const { nextHop, linkLocalNextHop } = received.route.attributes;
    const outside = isLinkLocal(nextHop) ? nextHop : undefined;
    const ifindex = outside === undefined || peer.config.interface === undefined ? undefined : world.bridges.byName.get(peer.config.interface);
    best = { sequence, route: { nextHop: outside === undefined ? nextHop : linkLocalNextHop ?? nextHop, sequence, ...(received.marks.node === undefined ? {} : { node: received.marks.node }), ...(ifindex === undefined ? {} : { ifindex }) } };
  }
  return best?.route;
}

function forwardAll(world: World): void {
  const { forwarding } = world;
  if (forwarding.dirty.size === 0) return;
  const changes: KernelChange[] = [];
  const refresh: Refresh[] = [];
  const tellings: Telling[] = [];
  const afterwards: (() => void)[] = [];
  for (const key of forwarding.dirty) forwardOne(world, key, changes, refresh, tellings, afterwards);
  forwarding.dirty.clear();
  if (changes.length > 0 || refresh.length > 0) {
    world.outputs.push({ type: 'kernel', changes, refresh });
  }
  if (tellings.length > 0) world.outputs.push({ type: 'mesh', tellings });
  // A departure sets the route, then corrects neighbours; a claim the other way round.
  for (const run of afterwards) run();
}

function forwardOne(world: World, key: AddressKey, changes: KernelChange[], refresh: Refresh[], tellings: Telling[], afterwards: (() => void)[]): void {
  const { forwarding, config, now } = world;
  const vrf = key.slice(0, key.indexOf('|'));
  const address = prefixAddress(keyPrefix(key));
  const h = world.locRib.handovers.get(key);
  const watch = watchOf(world, vrf, address, h);
  if (watch === undefined) return;
  const rival = rivalRoute(world, vrf, address);
  const before = forwarding.planned.get(key);
  beginByRoute(world, key, h, rival, before?.where);
  const found = whereabouts(h, rival, h?.endpoint !== undefined && isPortAlive(world, h.endpoint.ifindex), now.monotonicMs, stragglerFor(world, key, h, rival));
  // What is remembered of an address that was withdrawn says nothing: until the routers do, what the life before left stands.
  const where: Whereabouts = found.at === 'unknown' && before === undefined && forwarding.leftoversMs !== undefined ? { at: 'nowhere' } : found;
  const gateway = gatewayOf(world, watch);
  const arrival = arrivalFor(world, key, h);
  const plan = planAddress(config.kernel.routes, address, where, gateway, forwarding.inside);
  const entries = arrival === undefined ? plan : [...plan, ...planArrival(address, arrival, gateway)];
  if (rival !== undefined) meet(world, rival.nextHop);
  forwarding.silence.set(key, silenceEndsMs(h, found));
  if (h === undefined || h.state === 'elevated') forwarding.straggled.delete(key);
  if (where.at === 'nowhere' && arrival === undefined) forwarding.planned.delete(key);
  else forwarding.planned.set(key, { where, entries });
  // What a life before left for this address is void with the first word on where its VM is: a claim here, and a route to the router, would loop.
  const first = before === undefined && forwarding.leftoversMs !== undefined && where.at !== 'nowhere';
  if (first) for (const id of idsOf(address, gateway)) if (!entries.some((entry) => entryId(entry) === id)) changes.push({ id });
  for (const change of changesBetween(before?.entries ?? [], entries)) changes.push(change);
  if (h !== undefined && isNewClaim(world, h, where)) {
    // What was written for its arrival goes with the claim, and an entry as good as that takes its place.
    const expected = before?.entries.some((entry) => entry.type === 'inner') === true;
    if (gateway !== undefined && (config.kernel.refreshNeighbors || expected) && config.kernel.routes !== 'host') refresh.push({ ifindex: gateway.ifindex, address, mac: where.mac });
    const arrived = config.kernel.routes === 'received' && (before?.where.at === 'elsewhere' || (first && h.state === 'elevated'));
    if (arrived && forwarding.leftoversMs !== undefined) forwarding.landed.add(key);
    if (arrived) correctNeighbours(world, watch, h, address, where.mac);
    if (config.stragglers.enabled) tellOfClaim(world, h, rival, tellings);
    afterwards.push(() => welcome(world, watch, h, gateway, arrived));
  } else if (where.at === 'elsewhere' && before !== undefined && before.where.at !== 'elsewhere' && config.kernel.routes === 'received') {
    afterwards.push(() => correctDeparted(world, watch, h, address, gateway));
  } else if (where.at === 'here' && h !== undefined && before?.where.at === 'elsewhere' && config.kernel.routes === 'received') {
    // A hint was undone: the VM never left.
    correctNeighbours(world, watch, h, address, where.mac);
  }
}

/** Claimed in this very pass, by evidence. */
function isNewClaim(world: World, h: Handover, where: Whereabouts): where is Extract<Whereabouts, { at: 'here' }> {
  return where.at === 'here' && h.state !== 'leaving' && h.claimedAtMs === world.now.monotonicMs;
}

/** Adopted what is wanted, the rest goes: once every router and every VM had the time to speak. */
function removeLeftovers(world: World): void {
  const { forwarding, now } = world;
  if (forwarding.leftoversMs === undefined) return;
  const heard = now.monotonicMs >= world.discoveryEndsMs && [...world.peers.values()].every((peer) => peer.session.negotiated !== undefined && peer.listening === undefined && !peer.endOfRibDue);
  if (heard) forwarding.leftoversMs = Math.min(forwarding.leftoversMs, now.monotonicMs + leftoversAfterMs);
  if (now.monotonicMs < forwarding.leftoversMs) return;
  delete forwarding.leftoversMs;
  for (const key of forwarding.landed) tellOnceMore(world, key);
  forwarding.landed.clear();
  world.outputs.push({ type: 'kernel', changes: [], refresh: [], leftovers: true });
}

/** A VM that came shortly before this life or since, when the routers had not told where its neighbours are: they and it learn each other's MACs. */
function tellOnceMore(world: World, key: AddressKey): void {
  const h = world.locRib.handovers.get(key);
  const where = world.forwarding.planned.get(key)?.where;
  const watch = h === undefined ? undefined : watchOf(world, h.vrf, h.address, h);
  if (h === undefined || watch === undefined || where?.at !== 'here') return;
  correctNeighbours(world, watch, h, h.address, where.mac);
  welcome(world, watch, h, gatewayOf(world, watch), true);
}

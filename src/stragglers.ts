import { outbids, type MeshClaim, type MeshMessage, type MeshText } from '../forward/mesh.ts';
import type { RivalRoute, Straggler, Whereabouts } from '../forward/plan.ts';
import { isIpv4, isLinkLocal, type IpAddress } from '../net/ip.ts';
import { isFuture } from '../routes/claim.ts';
import type { Handover } from '../routes/handover.ts';
import { addressKey, type AddressKey } from '../routes/loc-rib.ts';
import { takeHanding } from './arrivals.ts';
import { takeGateway } from './gateway-macs.ts';
import { takeReady } from './hints.ts';
import { takeHello, whereToTell } from './mesh-nodes.ts';
import { nextHopFor, sourceOf } from './next-hop.ts';
import type { World } from './world.ts';

// Late packets: the node that claims tells the one that still gets them, and that one sends them on until the routers have moved.

/** After the withdraw what is on its way has this long to arrive, in milliseconds. */
const afterWithdrawMs = 1000;

export interface Telling {
  readonly text: MeshText;
  readonly members: readonly IpAddress[];
}

/**
 * Once a session is up it is known under which address other nodes reach this one: its end of the tunnel is made then, not in the claim,
 * and from then on the others are heard there.
 */
export function prepareEndpoint(world: World): void {
  const { forwarding, config } = world;
  if (!config.stragglers.enabled) return;
  listen(world);
  if (forwarding.endpoint !== undefined) return;
  const endpoint = endpointOf(world);
  if (endpoint === undefined) return;
  forwarding.endpoint = endpoint;
  world.outputs.push({ type: 'mesh', endpoint, tellings: [] });
}

/** Where the configuration says nothing: at the own address of each session, and at those own addresses that routes have as next hops. */
function listen(world: World): void {
  const { forwarding, config, peers, bridges } = world;
  if (config.stragglers.listen !== undefined) return;
  const fresh: IpAddress[] = [];
  for (const peer of peers.values()) {
    const local = peer.session.negotiated?.localAddress;
    if (local === undefined) continue;
    for (const address of [local, nextHopFor(world, peer, true), nextHopFor(world, peer, false)]) {
      if (address === undefined || isLinkLocal(address) || forwarding.listening.has(address) || (address !== local && !bridges.ownAddresses.has(address))) continue;
      forwarding.listening.add(address);
      fresh.push(address);
    }
  }
  if (fresh.length > 0) world.outputs.push({ type: 'mesh', listenAt: fresh, tellings: [] });
}

function endpointOf(world: World): IpAddress | undefined {
  const address = world.config.stragglers.listen?.address;
  if (address !== undefined && address !== '0.0.0.0' && address !== '::') return address;
  for (const peer of world.peers.values()) {
    if (peer.session.negotiated === undefined) continue;
    const own = nextHopFor(world, peer, true) ?? nextHopFor(world, peer, false);
    if (own !== undefined) return own;
  }
  return undefined;
}

/**
 * A claim that has just been made: to the node that had the address last, as its route names it, or to all that are configured.
 * @param rival the next hop of that route
 */
export function tellOfClaim(world: World, h: Handover, rival: RivalRoute | undefined, tellings: Telling[]): void {
  const { forwarding, config } = world;
  const { members } = config.stragglers;
  const told = members === 'auto' ? (rival === undefined ? [] : [whereToTell(forwarding, rival.node, rival.nextHop)]) : members;
  if (forwarding.endpoint === undefined || told.length === 0) return;
  const text = { type: 'claim' as const, segment: world.segments.get(h.vrf) ?? 0, node: world.routerId, sequence: h.sequence, address: h.address, nextHop: forwarding.endpoint };
  tellings.push({ text, members: told });
}

/** What another speaker told, and proved to be of the fleet. */
export function takeMeshMessage(world: World, message: MeshMessage): void {
  const { forwarding, config } = world;
  if (!config.stragglers.enabled || message.node === world.routerId || message.nextHop === forwarding.endpoint) return;
  if (message.type === 'hello') return takeHello(world, message);
  const vrf = [...world.segments].find(([, segment]) => segment === message.segment)?.[0];
  if (vrf === undefined) return;
  if (message.type === 'claim') takeClaim(world, vrf, message);
  else if (message.type === 'gateway') takeGateway(world, vrf, message);
  else if (message.type === 'handing') takeHanding(world, vrf, message);
  else takeReady(world, vrf, message);
}

/** Another node says that it claims an address: what still arrives here goes on to it, if this node had the address, with an older claim. */
function takeClaim(world: World, vrf: string, claim: MeshClaim): void {
  const { config, now } = world;
  const key = addressKey(vrf, claim.address);
  const h = world.locRib.handovers.get(key);
  if (h === undefined || h.sequence === 0 || isFuture(claim.sequence, now) || !outbids(claim, { sequence: h.sequence, node: world.routerId })) return;
  // The routers may have told of it first, and the route here be withdrawn: what they have read they have not all put into their tables.
  if (h.state === 'manual' || h.state === 'held' || (h.state === 'withdrawn' && now.monotonicMs - h.since.monotonicMs > config.stragglers.ceilingMs)) return;
  begin(world, key, h, claim.nextHop, claim.sequence);
}

/**
 * A node's message is late or lost, and its route is here: that says as much, where the node has told its end of the tunnel.
 * @param before where the VM was, as the data plane had it
 */
export function beginByRoute(world: World, key: AddressKey, h: Handover | undefined, rival: RivalRoute | undefined, before: Whereabouts | undefined): void {
  if (!world.config.stragglers.enabled || (h?.state !== 'leaving' && h?.state !== 'withdrawn') || rival?.node === undefined || rival.sequence === undefined) return;
  // What is elsewhere already has left some time ago, maybe in a life before.
  if (before === undefined || (before.at === 'elsewhere' && before.straggler === undefined)) return;
  const endpoint = world.forwarding.nodes.get(rival.node)?.endpoint;
  if (endpoint !== undefined && outbids({ node: rival.node, sequence: rival.sequence }, { sequence: h.sequence, node: world.routerId })) begin(world, key, h, endpoint, rival.sequence);
}

/** Once for each claim. */
function begin(world: World, key: AddressKey, { vrf, address }: Handover, endpoint: IpAddress, sequence: number): void {
  const { forwarding, config, now } = world;
  const known = forwarding.stragglers.get(key);
  if ((forwarding.straggled.get(key) ?? 0) >= sequence) return;
  forwarding.straggled.set(key, sequence);
  forwarding.hints.delete(key);
  forwarding.hintEnds.set(key, undefined);
  const tunnel = known?.tunnel === true && known.endpoint === endpoint;
  const source = sourceOf(world, vrf, isIpv4(address));
  forwarding.stragglers.set(key, { endpoint, sequence, ...(tunnel ? { tunnel } : {}), ...(source === undefined ? {} : { source }) });
  forwarding.stragglerEnds.set(key, now.monotonicMs + config.stragglers.ceilingMs);
  forwarding.dirty.add(key);
}

/** What holds for an address now. A newer claim of this node ends it in the same pass, before anybody is told of that claim. */
export function stragglerFor(world: World, key: AddressKey, h: Handover | undefined, rival: RivalRoute | undefined): Straggler | undefined {
  const { forwarding, now } = world;
  const straggler = forwarding.stragglers.get(key);
  if (straggler === undefined) return undefined;
  const { hinted, sequence } = straggler;
  // A hint is of the claim that stood when it was given, and of the node that it named.
  const over = h === undefined || (hinted === undefined ? h.sequence >= sequence : h.sequence !== sequence || (rival?.node !== undefined && rival.node !== hinted && (rival.sequence ?? 0) > sequence));
  if (over) {
    forwarding.stragglers.delete(key);
    forwarding.stragglerEnds.set(key, undefined);
    forwarding.ending.delete(key);
    if (hinted !== undefined) {
      forwarding.hints.delete(key);
      forwarding.hintEnds.set(key, undefined);
    }
    return undefined;
  }
  if (h.state === 'withdrawn' && !forwarding.ending.has(key)) {
    forwarding.ending.add(key);
    forwarding.stragglerEnds.set(key, now.monotonicMs + afterWithdrawMs);
  }
  return straggler;
}

/** The routers have moved, or the ceiling is reached. */
export function endStragglers({ forwarding, now }: World): void {
  for (let key = forwarding.stragglerEnds.takeDue(now.monotonicMs); key !== undefined; key = forwarding.stragglerEnds.takeDue(now.monotonicMs)) {
    forwarding.stragglers.delete(key);
    forwarding.ending.delete(key);
    forwarding.hints.delete(key);
    forwarding.hintEnds.set(key, undefined);
    forwarding.dirty.add(key);
  }
}

/** This process ends, and nobody would end them then: what stays in the kernel is as if their time were over. @returns whether there are any */
export function endAllStragglers({ forwarding, now }: World): boolean {
  for (const key of forwarding.stragglers.keys()) forwarding.stragglerEnds.set(key, now.monotonicMs);
  return forwarding.stragglers.size > 0;
}

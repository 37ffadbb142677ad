import type { MeshClaim } from '../forward/mesh.ts';
import { outbids } from '../forward/mesh.ts';
import type { Straggler } from '../forward/plan.ts';
import { isIpv4, type IpAddress } from '../net/ip.ts';
import { isFuture } from '../routes/claim.ts';
import type { Handover } from '../routes/handover.ts';
import { addressKey, type AddressKey } from '../routes/loc-rib.ts';
import { nextHopFor } from './next-hop.ts';
import { peersOf } from './peers.ts';
import type { World } from './world.ts';

// Late packets: the node that claims tells the one that still gets them, and that one sends them on until the routers have moved.

/** After the withdraw what is on its way has this long to arrive, in milliseconds. */
const afterWithdrawMs = 1000;

export interface Telling {
  readonly claim: Omit<MeshClaim, 'boot' | 'counter'>;
  readonly members: readonly IpAddress[];
}

/** Once a session is up it is known under which address other nodes reach this one: its end of the tunnel is made then, not in the claim. */
export function prepareEndpoint(world: World): void {
  const { forwarding, config } = world;
  if (!config.stragglers.enabled || forwarding.endpoint !== undefined) return;
  const endpoint = endpointOf(world);
  if (endpoint === undefined) return;
  forwarding.endpoint = endpoint;
  world.outputs.push({ type: 'mesh', endpoint, claims: [] });
}

function endpointOf(world: World): IpAddress | undefined {
  const { listen } = world.config.stragglers;
  if (listen !== undefined && listen.address !== '0.0.0.0' && listen.address !== '::') return listen.address;
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
export function tellOfClaim(world: World, h: Handover, rival: IpAddress | undefined, tellings: Telling[]): void {
  const { forwarding, config } = world;
  const { members } = config.stragglers;
  const told = members === 'auto' ? (rival === undefined ? [] : [rival]) : members;
  if (forwarding.endpoint === undefined || told.length === 0) return;
  const claim = { segment: world.segments.get(h.vrf) ?? 0, node: world.routerId, sequence: h.sequence, address: h.address, nextHop: forwarding.endpoint };
  tellings.push({ claim, members: told });
}

/** Another node says that it claims an address: what still arrives here goes on to it, if this node had the address, with an older claim. */
export function takeMeshClaim(world: World, claim: MeshClaim): void {
  const { forwarding, config, now } = world;
  if (!config.stragglers.enabled || claim.node === world.routerId || claim.nextHop === forwarding.endpoint) return;
  const vrf = [...world.segments].find(([, segment]) => segment === claim.segment)?.[0];
  if (vrf === undefined) return;
  const key = addressKey(vrf, claim.address);
  const h = world.locRib.handovers.get(key);
  if (h === undefined || h.sequence === 0 || isFuture(claim.sequence, now) || !outbids(claim, { sequence: h.sequence, node: world.routerId })) return;
  // The routers may have told of it first, and the route here be withdrawn: what they have read they have not all put into their tables.
  if (h.state === 'manual' || h.state === 'held' || (h.state === 'withdrawn' && now.monotonicMs - h.since.monotonicMs > config.stragglers.ceilingMs)) return;
  const known = forwarding.stragglers.get(key);
  if (known !== undefined && known.sequence >= claim.sequence) return;
  const source = sourceOf(world, vrf, isIpv4(claim.address));
  forwarding.stragglers.set(key, { endpoint: claim.nextHop, sequence: claim.sequence, ...(source === undefined ? {} : { source }) });
  forwarding.stragglerEnds.set(key, now.monotonicMs + config.stragglers.ceilingMs);
  forwarding.dirty.add(key);
}

/** An address of this node that the routers know it by. */
function sourceOf(world: World, vrf: string, ipv4: boolean): IpAddress | undefined {
  for (const peer of peersOf(world, vrf)) {
    const own = nextHopFor(world, peer, ipv4);
    if (own !== undefined && isIpv4(own) === ipv4 && world.bridges.ownAddresses.has(own)) return own;
  }
  return undefined;
}

/** What holds for an address now. A newer claim of this node ends it in the same pass, before anybody is told of that claim. */
export function stragglerFor(world: World, key: AddressKey, h: Handover | undefined): Straggler | undefined {
  const { forwarding, now } = world;
  const straggler = forwarding.stragglers.get(key);
  if (straggler === undefined) return undefined;
  if (h === undefined || h.sequence >= straggler.sequence) {
    forwarding.stragglers.delete(key);
    forwarding.stragglerEnds.set(key, undefined);
    forwarding.ending.delete(key);
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
    forwarding.dirty.add(key);
  }
}

import { contradicts, portMark } from '../bridge/ports.ts';
import { compareIp, hostPrefix, type IpAddress, type Prefix } from '../net/ip.ts';
import { isNewer } from '../routes/adj-rib-in.ts';
import { stepHandover, type Endpoint, type Handover, type HandoverEvent, type HandoverVerdict } from '../routes/handover.ts';
import { confirmByEvidence } from './graceful-restart.ts';
import { addressKey, findOrAdd, forgetOfGonePorts, forgetWithdrawn, locRibLimit, store, type AddressKey } from '../routes/loc-rib.ts';
import { askClaimant } from './claimants.ts';
import { touch } from './forwarding-state.ts';
import { isGateOpen } from './gate.ts';
import { rankClaim } from './ladder.ts';
import { peersOf } from './peers.ts';
import { isPortAlive } from './watching.ts';
import { sendProbe } from './probing.ts';
import { tellStep } from './untold.ts';
import type { Peer, World } from './world.ts';

export { peersOf } from './peers.ts';

/**
 * Where the rooms' events reach the handover table: gathers what a step may know, runs it, files the result, keeps the timeline.
 * @returns the verdict on the frame that caused the event, or `table_full`.
 */
export function handle(world: World, vrf: string, address: IpAddress, event: HandoverEvent): HandoverVerdict | 'table_full' | undefined {
  const rows = world.locRib.handovers.size;
  if (rows >= locRibLimit && !world.locRib.handovers.has(addressKey(vrf, address))) makeRoom(world, undefined);
  const before = findOrAdd(world.locRib, vrf, address, world.now);
  if (before === undefined) return 'table_full';
  const key = addressKey(vrf, address);
  const prefix = hostPrefix(address);
  const peers = peersOf(world, vrf);
  const known = adoptSeen(world, key, before, peers, prefix);
  const spoken = 'endpoint' in event ? event.endpoint : known.hold?.evidence?.endpoint ?? known.early?.endpoint;
  const { handover: after, verdict, sendProbe: ask } = stepHandover(known, event, {
    now: world.now,
    options: world.config.migration,
    gate: world.config.gate,
    gateOpen: isGateOpen(world, spoken?.ifindex),
    portVerified: known.episode !== undefined && spoken !== undefined && isVerified(world, spoken),
    rivalStands: peers.some((peer) => showsNewer(world, peer, known)),
    rivalVisible: world.rivals.has(key),
    earlyAlive: known.early !== undefined && isPortAlive(world, known.early.endpoint.ifindex),
    portAlive: known.endpoint !== undefined && isPortAlive(world, known.endpoint.ifindex),
    holders: peers.filter((peer) => peer.adjOut.sent.has(prefix)).map((peer) => peer.config.name),
  });
  confirmByEvidence(world, key, event);
  if (after !== before) {
    if (isRemembered(before, after)) world.unsaved = true;
    store(world.locRib, key, before, after);
    if (after.state !== before.state || after.sequence !== before.sequence || after.gone !== before.gone || after.endpoint?.mac !== before.endpoint?.mac
      || after.hold?.level !== before.hold?.level || after.hold?.untilMs !== before.hold?.untilMs) {
      world.dirty.add(key);
      rankClaim(world, key, before, after, peers);
      tellStep(world, key, before, after, event);
      if (after.state === 'withdrawn' && before.state !== 'withdrawn') askClaimant(world, vrf, address);
    }
  }
  // What an uplink says of an address that nobody knows here is not worth a row: whoever is on its network could fill the table.
  if (event.type === 'HeardUplink' && after === before && known === before && world.locRib.handovers.size > rows) world.locRib.handovers.delete(key);
  if (after.endpoint !== undefined && after.endpoint.ifindex !== before.endpoint?.ifindex) makeRoom(world, after.endpoint.ifindex);
  if (ask && after.endpoint !== undefined) sendProbe(world, key, address, after.endpoint);
  return verdict;
}

/** A VM that takes address after address crowds out its own port's only; a full table loses what is left of ports that are no more. */
function makeRoom(world: World, ifindex: number | undefined): void {
  const mayGo = (key: AddressKey): boolean => !world.dirty.has(key) && !world.rivals.has(key);
  const gone = ifindex === undefined ? forgetOfGonePorts(world.locRib, (one) => world.bridges.links.has(one), mayGo) : forgetWithdrawn(world.locRib, ifindex, mayGo);
  for (const key of gone) {
    world.steps.delete(key);
    touch(world.forwarding, key);
    world.unsaved = true;
  }
}

/** The port bears a mark of its guest, and it is this guest's. */
function isVerified(world: World, { ifindex, mac }: Endpoint): boolean {
  const link = world.bridges.links.get(ifindex);
  const mark = link === undefined ? undefined : portMark(link);
  return mark !== undefined && !contradicts(mark, mac);
}

/** Whether the state file has to follow: not for a frame that says the same again. */
function isRemembered(before: Handover, after: Handover): boolean {
  return after.state !== before.state || after.sequence !== before.sequence || after.highestSeen !== before.highestSeen
    || after.manual !== before.manual || after.hold !== before.hold || after.endpoint?.ifindex !== before.endpoint?.ifindex || after.endpoint?.mac !== before.endpoint?.mac;
}

/** The highest sequence that any peer shows now belongs to what was ever seen. */
function adoptSeen(world: World, key: AddressKey, h: Handover, peers: readonly Peer[], prefix: Prefix): Handover {
  let highest = h.highestSeen;
  for (const peer of peers) {
    const received = peer.adjIn.routes.get(prefix);
    if (received === undefined || received.kind === 'future' || received.kind === 'foreign') continue;
    highest = Math.max(highest, received.marks.sequence ?? 0);
  }
  if (highest === h.highestSeen) return h;
  const adopted = { ...h, highestSeen: highest };
  world.unsaved = true;
  store(world.locRib, key, h, adopted);
  return adopted;
}

/** Does this peer show a rival's claim that is newer than ours? */
export function showsNewer(world: World, peer: Peer, h: Handover): boolean {
  const received = peer.adjIn.routes.get(hostPrefix(h.address));
  return received !== undefined && isNewer(received, h.sequence, (node) => compareIp(node, world.routerId));
}

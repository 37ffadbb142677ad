import { compareIp, hostPrefix, type IpAddress } from '../net/ip.ts';
import { isNewer } from '../routes/adj-rib-in.ts';
import { stepHandover, type Handover, type HandoverEvent, type HandoverVerdict } from '../routes/handover.ts';
import { addressKey, findOrAdd, store, type AddressKey } from '../routes/loc-rib.ts';
import { addLine, openMigration, type Migration } from '../routes/migrations.ts';
import { rankClaim } from './ladder.ts';
import { isPortAlive, vmOf } from './watching.ts';
import { sendProbe } from './probing.ts';
import { note, type Peer, type World } from './world.ts';

/**
 * Where the rooms' events reach the handover table: gathers what a step may know, runs it, files the result, keeps the timeline.
 * @returns the verdict on the frame that caused the event, or `table_full`.
 */
export function handle(world: World, vrf: string, address: IpAddress, event: HandoverEvent): HandoverVerdict | 'table_full' | undefined {
  const before = findOrAdd(world.locRib, vrf, address, world.now);
  if (before === undefined) return 'table_full';
  const key = addressKey(vrf, address);
  const known = adoptSeen(world, key, before);
  const { handover: after, verdict, sendProbe: ask } = stepHandover(known, event, {
    now: world.now,
    options: world.config.migration,
    rivalStands: peersOf(world, vrf).some((peer) => showsNewer(world, peer, known)),
    rivalVisible: world.rivals.has(key),
    portAlive: known.endpoint !== undefined && isPortAlive(world, known.endpoint.ifindex),
    holders: peersOf(world, vrf).filter((peer) => peer.adjOut.sent.has(hostPrefix(address))).map((peer) => peer.config.name),
  });
  if (after !== before) {
    store(world.locRib, key, before, after);
    if (after.state !== before.state || after.sequence !== before.sequence || after.gone !== before.gone || after.endpoint?.mac !== before.endpoint?.mac) {
      world.dirty.add(key);
      rankClaim(world, key, before, after, peersOf(world, vrf));
      chronicle(world, key, before, after, event);
    }
  }
  if (ask && after.endpoint !== undefined) sendProbe(world, key, address, after.endpoint);
  return verdict;
}

/** The peers that hear of a VRF's addresses. */
export function peersOf(world: World, vrf: string): Peer[] {
  const peers: Peer[] = [];
  for (const peer of world.peers.values()) if (peer.config.vrf === vrf) peers.push(peer);
  return peers;
}

/** The highest sequence that any peer shows now belongs to what was ever seen. */
function adoptSeen(world: World, key: AddressKey, h: Handover): Handover {
  const prefix = hostPrefix(h.address);
  let highest = h.highestSeen;
  for (const peer of peersOf(world, h.vrf)) {
    const received = peer.adjIn.routes.get(prefix);
    if (received === undefined || received.kind === 'future' || received.kind === 'foreign') continue;
    highest = Math.max(highest, received.marks.sequence ?? 0);
  }
  if (highest === h.highestSeen) return h;
  const adopted = { ...h, highestSeen: highest };
  store(world.locRib, key, h, adopted);
  return adopted;
}

/** Does this peer show a rival's claim that is newer than ours? */
export function showsNewer(world: World, peer: Peer, h: Handover): boolean {
  const received = peer.adjIn.routes.get(hostPrefix(h.address));
  return received !== undefined && isNewer(received, h.sequence, (node) => compareIp(node, world.routerId));
}

/** Writes down what a step changed: a log line, an event, and the timeline of the handover under way. */
function chronicle(world: World, key: AddressKey, before: Handover, after: Handover, event: HandoverEvent): void {
  const { now } = world;
  const vm = after.endpoint === undefined ? undefined : vmOf(world, after.vrf, after.endpoint);
  if (after.state !== before.state) {
    note(world, {
      level: 'info', room: 'routes', event: 'handover.transition', publish: 'migration',
      fields: {
        prefix: hostPrefix(after.address), vrf: after.vrf, ...(vm === undefined ? {} : { vm }), from: before.state, to: after.state,
        cause: event.type, source: after.source, sequence: after.sequence,
        ...(after.endpoint === undefined ? {} : { mac: after.endpoint.mac, vlan: after.endpoint.vlan }),
      },
    });
  }
  const open = world.migrations.open.get(key);
  if (after.sequence !== before.sequence) {
    if (open !== undefined && (open.result === 'active' || open.result === 'leaving')) {
      open.result = open.direction === 'out' ? 'reclaimed' : 'superseded';
      addLine(open, now, 'superseded', `claimed again here (${after.source})`);
    }
    const rival = rivalNode(world, after);
    const startMs = 'capturedAtMs' in event ? event.capturedAtMs : now.monotonicMs;
    const m = openMigration(world.migrations, key, {
      vrf: after.vrf, address: after.address, direction: 'in', startMs, startWallMs: now.wallMs - (now.monotonicMs - startMs),
      seenBy: after.source, sequence: after.sequence, ...(vm === undefined ? {} : { vm }),
      ...(after.endpoint === undefined ? {} : { mac: after.endpoint.mac }), ...(rival === undefined ? {} : { peerNode: rival }),
    });
    addLine(m, startMs, 'frame', describeStart(world, after, event));
    addLine(m, now, 'accepted', `${vm === undefined ? 'learned' : `binding ${vm}`}; sequence ${after.sequence}`);
    world.writing.add(m);
  } else if (after.state === 'leaving' && before.state !== 'leaving') {
    startLeaving(world, key, before, after, event, vm);
  } else if (after.state === 'normal' && open !== undefined) {
    addLine(open, now, 'settled', world.config.bgp.peers.every((peer) => peer.profile === 'sequence') ? 'nothing to send in profile sequence' : 'normal route sent where the profile has one');
    open.result = 'settled';
  }
  if (after.state === 'withdrawn' && before.state !== 'withdrawn') {
    const out = before.state === 'leaving' ? world.migrations.open.get(key) : startLeaving(world, key, before, after, event, vm);
    if (out !== undefined) {
      out.withdrawnAtMs = now.monotonicMs;
      out.result = 'withdrawn';
      addLine(out, now, 'withdrawn', `route withdrawn (${after.source})`);
      world.migrations.open.delete(key);
    }
  }
}

function startLeaving(world: World, key: AddressKey, before: Handover, after: Handover, event: HandoverEvent, vm: string | undefined): Migration | undefined {
  const { now } = world;
  const open = world.migrations.open.get(key);
  if (open !== undefined && open.result === 'active') open.result = 'superseded';
  const rival = rivalNode(world, after);
  const startMs = 'capturedAtMs' in event ? event.capturedAtMs : now.monotonicMs;
  const out = openMigration(world.migrations, key, {
    vrf: after.vrf, address: after.address, direction: 'out', startMs, startWallMs: now.wallMs - (now.monotonicMs - startMs),
    seenBy: after.source, sequence: before.sequence, ...(vm === undefined ? {} : { vm }),
    ...(after.endpoint === undefined ? {} : { mac: after.endpoint.mac }), ...(rival === undefined ? {} : { peerNode: rival }),
  });
  out.result = 'leaving';
  const text = after.source === 'uplink' ? 'the VM was heard through an uplink'
    : after.source === 'port-gone' ? 'the VM\'s port is gone'
    : after.source === 'manual' ? 'withdrawn by the operator'
    : `newer claim${event.type === 'RemoteNewer' ? ` shown by ${event.peer}` : ''}`;
  addLine(out, startMs, after.source === 'uplink' ? 'frame' : after.source === 'port-gone' ? 'port-gone' : 'remote-claim', text);
  addLine(out, now, 'demoted', 'announced at leaving where no newer claim is shown');
  return out;
}

function describeStart(world: World, h: Handover, event: HandoverEvent): string {
  if (h.endpoint === undefined) return h.source;
  const port = world.bridges.links.get(h.endpoint.ifindex)?.name ?? `ifindex ${h.endpoint.ifindex}`;
  return `${h.source} from ${port}, ${h.endpoint.mac}, vlan ${h.endpoint.vlan}${'capturedAtMs' in event ? ' (kernel time stamp)' : ''}`;
}

function rivalNode(world: World, h: Handover): IpAddress | undefined {
  for (const peer of peersOf(world, h.vrf)) {
    const received = peer.adjIn.routes.get(hostPrefix(h.address));
    if (received?.kind === 'rival') return received.marks.node;
  }
  return undefined;
}

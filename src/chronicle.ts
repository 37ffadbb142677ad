import { hostPrefix, prefixAddress, type IpAddress } from '../net/ip.ts';
import type { RouteChange } from '../bgp/route.ts';
import type { ReceivedRoute } from '../routes/adj-rib-in.ts';
import type { Handover, HandoverEvent } from '../routes/handover.ts';
import { addressKey, type AddressKey } from '../routes/loc-rib.ts';
import { pathsOf } from '../routes/paths.ts';
import { addLine, openMigration, type Direction, type Migration, type MigrationResult, type TimelineLine } from '../routes/migrations.ts';
import { chronicleHeld, saidOfHold } from './chronicle-held.ts';
import { peersOf } from './peers.ts';
import { vmOf } from './watching.ts';
import { note, type Peer, type World } from './world.ts';

// The timeline of each handover, on the node that it comes to and on the one that it leaves. Zero is the kernel's time stamp of the frame.

/** Writes down what a step changed: a log line, an event, and the timeline of the handover under way. */
export function chronicle(world: World, key: AddressKey, before: Handover, after: Handover, event: HandoverEvent): void {
  const { now } = world;
  if (after.state !== before.state) noteTransition(world, before, after, event);
  const open = world.migrations.open.get(key);
  if (after.sequence !== before.sequence && after.sequence > 0) {
    startComing(world, key, open, before, after, event);
  } else if (after.state === 'leaving' && before.state !== 'leaving') {
    startLeaving(world, key, before, after, event);
  } else if (after.state === 'normal' && open !== undefined) {
    const sends = world.config.bgp.peers.some((peer) => peer.vrf === after.vrf && peer.profile !== 'sequence');
    addLine(open, now, 'settled', sends ? 'normal route sent where the profile has one' : 'nothing to send in profile sequence');
    finish(world, open, 'settled');
  } else if (after.state === 'held' && before.state !== 'held') {
    const m = open !== undefined && open.direction === 'in' && open.result === 'held' ? open : begin(world, key, 'in', before, after, event);
    m.sequence = 0;
    m.result = 'held';
    addLine(m, now, 'held', saidOfHold(world, after));
    world.outputs.push({ type: 'history', migration: m });
  }
  if (after.hold !== before.hold) chronicleHeld(world, open, before, after, event);
  if (after.state === 'leaving' && after.gone !== before.gone) {
    const out = world.migrations.open.get(key);
    if (out !== undefined) awaitWritten(world, out);
  }
  if (after.state === 'withdrawn' && before.state !== 'withdrawn') left(world, key, before, after, event);
}

function noteTransition(world: World, before: Handover, after: Handover, event: HandoverEvent): void {
  const vm = after.endpoint === undefined ? undefined : vmOf(world, after.vrf, after.endpoint);
  note(world, {
    level: 'info', room: 'routes', event: 'handover.transition', publish: 'migration',
    fields: {
      prefix: hostPrefix(after.address), vrf: after.vrf, ...(vm === undefined ? {} : { vm }), from: before.state, to: after.state,
      cause: event.type, source: after.source, sequence: after.sequence,
      ...(after.endpoint === undefined ? {} : { mac: after.endpoint.mac, vlan: after.endpoint.vlan }),
    },
  });
}

/** A new claim: a handover begins, or the one that was held for its gate goes on. */
function startComing(world: World, key: AddressKey, open: Migration | undefined, before: Handover, after: Handover, event: HandoverEvent): void {
  const { now } = world;
  let m: Migration;
  if (open !== undefined && open.result === 'held' && before.hold?.why === 'gate') {
    m = open;
    m.sequence = after.sequence;
    m.heldMs = now.monotonicMs - before.since.monotonicMs;
    addLine(m, now, 'released', `${event.type === 'GateTimer_Expires' ? 'gate.timeout is over and onTimeout is open' : 'the gate is open'}: held ${m.heldMs.toFixed(1)} ms`);
  } else {
    m = begin(world, key, 'in', before, after, event);
  }
  m.result = 'active';
  addLine(m, now, 'accepted', `${m.vm === undefined ? 'learned' : `binding ${m.vm}`}; sequence ${after.sequence}`);
  if (after.state === 'held') {
    m.result = 'held';
    addLine(m, now, 'held', saidOfHold(world, after));
  }
  awaitWritten(world, m);
}

function startLeaving(world: World, key: AddressKey, before: Handover, after: Handover, event: HandoverEvent): Migration {
  const { now } = world;
  const out = begin(world, key, 'out', before, after, event);
  out.result = 'leaving';
  addLine(out, now, 'demoted', 'announced as leaving where no newer claim is shown');
  awaitWritten(world, out);
  return out;
}

/** Nothing is announced any more. */
function left(world: World, key: AddressKey, before: Handover, after: Handover, event: HandoverEvent): void {
  const { now } = world;
  let out = world.migrations.open.get(key);
  if (before.state === 'held' && before.hold?.level === undefined) {
    if (out !== undefined) finish(world, out, before.hold?.why === 'gate' ? 'superseded' : 'held');
    world.migrations.open.delete(key);
    return;
  }
  if (out?.direction !== 'out') out = startLeaving(world, key, before, after, event);
  out.withdrawnAtMs = now.monotonicMs;
  addLine(out, now, 'withdrawn', `route withdrawn (${after.source})`);
  finish(world, out, 'withdrawn');
  world.migrations.open.delete(key);
  awaitWritten(world, out);
}

/** Opens a handover, with its first line; the one that was open for the address is over. */
function begin(world: World, key: AddressKey, direction: Direction, before: Handover, after: Handover, event: HandoverEvent): Migration {
  const { now } = world;
  const open = world.migrations.open.get(key);
  if (open !== undefined && open.result !== 'settled') {
    if (direction === 'in') addLine(open, now, 'superseded', `heard here again (${after.source})`);
    finish(world, open, direction === 'in' && open.direction === 'out' ? 'reclaimed' : 'superseded');
  }
  const vm = after.endpoint === undefined ? undefined : vmOf(world, after.vrf, after.endpoint);
  const rival = rivalNode(world, after);
  const startMs = 'capturedAtMs' in event ? event.capturedAtMs : now.monotonicMs;
  const m = openMigration(world.migrations, key, {
    vrf: after.vrf, address: after.address, direction, startMs, startWallMs: now.wallMs - (now.monotonicMs - startMs),
    seenBy: after.source, sequence: direction === 'in' ? after.sequence : before.sequence, ...(vm === undefined ? {} : { vm }),
    ...(after.endpoint === undefined ? {} : { mac: after.endpoint.mac }), ...(rival === undefined ? {} : { peerNode: rival }),
  });
  const [first, text] = direction === 'in' ? ['frame' as const, heardAs(world, after, event)] : signOf(after, event);
  addLine(m, startMs, first, text);
  return m;
}

function heardAs(world: World, h: Handover, event: HandoverEvent): string {
  if (h.endpoint === undefined) return h.source;
  const port = world.bridges.links.get(h.endpoint.ifindex)?.name ?? `ifindex ${h.endpoint.ifindex}`;
  return `${h.source} from ${port}, ${h.endpoint.mac}, vlan ${h.endpoint.vlan}${'capturedAtMs' in event ? ' (kernel time stamp)' : ''}`;
}

/** What made us leave. */
function signOf(h: Handover, event: HandoverEvent): [TimelineLine['event'], string] {
  switch (h.source) {
    case 'uplink': return ['frame', `the VM was heard through an uplink${'capturedAtMs' in event ? ' (kernel time stamp)' : ''}`];
    case 'port-gone': return ['port-gone', 'the VM\'s port is gone'];
    case 'manual': return ['demoted', 'withdrawn by the operator'];
    default: return ['remote-claim', `newer claim${event.type === 'RemoteNewer' ? ` shown by ${event.peer}` : ''}`];
  }
}

function rivalNode(world: World, h: Handover): IpAddress | undefined {
  for (const peer of peersOf(world, h.vrf)) {
    const received = peer.adjIn.routes.get(hostPrefix(h.address));
    if (received?.kind === 'rival') return received.marks.node;
  }
  return undefined;
}

/** The handover is over: its last words, and a line for the history. */
export function finish(world: World, m: Migration, result: MigrationResult): void {
  m.result = result;
  note(world, {
    level: 'info', room: 'routes', event: 'migration.finished', publish: 'migration',
    fields: { id: m.id, address: m.address, direction: m.direction, result, ...(m.vm === undefined ? {} : { vm: m.vm }) },
  });
  world.outputs.push({ type: 'history', migration: m });
}

/** Its UPDATEs leave in this pass. */
function awaitWritten({ writing }: World, m: Migration): void {
  const others = writing.get(m.key);
  if (others === undefined) writing.set(m.key, [m]);
  else if (!others.includes(m)) others.push(m);
}

/** What one peer is sent of a handover under way. Words are found when the bytes are out. */
export function chronicleSent(world: World, peer: Peer, change: RouteChange): void {
  const announced = change.type === 'announce';
  const prefix = announced ? change.route.prefix : change.prefix;
  const key = addressKey(peer.config.vrf, prefixAddress(prefix));
  if (announced) awaitFirst(world, world.migrations.open.get(key), peer);
  for (const m of world.writing.get(key) ?? []) {
    const sent = { peer: peer.config.name, ibgp: peer.ibgp, atMs: world.now.monotonicMs };
    m.sent.push(announced ? { ...sent, attributes: change.route.attributes } : sent);
  }
}

/** A session that came up after the claim was made: what it is told first belongs to the handover, unless that was over. */
function awaitFirst(world: World, open: Migration | undefined, peer: Peer): void {
  if (open === undefined || world.writing.get(open.key)?.includes(open) === true) return;
  if (open.result === 'settled' && open.announcedAtMs !== undefined || hasLine(open, 'announced', peer.config.name)) return;
  const accepted = open.timeline.findLast((line) => line.event === 'accepted');
  if (open.announcedAtMs === undefined && accepted !== undefined) open.waitedMs = world.now.monotonicMs - accepted.atMs;
  awaitWritten(world, open);
}

/** What a received route says about the handover under way, on either side. */
export function chronicleReceived(world: World, key: AddressKey, peer: Peer, h: Handover, before: ReceivedRoute | undefined, after: ReceivedRoute | undefined): void {
  const m = world.migrations.open.get(key);
  if (m === undefined) return;
  const { now } = world;
  const { name } = peer.config;
  const nextHop = after?.route.attributes.nextHop;
  if (m.direction === 'out') {
    if (after?.kind === 'rival' && !after.leaving && before?.marks.sequence !== after.marks.sequence) {
      addLine(m, now, 'reflected', `${name} now sends next hop ${nextHop} (${after.marks.node}), sequence ${after.marks.sequence}`, name);
    }
    return;
  }
  const rivalBefore = before?.kind === 'rival';
  if (after?.kind === 'own' && after.marks.sequence === h.sequence && before?.marks.sequence !== h.sequence) {
    noteReflected(world, m, name);
    const said = peer.adjIn.paths !== undefined && hasLine(m, 'reflected', name); // a path behind it has changed
    if (!said) addLine(m, now, 'reflected', `${name} now sends next hop ${nextHop} (this node)`, name);
  } else if (rivalBefore && after === undefined) {
    noteReflected(world, m, name);
    addLine(m, now, 'reflected', `${name} withdrew the rival's route: it prefers ours`, name);
  } else if (after?.kind === 'rival' && after.leaving && !(rivalBefore && before.leaving)) {
    addLine(m, now, 'source-demoted', `${after.marks.node} announces it as leaving at ${name}`, name);
  }
  if (!rivalBefore || after?.kind === 'rival' || [...pathsOf(peer.adjIn, hostPrefix(h.address))].some(({ kind }) => kind === 'rival')) return;
  if (!hasLine(m, 'source', name)) noteSeen(world, m, name, 'migration.sourceGone', 'sourceGoneSeconds');
  addLine(m, now, 'source', `${before.marks.node ?? 'the source'}'s route withdrawn at ${name}`, name);
  if (!peersOf(world, h.vrf).some((p) => [...pathsOf(p.adjIn, hostPrefix(h.address))].some(({ kind }) => kind === 'rival'))) {
    m.sourceGoneAtMs ??= now.monotonicMs;
    addLine(m, now, 'source-gone', `no peer shows ${before.marks.node ?? 'the source'}'s route any more`, name);
  }
}

/** Our route was seen to have won at a router: the first time counts. */
function noteReflected(world: World, m: Migration, peer: string): void {
  m.reflectedAtMs ??= world.now.monotonicMs;
  if (!hasLine(m, 'reflected', peer)) noteSeen(world, m, peer, 'migration.reflected', 'reflectedSeconds');
}

/** Whether the timeline has this event at this peer. */
export function hasLine(m: Migration, event: TimelineLine['event'], peer: string): boolean {
  return m.timeline.some((line) => line.event === event && line.peer === peer);
}

function noteSeen(world: World, m: Migration, peer: string, event: 'migration.reflected' | 'migration.sourceGone', field: string): void {
  note(world, {
    level: 'debug', room: 'routes', peer, event, publish: 'migration',
    fields: { id: m.id, address: m.address, [field]: Math.round((world.now.monotonicMs - m.startMs) * 1000) / 1e6, ...(m.vm === undefined ? {} : { vm: m.vm }) },
  });
}

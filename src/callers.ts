import { encodeMessage } from '../bgp/wire/message.ts';
import { errorCodes, errorSubcodes } from '../bgp/wire/iana.ts';
import { beforeOpen } from '../bgp/steps.ts';
import type { KeyChange } from '../config/compare.ts';
import { peerOfRange } from '../config/listen-range.ts';
import { newPeer } from './new-peer.ts';
import { stepPeer } from './peering.ts';
import { beginFarewell, dropPeer } from './reload/farewell.ts';
import { note, type Input, type Peer, type World } from './world.ts';

// Peers of `bgp.listen.ranges`: nobody knows them before they connect. They are peers like any other, but that we never dial them and that
// they are forgotten some time after their last connection.

/** How long one whose session has been up is remembered without a connection, in milliseconds; longer where it may take longer to restart. */
const rememberMs = 120_000;
/** A range that is full says so at most so often, in milliseconds. */
const sayFullEveryMs = 10_000;

/** Somebody connects: a new peer, or one that comes again. */
export function takeCaller(world: World, { range: name, address, interface: link, connection, localAddress }: Extract<Input, { type: 'caller' }>): void {
  const range = world.config.bgp.listen.ranges?.find((candidate) => candidate.name === name);
  const config = range === undefined ? undefined : peerOfRange(range, address, link);
  const known = config === undefined ? undefined : world.peers.get(config.name);
  if (config !== undefined && known?.caller !== undefined) return stepPeer(world, known, { type: 'accepted', connection, localAddress });
  let others = 0;
  for (const peer of world.peers.values()) if (peer.caller?.range === name) others += 1;
  // A name that a peer of the configuration has is not shared.
  if (range === undefined || config === undefined || known !== undefined || others >= range.maxPeers) return refuse(world, name, connection, others);
  const restarting = world.now.monotonicMs - world.startedAt.monotonicMs < 1000 * world.config.bgp.gracefulRestart.restartTimeSeconds;
  const peer = newPeer(world.config, config, world.routerId, world.now, restarting, true);
  peer.caller = { range: name };
  world.peers.set(config.name, peer);
  if (world.dryRun) return;
  stepPeer(world, peer, { type: 'start' });
  stepPeer(world, peer, { type: 'accepted', connection, localAddress });
}

/** RFC 4486 section 4: accepted by TCP, not by us. */
function refuse(world: World, range: string, connection: number, others: number): void {
  const bytes = encodeMessage({ type: 'NOTIFICATION', code: errorCodes.cease, subcode: errorSubcodes.cease.connectionRejected, data: new Uint8Array() }, beforeOpen);
  world.outputs.push({ type: 'session', peer: range, output: { type: 'write', connection, bytes } }, { type: 'session', peer: range, output: { type: 'close', connection } });
  const { monotonicMs } = world.now;
  const saidMs = world.rangesFull.get(range);
  if (saidMs !== undefined && monotonicMs - saidMs < sayFullEveryMs) return;
  world.rangesFull.set(range, monotonicMs);
  note(world, { level: 'warn', room: 'bgp', event: 'range.full', publish: 'peer', fields: { range, peers: others } });
}

const isConnected = ({ session: { first, second } }: Peer): boolean => first.connection !== undefined || second?.connection !== undefined;

/** Forgets who has been away for long, and who never got as far as a session. */
export function callersIfDue(world: World): void {
  if (world.config.bgp.listen.ranges === undefined && world.rangesFull.size === 0) return;
  const { monotonicMs } = world.now;
  for (const peer of [...world.peers.values()]) {
    const { caller, restartTimeSeconds } = peer;
    if (caller === undefined || peer.farewell !== undefined) continue;
    if (isConnected(peer)) {
      delete caller.goneAtMs;
      continue;
    }
    caller.goneAtMs ??= monotonicMs + (restartTimeSeconds === undefined ? 0 : Math.max(rememberMs, restartTimeSeconds * 1000));
    if (caller.goneAtMs > monotonicMs) continue;
    dropPeer(world, peer);
    note(world, { level: 'info', room: 'bgp', peer: peer.config.name, event: 'range.forgotten', publish: 'peer', fields: { range: caller.range } });
  }
}

/** Monotonic milliseconds. */
export function callersDeadline(world: World): number {
  let next = Infinity;
  if (world.config.bgp.listen.ranges === undefined) return next;
  for (const { caller } of world.peers.values()) if (caller?.goneAtMs !== undefined && caller.goneAtMs < next) next = caller.goneAtMs;
  return next;
}

/** After a reload: those of a range that is another one now, or none, or who have become peers by name, are taken leave of. */
export function callersAnew(world: World, changes: readonly KeyChange[]): void {
  const { listen: { ranges = [] }, peers } = world.config.bgp;
  for (const peer of [...world.peers.values()]) {
    if (peer.caller === undefined || peer.farewell !== undefined) continue;
    const { range: name } = peer.caller;
    const { address, interface: link } = peer.config;
    const range = ranges.find((candidate) => candidate.name === name);
    const key = `bgp.listen.ranges[${name}]`;
    const other = changes.some((change) => change.class === 'session' && (change.key.startsWith(key) || (change.peer === undefined && !change.key.startsWith('bgp.listen.ranges'))));
    if (range === undefined || other || peers.some((named) => named.address === address && (named.interface ?? link) === link)) beginFarewell(world, peer);
    else peer.config = peerOfRange(range, address, link);
  }
}

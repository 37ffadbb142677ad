import { isRunning } from '../bridge/changes.ts';
import { locate } from '../bridge/locate.ts';
import { admit } from '../identity/admit.ts';
import { bindingsOf, holdersOf } from '../identity/bindings.ts';
import { restorePair } from '../identity/learned.ts';
import { hostPrefix } from '../net/ip.ts';
import { printable } from '../net/printable.ts';
import type { Endpoint } from '../routes/handover.ts';
import { addressKey, findOrAdd, store } from '../routes/loc-rib.ts';
import { rememberAddress, rememberPair, type BootFacts, type Memory, type RememberedAddress } from '../routes/memory.ts';
import { serialiseMemory } from '../routes/memory-text.ts';
import { isFutureRecord, recallClaim, recallDoubt, recallHeld, recallManual, recallSequence } from '../routes/recall.ts';
import { resumeDrain } from './drain.ts';
import { rulesOf } from './intake.ts';
import { isTagged, localPorts, searchFor } from './probing.ts';
import type { Watch } from './watch.ts';
import { insidePrefixes } from './watching.ts';
import { note, type World } from './world.ts';

/**
 * What the life before left behind. Before the first look at the bridges, so that no sequence is given away below one that was used.
 * `memory` undefined: nothing is known, the search for VMs that are here and the clock do what they can.
 */
export function takeMemory(world: World, memory: Memory | undefined, boot: BootFacts): void {
  const { restart, now } = world;
  restart.sameBoot = boot.id !== '' && memory?.bootId === boot.id;
  const { restartTimeSeconds } = world.config.bgp.gracefulRestart;
  // After a reboot nothing was forwarded here meanwhile, and nothing lives here: the F bit says so (RFC 4724 section 3).
  const preserved = memory === undefined ? boot.uptimeSeconds > restartTimeSeconds : restart.sameBoot;
  for (const peer of world.peers.values()) {
    const { options } = peer.session;
    if (options.gracefulRestart === undefined) continue;
    peer.session = { ...peer.session, options: { ...options, gracefulRestart: { ...options.gracefulRestart, forwardingPreserved: preserved } } };
  }
  if (memory === undefined) return;
  if (memory.drained === true) resumeDrain(world);
  const futures: RememberedAddress[] = [];
  for (const record of memory.addresses) {
    if (!insidePrefixes(world, record.vrf, record.address)) continue;
    const blank = findOrAdd(world.locRib, record.vrf, record.address, now);
    if (blank === undefined) break;
    if (isFutureRecord(record, now)) futures.push(record);
    store(world.locRib, addressKey(record.vrf, record.address), blank, recallSequence(record, now));
    if (record.state !== 'none') restart.claims.push(record);
  }
  const pairs = takePairs(world, memory);
  sayFutures(world, memory, futures);
  note(world, {
    level: 'info', room: 'routes', event: 'state.restored',
    fields: { addresses: memory.addresses.length, claims: restart.claims.length, learned: pairs, refused: memory.refused, sameBoot: restart.sameBoot },
  });
}

function takePairs(world: World, memory: Memory): number {
  const { identity } = world.config;
  if (identity.mode !== 'learn') return 0;
  const { monotonicMs, wallMs } = world.now;
  const monotonic = (atWallMs: number): number => monotonicMs - Math.max(0, wallMs - atWallMs);
  let taken = 0;
  for (const { firstHeardWallMs, lastHeardWallMs, ...pair } of [...memory.learned].sort((a, b) => a.lastHeardWallMs - b.lastHeardWallMs)) {
    if (holdersOf(world.bindings, pair.vrf, pair.address).length > 0 || !insidePrefixes(world, pair.vrf, pair.address)) continue;
    if (restorePair(world.bindings.learned, { ...pair, firstHeardMs: monotonic(firstHeardWallMs), lastHeardMs: monotonic(lastHeardWallMs) })) taken += 1;
  }
  return taken;
}

function sayFutures(world: World, memory: Memory, futures: readonly RememberedAddress[]): void {
  const first = futures[0];
  if (first === undefined) return;
  world.counters.futures += futures.length;
  note(world, {
    level: 'warn', room: 'routes', event: 'state.refused', publish: 'migration',
    fields: {
      verdict: 'future', prefix: hostPrefix(first.address), sequence: first.highestSeen, node: printable(memory.node), records: futures.length,
      text: 'sequences in the state file are more than a day ahead of the clock: not adopted',
    },
  });
}

/**
 * After the first look at the bridges. A claim whose port is the same (ifindex, MAC, boot), lives and may still claim is presence: a
 * silent VM sends no frame. What is doubtful is not announced; its VM is asked. What is neither is gone.
 */
export function confirmMemory(world: World): void {
  const { restart, now } = world;
  const local = localPorts(world);
  for (const record of restart.claims.splice(0)) {
    const key = addressKey(record.vrf, record.address);
    const h = world.locRib.handovers.get(key);
    if (h === undefined || h.state !== 'withdrawn') continue; // heard meanwhile
    const standing = standingOf(world, record);
    const { endpoint } = record;
    const own = endpoint !== undefined && standing !== 'gone' ? endpointOf(world, endpoint) : undefined;
    if (record.state === 'manual') {
      store(world.locRib, key, h, recallManual(h, record, own, now));
    } else if (record.state === 'held' && (record.hold?.level === undefined || (standing === 'same' && !isFutureRecord(record, now)))) {
      store(world.locRib, key, h, recallHeld(h, record, own, now));
      restart.unconfirmed.add(key);
    } else if (standing === 'same' && own !== undefined && !isFutureRecord(record, now)) {
      store(world.locRib, key, h, recallClaim(h, record, own, now, world.config.migration));
      if (record.step !== undefined) world.steps.set(key, Math.max(0, Math.min(record.step, world.preference.ladder.length - 1)));
      restart.unconfirmed.add(key);
    } else if (endpoint !== undefined) {
      if (own !== undefined) store(world.locRib, key, h, recallDoubt(h, own, now));
      // Those with a binding are asked by the search for all bindings.
      if (bindingsOf(world.bindings, record.vrf, endpoint.mac, endpoint.vlan).length === 0) searchFor(world, local, record.vrf, endpoint.mac, endpoint.vlan, [record.address]);
    } else continue;
    world.dirty.add(key);
  }
  if (restart.unconfirmed.size > 0) restart.endsMs = now.monotonicMs + world.config.bgp.gracefulRestart.restartTimeSeconds * 1000;
}

/** `same`: presence. `doubtful`: the port lives, and may be another VM's. `gone`: there is no such port, or nobody may claim there. */
function standingOf(world: World, { vrf, address, endpoint }: RememberedAddress): 'same' | 'doubtful' | 'gone' {
  if (endpoint === undefined || !world.restart.sameBoot) return 'gone';
  const link = world.bridges.links.get(endpoint.ifindex);
  const place = locate(world.bridges, world.watches, endpoint.ifindex, endpoint.vlan);
  if (link === undefined || !isRunning(link) || place?.role !== 'local') return 'gone';
  const watch = world.watches[place.watch] as Watch;
  const claim = { mac: endpoint.mac, vlan: endpoint.vlan, vrf, role: place.role, port: place.port, kind: 'answer' as const, address };
  if (watch.vrf !== vrf || admit(rulesOf(world, watch), claim, address).verdict !== 'accepted') return 'gone';
  return link.mac === endpoint.portMac ? 'same' : 'doubtful';
}

function endpointOf(world: World, { mac, vlan, ifindex }: Endpoint): Endpoint {
  return { mac, vlan, ifindex, tagged: isTagged(world, ifindex, vlan) };
}

/** The state file's text, piece by piece. `final`: nothing happens any more. */
export function memoryText(world: World, bootId: string, final: boolean): Iterable<string> {
  const { now, config } = world;
  return serialiseMemory({ node: config.node.name, bootId, writtenMs: now.wallMs, ...(world.drain === undefined ? {} : { drained: true as const }) }, addressesOf(world, final), pairsOf(world));
}

function* addressesOf(world: World, final: boolean): Generator<RememberedAddress> {
  // What waits for the first look is still true.
  yield* world.restart.claims;
  for (const h of world.locRib.handovers.values()) {
    const port = h.endpoint === undefined ? undefined : world.bridges.links.get(h.endpoint.ifindex);
    const record = rememberAddress(h, world.now, { port, step: world.steps.get(addressKey(h.vrf, h.address)), final });
    if (record !== undefined) yield record;
  }
}

function* pairsOf(world: World): Generator<ReturnType<typeof rememberPair>> {
  for (const pair of world.bindings.learned.pairs.values()) yield rememberPair(pair, world.now);
}

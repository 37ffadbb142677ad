import { renderConfig } from '../config/render.ts';
import { listBindings } from '../identity/bindings.ts';
import { portFor } from '../bridge/locate.ts';
import { hostPrefix, isHostPrefix, parseIp, parsePrefix, prefixAddress, type IpAddress } from '../net/ip.ts';
import type { ApiRequest } from './backend.ts';
import { saidOfHold } from './chronicle-held.ts';
import { collectDoctor } from './doctor/examine-speaker.ts';
import { fabricWarnings } from './fabric.ts';
import { twinWarnings } from './identifier-twins.ts';
import { collectDrain } from './collect/drain.ts';
import { collectMigration, collectMigrations } from './collect/migrations.ts';
import { collectPeers } from './collect/peers.ts';
import { collectReceived } from './collect/received.ts';
import { collectPrefixes } from './collect/prefixes.ts';
import { timeText, wallOf } from './collect/time.ts';
import { collectWhy } from './collect/why.ts';
import type { ProcessFacts } from './process-facts.ts';
import type { BindingItem, ErrorReply, IgnoredItem, ListReply, StatusItem } from './views/items.ts';
import { printable } from '../net/printable.ts';
import { insidePrefixes, watchWarnings } from './watching.ts';
import type { World } from './world.ts';

/** So many peers are named to who asks for one that is not there. */
const namedAtMost = 16;

type ReadRequest = Exclude<ApiRequest, { verb: 'announce' | 'withdraw' | 'auto' | 'clear' | 'hint' | 'reload' | 'beginDrain' | 'undrain' }>;

/** Answers a question from the state as it stands. Changes nothing. */
export function answer(world: World, request: ReadRequest, facts: ProcessFacts): ListReply<unknown> | ErrorReply {
  switch (request.verb) {
    case 'status':
      return list(world, 'Status', [collectStatus(world, facts)]);
    case 'peers': {
      const items = collectPeers(world, request.name);
      return noSuchPeer(world, request.name) ?? list(world, 'PeerList', items);
    }
    case 'prefixes':
      return noSuchPeer(world, request.peer) ?? list(world, 'PrefixList', collectPrefixes(world, request));
    case 'received':
      return noSuchPeer(world, request.peer) ?? list(world, 'ReceivedList', collectReceived(world, request.prefix, request.peer));
    case 'migrations':
      return list(world, 'MigrationList', collectMigrations(world, request));
    case 'migration': {
      const found = world.migrations.all.find((m) => m.id === request.id);
      return found === undefined ? refusal('notFound', `no migration has the id ${printable(request.id)}`) : list(world, 'MigrationList', [collectMigration(found)]);
    }
    case 'bindings':
      return list(world, 'BindingList', collectBindings(world));
    case 'ignored':
      return list(world, 'IgnoredList', collectIgnored(world, request.sinceSeconds));
    case 'config':
      return list(world, 'Config', [renderConfig(world.config)]);
    case 'doctor':
      return list(world, 'Doctor', [collectDoctor(world, facts)]);
    case 'drain':
      return list(world, 'Drain', [collectDrain(world)]);
    case 'why': {
      const found = findAddress(world, request.address, undefined);
      return 'kind' in found ? found : list(world, 'WhyList', [collectWhy(world, found.vrf, found.address)]);
    }
  }
}

/** What a question about a peer that is not there is answered. */
function noSuchPeer(world: World, name: string | undefined): ErrorReply | undefined {
  if (name === undefined) return undefined;
  const names = [...world.peers.values()].map(({ config }) => config.name);
  if (names.includes(name)) return undefined;
  const more = names.length > namedAtMost ? `, and ${names.length - namedAtMost} more` : '';
  return refusal('notFound', `no peer is named ${printable(name)}; there ${names.length === 0 ? 'is none' : `are ${names.slice(0, namedAtMost).map((each) => printable(each)).join(', ')}${more}`}`);
}

/** The address and VRF that a request means; an address that lies in the prefixes of several VRFs needs the VRF's name. */
export function findAddress(world: World, text: string, vrf: string | undefined): { readonly address: IpAddress; readonly vrf: string } | ErrorReply {
  const prefix = parsePrefix(text);
  const address = parseIp(text) ?? (prefix !== undefined && isHostPrefix(prefix) ? prefixAddress(prefix) : undefined);
  if (address === undefined) return refusal('badRequest', `${printable(text)} is no IP address, /32 or /128`);
  const vrfs = [...new Set(world.watches.map((watch) => watch.vrf))];
  if (vrf !== undefined) return vrfs.includes(vrf) ? { address, vrf } : refusal('notFound', `no watch has the vrf ${printable(vrf)}`);
  const inside = vrfs.filter((name) => insidePrefixes(world, name, address));
  if (inside.length > 1) return refusal('conflict', `${address} lies in the prefixes of several VRFs (${inside.join(', ')}): name one`);
  return { address, vrf: inside[0] ?? vrfs[0] ?? 'default' };
}

export function list<Item>(world: World, kind: string, items: Item[]): ListReply<Item> {
  return { apiVersion: 'landfall/v1', kind, node: world.config.node.name, time: timeText(world.now.wallMs), items };
}

export function refusal(code: ErrorReply['error']['code'], message: string): ErrorReply {
  return { apiVersion: 'landfall/v1', kind: 'Error', error: { code, message } };
}

function collectStatus(world: World, facts: ProcessFacts): StatusItem {
  const prefixes: Record<string, number> = { normal: 0, elevated: 0, leaving: 0, withdrawn: 0, held: 0, manual: 0 };
  for (const h of world.locRib.handovers.values()) if (h.sequence > 0 || h.state !== 'withdrawn') prefixes[h.state] = (prefixes[h.state] ?? 0) + 1;
  const last = world.migrations.all.at(-1);
  let established = 0;
  for (const peer of world.peers.values()) if (peer.session.fsm === 'Established') established += 1;
  return {
    version: facts.version, node: world.config.node.name, routerId: world.routerId, routerIdFrom: facts.routerIdFrom,
    startedAt: timeText(world.startedAt.wallMs), uptimeSeconds: Math.round(world.now.monotonicMs - world.startedAt.monotonicMs) / 1000, dryRun: world.dryRun,
    peers: { configured: world.peers.size, established }, prefixes,
    ...(last === undefined ? {} : {
      lastMigration: {
        id: last.id, ...(last.vm === undefined ? {} : { vm: printable(last.vm) }), prefix: hostPrefix(last.address), direction: last.direction,
        startedAt: timeText(last.startWallMs), result: last.result,
      },
    }),
    ...(world.lastReload === undefined ? {} : { lastReload: { at: timeText(world.lastReload.wallMs), successful: world.lastReload.successful } }),
    ...(world.drain === undefined ? {} : { drain: collectDrain(world) }),
    capture: { frames: facts.capture.received, dropped: facts.capture.dropped },
    ...(facts.recording === undefined ? {} : { recording: facts.recording }),
    warnings: [...facts.warnings, ...(facts.stateProblem === undefined ? [] : [facts.stateProblem]), ...watchWarnings(world), ...speakerWarnings(world), ...fabricWarnings(world), ...twinWarnings(world)],
  };
}

/** What the protocol itself has to complain of. */
function speakerWarnings(world: World): string[] {
  const warnings: string[] = [];
  for (const peer of world.peers.values()) {
    const { name } = peer.config;
    for (const family of peer.noNextHop) {
      warnings.push(`${name}: ${family} routes are not sent: ${peer.session.negotiated?.families.includes(family as never) === false ? 'the peer does not speak the family' : `no next hop; set bgp.nextHop.${family.slice(0, 4)}`}`);
    }
    if (peer.adjOut.overLimit.size > 0) warnings.push(`${name}: ${peer.adjOut.overLimit.size} prefixes are held back by maxPrefixes (${peer.config.maxPrefixes})`);
    else if (peer.config.maxPrefixes !== undefined && peer.adjOut.sent.size >= 0.8 * peer.config.maxPrefixes) {
      warnings.push(`${name}: ${peer.adjOut.sent.size} prefixes sent, 80 % of maxPrefixes (${peer.config.maxPrefixes}) reached`);
    }
    if (peer.adjIn.refused > 0) warnings.push(`${name}: ${peer.adjIn.refused} received routes were beyond the limit and not kept`);
    for (const [prefix, received] of peer.adjIn.routes) {
      if (received.kind === 'future') { warnings.push(`${name}: ${prefix} has a sequence more than a day ahead of our clock (node ${received.marks.node ?? '-'}): not obeyed; check that node's clock`); break; }
    }
  }
  let held = 0;
  for (const h of world.locRib.handovers.values()) {
    if (h.hold === undefined || (h.hold.why === 'gate' && h.hold.untilMs !== undefined)) continue;
    held += 1;
    if (held <= 3) warnings.push(`${hostPrefix(h.address)} is held: ${saidOfHold(world, h)}${h.hold.why === 'gate' ? '' : `; landfall clear ${h.address}`}`);
  }
  if (held > 3) warnings.push(`${held - 3} more addresses are held: landfall show prefixes --state held`);
  if (!world.now.wallTrusted) warnings.push('the clock is wrong (never set, or years ahead): it contributes nothing to sequences, which only follow what was seen; set it, and run an NTP client');
  else if (world.now.wallSynchronised === false) warnings.push('the clock is not synchronised: claims of nodes that see nothing of each other may be ordered wrongly; run an NTP client');
  return warnings;
}

function collectBindings(world: World): BindingItem[] {
  return listBindings(world.bindings).map(({ lastHeardMs, ...entry }) => {
    const seen = portFor(world.bridges, world.watches, entry.mac, entry.vlan);
    return {
      ...entry, ips: [...entry.ips],
      ...(lastHeardMs === undefined ? {} : { lastSeen: wallOf(lastHeardMs, world.now) }),
      ...(seen === undefined ? {} : { port: printable(seen.port.name) }),
    };
  });
}

function collectIgnored(world: World, sinceSeconds: number | undefined): IgnoredItem[] {
  const oldest = sinceSeconds === undefined ? -Infinity : world.now.monotonicMs - sinceSeconds * 1000;
  return [...world.ignored.values()].filter((i) => i.at.monotonicMs >= oldest).map(({ at, first: _first, ...rest }) => ({
    at: timeText(at.wallMs), ...rest, reason: printable(rest.reason, 200), ...(rest.port === undefined ? {} : { port: printable(rest.port) }),
  })).sort((a, b) => (a.at < b.at ? 1 : -1));
}

import type { Capability } from '../../bgp/wire/messages.ts';
import { familyOf, type Family } from '../../net/ip.ts';
import { printable } from '../../net/printable.ts';
import type { PeerItem, PeerState } from '../views/items.ts';
import type { Peer, World } from '../world.ts';
import { timeText } from './time.ts';

export function collectPeers(world: World, name?: string): PeerItem[] {
  const items: PeerItem[] = [];
  for (const peer of world.peers.values()) if (name === undefined || peer.config.name === name) items.push(collectPeer(world, peer));
  return items;
}

function collectPeer(world: World, peer: Peer): PeerItem {
  const { config, session } = peer;
  const { negotiated, lastError } = session;
  const inState = Math.max(0, (world.now.wallMs - session.sinceMs) / 1000);
  const established = session.fsm === 'Established';
  const count = (prefixes: Iterable<string>, family: string): number => {
    let n = 0;
    for (const prefix of prefixes) if (familyOf(prefix as never) === family) n += 1;
    return n;
  };
  return {
    name: config.name, address: config.address, asn: config.asn, type: peer.ibgp ? 'ibgp' : 'ebgp',
    state: session.fsm.toLowerCase() as PeerState, since: timeText(session.sinceMs),
    ...(established ? { upSeconds: inState } : { downSeconds: inState }),
    families: config.families.map((family) => ({
      family: family === 'ipv4-unicast' ? 'ipv4' : 'ipv6', negotiated: negotiated?.families.includes(family) ?? false,
      sent: count(peer.adjOut.sent.keys(), family), received: count(peer.adjIn.routes.keys(), family),
      ...staleOf(world, peer, family),
    })),
    auth: config.tcpAo !== undefined ? 'tcp-ao' : config.password === undefined ? 'none' : 'md5', profile: config.profile, vrf: config.vrf,
    ...(lastError === undefined ? {} : { lastError: printable(lastError.text, 300), lastErrorAt: timeText(lastError.atMs) }),
    ...(negotiated === undefined ? {} : {
      remoteRouterId: negotiated.remoteIdentifier, localAddress: negotiated.localAddress, holdTimeSeconds: negotiated.holdTimeSeconds,
      keepaliveSeconds: negotiated.keepaliveSeconds, capabilities: negotiated.remoteCapabilities.map(capabilityText),
    }),
    messages: session.messages, pending: peer.adjOut.overLimit.size, ...(config.bfd === undefined ? {} : { bfd: collectBfd(peer) }),
  };
}

function staleOf(world: World, peer: Peer, family: Family): Pick<PeerItem['families'][number], 'stale'> {
  const kept = peer.retained.get(family);
  if (kept === undefined || kept.rib.routes.size === 0) return {};
  return { stale: { routes: kept.rib.routes.size, longLived: kept.phase === 'longLived', endsSeconds: Math.max(0, (kept.endsMs - world.now.monotonicMs) / 1000) } };
}

function collectBfd({ bfd }: Peer): NonNullable<PeerItem['bfd']> {
  if (bfd === undefined) return { state: 'unknown' };
  const { state, text, remoteState, detectionTimeMs, sendIntervalMs, ups } = bfd.report;
  return {
    state: state.toLowerCase(), since: timeText(bfd.sinceMs), ...(text === '' ? {} : { text: printable(text) }), remoteState: remoteState.toLowerCase(),
    detectionTimeMs, sendIntervalMs, ups,
  };
}

function capabilityText(capability: Capability): string {
  switch (capability.type) {
    case 'multiprotocol': return `multiprotocol ${capability.afi}/${capability.safi}`;
    case 'fourOctetAs': return `4-octet AS ${capability.asn}`;
    case 'gracefulRestart': return `graceful restart ${capability.restartTimeSeconds}s`;
    case 'routeRefresh': return 'route refresh';
    case 'enhancedRouteRefresh': return 'enhanced route refresh';
    case 'extendedMessage': return 'extended message';
    case 'extendedNextHop': return `extended next hop ${capability.families.map(({ afi, safi, nextHopAfi }) => `${afi}/${safi} by ${nextHopAfi}`).join(', ')}`.trimEnd();
    case 'addPath': return `add-path ${capability.families.map(({ afi, safi, sendReceive }) => `${afi}/${safi} ${['', 'receive', 'send', 'both'][sendReceive] ?? sendReceive}`).join(', ')}`.trimEnd();
    case 'longLivedGracefulRestart': return `long-lived graceful restart ${capability.families.map(({ afi, safi, staleTimeSeconds }) => `${afi}/${safi} ${staleTimeSeconds}s`).join(', ')}`.trimEnd();
    case 'role': return `role ${capability.role}`;
    case 'hostname': return `hostname ${printable(capability.hostname)}`;
    case 'unknown': return `code ${capability.code}`;
  }
}

import type { FsmState } from '../../bgp/session-contract.ts';
import { familyOf } from '../../net/ip.ts';
import { histogramOf, type Metrics } from '../metrics.ts';
import type { Peer, World } from '../world.ts';
import { combinations, countOf } from './counts.ts';
import type { Histogram } from './histogram.ts';
import type { Labels, MetricFamily } from './text-format.ts';

const fsmStates: readonly FsmState[] = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'];
const messageTypes = ['OPEN', 'UPDATE', 'NOTIFICATION', 'KEEPALIVE', 'ROUTE-REFRESH'];
const routeClasses = ['normal', 'elevated', 'leaving'];

type Samples = [Labels, number][];

/** Every series of every configured peer, also of one that was never established. */
export function collectPeerMetrics(world: World, metrics: Metrics): MetricFamily[] {
  const peers = [...world.peers.values()];
  const plain = (name: string, type: 'gauge' | 'counter', help: string, of: (peer: Peer) => Samples): MetricFamily => ({
    name, help, series: { type, samples: peers.flatMap((peer) => of(peer).map(([labels, value]) => ({ labels: { peer: peer.config.name, ...labels }, value }))) },
  });
  const histogram = (name: string, help: string, of: Map<string, Histogram>): MetricFamily => ({
    name, help, series: { type: 'histogram', samples: peers.map(({ config }) => ({ labels: { peer: config.name }, value: histogramOf(of, config.name) })) },
  });
  return [
    plain('bgp_session_up', 'gauge', '1 while the session is established.', ({ config, session }) => [[{ peer_asn: config.asn }, session.fsm === 'Established' ? 1 : 0]]),
    plain('bgp_session_state', 'gauge', '1 on the present state of the session, 0 on the others.', ({ session }) =>
      fsmStates.map((state) => [{ state: state.toLowerCase() }, session.fsm === state ? 1 : 0])),
    plain('bgp_session_established_timestamp_seconds', 'gauge', 'When the session was established; there while it is.', ({ session }) =>
      (session.fsm === 'Established' ? [[{}, session.sinceMs / 1000]] : [])),
    plain('bgp_session_transitions_total', 'counter', 'Changes of the session into a state.', ({ config }) =>
      fsmStates.map((state) => [{ to: state.toLowerCase() }, countOf(metrics.transitions, config.name, state.toLowerCase())])),
    plain('bgp_notifications_total', 'counter', 'NOTIFICATION messages, by the numbers of RFC 4271 section 4.5.', ({ config }) => notificationsOf(metrics, config.name)),
    plain('bgp_messages_total', 'counter', 'BGP messages.', ({ session }) => (['sent', 'received'] as const).flatMap((direction) =>
      messageTypes.map((type): [Labels, number] => [{ direction, type: type.toLowerCase() }, session.messages[direction][type] ?? 0]))),
    plain('bgp_advertised_routes', 'gauge', 'Routes that the peer was sent (Adj-RIB-Out), by what they say.', advertisedTo),
    plain('bgp_received_routes', 'gauge', 'Routes of VMs held from the peer (Adj-RIB-In).', (peer) => countByAfi(peer.adjIn.routes.keys())),
    plain('bgp_pending_routes', 'gauge', 'Routes that maxPrefixes holds back.', ({ adjOut }) => [[{}, adjOut.overLimit.size]]),
    histogram('migration_reflected_seconds', 'From a VM\'s first frame to our route seen from the router.', metrics.reflected),
    histogram('migration_source_gone_seconds', 'From a VM\'s first frame to the source\'s route gone at the router.', metrics.sourceGone),
  ];
}

function notificationsOf(metrics: Metrics, peer: string): Samples {
  const samples: Samples = [];
  for (const { words: [name, direction, numbers], value } of combinations(metrics.notifications)) {
    const [code = '', subcode = ''] = numbers.split('.');
    if (name === peer) samples.push([{ direction, code, subcode }, value]);
  }
  return samples;
}

function advertisedTo({ adjOut }: Peer): Samples {
  const counts = new Map<string, number>();
  for (const [prefix, { key }] of adjOut.sent) {
    const of = `${afi(prefix)} ${key.slice(0, key.indexOf(' '))}`;
    counts.set(of, (counts.get(of) ?? 0) + 1);
  }
  return ['ipv4', 'ipv6'].flatMap((name) => routeClasses.map((level): [Labels, number] => [{ afi: name, class: level }, counts.get(`${name} ${level}`) ?? 0]));
}

function countByAfi(prefixes: Iterable<Parameters<typeof familyOf>[0]>): Samples {
  const counts = { ipv4: 0, ipv6: 0 };
  for (const prefix of prefixes) counts[afi(prefix)] += 1;
  return Object.entries(counts).map(([name, value]) => [{ afi: name }, value]);
}

function afi(prefix: Parameters<typeof familyOf>[0]): 'ipv4' | 'ipv6' {
  return familyOf(prefix) === 'ipv4-unicast' ? 'ipv4' : 'ipv6';
}

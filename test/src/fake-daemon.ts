import { serveApi } from '../../src/io/api-socket.ts';
import { createLog } from '../../src/log.ts';
import type { ApiRequest, Backend } from '../../src/backend.ts';
import { fileOf, valid } from '../config/fixtures.ts';
import type { DoctorItem, ErrorReply, EventItem, ListReply, MigrationItem, PeerItem, PrefixItem, ReloadItem, StatusItem } from '../../src/views/items.ts';

// A daemon without a speaker: the real API socket before canned answers, those of the figures in the documentation.

export const peers: PeerItem[] = [
  {
    name: 'tor-a', address: '192.0.2.1', asn: 65010, type: 'ibgp', state: 'established', since: '2026-11-20T08:30:00.000Z', upSeconds: 4 * 86400 + 2 * 3600 + 11 * 60 + 5,
    families: [{ family: 'ipv4', negotiated: true, sent: 42, received: 3 }, { family: 'ipv6', negotiated: true, sent: 42, received: 0 }],
    auth: 'md5', profile: 'sequence', vrf: 'default', messages: { sent: {}, received: {} }, pending: 0, holdTimeSeconds: 9, localAddress: '192.0.2.17', remoteRouterId: '192.0.2.1',
  },
  {
    name: 'tor-b', address: '192.0.2.2', asn: 65001, type: 'ebgp', state: 'active', since: '2026-11-24T10:39:55.000Z', downSeconds: 72,
    families: [{ family: 'ipv4', negotiated: false, sent: 0, received: 0 }],
    auth: 'md5', profile: 'window', vrf: 'default', lastError: 'Bad Peer AS (2/2): it says 65011', messages: { sent: {}, received: {} }, pending: 0,
  },
];

export const prefixes: PrefixItem[] = [
  {
    prefix: '203.0.113.11/32', vrf: 'default', vm: 'shop/web-1', state: 'elevated', localPref: 200, med: 0, communities: ['65010:200'], largeCommunities: [],
    peers: { sent: 2, of: 2, names: ['tor-a', 'tor-b'] }, since: '2026-11-24T10:41:07.000Z', sinceSeconds: 8.2, next: { state: 'normal', inSeconds: 81.8 },
    mac: '52:54:00:aa:00:01', vlan: 100, port: 'vnet4', source: 'garp',
  },
  {
    prefix: '203.0.113.12/32', vrf: 'default', vm: 'shop/db-1', state: 'normal', localPref: 100, med: 100, communities: ['65010:100'], largeCommunities: [],
    peers: { sent: 2, of: 2, names: ['tor-a', 'tor-b'] }, since: '2026-11-24T07:29:00.000Z', sinceSeconds: 3 * 3600 + 12 * 60, mac: '52:54:00:aa:00:02', vlan: 100, port: 'vnet1', source: 'rarp',
  },
  {
    prefix: '203.0.113.19/32', vrf: 'default', vm: 'shop/old-3', state: 'withdrawn', communities: [], largeCommunities: [],
    peers: { sent: 0, of: 2, names: [] }, since: '2026-11-24T10:40:00.000Z', sinceSeconds: 41, mac: '52:54:00:aa:00:09', vlan: 100, source: 'port-gone',
  },
];

export const migrations: MigrationItem[] = [
  {
    id: 'k3f9', vm: 'shop/web-1', prefix: '203.0.113.11/32', vrf: 'default', direction: 'in', peerNode: 'hv-03', startedAt: '2026-11-24T10:41:07.123Z', seenBy: 'garp',
    announceSeconds: 0.0011, reflectedSeconds: 0.0114, sourceGoneSeconds: 0.041, result: 'settled',
    timeline: [
      { atSeconds: 0, event: 'frame', text: 'garp from vnet4, 52:54:00:aa:00:01, vlan 100 (kernel time stamp)' },
      { atSeconds: 0.0003, event: 'accepted', text: 'binding shop/web-1; inside 203.0.113.0/24' },
      { atSeconds: 0.0011, event: 'announced', text: 'tor-a: local-pref 200, 65010:200; tor-b: med 0, 65010:200' },
      { atSeconds: 90.0011, event: 'settled', text: 'normal route sent to tor-a, tor-b (profile window)' },
    ],
  },
  {
    id: 'k3f8', vm: 'shop/db-1', prefix: '203.0.113.12/32', vrf: 'default', direction: 'out', peerNode: 'hv-09', startedAt: '2026-11-24T10:39:55.000Z', seenBy: 'uplink',
    withdrawnSeconds: 0.0007, result: 'withdrawn', timeline: [],
  },
];

const status: StatusItem = {
  version: '0.1.0', node: 'hv-07', routerId: '192.0.2.17', routerIdFrom: 'session', startedAt: '2026-11-20T08:30:00.000Z', uptimeSeconds: 353465, dryRun: false,
  peers: { configured: 2, established: 1 }, prefixes: { elevated: 1, normal: 1, withdrawn: 1 },
  lastMigration: { id: 'k3f9', vm: 'shop/web-1', prefix: '203.0.113.11/32', direction: 'in', startedAt: '2026-11-24T10:41:07.123Z', result: 'settled' },
  capture: { frames: 1234, dropped: 0 }, warnings: ['tap7 is on br-vlan and in neither ports.local nor ports.uplink: add "tap*" to watch[0].ports.local'],
};

const doctor: DoctorItem = {
  config: valid(fileOf()), peers, capabilities: { effective: '2000', bounding: '2000', noNewPrivileges: true, uid: 999 },
  findings: [
    { result: 'ok', topic: 'session', text: 'tor-a established, md5, hold 9 s agreed' },
    { result: 'warn', topic: 'held', text: '203.0.113.11/32 is held: it moved too often', fix: 'landfall clear 203.0.113.11' },
  ],
};

/** What the next reload comes to. */
export const nextReload: { result: 'applied' | 'unchanged' | 'refused' | 'invalid' } = { result: 'applied' };

const noChange = { changes: [], peers: [], errors: [], warnings: [] };
const holdChange = { key: 'bgp.peers[tor-a].timers.hold', class: 'session' as const, peer: 'tor-a', from: '9', to: '30' };
const reloads: Readonly<Record<ReloadItem['result'], ReloadItem>> = {
  planned: { ...noChange, result: 'planned', changes: [holdChange], peers: [{ name: 'tor-a', action: 'reset', keys: [holdChange.key] }] },
  applied: { ...noChange, result: 'applied', changes: [holdChange], peers: [{ name: 'tor-a', action: 'reset', keys: [holdChange.key] }] },
  unchanged: { ...noChange, result: 'unchanged' },
  refused: { ...noChange, result: 'refused', changes: [{ key: 'bgp.asn', class: 'restart', from: '65010', to: '65011' }] },
  invalid: { ...noChange, result: 'invalid', errors: ['landfall.yaml:3:1  bgp.asm  unknown key "asm"', 'landfall.yaml:4:1  watch  is required'] },
};

function list(kind: string, items: unknown[]): ListReply<unknown> {
  return { apiVersion: 'landfall/v1', kind, node: 'hv-07', time: '2026-11-24T10:41:15.000Z', items };
}

function missing(message: string): ErrorReply {
  return { apiVersion: 'landfall/v1', kind: 'Error', error: { code: 'notFound', message } };
}

/** Answers from the items above; `seen` gathers the requests. */
export function fakeBackend(seen: ApiRequest[] = []): Backend & { emit(event: EventItem): void; readonly listeners: number } {
  const listeners = new Set<(event: EventItem) => void>();
  return {
    handle(request) {
      seen.push(request);
      switch (request.verb) {
        case 'status': return list('Status', [status]);
        case 'peers': {
          const items = peers.filter((peer) => request.name === undefined || peer.name === request.name);
          return items.length === 0 ? missing(`no peer is named ${request.name}`) : list('PeerList', items);
        }
        case 'prefixes':
          if (request.vm === 'slow') for (const end = Date.now() + 300; Date.now() < end; );
          if (request.vm === 'many') return list('PrefixList', Array.from({ length: 2500 }, () => prefixes[0]));
          if (request.vm === 'broken') throw new TypeError('planted');
          return list('PrefixList', prefixes.filter((item) => (request.state ?? item.state) === item.state && (request.prefix ?? item.prefix) === item.prefix));
        case 'received':
          return list('ReceivedList', [
            { peer: 'tor-a', prefix: '203.0.113.12/32', nextHop: '192.0.2.18', localPref: 100, asPath: '', communities: [], largeCommunities: ['65010:16777216:7'], sequence: 7, mac: '52:54:00:aa:00:02', node: '192.0.2.18', kind: 'rival', since: '2026-11-24T10:41:07.123Z' },
          ]);
        case 'migrations': return list('MigrationList', migrations.filter((item) => (request.vm ?? item.vm) === item.vm));
        case 'migration': {
          const items = migrations.filter((item) => item.id === request.id);
          return items.length === 0 ? missing(`no migration has the id ${request.id}`) : list('MigrationList', items);
        }
        case 'bindings': return list('BindingList', [{ vm: 'shop/web-1', mac: '52:54:00:aa:00:01', vlan: 100, vrf: 'default', ips: ['203.0.113.11', '2001:db8:100::11'], origin: 'config' }]);
        case 'ignored':
          return list('IgnoredList', [
            { at: '2026-11-24T10:41:07.123Z', verdict: 'no_binding', kind: 'rarp', reason: 'RARP of an unknown MAC', port: 'vnet9\x1b[2J\r\nx', mac: '52:54:00:aa:00:31', vlan: 100, count: 5 },
          ]);
        case 'doctor': return list('Doctor', [doctor]);
        case 'config': return list('Config', [{ node: { name: 'hv-07', labels: {} }, bgp: { asn: 65010 } }]);
        case 'why':
          return list('WhyList', [
            { address: request.address, vrf: 'default', announced: false, answer: `${request.address}/32 is not announced: no binding names it.`, checks: [{ check: 'prefixes', result: 'ok', text: 'inside watch.prefixes' }, { check: 'binding', result: 'fail', text: 'no binding' }] },
          ]);
        case 'reload': return list('Reload', [reloads[request.dryRun === true ? 'planned' : nextReload.result]]);
        case 'drain': case 'beginDrain': return list('Drain', [{ state: 'withdrawn', since: '2026-11-24T10:41:07.123Z', routes: 0 }]);
        case 'undrain': return list('Drain', [{ state: 'off', routes: 2 }]);
        case 'hint':
          return request.vm === 'nobody' ? missing('no VM that is or was on this node is called nobody, by name, MAC or address')
            : list('HintList', [{ prefix: '203.0.113.11/32', vrf: 'default', vm: 'shop/web-1', mac: '52:54:00:aa:00:01', state: request.state === 'paused' ? 'sending' : 'undone', ...(request.state === 'paused' ? { node: request.to ?? 'hv-09' } : {}) }]);
        case 'announce': case 'withdraw': case 'auto': case 'clear': return list('PrefixList', []);
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    emit(event) {
      for (const listener of listeners) listener(event);
    },
    get listeners() {
      return listeners.size;
    },
  };
}

/** A log that nobody reads. */
export const silentLog = createLog({ level: 'error', format: 'json', destination: '/dev/null' });

/** For a daemon by itself: `tsx fake-daemon.ts PATH`. */
if (process.argv[1]?.endsWith('fake-daemon.ts') === true) {
  const path = process.argv[2] as string;
  await serveApi({ path, mode: 0o600, backend: fakeBackend(), log: createLog({ level: 'info', format: 'json' }) });
}

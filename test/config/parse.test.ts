import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Config } from '../../config/config.ts';
import { errorsOf, fileOf, parse, valid, warningsOf } from './fixtures.ts';

const peer = (rest: string, name = 'tor-a') => `{asn: 65010, peers: [{name: ${name}, address: 192.0.2.1, asn: 65010, families: [ipv4-unicast]${rest}}]}`;

describe('config: defaults', () => {
  const config = valid(fileOf());

  it('are those of the documentation', () => {
    assert.deepEqual(config, {
      node: { name: 'hv-01', labels: {} },
      bgp: {
        asn: 65010, listen: { enabled: false, port: 179 }, nextHop: {}, gracefulRestart: { enabled: true, restartTimeSeconds: 60 }, receive: 'vm-prefixes',
        peers: [{
          name: 'tor-a', address: '192.0.2.1', asn: 65010, port: 179, families: ['ipv4-unicast'], timers: { holdSeconds: 9, keepaliveSeconds: 3, connectRetrySeconds: 5 },
          ttlSecurity: false, nextHop: {}, profile: 'sequence', vrf: 'default', addPath: true, bindings: 'learn',
        }],
      },
      watch: [{
        bridge: 'br-vlan', ports: { local: ['vnet*'], uplink: ['bond0'] }, announcements: ['garp', 'rarp', 'na'], prefixes: ['203.0.113.0/24'], exclude: [], vrf: 'default',
      }],
      routes: {
        globalAdmin: 65010, ladder: {communities: ["65010:200", "65010:201", "65010:202", "65010:203", "65010:204", "65010:205", "65010:206", "65010:207"]}, prepend: 3, noExport: false,
        normal: { localPref: 100, med: 100, communities: ['65010:100'] },
        elevated: { localPref: 200, med: 0, communities: ['65010:200'] },
        leaving: { localPref: 50, med: 200, communities: ['65010:50'] },
      },
      migration: {
        firstEvidence: 'auto', elevatedForMs: 90_000, debounceMs: 1500, withdrawOn: ['uplink-announcement', 'remote-claim', 'port-gone'],
        withdrawAfterMs: 2000, portGoneGraceMs: 2000, maxPerSecond: 100, flap: { moves: 5, withinMs: 180_000, holdMs: 60_000 },
      },
      identity: { mode: 'learn', onConflict: 'keep', learnedForMs: 86_400_000, learnedIdleForMs: 1_800_000, unverifiedPorts: 'allow', shared: [], bindings: [] },
      stragglers: { enabled: false, mode: 'auto', ceilingMs: 5000, members: 'auto' },
      kernel: { routes: 'off', refreshNeighbors: false },
      kubernetes: { enabled: false, serviceAccount: '/var/run/secrets/kubernetes.io/serviceaccount' },
      process: { scheduling: 'normal' },
      gate: { checks: [], timeoutMs: 500, onTimeout: 'closed' },
      telemetry: { listen: { address: '127.0.0.1', port: 17479 }, web: false, perPrefixMetrics: false, bmp: [], history: { keep: 1000 } },
      log: { level: 'info', format: 'auto' },
      api: { socket: '/run/landfall/landfall.sock', mode: 0o660 },
    });
  });

  it('only iBGP peers are a source of bindings, unless told otherwise', () => {
    const bgp = '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65010, families: [ipv4-unicast]}, {name: b, address: 192.0.2.2, asn: 65001, families: [ipv4-unicast], routes: {profile: window}}, {name: c, address: 192.0.2.3, asn: 65001, families: [ipv4-unicast], routes: {profile: window}, bindings: learn}]}';
    assert.deepEqual(valid(fileOf({ bgp, migration: '{elevatedFor: 120s}' })).bgp.peers.map((peer) => peer.bindings), ['learn', 'none', 'learn']);
  });

  it('strict is the default mode', () => assert.equal(valid(fileOf({ identity: '{}' })).identity.mode, 'strict'));

  it('written out, they give the same configuration', () => {
    const written = fileOf({
      node: '{name: hv-01, labels: {}}',
      bgp: '{asn: 65010, listen: {enabled: false, port: 179}, nextHop: {}, timers: {hold: 9s, keepalive: 3s, connectRetry: 5s}, gracefulRestart: {enabled: true, restartTime: 60s}, longLivedGracefulRestart: {families: [], maxStaleTime: 24h}, receive: vm-prefixes, peers: [{name: tor-a, address: 192.0.2.1, asn: 65010, port: 179, families: [ipv4-unicast], timers: {}, ttlSecurity: false, nextHop: {}, routes: {profile: sequence}, vrf: default}]}',
      watch: '[{bridge: br-vlan, ports: {local: ["vnet*"], uplink: [bond0]}, announcements: [garp, rarp, na], prefixes: [203.0.113.0/24], exclude: [], vrf: default}]',
      routes: '{globalAdmin: 65010, normal: {localPref: 100, med: 100, communities: ["65010:100"]}, elevated: {localPref: 200, med: 0, communities: ["65010:200"]}, leaving: {localPref: 50, med: 200, communities: ["65010:50"]}, noExport: false}',
      migration: '{firstEvidence: auto, elevatedFor: 90s, debounce: 1500ms, withdrawOn: [uplink-announcement, remote-claim, port-gone], withdrawAfter: 2s, portGoneGrace: 2s, maxPerSecond: 100, flap: {moves: 5, within: 180s, hold: 60s}}',
      gate: '{checks: [], timeout: 500ms, onTimeout: closed}',
      identity: '{mode: learn, onConflict: keep, learnedFor: 24h, bindings: []}',
      process: '{scheduling: normal}', telemetry: '{listen: "127.0.0.1:17479", web: false, perPrefixMetrics: false, history: {keep: 1000}}', log: '{level: info, format: auto}',
      api: '{socket: /run/landfall/landfall.sock, mode: "0660"}', overrides: '[]',
    });
    assert.deepEqual(valid(written), config);
  });

  it('is frozen all the way down', () => {
    const open: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      if (!Object.isFrozen(value)) open.push(path);
      for (const [key, inner] of Object.entries(value)) visit(inner, `${path}.${key}`);
    };
    visit(config, 'config');
    assert.deepEqual(open, []);
    assert.throws(() => { (config.bgp as { asn: number }).asn = 1; }, TypeError);
  });

  it('an empty section is one with nothing in it', () => assert.deepEqual(valid(`${fileOf()}migration:\nlog:\nnode:\n`), config));
});

describe('config: every key arrives', () => {
  const cases: readonly (readonly [string, Readonly<Record<string, string>>, (config: Config) => unknown, unknown])[] = [
    ['node.name', { node: '{name: hv-07}' }, (c) => c.node.name, 'hv-07'],
    ['node.labels', { node: '{labels: {rack: r1}}' }, (c) => c.node.labels, { rack: 'r1' }],
    ['routerId', { bgp: '{asn: 1, routerId: 192.0.2.17, peers: []}' }, (c) => c.bgp.routerId, '192.0.2.17'],
    ['listen', { bgp: '{asn: 1, listen: {enabled: true, port: 1179}, peers: []}' }, (c) => c.bgp.listen, { enabled: true, port: 1179 }],
    ['bgp.nextHop, IPv6 in its one spelling', { bgp: '{asn: 1, nextHop: {ipv4: 192.0.2.17, ipv6: "2001:DB8:0::0017"}, peers: []}' }, (c) => c.bgp.nextHop, { ipv4: '192.0.2.17', ipv6: '2001:db8::17' }],
    ['a peer inherits the next hop, family by family', { bgp: '{asn: 65010, nextHop: {ipv4: 192.0.2.17, ipv6: "2001:db8::17"}, peers: [{name: a, address: 192.0.2.1, asn: 65010, nextHop: {ipv4: 192.0.2.18}}]}' }, (c) => c.bgp.peers[0]?.nextHop, { ipv4: '192.0.2.18', ipv6: '2001:db8::17' }],
    ['bgp.timers', { bgp: '{asn: 65010, timers: {hold: 30s, keepalive: 5s, connectRetry: 2m}, peers: [{name: a, address: 192.0.2.1, asn: 65010}]}' }, (c) => c.bgp.peers[0]?.timers, { holdSeconds: 30, keepaliveSeconds: 5, connectRetrySeconds: 120 }],
    ['a peer\'s Hold Time brings a keepalive of its own', { bgp: '{asn: 65010, timers: {keepalive: 3s}, peers: [{name: a, address: 192.0.2.1, asn: 65010, timers: {hold: 3s}}]}' }, (c) => c.bgp.peers[0]?.timers, { holdSeconds: 3, keepaliveSeconds: 1, connectRetrySeconds: 5 }],
    ['hold 0', { bgp: peer(', timers: {hold: 0s}') }, (c) => c.bgp.peers[0]?.timers.holdSeconds, 0],
    ['gracefulRestart', { bgp: '{asn: 1, gracefulRestart: {enabled: false, restartTime: 120s}, peers: []}' }, (c) => c.bgp.gracefulRestart, { enabled: false, restartTimeSeconds: 120 }],
    ['longLivedGracefulRestart', { bgp: '{asn: 1, longLivedGracefulRestart: {families: [ipv6-unicast], maxStaleTime: 2h}, peers: []}' }, (c) => c.bgp.longLivedGracefulRestart, { families: ['ipv6-unicast'], maxStaleTimeSeconds: 7200 }],
    ['longLivedGracefulRestart is bounded by a day', { bgp: '{asn: 1, longLivedGracefulRestart: {families: [ipv4-unicast, ipv6-unicast]}, peers: []}' }, (c) => c.bgp.longLivedGracefulRestart, { families: ['ipv4-unicast', 'ipv6-unicast'], maxStaleTimeSeconds: 86_400 }],
    ['longLivedGracefulRestart is for no family unless named', { bgp: '{asn: 1, longLivedGracefulRestart: {maxStaleTime: 1h}, peers: []}' }, (c) => c.bgp.longLivedGracefulRestart, undefined],
    ['receive', { bgp: '{asn: 1, receive: none, peers: []}' }, (c) => c.bgp.receive, 'none'],
    ['peer.port', { bgp: peer(', port: 1179') }, (c) => c.bgp.peers[0]?.port, 1179],
    ['peer.sourceAddress', { bgp: peer(', sourceAddress: 192.0.2.17') }, (c) => c.bgp.peers[0]?.sourceAddress, '192.0.2.17'],
    ['peer.password credential', { bgp: peer(', password: {credential: bgp-tor-a}') }, (c) => c.bgp.peers[0]?.password, { credential: 'bgp-tor-a' }],
    ['peer.password file', { bgp: peer(', password: {file: /run/secrets/k}') }, (c) => c.bgp.peers[0]?.password, { file: '/run/secrets/k' }],
    ['peer.password env', { bgp: peer(', password: {env: BGP_KEY}') }, (c) => c.bgp.peers[0]?.password, { env: 'BGP_KEY' }],
    ['peer.tcpAo', { bgp: peer(', tcpAo: {keys: [{sendId: 7, receiveId: 9, key: {file: /k}}, {sendId: 8, key: {env: K}}]}') }, (c) => c.bgp.peers[0]?.tcpAo, {
      algorithm: 'hmac-sha1', keys: [{ sendId: 7, receiveId: 9, key: { file: '/k' } }, { sendId: 8, receiveId: 8, key: { env: 'K' } }],
    }],
    ['peer.tcpAo algorithm and credential', { bgp: peer(', tcpAo: {algorithm: aes-128-cmac, keys: [{sendId: 0, key: {credential: bgp-tor-a}}]}') }, (c) => c.bgp.peers[0]?.tcpAo, {
      algorithm: 'aes-128-cmac', keys: [{ sendId: 0, receiveId: 0, key: { credential: 'bgp-tor-a' } }],
    }],
    ['peer.ttlSecurity', { bgp: peer(', ttlSecurity: true') }, (c) => c.bgp.peers[0]?.ttlSecurity, true],
    ['peer.multihop', { bgp: peer(', multihop: 2') }, (c) => c.bgp.peers[0]?.multihop, 2],
    ['peer.bindings', { bgp: peer(', bindings: none') }, (c) => c.bgp.peers[0]?.bindings, 'none'],
    ['peer.maxPrefixes', { bgp: peer(', maxPrefixes: 1000') }, (c) => c.bgp.peers[0]?.maxPrefixes, 1000],
    ['peer.routes.profile wins', { bgp: peer(', routes: {profile: sequence}'), routes: '{profile: window}' }, (c) => c.bgp.peers[0]?.profile, 'sequence'],
    ['ladder steps', {}, (c) => c.routes.ladder.communities, ['65010:200', '65010:201', '65010:202', '65010:203', '65010:204', '65010:205', '65010:206', '65010:207']],
    ['prepend', {}, (c) => c.routes.prepend, 3],
    ['routes.profile', { routes: '{profile: window}' }, (c) => c.bgp.peers[0]?.profile, 'window'],
    ['vlans', { watch: '[{bridge: b, vlans: [0, 100, "200-210", "4094"], ports: {local: [a]}, prefixes: [203.0.113.0/24]}]' }, (c) => c.watch[0]?.vlans, [[0, 0], [100, 100], [200, 210], [4094, 4094]]],
    ['announcements', { watch: '[{bridge: b, announcements: [rarp, any-arp], ports: {local: [a]}, prefixes: [203.0.113.0/24]}]' }, (c) => c.watch[0]?.announcements, ['rarp', 'any-arp']],
    ['prefixes in their one spelling', { watch: '[{bridge: b, ports: {local: [a]}, prefixes: ["2001:DB8:100:0::/64", 203.0.113.7/32]}]' }, (c) => c.watch[0]?.prefixes, ['2001:db8:100::/64', '203.0.113.7/32']],
    ['exclude', { watch: '[{bridge: b, ports: {local: [a]}, prefixes: [203.0.113.0/24], exclude: [203.0.113.1]}]' }, (c) => c.watch[0]?.exclude, ['203.0.113.1']],
    ['levels, key by key', { routes: '{elevated: {localPref: 300}}' }, (c) => c.routes.elevated, { localPref: 300, med: 0, communities: ['65010:200'] }],
    ['no communities at all', { routes: '{normal: {communities: []}}' }, (c) => c.routes.normal.communities, []],
    ['a 4-byte ASN has a large ladder', { bgp: '{asn: 4200000017, peers: []}' }, (c) => c.routes.ladder.communities.slice(-2), ['4200000017:9:206', '4200000017:9:207']],
    ['a 4-byte ASN has large communities', { bgp: '{asn: 4200000017, peers: []}' }, (c) => [c.routes.normal.communities, c.routes.elevated.communities, c.routes.leaving.communities], [['4200000017:9:100'], ['4200000017:9:200'], ['4200000017:9:50']]],
    ['globalAdmin', { routes: '{globalAdmin: 4200000000}' }, (c) => c.routes.globalAdmin, 4_200_000_000],
    ['migration', { migration: '{firstEvidence: rarp, elevatedFor: 2m, debounce: 250ms, withdrawOn: [port-gone], withdrawAfter: 0ms, portGoneGrace: 1s, maxPerSecond: 7, flap: {moves: 3, within: 1m, hold: until-cleared}}' }, (c) => c.migration, { firstEvidence: 'rarp', elevatedForMs: 120_000, debounceMs: 250, withdrawOn: ['port-gone'], withdrawAfterMs: 0, portGoneGraceMs: 1000, maxPerSecond: 7, flap: { moves: 3, withinMs: 60_000 } }],
    ['gate', { gate: '{checks: [{file: "/run/policy/{port}"}, {unix: /run/policy.sock}], timeout: 2s, onTimeout: open}' }, (c) => c.gate, { checks: [{ file: '/run/policy/{port}' }, { unix: '/run/policy.sock' }], timeoutMs: 2000, onTimeout: 'open' }],
    ['identity', { identity: '{mode: strict, onConflict: newest, learnedFor: 1h, learnedIdleFor: 5m, unverifiedPorts: refuse, shared: [203.0.113.100], bindings: [{vm: shop/web-1, mac: 52-54-0-AA-0-1, vlan: 0, ips: [203.0.113.11, "2001:db8:100::0011"], port: "tap1*"}]}' }, (c) => c.identity, { mode: 'strict', onConflict: 'newest', learnedForMs: 3_600_000, learnedIdleForMs: 300_000, unverifiedPorts: 'refuse', shared: ['203.0.113.100'], bindings: [{ vm: 'shop/web-1', mac: '52:54:00:aa:00:01', vlan: 0, vrf: 'default', ips: ['203.0.113.11', '2001:db8:100::11'], port: 'tap1*', origin: 'config' }] }],
    ['scheduling', { process: '{scheduling: fifo}' }, (c) => c.process.scheduling, 'fifo'],
    ['history', { telemetry: '{history: {keep: 5, file: /var/lib/landfall/migrations.jsonl}}' }, (c) => c.telemetry.history, { keep: 5, file: '/var/lib/landfall/migrations.jsonl' }],
    ['telemetry', { telemetry: '{listen: "[::]:9100", web: true, perPrefixMetrics: true}' }, (c) => c.telemetry, { listen: { address: '::', port: 9100 }, web: true, perPrefixMetrics: true, bmp: [], history: { keep: 1000 } }],
    ['telemetry off', { telemetry: '{listen: off}' }, (c) => c.telemetry, { web: false, perPrefixMetrics: false, bmp: [], history: { keep: 1000 } }],
    ['bmp', { telemetry: '{bmp: [{address: 198.51.100.9}, {address: "2001:db8::9", port: 1790, statistics: 10s}]}' }, (c) => c.telemetry.bmp, [{ address: '198.51.100.9', port: 11019, statisticsSeconds: 60 }, { address: '2001:db8::9', port: 1790, statisticsSeconds: 10 }]],
    ['mrt', { telemetry: '{mrt: {file: /var/lib/landfall/bgp.mrt}}' }, (c) => c.telemetry.mrt, { file: '/var/lib/landfall/bgp.mrt', maxBytes: 67_108_864, keep: 4 }],
    ['log', { log: '{level: trace, format: json}' }, (c) => c.log, { level: 'trace', format: 'json' }],
    ['stragglers', { stragglers: '{enabled: true, mode: on-link, ceiling: 2s, listen: "192.0.2.17:17491", members: [192.0.2.18], key: {env: MESH}}' }, (c) => c.stragglers, { enabled: true, mode: 'on-link', ceilingMs: 2000, listen: { address: '192.0.2.17', port: 17491 }, members: ['192.0.2.18'], key: { env: 'MESH' } }],
    ['kernel', { kernel: '{routes: host, refreshNeighbors: true}' }, (c) => c.kernel, { routes: 'host', refreshNeighbors: true }],
    ['kubernetes', { kubernetes: '{enabled: true, server: "https://192.0.2.9:6443", serviceAccount: /etc/landfall/sa}' }, (c) => c.kubernetes, { enabled: true, server: 'https://192.0.2.9:6443', serviceAccount: '/etc/landfall/sa' }],
    ['api', { api: '{socket: /tmp/l.sock, mode: "0600", group: ops}' }, (c) => c.api, { socket: '/tmp/l.sock', mode: 0o600, group: 'ops' }],
  ];
  for (const [name, sections, pick, expected] of cases) it(name, () => assert.deepEqual(pick(valid(fileOf(sections))), expected));

  it('what asks for nothing is as good as left out', () => {
    const off = 'stragglers: {enabled: false, mode: auto, ceiling: 5s}\nkernel: {routes: off, refreshNeighbors: false}\nkubernetes: {enabled: false}\ntelemetry: {bmp: []}\n';
    assert.deepEqual(valid(fileOf() + off), valid(fileOf()));
  });

  it('anchors and aliases work within reason', () => {
    const text = fileOf({ watch: '[{bridge: a, ports: &ports {local: [x]}, prefixes: &nets [203.0.113.0/24]}, {bridge: b, ports: *ports, prefixes: *nets}]' });
    assert.deepEqual(valid(text).watch.map(({ ports, prefixes }) => [ports.local, prefixes]), [[['x'], ['203.0.113.0/24']], [['x'], ['203.0.113.0/24']]]);
  });
});

describe('config: variables', () => {
  it('stand for text, numbers and truth values', () => {
    const text = fileOf({ node: '{name: "${NAME}"}', bgp: '{asn: "${ASN}", listen: {enabled: "${LISTEN}"}, peers: []}' });
    const config = valid(text, { environment: { NAME: '12345', ASN: '65020', LISTEN: 'true' } });
    assert.deepEqual([config.node.name, config.bgp.asn, config.bgp.listen.enabled], ['12345', 65020, true]);
  });

  const names: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
    ['${NODE_NAME:-}', {}, 'hv-01'], ['${NODE_NAME:-}', { NODE_NAME: 'n1' }, 'n1'], ['${A:-x}', {}, 'x'], ['${A:-x}', { A: '' }, 'x'], ['p-${A}-${B:-z}', { A: 'y' }, 'p-y-z'],
    ['${A}', { A: '${B}', B: 'no' }, '${B}'], ['$A-$$', {}, '$A-$$'],
  ];
  for (const [text, environment, expected] of names) {
    it(`${text} with ${JSON.stringify(environment)}`, () => assert.equal(valid(fileOf({ node: `{name: "${text}"}` }), { environment }).node.name, expected));
  }

  it('what they bring in is no YAML', () => {
    assert.deepEqual(errorsOf(fileOf({ node: '{name: "${A}"}' }), { environment: { A: 'x\nbgp: {}' } }), ['node.name: must be 1 to 253 printable characters without blanks']);
  });

  it('names of the prototype are not set', () => {
    assert.match(errorsOf(fileOf({ node: '{name: "${constructor}"}' })).join(), /"constructor" is not set/);
  });

  it('they bring in a bounded amount', () => {
    const { errors } = parse(fileOf({ node: `{name: "${'${A}'.repeat(2000)}"}` }), { environment: { A: 'x'.repeat(100_000) } });
    assert.match(errors.map((error) => error.message).join(), /more than 1048576 characters/);
    assert.ok(JSON.stringify(errors).length < 10_000);
  });
});

describe('config: one file for a fleet', () => {
  const file = fileOf({
    node: '{labels: {rack: "${RACK}"}}',
    bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65010, nodeSelector: {rack: r1}}, {name: b, address: 192.0.2.2, asn: 65010, nodeSelector: {rack: r2}}, {name: c, address: 192.0.2.3, asn: 65010}]}',
    overrides: '[{nodeSelector: {rack: r2}, migration: {debounce: 1s}, log: {level: debug}}, {nodeSelector: {rack: r2}, migration: {withdrawAfter: 4s}, watch: [{bridge: br0, ports: {local: [x]}, prefixes: [198.51.100.0/24]}]}]',
  });
  const on = (rack: string): Config => valid(file, { environment: { RACK: rack } });

  it('peers are those whose labels match', () => {
    assert.deepEqual(['r1', 'r2', 'r3'].map((rack) => on(rack).bgp.peers.map(({ name }) => name)), [['a', 'c'], ['b', 'c'], ['c']]);
  });

  it('labels of the Node object count where kubernetes.enabled, and those of the file win', () => {
    const text = (enabled: boolean, labels: string): string => fileOf({
      node: `{labels: ${labels}}`, kubernetes: `{enabled: ${enabled}}`,
      bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65010, nodeSelector: {rack: r1}}, {name: b, address: 192.0.2.2, asn: 65010, nodeSelector: {"node-role.kubernetes.io/worker": ""}}]}',
      overrides: '[{nodeSelector: {rack: r2}, log: {level: debug}}]',
    });
    const nodeLabels = { rack: 'r2', 'node-role.kubernetes.io/worker': '' };
    const on = valid(text(true, '{}'), { nodeLabels });
    assert.deepEqual([on.node.labels, on.bgp.peers.map(({ name }) => name), on.log.level], [nodeLabels, ['b'], 'debug']);
    const own = valid(text(true, '{rack: r1}'), { nodeLabels });
    assert.deepEqual([own.node.labels['rack'], own.bgp.peers.map(({ name }) => name), own.log.level], ['r1', ['a', 'b'], 'info']);
    assert.deepEqual(valid(text(false, '{}'), { nodeLabels }).bgp.peers, []);
    assert.deepEqual(valid(text(true, '{}')).bgp.peers, []);
    assert.match(errorsOf(fileOf({ overrides: '[{nodeSelector: {rack: r2}, kubernetes: {enabled: true}}]' })).join(), /overrides\[0\]\.kubernetes|unknown key "kubernetes"/);
  });

  it('overrides are merged in order, lists replaced', () => {
    const [r1, r2] = [on('r1'), on('r2')];
    assert.deepEqual([r1.migration.debounceMs, r1.migration.withdrawAfterMs, r1.log.level], [1500, 2000, 'info']);
    assert.deepEqual([r2.migration.debounceMs, r2.migration.withdrawAfterMs, r2.log.level, r2.migration.elevatedForMs], [1000, 4000, 'debug', 90_000]);
    assert.deepEqual([r1.watch.map(({ bridge }) => bridge), r2.watch.map(({ bridge }) => bridge)], [['br-vlan'], ['br0']]);
  });

  it('a mistake in an override shows on nodes that it does not match', () => {
    const text = fileOf({ overrides: '[{nodeSelector: {rack: r9}, migration: {elevatedFor: 10s}, routes: {profile: window}}]' });
    assert.match(errorsOf(text).join(), /^overrides\[0\]\.migration\.elevatedFor: on nodes with rack=r9: 10s is too short/);
  });
});

describe('config: warnings', () => {
  const cases: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
    ['keepalive above a third', { bgp: peer(', timers: {keepalive: 4s}') }, /timers\.keepalive: more than a third/],
    ['sequence on eBGP', { bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65001, families: [ipv4-unicast], routes: {profile: sequence}}]}' }, /holds only if all nodes share one AS/],
    ['no next hop for IPv6', { bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65010}]}', watch: '[{bridge: b, ports: {local: [a]}, prefixes: ["2001:db8::/64"]}]' }, /no next hop for ipv6-unicast .* set nextHop\.ipv6/],
    ['no next hop for IPv4', { bgp: '{asn: 65010, peers: [{name: a, address: "2001:db8::1", asn: 65010}]}' }, /no next hop for ipv4-unicast .* set nextHop\.ipv4/],
    ['sequence over ToRs of several ASes', { bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65001, families: [ipv4-unicast]}, {name: b, address: 192.0.2.2, asn: 65002, families: [ipv4-unicast]}]}', routes: '{profile: sequence}' }, /routers of several ASes \(65001 here, 65002 at peer b\).*Use ladder .*prepend/],
    ['sequence over racks of several ASes, one ToR for each node', { node: '{labels: {rack: r1}}', bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65001, families: [ipv4-unicast], nodeSelector: {rack: r1}}, {name: b, address: 192.0.2.2, asn: 65002, families: [ipv4-unicast], nodeSelector: {rack: r2}}]}', routes: '{profile: sequence}' }, /routers of several ASes/],
    ['ladder on iBGP', { bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65010, families: [ipv4-unicast]}]}', routes: '{profile: ladder}' }, /eighth move in a row ties. Use sequence/],
    ['prepend below the path over a spine', { bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65001, families: [ipv4-unicast]}]}', routes: '{profile: prepend, prepend: 2}' }, /routes\.prepend: 2 is not above the path/],
    ['few steps', { bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65001, families: [ipv4-unicast]}]}', routes: '{profile: ladder, ladder: {communities: ["65010:1", "65010:2"]}}' }, /2 steps carry 1 moves/],
    ['eBGP peers of several profiles', { bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65001, families: [ipv4-unicast], routes: {profile: ladder}}, {name: b, address: 192.0.2.2, asn: 65001, families: [ipv4-unicast], routes: {profile: prepend}}]}' }, /profile prepend here and ladder at peer a/],
    ['noExport with eBGP', { bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65001, families: [ipv4-unicast]}]}', routes: '{noExport: true, profile: window}' }, /routes\.noExport: peer a is eBGP/],
    ['no peers', { bgp: '{asn: 65010, peers: []}' }, /bgp\.peers: no peers/],
    ['no peer selected', { bgp: peer(', nodeSelector: {rack: r9}') }, /select no peer/],
    ['a VRF without bridge', { bgp: peer(', vrf: red') }, /no watched bridge is in VRF red/],
    ['a bridge whose VRF has no peer', { watch: '[{bridge: b, ports: {local: [a]}, prefixes: [203.0.113.0/24], vrf: red}]' }, /no peer is in VRF red/],
    ['a prefix that holds everything', { watch: '[{bridge: b, ports: {local: [a]}, prefixes: [0.0.0.0/0]}]' }, /bounds nothing/],
    ['an exclude outside', { watch: '[{bridge: b, ports: {local: [a]}, prefixes: [203.0.113.0/24], exclude: [192.0.2.1]}]' }, /outside prefixes anyway/],
    ['VLANs twice', { watch: '[{bridge: b, vlans: [100, "90-110"], ports: {local: [a]}, prefixes: [203.0.113.0/24]}]' }, /watch\[0\]\.vlans\[1\]/],
    ['strict without bindings', { identity: '{mode: strict}' }, /no VM may claim/],
    ['a binding outside', { identity: '{bindings: [{vm: a, mac: "52:54:00:aa:00:01", ips: [192.0.2.99]}]}' }, /192\.0\.2\.99 of a is outside watch\.prefixes/],
    ['a binding of an unwatched VRF', { identity: '{bindings: [{vm: a, mac: "52:54:00:aa:00:01", vrf: red, ips: [203.0.113.9]}]}' }, /VRF red/],
    ['a binding in an unwatched VLAN', { watch: '[{bridge: b, vlans: [100], ports: {local: [a]}, prefixes: [203.0.113.0/24]}]', identity: '{bindings: [{vm: a, mac: "52:54:00:aa:00:01", vlan: 7, ips: [203.0.113.9]}]}' }, /VLAN 7, which is not watched/],
    ['a binding of an excluded address', { watch: '[{bridge: b, ports: {local: [a]}, prefixes: [203.0.113.0/24], exclude: [203.0.113.1]}]', identity: '{bindings: [{vm: a, mac: "52:54:00:aa:00:01", ips: [203.0.113.1]}]}' }, /is in watch\.exclude/],
  ];
  for (const [name, sections, expected] of cases) {
    it(name, () => {
      const text = fileOf(sections);
      valid(text);
      assert.match(warningsOf(text).join('\n'), expected);
    });
  }

  it('there are none without a reason', () => assert.deepEqual(warningsOf(fileOf()), []));
  it('not about peers of other nodes', () => {
    const on = (rack: string) => warningsOf(fileOf({ node: `{labels: {rack: ${rack}}}`, bgp: '{asn: 65010, peers: [{name: a, address: "2001:db8::1", asn: 65010, nodeSelector: {rack: r1}}, {name: b, address: 192.0.2.1, asn: 65010, families: [ipv4-unicast]}]}' }));
    assert.deepEqual([on('r1').length, on('r2').length], [1, 0]);
  });
  it('many bindings outside are counted, not listed', () => {
    const list = Array.from({ length: 50 }, (_, i) => `{vm: v${i}, mac: "52:54:00:aa:01:${i.toString(16)}", ips: [192.0.2.${i}]}`).join(', ');
    const warnings = warningsOf(fileOf({ identity: `{bindings: [${list}]}` }));
    assert.equal(warnings.length, 6);
    assert.match(warnings.at(-1) as string, /and 45 more/);
  });
});

describe('config: what is allowed', () => {
  const cases: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['elevatedFor just above hold + restartTime', { routes: '{profile: window}', migration: '{elevatedFor: 70s}' }],
    ['a short elevatedFor without graceful restart', { bgp: '{asn: 65010, gracefulRestart: {enabled: false}, peers: [{name: a, address: 192.0.2.1, asn: 65010, routes: {profile: window}}]}', migration: '{elevatedFor: 10s}' }],
    ['a short elevatedFor in profile sequence', { migration: '{elevatedFor: 10s}' }],
    ['a bridge twice, each with its VLANs', { watch: '[{bridge: b, vlans: [100], ports: {local: [a]}, prefixes: [203.0.113.0/24]}, {bridge: b, vlans: ["101-200"], ports: {local: [a]}, prefixes: [198.51.100.0/24]}]' }],
    ['the same prefix in two VRFs with routers of their own', { bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65010}, {name: b, address: 192.0.2.2, asn: 65010, vrf: red}]}', watch: '[{bridge: a, ports: {local: [a]}, prefixes: [203.0.113.0/24]}, {bridge: b, ports: {local: [a]}, prefixes: [203.0.113.0/24], vrf: red}]' }],
    ['the same address in two VRFs', { identity: '{bindings: [{vm: a, mac: "52:54:00:aa:00:01", ips: [203.0.113.9]}, {vm: b, mac: "52:54:00:aa:00:02", vrf: red, ips: [203.0.113.9]}]}' }],
    ['a MAC in two VLANs', { identity: '{bindings: [{vm: a, mac: "52:54:00:aa:00:01", vlan: 1, ips: [203.0.113.9]}, {vm: a, mac: "52:54:00:aa:00:01", vlan: 2, ips: [203.0.113.10]}]}' }],
    ['eBGP with a profile from the top', { bgp: '{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65001}]}', routes: '{profile: window}' }],
    ['the lowest and highest ASN', { bgp: '{asn: 1, peers: [{name: a, address: 192.0.2.1, asn: 4294967294, routes: {profile: window}}]}' }],
    ['large and well-known communities', { routes: '{normal: {communities: ["4200000017:9:200", "no-export", "65010:1"]}}' }],
  ];
  for (const [name, sections] of cases) it(name, () => assert.deepEqual(parse(fileOf(sections)).errors, []));
});

describe('config: bindings file', () => {
  const text = fileOf({ identity: '{bindingsFile: /b.yaml, bindings: [{vm: a, mac: "52:54:00:aa:00:01", ips: [203.0.113.11]}]}' });

  it('adds to the bindings of the configuration', () => {
    const config = valid(text, { bindingsText: '- {vm: b, mac: "52:54:00:aa:00:02", ips: ["203.0.113.${N}"]}\n', environment: { N: '12' } });
    assert.deepEqual(config.identity.bindings.map(({ vm, ips, origin }) => [vm, ips, origin]), [['a', ['203.0.113.11'], 'config'], ['b', ['203.0.113.12'], 'file']]);
  });

  it('may be empty', () => assert.equal(valid(text, { bindingsText: '# none\n' }).identity.bindings.length, 1));

  it('its errors name it, with line and column, beside those of the configuration', () => {
    const { errors, bindingsFile } = parse(`${text}logg: {}\n`, { bindingsText: '- {vm: b, mac: "52:54:00:aa:00:02", ips: [203.0.113.11]}\n- {vm: c, mac: nonsense, ips: [1]}\n- {vn: d}\n' });
    assert.equal(bindingsFile, '/b.yaml');
    assert.deepEqual(errors.map(({ file, line, column, path }) => `${file}:${line}:${column} ${path}`), [
      'landfall.yaml:5:1 logg', '/b.yaml:1:43 [0].ips[0]', '/b.yaml:2:16 [1].mac', '/b.yaml:2:32 [1].ips[0]', '/b.yaml:3:3 [2].vm', '/b.yaml:3:3 [2].mac', '/b.yaml:3:3 [2].ips', '/b.yaml:3:4 [2].vn',
    ]);
  });

  it('must be a list', () => assert.match(errorsOf(text, { bindingsText: 'bindings: []\n' }).join(), /must be a list/));
});

import assert from 'node:assert/strict';
import { garpFrame, rarpFrame } from '../../../garp/wire/frames.ts';
import type { Config } from '../../../config/config.ts';
import { newMetrics, takeNote, type Metrics } from '../../../src/metrics.ts';
import { renderMetrics } from '../../../src/metrics/collect.ts';
import type { Note, World } from '../../../src/world.ts';
import { Fabric, vm4, vmMac, type SimNode } from '../../sim/fabric.ts';

const facts = { version: '1.2.3', commit: 'abc', dropped: 7 };
type Series = ReadonlyMap<string, number>;

/** Every line `name{labels} value`; fails on a series that is there twice, and on a name whose lines are apart. */
function parse(text: string): Series {
  const series = new Map<string, number>();
  const finished = new Set<string>();
  let present = '';
  for (const line of text.trimEnd().split('\n')) {
    if (line.startsWith('# HELP ')) {
      finished.add(present);
      present = line.split(' ')[2] as string;
      assert.ok(!finished.has(present), `${present} twice`);
    }
    if (line.startsWith('#')) continue;
    const [, key = '', value = ''] = /^(\S+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    assert.ok(key.startsWith(present) && !series.has(key), `out of place or twice: ${line}`);
    series.set(key, Number(value));
  }
  return series;
}

function metricsOf(node: SimNode): Metrics {
  const metrics = newMetrics(1_700_000_000_000);
  for (const note of node.notes) takeNote(metrics, note, 0);
  return metrics;
}

const scrape = (world: World, metrics: Metrics): Series => parse(renderMetrics(world, metrics, facts));
const withPerPrefix = (config: Config): Config => ({ ...config, telemetry: { ...config.telemetry, perPrefixMetrics: true } });
const states = ['idle', 'connect', 'active', 'opensent', 'openconfirm', 'established'];
const stateOf = (series: Series, peer: string): string[] => states.filter((state) => series.get(`landfall_bgp_session_state{peer="${peer}",state="${state}"}`) === 1);

/** A VM comes up on the first node and moves to the second. */
function moved(): { fabric: Fabric; a: SimNode; b: SimNode } {
  const fabric = new Fabric();
  const [a, b] = [fabric.addNode(1), fabric.addNode(2, withPerPrefix)];
  fabric.run(3000);
  fabric.frame(a, fabric.addPort(a, 'tap0'), garpFrame(vmMac, vm4));
  fabric.run(5000);
  fabric.frame(b, fabric.addPort(b, 'tap0'), rarpFrame(vmMac), { capturedAtMs: fabric.nowMs - 0.2 });
  fabric.run(100_000);
  return { fabric, a, b };
}

describe('metrics', () => {
  const named = [
    'build_info', 'config_last_reload_successful', 'config_last_reload_success_timestamp_seconds', 'bgp_session_up', 'bgp_session_state',
    'bgp_session_established_timestamp_seconds', 'bgp_session_transitions_total', 'bgp_notifications_total', 'bgp_messages_total', 'bgp_advertised_routes',
    'bgp_received_routes', 'bgp_pending_routes', 'frames_total', 'capture_dropped_total', 'announcements_total', 'prefixes', 'migrations_total', 'migrations_active',
    'migration_announce_seconds', 'migration_reflected_seconds', 'migration_source_gone_seconds',
  ];

  it('has every name and type of the interface, with one more where perPrefixMetrics is on', () => {
    const { a, b } = moved();
    const types = (node: SimNode): string[] => renderMetrics(node.speaker.world, metricsOf(node), facts).split('\n').filter((line) => line.startsWith('# TYPE ')).map((line) => line.slice(7));
    const expected = named.map((name) => `landfall_${name} ${/_total$/.test(name) ? 'counter' : /migration_.*_seconds$/.test(name) ? 'histogram' : 'gauge'}`).sort();
    assert.deepEqual(types(a).sort(), expected);
    assert.deepEqual(types(b).sort(), [...expected, 'landfall_prefix_info gauge'].sort());
  });

  it('tells of a move at its destination', () => {
    const { b } = moved();
    const series = scrape(b.speaker.world, metricsOf(b));
    const expected: Record<string, number> = {
      'landfall_build_info{version="1.2.3",commit="abc"}': 1,
      'landfall_config_last_reload_successful': 1,
      'landfall_config_last_reload_success_timestamp_seconds': 1_700_000_000,
      'landfall_bgp_session_up{peer="tor",peer_asn="65010"}': 1,
      'landfall_bgp_session_transitions_total{peer="tor",to="established"}': 1,
      'landfall_bgp_messages_total{peer="tor",direction="sent",type="open"}': 1,
      'landfall_bgp_messages_total{peer="tor",direction="received",type="notification"}': 0,
      'landfall_bgp_advertised_routes{peer="tor",afi="ipv4",class="normal"}': 1,
      'landfall_bgp_advertised_routes{peer="tor",afi="ipv4",class="leaving"}': 0,
      'landfall_bgp_pending_routes{peer="tor"}': 0,
      'landfall_frames_total{bridge="br-vlan",kind="rarp"}': 1,
      'landfall_frames_total{bridge="br-vlan",kind="na"}': 0,
      'landfall_capture_dropped_total{bridge="*"}': 7,
      'landfall_announcements_total{bridge="br-vlan",kind="rarp",verdict="no_binding"}': 0,
      'landfall_prefixes{state="held"}': 0,
      'landfall_migrations_total{direction="in",result="settled"}': 2,
      'landfall_migrations_total{direction="out",result="withdrawn"}': 0,
      'landfall_migrations_active': 0,
      'landfall_migration_announce_seconds_count{afi="ipv4"}': 1,
      'landfall_migration_announce_seconds_bucket{afi="ipv4",le="0.0005"}': 1,
      'landfall_migration_reflected_seconds_count{peer="tor"}': 2, // both families
      'landfall_migration_source_gone_seconds_count{peer="tor"}': 2,
    };
    for (const [key, value] of Object.entries(expected)) assert.equal(series.get(key), value, key);
    assert.ok((series.get('landfall_announcements_total{bridge="br-vlan",kind="rarp",verdict="accepted"}') ?? 0) >= 1);
    assert.ok([...series.keys()].some((key) => /^landfall_prefix_info\{prefix="203.0.113.11\/32",vrf="default",vm=".*",state="normal"\}$/.test(key)));
    assert.ok((series.get('landfall_migration_reflected_seconds_sum{peer="tor"}') ?? 0) >= 0.002, 'two ways of 1 ms');
  });

  it('a peer that was never established is down, in one state of six, and has all its series', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, (config) => ({ ...config, bgp: { ...config.bgp, peers: config.bgp.peers.flatMap((peer) => [peer, { ...peer, name: 'never' }]) } }));
    node.speaker.world.peers.get('never')!.session = { ...node.speaker.world.peers.get('never')!.session, fsm: 'Idle' };
    fabric.run(100);
    const series = scrape(node.speaker.world, metricsOf(node));
    assert.equal(series.get('landfall_bgp_session_up{peer="never",peer_asn="65010"}'), 0);
    assert.deepEqual(stateOf(series, 'never').length, 1);
    for (const state of states) assert.ok(series.has(`landfall_bgp_session_state{peer="never",state="${state}"}`), state);
    const shapes = (peer: string): string[] => [...series.keys()].filter((key) => key.includes(`peer="${peer}"`) && !key.includes('established_timestamp') && !key.includes('notifications_total'))
      .map((key) => key.replace(peer, '')).sort();
    assert.deepEqual(shapes('never'), shapes('tor'));
  });

  it('exactly one state is 1 at any time of a session\'s life', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1);
    const seen = new Set<string>();
    for (let i = 0; i < 400; i++) {
      if (i === 200) fabric.cut(node);
      const now = stateOf(scrape(node.speaker.world, metricsOf(node)), 'tor');
      assert.equal(now.length, 1);
      seen.add(now[0] as string);
      fabric.run(i % 200 < 150 ? 0.5 : 100);
    }
    assert.ok(seen.size >= 3, [...seen].join());
  });

  it('no series of a peer outlives it, and none of its counts come back with it', () => {
    const { b } = moved();
    const { world } = b.speaker;
    const metrics = metricsOf(b);
    const peer = world.peers.get('tor')!;
    assert.ok([...scrape(world, metrics).keys()].some((key) => key.includes('peer="tor"')));
    world.peers.delete('tor');
    assert.deepEqual([...scrape(world, metrics).keys()].filter((key) => key.includes('"tor"')), []);
    world.peers.set('tor', peer);
    assert.equal(scrape(world, metrics).get('landfall_migration_reflected_seconds_count{peer="tor"}'), 0);
  });

  it('counts notes of each kind, and bounds what a hostile peer can name', () => {
    const metrics = newMetrics(0);
    const say = (event: Note['event'], fields: Note['fields'], peer = 'tor'): void => takeNote(metrics, { level: 'info', room: 'bgp', event, fields, peer }, 5000);
    say('notification.sent', { code: 6, subcode: 2 });
    for (let code = 0; code < 256; code++) for (let subcode = 0; subcode < 256; subcode++) say('notification.received', { code, subcode });
    const fabric = new Fabric();
    const { world } = fabric.addNode(1).speaker;
    world.lastReload = { wallMs: 1, successful: false };
    const series = scrape(world, metrics);
    const notifications = [...series.keys()].filter((key) => key.startsWith('landfall_bgp_notifications_total'));
    assert.equal(series.get('landfall_bgp_notifications_total{peer="tor",direction="sent",code="6",subcode="2"}'), 1);
    assert.ok(notifications.length < 80, `${notifications.length} series`);
    assert.equal([...series].filter(([key]) => key.includes('direction="received",code=')).reduce((sum, [, value]) => sum + value, 0), 65536);
    assert.equal(series.get('landfall_config_last_reload_successful'), 0);
    assert.equal(series.get('landfall_config_last_reload_success_timestamp_seconds'), 0);
    say('config.loaded', {});
    assert.equal(scrape(world, metrics).get('landfall_config_last_reload_success_timestamp_seconds'), 5);
  });
});

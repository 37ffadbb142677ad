import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { parseAnnouncement } from '../../../garp/announcement.ts';
import { asn, crowdVm, demoVm, linkOf, tapMac } from '../../../src/demo/addresses.ts';
import { announcementFrame, arpProbeFrame, dadFrame, garpFrame, rarpFrame } from '../../../src/demo/frames.ts';
import { firstAnswer, measureGap } from '../../../src/demo/gaps.ts';
import { parseMonitorLine } from '../../../src/demo/kernel-routes.ts';
import { landfallConfig } from '../../../src/demo/node.ts';
import { Namespaces } from '../../../src/demo/namespaces.ts';
import { plotRows, plotStalls, plotText } from '../../../src/demo/plot.ts';
import { RecordReader, RecordWriter } from '../../../src/demo/records.ts';
import type { MoveReport } from '../../../src/demo/report.ts';
import { plotSvg } from '../../../src/demo/svg.ts';
import { birdConfig, parseBirdRoutes } from '../../../src/demo/tor-bird.ts';
import { frrConfig } from '../../../src/demo/tor-frr.ts';
import { planTor } from '../../../src/demo/tor.ts';
import type { Topology } from '../../../src/demo/topology.ts';

const topology: Topology = { mode: 'l3', namespaces: new Namespaces('lf0'), vms: [demoVm(1)], tors: ['tor', 'tor2'] };

describe('demo addresses', () => {
  it('give every VM, link and node its own', () => {
    const links = [0, 1].flatMap((tor) => (['a', 'b'] as const).map((node) => linkOf(tor, node)));
    const all = [...links.flatMap((link) => [link.tor.ipv4, link.tor.ipv6, link.node.ipv4, link.node.ipv6]), ...[1, 2, 32].flatMap((i) => [demoVm(i).ipv4, demoVm(i).ipv6]), ...[1, 255, 256, 1000].flatMap((i) => [crowdVm(i).ipv4, crowdVm(i).ipv6])];
    assert.equal(new Set(all).size, all.length);
    assert.equal(tapMac(demoVm(1)), 'fe:54:00:aa:00:01');
    assert.equal(crowdVm(256).mac, '52:54:00:bb:01:00');
  });
});

describe('demo frames', () => {
  const vm = demoVm(7);
  const cases: [string, Uint8Array, string | undefined, string | undefined][] = [
    ['RARP', rarpFrame(vm.mac), 'rarp', undefined],
    ['GARP request', garpFrame(vm.mac, vm.ipv4), 'garp', vm.ipv4],
    ['GARP reply', garpFrame(vm.mac, vm.ipv4, { reply: true }), 'garp', vm.ipv4],
    ['unsolicited NA', announcementFrame(vm.mac, vm.ipv6), 'na', vm.ipv6],
  ];
  for (const [name, frame, kind, address] of cases) {
    it(`${name} is read as what it is`, () => {
      const parsed = parseAnnouncement({ bytes: frame }) as { type: string; kind?: string; mac?: string; address?: string };
      assert.deepEqual([parsed.type, parsed.kind, parsed.mac, parsed.address], ['announcement', kind, vm.mac, address]);
    });
  }
  it('an ARP probe and a DAD solicitation are no announcements', () => {
    for (const frame of [arpProbeFrame(vm.mac, vm.ipv4), dadFrame(vm.mac, vm.ipv6)]) {
      assert.equal(parseAnnouncement({ bytes: frame }).type, 'ignored');
    }
  });
});

describe('ip monitor', () => {
  const at = new Date('2026-11-25T13:37:33').getTime() + 420.496;
  const cases: [string, ReturnType<typeof parseMonitorLine>][] = [
    ['[2026-11-25T13:37:33.420496] 203.0.113.11 via 192.0.2.2 dev a0 proto bgp metric 20 ', { at, prefix: '203.0.113.11/32', deleted: false, multipath: false, device: 'a0' }],
    ['[2026-11-25T13:37:33.420496] 203.0.113.11 nhid 12 via 192.0.2.2 dev a0 proto bgp metric 20 ', { at, prefix: '203.0.113.11/32', deleted: false, multipath: false, device: 'a0' }],
    ['[2026-11-25T13:37:33.420496] Deleted 2001:db8:100::11 via 2001:db8:0:1::2 dev a0 proto bgp metric 20 pref medium', { at, prefix: '2001:db8:100::11/128', deleted: true, multipath: false, device: 'a0' }],
    ['[2026-11-25T13:37:33.420496] 203.0.113.11 proto bird metric 32 \\\tnexthop via 192.0.2.2 dev a0 weight 1 \\\tnexthop via 192.0.2.6 dev b0 weight 1 ', { at, prefix: '203.0.113.11/32', deleted: false, multipath: true }],
    ['[2026-11-25T13:37:33.420496] local fe80::b494:1aff:fe3a:9000 dev p0 table local proto kernel metric 0 pref medium', undefined],
    ['[2026-11-25T13:37:33.420496] 192.0.2.0/30 dev a0 proto kernel scope link src 192.0.2.1 ', undefined],
    ['[2026-11-25T13:37:33.420496] 203.0.113.0/24 via 192.0.2.2 dev a0', undefined],
    ['', undefined],
  ];
  for (const [line, expected] of cases) {
    it(`reads ${JSON.stringify(line.slice(29, 80))}`, () => {
      const event = parseMonitorLine(line);
      assert.deepEqual(event === undefined ? undefined : { ...event, at: Math.round(event.at * 1000) / 1000 }, expected);
    });
  }
});

describe('birdc show route all', () => {
  it('gives each path its prefix, next hop and preference', () => {
    const text = `BIRD 2.0.12 ready.
Table master4:
203.0.113.11/32      unicast [node_b 13:46:09.118] * (100) [i]
	via 192.0.2.6 on b0
	Type: BGP univ
	BGP.origin: IGP
	BGP.next_hop: 192.0.2.6
	BGP.local_pref: 200
                     unicast [node_a 13:46:07.070] (100) [i]
	via 192.0.2.2 on a0
	BGP.next_hop: 192.0.2.2
	BGP.med: 7
	BGP.local_pref: 100

Table master6:
2001:db8:100::11/128 unicast [node_b 13:46:09.118] * (100) [i]
	BGP.next_hop: 2001:db8:0:2::2 fe80::1
`;
    assert.deepEqual(parseBirdRoutes(text), [
      { prefix: '203.0.113.11/32', nextHop: '192.0.2.6', best: true, localPref: 200 },
      { prefix: '203.0.113.11/32', nextHop: '192.0.2.2', best: false, med: 7, localPref: 100 },
      { prefix: '2001:db8:100::11/128', nextHop: '2001:db8:0:2::2', best: true },
    ]);
  });
});

describe('configurations of the demo', () => {
  it('FRR: every route-map stands above `router bgp`', () => {
    const text = frrConfig(planTor(topology, 0, { type: 'ebgp', password: 'k3y' }));
    assert.ok(text.indexOf('route-map nodes-in permit 10') < text.indexOf('router bgp 65001'));
    assert.match(text, /neighbor 192\.0\.2\.2 remote-as 65010/);
    assert.match(text, /neighbor 192\.0\.2\.6 password k3y/);
    assert.doesNotMatch(text, /route-reflector-client/);
  });
  it('iBGP: both routers reflect to both nodes', () => {
    const plan = planTor(topology, 1, { type: 'ibgp' });
    assert.equal(plan.asn, asn.nodes);
    assert.equal(frrConfig(plan).match(/route-reflector-client/g)?.length, 4);
    assert.equal(birdConfig(plan).match(/rr client;/g)?.length, 2);
  });
  for (const type of ['ibgp', 'ebgp'] as const) {
    it(`landfall.yaml, ${type}: a peer for each router, a binding for each VM`, () => {
      const config = parse(landfallConfig(topology, 'b', '/run/x', { peering: { type, password: 'k3y' }, vms: [demoVm(1), demoVm(2)] })) as {
        bgp: { peers: { name: string; address: string; asn: number; password: object; routes?: object }[] };
        identity: { bindings: { ips: string[] }[] };
      };
      assert.deepEqual(config.bgp.peers.map((peer) => [peer.name, peer.address, peer.asn]), [['tor', '192.0.2.5', type === 'ibgp' ? 65010 : 65001], ['tor2', '192.0.2.13', type === 'ibgp' ? 65010 : 65001]]);
      assert.equal(config.bgp.peers[0]?.routes !== undefined, type === 'ebgp');
      assert.ok(!JSON.stringify(config).includes('k3y'));
      assert.deepEqual(config.identity.bindings.map((binding) => binding.ips.length), [2, 2]);
    });
  }
});

describe('gaps', () => {
  const samples: [number, number | null][] = [[0, 0.3], [1, 1.4], [2, null], [3, null], [4, 4.5], [5, 5.2]];
  it('count what was never answered, apart from the silence', () => {
    const gap = measureGap(samples);
    assert.deepEqual([gap.sent, gap.lost, gap.from, gap.to], [6, 2, 1.4, 4.5]);
    assert.ok(Math.abs(gap.longestSilenceMs - 3.1) < 1e-9);
  });
  it('without any answer are endless', () => assert.equal(measureGap([[0, null]]).longestSilenceMs, Number.POSITIVE_INFINITY));
  it('end with the first answer to a packet that was sent after the pause began', () => {
    assert.equal(firstAnswer(samples, 2), 4.5);
    assert.equal(firstAnswer(samples, 9), undefined);
  });
});

describe('records', () => {
  it('arrive whole however TCP cuts them', () => {
    const writer = new RecordWriter();
    const bytes = Buffer.concat([writer.next(), writer.next(), writer.next()]);
    const reader = new RecordReader();
    for (const [i, octet] of bytes.entries()) assert.equal(reader.push(Buffer.of(octet), i), undefined);
    assert.equal(reader.received, 3);
  });
  it('missing or doubled are told', () => {
    const writer = new RecordWriter();
    const first = writer.next();
    writer.next();
    const reader = new RecordReader();
    assert.match(reader.push(Buffer.concat([first, writer.next()]), 0) ?? '', /record 2 instead of 1/);
    assert.match(new RecordReader().push(Buffer.concat([first, first]), 0) ?? '', /record 0 instead of 1/);
  });
});

describe('plots', () => {
  const samples: [number, number | null][] = Array.from({ length: 200 }, (_, i) => [i - 100, i >= 50 && i < 120 ? null : i - 99]);
  const move: MoveReport = { number: 1, from: 'a', to: 'b', pauseMs: 50, timeline: [], streams: [], probes: { 'udp-ipv4': { ...measureGap(samples), lostAfterResume: 20, samples } } };
  it('show the loss as text, before and after RESUME', () => {
    const line = plotText(plotRows({ landfall: [move] })).split('\n')[1] ?? '';
    assert.match(line, /^landfall udp-ipv4 move 1 \.+#+\|#+\.+ {2}70 lost, 20 after RESUME/);
  });
  it('show it as SVG, with the texts escaped', () => {
    const svg = plotSvg(plotRows({ '<b>': [move] }), 'A & B');
    assert.match(svg, /A &amp; B/);
    assert.match(svg, /&lt;b&gt;/);
    assert.equal(svg.match(/#c0392b/g)?.length, 1);
  });
  it('show the stalls of TCP, the worst one as the longest bar', () => {
    const stalled = (ms: number): MoveReport => ({ ...move, streams: [{ name: 'tcp-ipv4', alive: true, records: 1, longestStallMs: ms, silentMs: 0 }] });
    assert.deepEqual(plotStalls({ landfall: [stalled(50), stalled(20)], baseline: [stalled(100)] }, 10).split('\n'), ['landfall  |#####     |  50, 20', 'baseline  |##########|  100']);
  });
  it('of nothing are no error', () => {
    assert.equal(plotText([]), 'no probe saw anything');
    assert.match(plotSvg([], 'x'), /<\/svg>/);
  });
});

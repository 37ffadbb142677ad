import assert from 'node:assert/strict';
import type { RouteAttributes } from '../../../bgp/route.ts';
import { garpFrame, rarpFrame } from '../../../garp/wire/frames.ts';
import { hostPrefix, ip, type IpAddress } from '../../../net/ip.ts';
import { parseMac, type Mac } from '../../../net/mac.ts';
import { clockSequence } from '../../../routes/claim.ts';
import { encodeClaimMarks } from '../../../routes/claim-communities.ts';
import { collectDoctor, checkProcess } from '../../../src/doctor/examine-speaker.ts';
import { checkRarp, checkSilentGuests } from '../../../src/doctor/guests.ts';
import { checkSessions } from '../../../src/doctor/sessions.ts';
import { twinWarnings } from '../../../src/identifier-twins.ts';
import type { PeerItem } from '../../../src/views/items.ts';
import { Fabric, vm4, vmMac, type SimNode } from '../../sim/fabric.ts';
import { peers } from '../fake-daemon.ts';
import { troubles } from './fixtures.ts';

const facts = { version: '0', routerIdFrom: 'configured', capture: { received: 10, dropped: 0 }, warnings: [], stateFile: '/s' };
const examine = (node: SimNode): string[] => troubles(collectDoctor(node.speaker.world, facts).findings);
const other = ip('192.0.2.2');

function start(more?: Parameters<Fabric['addNode']>[1]): { fabric: Fabric; node: SimNode; tap: number } {
  const fabric = new Fabric();
  const node = fabric.addNode(1, more);
  fabric.addNode(2);
  fabric.run(3000);
  return { fabric, node, tap: fabric.addPort(node, 'tap0') };
}

/** The reflector has this route from node 2. */
function inject(fabric: Fabric, address: IpAddress, more: Partial<RouteAttributes>): void {
  const prefix = hostPrefix(address);
  fabric.router.clients.get('hv-2')!.routes.set(prefix, { prefix, attributes: { origin: 'IGP', asPath: [], nextHop: other, localPref: 4_000_000_000, communities: [], largeCommunities: [], ...more } });
  (fabric.router as unknown as { decide(prefixes: readonly string[]): void }).decide([prefix]);
  fabric.run(10);
}

function claimOf(fabric: Fabric, node: string, ahead: number): Pick<RouteAttributes, 'largeCommunities'> {
  return { largeCommunities: encodeClaimMarks(65010, { segment: 0, sequence: clockSequence(fabric.now()) + ahead, node: ip(node) }) };
}

describe('doctor, the speaker', () => {
  it('finds nothing wrong where a VM lives and its route is reflected', () => {
    const { fabric, node, tap } = start();
    fabric.frame(node, tap, garpFrame(vmMac, vm4));
    fabric.run(1000);
    assert.deepEqual(examine(node), []);
    assert.ok(collectDoctor(node.speaker.world, facts).findings.some(({ text }) => /^tor established, no authentication, hold 9 s agreed$/.test(text)));
  });

  it('fails for a route with our identifier that we did not send, and names the other next hop', () => {
    const { fabric, node } = start();
    inject(fabric, vm4, claimOf(fabric, '192.0.2.1', 1));
    const [found, ...rest] = examine(node);
    assert.match(found as string, /^fail identifier: tor shows 203\.0\.113\.11\/32 with our BGP Identifier 192\.0\.2\.1 and next hop 192\.0\.2\.2/);
    assert.deepEqual(rest, []);
    assert.match(twinWarnings(node.speaker.world)[0] as string, /another node has our identifier/);
    assert.equal(node.notes.filter(({ event, fields }) => event === 'fabric.finding' && fields['finding'] === 'identifier_twin').length, 1);
  });

  it('does not take our own routes for another\'s, whatever next hop a reflector gave them', () => {
    const { fabric, node, tap } = start();
    fabric.frame(node, tap, garpFrame(vmMac, vm4));
    fabric.run(100);
    const sequence = [...node.speaker.world.locRib.handovers.values()].find(({ address }) => address === vm4)?.sequence as number;
    for (const nextHop of [ip('192.0.2.1'), ip('192.0.2.254')]) {
      inject(fabric, vm4, { nextHop, largeCommunities: encodeClaimMarks(65010, { segment: 0, sequence, node: ip('192.0.2.1') }) });
      assert.deepEqual(examine(node).filter((line) => line.includes('identifier')), []);
    }
    // Our claim is gone from here, and its echo is late.
    inject(fabric, ip('203.0.113.12'), { nextHop: ip('192.0.2.1'), ...claimOf(fabric, '192.0.2.1', 1) });
    assert.deepEqual(examine(node).filter((line) => line.includes('identifier')), []);
  });

  it('fails for a sequence from the future while it stands, and warns afterwards', () => {
    const { fabric, node } = start();
    inject(fabric, vm4, claimOf(fabric, '192.0.2.2', 400 * 86_400));
    assert.match(examine(node)[0] as string, /^fail future: tor: 203\.0\.113\.11\/32 has sequence \d+, more than a day ahead of our clock \(node 192\.0\.2\.2\)/);
    fabric.router.clients.get('hv-2')!.routes.clear();
    (fabric.router as unknown as { decide(prefixes: readonly string[]): void }).decide([hostPrefix(vm4)]);
    fabric.run(10);
    assert.match(examine(node)[0] as string, /^warn future: 1 routes/);
  });

  it('warns of what the fabric shows against the profile, of overrides, and of limits', () => {
    const { fabric, node, tap } = start((c) => ({ ...c, bgp: { ...c.bgp, peers: c.bgp.peers.map((peer) => ({ ...peer, maxPrefixes: 2 })) } }));
    fabric.frame(node, tap, garpFrame(vmMac, vm4));
    fabric.run(100);
    assert.match(examine(node)[0] as string, /^warn prefixes: tor: 2 prefixes sent, 80 % of maxPrefixes \(2\) reached/);
    fabric.performFor(node, node.speaker.override('default', ip('203.0.113.30'), 'announce', fabric.now()));
    assert.deepEqual(examine(node).map((line) => line.split(':')[0]), ['fail prefixes', 'warn manual']);
    inject(fabric, vm4, {});
    assert.ok(examine(node).some((line) => /^warn fabric: tor: 203\.0\.113\.11\/32, which we claim, also comes without landfall's marks/.test(line)), examine(node).join('\n'));
  });

  it('skips what bgp.receive none hides, and warns of a router that shows nothing', () => {
    const { fabric, node, tap } = start((c) => ({ ...c, bgp: { ...c.bgp, receive: 'none' } }));
    assert.deepEqual(examine(node), ['skip reflected: bgp.receive is none: handover times at the ToR cannot be measured']);
    void fabric;
    void tap;
    const lone = new Fabric();
    const alone = lone.addNode(1);
    lone.run(3000);
    lone.frame(alone, lone.addPort(alone, 'tap0'), garpFrame(vmMac, vm4));
    lone.run(40_000);
    const shown = alone.speaker.world.peers.get('tor')?.adjIn.routes.size;
    assert.equal(examine(alone).some((line) => line.startsWith('warn reflected')), shown === 0);
  });

  it('tells a RARP without a binding, and guests that never speak themselves', () => {
    const { fabric, node, tap } = start();
    const stranger = parseMac('52:54:00:aa:00:31') as Mac;
    for (let i = 0; i < 5; i++) fabric.frame(node, tap, rarpFrame(stranger));
    fabric.run(10);
    assert.deepEqual(examine(node), ['warn rarp: 1 MAC sends RARP and has no binding (52:54:00:aa:00:31); RARP carries no IP']);
    assert.deepEqual(checkRarp([{ kind: 'garp', verdict: 'no_binding', mac: stranger }, { kind: 'rarp', verdict: 'repeat', mac: stranger }]), []);
    const landings = Array.from({ length: 3 }, () => ({ mac: stranger, seenBy: 'rarp', vm: 'shop/web-1' }));
    assert.match(troubles(checkSilentGuests(landings, []))[0] as string, /^warn guests: only the hypervisor's RARP was heard in all migrations of shop\/web-1 \(3\)/);
    assert.deepEqual(checkSilentGuests(landings.slice(1), []), []);
    assert.deepEqual(checkSilentGuests([...landings, { mac: stranger, seenBy: 'garp' }], []), []);
    assert.deepEqual(checkSilentGuests(landings, [{ mac: stranger, kind: 'garp', verdict: 'repeat' }]), []);
  });

  const down = (lastError?: string): PeerItem => ({ ...(peers[1] as PeerItem), lastError: lastError as string });
  for (const [lastError, fix] of [
    ['OPEN Message Error / Bad Peer AS (2/2): expected 65001, it says 65011', /^bgp\.peers\[tor-b\]\.asn is 65001 and bgp\.asn is 65010/],
    ['OPEN Message Error / Bad BGP Identifier (2/3)', /bgp\.routerId/],
    ['OPEN Message Error / Unacceptable Hold Time (2/6)', /timers\.hold/],
    ['OPEN Message Error / Role Mismatch (2/11)', /bgp\.peers\[tor-b\]\.role/],
    ['Cease / Connection Collision Resolution (6/7)', /end the other program's session.*bgp\.peers\[tor-b\]\.sourceAddress/],
    ['Cease / Maximum Number of Prefixes Reached (6/1): limit 10', /maxPrefixes/],
    ['connection lost in OpenSent: closed by peer (our OPEN had no answer: is this speaker a neighbor there?)', /make this node a neighbor/],
    ['cannot connect: no answer (away, filtered, or a wrong MD5 key or TTL at either side)', /password, ttlSecurity/],
    ['TCP-AO is not in this kernel (it needs Linux 6.7 or later with CONFIG_TCP_AO): no key, no session', /CONFIG_TCP_AO.*bgp\.peers\[tor-b\]\.password/],
    ['cannot connect: ETIMEDOUT (a wrong or missing TCP-AO key at the other side looks like this)', /KeyIDs/],
    ['cannot connect: ECONNREFUSED', /is BGP running/],
    ['Cease / Administrative Shutdown (6/2); since then: connection lost in OpenSent: closed by peer (our OPEN had no answer: is this speaker a neighbor there?)', /^enable the neighbor/],
    ['something nobody has seen', /landfall events/],
  ] as const) {
    it(`a session that is not up: ${lastError.slice(0, 50)}`, () => {
      const [found] = checkSessions([down(lastError)], { asn: 65010, dryRun: false });
      assert.equal(found?.result, 'fail');
      assert.ok(found?.text.includes(lastError));
      assert.match(found?.fix ?? '', fix);
    });
  }

  it('names guests that are refused for their port or their VLAN, as long as that is so', () => {
    const { fabric, node } = start((config) => ({ ...config, watch: config.watch.map((watch) => ({ ...watch, vlans: [[0, 0], [100, 100]] as const })) }));
    const tap = fabric.addPort(node, 'tap1', 'tun', 'fe:54:00:aa:00:09' as Mac);
    fabric.frame(node, tap, garpFrame(vmMac, vm4));
    assert.deepEqual(examine(node), ['warn marks: 52:54:00:aa:00:01 speaks behind tap1 and is refused: port is another guest\'s: its tap\'s MAC says ..:54:00:aa:00:09']);
    const [found] = collectDoctor(node.speaker.world, facts).findings.filter(({ topic }) => topic === 'marks');
    assert.match(found?.fix ?? '', /^if it belongs there, ip link set tap1 alias mac=52:54:00:aa:00:01; else/);
    const link = node.speaker.world.bridges.links.get(tap)!;
    fabric.give(node, { type: 'bridge', change: { type: 'link', link: { ...link, alias: `mac=${vmMac}` } } });
    assert.deepEqual(examine(node), []);
    fabric.give(node, { type: 'bridge', change: { type: 'link', link: { ...link, alias: `mac=${vmMac}`, pvid: 7, vlans: [[7, 7]] } } });
    fabric.frame(node, tap, garpFrame(vmMac, vm4));
    assert.deepEqual(examine(node), ['warn vlan: 52:54:00:aa:00:01 speaks behind tap1 in VLAN 7 and is refused: no watch of br-vlan covers that']);
  });

  it('names no VLAN for a frame with two tags, which is in none', () => {
    const { fabric, node, tap } = start((config) => ({ ...config, watch: config.watch.map((watch) => ({ ...watch, vlans: [[100, 100]] as const })) }));
    const tagged = garpFrame(vmMac, vm4, { vlan: 100 });
    fabric.frame(node, tap, Uint8Array.from([...tagged.subarray(0, 12), 0x81, 0, 0, 5, ...tagged.subarray(12)]));
    assert.deepEqual([...node.speaker.world.ignored.values()].map(({ verdict, reason, vlan }) => [verdict, reason, vlan]), [['wrong_vlan', 'two VLAN tags', undefined]]);
    assert.deepEqual(examine(node), []);
  });

  it('a session that is young, one without a family, and none in a dry run', () => {
    assert.match(troubles(checkSessions([{ ...down(), lastError: undefined as never }], { asn: 65010, dryRun: false }))[0] as string, /^warn session: tor-b is active for 72 s/);
    const half = { ...(peers[0] as PeerItem), families: [{ family: 'ipv6' as const, negotiated: false, sent: 0, received: 0 }] };
    assert.deepEqual(troubles(checkSessions([half], { asn: 65010, dryRun: false })), ['warn session: tor-a does not speak ipv6-unicast with us: no ipv6 routes are sent there']);
    assert.deepEqual(troubles(checkSessions(peers, { asn: 65010, dryRun: true })), ['skip session: run --dry-run opens no session']);
  });

  it('a session whose long error is told whole', () => {
    const { fabric, node } = start();
    const peer = node.speaker.world.peers.get('tor')!;
    peer.session = { ...peer.session, fsm: 'Active', lastError: { text: 'connection lost in OpenSent: closed by peer (our OPEN had no answer: is this speaker a neighbor there?)', atMs: fabric.now().wallMs } };
    assert.ok(examine(node).some((line) => /^fail session: tor is active .*the router does not know us: .*a neighbor there\?\)$/.test(line)), examine(node).join('\n'));
  });

  it('BFD that is asked for and is not up', () => {
    const of = (bfd: PeerItem['bfd']): string[] => troubles(checkSessions([{ ...(peers[0] as PeerItem), bfd: bfd as never }], { asn: 65010, dryRun: false }));
    assert.deepEqual([of(undefined), of({ state: 'up' })], [[], []]);
    assert.match(of({ state: 'down', text: 'no packets' })[0] as string, /^warn bfd: tor-a: BFD is down \(no packets\): a node that dies keeps its routes until the hold time \(9 s\) is over/);
    assert.match(of({ state: 'unknown' })[0] as string, /^warn bfd: tor-a: the BFD process does not answer/);
    assert.deepEqual(checkSessions([{ ...down('cannot connect: ECONNREFUSED'), bfd: { state: 'down' } }], { asn: 65010, dryRun: false }).map(({ topic }) => topic), ['session']);
  });

  it('the process: a state file that can\'t be written at present', () => {
    const [found] = checkProcess({ capture: { received: 90, dropped: 0 }, warnings: [], stateFile: '/var/lib/landfall/state.json', stateProblem: 'state file … cannot be written (ENOSPC)' }, false);
    assert.deepEqual([found?.result, found?.topic, found?.text], ['warn', 'state', 'state file … cannot be written (ENOSPC)']);
    assert.match(found?.fix ?? '', /^let the daemon write to \/var\/lib\/landfall /);
  });

  it('the process: drops, its own warnings, and a state file that is not there', () => {
    assert.deepEqual(troubles(checkProcess({ capture: { received: 90, dropped: 10 }, warnings: ['the state file cannot be written'] }, false)).map((line) => line.slice(0, 40)), [
      'warn capture: 10 of 100 frames were drop', 'warn daemon: the state file cannot be wr', 'warn state: there is no folder for the s'.slice(0, 40)]);
    assert.deepEqual(troubles(checkProcess({ capture: { received: 1, dropped: 0 }, warnings: [] }, true)), []);
  });
});

import assert from 'node:assert/strict';
import { garpFrame, rarpFrame } from '../../garp/wire/frames.ts';
import type { Migration } from '../../routes/migrations.ts';
import { collectMigrations } from '../../src/collect/migrations.ts';
import { wellKnownCommunities } from '../../bgp/community.ts';
import type { Community } from '../../bgp/route.ts';
import { hostPrefix, ip } from '../../net/ip.ts';
import { encodeClaimMarks } from '../../routes/claim-communities.ts';
import { receiveChange } from '../../src/received-routes.ts';
import { Fabric, vm4, vm6, vmMac, type SimNode } from './fabric.ts';

/** One move from the first node to the second, as both saw it; the frame was captured 0.2 ms before it was read. */
function moved(): { fabric: Fabric; a: SimNode; b: SimNode; into: Migration; out: Migration; zeroMs: number } {
  const fabric = new Fabric();
  const [a, b] = [fabric.addNode(1), fabric.addNode(2)];
  fabric.run(3000);
  fabric.frame(a, fabric.addPort(a, 'tap0'), garpFrame(vmMac, vm4));
  fabric.run(5000);
  const tapB = fabric.addPort(b, 'tap0');
  fabric.run(1300);
  const zeroMs = fabric.nowMs - 0.2;
  fabric.frame(b, tapB, rarpFrame(vmMac), { capturedAtMs: zeroMs });
  fabric.run(100_000);
  const of = (node: SimNode, direction: 'in' | 'out'): Migration => {
    const found = node.speaker.world.migrations.all.filter((m) => m.address === vm4 && m.direction === direction).at(-1);
    assert.ok(found !== undefined);
    return found;
  };
  return { fabric, a, b, into: of(b, 'in'), out: of(a, 'out'), zeroMs };
}

const rival = ip('192.0.2.2');
const last = (node: SimNode): Migration => node.speaker.world.migrations.all.filter((m) => m.address === vm4).at(-1) as Migration;
/** What routers showed of it: event and peer. */
const shown = (m: Migration): string[] => m.timeline.filter((line) => ['reflected', 'source-demoted', 'source', 'source-gone'].includes(line.event)).map((line) => `${line.event} ${line.peer ?? ''}`);

/** A node with two routers, and the words of either. */
function twoRouters(): { fabric: Fabric; node: SimNode; tell: (name: string, claim: { sequence: number; leaving?: boolean; node?: string } | undefined) => void } {
  const fabric = new Fabric();
  const node = fabric.addNode(1, (c) => ({ ...c, bgp: { ...c.bgp, peers: [...c.bgp.peers, { ...(c.bgp.peers[0] as (typeof c.bgp.peers)[number]), name: 'tor-b', address: ip('192.0.2.253') }] } }));
  fabric.run(2000);
  const { world } = node.speaker;
  const prefix = hostPrefix(vm4);
  return {
    fabric, node,
    tell: (name, claim) => {
      const peer = world.peers.get(name);
      assert.ok(peer !== undefined);
      if (claim === undefined) return void receiveChange(world, peer, { type: 'withdraw', prefix });
      const { sequence, leaving = false, node: of = rival } = claim;
      receiveChange(world, peer, {
        type: 'announce',
        route: { prefix, attributes: { origin: 'IGP', asPath: [], nextHop: ip(of), localPref: sequence, communities: leaving ? [wellKnownCommunities['graceful-shutdown'] as Community] : [], largeCommunities: encodeClaimMarks(65010, { segment: 0, sequence, mac: vmMac, node: ip(of) }) } },
      });
    },
  };
}

describe('the timeline of a move', () => {
  it('at the destination: seen, accepted, announced and written to each peer, reflected, source gone, settled', () => {
    const { into, zeroMs } = moved();
    assert.equal(into.startMs, zeroMs);
    assert.deepEqual(into.timeline.map((line) => line.event), ['frame', 'accepted', 'announced', 'written', 'reflected', 'source', 'source-gone', 'settled']);
    const [frame, , announced, written] = into.timeline;
    assert.match(frame?.text ?? '', /^rarp from tap0, 52:54:00:aa:00:01, vlan 0 \(kernel time stamp\)$/);
    assert.match(announced?.text ?? '', /^tor: local-pref \d+/);
    assert.deepEqual([announced?.peer, written?.peer], ['tor', 'tor']);
    assert.ok(into.timeline.every((line, i, all) => i === 0 || line.atMs >= (all[i - 1]?.atMs ?? 0)), 'in the order of time');
    assert.equal(into.result, 'settled');
    assert.equal(into.peerNode, '192.0.2.1');
  });

  it('at the source: the newer claim, demoted, withdrawn from each peer, and written', () => {
    const { out } = moved();
    assert.deepEqual(out.timeline.map((line) => line.event), ['remote-claim', 'demoted', 'withdrawn', 'withdrawn', 'written']);
    assert.match(out.timeline.find((line) => line.peer === 'tor')?.text ?? '', /tor: route withdrawn/);
    assert.equal(out.result, 'withdrawn');
    assert.equal(out.peerNode, '192.0.2.2');
  });

  it('says when each peer\'s last byte was written, as the door tells it', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1);
    fabric.run(3000);
    const tap = fabric.addPort(node, 'tap0');
    const { speaker } = node;
    const at = fabric.nowMs;
    const outputs = speaker.dispatch({ type: 'frame', frame: { bytes: rarpFrame(vmMac), ifindex: tap, capturedAtMs: at } }, fabric.now());
    assert.ok(!outputs.some((output) => output.type === 'history'), 'nothing for the disk before the bytes are out');
    const after = speaker.dispatch({ type: 'written', at: new Map([['tor', at + 0.4]]) }, { ...fabric.now(), monotonicMs: at + 0.5 });
    assert.equal(after.filter((output) => output.type === 'history').length, 2);
    for (const m of speaker.world.migrations.all) {
      assert.equal(m.announcedAtMs, at + 0.4);
      assert.deepEqual(m.timeline.filter((line) => line.event === 'written').map((line) => line.atMs), [at + 0.4]);
    }
  });

  it('of a claim made before its session is up: announced and written when it is, once', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1);
    let asked = 0;
    node.onDelivery = () => {
      asked += 1;
      return { outgoing: 2, neighbour: true };
    };
    const of = (): Migration => node.speaker.world.migrations.all.find((m) => m.address === vm4) as Migration;
    const zeroMs = fabric.nowMs;
    fabric.frame(node, fabric.addPort(node, 'tap0'), rarpFrame(vmMac));
    assert.deepEqual(of().timeline.map((line) => line.event), ['frame', 'accepted'], 'no session: nothing is sent, and nothing asked');
    assert.equal(of().announcedAtMs, undefined);
    fabric.run(5000);
    assert.equal(fabric.best(), 'hv-1');
    assert.deepEqual(of().timeline.map((line) => line.event), ['frame', 'accepted', 'announced', 'written', 'deliverable']);
    assert.ok((of().announcedAtMs ?? 0) > zeroMs);
    assert.equal(asked, 2, 'once for each address');
    const started = node.notes.filter((one) => one.event === 'migration.started');
    assert.equal(started.length, 2);
    for (const { fields } of started) assert.equal(fields['waitedSeconds'], fields['announceSeconds'], 'that is how long it waited for a session');
    fabric.cut(node);
    fabric.run(20_000);
    assert.equal(fabric.best(), 'hv-1');
    assert.equal(of().timeline.filter((line) => line.event === 'announced' || line.event === 'written').length, 2, 'a session that comes back adds nothing');
    assert.equal(asked, 2);
  });

  it('tells of the second router, too, whose session came up later, unless the handover was over', () => {
    for (const [laterMs, lines] of [[3000, ['tor', 'tor-b']], [120_000, ['tor']]] as const) {
      const fabric = new Fabric();
      const node = fabric.addNode(1, (c) => ({ ...c, bgp: { ...c.bgp, peers: [...c.bgp.peers, { ...(c.bgp.peers[0] as (typeof c.bgp.peers)[number]), name: 'tor-b', address: ip('192.0.2.253') }] } }));
      const world = node.speaker.world;
      fabric.run(2000);
      fabric.frame(node, fabric.addPort(node, 'tap0'), rarpFrame(vmMac));
      fabric.run(laterMs);
      const [up, peer] = [world.peers.get('tor'), world.peers.get('tor-b')];
      assert.ok(up !== undefined && peer !== undefined);
      // As it is when its session has come up.
      peer.session = up.session;
      peer.resend = true;
      fabric.give(node, { type: 'tick' });
      const m = world.migrations.all.find((one) => one.address === vm4);
      assert.deepEqual(m?.timeline.filter((line) => line.event === 'written').map((line) => line.peer), lines);
      assert.ok((m?.announcedAtMs ?? Infinity) < 2500, 'the announce time stays that of the first');
    }
  });

  it('has what each of two routers shows by itself, and the source gone with the last of them', () => {
    const { fabric, node, tell } = twoRouters();
    for (const name of ['tor', 'tor-b']) tell(name, { sequence: 1000 });
    fabric.frame(node, fabric.addPort(node, 'tap0'), rarpFrame(vmMac));
    const m = last(node);
    assert.deepEqual([m.peerNode, shown(m)], [rival, []]);
    tell('tor-b', { sequence: 1000, leaving: true });
    assert.deepEqual(shown(m), ['source-demoted tor-b']);
    tell('tor-b', undefined);
    assert.deepEqual(shown(m), ['source-demoted tor-b', 'reflected tor-b', 'source tor-b']);
    assert.equal(m.sourceGoneAtMs, undefined);
    tell('tor', { sequence: m.sequence, node: '192.0.2.1' });
    assert.deepEqual(shown(m).slice(3), ['reflected tor', 'source tor', 'source-gone tor']);
    assert.match(m.timeline.find((line) => line.event === 'reflected' && line.peer === 'tor')?.text ?? '', /tor now sends next hop 192\.0\.2\.1 \(this node\)/);
    assert.ok(m.sourceGoneAtMs !== undefined && m.reflectedAtMs !== undefined);
  });

  it('has, at the source, each router that shows the newer claim', () => {
    const { fabric, node, tell } = twoRouters();
    const tap = fabric.addPort(node, 'tap0');
    fabric.frame(node, tap, rarpFrame(vmMac));
    fabric.run(2000);
    const { peers } = node.speaker.world;
    const sent = peers.get('tor')?.adjOut.sent.get(hostPrefix(vm4));
    assert.ok(sent !== undefined);
    peers.get('tor-b')?.adjOut.sent.set(hostPrefix(vm4), sent); // as if it had been
    const { sequence } = last(node);
    tell('tor', { sequence: sequence + 10 });
    const out = last(node);
    assert.deepEqual([out.direction, out.timeline[0]?.event, shown(out)], ['out', 'remote-claim', []]);
    tell('tor-b', { sequence: sequence + 10 });
    assert.deepEqual(shown(out), ['reflected tor-b']);
  });

  it('and the wire: withdrawn at the source from the router that shows the newer claim, still there, as leaving, at the other', () => {
    const { fabric, node, tell } = twoRouters();
    fabric.frame(node, fabric.addPort(node, 'tap0'), rarpFrame(vmMac));
    fabric.run(2000);
    const [tor, other] = ['tor', 'tor-b'].map((name) => node.speaker.world.peers.get(name));
    assert.ok(tor !== undefined && other !== undefined);
    other.session = tor.session;
    other.resend = true;
    fabric.give(node, { type: 'tick' });
    const prefix = hostPrefix(vm4);
    assert.deepEqual([tor.adjOut.sent.has(prefix), other.adjOut.sent.has(prefix)], [true, true]);
    tell('tor-b', { sequence: last(node).sequence + 10 });
    fabric.give(node, { type: 'tick' });
    assert.deepEqual([tor.adjOut.sent.has(prefix), other.adjOut.sent.has(prefix)], [true, false]);
    assert.match(tor.adjOut.sent.get(prefix)?.key ?? '', /^leaving /);
    assert.deepEqual(last(node).timeline.filter((line) => line.peer !== undefined).map((line) => `${line.event} ${line.peer}`), ['announced tor', 'withdrawn tor-b', 'written tor', 'written tor-b']);
  });

  it('ends in words at the source when the VM is heard there again', () => {
    const { fabric, node } = twoRouters();
    const tap = fabric.addPort(node, 'tap0');
    fabric.frame(node, tap, garpFrame(vmMac, vm4));
    fabric.run(2000);
    fabric.frame(node, node.uplink, rarpFrame(vmMac));
    const out = last(node);
    assert.deepEqual([out.direction, out.result], ['out', 'leaving']);
    fabric.run(100);
    fabric.frame(node, tap, garpFrame(vmMac, vm4));
    assert.deepEqual([out.result, out.timeline.at(-1)?.event], ['reclaimed', 'superseded']);
    assert.equal(last(node).direction, 'in');
  });

  it('is put down when it is over', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1);
    fabric.run(3000);
    fabric.frame(node, fabric.addPort(node, 'tap0'), rarpFrame(vmMac));
    fabric.run(80_000);
    const outputs = node.speaker.dispatch({ type: 'tick' }, { ...fabric.now(), monotonicMs: fabric.nowMs + 20_000 });
    assert.deepEqual(outputs.flatMap((output) => (output.type === 'history' ? [output.migration.result] : [])), ['settled', 'settled']);
  });

  it('is found by VM and by time', () => {
    const { fabric, b } = moved();
    b.speaker.world.now = fabric.now();
    assert.equal(collectMigrations(b.speaker.world, { vm: 'shop/web-1' }).length, 2);
    assert.equal(collectMigrations(b.speaker.world, { vm: 'shop/db-1' }).length, 0);
    assert.equal(collectMigrations(b.speaker.world, { sinceSeconds: 1 }).length, 0);
    assert.deepEqual(collectMigrations(b.speaker.world, { sinceSeconds: 3600 }).map((item) => item.prefix).sort(), [`${vm6}/128`, `${vm4}/32`]);
  });
});

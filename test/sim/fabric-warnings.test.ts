import assert from 'node:assert/strict';
import type { RouteAttributes } from '../../bgp/route.ts';
import { garpFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { ip, type Prefix } from '../../net/ip.ts';
import { newAdjRibIn } from '../../routes/adj-rib-in.ts';
import { newAdjRibOut } from '../../routes/adj-rib-out.ts';
import { encodeClaimMarks } from '../../routes/claim-communities.ts';
import { clockSequence } from '../../routes/claim.ts';
import { addressKey } from '../../routes/loc-rib.ts';
import { fabricWarnings } from '../../src/fabric.ts';
import { Fabric, vm4, vmMac, type SimNode } from './fabric.ts';

const prefix = `${vm4}/32` as Prefix;
const other = ip('192.0.2.2');

function start(): { fabric: Fabric; node: SimNode; port: number } {
  const fabric = new Fabric();
  const node = fabric.addNode(1);
  fabric.addNode(2);
  fabric.run(3000);
  return { fabric, node, port: fabric.addPort(node, 'tap0') };
}

/** The router gets this route from node 2 and decides anew. */
function inject(fabric: Fabric, more: Partial<RouteAttributes>): void {
  fabric.router.clients.get('hv-2')!.routes.set(prefix, {
    prefix, attributes: { origin: 'IGP', asPath: [], nextHop: other, localPref: 4294967295, communities: [], largeCommunities: [], ...more },
  });
  decide(fabric);
}

/** And loses it again. */
function retract(fabric: Fabric): void {
  fabric.router.clients.get('hv-2')!.routes.clear();
  decide(fabric);
}

function decide(fabric: Fabric): void {
  (fabric.router as unknown as { decide(prefixes: readonly Prefix[]): void }).decide([prefix]);
  fabric.run(10);
}

const warnings = (node: SimNode): string => fabricWarnings(node.speaker.world).join('\n');
const findings = (node: SimNode): readonly unknown[] => node.notes.filter(({ event }) => event === 'fabric.finding').map(({ fields }) => fields['finding']);

describe('what a speaker finds out about its fabric', () => {
  it('nothing, while all is well', () => {
    const { fabric, node, port } = start();
    fabric.frame(node, port, rarpFrame(vmMac));
    fabric.run(60_000);
    assert.deepEqual([warnings(node), findings(node)], ['', []]);
  });

  it('a route without marks for an address that it claims, as long as it is there', () => {
    const { fabric, node, port } = start();
    fabric.frame(node, port, rarpFrame(vmMac));
    fabric.run(100);
    inject(fabric, {});
    assert.match(warnings(node), /^tor: 203\.0\.113\.11\/32, which we claim, also comes without landfall's marks \(next hop 192\.0\.2\.2\)/);
    retract(fabric);
    assert.equal(warnings(node), '');
  });

  it('that LOCAL_PREF is rewritten, before any move, once in a session', () => {
    const { fabric, node } = start();
    const marks = encodeClaimMarks(65010, { segment: 0, sequence: clockSequence(fabric.now()), node: other });
    inject(fabric, { localPref: 100, largeCommunities: marks });
    inject(fabric, { localPref: 110, largeCommunities: marks });
    assert.deepEqual(findings(node), ['local_pref_changed']);
    assert.match(warnings(node), /^tor: 192\.0\.2\.2's claim comes with LOCAL_PREF 100, not with its sequence/);
    retract(fabric);
    assert.match(warnings(node), /LOCAL_PREF/, 'a route that is gone mends nothing');
    fabric.cut(node);
    fabric.run(5000);
    assert.equal(warnings(node), '');
  });

  it('that it was mended, and when it is there anew', () => {
    const { fabric, node } = start();
    const sequence = clockSequence(fabric.now());
    const marks = encodeClaimMarks(65010, { segment: 0, sequence, node: other });
    inject(fabric, { localPref: 100, largeCommunities: marks });
    inject(fabric, { localPref: sequence, largeCommunities: marks });
    assert.equal(warnings(node), '');
    inject(fabric, { localPref: 100, largeCommunities: marks });
    assert.deepEqual([findings(node), /LOCAL_PREF 100/.test(warnings(node))], [['local_pref_changed'], true]);
  });

  it('that a router takes its time', () => {
    const { fabric, node, port } = start();
    const marks = encodeClaimMarks(65010, { segment: 0, sequence: clockSequence(fabric.now()), node: other });
    inject(fabric, { localPref: clockSequence(fabric.now()), largeCommunities: marks });
    fabric.run(12_000);
    fabric.latencyMs = 800;
    fabric.frame(node, port, rarpFrame(vmMac));
    fabric.run(3000);
    assert.deepEqual(findings(node), ['slow_router']);
    assert.match(warnings(node), /took 1\.6 s to answer a claim/);
    assert.equal(node.speaker.world.peers.get('tor')?.fabric.hidesLosers, true);
  });

  it('not that a router took its time over its first table', () => {
    const { fabric, node, port } = start();
    inject(fabric, { localPref: clockSequence(fabric.now()), largeCommunities: encodeClaimMarks(65010, { segment: 0, sequence: clockSequence(fabric.now()), node: other }) });
    fabric.latencyMs = 800;
    fabric.frame(node, port, rarpFrame(vmMac));
    fabric.run(3000);
    assert.equal(node.speaker.world.peers.get('tor')?.fabric.hidesLosers, true);
    assert.deepEqual(findings(node), []);
  });

  it('not that a router took its time over what it was told when its session came up', () => {
    const { fabric, node, port } = start();
    fabric.frame(node, port, rarpFrame(vmMac));
    fabric.run(5000);
    const sequence = node.speaker.world.locRib.handovers.get(addressKey('default', vm4))?.sequence ?? 0;
    fabric.cut(node);
    // What the router says of ours afterwards, by another reflector.
    inject(fabric, { nextHop: ip('192.0.2.1'), localPref: 1, largeCommunities: encodeClaimMarks(65010, { segment: 0, sequence, node: ip('192.0.2.1') }) });
    fabric.run(20_000);
    assert.equal(node.speaker.world.peers.get('tor')?.fabric.reflectsOwn, true, 'it shows our route again');
    assert.deepEqual(findings(node).filter((code) => code === 'slow_router'), []);
  });

  it('not that a router shows a claim again after a drain', () => {
    const { fabric, node, port } = start();
    fabric.run(12_000);
    fabric.frame(node, port, rarpFrame(vmMac));
    fabric.run(100);
    const sequence = node.speaker.world.locRib.handovers.get(addressKey('default', vm4))?.sequence ?? 0;
    const reflection = { nextHop: ip('192.0.2.1'), localPref: sequence + 1, largeCommunities: encodeClaimMarks(65010, { segment: 0, sequence, node: ip('192.0.2.1') }) };
    inject(fabric, reflection);
    const answeredMs = node.speaker.world.peers.get('tor')?.fabric.slowestAnswerMs;
    assert.ok(answeredMs !== undefined && answeredMs < 500, `${answeredMs}`);
    fabric.performFor(node, node.speaker.drain(100, fabric.now()));
    fabric.run(5000);
    retract(fabric);
    fabric.performFor(node, node.speaker.undrain(fabric.now()));
    fabric.run(100);
    inject(fabric, reflection);
    assert.equal(node.speaker.world.peers.get('tor')?.adjIn.routes.get(prefix)?.kind, 'own');
    assert.deepEqual(findings(node).filter((code) => code === 'slow_router'), []);
  });

  it('that a VM went where no router shows a claim', () => {
    const { fabric, node, port } = start();
    fabric.frame(node, port, rarpFrame(vmMac));
    fabric.run(2000);
    fabric.frame(node, node.uplink, garpFrame(vmMac, vm4));
    fabric.run(6000);
    assert.ok(findings(node).includes('rival_hidden'), warnings(node));
    assert.match(warnings(node), /no router has shown another node's claim.*; make the nodes route-reflector clients/);
    inject(fabric, { localPref: clockSequence(fabric.now()), largeCommunities: encodeClaimMarks(65010, { segment: 0, sequence: clockSequence(fabric.now()), node: other }) });
    assert.equal(warnings(node), '', 'until the router shows one');
  });

  it('that one router hides what another shows', () => {
    const { fabric, node } = start();
    inject(fabric, { localPref: clockSequence(fabric.now()), largeCommunities: encodeClaimMarks(65010, { segment: 0, sequence: clockSequence(fabric.now()), node: other }) });
    const { peers } = node.speaker.world;
    const peer = peers.get('tor')!;
    peers.set('blind', { ...peer, config: { ...peer.config, name: 'blind' }, adjIn: newAdjRibIn(), adjOut: newAdjRibOut() });
    node.speaker.world.now = fabric.now();
    assert.equal(warnings(node), '', 'routers are given time');
    fabric.run(40_000);
    node.speaker.world.now = fabric.now();
    assert.match(warnings(node), /^blind: tor shows 203\.0\.113\.11\/32 of another node and this router does not/m);
  });
});

import assert from 'node:assert/strict';
import type { Config } from '../../config/config.ts';
import { garpFrame, naFrame } from '../../garp/wire/frames.ts';
import { ip, type IpAddress } from '../../net/ip.ts';
import { macFromBytes, parseMac, type Mac } from '../../net/mac.ts';
import type { Endpoint } from '../../routes/handover.ts';
import { addressKey } from '../../routes/loc-rib.ts';
import { rememberClaimant } from '../../src/claimants.ts';
import { hearAgain } from '../../src/stale-routes.ts';
import { answerProbe } from '../sim/probe-answer.ts';
import { Fabric, vm4, vm6, vmMac, type SimNode } from '../sim/fabric.ts';

// Mode learn: a VM is given an address while another still has it, and says so once, too soon.

const minute = 60_000;
const heir = parseMac('52:54:00:bb:00:01') as Mac;
const learn = (c: Config): Config => ({ ...c, identity: { ...c.identity, mode: 'learn', bindings: [], learnedIdleForMs: minute } });
const verdicts = (node: SimNode): string[] => [...node.speaker.world.ignored.values()].map((i) => i.verdict);

/** The heir answers behind its port for what it has, nobody else answers; `asked` counts the questions to it. */
function answering(fabric: Fabric, node: SimNode, port: number, has: ReadonlySet<IpAddress>): { asked: number } {
  const count = { asked: 0 };
  node.onProbe = (ifindex, probe) => {
    if (ifindex !== port || macFromBytes(probe) !== heir) return;
    count.asked++;
    if (has.has(probe[12] === 8 ? vm4 : vm6)) answerProbe(fabric, node, ifindex, probe);
  };
  return count;
}

const endpointOf = (node: SimNode, address = vm4): Endpoint | undefined => node.speaker.world.locRib.handovers.get(addressKey('default', address))?.endpoint;

describe('who was refused an address', () => {
  it('is asked when its active VM gave it up, on the same node, and no router is without a route meanwhile', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, learn);
    fabric.run(3000);
    const [own, other] = [fabric.addPort(node, 'tap0'), fabric.addPort(node, 'tap1')];
    const count = answering(fabric, node, other, new Set([vm4, vm6]));
    for (const frame of [garpFrame(vmMac, vm4), naFrame(vmMac, vm6)]) fabric.frame(node, own, frame);
    fabric.give(node, { type: 'bridge', change: { type: 'fdb', entry: { ifindex: own, mac: vmMac, vlan: 0, permanent: false } } });
    for (const frame of [garpFrame(heir, vm4), naFrame(heir, vm6)]) fabric.frame(node, other, frame);
    assert.deepEqual([verdicts(node), count.asked], [['conflict', 'conflict'], 0]);
    for (let i = 0; i < 6; i++) {
      fabric.run(minute);
      fabric.frame(node, own, garpFrame(vmMac, ip('198.51.100.7'))); // its new one, outside the prefixes
    }
    for (const address of [vm4, vm6]) {
      assert.deepEqual([endpointOf(node, address)?.mac, fabric.best(address)], [heir, 'hv-1']);
    }
    assert.deepEqual(fabric.router.history.filter(({ node: best }) => best === undefined), []);
  });

  it('is asked when the node that claims it gives it up; one that has it no more gets nothing', () => {
    for (const has of [new Set([vm4, vm6]), new Set<IpAddress>()]) {
      const fabric = new Fabric();
      const [a, b] = [fabric.addNode(1, learn), fabric.addNode(2, learn)];
      fabric.run(3000);
      const tapA = fabric.addPort(a, 'tap0');
      for (const frame of [garpFrame(vmMac, vm4), naFrame(vmMac, vm6)]) fabric.frame(a, tapA, frame);
      fabric.run(100);
      const tapB = fabric.addPort(b, 'tap5');
      const count = answering(fabric, b, tapB, has);
      for (const frame of [garpFrame(heir, vm4), naFrame(heir, vm6)]) fabric.frame(b, tapB, frame);
      fabric.run(5000);
      assert.deepEqual([verdicts(b), count.asked, fabric.best(vm4)], [['conflict', 'conflict'], 0, 'hv-1']);
      fabric.removePort(a, tapA);
      fabric.run(5000);
      const best = has.size > 0 ? 'hv-2' : undefined;
      assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], [best, best]);
      assert.ok(count.asked >= 2 && count.asked <= 6, `${count.asked} questions`);
    }
  });

  it('is asked when the other VM of its node is gone', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, learn);
    fabric.run(3000);
    const [own, other] = [fabric.addPort(node, 'tap0'), fabric.addPort(node, 'tap1')];
    answering(fabric, node, other, new Set([vm4]));
    fabric.frame(node, own, garpFrame(vmMac, vm4));
    fabric.frame(node, other, garpFrame(heir, vm4));
    fabric.run(100);
    fabric.removePort(node, own);
    fabric.run(1000);
    assert.equal(endpointOf(node)?.mac, vmMac, 'a guest that reboots keeps what it had');
    fabric.run(4000);
    assert.deepEqual([fabric.best(vm4), endpointOf(node)?.mac], ['hv-1', heir]);
  });

  it('is asked when a router that was away does not show the other node\'s claim again', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, learn);
    fabric.run(3000);
    const { world } = node.speaker;
    const other = fabric.addPort(node, 'tap1');
    const peer = world.peers.get('tor');
    assert.ok(peer !== undefined);
    const key = addressKey('default', vm4);
    world.rivals.set(key, world.now);
    peer.stale = { keys: new Set([key]), families: new Set(['ipv4-unicast']), untilMs: Infinity };
    rememberClaimant(world, 'default', vm4, { mac: heir, vlan: 0, ifindex: other, tagged: false });
    hearAgain(world, peer, { type: 'UPDATE', withdrawn: [], attributes: {}, nlri: [] });
    assert.deepEqual([world.claimants.byKey.size, world.lookups.pending.get(key)?.endpoint.ifindex], [0, other]);
  });

  it('is not asked while another node claims it for the VM that moved there', () => {
    const fabric = new Fabric();
    const [a, b] = [fabric.addNode(1, learn), fabric.addNode(2, learn)];
    fabric.run(3000);
    const [own, other] = [fabric.addPort(a, 'tap0'), fabric.addPort(a, 'tap1')];
    const count = answering(fabric, a, other, new Set([vm4]));
    fabric.frame(a, own, garpFrame(vmMac, vm4));
    fabric.frame(a, other, garpFrame(heir, vm4));
    fabric.run(100);
    fabric.frame(b, fabric.addPort(b, 'tap0'), garpFrame(vmMac, vm4));
    fabric.run(10_000);
    assert.deepEqual([fabric.best(vm4), count.asked], ['hv-2', 0]);
  });

  it('is one of 128 behind its port at most', () => {
    const { world } = new Fabric().addNode(1, learn).speaker;
    for (let i = 0; i < 1500; i++) rememberClaimant(world, 'default', ip(`203.0.${i >> 8}.${i & 255}`), { mac: heir, vlan: 0, ifindex: 7, tagged: false });
    assert.equal(world.claimants.byKey.size, 128);
    assert.ok(world.claimants.byKey.has('default|203.0.5.219/32' as never) && !world.claimants.byKey.has('default|203.0.5.91/32' as never));
  });
});

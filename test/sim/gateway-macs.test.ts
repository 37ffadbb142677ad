import assert from 'node:assert/strict';
import { garpFrame, rarpFrame } from '../../garp/wire/frames.ts';
import type { Config } from '../../config/config.ts';
import { ip } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import { gatewayFindings } from '../../src/gateway-macs.ts';
import { Fabric, vmMac, type SimNode } from './fabric.ts';

// A VM brings the gateway's MAC of the node that it left.

const gateway = ip('203.0.113.1');
const bridge = 2;
const elsewhere = parseMac('02:00:00:00:00:99') as Mac;
const texts = (node: SimNode): string[] => gatewayFindings(node.speaker.world).map(({ text }) => text);

function stage(other: Mac, refresh: 'auto' | 'off' = 'off'): { fabric: Fabric; a: SimNode; b: SimNode } {
  const meshed = (config: Config): Config => ({
    ...config, stragglers: { enabled: true, mode: 'auto', ceilingMs: 5000, members: 'auto', key: { env: 'KEY' } },
    watch: config.watch.map((watch) => ({ ...watch, gateway: { addresses: [gateway], refresh } })),
  });
  const fabric = new Fabric();
  const [a, b] = [fabric.addNode(1, meshed), fabric.addNode(2, meshed)];
  fabric.give(b, { type: 'bridge', change: { type: 'link', link: { ifindex: bridge, name: 'br-vlan', mac: other, kind: 'bridge', up: true, carrier: true } } });
  for (const node of [a, b]) fabric.give(node, { type: 'bridge', change: { type: 'ownAddress', ifindex: bridge, address: gateway, present: true } });
  fabric.run(3000);
  fabric.frame(a, fabric.addPort(a, 'tap0'), rarpFrame(vmMac));
  fabric.run(100);
  return { fabric, a, b };
}

describe('gateway MAC differs', () => {
  it('is named on both nodes, which tell each other, with the line that would cover it', () => {
    const { a, b } = stage(elsewhere);
    assert.deepEqual(texts(a), ['br-vlan: gateway MAC differs: 203.0.113.1 is 02:00:00:00:00:01 here, 02:00:00:00:00:99 at node hv-2: VMs that land send into the void; ip link set br-vlan address MAC, the same on all nodes, or watch[].gateway: {refresh: auto}']);
    assert.match(texts(b)[0] ?? '', /203\.0\.113\.1 is 02:00:00:00:00:99 here, 02:00:00:00:00:01 at node hv-1/);
  });

  it('says that VMs that land are told, where they are', () => {
    assert.match(texts(stage(elsewhere, 'auto').a)[0] ?? '', /VMs that land are told \(gateway\.refresh\)/);
  });

  it('is no news where all have the same', () => {
    const { a, b } = stage(parseMac('02:00:00:00:00:01') as Mac);
    assert.deepEqual([texts(a), texts(b)], [[], []]);
  });

  it('is heard through an uplink too, and over when it was not heard for long', () => {
    const { fabric, a } = stage(parseMac('02:00:00:00:00:01') as Mac);
    fabric.frame(a, a.uplink, garpFrame(parseMac('02:00:00:00:00:77') as Mac, gateway));
    assert.match(texts(a)[0] ?? '', /02:00:00:00:00:77 at a node behind bond0/);
    fabric.run(340_000);
    assert.deepEqual(texts(a), []);
  });

  it('of addresses that this node has not nobody is remembered', () => {
    const { fabric, a } = stage(elsewhere);
    const before = a.speaker.world.forwarding.otherGateways.size;
    fabric.frame(a, a.uplink, garpFrame(elsewhere, ip('203.0.113.200')));
    assert.equal(a.speaker.world.forwarding.otherGateways.size, before);
  });
});

import assert from 'node:assert/strict';
import type { Config } from '../../config/config.ts';
import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { decodeClaimMarks } from '../../routes/claim-communities.ts';
import { ip, type IpAddress } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import { addressKey } from '../../routes/loc-rib.ts';
import { Fabric, type SimNode } from '../sim/fabric.ts';

// VRRP and keepalived: two VMs that claim one address in turn, each with its own MAC.

const [mac1, mac2] = ['52:54:00:aa:00:01', '52:54:00:aa:00:02'].map((mac) => parseMac(mac) as Mac) as [Mac, Mac];
const own = { one: ip('203.0.113.11'), two: ip('203.0.113.12') };
const vip = { ipv4: ip('203.0.113.100'), ipv6: ip('2001:db8:100::100') };

const strict = (c: Config): Config => ({
  ...c, identity: {
    ...c.identity, shared: [vip.ipv4, vip.ipv6], bindings: [
      { vm: 'lb-1', mac: mac1, vrf: 'default', ips: [own.one, vip.ipv4, vip.ipv6] },
      { vm: 'lb-2', mac: mac2, vrf: 'default', ips: [own.two, vip.ipv4, vip.ipv6] },
    ],
  },
});
const learn = (c: Config): Config => ({ ...c, identity: { ...c.identity, mode: 'learn', shared: [vip.ipv4, vip.ipv6], bindings: [] } });
const conflicts = (...nodes: SimNode[]): string[] => nodes.flatMap((node) => [...node.speaker.world.ignored.values()]).map((i) => i.verdict).filter((v) => v !== 'repeat');

for (const [mode, more] of [['strict', strict], ['learn', learn]] as const) {
  describe(`a shared address, mode ${mode}`, () => {
    const start = (): { fabric: Fabric; a: SimNode; b: SimNode; tap1: number; tap2: number } => {
      const fabric = new Fabric();
      const a = fabric.addNode(1, more);
      const b = fabric.addNode(2, more);
      fabric.run(3000);
      const tap1 = fabric.addPort(a, 'veth1', 'veth');
      const tap2 = fabric.addPort(b, 'veth2', 'veth');
      for (const frame of [garpFrame(mac1, own.one), garpFrame(mac1, vip.ipv4), naFrame(mac1, vip.ipv6)]) fabric.frame(a, tap1, frame);
      fabric.frame(b, tap2, garpFrame(mac2, own.two));
      fabric.run(3000);
      return { fabric, a, b, tap1, tap2 };
    };
    const at = (fabric: Fabric, ...addresses: IpAddress[]): (string | undefined)[] => addresses.map((address) => fabric.best(address));

    it('fails over to the other node by its own GARP and NA, and back; nobody else moves', () => {
      const { fabric, a, b, tap1, tap2 } = start();
      assert.deepEqual(at(fabric, own.one, own.two, vip.ipv4, vip.ipv6), ['hv-1', 'hv-2', 'hv-1', 'hv-1']);
      for (const [node, tap, mac] of [[b, tap2, mac2], [a, tap1, mac1], [b, tap2, mac2]] as const) {
        fabric.frame(node, tap, garpFrame(mac, vip.ipv4));
        fabric.frame(node, tap, naFrame(mac, vip.ipv6));
        fabric.run(10);
        assert.deepEqual(at(fabric, own.one, own.two, vip.ipv4, vip.ipv6), ['hv-1', 'hv-2', node.name, node.name]);
        fabric.run(10_000);
        assert.deepEqual(at(fabric, vip.ipv4, vip.ipv6), [node.name, node.name]);
      }
      assert.deepEqual(conflicts(a, b), []);
    });

    it('fails over to a port that is younger than the claim of the other node: that is no pod before its VM', () => {
      const { fabric, b, tap2 } = start();
      fabric.removePort(b, tap2);
      fabric.run(5000);
      const young = fabric.addPort(b, 'veth3', 'veth');
      fabric.run(1000);
      fabric.frame(b, young, garpFrame(mac2, vip.ipv4));
      fabric.frame(b, young, naFrame(mac2, vip.ipv6));
      fabric.run(10);
      assert.deepEqual(at(fabric, vip.ipv4, vip.ipv6, own.one), ['hv-2', 'hv-2', 'hv-1']);
    });

    it('stays where it is when the MAC of its backup, or of its master, moves with a RARP', () => {
      const { fabric, a, b, tap1, tap2 } = start();
      fabric.frame(b, tap2, rarpFrame(mac2));
      fabric.run(10);
      assert.deepEqual(at(fabric, own.two, vip.ipv4, vip.ipv6), ['hv-2', 'hv-1', 'hv-1']);
      const tap3 = fabric.addPort(a, 'veth3', 'veth');
      fabric.frame(a, tap3, rarpFrame(mac2));
      fabric.run(10);
      const endpoint = (address: IpAddress): unknown => a.speaker.world.locRib.handovers.get(addressKey('default', address))?.endpoint?.mac;
      assert.deepEqual([...at(fabric, own.two, vip.ipv4, vip.ipv6), endpoint(vip.ipv4), endpoint(vip.ipv6)], ['hv-1', 'hv-1', 'hv-1', mac1, mac1]);
      fabric.frame(b, fabric.addPort(b, 'veth4', 'veth'), rarpFrame(mac1));
      fabric.run(10);
      assert.deepEqual(at(fabric, own.one, vip.ipv4, vip.ipv6), ['hv-2', 'hv-1', 'hv-1']);
      fabric.frame(a, tap1, rarpFrame(mac1));
      fabric.run(10);
      assert.deepEqual(at(fabric, own.one, vip.ipv4, vip.ipv6), ['hv-1', 'hv-1', 'hv-1']);
    });

    it('fails over between two VMs of one node: no conflict, and the route says the new MAC', () => {
      const { fabric, a, tap2, b } = start();
      fabric.removePort(b, tap2);
      const tap3 = fabric.addPort(a, 'tap3');
      fabric.frame(a, tap3, garpFrame(mac2, own.two));
      fabric.frame(a, tap3, garpFrame(mac2, vip.ipv4));
      fabric.run(10);
      assert.equal(fabric.best(vip.ipv4), 'hv-1');
      const route = fabric.router.best.get(`${vip.ipv4}/32` as never)?.route;
      assert.equal(decodeClaimMarks(65010, route?.attributes.largeCommunities ?? []).mac, mac2);
      assert.deepEqual(conflicts(a), []);
    });

    it('is refused to a MAC that is not one of its own in mode strict, and is anybody\'s in mode learn', () => {
      const { fabric, b, tap2 } = start();
      fabric.frame(b, tap2, garpFrame(parseMac('52:54:00:ee:00:01') as Mac, vip.ipv4));
      fabric.run(10);
      assert.equal(fabric.best(vip.ipv4), mode === 'strict' ? 'hv-1' : 'hv-2');
    });
  });
}

import assert from 'node:assert/strict';
import type { Config } from '../../config/config.ts';
import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { ip, type IpAddress } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import { answerProbe } from '../sim/probe-answer.ts';
import { Fabric, vm4, vm6, vmMac, type SimNode } from '../sim/fabric.ts';

// Lost announcements, and guests that never make any.

const learn = (c: Config): Config => ({ ...c, identity: { ...c.identity, mode: 'learn', bindings: [] } });
const strict = (c: Config): Config => c;
const rarpTimes = [0, 50, 200, 450, 800];
const seen = (ifindex: number, mac: Mac = vmMac, vlan = 0) => ({ type: 'bridge', change: { type: 'fdb', entry: { ifindex, mac, vlan, permanent: false } } }) as const;
const handover = (node: SimNode, address: IpAddress) => node.speaker.world.locRib.handovers.get(`default|${address}/${address.includes(':') ? 128 : 32}` as never);

/** A VM on node a; a port for it on node b. */
function aboutToMove(more: (c: Config) => Config): { fabric: Fabric; a: SimNode; b: SimNode; tapB: number } {
  const fabric = new Fabric();
  const a = fabric.addNode(1, more);
  const b = fabric.addNode(2, more);
  fabric.run(3000);
  const tapA = fabric.addPort(a, 'tap0');
  for (const frame of [garpFrame(vmMac, vm4), naFrame(vmMac, vm6)]) fabric.frame(a, tapA, frame);
  const tapB = fabric.addPort(b, 'tap0');
  fabric.run(2000);
  return { fabric, a, b, tapB };
}

for (const [mode, more] of [['strict', strict], ['learn', learn]] as const) {
  describe(`RARPs lost on the way, mode ${mode}: all 2^5 subsets`, () => {
    for (let subset = 0; subset < 32; subset++) {
      const heard = rarpTimes.filter((_, i) => (subset & (1 << i)) !== 0);
      it(`heard at ${heard.length === 0 ? 'no time' : `${heard.join(', ')} ms`}`, () => {
        const { fabric, a, b, tapB } = aboutToMove(more);
        // The guest speaks 1,000 ms after RESUME: an IP packet, which only the bridge sees.
        b.onProbe = (ifindex, probe) => { if (ifindex === tapB) answerProbe(fabric, b, ifindex, probe); };
        const before = fabric.router.history.length;
        let now = 0;
        for (const at of heard) {
          fabric.run(at - now);
          now = at;
          fabric.frame(b, tapB, rarpFrame(vmMac));
          fabric.run(5);
          now += 5;
          assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-2', 'hv-2'], `the first that is heard is enough (${at} ms)`);
        }
        fabric.run(1000 - now);
        fabric.give(b, seen(tapB));
        fabric.run(10);
        assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-2', 'hv-2']);
        fabric.run(5000);
        assert.deepEqual(fabric.router.history.slice(before).map((h) => h.node), ['hv-2', 'hv-2'], 'one change of each route, and never none');
        assert.equal(handover(b, vm4)?.source, heard.length > 0 ? 'rarp' : 'probe');
        for (const address of [vm4, vm6]) assert.deepEqual([handover(a, address)?.state, handover(b, address)?.state], ['withdrawn', 'elevated']);
      });
    }
  });
}

describe('a MAC that the bridge learns', () => {
  it('on a port whose VM does not answer claims nothing: it is asked three times, then no more', () => {
    const { fabric, b, tapB } = aboutToMove(strict);
    let asked = 0;
    b.onProbe = () => { asked++; };
    fabric.give(b, seen(tapB));
    fabric.run(10_000);
    assert.equal(asked, 6, 'three times for each address');
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-1', 'hv-1']);
  });

  it('and loses and learns without end costs no more questions than time allows', () => {
    const { fabric, b, tapB } = aboutToMove(strict);
    const other = fabric.addPort(b, 'tap1');
    let asked = 0;
    b.onProbe = () => { asked++; };
    for (let i = 0; i < 2000; i++) {
      fabric.give(b, seen(i % 2 === 0 ? tapB : other));
      fabric.run(1);
    }
    assert.ok(asked <= 2 * 8, `${asked} questions in two seconds`);
  });

  it('of strangers costs nothing', () => {
    const { fabric, b, tapB } = aboutToMove(strict);
    b.onProbe = () => assert.fail('nobody is to be asked');
    for (let i = 0; i < 5000; i++) fabric.give(b, seen(tapB, `52:54:01:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}` as Mac));
    fabric.run(1000);
    assert.equal(b.speaker.world.lookups.pending.size, 0);
  });

  it('behind an uplink, or behind the port that announces it, is not asked for', () => {
    const { fabric, a, b } = aboutToMove(strict);
    a.onProbe = b.onProbe = () => assert.fail('nobody is to be asked');
    fabric.give(b, seen(b.uplink));
    fabric.give(a, seen(10));
    fabric.run(1000);
  });

  it('behind a port that is marked as another guest\'s is not asked for', () => {
    const { fabric, b } = aboutToMove(strict);
    b.onProbe = () => assert.fail('nobody is to be asked');
    fabric.give(b, { type: 'bridge', change: { type: 'link', link: { ifindex: 40, name: 'tap9', master: 2, kind: 'tun', mac: parseMac('fe:54:00:ee:00:01') as Mac, up: true, carrier: true } } });
    fabric.give(b, seen(40));
    fabric.run(1000);
  });

  it('too early, behind a pod that answers for its VM while the other node\'s claim stands: remembered, and it claims when that one leaves', () => {
    const fabric = new Fabric();
    const a = fabric.addNode(1);
    const b = fabric.addNode(2);
    fabric.run(3000);
    const tapA = fabric.addPort(a, 'tap0');
    fabric.frame(a, tapA, garpFrame(vmMac, vm4));
    fabric.run(100);
    const veth = fabric.addPort(b, 'veth1', 'veth');
    b.onProbe = (ifindex, probe) => { answerProbe(fabric, b, ifindex, probe); };
    fabric.give(b, seen(veth));
    fabric.run(2000);
    assert.equal(fabric.best(vm4), 'hv-1');
    fabric.removePort(a, tapA);
    fabric.run(10);
    assert.equal(fabric.best(vm4), 'hv-2');
  });
});

describe('one VM with two MACs and eight addresses on two VLANs', () => {
  const macs = ['52:54:00:aa:00:01', '52:54:00:aa:00:02'].map((mac) => parseMac(mac) as Mac) as [Mac, Mac];
  const of = (nic: number): IpAddress[] => [1, 2].flatMap((n) => [ip(`203.0.113.${10 * (nic + 1) + n}`), ip(`2001:db8:100::${nic + 1}:${n}`)]);
  const more = (c: Config): Config => ({
    ...c, watch: c.watch.map((w) => ({ ...w, vlans: [[100, 100], [200, 200]] as const })),
    identity: { ...c.identity, bindings: [100, 200].map((vlan, nic) => ({ vm: 'shop/fw-1', mac: macs[nic] as Mac, vlan, vrf: 'default', ips: of(nic) })) },
  });
  const tag = (vlan: number) => ({ tag: { tpid: 0x8100, tci: vlan } });

  it('each MAC moves its four with one RARP in its VLAN, and none of the other\'s', () => {
    const fabric = new Fabric();
    const nodes = [fabric.addNode(1, more), fabric.addNode(2, more)] as const;
    fabric.run(3000);
    const taps = nodes.map((node) => fabric.addPort(node, 'tap0'));
    const where = (nic: number): (string | undefined)[] => [...new Set(of(nic).map((address) => fabric.best(address)))];
    for (const vlan of [100, 200]) fabric.frame(nodes[0], taps[0] as number, rarpFrame(macs[vlan / 100 - 1] as Mac), tag(vlan));
    fabric.run(2000);
    assert.deepEqual([where(0), where(1)], [['hv-1'], ['hv-1']]);
    fabric.frame(nodes[1], taps[1] as number, rarpFrame(macs[0]), tag(200));
    fabric.run(10);
    assert.deepEqual([where(0), where(1)], [['hv-1'], ['hv-1']], 'in the other\'s VLAN it means nothing');
    fabric.frame(nodes[1], taps[1] as number, rarpFrame(macs[0]), tag(100));
    fabric.run(10);
    assert.deepEqual([where(0), where(1)], [['hv-2'], ['hv-1']]);
    fabric.frame(nodes[1], taps[1] as number, rarpFrame(macs[1]), tag(200));
    fabric.run(10);
    assert.deepEqual([where(0), where(1)], [['hv-2'], ['hv-2']]);
  });

  it('silent, it is asked for in each of its VLANs, with its tag, when the bridge sees one of its MACs', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, more);
    fabric.run(3000);
    const tap = fabric.addPort(node, 'tap0');
    const vlans = new Set<number>();
    node.onProbe = (_ifindex, probe) => { vlans.add(probe[12] === 0x81 ? ((probe[14] as number) << 8) | (probe[15] as number) : 0); };
    fabric.give(node, seen(tap, macs[0]));
    fabric.give(node, seen(tap, macs[1]));
    fabric.run(10);
    assert.deepEqual([...vlans].sort(), [100, 200]);
  });
});

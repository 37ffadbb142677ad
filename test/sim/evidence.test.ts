import assert from 'node:assert/strict';
import type { Config } from '../../config/config.ts';
import { buildProbe } from '../../garp/probe.ts';
import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { ip, type IpAddress } from '../../net/ip.ts';
import { macFromBytes, parseMac, type Mac } from '../../net/mac.ts';
import { answerProbe, answerTo } from './probe-answer.ts';
import { ordinaryNs } from './ordinary.ts';
import { Fabric, vm4, vm6, vmMac, type SimNode } from './fabric.ts';

const tap = { ifindex: 7, name: 'tap0', master: 2, kind: 'tun', up: true, carrier: true } as const;

function state(node: SimNode, address: IpAddress = vm4): string | undefined {
  return node.speaker.world.locRib.handovers.get(`default|${address}/${address.includes(':') ? 128 : 32}` as never)?.state;
}

const verdicts = (node: SimNode): string[] => [...node.speaker.world.ignored.values()].map((i) => i.verdict);

/** An ordinary ARP request of the VM's for its gateway. */
function ordinaryArp(mac: Mac, from: IpAddress): Uint8Array {
  const frame = garpFrame(mac, from).slice();
  frame.set([203, 0, 113, 1], 38);
  return frame;
}

describe('at the start', () => {
  it('a silent VM whose MAC the bridge knows is asked, answers, and is announced; End-of-RIB comes after', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, undefined, { links: [tap], fdb: [{ ifindex: 7, mac: vmMac, vlan: 0, permanent: false }] },
      (ifindex, frame, self) => { answerProbe(fabric, self, ifindex, frame); });
    fabric.run(500);
    assert.equal(fabric.best(vm4), 'hv-1');
    assert.equal(fabric.best(vm6), 'hv-1');
    assert.equal(node.speaker.world.peers.get('tor')?.endOfRibDue, true);
    fabric.run(1500);
    assert.equal(node.speaker.world.peers.get('tor')?.endOfRibDue, false);
  });

  it('a VM that does not answer is not announced, for an FDB entry is no evidence', () => {
    const fabric = new Fabric();
    fabric.addNode(1, undefined, { links: [tap], fdb: [{ ifindex: 7, mac: vmMac, vlan: 0, permanent: false }] });
    fabric.run(5000);
    assert.equal(fabric.best(vm4), undefined);
  });

  it('a MAC that no bridge knows is asked for behind the port that bears its mark, and behind no other', () => {
    const fabric = new Fabric();
    const asked: number[] = [];
    fabric.addNode(1, undefined, { links: [{ ...tap, mac: parseMac('fe:54:00:aa:00:01') as Mac }, { ...tap, ifindex: 8, name: 'tap1', mac: parseMac('fe:54:00:aa:00:02') as Mac }] }, (ifindex) => { asked.push(ifindex); });
    fabric.run(2000);
    assert.deepEqual([...new Set(asked)], [7]);
  });

  it('nobody is ever asked through an uplink', () => {
    const fabric = new Fabric();
    const asked: number[] = [];
    fabric.addNode(1, undefined, { fdb: [{ ifindex: 3, mac: vmMac, vlan: 0, permanent: false }] }, (ifindex) => { asked.push(ifindex); });
    fabric.run(2000);
    assert.deepEqual(asked, []);
  });
});

describe('ordinary ARP', () => {
  it('of a bound VM that is not announced makes the speaker ask, and the answer claims', () => {
    const fabric = new Fabric();
    const node: SimNode = fabric.addNode(1, undefined, { links: [tap] });
    fabric.run(3000);
    node.onProbe = (ifindex, frame) => { answerProbe(fabric, node, ifindex, frame); };
    fabric.frame(node, 7, ordinaryArp(vmMac, vm4));
    fabric.run(10);
    assert.equal(state(node), 'elevated');
    assert.equal(state(node, vm6), 'elevated', 'all of its addresses are asked for');
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-1', 'hv-1']);
  });

  it('claims by itself where any-arp is configured', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, (c) => ({ ...c, watch: c.watch.map((w) => ({ ...w, announcements: ['garp', 'rarp', 'na', 'any-arp'] as const })) }), { links: [tap] });
    fabric.run(3000);
    fabric.frame(node, 7, ordinaryArp(vmMac, vm4));
    assert.equal(state(node), 'elevated');
  });

  it('is counted with its reason', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, undefined, { links: [tap] });
    fabric.run(3000);
    fabric.frame(node, 7, ordinaryArp(vmMac, vm4));
    assert.deepEqual(verdicts(node), ['not_evidence']);
  });
});

describe('a Neighbor Solicitation of a guest that has IPv6 alone, from its own address', () => {
  const ipv6Only = (c: Config): Config => ({ ...c, identity: { ...c.identity, bindings: c.identity.bindings.map((b) => ({ ...b, ips: [vm6] })) } });
  const anyArp = (c: Config): Config => ({ ...c, watch: c.watch.map((w) => ({ ...w, announcements: ['garp', 'rarp', 'na', 'any-arp'] as const })) });
  const ns = ordinaryNs({ index: 0, vrf: 'default', mac: vmMac, addresses: [vm4, vm6] });

  it('makes the speaker ask, and the answer claims', () => {
    const fabric = new Fabric();
    const node: SimNode = fabric.addNode(1, ipv6Only, { links: [tap] });
    fabric.run(3000);
    node.onProbe = (ifindex, frame) => { answerProbe(fabric, node, ifindex, frame); };
    fabric.frame(node, 7, ns);
    assert.equal(state(node, vm6), undefined);
    fabric.run(10);
    assert.equal(state(node, vm6), 'elevated');
    assert.equal(fabric.best(vm6), 'hv-1');
  });

  it('claims by itself where any-arp is configured, and says by what', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, (c) => anyArp(ipv6Only(c)), { links: [tap] });
    fabric.run(3000);
    fabric.frame(node, 7, ns);
    assert.equal(state(node, vm6), 'elevated');
    assert.equal(node.speaker.world.locRib.handovers.get(`default|${vm6}/128` as never)?.source, 'ns');
  });

  it('answers a question of ours as well as an NA does: the VM is there', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, ipv6Only, { links: [tap], fdb: [{ ifindex: 7, mac: vmMac, vlan: 0, permanent: false }] });
    fabric.run(500);
    fabric.frame(node, 7, ns);
    assert.equal(state(node, vm6), 'elevated');
  });

  it('through an uplink shows, with any-arp, that the VM runs elsewhere', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, (c) => anyArp(ipv6Only(c)), { links: [tap] });
    fabric.run(3000);
    fabric.frame(node, 7, ns);
    fabric.run(6000);
    fabric.frame(node, node.uplink, ns);
    assert.equal(state(node, vm6), 'leaving');
  });

  it('of another MAC is refused, and one for a pair that nobody knows makes none in mode learn', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, (c) => anyArp(ipv6Only(c)), { links: [tap] });
    const learning = fabric.addNode(2, (c) => anyArp({ ...c, identity: { ...c.identity, mode: 'learn', bindings: [] } }), { links: [tap] });
    fabric.run(3000);
    fabric.frame(node, 7, ordinaryNs({ index: 1, vrf: 'default', mac: parseMac('52:54:00:bb:00:01') as Mac, addresses: [vm4, vm6] }));
    fabric.frame(learning, 7, ns);
    assert.deepEqual([state(node, vm6), state(learning, vm6)], [undefined, undefined]);
    assert.deepEqual([verdicts(node), verdicts(learning)], [['conflict'], ['no_binding']]);
  });
});

describe('an answer that nobody asked for', () => {
  it('is no evidence', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, undefined, { links: [tap] });
    fabric.run(3000);
    const na = answerTo(buildProbe(parseMac('02:00:00:00:00:01') as Mac, vmMac, 0, vm6)) as Uint8Array;
    fabric.frame(node, 7, na);
    assert.equal(state(node, vm6), undefined);
    assert.deepEqual(verdicts(node), ['not_evidence']);
  });
});

describe('mode learn', () => {
  const learn = (c: Config): Config => ({ ...c, identity: { ...c.identity, mode: 'learn', bindings: [] } });
  const other = parseMac('52:54:00:bb:00:01') as Mac;

  it('binds the first MAC that announces an address, and refuses a second one', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, learn, { links: [tap, { ...tap, ifindex: 8, name: 'tap1' }] });
    fabric.run(3000);
    fabric.frame(node, 7, garpFrame(vmMac, vm4));
    fabric.give(node, { type: 'bridge', change: { type: 'fdb', entry: { ifindex: 7, mac: vmMac, vlan: 0, permanent: false } } });
    fabric.frame(node, 8, garpFrame(other, vm4));
    fabric.run(10);
    assert.equal(fabric.best(vm4), 'hv-1');
    assert.deepEqual(verdicts(node), ['conflict']);
  });

  it('moves every learned address with a RARP, on a node that heard the VM through its uplink', () => {
    const fabric = new Fabric();
    const a = fabric.addNode(1, learn, { links: [tap] });
    const b = fabric.addNode(2, learn);
    fabric.run(3000);
    for (const frame of [garpFrame(vmMac, vm4), naFrame(vmMac, vm6)]) {
      fabric.frame(a, 7, frame);
      fabric.frame(b, b.uplink, frame);
    }
    fabric.run(2000);
    assert.equal(fabric.best(vm4), 'hv-1');
    const tapB = fabric.addPort(b, 'tap5');
    fabric.frame(b, tapB, rarpFrame(vmMac));
    fabric.run(10);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-2', 'hv-2']);
  });

  it('says no_binding for a RARP of a MAC that nobody knows', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, learn, { links: [tap] });
    fabric.run(3000);
    fabric.frame(node, 7, rarpFrame(vmMac));
    assert.deepEqual(verdicts(node), ['no_binding']);
  });

  it('limits what one port can teach in a second, and goes on for the bound', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, (c) => ({ ...c, identity: { ...c.identity, mode: 'learn' } }), { links: [tap, { ...tap, ifindex: 8, name: 'tap1' }] });
    fabric.run(3000);
    for (let i = 0; i < 5000; i++) {
      fabric.frame(node, 8, garpFrame(macFromBytes(Uint8Array.of(0x52, 0x54, 1, 0, i >> 8, i & 255)), ip(`203.0.113.${20 + (i % 200)}`)));
    }
    assert.ok(verdicts(node).includes('rate'));
    assert.ok([...node.speaker.world.locRib.handovers.values()].filter((h) => h.state === 'elevated').length <= 100);
    fabric.frame(node, 7, rarpFrame(vmMac));
    assert.equal(state(node), 'elevated');
  });
});

describe('VLANs', () => {
  const inVlan = (c: Config): Config => ({ ...c, watch: c.watch.map((w) => ({ ...w, vlans: [[100, 100]] as const })), identity: { ...c.identity, bindings: c.identity.bindings.map((b) => ({ ...b, vlan: 100 })) } });
  const tag = (vid: number) => ({ tag: { tpid: 0x8100, tci: vid } });

  for (const [what, frame, expected] of [
    ['a tag of the VLAN', { ...tag(100) }, 'elevated'],
    ['another tag', { ...tag(200) }, undefined],
    ['no tag', {}, undefined],
  ] as const) {
    it(`${what}: ${expected ?? 'nothing'}`, () => {
      const fabric = new Fabric();
      const node = fabric.addNode(1, inVlan, { links: [tap] });
      fabric.run(3000);
      fabric.frame(node, 7, rarpFrame(vmMac), frame);
      assert.equal(state(node), expected);
      if (expected === undefined) assert.ok(verdicts(node).some((v) => v === 'wrong_vlan' || v === 'no_binding'));
    });
  }

  it('a VM behind an access port can\'t tag itself into another watched VLAN', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, inVlan, { links: [{ ...tap, pvid: 200, vlans: [[200, 200]] }] });
    fabric.run(3000);
    fabric.frame(node, 7, rarpFrame(vmMac), tag(100));
    assert.equal(state(node), undefined);
    assert.deepEqual(verdicts(node), ['wrong_vlan']);
  });

  it('untagged frames belong to the port\'s own VLAN', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, inVlan, { links: [{ ...tap, pvid: 100 }] });
    fabric.run(3000);
    fabric.frame(node, 7, rarpFrame(vmMac));
    assert.equal(state(node), 'elevated');
  });
});

describe('a frame that an uplink brings back', () => {
  const twoVlans = (c: Config): Config => ({ ...c, watch: c.watch.map((w) => ({ ...w, vlans: [[0, 4094]] as const })) });
  for (const [what, afterMs, tag, expected] of [
    ['within five seconds is a reflection, and says nothing', 4900, {}, 'elevated'],
    ['later shows that the VM runs elsewhere', 5100, {}, 'leaving'],
    ['in another VLAN is another VM\'s, and no reflection', 100, { tag: { tpid: 0x8100, tci: 7 } }, 'leaving'],
  ] as const) {
    it(what, () => {
      const fabric = new Fabric();
      const node = fabric.addNode(1, twoVlans, { links: [tap] });
      fabric.run(3000);
      fabric.frame(node, 7, garpFrame(vmMac, vm4));
      assert.equal(state(node), 'elevated');
      fabric.run(afterMs);
      fabric.frame(node, node.uplink, garpFrame(vmMac, vm4), tag);
      assert.equal(state(node), expected);
      assert.equal(verdicts(node).includes('reflection'), expected === 'elevated');
    });
  }
});

describe('a port', () => {
  it('in neither list is named, and its VM is not announced', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, undefined, { links: [{ ...tap, name: 'wlan0' }] });
    fabric.run(3000);
    fabric.frame(node, 7, rarpFrame(vmMac));
    assert.equal(state(node), undefined);
    assert.deepEqual([...new Set(verdicts(node))], ['wrong_port']);
    assert.ok(node.notes.some((n) => n.event === 'port.unlisted'));
  });

  it('without a carrier for longer than the grace is gone; for less it is a guest that reboots', () => {
    for (const [away, expected] of [[1500, 'elevated'], [2500, 'leaving']] as const) {
      const fabric = new Fabric();
      const node = fabric.addNode(1, undefined, { links: [tap] });
      fabric.run(3000);
      fabric.frame(node, 7, rarpFrame(vmMac));
      fabric.give(node, { type: 'bridge', change: { type: 'link', link: { ...tap, carrier: false } } });
      fabric.run(away);
      if (expected === 'elevated') fabric.give(node, { type: 'bridge', change: { type: 'link', link: tap } });
      fabric.run(10);
      assert.equal(state(node), expected);
    }
  });

  it('that is made again within the grace is asked for the VM of the one that went, and its answer is no departure', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, undefined, { links: [tap] });
    fabric.run(3000);
    fabric.frame(node, 7, rarpFrame(vmMac));
    fabric.run(10);
    node.onProbe = (ifindex, frame) => { if (ifindex === 9) answerProbe(fabric, node, ifindex, frame); };
    fabric.give(node, { type: 'bridge', change: { type: 'linkGone', ifindex: 7 } });
    fabric.run(300);
    fabric.give(node, { type: 'bridge', change: { type: 'link', link: { ...tap, ifindex: 9 } } });
    fabric.run(5000);
    assert.deepEqual([state(node), state(node, vm6)], ['elevated', 'elevated']);
    assert.equal(fabric.best(vm4), 'hv-1');
  });

  it('that comes shortly before the old one goes is asked for the VM, too', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, undefined, { links: [tap] });
    fabric.run(3000);
    fabric.frame(node, 7, rarpFrame(vmMac));
    fabric.run(10);
    node.onProbe = (ifindex, frame) => { if (ifindex === 9) answerProbe(fabric, node, ifindex, frame); };
    fabric.give(node, { type: 'bridge', change: { type: 'link', link: { ...tap, ifindex: 9 } } });
    fabric.run(300);
    fabric.give(node, { type: 'bridge', change: { type: 'linkGone', ifindex: 7 } });
    fabric.run(5000);
    assert.deepEqual([state(node), state(node, vm6)], ['elevated', 'elevated']);
  });

  it('is found again with its bridge, deleted and made anew', () => {
    const fabric = new Fabric();
    const node = fabric.addNode(1, undefined, { links: [tap] });
    fabric.run(3000);
    fabric.frame(node, 7, rarpFrame(vmMac));
    fabric.give(node, { type: 'bridge', change: { type: 'linkGone', ifindex: 7 } });
    fabric.give(node, { type: 'bridge', change: { type: 'linkGone', ifindex: 2 } });
    fabric.run(5000);
    assert.equal(fabric.best(vm4), undefined);
    fabric.give(node, { type: 'bridge', change: { type: 'link', link: { ifindex: 20, name: 'br-vlan', kind: 'bridge', up: true, carrier: true } } });
    fabric.give(node, { type: 'bridge', change: { type: 'link', link: { ...tap, ifindex: 21, master: 20 } } });
    fabric.frame(node, 21, rarpFrame(vmMac));
    fabric.run(10);
    assert.equal(fabric.best(vm4), 'hv-1');
  });
});

describe('profile window', () => {
  it('elevates a claim for its time and settles it, unless a rival is visible', () => {
    const window = (c: Config): Config => ({ ...c, bgp: { ...c.bgp, peers: c.bgp.peers.map((p) => ({ ...p, profile: 'window' as const })) }, migration: { ...c.migration, elevatedForMs: 20_000 } });
    const fabric = new Fabric();
    const a = fabric.addNode(1, window, { links: [tap] });
    const b = fabric.addNode(2, window);
    fabric.run(3000);
    fabric.frame(a, 7, rarpFrame(vmMac));
    fabric.run(10);
    assert.equal(fabric.router.best.get(`${vm4}/32` as never)?.route.attributes.localPref, 200);
    fabric.run(20_000);
    assert.equal(state(a), 'normal');
    assert.equal(fabric.router.best.get(`${vm4}/32` as never)?.route.attributes.localPref, 100);
    const tapB = fabric.addPort(b, 'tap1');
    fabric.frame(b, tapB, rarpFrame(vmMac));
    fabric.run(10);
    assert.equal(fabric.best(vm4), 'hv-2');
    assert.equal(state(a), 'withdrawn');
  });
});

import assert from 'node:assert/strict';
import type { Config } from '../../config/config.ts';
import { buildProbe } from '../../garp/probe.ts';
import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { ip, type IpAddress } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import { answerProbe, answerTo } from '../sim/probe-answer.ts';
import { Fabric, vm4, vm6, vmMac, type SimNode } from '../sim/fabric.ts';

// A tenant who has the victim's MAC and address, and a VM with an address that is not its own.

const port = (ifindex: number, name: string, more: object = {}) => ({ ifindex, name, master: 2, kind: 'tun', up: true, carrier: true, ...more }) as const;
const stateOf = (node: SimNode, address: IpAddress = vm4) => node.speaker.world.locRib.handovers.get(`default|${address}/${address.includes(':') ? 128 : 32}` as never);
const ignored = (node: SimNode) => [...node.speaker.world.ignored.values()];
const forged = [rarpFrame(vmMac), garpFrame(vmMac, vm4), garpFrame(vmMac, vm4, { form: 'reply' }), naFrame(vmMac, vm6)];

describe('a tenant with the victim\'s MAC and address', () => {
  it('on another port of the same node: 100 rounds, and the route, its node and its port stay', () => {
    const fabric = new Fabric();
    const a = fabric.addNode(1, undefined, { links: [port(7, 'tap1'), port(8, 'tap2')] });
    fabric.run(3000);
    for (const frame of [garpFrame(vmMac, vm4), naFrame(vmMac, vm6)]) fabric.frame(a, 7, frame);
    fabric.run(100);
    const before = fabric.router.history.length;
    // The victim answers, and so does the tenant.
    a.onProbe = (ifindex, probe) => { answerProbe(fabric, a, ifindex, probe); };
    for (let round = 0; round < 100; round++) {
      for (const frame of forged) fabric.frame(a, 8, frame);
      fabric.give(a, { type: 'bridge', change: { type: 'fdb', entry: { ifindex: 8, mac: vmMac, vlan: 0, permanent: false } } });
      fabric.run(200);
      fabric.give(a, { type: 'bridge', change: { type: 'fdb', entry: { ifindex: 7, mac: vmMac, vlan: 0, permanent: false } } });
    }
    assert.equal(fabric.router.history.length, before);
    for (const address of [vm4, vm6]) assert.equal(stateOf(a, address)?.endpoint?.ifindex, 7);
    const refused = ignored(a).filter((i) => i.port === 'tap2').map((i) => `${i.verdict} ${i.kind} ${i.count}`);
    assert.deepEqual([...new Set(refused)].sort(), ['conflict garp 200', 'conflict na 100', 'conflict rarp 100']);
  });

  for (const [what, marks, expected] of [
    ['libvirt\'s taps', [{ mac: parseMac('fe:54:00:aa:00:01') as Mac }, { mac: parseMac('fe:54:00:ee:00:01') as Mac }], 'wrong_port'],
    ['aliases', [{ alias: 'mac=52:54:00:aa:00:01' }, { alias: 'tenant-7 mac=52:54:00:ee:00:01' }], 'wrong_port'],
  ] as const) {
    it(`on another node, with ${what} for marks: 100 rounds, no move; the VM itself moves`, () => {
      const fabric = new Fabric();
      const a = fabric.addNode(1, undefined, { links: [port(7, 'tap1', marks[0])] });
      const b = fabric.addNode(2, undefined, { links: [port(7, 'tap1', marks[0]), port(8, 'tap2', marks[1])] });
      fabric.run(3000);
      fabric.frame(a, 7, garpFrame(vmMac, vm4));
      fabric.run(100);
      const before = fabric.router.history.length;
      b.onProbe = (ifindex, probe) => { if (ifindex === 8) answerProbe(fabric, b, ifindex, probe); };
      for (let round = 0; round < 100; round++) {
        for (const frame of forged) fabric.frame(b, 8, frame);
        fabric.give(b, { type: 'bridge', change: { type: 'fdb', entry: { ifindex: 8, mac: vmMac, vlan: 0, permanent: false } } });
        fabric.run(200);
      }
      assert.equal(fabric.router.history.length, before);
      assert.deepEqual([...new Set(ignored(b).map((i) => i.verdict))], [expected]);
      fabric.frame(b, 7, rarpFrame(vmMac));
      fabric.run(10);
      assert.equal(fabric.best(vm4), 'hv-2');
    });
  }

  it('on another node, with `port` in the binding: refused from every other port', () => {
    const fabric = new Fabric();
    const named = (c: Config): Config => ({ ...c, identity: { ...c.identity, bindings: c.identity.bindings.map((b) => ({ ...b, port: 'tap101*' })) } });
    const b = fabric.addNode(2, named, { links: [port(7, 'tap101i0'), port(8, 'tap102i0')] });
    fabric.run(3000);
    for (const frame of forged) fabric.frame(b, 8, frame);
    fabric.run(10);
    assert.equal(fabric.best(vm4), undefined);
    assert.deepEqual([...new Set(ignored(b).map((i) => i.verdict))], ['wrong_port']);
    fabric.frame(b, 7, rarpFrame(vmMac));
    fabric.run(10);
    assert.equal(fabric.best(vm4), 'hv-2');
  });
});

describe('identity.unverifiedPorts: refuse', () => {
  const refuse = (c: Config): Config => ({ ...c, identity: { ...c.identity, unverifiedPorts: 'refuse' } });

  it('an unmarked port takes nothing over, and claims once the other node gives up; a marked one moves the VM', () => {
    const fabric = new Fabric();
    const a = fabric.addNode(1, refuse, { links: [port(7, 'tap1')] });
    const b = fabric.addNode(2, refuse, { links: [port(8, 'tap2')] });
    fabric.run(3000);
    fabric.frame(a, 7, garpFrame(vmMac, vm4));
    fabric.run(100);
    assert.equal(fabric.best(vm4), 'hv-1', 'nobody claims it: an unmarked port may');
    for (const frame of forged) fabric.frame(b, 8, frame);
    fabric.run(1000);
    assert.equal(fabric.best(vm4), 'hv-1');
    assert.deepEqual([...new Set(ignored(b).map((i) => i.verdict))], ['wrong_port']);
    fabric.removePort(a, 7);
    fabric.run(10);
    assert.equal(fabric.best(vm4), 'hv-2', 'node a is leaving: what was heard counts now');
    const tapA = 30;
    fabric.give(a, { type: 'bridge', change: { type: 'link', link: port(tapA, 'tap9', { mac: parseMac('fe:54:00:aa:00:01') }) } });
    fabric.run(3000);
    fabric.frame(a, tapA, rarpFrame(vmMac));
    fabric.run(10);
    assert.equal(fabric.best(vm4), 'hv-1');
  });

  it('a VM that answers behind its unmarked port defends its route', () => {
    const fabric = new Fabric();
    const a = fabric.addNode(1, refuse, { links: [port(7, 'tap1')] });
    const b = fabric.addNode(2, undefined, { links: [port(8, 'tap2')] });
    fabric.run(3000);
    fabric.frame(a, 7, garpFrame(vmMac, vm4));
    a.onProbe = (ifindex, probe) => { answerProbe(fabric, a, ifindex, probe); };
    fabric.run(2000);
    fabric.frame(b, 8, rarpFrame(vmMac));
    fabric.run(3000);
    assert.equal(fabric.best(vm4), 'hv-1', 'claimed again on the strength of its answer');
  });
});

describe('two VMs with one address', () => {
  it('the second MAC is refused, counted and shown, and the route never moves', () => {
    const fabric = new Fabric();
    const a = fabric.addNode(1, undefined, { links: [port(7, 'tap1'), port(8, 'tap2')] });
    const b = fabric.addNode(2, undefined, { links: [port(9, 'tap3')] });
    const second = parseMac('52:54:00:ee:00:02') as Mac;
    fabric.run(3000);
    fabric.frame(a, 7, garpFrame(vmMac, vm4));
    fabric.run(100);
    const before = fabric.router.history.length;
    for (let i = 0; i < 50; i++) {
      fabric.frame(a, 8, garpFrame(second, vm4));
      fabric.frame(b, 9, garpFrame(second, vm4));
      fabric.run(100);
    }
    assert.equal(fabric.router.history.length, before);
    for (const node of [a, b]) assert.deepEqual(ignored(node).map((i) => `${i.verdict} ${i.mac} ${i.address} ${i.count}`), [`conflict ${second} ${vm4} 50`]);
    assert.ok(a.notes.some((n) => n.level === 'warn' && n.event === 'frame.ignored'));
  });
});

describe('an answer', () => {
  it('from another port than the one that was asked, while the VM\'s own lives, takes nothing away', () => {
    const fabric = new Fabric();
    const a = fabric.addNode(1, undefined, { links: [port(7, 'tap1'), port(8, 'tap2')] });
    fabric.run(3000);
    fabric.frame(a, 7, garpFrame(vmMac, vm4));
    fabric.run(100);
    fabric.frame(a, 8, answerTo(buildProbe(parseMac('02:00:00:00:00:01') as Mac, vmMac, 0, ip('203.0.113.11'))) as Uint8Array);
    assert.equal(stateOf(a)?.endpoint?.ifindex, 7);
  });
});

import assert from 'node:assert/strict';
import type { Config } from '../../config/config.ts';
import { garpFrame } from '../../garp/wire/frames.ts';
import { ipv4FromNumber } from '../../net/ip.ts';
import { macFromBytes, parseMac, type Mac } from '../../net/mac.ts';
import { newHandover, type Handover } from '../../routes/handover.ts';
import { addressKey, forgetWithdrawn, locRibLimit, newLocRib, store } from '../../routes/loc-rib.ts';
import { rememberClaimant } from '../../src/claimants.ts';
import { isReflection, rememberLocal } from '../../src/reflection.ts';
import { answerProbe } from '../sim/probe-answer.ts';
import { Fabric, vm4, vmMac, type SimNode } from '../sim/fabric.ts';

// One port's VM does its worst; what belongs to another port stays.

const heir = parseMac('52:54:00:bb:00:01') as Mac;
const hostile = parseMac('52:54:00:ee:00:01') as Mac;
const many = Array.from({ length: 5000 }, (_, i) => ipv4FromNumber(0xcb007100 + 256 + i));
const learn = (c: Config): Config => ({ ...c, identity: { ...c.identity, mode: 'learn', bindings: [] } });
const at = (ifindex: number, mac = hostile) => ({ mac, vlan: 0, ifindex, tagged: false });
const key = addressKey('default', vm4);

function node(configure: (c: Config) => Config = learn): { fabric: Fabric; hv: SimNode } {
  const fabric = new Fabric();
  const hv = fabric.addNode(1, configure);
  fabric.run(3000);
  return { fabric, hv };
}

describe('a port whose VM floods', function () {
  this.timeout(30_000);
  it('keeps nobody behind another port from being asked for an address that becomes free', () => {
    const { fabric, hv } = node();
    const [own, other, bad] = [fabric.addPort(hv, 'tap0'), fabric.addPort(hv, 'tap1'), fabric.addPort(hv, 'tap2')];
    const asked: Mac[] = [];
    hv.onProbe = (ifindex, probe) => {
      asked.push(macFromBytes(probe));
      if (ifindex === other && macFromBytes(probe) === heir) answerProbe(fabric, hv, ifindex, probe);
    };
    fabric.frame(hv, own, garpFrame(vmMac, vm4));
    fabric.frame(hv, other, garpFrame(heir, vm4));
    fabric.frame(hv, bad, garpFrame(hostile, vm4));
    for (const address of many) rememberClaimant(hv.speaker.world, 'default', address, at(bad));
    const { claimants } = hv.speaker.world;
    assert.deepEqual([...(claimants.byKey.get(key)?.keys() ?? [])], [other]);
    assert.deepEqual([claimants.byPort.get(bad)?.size, claimants.byPort.get(other)?.size], [128, 1]);
    fabric.removePort(hv, own);
    fabric.run(6000);
    assert.ok(asked.includes(heir));
    assert.equal(hv.speaker.world.locRib.handovers.get(key)?.endpoint?.mac, heir);
    fabric.removePort(hv, bad);
    fabric.run(100);
    assert.equal(claimants.byPort.has(bad), false);
  });

  it('claims the same address and does not answer: the other is asked beside it', () => {
    const { fabric, hv } = node();
    const [own, other, bad] = [fabric.addPort(hv, 'tap0'), fabric.addPort(hv, 'tap1'), fabric.addPort(hv, 'tap2')];
    const asked = new Map<number, number>();
    hv.onProbe = (ifindex, probe) => {
      if (macFromBytes(probe) === hostile) asked.set(ifindex, (asked.get(ifindex) ?? 0) + 1);
      if (ifindex === other && macFromBytes(probe) === heir) answerProbe(fabric, hv, ifindex, probe);
    };
    fabric.frame(hv, own, garpFrame(vmMac, vm4));
    fabric.frame(hv, other, garpFrame(heir, vm4));
    fabric.frame(hv, bad, garpFrame(hostile, vm4));
    fabric.removePort(hv, own);
    fabric.run(6000);
    assert.deepEqual([hv.speaker.world.locRib.handovers.get(key)?.endpoint?.ifindex, hv.speaker.world.locRib.handovers.get(key)?.endpoint?.mac], [other, heir]);
    assert.ok((asked.get(bad) ?? 0) >= 1);
  });

  it('leaves room for lookups behind other ports, and its own end with time', () => {
    const { fabric, hv } = node((c) => ({
      ...c, watch: c.watch.map((w) => ({ ...w, prefixes: [...w.prefixes, '203.0.0.0/16' as never] })),
      identity: { ...c.identity, bindings: [...c.identity.bindings, { vm: 'many', mac: hostile, vrf: 'default', ips: many }] },
    }));
    const [bad, good] = [fabric.addPort(hv, 'tap0'), fabric.addPort(hv, 'tap1')];
    const see = (ifindex: number, mac: Mac): void => fabric.give(hv, { type: 'bridge', change: { type: 'fdb', entry: { ifindex, mac, vlan: 0, permanent: false } } });
    see(bad, hostile);
    const { lookups } = hv.speaker.world;
    assert.equal(lookups.ofPort.get(bad), 1024);
    see(good, vmMac);
    assert.equal(lookups.pending.get(key)?.endpoint.ifindex, good);
    fabric.run(3000);
    assert.deepEqual([lookups.pending.size, lookups.ofPort.size], [0, 0]);
  });

  it('with address after address is remembered by the newest of them, and the VM of another port has its place', () => {
    const { fabric, hv } = node((c) => ({ ...learn(c), migration: { ...c.migration, maxPerSecond: 100_000 }, watch: c.watch.map((w) => ({ ...w, prefixes: [...w.prefixes, '203.0.0.0/16' as never] })) }));
    const [own, bad] = [fabric.addPort(hv, 'tap0'), fabric.addPort(hv, 'tap1')];
    const { locRib } = hv.speaker.world;
    fabric.frame(hv, own, garpFrame(vmMac, vm4));
    for (const [i, address] of many.entries()) {
      fabric.frame(hv, bad, garpFrame(parseMac(`02:00:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`) as Mac, address));
      // What it learned before gives way, is asked in vain, and is withdrawn.
      if (i % 500 === 499) fabric.run(5000);
    }
    const rows = locRib.byPort.get(bad)?.size ?? 0;
    assert.ok(rows > 3800 && rows <= 4096, `${rows} rows`);
    assert.equal(locRib.handovers.size, rows + (locRib.byPort.get(own)?.size ?? 0));
    const last = locRib.handovers.get(addressKey('default', many.at(-1) as never));
    assert.deepEqual([locRib.handovers.get(key)?.state, last?.endpoint?.ifindex, locRib.handovers.has(addressKey('default', many[0] as never))], ['elevated', bad, false]);
  });

  it('with more addresses than it is remembered by, all of them announced, costs no look at all of them for each claim', () => {
    const [ifindex, looks] = [7, [] as number[]];
    const rib = newLocRib();
    const announced = { ...newHandover('default', vm4, { monotonicMs: 0, wallMs: 0, wallTrusted: true }), state: 'normal', endpoint: { ifindex, mac: vmMac } } as Handover;
    const withdrawn = { ...announced, state: 'withdrawn' } as Handover;
    for (let i = 0; i < 6000; i++) {
      store(rib, addressKey('default', ipv4FromNumber(0x0a000000 + i)), undefined, i === 5 ? withdrawn : announced);
      let looked = 0;
      forgetWithdrawn(rib, ifindex, () => (looked++, false));
      if (looked > 0) looks.push(rib.byPort.get(ifindex)!.size);
    }
    assert.deepEqual(looks, [4097, 4353, 4609, 4865, 5121, 5377, 5633, 5889]);
  });

  it('and comes back by port after port fills the table with nothing that stays', () => {
    const { fabric, hv } = node((c) => ({ ...learn(c), migration: { ...c.migration, maxPerSecond: 100_000 } }));
    const { world } = hv.speaker;
    const { locRib } = world;
    const old = fabric.addPort(hv, 'tap1');
    fabric.frame(hv, old, garpFrame(hostile, ipv4FromNumber(0xcb007105)));
    fabric.removePort(hv, old);
    fabric.run(10_000);
    const left = locRib.handovers.get(addressKey('default', ipv4FromNumber(0xcb007105)))!;
    assert.equal(left.state, 'withdrawn');
    // As after some 25 such ports, each with all that a port may be remembered by.
    for (let i = locRib.handovers.size; i < locRibLimit; i++) store(locRib, addressKey('default', ipv4FromNumber(0x0a000000 + i)), undefined, left);
    const own = fabric.addPort(hv, 'tap0');
    fabric.frame(hv, own, garpFrame(vmMac, vm4));
    assert.equal(locRib.handovers.get(key)?.state, 'elevated');
    assert.ok(locRib.handovers.size < locRibLimit, `${locRib.handovers.size} rows`);
    assert.equal(locRib.handovers.has(addressKey('default', ipv4FromNumber(0xcb007105))), false);
  });

  it('through an uplink fills no table with addresses that nobody has here', () => {
    const { fabric, hv } = node((c) => ({ ...learn(c), watch: c.watch.map((w) => ({ ...w, prefixes: [...w.prefixes, '203.0.0.0/16' as never] })) }));
    for (const address of many) fabric.frame(hv, hv.uplink, garpFrame(hostile, address));
    assert.equal(hv.speaker.world.locRib.handovers.size, 0);
  });

  it('in the name of another port\'s VM takes none of its addresses', () => {
    const { fabric, hv } = node((c) => ({ ...learn(c), watch: c.watch.map((w) => ({ ...w, prefixes: [...w.prefixes, '203.0.0.0/16' as never] })) }));
    const [own, bad] = [fabric.addPort(hv, 'tap0'), fabric.addPort(hv, 'tap1')];
    const its = many.slice(0, 32);
    for (const address of its) fabric.frame(hv, own, garpFrame(vmMac, address));
    fabric.run(100);
    for (const address of many.slice(1000, 1100)) fabric.frame(hv, bad, garpFrame(vmMac, address));
    for (const address of its) fabric.frame(hv, bad, garpFrame(vmMac, address));
    fabric.run(100);
    const { bindings: { learned }, locRib } = hv.speaker.world;
    assert.deepEqual([learned.byPort.get(own)?.size, learned.byPort.get(bad), learned.evicted], [32, undefined, 0]);
    for (const address of its) assert.deepEqual([locRib.handovers.get(addressKey('default', address))?.endpoint?.ifindex, fabric.best(address)], [own, 'hv-1']);
    assert.ok([...hv.speaker.world.ignored.values()].some((i) => i.verdict === 'table_full'));
  });

  it('makes no echo of another port\'s frame pass for an announcement', () => {
    const { hv } = node();
    const { world } = hv.speaker;
    rememberLocal(world, 7, 'a');
    rememberLocal(world, 8, 'a');
    for (let i = 0; i < 5000; i++) rememberLocal(world, 8, `x${i}`);
    assert.deepEqual([isReflection(world, 'a'), isReflection(world, 'x4999'), isReflection(world, 'x0')], [true, true, false]);
    world.now = { ...world.now, monotonicMs: world.now.monotonicMs + 5001 };
    assert.deepEqual([isReflection(world, 'a'), world.recentLocal.byPort.has(7)], [false, false]);
  });
});

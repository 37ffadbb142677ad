import assert from 'node:assert/strict';
import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import type { IpAddress } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import { handle } from '../../src/handovers.ts';
import { answerProbe } from './probe-answer.ts';
import { Fabric, vm4, vm6, vmMac, type SimNode } from './fabric.ts';

const rarp = rarpFrame(vmMac);
const garp = garpFrame(vmMac, vm4);

function twoNodes(): { fabric: Fabric; a: SimNode; b: SimNode; tapA: number } {
  const fabric = new Fabric();
  const a = fabric.addNode(1);
  const b = fabric.addNode(2);
  fabric.run(3000);
  const tapA = fabric.addPort(a, 'tap0');
  fabric.frame(a, tapA, garp);
  fabric.run(100);
  return { fabric, a, b, tapA };
}

const state = (node: SimNode, address: IpAddress = vm4): string | undefined => node.speaker.world.locRib.handovers.get(`default|${address}/${address.includes(':') ? 128 : 32}` as never)?.state;

describe('two speakers and a reflector', () => {
  it('announce all addresses of a VM at its first GARP', () => {
    const { fabric } = twoNodes();
    assert.equal(fabric.best(vm4), 'hv-1');
    assert.equal(fabric.best(vm6), 'hv-1');
  });

  it('move a VM with one RARP, and never leave the router without a route', () => {
    const { fabric, a, b } = twoNodes();
    const tapB = fabric.addPort(b, 'tap0');
    fabric.run(1500);
    const before = fabric.router.history.length;
    fabric.frame(b, tapB, rarp);
    fabric.run(10);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-2', 'hv-2']);
    assert.equal(state(a), 'withdrawn');
    assert.equal(state(b), 'elevated');
    fabric.run(5000);
    assert.ok(fabric.router.history.slice(before).every((h) => h.node !== undefined));
  });

  it('follow a chain of moves, each with its timeline', () => {
    const { fabric, a, b } = twoNodes();
    for (let i = 0; i < 6; i++) {
      const to = i % 2 === 0 ? b : a;
      const tap = fabric.addPort(to, `tap${i + 1}`);
      for (const at of [0, 50, 200]) { fabric.run(at); fabric.frame(to, tap, rarp); fabric.frame(to, tap, naFrame(vmMac, vm6)); }
      fabric.run(3000);
      assert.equal(fabric.best(vm4), to.name);
      assert.equal(fabric.best(vm6), to.name);
    }
    const into = b.speaker.world.migrations.all.filter((m) => m.direction === 'in' && m.address === vm4);
    assert.equal(into.length, 3);
    for (const m of into) assert.deepEqual(['frame', 'accepted', 'announced', 'written'].filter((e) => !m.timeline.some((line) => line.event === e)), []);
    assert.ok(into.every((m) => m.reflectedAtMs !== undefined && m.sourceGoneAtMs !== undefined));
  });

  it('follow a VM along four nodes, each move begun as soon as the next node has the news', () => {
    const fabric = new Fabric();
    const nodes = [1, 2, 3, 4].map((id) => fabric.addNode(id));
    fabric.run(3000);
    const before = fabric.router.history.length;
    for (const [i, to] of nodes.entries()) {
      // The ports at the earlier nodes stay, and nobody answers behind them.
      fabric.frame(to, fabric.addPort(to, 'tap0'), rarp);
      assert.deepEqual([state(to), state(to, vm6)], ['elevated', 'elevated']);
      fabric.run(3);
      assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], [to.name, to.name], `after move ${i + 1}`);
    }
    fabric.run(10_000);
    assert.deepEqual(nodes.map((node) => [state(node), state(node, vm6)].join()), ['withdrawn,withdrawn', 'withdrawn,withdrawn', 'withdrawn,withdrawn', 'elevated,elevated']);
    assert.deepEqual(fabric.router.history.slice(before).map((h) => h.node), ['hv-1', 'hv-1', 'hv-2', 'hv-2', 'hv-3', 'hv-3', 'hv-4', 'hv-4'], 'one change of each route for each move, and never none');
  });

  it('heal a move that was cancelled after its RARP: the source asks its VM and claims again', () => {
    const { fabric, a, b, tapA } = twoNodes();
    a.onProbe = (ifindex, probe) => { if (ifindex === tapA) answerProbe(fabric, a, ifindex, probe); };
    const tapB = fabric.addPort(b, 'tap0');
    fabric.frame(b, tapB, rarp);
    fabric.run(3);
    fabric.removePort(b, tapB);
    fabric.run(500);
    assert.equal(fabric.best(vm4), 'hv-1');
    fabric.run(5000);
    assert.equal(fabric.best(vm4), 'hv-1');
    assert.equal(state(b), 'withdrawn');
  });

  for (const latencyMs of [1, 30, 150]) {
    it(`follow a VM that goes back and forth every 100 ms, where news takes ${2 * latencyMs} ms`, () => {
      const { fabric, a, b, tapA } = twoNodes();
      fabric.latencyMs = latencyMs;
      let [from, port] = [a, tapA];
      for (const node of [a, b]) node.onProbe = (ifindex, probe) => { if (node === from && ifindex === port) answerProbe(fabric, node, ifindex, probe); };
      for (let move = 0; move < 10; move++) {
        const to = from === a ? b : a;
        const fresh = fabric.addPort(to, `tap${move + 1}`);
        const [left, old] = [from, port];
        [from, port] = [to, fresh];
        fabric.frame(to, fresh, rarp);
        fabric.frame(left, left.uplink, rarp);
        assert.deepEqual([state(to), state(to, vm6)], ['elevated', 'elevated'], `after move ${move + 1}`);
        fabric.run(20);
        fabric.removePort(left, old);
        fabric.run(80);
        if (latencyMs < 100) assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], [to.name, to.name], `after move ${move + 1}`);
      }
      fabric.run(5000);
      assert.deepEqual([fabric.best(vm4), fabric.best(vm6), state(a), state(b)], ['hv-1', 'hv-1', 'elevated', 'withdrawn']);
    });
  }

  for (const [what, stays] of [['its move was cancelled', false], ['another node claimed it, whose claim stands', true]] as const) {
    it(`go on asking for a VM that was paused for minutes when ${what}, and find it when it runs, silent`, () => {
      const { fabric, a, b, tapA } = twoNodes();
      let runs = false;
      let asked = 0;
      a.onProbe = (ifindex, probe) => {
        asked += 1;
        if (runs && ifindex === tapA) answerProbe(fabric, a, ifindex, probe);
      };
      const tapB = fabric.addPort(b, 'tap0');
      fabric.frame(b, tapB, rarp);
      fabric.run(100);
      if (!stays) fabric.removePort(b, tapB);
      fabric.run(5 * 60_000);
      assert.deepEqual([state(a), state(b), fabric.best()], stays ? ['withdrawn', 'normal', 'hv-2'] : ['withdrawn', 'withdrawn', undefined]);
      assert.ok(asked > 20 && asked < 80, `${asked} questions for two addresses in five minutes`);
      runs = true;
      fabric.run(31_000);
      assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-1', 'hv-1']);
    });
  }

  it('go on asking for a VM that was paused when a frame of its MAC came through the uplink, and find it when it runs, silent', () => {
    const { fabric, a, tapA } = twoNodes();
    let runs = false;
    a.onProbe = (ifindex, probe) => { if (runs && ifindex === tapA) answerProbe(fabric, a, ifindex, probe); };
    fabric.run(1000);
    fabric.frame(a, a.uplink, rarp);
    fabric.run(60_000);
    assert.deepEqual([state(a), state(a, vm6), fabric.best()], ['withdrawn', 'withdrawn', undefined], 'its silence withdraws it');
    runs = true;
    fabric.run(31_000);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-1', 'hv-1']);
  });

  it('say nothing for a pod that speaks before its VM, and claim once at the RARP', () => {
    const { fabric, b } = twoNodes();
    const veth = fabric.addPort(b, 'veth1', 'veth');
    fabric.run(10);
    const before = fabric.router.history.length;
    fabric.frame(b, veth, garp);
    fabric.frame(b, veth, naFrame(vmMac, vm6));
    fabric.run(1000);
    assert.equal(fabric.router.history.length, before);
    assert.equal(fabric.best(vm4), 'hv-1');
    fabric.frame(b, veth, rarp);
    fabric.run(10);
    assert.equal(fabric.best(vm4), 'hv-2');
    assert.equal(fabric.best(vm6), 'hv-2');
  });

  it('claim at once what speaks on a veth that is older than the claim of the other node: that is no pod before its VM', () => {
    const fabric = new Fabric();
    const [a, b] = [fabric.addNode(1), fabric.addNode(2)];
    fabric.run(3000);
    const veth = fabric.addPort(b, 'veth1', 'veth');
    fabric.run(2000);
    fabric.frame(a, fabric.addPort(a, 'tap0'), garp);
    fabric.run(2000);
    assert.equal(fabric.best(vm4), 'hv-1');
    fabric.frame(b, veth, garp);
    assert.deepEqual([state(b), state(b, vm6)], ['elevated', 'elevated']);
    fabric.run(10);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-2', 'hv-2']);
  });

  for (const lives of [false, true]) {
    it(`ask, while another claim stands, before they believe a frame that waited while their process stood still; its VM ${lives ? 'answers, and moves' : 'has gone, and nothing moves'}`, () => {
      const { fabric, b } = twoNodes();
      const tapB = fabric.addPort(b, 'tap0');
      fabric.run(1500);
      const before = fabric.router.history.length;
      const asked: number[] = [];
      b.onProbe = (ifindex, probe) => {
        asked.push(ifindex);
        if (lives) answerProbe(fabric, b, ifindex, probe);
      };
      // Stopped for a second; the frame came at its beginning.
      b.speaker.world.lastInputMs = fabric.nowMs - 1000;
      fabric.frame(b, tapB, rarp, { capturedAtMs: fabric.nowMs - 900 });
      assert.deepEqual([asked, state(b)], [[tapB, tapB], 'withdrawn'], 'one question for each address');
      fabric.run(3000);
      assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], lives ? ['hv-2', 'hv-2'] : ['hv-1', 'hv-1']);
      assert.equal(fabric.router.history.length - before, lives ? 2 : 0);
    });
  }

  it('claim every address that such a pod spoke for when the rival leaves, also one for which no rival was in sight', () => {
    const { fabric, a, b, tapA } = twoNodes();
    handle(a.speaker.world, 'default', vm4, { type: 'OperatorWithdraws' });
    fabric.give(a, { type: 'tick' });
    fabric.run(10);
    assert.equal(fabric.best(vm4), undefined);
    const veth = fabric.addPort(b, 'veth1', 'veth');
    fabric.run(10);
    fabric.frame(b, veth, garp);
    fabric.run(1000);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], [undefined, 'hv-1'], 'the VM runs where its other address is');
    fabric.removePort(a, tapA);
    fabric.run(10);
    assert.deepEqual([fabric.best(vm4), fabric.best(vm6)], ['hv-2', 'hv-2']);
  });

  it('take the echo of their own announcement through the uplink for an echo', () => {
    for (const delay of [0.4, 50, 900]) {
      const { fabric, a } = twoNodes();
      fabric.run(1000);
      fabric.frame(a, 10, garp);
      fabric.run(delay);
      fabric.frame(a, a.uplink, garp);
      fabric.run(100);
      assert.equal(state(a), 'elevated');
    }
  });

  it('demote at once when the VM is heard through the uplink, and withdraw when it does not answer', () => {
    const { fabric, a } = twoNodes();
    fabric.run(1000);
    fabric.frame(a, a.uplink, rarp);
    assert.equal(state(a), 'leaving');
    fabric.run(2100);
    assert.equal(state(a), 'withdrawn');
    assert.equal(fabric.best(vm4), undefined);
  });

  it('withdraw after the grace when the port goes', () => {
    const { fabric, a, tapA } = twoNodes();
    fabric.removePort(a, tapA);
    assert.equal(state(a), 'leaving');
    fabric.run(1900);
    assert.equal(fabric.best(vm4), 'hv-1');
    fabric.run(300);
    assert.equal(fabric.best(vm4), undefined);
  });

  it('send the state of now when a session returns', () => {
    const { fabric, a, b } = twoNodes();
    fabric.run(2000);
    fabric.cut(a);
    fabric.run(10);
    assert.equal(fabric.best(vm4), undefined);
    const tapB = fabric.addPort(b, 'tap0');
    fabric.frame(b, tapB, rarp);
    fabric.run(4000);
    assert.equal(fabric.best(vm4), 'hv-2');
    fabric.run(4000);
    assert.equal(state(a), 'withdrawn');
  });

  it('never announce what a stranger claims', () => {
    const { fabric, a } = twoNodes();
    const evil = fabric.addPort(a, 'tap9');
    const before = fabric.router.history.length;
    const mallory = parseMac('52:54:00:ee:00:01') as Mac;
    fabric.frame(a, evil, garpFrame(mallory, vm4));
    fabric.frame(a, evil, garpFrame(mallory, '203.0.113.1' as IpAddress));
    fabric.frame(a, evil, garpFrame(mallory, '198.51.100.7' as IpAddress));
    fabric.frame(a, evil, rarpFrame(mallory));
    fabric.frame(a, evil, garpFrame(vmMac, vm4));
    fabric.run(1000);
    assert.equal(fabric.router.history.length, before);
    assert.deepEqual([...a.speaker.world.ignored.values()].map((i) => i.verdict).sort(), ['conflict', 'conflict', 'conflict', 'excluded', 'no_binding', 'outside_prefixes'].sort());
  });
});

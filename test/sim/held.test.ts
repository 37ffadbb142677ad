import assert from 'node:assert/strict';
import { garpFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { prefixAddress, type IpAddress } from '../../net/ip.ts';
import { answer } from '../../src/queries.ts';
import { answerProbe } from './probe-answer.ts';
import { addressKey } from '../../routes/loc-rib.ts';
import { Fabric, vm4, vm6, vmMac, type SimNode } from './fabric.ts';

const rarp = rarpFrame(vmMac);
const garp = garpFrame(vmMac, vm4);
const facts = { version: '0', routerIdFrom: 'configured', capture: { received: 0, dropped: 0 }, warnings: [] };

const handoverOf = (node: SimNode, address: IpAddress = vm4) => node.speaker.world.locRib.handovers.get(`default|${address}/${address.includes(':') ? 128 : 32}` as never);
const state = (node: SimNode, address: IpAddress = vm4): string | undefined => handoverOf(node, address)?.state;
const items = (node: SimNode, request: Parameters<typeof answer>[1]): Record<string, unknown>[] => (answer(node.speaker.world, request, facts) as unknown as { items: Record<string, unknown>[] }).items;
const events = (node: SimNode, event: string) => node.notes.filter((note) => note.event === event);

function fabricOf(more?: Parameters<Fabric['addNode']>[1]): { fabric: Fabric; a: SimNode; b: SimNode } {
  const fabric = new Fabric();
  const a = fabric.addNode(1, more);
  const b = fabric.addNode(2, more);
  fabric.run(3000);
  return { fabric, a, b };
}

/** How often the router's best path for the address changed nodes since `from`. */
function movesSince(fabric: Fabric, from: number, address: IpAddress = vm4): number {
  const path = fabric.router.history.slice(from).filter((h) => prefixAddress(h.prefix) === address).map((h) => h.node);
  return path.filter((node, i) => i > 0 && node !== path[i - 1]).length;
}

/** The same VM lives behind a port of each node and answers there. */
function twins(hold: number | 'until-cleared' = 60_000): { fabric: Fabric; a: SimNode; b: SimNode; tapA: number; tapB: number } {
  const { fabric, a, b } = fabricOf((config) => ({
    ...config, migration: { ...config.migration, flap: { moves: 5, withinMs: 180_000, ...(hold === 'until-cleared' ? {} : { holdMs: hold }) } },
  }));
  const tapA = fabric.addPort(a, 'tap0');
  fabric.frame(a, tapA, garp);
  fabric.run(10_000);
  const tapB = fabric.addPort(b, 'tap0');
  return { fabric, a, b, tapA, tapB };
}

describe('a VM that lives on two nodes at once', () => {
  it('ends with the node that had it before, after a bounded number of moves, whoever answers probes', () => {
    const { fabric, a, b, tapA, tapB } = twins();
    for (const [node, tap] of [[a, tapA], [b, tapB]] as const) node.onProbe = (ifindex, probe) => { if (ifindex === tap) answerProbe(fabric, node, ifindex, probe); };
    const before = fabric.router.history.length;
    fabric.frame(b, tapB, garp);
    fabric.run(20_000);
    assert.deepEqual([state(a), state(b)].includes('held'), true);
    assert.equal(fabric.best(vm4), 'hv-1');
    assert.ok(movesSince(fabric, before) <= 5, `${movesSince(fabric, before)} moves`);
    assert.ok(fabric.router.history.slice(before).every((h) => h.node !== undefined), 'the router had a route all the time');
  });

  it('moves at most five times when both send GARPs fifty times in ten seconds', () => {
    const { fabric, a, b, tapA, tapB } = twins();
    const before = fabric.router.history.length;
    for (let i = 0; i < 50; i++) {
      const [node, tap] = i % 2 === 0 ? [b, tapB] as const : [a, tapA] as const;
      fabric.frame(node, tap, garpFrame(vmMac, vm4, i % 4 === 0 ? { form: 'reply' } : {}));
      fabric.run(200);
    }
    assert.ok(movesSince(fabric, before) <= 5, `${movesSince(fabric, before)} moves`);
    assert.equal(fabric.best(vm4), 'hv-1');
    assert.equal(state(b), 'held');
    assert.equal(events(b, 'handover.held').filter((note) => note.level === 'warn' && note.fields['prefix'] === `${vm4}/32`).length, 1, 'one alarm');
    assert.ok([...b.speaker.world.ignored.values()].some((i) => i.verdict === 'flap'));
    assert.ok([...b.speaker.world.ignored.values()].some((i) => i.verdict === 'held'));
  });

  it('is not left without a route where each node takes the other for the one that had it before', () => {
    const { fabric, a, b, tapA } = twins();
    const answering = new Map<SimNode, number>();
    for (const node of [a, b]) node.onProbe = (ifindex, probe) => { if (ifindex === answering.get(node)) answerProbe(fabric, node, ifindex, probe); };
    const tapB = fabric.addPort(b, 'tap1');
    answering.set(b, tapB);
    fabric.frame(b, tapB, rarp);
    fabric.removePort(a, tapA);
    fabric.run(700);
    assert.equal(fabric.best(), 'hv-2');
    const again = fabric.addPort(a, 'tap1');
    answering.set(a, again);
    for (let i = 0; i < 20; i++) {
      fabric.frame(i % 2 === 0 ? a : b, i % 2 === 0 ? again : tapB, i % 4 < 2 ? garp : rarp);
      fabric.run(150);
    }
    fabric.run(30_000);
    const announcing = [a, b].filter((node) => node.speaker.world.peers.get('tor')?.adjOut.sent.has(`${vm4}/32` as never));
    assert.deepEqual([announcing.length, fabric.best() !== undefined], [1, true]);
  });

  it('is claimed by the other when the one that stood by its claim is gone, also while it is held', () => {
    const { fabric, a, b, tapA, tapB } = twins('until-cleared');
    for (const [node, tap] of [[a, tapA], [b, tapB]] as const) node.onProbe = (ifindex, probe) => { if (ifindex === tap) answerProbe(fabric, node, ifindex, probe); };
    fabric.frame(b, tapB, garp);
    fabric.run(10_000);
    assert.deepEqual([fabric.best(), state(b)], ['hv-1', 'held']);
    fabric.removePort(a, tapA);
    fabric.run(5000);
    assert.deepEqual([fabric.best(), state(b)], ['hv-2', 'held']);
    assert.equal(handoverOf(b)?.hold?.standsIn, true);
  });

  it('is shown, warned of and explained, and the hold ends by itself', () => {
    const { fabric, a, b, tapA, tapB } = twins();
    a.onProbe = (ifindex, probe) => { if (ifindex === tapA) answerProbe(fabric, a, ifindex, probe); };
    for (let i = 0; i < 8; i++) { fabric.frame(b, tapB, garpFrame(vmMac, vm4, i % 2 === 0 ? { form: 'reply' } : {})); fabric.run(100); }
    assert.equal(state(b), 'held');
    const [shown] = items(b, { verb: 'prefixes', state: 'held' });
    assert.equal(shown?.['prefix'], `${vm4}/32`);
    assert.match(JSON.stringify(shown?.['held']), /another node had it before/);
    assert.match(String(items(b, { verb: 'why', address: vm4 })[0]?.['answer']), /is held, and not announced: .*landfall clear 203\.0\.113\.11/);
    assert.match(JSON.stringify(items(b, { verb: 'status' })[0]?.['warnings']), /is held/);
    fabric.removePort(b, tapB);
    fabric.run(61_000);
    assert.equal(state(b), 'withdrawn');
    assert.equal(fabric.best(vm4), 'hv-1');
  });

  it('stays held until it is cleared where the configuration says so', () => {
    const { fabric, b, tapB, a, tapA } = twins('until-cleared');
    for (let i = 0; i < 10; i++) {
      fabric.frame(i % 2 === 0 ? b : a, i % 2 === 0 ? tapB : tapA, garpFrame(vmMac, vm4, i % 4 < 2 ? { form: 'reply' } : {}));
      fabric.run(100);
    }
    fabric.run(3_600_000);
    assert.equal(state(b), 'held');
    const { lifted } = b.speaker.clear('default', vm4, fabric.now());
    assert.equal(lifted, true);
    assert.equal(state(b), 'withdrawn');
    assert.equal(b.speaker.clear('default', vm4, fabric.now()).lifted, false);
  });
});

describe('a rogue claim for a VM that answers', () => {
  it('is probed, claimed against once, and then the address is frozen here', () => {
    const { fabric, a, b } = fabricOf();
    const tapA = fabric.addPort(a, 'tap0');
    a.onProbe = (ifindex, probe) => { if (ifindex === tapA) answerProbe(fabric, a, ifindex, probe); };
    fabric.frame(a, tapA, garp);
    fabric.run(5000);
    // The other node has no such VM: its operator announces the address by hand, again and again.
    const claims = (): number => events(a, 'handover.transition').filter((note) => note.fields['to'] === 'elevated').length;
    const before = claims();
    for (let i = 0; i < 6; i++) {
      for (const output of b.speaker.override('default', vm4, 'announce', fabric.now())) fabric.performFor(b, [output]);
      fabric.run(300);
    }
    assert.equal(claims() - before, 1, 'claimed again once');
    assert.equal(state(a), 'held');
    assert.equal(handoverOf(a)?.hold?.level, 'elevated');
    assert.equal(events(a, 'handover.held').length, 1);
    const m = a.speaker.world.migrations.open.get(addressKey('default', vm4));
    assert.equal(m?.result, 'held');
    assert.match(m?.timeline.find((line) => line.event === 'held')?.text ?? '', /^the VM answers here while another node claims it again and again: this node stands by its claim/);
  });

  it('wins when the VM behind the frozen claim falls silent: then it had left', () => {
    const { fabric, a, b } = fabricOf();
    const tapA = fabric.addPort(a, 'tap0');
    let alive = true;
    a.onProbe = (ifindex, probe) => { if (alive && ifindex === tapA) answerProbe(fabric, a, ifindex, probe); };
    fabric.frame(a, tapA, garp);
    fabric.run(5000);
    const announce = (): void => {
      for (const output of b.speaker.override('default', vm4, 'announce', fabric.now())) fabric.performFor(b, [output]);
    };
    for (let i = 0; i < 3; i++) { announce(); fabric.run(300); }
    assert.equal(state(a), 'held');
    alive = false;
    announce();
    fabric.run(5000);
    assert.equal(state(a), 'withdrawn');
    assert.equal(fabric.best(vm4), 'hv-2');
  });
});

describe('clean moves', () => {
  it('are free: twenty in a minute', () => {
    const { fabric, a, b } = fabricOf();
    let tap = fabric.addPort(a, 'tap0');
    fabric.frame(a, tap, garp);
    fabric.run(1000);
    for (let i = 0; i < 20; i++) {
      const [from, to] = i % 2 === 0 ? [a, b] as const : [b, a] as const;
      const next = fabric.addPort(to, `tap${i + 1}`);
      fabric.frame(to, next, rarp);
      fabric.run(500);
      fabric.removePort(from, tap);
      tap = next;
      fabric.run(2500);
      assert.equal(fabric.best(vm4), to.name, `move ${i}`);
      assert.equal(fabric.best(vm6), to.name, `move ${i}`);
    }
    assert.equal(events(a, 'handover.held').length + events(b, 'handover.held').length, 0);
  });
});

describe('two local ports of one node with one VM', () => {
  it('move nothing, and cost no UPDATE', () => {
    const { fabric, a } = fabricOf();
    const tap1 = fabric.addPort(a, 'tap1');
    const tap2 = fabric.addPort(a, 'tap2');
    fabric.frame(a, tap1, garp);
    fabric.run(3000);
    const before = fabric.router.history.length;
    for (let i = 0; i < 50; i++) { fabric.frame(a, i % 2 === 0 ? tap2 : tap1, garp); fabric.run(200); }
    assert.equal(fabric.router.history.length, before);
    assert.equal(handoverOf(a)?.endpoint?.ifindex, tap1);
    assert.ok([...a.speaker.world.ignored.values()].some((i) => i.verdict === 'conflict'));
  });
});

describe('clear', () => {
  it('forgets a sequence that nobody can have reached, and the claim is made anew with a sane one', () => {
    const { fabric, a } = fabricOf();
    const tapA = fabric.addPort(a, 'tap0');
    fabric.frame(a, tapA, garp);
    fabric.run(100);
    const { handovers } = a.speaker.world.locRib;
    for (const [key, h] of handovers) if (h.address === vm4) handovers.set(key, { ...h, sequence: 2147483647, highestSeen: 2147483647 });
    fabric.performFor(a, a.speaker.clear('default', vm4, fabric.now()).outputs);
    fabric.run(100);
    assert.ok((handoverOf(a)?.sequence ?? 0) < 400_000_000, `${handoverOf(a)?.sequence}`);
    assert.equal(state(a), 'elevated');
    assert.equal(fabric.best(vm4), 'hv-1');
  });
});

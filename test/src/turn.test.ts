import assert from 'node:assert/strict';
import { garpFrame } from '../../garp/wire/frames.ts';
import type { BridgeChange } from '../../bridge/ports.ts';
import { ip } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import { Turn, type Hands } from '../../src/daemon/turn.ts';
import { Fabric } from '../sim/fabric.ts';

const count = 40;
const vms = Array.from({ length: count }, (_, i) => ({ mac: parseMac(`52:54:00:00:01:${(i + 16).toString(16)}`) as Mac, address: ip(`203.0.113.${i + 50}`) }));

interface Stage { readonly turn: Turn; readonly done: string[]; readonly tap: number; readonly hear: (vm: number, left: number) => void; readonly pass: (ms: number) => void; readonly world: ReturnType<Fabric['addNode']>['speaker']['world'] }

/** A speaker whose session is up, in a turn whose hands write down what they are given; each write takes a tenth of a millisecond. */
function stage(): Stage {
  const fabric = new Fabric();
  const node = fabric.addNode(1, (base) => ({ ...base, identity: { ...base.identity, bindings: vms.map(({ mac, address }) => ({ vm: `shop/${address}`, mac, vrf: 'default', ips: [address] })) } }));
  fabric.run(3000);
  const tap = fabric.addPort(node, 'tap0');
  fabric.run(10);
  const { speaker } = node;
  const done: string[] = [];
  let held = false;
  let { nowMs } = fabric;
  const hands = {
    sockets: { hold: () => { held = true; }, release: () => { held = false; done.push('release'); }, perform: (_peer: string, output: { type: string }) => { nowMs += 0.1; if (output.type === 'write') done.push(held ? 'write, held' : 'write'); } },
    sources: { catchUp: () => undefined, sendFrame: () => done.push('question'), askGate: () => undefined },
    dataPlane: { tell: () => undefined, apply: () => undefined, askLater: (asked: unknown[]) => done.push(`ask delivery of ${asked.length}`) },
    words: { waiting: 1, nothingWaits: false, later: () => undefined, recordLater: () => done.push('history'), sayNow: () => done.push('say') },
    transition: () => undefined, unsaved: () => undefined,
  } as unknown as Hands;
  const turn = new Turn(speaker, { now: () => ({ ...fabric.now(), monotonicMs: nowMs }) }, hands);
  const hear = (vm: number, left: number): void => {
    const { mac, address } = vms[vm] as (typeof vms)[0];
    turn.frame({ bytes: garpFrame(mac, address), ifindex: tap, capturedAtMs: nowMs }, left);
  };
  return { turn, done, tap, hear, pass: (ms) => { nowMs += ms; }, world: speaker.world };
}

/** Until the words have been said. */
async function said(done: readonly string[]): Promise<void> {
  while (!done.includes('say')) await new Promise((resolve) => setTimeout(resolve, 1));
}
const learnt = (vm: number, ifindex: number): BridgeChange => ({ type: 'fdbNews', news: [{ ifindex, mac: (vms[vm] as (typeof vms)[0]).mac, vlan: 0, permanent: false }] });

describe('a turn of the loop', () => {
  it('with one frame: its bytes, then at once when they were written, then the words', async () => {
    const { turn, done, hear, world } = stage();
    hear(0, 0);
    turn.batchEnd();
    assert.equal(done[0], 'write');
    assert.ok(done.includes('history') && !done.includes('say'));
    assert.equal(world.migrations.all.filter((m) => m.announcedAtMs !== undefined).length, 1, 'told before the next input');
    await said(done);
    assert.equal(done.at(-1), 'say');
    turn.close();
  });

  it('with a burst: the bytes of all its frames, and only then what is told of them', async () => {
    const { turn, done, hear, world } = stage();
    for (let i = 0; i < count; i++) hear(i, count - 1 - i);
    turn.batchEnd();
    assert.equal(done.filter((what) => what.startsWith('write')).length, count);
    assert.ok(!done.includes('history') && !done.includes('say'), 'nothing is told while more may wait');
    await said(done);
    const told = done.indexOf('history');
    assert.ok(told > done.lastIndexOf('release'), 'bytes first');
    assert.ok(done.indexOf('say') > told);
    const claims = world.migrations.all;
    assert.equal(claims.length, count);
    const written = claims.map((m) => m.timeline.find((line) => line.event === 'written')?.atMs ?? NaN);
    const announced = claims.map((m) => m.timeline.find((line) => line.event === 'announced')?.atMs ?? NaN);
    claims.forEach((m, i) => {
      assert.equal(m.announcedAtMs, written[i]);
      assert.ok((written[i] as number) >= (announced[i] as number));
    });
    assert.ok((written[0] as number) < (announced[count - 1] as number), 'each is told as of when its own bytes were written');
    assert.equal(claims[0]?.result, 'announced');
    turn.close();
  });

  it('takes the news of forwarding entries after the frames of a burst, and asks nobody who has spoken', async () => {
    const { turn, done, hear, tap, world } = stage();
    const before = world.bridges.entryCount;
    for (let i = 0; i < 10; i++) hear(i, count - 1 - i);
    turn.bridge(learnt(20, tap));
    assert.equal(world.bridges.entryCount, before, 'waits');
    for (let i = 10; i < count; i++) hear(i, count - 1 - i);
    turn.batchEnd();
    await said(done);
    assert.equal(world.bridges.entryCount, before + 1);
    assert.ok(!done.includes('question'), 'the VM has spoken');
    turn.close();
  });

  it('takes them at once where no burst is, and not later than 50 ms after where one has no end', async () => {
    const { turn, done, hear, tap, world, pass } = stage();
    turn.bridge(learnt(20, tap));
    assert.ok(done.includes('question'), 'where the VM may be is asked at once');
    const before = world.bridges.entryCount;
    hear(0, count);
    turn.bridge(learnt(21, tap));
    pass(40);
    turn.bridge(learnt(22, tap));
    assert.equal(world.bridges.entryCount, before);
    pass(20);
    turn.bridge(learnt(23, tap));
    assert.equal(world.bridges.entryCount, before + 3);
    await said(done);
    turn.close();
  });
});

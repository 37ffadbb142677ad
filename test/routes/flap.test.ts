import assert from 'node:assert/strict';
import { isFlapping, lose, partWith, quickReturnMs, regain, type Episode, type FlapOptions } from '../../routes/flap.ts';

const options: FlapOptions = { moves: 5, withinMs: 180_000, holdMs: 60_000 };
const back = (episode: Episode | undefined, nowMs: number, more: Partial<Parameters<typeof regain>[1]> = {}): Episode | undefined =>
  regain(episode, { ifindex: 7, answered: false, rivalStands: true, silentMs: 2000, ...more }, nowMs, options);

describe('moves with overlapping life', () => {
  it('count from the loss on where the VM never left its port', () => {
    const lost = lose(undefined, 7, 1000, options);
    assert.deepEqual(lost.moves, []);
    const again = back(lost, 1200);
    assert.deepEqual(again, { moves: [1000, 1200], holder: 'here' });
  });

  it('count our own claim first where the other side came back at once: it had the address before', () => {
    const took = back(undefined, 1000);
    assert.deepEqual(took, { moves: [], holder: 'here', tookAtMs: 1000 });
    assert.deepEqual(back(lose(took, 7, 1100, options), 1200), { moves: [1000, 1100, 1200], holder: 'elsewhere' });
    const kept = back(lose(took, 7, 1000 + quickReturnMs, options), 1000 + quickReturnMs + 100);
    assert.equal(kept?.holder, 'here');
  });

  it('are none where the VM comes back by another port, by one that came anew, or after silence', () => {
    assert.deepEqual(back(lose(undefined, 7, 1000, options), 1200, { ifindex: 8 })?.moves, []);
    assert.deepEqual(back(partWith(lose(undefined, 7, 1000, options)), 1200)?.moves, []);
    assert.deepEqual(back(lose(undefined, 7, 1000, options), 3000)?.moves, []);
  });

  it('are told by an answer to a probe, whatever the time', () => {
    assert.deepEqual(back(lose(undefined, 7, 1000, options), 9000, { answered: true })?.moves, [1000, 9000]);
  });

  it('are none where no other node claims the address', () => {
    assert.equal(back(undefined, 1000, { rivalStands: false }), undefined);
    assert.deepEqual(back(lose(undefined, 7, 1000, options), 1200, { rivalStands: false })?.moves, []);
  });

  it('make a flap of the fifth, within the time only', () => {
    let episode: Episode | undefined;
    const flapping: boolean[] = [];
    for (let i = 0; i < 3; i++) {
      episode = back(lose(episode, 7, i * 400, options), i * 400 + 200);
      flapping.push(isFlapping(episode, options));
    }
    assert.deepEqual(flapping, [false, false, true]);
    let slow: Episode | undefined;
    for (let i = 0; i < 20; i++) {
      slow = back(lose(slow, 7, i * 100_000, options), i * 100_000 + 200);
      assert.ok(!isFlapping(slow, options), `at ${i}`);
    }
  });

  it('cost bounded memory, however many there are', () => {
    let episode: Episode | undefined;
    for (let i = 0; i < 1000; i++) episode = back(lose(episode, 7, i * 10, options), i * 10 + 5);
    assert.ok((episode?.moves.length ?? 0) <= options.moves + 2);
  });
});

import assert from 'node:assert/strict';
import { Bench, keepalive, local, open } from './session-bench.ts';

const fail = { type: 'fail', subcode: 10, text: 'BFD: control detection time expired' } as const;

function established(): { bench: Bench; connection: number } {
  const bench = new Bench();
  bench.give({ type: 'start' });
  const connection = bench.dialled.at(-1) as number;
  bench.give({ type: 'connected', connection, localAddress: local });
  bench.peer(connection, open(), keepalive);
  assert.equal(bench.state.fsm, 'Established');
  return { bench, connection };
}

describe('a session whose peer is known to be gone (RFC 9384)', () => {
  it('ends at once with Cease / BFD Down, keeps why, and dials again', () => {
    const { bench, connection } = established();
    const words = bench.give(fail);
    assert.ok(words.some((word) => /6\/10|BFD Down/.test(word)), words.join('; '));
    assert.ok(words.includes(`close ${connection}`) || words.some((word) => word.startsWith('close')), words.join('; '));
    assert.equal(bench.state.fsm, 'Idle');
    assert.match(bench.state.lastError?.text ?? '', /^BFD: control detection time expired/);
    assert.ok(bench.after(bench.due as number).some((word) => word.startsWith('dial')), 'tries again');
  });

  it('where there is none yet, nothing happens: an attempt to connect shows by itself who answers', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    assert.deepEqual(bench.give(fail), []);
    assert.equal(bench.state.fsm, 'Connect');
    const idle = new Bench();
    assert.deepEqual(idle.give(fail), []);
  });
});

import assert from 'node:assert/strict';
import type { Message } from '../../bgp/wire/messages.ts';
import { Bench, bytesOf, keepalive, local, open } from './session-bench.ts';

const endOfRib: Message = { type: 'UPDATE', withdrawn: [], attributes: {}, nlri: [] };
const refused: Message = { type: 'NOTIFICATION', code: 2, subcode: 2, data: new Uint8Array(0) };

describe('the Send Hold Timer (RFC 9687)', () => {
  it('runs while the kernel holds back what we wrote, anew whenever some of it goes out', () => {
    const bench = new Bench({ sendHoldSeconds: 20, holdSeconds: 0 });
    const connection = bench.establish();
    assert.equal(bench.due, undefined);
    bench.give({ type: 'written', connection, unsent: true });
    assert.equal(bench.due, 20);
    assert.deepEqual(bench.after(15), []);
    bench.give({ type: 'written', connection, unsent: true });
    assert.deepEqual(bench.after(19), []);
    assert.deepEqual(bench.after(1), ['Established→Idle', '1 NOTIFICATION 8/0', 'close 1', 'down']);
    assert.match(bench.state.lastError?.text ?? '', /^Send Hold Timer Expired \(8\/0\): the peer took nothing of what we sent for 20 s$/);
  });

  it('stops when all is out, and is 8 minutes or twice the Hold Time by default', () => {
    for (const [holdSeconds, expected] of [[0, 480], [9, 480], [1000, 2000]] as const) {
      const bench = new Bench({ holdSeconds });
      const connection = bench.establish(open({ holdTimeSeconds: holdSeconds }));
      bench.give({ type: 'written', connection, unsent: true });
      assert.equal(((bench.state.first.sendHoldAtMs ?? 0) - bench.nowMs) / 1000, expected);
      bench.give({ type: 'written', connection, unsent: false });
      assert.equal(bench.state.first.sendHoldAtMs, undefined);
    }
  });
});

describe('the Hold Timer', () => {
  it('is four minutes while an OPEN is awaited', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    bench.give({ type: 'connected', connection: 1, localAddress: local });
    assert.deepEqual(bench.after(10), []);
    assert.match(bench.state.lastError?.text ?? '', /^connected, but the peer sends no OPEN .*ttl-security/);
    assert.equal(bench.due, 230);
    assert.deepEqual(bench.after(229), []);
    assert.deepEqual(bench.after(1), ['OpenSent→Idle', '1 NOTIFICATION 4/0', 'close 1']);
    assert.match(bench.state.lastError?.text ?? '', /^Hold Timer Expired \(4\/0\): nothing heard for 240 s$/);
  });

  it('is what was agreed on from the OPEN on', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    bench.give({ type: 'connected', connection: 1, localAddress: local });
    bench.peer(1, open({ holdTimeSeconds: 6 }));
    bench.nowMs += 6000;
    const out = bench.give({ type: 'tick' });
    assert.deepEqual(out, ['OpenConfirm→Idle', '1 NOTIFICATION 4/0', 'close 1']);
    assert.match(bench.state.lastError?.text ?? '', /^Hold Timer Expired \(4\/0\): nothing but its OPEN heard for 6 s .*ttl-security/);
  });

  for (const message of [keepalive, endOfRib]) {
    it(`starts again at each ${message.type}`, () => {
      const bench = new Bench();
      const connection = bench.establish();
      for (let i = 0; i < 5; i++) {
        bench.after(8.9);
        bench.peer(connection, message);
      }
      assert.equal(bench.state.fsm, 'Established');
      assert.deepEqual(bench.after(9), ['Established→Idle', '1 NOTIFICATION 4/0', `close ${connection}`, 'down']);
    });
  }

  it('spares a peer whose data waited while this process was stopped', () => {
    const stopped = new Bench();
    stopped.establish();
    stopped.nowMs += 60_000;
    assert.deepEqual(stopped.peer(1, keepalive), [], 'what waits in the socket comes before the tick');
    assert.deepEqual(stopped.give({ type: 'tick' }), ['1 KEEPALIVE']);
    assert.equal(stopped.state.fsm, 'Established');
  });

  it('runs not at all at 0, and no KEEPALIVE is sent then', () => {
    for (const [own, theirs] of [[0, 90], [9, 0]] as const) {
      const bench = new Bench({ holdSeconds: own });
      bench.establish(open({ holdTimeSeconds: theirs }));
      assert.equal(bench.due, undefined);
      assert.deepEqual(bench.after(100_000), []);
      assert.equal(bench.state.fsm, 'Established');
    }
  });
});

describe('the KeepaliveTimer', () => {
  for (const [random, seconds] of [[0, 2.25], [0.999999, 3]] as const) {
    it(`draws ${random}: the next KEEPALIVE comes after ${seconds} s`, () => {
      const bench = new Bench();
      bench.random = random;
      bench.establish();
      assert.ok(Math.abs((bench.due as number) - seconds) < 1e-4);
      assert.deepEqual(bench.after(bench.due as number), ['1 KEEPALIVE']);
      assert.ok(Math.abs((bench.due as number) - seconds) < 1e-4);
    });
  }

  it('keeps a second between KEEPALIVEs (section 4.4)', () => {
    const bench = new Bench();
    bench.establish(open({ holdTimeSeconds: 3 }));
    assert.equal(bench.due, 1);
  });

  it('starts again at each UPDATE that is sent', () => {
    const bench = new Bench();
    const connection = bench.establish();
    for (let i = 0; i < 5; i++) {
      bench.nowMs += 2000;
      bench.peer(connection, keepalive);
      bench.give({ type: 'send', updates: [{ type: 'UPDATE', withdrawn: [], attributes: {}, nlri: [] }] });
      assert.deepEqual(bench.give({ type: 'tick' }), []);
    }
  });
});

describe('a tick', () => {
  it('that is early gives the very same state, so that it costs nothing', () => {
    const bench = new Bench();
    for (const prepare of [() => undefined, () => bench.give({ type: 'start' }), () => bench.give({ type: 'connected', connection: 1, localAddress: local }), () => bench.peer(1, open(), keepalive)]) {
      prepare();
      const { state } = bench;
      assert.deepEqual(bench.give({ type: 'tick' }), []);
      assert.equal(bench.state, state);
    }
  });
});

describe('the next attempt', () => {
  const attempt = (bench: Bench, ...peer: readonly Message[]): number => {
    const connection = bench.dialled.at(-1) as number;
    bench.give({ type: 'connected', connection, localAddress: local });
    bench.peer(connection, ...peer);
    const wait = bench.due as number;
    assert.ok(bench.after(wait).some((words) => words.startsWith('dial')), 'it dials when the wait is over');
    return wait;
  };

  it('comes within one ConnectRetryTime, however long the router is away', () => {
    const bench = new Bench();
    bench.random = 0.999999;
    bench.establish();
    bench.give({ type: 'closed', connection: 1, error: 'ECONNRESET' });
    for (let i = 0; i < 100; i++) {
      assert.ok((bench.due as number) <= 5);
      bench.after(bench.due as number);
      assert.equal(bench.state.fsm, 'Connect');
      bench.give({ type: 'closed', connection: bench.dialled.at(-1) as number, error: 'ECONNREFUSED' });
    }
  });

  it('is made while the one before gets no answer', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    assert.deepEqual(bench.after(3.75), ['close 1', 'dial 2']);
    assert.deepEqual(bench.after(3.75), ['close 2', 'dial 3']);
  });

  it('waits longer and longer, to a bound, for a peer that refuses our OPEN again and again', () => {
    const bench = new Bench();
    bench.random = 0.999999999;
    bench.give({ type: 'start' });
    const waits = Array.from({ length: 9 }, () => Math.round(attempt(bench, refused)));
    assert.deepEqual(waits, [5, 5, 5, 10, 20, 40, 60, 60, 60]);
  });

  it('waits no longer than ConnectRetryTime where that is above the bound', () => {
    const bench = new Bench({ connectRetrySeconds: 120 });
    bench.random = 0.999999999;
    bench.give({ type: 'start' });
    assert.deepEqual(Array.from({ length: 6 }, () => Math.round(attempt(bench, refused))), [120, 120, 120, 120, 120, 120]);
  });

  it('is soon again after a session that lasted', () => {
    const bench = new Bench();
    bench.random = 0.999999999;
    bench.give({ type: 'start' });
    for (let i = 0; i < 6; i++) attempt(bench, refused);
    const connection = bench.dialled.at(-1) as number;
    bench.give({ type: 'connected', connection, localAddress: local });
    bench.peer(connection, open(), keepalive);
    for (let i = 0; i < 20; i++) {
      bench.after(3);
      bench.peer(connection, keepalive);
    }
    bench.peer(connection, { type: 'NOTIFICATION', code: 6, subcode: 4, data: new Uint8Array(0) });
    assert.equal(Math.round(bench.due as number), 5);
  });

  it('is not needed where the peer dials us meanwhile', () => {
    const bench = new Bench();
    bench.establish();
    bench.give({ type: 'closed', connection: 1, error: 'ECONNRESET' });
    const { connection } = bench.accept();
    bench.give({ type: 'data', connection, bytes: bytesOf(open(), keepalive) });
    assert.equal(bench.state.fsm, 'Established');
    bench.nowMs += 5000;
    bench.peer(connection, keepalive);
    assert.deepEqual(bench.give({ type: 'tick' }), [`${connection} KEEPALIVE`]);
  });
});

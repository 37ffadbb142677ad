import assert from 'node:assert/strict';
import type { Message, UpdateMessage } from '../../bgp/wire/messages.ts';
import { ip, type Prefix } from '../../net/ip.ts';
import { Bench, bytesOf, keepalive, local, open } from './session-bench.ts';

const notification = (code: number, subcode: number): Message => ({ type: 'NOTIFICATION', code, subcode, data: new Uint8Array(0) });
const badUpdate = Uint8Array.from([...Array<number>(16).fill(255), 0, 23, 2, 0, 255, 0, 0]);

/** Lets one attempt after the other fail; how long each pause is, in whole seconds. */
function pauses(bench: Bench, count: number, fail: (connection: number) => void): number[] {
  bench.random = 0.999999999;
  if (bench.state.fsm === 'Idle' && bench.due === undefined) bench.give({ type: 'start' });
  return Array.from({ length: count }, () => {
    const connection = bench.dialled.at(-1) as number;
    bench.give({ type: 'connected', connection, localAddress: local });
    fail(connection);
    const pause = bench.due as number;
    assert.ok(bench.after(pause).some((words) => words.startsWith('dial')));
    return Math.round(pause);
  });
}
const doubling = [5, 5, 5, 10, 20, 40, 60, 60];

describe('a peer that fails again and again is damped', () => {
  it('when it refuses our OPEN', () => {
    const bench = new Bench();
    assert.deepEqual(pauses(bench, 8, (connection) => bench.peer(connection, notification(2, 2))), doubling);
  });

  it('when it closes without a word after our OPEN', () => {
    const bench = new Bench();
    assert.deepEqual(pauses(bench, 8, (connection) => bench.give({ type: 'closed', connection })), doubling);
    assert.match(bench.state.lastError?.text ?? '', /^connection lost in OpenSent: closed by peer .*neighbor/);
  });

  it('when its sessions end as soon as they are up', () => {
    const bench = new Bench();
    const flap = (connection: number): void => {
      bench.peer(connection, open(), keepalive);
      assert.equal(bench.state.fsm, 'Established');
      bench.give({ type: 'data', connection, bytes: badUpdate });
    };
    assert.deepEqual(pauses(bench, 8, flap), doubling);
  });

  it('until an operator stops and starts the session', () => {
    const bench = new Bench();
    pauses(bench, 8, (connection) => bench.peer(connection, notification(2, 2)));
    bench.give({ type: 'stop', subcode: 2 });
    assert.deepEqual(pauses(bench, 2, (connection) => bench.peer(connection, notification(2, 2))), [5, 5]);
  });

  it('but heard at once when it dials us', () => {
    const bench = new Bench();
    pauses(bench, 8, (connection) => bench.peer(connection, notification(2, 2)));
    bench.peer(bench.dialled.at(-1) as number, notification(2, 2));
    const { connection } = bench.accept();
    assert.equal(bench.peer(connection, open(), keepalive).at(-1), 'established');
  });
});

it('a healthy router that restarts time and again is dialled within a ConnectRetryTime of its return', () => {
  const bench = new Bench();
  bench.random = 0.999999999;
  bench.establish(open({ holdTimeSeconds: 0 }));
  for (let restart = 0; restart < 5; restart++) {
    bench.nowMs += 60_000;
    bench.peer(bench.dialled.at(-1) as number, notification(6, 3));
    for (let refused = 0; refused < 4; refused++) {
      assert.ok((bench.due as number) <= 5);
      bench.after(bench.due as number);
      bench.give({ type: 'closed', connection: bench.dialled.at(-1) as number, error: 'ECONNREFUSED' });
    }
    bench.after(bench.due as number);
    const connection = bench.dialled.at(-1) as number;
    bench.give({ type: 'connected', connection, localAddress: local });
    assert.equal(bench.peer(connection, open({ holdTimeSeconds: 0 }), keepalive).at(-1), 'established');
  }
});

describe('what explains nothing does not hide what does', () => {
  it('a router that rejects everything for a while after it refused our AS', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    bench.give({ type: 'connected', connection: 1, localAddress: local });
    bench.peer(1, notification(2, 2));
    bench.after(5);
    bench.give({ type: 'connected', connection: 2, localAddress: local });
    bench.peer(2, notification(6, 5));
    assert.equal(bench.state.lastError?.text, 'OPEN Message Error / Bad Peer AS (2/2); since then: Cease / Connection Rejected (6/5)');
  });

  it('a router that closes without a word after it refused our AS, then is away: the latest stands beside the reason', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    bench.give({ type: 'connected', connection: 1, localAddress: local });
    bench.give({ type: 'data', connection: 1, bytes: bytesOf(open({ myAs: 65011, capabilities: [] })) });
    for (const error of [undefined, 'ETIMEDOUT']) {
      bench.after(5);
      bench.give({ type: 'closed', connection: bench.dialled.at(-1) as number, ...(error === undefined ? {} : { error }) });
    }
    assert.equal(bench.state.lastError?.text, 'OPEN Message Error / Bad Peer AS (2/2): expected 65010, it says 65011; since then: cannot connect: ETIMEDOUT');
  });

  it('Connection Rejected alone is told as it is', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    bench.give({ type: 'connected', connection: 1, localAddress: local });
    bench.peer(1, notification(6, 5));
    assert.equal(bench.state.lastError?.text, 'Cease / Connection Rejected (6/5)');
  });

  for (const [what, end] of [
    ['is silent for four minutes', (bench: Bench) => bench.after(240)],
    ['closes', (bench: Bench, connection: number) => bench.give({ type: 'closed', connection })],
    ['sends rubbish', (bench: Bench, connection: number) => bench.give({ type: 'data', connection, bytes: new Uint8Array(19) })],
    ['refuses us', (bench: Bench, connection: number) => bench.peer(connection, notification(2, 2))],
  ] as const) {
    it(`a second connection that ${what} is no trouble of an Established session`, () => {
      const bench = new Bench();
      bench.establish(open({ holdTimeSeconds: 0 }));
      const { connection } = bench.accept();
      end(bench, connection);
      assert.equal(bench.state.fsm, 'Established');
      assert.equal(bench.state.second, undefined);
      assert.deepEqual([bench.state.lastError, bench.state.failures], [undefined, 0]);
    });
  }
});

describe('the state of a session', () => {
  it('is that of the connection that got further, and Idle again when the peer\'s own attempt fails', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    bench.give({ type: 'closed', connection: 1, error: 'ECONNREFUSED' });
    assert.equal(bench.state.fsm, 'Idle');
    const { connection, outputs } = bench.accept();
    assert.deepEqual(outputs, ['Idle→OpenSent', `${connection} OPEN`]);
    assert.deepEqual(bench.give({ type: 'closed', connection }), ['OpenSent→Idle']);
    assert.equal(bench.state.second, undefined);
    assert.ok((bench.due as number) <= 5);
  });

  it('while it is stopped: a connection is told that it is rejected (RFC 4486)', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    bench.give({ type: 'stop', subcode: 2 });
    const { connection, outputs } = bench.accept();
    assert.deepEqual(outputs, [`${connection} NOTIFICATION 6/5`, `close ${connection}`]);
  });

  it('a stop ends both connections, each with a Cease', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    bench.give({ type: 'connected', connection: 1, localAddress: local });
    const { connection } = bench.accept();
    bench.peer(connection, open());
    const outputs = bench.give({ type: 'stop', subcode: 3 });
    for (const each of [1, connection]) assert.ok(outputs.includes(`${each} NOTIFICATION 6/3`) && outputs.includes(`close ${each}`));
    assert.deepEqual([bench.state.fsm, bench.due], ['Idle', undefined]);
  });

  it('counts messages of each type in both directions', () => {
    const bench = new Bench();
    bench.establish();
    const update: UpdateMessage = { type: 'UPDATE', withdrawn: ['203.0.113.7/32' as Prefix], attributes: {}, nlri: [] };
    bench.peer(1, update, update, keepalive);
    bench.give({ type: 'send', updates: [update] });
    assert.deepEqual(bench.state.messages, { sent: { OPEN: 1, KEEPALIVE: 1, UPDATE: 1 }, received: { OPEN: 1, KEEPALIVE: 2, UPDATE: 2 } });
  });

  it('writes an AS_PATH of AS_TRANS and an AS4_PATH to a 2-octet peer (RFC 6793)', () => {
    const bench = new Bench({ localAsn: 4200000001, peerAsn: 65001 });
    bench.establish(open({ myAs: 65001, capabilities: [] }));
    bench.give({ type: 'send', updates: [{
      type: 'UPDATE', withdrawn: [], nlri: ['203.0.113.7/32' as Prefix],
      attributes: { origin: 'IGP', asPath: [{ type: 'AS_SEQUENCE', asns: [4200000001] }], nextHop: ip('192.0.2.17') },
    }] });
    const bytes = Buffer.concat(bench.writes.slice(-1)).toString('hex');
    assert.ok(bytes.includes('40020402015ba0'), bytes);
    assert.ok(bytes.includes('c011060201fa56ea01'), bytes);
  });

  it('makes one write of at most 64 KiB of the UPDATEs that go together', () => {
    const bench = new Bench();
    bench.establish();
    const updates = Array.from({ length: 3000 }, (_, i): UpdateMessage => ({ type: 'UPDATE', withdrawn: [`10.1.${i >> 8}.${i & 255}/32` as Prefix], attributes: {}, nlri: [] }));
    const before = bench.writes.length;
    bench.give({ type: 'send', updates });
    const writes = bench.writes.slice(before);
    assert.equal(writes.length, Math.ceil((3000 * 28) / 65536));
    assert.ok(writes.every((bytes) => bytes.length <= 65536));
    assert.deepEqual(Buffer.concat(writes), Buffer.from(bytesOf(...updates)));
  });
});

import assert from 'node:assert/strict';
import { ip } from '../../net/ip.ts';
import { Bench, keepalive, local, open } from './session-bench.ts';

// RFC 4271 section 6.8: we and the peer dial each other. Ours is 192.0.2.17.
const lower = open({ bgpIdentifier: ip('192.0.2.1') });
const higher = open({ bgpIdentifier: ip('192.0.2.200') });

describe('a connection collision', () => {
  for (const [who, peerOpen, oursStays] of [['ours is higher', lower, true], ['the peer\'s is higher', higher, false]] as const) {
    for (const order of ['our connection first', 'the peer\'s connection first'] as const) {
      it(`is won by the higher identifier: ${who}, OPEN on ${order}`, () => {
        const bench = new Bench();
        bench.give({ type: 'start' });
        bench.give({ type: 'connected', connection: 1, localAddress: local });
        const { connection: theirs } = bench.accept();
        const [earlier, later] = order === 'our connection first' ? [1, theirs] : [theirs, 1];
        const [stays, loses] = oursStays ? [1, theirs] : [theirs, 1];
        assert.ok(bench.peer(earlier, peerOpen).includes(`${earlier} KEEPALIVE`));
        const out = bench.peer(later, peerOpen);
        assert.ok(out.includes(`${loses} NOTIFICATION 6/7`), out.join());
        assert.ok(out.includes(`close ${loses}`));
        assert.equal(out.includes(`${later} KEEPALIVE`), later === stays);
        assert.ok(bench.peer(stays, keepalive).includes('established'));
        assert.equal(bench.state.negotiated?.connection, stays);
        assert.equal(bench.state.lastError, undefined, 'a collision is no error');
        assert.deepEqual(bench.peer(loses, keepalive), [], 'the loser is forgotten');
      });
    }
  }

  it('does not arise while our dial has no answer: the peer\'s connection carries the session', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    const { connection } = bench.accept();
    assert.deepEqual(bench.peer(connection, lower, keepalive), ['OpenSent→OpenConfirm', `${connection} KEEPALIVE`, 'OpenConfirm→Established', 'close 1', 'established']);
    assert.deepEqual(bench.give({ type: 'connected', connection: 1, localAddress: local }), []);
    assert.equal(bench.state.fsm, 'Established');
  });

  it('with an Established session is lost by the newcomer, whoever has the higher identifier', () => {
    for (const peerOpen of [lower, higher]) {
      const bench = new Bench();
      const first = bench.establish(peerOpen);
      const { connection, outputs } = bench.accept();
      assert.deepEqual(outputs, [`${connection} OPEN`], 'tracked until its OPEN (section 8.2.2)');
      assert.deepEqual(bench.peer(connection, peerOpen), [`${connection} NOTIFICATION 6/7`, `close ${connection}`]);
      assert.equal(bench.state.fsm, 'Established');
      assert.equal(bench.state.negotiated?.connection, first);
      assert.equal(bench.state.lastError, undefined);
    }
  });

  it('with a connection that is none of ours is what went wrong: another speaker has the session', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    bench.give({ type: 'connected', connection: 1, localAddress: local });
    bench.peer(1, lower, { type: 'NOTIFICATION', code: 6, subcode: 7, data: new Uint8Array() });
    assert.match(bench.state.lastError?.text ?? '', /^Cease \/ Connection Collision Resolution \(6\/7\)/);
  });

  it('with what turns out to be another AS costs the session nothing', () => {
    const bench = new Bench();
    const first = bench.establish();
    const { connection } = bench.accept();
    assert.deepEqual(bench.peer(connection, open({ myAs: 65011, capabilities: [] })), [`${connection} NOTIFICATION 2/2`, `close ${connection}`]);
    assert.equal(bench.state.negotiated?.connection, first);
  });

  it('is over when the other connection is lost first', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    bench.give({ type: 'connected', connection: 1, localAddress: local });
    const { connection } = bench.accept();
    bench.give({ type: 'closed', connection: 1, error: 'ECONNRESET' });
    assert.equal(bench.state.fsm, 'OpenSent');
    assert.equal(bench.peer(connection, lower, keepalive).at(-1), 'established');
  });

  it('leaves room for one connection of the peer: a newer one takes the place of one that said nothing', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    const { connection: silent } = bench.accept();
    const { connection, outputs } = bench.accept();
    assert.ok(outputs.includes(`close ${silent}`));
    assert.ok(outputs.includes(`${connection} OPEN`));
    bench.peer(connection, lower);
    const { connection: third, outputs: refused } = bench.accept();
    assert.equal(refused.at(-1), `close ${third}`);
    assert.equal(bench.peer(connection, keepalive).at(-1), 'established');
  });

  it('of a silent connection stops no dial of ours', () => {
    const bench = new Bench();
    bench.establish();
    bench.give({ type: 'closed', connection: 1, error: 'ECONNRESET' });
    const { connection } = bench.accept();
    const out = bench.after(5);
    const [dial] = out.filter((words) => words.startsWith('dial'));
    const ours = Number(dial?.slice('dial '.length));
    bench.give({ type: 'connected', connection: ours, localAddress: local });
    const last = bench.peer(ours, lower, keepalive);
    assert.ok(last.includes('established') && last.includes(`close ${connection}`), last.join());
    assert.equal(bench.state.negotiated?.connection, ours);
  });
});

import assert from 'node:assert/strict';
import { routesOf } from '../../bgp/pack-updates.ts';
import type { SessionOptions } from '../../bgp/session.ts';
import { createSession, stepSession, type SessionOutput, type SessionState } from '../../bgp/session.ts';
import { decodeMessage, encodeMessage } from '../../bgp/wire/message.ts';
import type { Message, NotificationMessage, OpenMessage, UpdateMessage } from '../../bgp/wire/messages.ts';
import { encodeShutdownCommunication } from '../../bgp/wire/notification.ts';
import { ip, parsePrefix, type Prefix } from '../../net/ip.ts';
import { Bench, bytesOf, context, keepalive, local, open } from './session-bench.ts';

const endOfRib: UpdateMessage = { type: 'UPDATE', withdrawn: [], attributes: {}, nlri: [] };
const route: UpdateMessage = {
  type: 'UPDATE', withdrawn: [], nlri: [parsePrefix('203.0.113.11/32') as Prefix],
  attributes: { origin: 'IGP', asPath: [], nextHop: ip('192.0.2.17'), localPref: 100 },
};
const notification = (code: number, subcode: number, data: Uint8Array = new Uint8Array(0)): NotificationMessage => ({ type: 'NOTIFICATION', code, subcode, data });

describe('a session', () => {
  it('comes up as RFC 4271 section 8 has it', () => {
    const bench = new Bench();
    assert.deepEqual(bench.give({ type: 'start' }), ['Idle→Connect', 'dial 1']);
    assert.deepEqual(bench.give({ type: 'connected', connection: 1, localAddress: local }), ['Connect→OpenSent', '1 OPEN']);
    assert.deepEqual(bench.peer(1, open()), ['OpenSent→OpenConfirm', '1 KEEPALIVE']);
    assert.equal(bench.state.negotiated, undefined, 'nothing can be sent before Established');
    assert.deepEqual(bench.peer(1, keepalive), ['OpenConfirm→Established', 'established']);
    assert.deepEqual(bench.state.negotiated, {
      context: { ...context, families: ['ipv4-unicast', 'ipv6-unicast'] }, families: ['ipv4-unicast', 'ipv6-unicast'], enhancedRouteRefresh: false, holdTimeSeconds: 9, keepaliveSeconds: 3, routeRefresh: true,
      remoteIdentifier: '192.0.2.1', remoteCapabilities: open().capabilities, localAddress: local, connection: 1,
    });
    assert.deepEqual(bench.state.messages, { sent: { OPEN: 1, KEEPALIVE: 1 }, received: { OPEN: 1, KEEPALIVE: 1 } });
  });

  it('comes up over any slicing of the stream', () => {
    const stream = bytesOf(open(), keepalive, endOfRib, keepalive, route);
    for (const size of [1, 2, 7, 19, 20, 64, stream.length]) {
      const bench = new Bench();
      bench.give({ type: 'start' });
      bench.give({ type: 'connected', connection: 1, localAddress: local });
      const out: string[] = [];
      for (let at = 0; at < stream.length; at += size) out.push(...bench.give({ type: 'data', connection: 1, bytes: stream.subarray(at, at + size) }));
      assert.deepEqual(out, ['OpenSent→OpenConfirm', '1 KEEPALIVE', 'OpenConfirm→Established', 'established', 'update', 'update'], `slices of ${size}`);
    }
  });

  it('waits for the peer when it is passive, and never dials', () => {
    const bench = new Bench({ passive: true });
    assert.deepEqual(bench.give({ type: 'start' }), ['Idle→Active']);
    assert.equal(bench.due, undefined);
    const { connection, outputs } = bench.accept();
    assert.deepEqual(outputs, ['Active→OpenSent', `${connection} OPEN`]);
    assert.deepEqual(bench.peer(connection, open(), keepalive).at(-1), 'established');
    assert.deepEqual(bench.give({ type: 'closed', connection, error: 'ECONNRESET' }), ['Established→Idle', 'down']);
    assert.deepEqual(bench.after(5), ['Idle→Active']);
    assert.deepEqual(bench.dialled, []);
  });

  it('tells where all routes of a family begin and end (RFC 7313), and says so itself', () => {
    const bench = new Bench();
    const connection = bench.establish(open({ capabilities: [...open().capabilities, { type: 'enhancedRouteRefresh' }] }));
    assert.deepEqual(bench.peer(connection, { type: 'ROUTE-REFRESH', afi: 1, safi: 1, subtype: 1 }), ['refreshBegins ipv4-unicast']);
    assert.deepEqual(bench.peer(connection, { type: 'ROUTE-REFRESH', afi: 1, safi: 1, subtype: 2 }), ['refreshEnds ipv4-unicast']);
    assert.deepEqual(bench.give({ type: 'send', updates: [route], refreshing: ['ipv4-unicast'] }), ['1 ROUTE-REFRESH', '1 UPDATE', '1 ROUTE-REFRESH']);
  });

  it('delivers UPDATEs whole, and route refresh for the families agreed on', () => {
    const bench = new Bench({ families: ['ipv4-unicast'] });
    const connection = bench.establish();
    assert.deepEqual(bench.peer(connection, route, endOfRib), ['update', 'update']);
    assert.deepEqual(bench.peer(connection, { type: 'ROUTE-REFRESH', afi: 1, safi: 1, subtype: 0 }), ['refreshRequested ipv4-unicast']);
    for (const [afi, safi, subtype] of [[2, 1, 0], [1, 128, 0], [25, 70, 0], [2, 1, 1], [1, 1, 3], [1, 1, 255]] as const) {
      assert.deepEqual(bench.peer(connection, { type: 'ROUTE-REFRESH', afi, safi, subtype }), [], `${afi}/${safi} subtype ${subtype} is ignored`);
    }
    assert.equal(bench.state.fsm, 'Established');
  });

  it('asks for the peer\'s routes again only where the peer can send them', () => {
    const bench = new Bench();
    const connection = bench.establish();
    assert.deepEqual(bench.give({ type: 'refresh', family: 'ipv6-unicast' }), [`${connection} ROUTE-REFRESH`]);
    const old = new Bench();
    old.establish(open({ capabilities: [] }));
    assert.deepEqual(old.give({ type: 'refresh', family: 'ipv4-unicast' }), []);
  });

  it('sends UPDATEs in order and in one write, and counts each', () => {
    const bench = new Bench();
    bench.establish();
    const { outputs, state } = stepSession(bench.state, { type: 'send', updates: [route, endOfRib, route] }, { monotonicMs: bench.nowMs, wallMs: 0, wallTrusted: true }, () => 0, () => 99);
    assert.deepEqual(outputs, [{ type: 'write', connection: 1, bytes: new Uint8Array(bytesOf(route, endOfRib, route)) }]);
    assert.equal(state.messages.sent['UPDATE'], 3);
  });

  it('sends nothing while it is not Established', () => {
    const bench = new Bench();
    assert.deepEqual(bench.give({ type: 'send', updates: [route] }), []);
    bench.give({ type: 'start' });
    bench.give({ type: 'connected', connection: 1, localAddress: local });
    assert.deepEqual(bench.give({ type: 'send', updates: [route] }), []);
    assert.deepEqual(bench.give({ type: 'refresh', family: 'ipv4-unicast' }), []);
  });

  it('ignores what comes from a connection that it gave up', () => {
    const bench = new Bench();
    const connection = bench.establish();
    bench.give({ type: 'closed', connection });
    const { state } = bench;
    for (const input of [
      { type: 'data', connection, bytes: bytesOf(route) }, { type: 'closed', connection, error: 'ECONNRESET' }, { type: 'connected', connection, localAddress: local },
    ] as const) {
      assert.deepEqual(bench.give(input), []);
      assert.deepEqual({ ...bench.state }, { ...state });
    }
  });
});

describe('a stop', () => {
  for (const [what, input, data] of [
    ['is a Cease with the words of RFC 9003', { subcode: 2, message: 'maintenance until 14:00 — hv-03' }, encodeShutdownCommunication('maintenance until 14:00 — hv-03')],
    ['says nothing when there is nothing to say', { subcode: 2 }, new Uint8Array(0)],
    ['keeps its words within 255 octets', { subcode: 4, message: 'ä'.repeat(200) }, encodeShutdownCommunication('ä'.repeat(127))],
    ['has words for 6/2 and 6/4 only', { subcode: 3, message: 'gone' }, new Uint8Array(0)],
  ] as const) {
    it(what, () => {
      const bench = new Bench();
      bench.establish();
      const { outputs, state } = stepSession(bench.state, { type: 'stop', ...input }, { monotonicMs: bench.nowMs, wallMs: 0, wallTrusted: true }, () => 0, () => 99);
      const write = outputs.find((output) => output.type === 'write');
      assert.deepEqual(decodeMessage(write?.bytes as Uint8Array, context), notification(6, input.subcode, data));
      assert.deepEqual(outputs.filter(({ type }) => type !== 'note').map(({ type }) => type), ['write', 'close', 'down']);
      assert.equal(state.fsm, 'Idle');
      assert.equal(state.lastError, undefined, 'our own stop is no error');
    });
  }

  it('is silent for Graceful Restart', () => {
    const bench = new Bench();
    bench.establish();
    assert.deepEqual(bench.give({ type: 'stop', subcode: 2, silent: true }), ['Established→Idle', 'close 1', 'down']);
  });

  it('lasts: no deadline is left, connections are refused, and a start begins anew', () => {
    for (const prepare of [(_: Bench) => undefined, (b: Bench) => b.give({ type: 'start' }), (b: Bench) => b.establish()]) {
      const bench = new Bench();
      prepare(bench);
      bench.give({ type: 'stop', subcode: 2 });
      assert.equal(bench.due, undefined);
      assert.deepEqual(bench.after(1000), []);
      const { connection, outputs } = bench.accept();
      assert.equal(outputs.at(-1), `close ${connection}`);
      assert.equal(bench.state.fsm, 'Idle');
      assert.match(bench.give({ type: 'start' }).join(), /^Idle→Connect,dial/);
    }
  });
});

describe('an OPEN that is refused', () => {
  const patched = (at: number, ...octets: number[]): Uint8Array => {
    const bytes = new Uint8Array(encodeMessage(open(), context));
    bytes.set(octets, at);
    return bytes;
  };
  // What the peer sends; code/subcode and data of our NOTIFICATION; the last error.
  const cases: readonly (readonly [string, Uint8Array, string, string, RegExp, Partial<SessionOptions>?])[] = [
    ['version 3', patched(19, 3), '2/1', '0004', /Unsupported Version Number/],
    ['another AS', bytesOf(open({ myAs: 65011, capabilities: [] })), '2/2', '', /Bad Peer AS \(2\/2\): expected 65010, it says 65011$/],
    ['AS 0', bytesOf(open({ myAs: 0, capabilities: [] })), '2/2', '', /Bad Peer AS/],
    ['identifier 0.0.0.0', patched(24, 0, 0, 0, 0), '2/3', '', /Bad BGP Identifier/],
    ['our identifier on iBGP', bytesOf(open({ bgpIdentifier: ip('192.0.2.17') })), '2/3', '', /Bad BGP Identifier \(2\/3\): 192\.0\.2\.17 is our own identifier$/],
    ['hold time 1', patched(22, 0, 1), '2/6', '', /Unacceptable Hold Time/],
    ['hold time 2', patched(22, 0, 2), '2/6', '', /Unacceptable Hold Time/],
    ['an optional parameter of type 1', patched(29, 1), '2/4', '', /Unsupported Optional Parameter/],
    ['no family in common', bytesOf(open({ capabilities: [{ type: 'multiprotocol', afi: 2, safi: 1 }, { type: 'fourOctetAs', asn: 65010 }] })), '2/7', '010400010001', /Unsupported Capability/, { families: ['ipv4-unicast'] }],
    ['parameters longer than the message', patched(28, 255, 1), '2/0', '', /OPEN Message Error/],
    ['a marker that is not all ones', patched(3, 0), '1/1', '', /Connection Not Synchronized/],
    ['length 18', patched(16, 0, 18), '1/2', '0012', /Bad Message Length/],
    ['length 4097', patched(16, 16, 1), '1/2', '1001', /Bad Message Length/],
    ['type 0', patched(18, 0), '1/3', '00', /Bad Message Type/],
    ['type 6', patched(18, 6), '1/3', '06', /Bad Message Type/],
  ];
  for (const [what, bytes, code, data, error, changes] of cases) {
    it(`${what}: ${code}, by name, and another attempt`, () => {
      const bench = new Bench(changes);
      bench.give({ type: 'start' });
      bench.give({ type: 'connected', connection: 1, localAddress: local });
      const { outputs, state } = stepSession(bench.state, { type: 'data', connection: 1, bytes }, { monotonicMs: bench.nowMs, wallMs: 7, wallTrusted: true }, () => 0, () => 99);
      const [first, second] = outputs.filter(({ type }) => type !== 'note') as [SessionOutput, SessionOutput];
      assert.equal(first.type, 'write');
      const sent = decodeMessage((first as { bytes: Uint8Array }).bytes, context) as NotificationMessage;
      assert.equal(`${sent.code}/${sent.subcode}`, code);
      assert.equal(Buffer.from(sent.data).toString('hex'), data);
      assert.deepEqual(second, { type: 'close', connection: 1 });
      assert.equal(state.fsm, 'Idle');
      assert.match(state.lastError?.text ?? '', error);
      bench.state = state;
      assert.match(bench.after(5).join(), /^Idle→Connect,dial/);
    });
  }

  for (const [state, messages, code] of [
    ['OpenSent', [keepalive], '5/1'], ['OpenSent', [route], '5/1'], ['OpenSent', [{ type: 'ROUTE-REFRESH', afi: 1, safi: 1, subtype: 0 }], '5/1'],
    ['OpenConfirm', [open(), open()], '5/2'], ['OpenConfirm', [open(), route], '5/2'],
    ['Established', [open(), keepalive, open()], '5/3'],
  ] as const satisfies readonly (readonly [string, readonly Message[], string])[]) {
    it(`${messages.at(-1)?.type} in ${state}: ${code} (RFC 6608)`, () => {
      const bench = new Bench();
      bench.give({ type: 'start' });
      bench.give({ type: 'connected', connection: 1, localAddress: local });
      const out = bench.peer(1, ...messages);
      assert.ok(out.includes(`1 NOTIFICATION ${code}`), out.join());
      assert.equal(bench.state.fsm, 'Idle');
    });
  }
});

describe('an error in Established', () => {
  it('of an UPDATE is answered, and the routes are gone', () => {
    const bench = new Bench();
    bench.establish();
    const bytes = new Uint8Array(encodeMessage({ ...route, attributes: { ...route.attributes, communities: [] } }, context));
    bytes[24] = 99; // a well-known attribute that nobody knows, where ORIGIN was
    assert.deepEqual(bench.give({ type: 'data', connection: 1, bytes }), ['Established→Idle', '1 NOTIFICATION 3/2', 'close 1', 'down']);
    assert.match(bench.state.lastError?.text ?? '', /Unrecognized Well-known/);
    assert.equal(bench.state.negotiated, undefined);
  });

  it('that only its routes pay for is counted, and told now and then (RFC 7606)', () => {
    const bench = new Bench();
    bench.establish();
    const bytes = new Uint8Array(encodeMessage({ ...route, attributes: { ...route.attributes, communities: [] } }, context));
    bytes[26] = 9; // ORIGIN of 9
    const told: string[] = [];
    const send = (): void => {
      const { state, outputs } = stepSession(bench.state, { type: 'data', connection: 1, bytes }, { monotonicMs: bench.nowMs, wallMs: 0, wallTrusted: true }, () => 0, () => 99);
      bench.state = state;
      for (const output of outputs) {
        if (output.type === 'note' && output.note.event === 'session.problem') told.push(output.note.text);
        if (output.type === 'update') assert.deepEqual(routesOf(output.update).map(({ type }) => type), ['withdraw']);
      }
    };
    for (let i = 0; i < 1000; i++) send();
    assert.equal(told.length, 1);
    assert.match(told[0] as string, /treat-as-withdraw: UPDATE Message Error \/ Invalid ORIGIN Attribute \(3\/6\): ORIGIN: ORIGIN 9/);
    bench.nowMs += 10_000;
    send();
    assert.match(told[1] as string, /999 more/);
    assert.deepEqual(bench.state.damaged, { 'treat-as-withdraw': 1001, 'attribute-discard': 0 });
    assert.equal(bench.state.fsm, 'Established');
  });

  it('keeps what stood before it in the same segment, and drops what stood behind', () => {
    const bench = new Bench();
    bench.establish();
    const broken = new Uint8Array(19);
    const out = bench.give({ type: 'data', connection: 1, bytes: Buffer.concat([bytesOf(route), broken, bytesOf(route)]) });
    assert.deepEqual(out, ['update', 'Established→Idle', '1 NOTIFICATION 1/1', 'close 1', 'down']);
  });
});

describe('a NOTIFICATION from the peer', () => {
  for (const state of ['OpenSent', 'OpenConfirm', 'Established'] as const) {
    it(`ends the connection in ${state}, is told by name and never answered`, () => {
      const bench = new Bench();
      bench.give({ type: 'start' });
      bench.give({ type: 'connected', connection: 1, localAddress: local });
      if (state !== 'OpenSent') bench.peer(1, open());
      if (state === 'Established') bench.peer(1, keepalive);
      const out = bench.peer(1, notification(2, 2));
      assert.deepEqual(out, [`${state}→Idle`, 'close 1', ...(state === 'Established' ? ['down'] : [])]);
      assert.match(bench.state.lastError?.text ?? '', /Bad Peer AS \(2\/2\)/);
    });
  }

  it('that is too short is a header error (section 6.1)', () => {
    const bench = new Bench();
    bench.establish();
    const bytes = Uint8Array.from([...Array<number>(16).fill(255), 0, 20, 3, 6]);
    assert.deepEqual(bench.give({ type: 'data', connection: 1, bytes }), ['Established→Idle', '1 NOTIFICATION 1/2', 'close 1', 'down']);
  });

  it('has the words of RFC 9003, made harmless', () => {
    const bench = new Bench();
    bench.establish();
    bench.peer(1, notification(6, 2, encodeShutdownCommunication('back at \u001b[31m14:00\n')));
    assert.match(bench.state.lastError?.text ?? '', /Administrative Shutdown \(6\/2\): "back at \\x1b\[31m14:00\\x0a"$/);
  });
});

describe('the last error', () => {
  it('names the loss beside the cause, and stays when the session is back', () => {
    const bench = new Bench();
    bench.establish();
    bench.peer(1, notification(2, 2));
    const cause = bench.state.lastError?.text ?? '';
    bench.after(5);
    bench.give({ type: 'closed', connection: 2, error: 'ECONNREFUSED' });
    assert.equal(bench.state.lastError?.text, `${cause}; since then: cannot connect: ECONNREFUSED`);
    bench.after(5);
    bench.give({ type: 'connected', connection: 3, localAddress: local });
    bench.peer(3, open(), keepalive);
    assert.equal(bench.state.fsm, 'Established');
    assert.equal(bench.state.lastError?.text, `${cause}; since then: cannot connect: ECONNREFUSED`);
    bench.give({ type: 'closed', connection: 3, error: 'ECONNRESET' });
    assert.equal(bench.state.lastError?.text, 'connection lost: ECONNRESET');
  });

  it('has the time of the latest, and is told once, where the same comes again', () => {
    const bench = new Bench();
    bench.establish();
    bench.peer(1, notification(2, 2));
    bench.after(5);
    bench.give({ type: 'closed', connection: 2, error: 'ECONNREFUSED' });
    const first = bench.state.lastError;
    bench.after(5);
    const told = bench.give({ type: 'closed', connection: 3, error: 'ECONNREFUSED' });
    assert.deepEqual(told.filter((words) => words.includes('REFUSED')), []);
    assert.equal(bench.state.lastError?.text, first?.text);
    assert.equal(bench.state.lastError?.atMs, (first?.atMs ?? 0) + 5000);
  });

  it('explains silence: a wrong key or TTL shows as nothing at all', () => {
    const bench = new Bench();
    bench.give({ type: 'start' });
    assert.deepEqual(bench.after(5), ['close 1', 'dial 2']);
    assert.match(bench.state.lastError?.text ?? '', /no answer.*MD5 key/);
  });
});

describe('the restart bit', () => {
  it('is in every OPEN until a session was Established, and in none after', () => {
    const gracefulRestart = { restartTimeSeconds: 60, restarting: true, forwardingPreserved: true };
    const restartBits = (outputs: readonly SessionOutput[]): boolean[] => outputs.flatMap((output) => {
      if (output.type !== 'write') return [];
      const message = decodeMessage(output.bytes, context) as OpenMessage;
      return message.capabilities.flatMap((capability) => (capability.type === 'gracefulRestart' ? [capability.restartState] : []));
    });
    let state: SessionState = createSession({ ...new Bench().state.options, gracefulRestart });
    const bits: boolean[] = [];
    let nowMs = 0;
    let connection = 0;
    const step = (input: Parameters<typeof stepSession>[1]): void => {
      const result = stepSession(state, input, { monotonicMs: nowMs, wallMs: nowMs, wallTrusted: true }, () => 0, () => ++connection);
      state = result.state;
      if (input.type === 'connected') bits.push(...restartBits(result.outputs));
    };
    step({ type: 'start' });
    for (const last of ['refused', 'established', 'after'] as const) {
      step({ type: 'connected', connection, localAddress: local });
      if (last === 'established') step({ type: 'data', connection, bytes: bytesOf(open(), keepalive) });
      step({ type: 'data', connection, bytes: bytesOf(notification(6, 4)) });
      nowMs += 5000;
      step({ type: 'tick' });
    }
    assert.deepEqual(bits, [true, true, false]);
  });
});

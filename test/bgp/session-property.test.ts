import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createSession, sessionDeadline, stepSession, type ConnectionId, type SessionInput, type SessionOptions, type SessionState } from '../../bgp/session.ts';
import { encodeMessage } from '../../bgp/wire/message.ts';
import type { Message } from '../../bgp/wire/messages.ts';
import { ip } from '../../net/ip.ts';
import { bytesOf, context, keepalive, local, open, options } from './session-bench.ts';

const runs = { numRuns: Number(process.env['FC_RUNS'] ?? 150) };

// ---- one session, anything at all ------------------------------------------------------------------------------------------

const messages: fc.Arbitrary<Message> = fc.oneof(
  fc.constant(keepalive), fc.constant(open()), fc.constant(open({ bgpIdentifier: ip('192.0.2.200') })), fc.constant(open({ myAs: 65011, capabilities: [] })),
  fc.constant<Message>({ type: 'UPDATE', withdrawn: [], attributes: {}, nlri: [] }),
  fc.constant<Message>({ type: 'ROUTE-REFRESH', afi: 1, safi: 1, subtype: 0 }),
  fc.tuple(fc.nat(8), fc.nat(12), fc.uint8Array({ maxLength: 40 })).map(([code, subcode, data]): Message => ({ type: 'NOTIFICATION', code, subcode, data })),
);

/** Whole messages, messages with an octet changed, and noise. */
const octets = fc.oneof(
  { weight: 4, arbitrary: fc.array(messages, { maxLength: 4 }).map((list) => bytesOf(...list)) },
  { weight: 2, arbitrary: fc.tuple(messages, fc.nat(80), fc.nat(255)).map(([message, at, value]) => {
    const bytes = new Uint8Array(encodeMessage(message, context));
    bytes[at % bytes.length] = value;
    return bytes;
  }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }) },
);

const connections = fc.integer({ min: 0, max: 12 });
const anyInput: fc.Arbitrary<SessionInput> = fc.oneof(
  fc.constant<SessionInput>({ type: 'start' }),
  fc.record({ type: fc.constant('stop' as const), subcode: fc.nat(255), message: fc.string(), silent: fc.boolean() }),
  fc.record({ type: fc.constant('connected' as const), connection: connections, localAddress: fc.constant(local) }),
  fc.record({ type: fc.constant('accepted' as const), connection: fc.integer({ min: 1000, max: 100_000 }), localAddress: fc.constant(local) }),
  fc.record({ type: fc.constant('data' as const), connection: connections, bytes: octets }),
  fc.record({ type: fc.constant('closed' as const), connection: connections, error: fc.string() }),
  fc.constant<SessionInput>({ type: 'send', updates: [{ type: 'UPDATE', withdrawn: [], attributes: {}, nlri: [] }] }),
  fc.constantFrom<SessionInput>({ type: 'refresh', family: 'ipv4-unicast' }, { type: 'refresh', family: 'ipv6-unicast' }),
  fc.constant<SessionInput>({ type: 'tick' }),
);

/** Half of the inputs concern a connection that is there, so that sessions get somewhere. */
function aim(input: SessionInput, state: SessionState): SessionInput {
  if (input.type !== 'data' && input.type !== 'connected' && input.type !== 'closed') return input;
  const there = [state.first.connection, state.second?.connection].filter((each) => each !== undefined);
  const connection = there[input.connection % 3];
  return connection === undefined ? input : { ...input, connection };
}

function checkState(state: SessionState): void {
  const { first, second } = state;
  const known = new Set(['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established']);
  assert.ok(known.has(state.fsm));
  assert.equal(state.fsm === 'Established', state.negotiated !== undefined, 'negotiated exactly while Established');
  if (state.negotiated !== undefined) assert.equal(state.negotiated.connection, first.connection, 'the first machine carries the session');
  if (second !== undefined) assert.ok(second.connection !== undefined && second.connection !== first.connection);
  for (const machine of [first, second]) {
    if (machine === undefined) continue;
    if (machine.state === 'Idle' || machine.state === 'Active') assert.equal(machine.connection, undefined, `${machine.state} has no connection`);
    else assert.notEqual(machine.connection, undefined, `${machine.state} has a connection`);
  }
  if (state.stopped) assert.deepEqual([state.fsm, sessionDeadline(state)], ['Idle', undefined], 'a stopped session rests');
  else if (!state.options.passive && state.fsm !== 'Established' && state.fsm !== 'OpenConfirm') {
    assert.notEqual(sessionDeadline(state), undefined, `something is going to happen in ${state.fsm}`);
  }
}

describe('a session, whatever comes', () => {
  for (const passive of [false, true]) {
    it(`never throws, holds what must hold, and drops what it does not hold${passive ? ' (passive)' : ''}`, () => {
      fc.assert(fc.property(fc.array(fc.tuple(anyInput, fc.nat(10_000), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })), { maxLength: 80, size: 'max' }), (script) => {
        let state = createSession({ ...options, passive });
        let monotonicMs = 0;
        let last = 0;
        const openNow = new Set<ConnectionId>();
        for (const [given, waitMs, random] of script) {
          const input = aim(given, state);
          monotonicMs += waitMs;
          if (input.type === 'accepted') {
            if (openNow.has(input.connection)) continue; // connections are unique
            openNow.add(input.connection);
          }
          if (input.type === 'closed') openNow.delete(input.connection);
          const result = stepSession(state, input, { monotonicMs, wallMs: monotonicMs, wallTrusted: true }, () => random, () => ++last + 100);
          state = result.state;
          for (const output of result.outputs) {
            if (output.type === 'dial') openNow.add(output.connection);
            if (output.type === 'write') assert.ok(openNow.has(output.connection), 'writes only to what is open');
            if (output.type === 'close') assert.ok(openNow.delete(output.connection), 'closes once, and only what is open');
          }
          checkState(state);
          const held = [state.first.connection, state.second?.connection].filter((each) => each !== undefined);
          assert.deepEqual([...openNow].sort(), [...held].sort(), 'no connection is left behind');
        }
      }), runs);
    });
  }
});

// ---- two sessions that dial each other, and a network that decides the order -----------------------------------------------

interface Side {
  state: SessionState;
  /** Its name for a TCP connection → that connection. */
  readonly links: Map<ConnectionId, Link>;
}

/** One TCP connection: what is on its way to each end. */
interface Link {
  readonly ends: readonly [Side, Side];
  readonly names: [ConnectionId, ConnectionId | undefined];
  readonly flight: [Uint8Array[], Uint8Array[]];
  readonly closed: [boolean, boolean];
  up: boolean;
}

class TwoSpeakers {
  readonly sides: readonly [Side, Side];
  nowMs = 0;
  #last = 0;
  #random: () => number;
  links: Link[] = [];

  constructor(a: SessionOptions, b: SessionOptions, random: () => number) {
    this.#random = random;
    this.sides = [{ state: createSession(a), links: new Map() }, { state: createSession(b), links: new Map() }];
  }

  give(side: Side, input: SessionInput): void {
    const { state, outputs } = stepSession(side.state, input, { monotonicMs: this.nowMs, wallMs: this.nowMs, wallTrusted: true }, this.#random, () => ++this.#last);
    side.state = state;
    checkState(state);
    for (const output of outputs) {
      if (output.type === 'dial') {
        const link: Link = { ends: [side, this.sides[side === this.sides[0] ? 1 : 0]], names: [output.connection, undefined], flight: [[], []], closed: [false, false], up: false };
        side.links.set(output.connection, link);
        this.links.push(link);
      }
      if (output.type !== 'write' && output.type !== 'close') continue;
      const link = side.links.get(output.connection) as Link;
      const end = link.ends[0] === side ? 0 : 1;
      if (output.type === 'write') link.flight[end === 0 ? 1 : 0].push(output.bytes);
      else link.closed[end] = true;
    }
  }

  /** One thing that the network can do now, for each of its connections. */
  moves(): (() => void)[] {
    return this.links.flatMap((link): (() => void)[] => {
      if (!link.up) {
        if (link.closed[0]) return [];
        return [() => {
          link.up = true;
          const [from, to] = link.ends;
          const name = ++this.#last;
          link.names[1] = name;
          to.links.set(name, link);
          this.give(to, { type: 'accepted', connection: name, localAddress: local });
          this.give(from, { type: 'connected', connection: link.names[0], localAddress: local });
        }];
      }
      return ([0, 1] as const).flatMap((end) => {
        const name = link.names[end] as ConnectionId;
        const [bytes] = link.flight[end];
        if (bytes !== undefined) {
          return [() => {
            const cut = Math.max(1, Math.floor(this.#random() * bytes.length));
            link.flight[end].shift();
            if (cut < bytes.length) link.flight[end].unshift(bytes.subarray(cut));
            this.give(link.ends[end], { type: 'data', connection: name, bytes: bytes.subarray(0, cut) });
          }];
        }
        if (!link.closed[end === 0 ? 1 : 0] || link.closed[end]) return [];
        return [() => {
          link.closed[end] = true;
          this.give(link.ends[end], { type: 'closed', connection: name });
        }];
      });
    });
  }
}

const pairs = [
  ['iBGP', options, { ...options, bgpIdentifier: ip('192.0.2.200') }],
  ['eBGP', { ...options, peerAsn: 65020 }, { ...options, localAsn: 65020, peerAsn: 65010, bgpIdentifier: ip('192.0.2.1') }],
  ['eBGP with equal identifiers', { ...options, peerAsn: 65020 }, { ...options, localAsn: 65020, peerAsn: 65010 }],
  ['one of them passive', options, { ...options, bgpIdentifier: ip('192.0.2.200'), passive: true }],
] as const;

describe('two speakers that dial each other', () => {
  for (const [what, a, b] of pairs) {
    it(`lose no attempt where the network treats both alike: ${what}`, () => {
      const two = new TwoSpeakers(a, b, () => 0.5);
      for (const side of two.sides) two.give(side, { type: 'start' });
      for (let moves = two.moves(); moves.length > 0; moves = two.moves()) for (const move of moves) move();
      assert.deepEqual(two.sides.map(({ state }) => state.fsm), ['Established', 'Established']);
      assert.deepEqual(two.sides.map(({ state }) => state.lastError), [undefined, undefined]);
    });

    // Where it doesn't, one side may be Established on the connection that the other gives up: RFC 4271 section 6.8 has that race. Then both
    // try again, each after a time of its own.
    it(`have one session over one connection in the end: ${what}`, () => {
      fc.assert(fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })), (stream) => {
        const random = (): number => stream.next().value as number;
        const two = new TwoSpeakers(a, b, random);
        for (const side of two.sides) two.give(side, { type: 'start' });
        for (let step = 0; step < 3000; step++) {
          const moves = two.moves();
          const [one, other] = two.sides;
          if (moves.length === 0) {
            if (one.state.fsm === 'Established' && other.state.fsm === 'Established') break;
            two.nowMs = Math.min(...two.sides.map(({ state }) => sessionDeadline(state) ?? Infinity));
            for (const side of two.sides) two.give(side, { type: 'tick' });
          } else moves[Math.floor(random() * moves.length)]?.();
        }
        const [one, other] = two.sides;
        assert.deepEqual([one.state.fsm, other.state.fsm], ['Established', 'Established']);
        assert.deepEqual([one.state.second, other.state.second], [undefined, undefined]);
        const shared = two.links.filter((link) => !link.closed[0] && !link.closed[1] && link.up);
        assert.equal(shared.length, 1, 'one connection is left');
        const [link] = shared as [Link];
        for (const end of [0, 1] as const) assert.equal(link.ends[end].state.negotiated?.connection, link.names[end]);
      }), runs);
    });
  }
});

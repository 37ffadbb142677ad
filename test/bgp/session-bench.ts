import assert from 'node:assert/strict';
import { createSession, sessionDeadline, stepSession } from '../../bgp/session.ts';
import type { ConnectionId, SessionInput, SessionOptions, SessionOutput, SessionState } from '../../bgp/session.ts';
import { decodeMessage, encodeMessage } from '../../bgp/wire/message.ts';
import { Framer } from '../../bgp/wire/framer.ts';
import type { CodecContext, Message, OpenMessage } from '../../bgp/wire/messages.ts';
import { ip } from '../../net/ip.ts';

export const local = ip('192.0.2.17');
export const context: CodecContext = { fourOctetAs: true, ibgp: true, maxMessageLength: 4096 };
export const keepalive: Message = { type: 'KEEPALIVE' };

export const options: SessionOptions = {
  peer: 'tor-a', localAsn: 65010, peerAsn: 65010, bgpIdentifier: ip('192.0.2.17'), families: ['ipv4-unicast', 'ipv6-unicast'],
  holdSeconds: 9, keepaliveSeconds: 3, connectRetrySeconds: 5, passive: false,
};

/** The peer's OPEN; its identifier is the lower one. */
export function open(changes: Partial<OpenMessage> = {}): OpenMessage {
  return {
    type: 'OPEN', version: 4, myAs: 65010, holdTimeSeconds: 90, bgpIdentifier: ip('192.0.2.1'),
    capabilities: [
      { type: 'multiprotocol', afi: 1, safi: 1 }, { type: 'multiprotocol', afi: 2, safi: 1 }, { type: 'routeRefresh' }, { type: 'fourOctetAs', asn: 65010 },
    ],
    ...changes,
  };
}

export function bytesOf(...messages: readonly Message[]): Uint8Array {
  return Buffer.concat(messages.map((message) => encodeMessage(message, context)));
}

/** The framer appends to a buffer that its successors share; what it holds stays the same. Its own tests say so. */
const withoutFramer = (key: string, value: unknown): unknown => (key === 'framer' ? undefined : value);

/** One session, a clock that moves when it is told, and the peer's end of each connection. */
export class Bench {
  state: SessionState;
  nowMs = 1_000_000;
  /** What the session draws: 0 gives the shortest timers, 0.75 of their value. */
  random = 0;
  readonly dialled: ConnectionId[] = [];
  readonly writes: Uint8Array[] = [];
  readonly #framers = new Map<ConnectionId, Framer>();
  #nextConnection = 1;

  constructor(changes: Partial<SessionOptions> = {}) {
    this.state = createSession({ ...options, ...changes });
  }

  /** One step; what comes out, in short words. */
  give(input: SessionInput): string[] {
    const given = this.state;
    const before = JSON.stringify(given, withoutFramer);
    const { state, outputs } = stepSession(given, input, { monotonicMs: this.nowMs, wallMs: this.nowMs + 1e12, wallTrusted: true }, () => this.random, () => this.#nextConnection++);
    assert.equal(JSON.stringify(given, withoutFramer), before, 'a step changes no state that it was given');
    this.state = state;
    return outputs.flatMap((output) => this.#words(output));
  }

  newConnection(): ConnectionId {
    return this.#nextConnection++;
  }

  peer(connection: ConnectionId, ...messages: readonly Message[]): string[] {
    return this.give({ type: 'data', connection, bytes: bytesOf(...messages) });
  }

  /** Moves the clock on and ticks; what comes out. */
  after(seconds: number): string[] {
    this.nowMs += seconds * 1000;
    return this.give({ type: 'tick' });
  }

  /** Seconds until the next deadline. */
  get due(): number | undefined {
    const at = sessionDeadline(this.state);
    return at === undefined ? undefined : (at - this.nowMs) / 1000;
  }

  /** Started, and up over a connection that we dialled. */
  establish(peerOpen: OpenMessage = open()): ConnectionId {
    this.give({ type: 'start' });
    const connection = this.dialled.at(-1) as ConnectionId;
    this.give({ type: 'connected', connection, localAddress: local });
    this.peer(connection, peerOpen, keepalive);
    assert.equal(this.state.fsm, 'Established');
    return connection;
  }

  /** Takes a connection from the peer. */
  accept(): { connection: ConnectionId; outputs: string[] } {
    const connection = this.newConnection();
    return { connection, outputs: this.give({ type: 'accepted', connection, localAddress: local }) };
  }

  #words(output: SessionOutput): string[] {
    switch (output.type) {
      case 'dial':
        this.dialled.push(output.connection);
        return [`dial ${output.connection}`];
      case 'close':
        return [`close ${output.connection}`];
      case 'write': {
        this.writes.push(output.bytes);
        const { framer, messages, error } = (this.#framers.get(output.connection) ?? new Framer()).feed(output.bytes);
        this.#framers.set(output.connection, framer);
        assert.equal(error, undefined, 'what we write is well-formed');
        return messages.map((bytes) => {
          const message = decodeMessage(bytes, this.state.negotiated?.context ?? context);
          return `${output.connection} ${message.type}${message.type === 'NOTIFICATION' ? ` ${message.code}/${message.subcode}` : ''}`;
        });
      }
      case 'update':
        return ['update'];
      case 'refreshRequested':
      case 'refreshBegins':
      case 'refreshEnds':
        return [`${output.type} ${output.family}`];
      case 'down':
      case 'established':
        return [output.type];
      case 'note':
        return output.note.event === 'session.transition' ? [`${output.note.from}→${output.note.to}`] : [];
    }
  }
}

import { extendedMaxMessageLength, standardMaxMessageLength } from '../../bgp/wire/header.ts';
import { bgpPort } from '../../bgp/wire/iana.ts';
import { Flow, type FlowPart } from './flow.ts';
import { hexText, type Line } from './line.ts';
import { type MessageReading, showMessage } from './message.ts';
import type { OpenFacts } from './open.ts';
import type { Segment } from './segment.ts';

/** One way of a connection. */
interface Side {
  readonly flow: Flow;
  readonly from: string;
  readonly to: string;
  /** The last OPEN that went this way. */
  open?: OpenFacts;
}

interface Connection {
  sides: readonly [Side, Side];
}

/** Where a line comes from: put in front of what it says. */
export type Origin = Line;

/** Connections that are followed at once; the one that was silent for longest is given up first. */
const mostConnections = 2000;
/** Octets that wait behind holes in all connections together; beyond that the holes of those that were silent for longest are given up. */
const mostHeldOctets = 32 * 1024 * 1024;

/** The BGP sessions of a capture, each read with what its own OPENs settled. */
export class Connections {
  private readonly connections = new Map<string, Connection>();
  private readonly as4: boolean;
  private heldOctets = 0;

  /** @param as4 4-octet ASNs wherever the OPENs were not captured. */
  constructor(as4: boolean) {
    this.as4 = as4;
  }

  /** True for a segment of a BGP session. */
  static isBgp(segment: Segment): boolean {
    return segment.sourcePort === bgpPort || segment.destinationPort === bgpPort;
  }

  *take(segment: Segment, timeMs: number, origin: Origin): Generator<Line> {
    const from = endpoint(segment.source, segment.sourcePort);
    const to = endpoint(segment.destination, segment.destinationPort);
    const key = from < to ? `${from} ${to}` : `${to} ${from}`;
    let connection = this.connections.get(key);
    if (connection === undefined) {
      if (!segment.syn && segment.payload.length === 0) return;
      if (this.connections.size >= mostConnections) yield* this.forgetOldest();
      connection = newConnection(from, to);
    }
    this.connections.delete(key);
    this.connections.set(key, connection);
    if (segment.syn) {
      if (sideOf(connection, from).flow.isOther(segment.sequence)) {
        yield* this.finish(connection, origin);
        connection = newConnection(from, to);
        this.connections.set(key, connection);
      }
      const side = sideOf(connection, from);
      if (!side.flow.isSame(segment.sequence)) yield* this.show(connection, side, this.counted(side, () => side.flow.open(segment.sequence)), origin);
      return;
    }
    const side = sideOf(connection, from);
    yield* this.show(connection, side, this.counted(side, () => side.flow.add(segment.sequence, segment.payload, segment.missing, timeMs)), origin);
    if (segment.fin) side.flow.close(segment.sequence + segment.payload.length + segment.missing);
    // It stays known: what is sent again after its end is a repeat.
    if ((segment.rst && side.flow.isNear(segment.sequence)) || connection.sides.every(({ flow }) => flow.finished)) yield* this.finish(connection, origin);
    if (this.heldOctets > mostHeldOctets) yield* this.giveUpHoles();
  }

  /** What `change` of the side's flow returns; the memory that it holds is counted anew. */
  private counted(side: Side, change: () => FlowPart[]): FlowPart[] {
    const before = side.flow.heldOctets;
    const parts = change();
    this.heldOctets += side.flow.heldOctets - before;
    return parts;
  }

  /** Down to half of what may wait, so that this is done seldom. */
  private *giveUpHoles(): Generator<Line> {
    for (const connection of this.connections.values()) {
      if (this.heldOctets <= mostHeldOctets / 2) return;
      for (const side of connection.sides) yield* this.show(connection, side, this.counted(side, () => side.flow.finish()), {});
    }
  }

  /** The capture has ended. */
  *end(origin: Origin): Generator<Line> {
    for (const connection of this.connections.values()) yield* this.finish(connection, origin);
    this.connections.clear();
  }

  private *forgetOldest(): Generator<Line> {
    for (const [key, connection] of this.connections) {
      this.connections.delete(key);
      yield* this.finish(connection, {});
      return;
    }
  }

  private *finish(connection: Connection, origin: Origin): Generator<Line> {
    for (const side of connection.sides) {
      yield* this.show(connection, side, this.counted(side, () => side.flow.finish()), origin);
      yield* cutShort(side, side.flow.cutter.lose(), 'the stream ends inside a message', origin);
    }
  }

  private *show(connection: Connection, side: Side, parts: readonly FlowPart[], origin: Origin): Generator<Line> {
    for (const part of parts) {
      if (part.type === 'lost') {
        yield* cutShort(side, side.flow.cutter.lose(), 'the rest of the message was not captured', origin);
        const text = part.octets === undefined ? 'an unknown number of octets was not captured' : `${part.octets} octets were not captured`;
        yield { ...origin, from: side.from, to: side.to, type: null, error: { text } };
        continue;
      }
      for (const { bytes } of side.flow.cutter.push(part.bytes, this.reading(connection, side).maxMessageLength)) {
        const { line, open } = showMessage(bytes, this.reading(connection, side));
        if (open !== undefined) side.open = open;
        yield { ...origin, from: side.from, to: side.to, ...line };
      }
    }
  }

  /** What both OPENs settled (RFC 5492: a capability counts where both sides have it). */
  private reading(connection: Connection, side: Side): MessageReading {
    const mine = side.open;
    const theirs = (connection.sides[0] === side ? connection.sides[1] : connection.sides[0]).open;
    return readingOf(mine, theirs, this.as4);
  }
}

/** @param mine the OPEN of the message's sender, `theirs` of its receiver; `undefined` where it was not seen. */
export function readingOf(mine: OpenFacts | undefined, theirs: OpenFacts | undefined, as4: boolean): MessageReading {
  if (mine === undefined || theirs === undefined) {
    const seen = mine ?? theirs;
    return { as4: as4 ? true : seen?.fourOctetAs === false ? false : undefined, ibgp: undefined, maxMessageLength: extendedMaxMessageLength, extendedNextHop: true, addPath: new Set() };
  }
  const addPath = [...mine.addPath].filter(([family, offer]) => offer.send && theirs.addPath.get(family)?.receive === true).map(([family]) => family);
  return {
    as4: mine.fourOctetAs && theirs.fourOctetAs, ibgp: mine.asn === theirs.asn,
    maxMessageLength: mine.extendedMessage && theirs.extendedMessage ? extendedMaxMessageLength : standardMaxMessageLength, extendedNextHop: mine.extendedNextHop && theirs.extendedNextHop,
    addPath: new Set(addPath),
  };
}

function newConnection(a: string, b: string): Connection {
  return { sides: [{ flow: new Flow(), from: a, to: b }, { flow: new Flow(), from: b, to: a }] };
}

function sideOf(connection: Connection, from: string): Side {
  return connection.sides[0].from === from ? connection.sides[0] : connection.sides[1];
}

function* cutShort(side: Side, left: Uint8Array, text: string, origin: Origin): Generator<Line> {
  if (left.length === 0) return;
  yield { ...origin, from: side.from, to: side.to, type: null, length: left.length, hex: hexText(left.subarray(0, 512)), error: { text } };
}

function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

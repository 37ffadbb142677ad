import { packetReader, type PacketBatch } from '../../garp/wire/capture-format.ts';
import type { CapturedPacket } from '../../garp/wire/captured-packet.ts';
import { printable } from '../../net/printable.ts';
import { timeText } from '../collect/time.ts';
import { Connections } from './connections.ts';
import { showFrame } from './frame.ts';
import type { Decoder, Line } from './line.ts';
import { openLink } from './link.ts';
import { segmentOf } from './segment.ts';

export interface DecodeOptions {
  /** ASNs are of 4 octets wherever no OPEN tells. */
  readonly as4: boolean;
}

/** pcap and pcapng: the messages of BGP sessions, and a line for every frame that belongs to none. */
export function captureDecoder(format: 'pcap' | 'pcapng', options: DecodeOptions): Decoder {
  const reader = packetReader(format);
  const packets = packetDecoder(options);
  function* show({ packets: found, problem }: PacketBatch): Generator<Line> {
    for (const packet of found) yield* packets.take(packet);
    if (problem !== undefined) yield { type: null, error: { text: `nothing more can be read: ${problem}` } };
  }
  return {
    push: (piece) => show(reader.push(piece)),
    *end() {
      yield* show(reader.end());
      yield* packets.end();
    },
  };
}

/** The same for packets that somebody else reads. */
export function packetDecoder(options: DecodeOptions): { take(packet: CapturedPacket): Iterable<Line>; end(): Iterable<Line> } {
  const connections = new Connections(options.as4);
  return {
    *take(packet) {
      const link = openLink(packet);
      const origin = originOf(packet);
      const segment = typeof link === 'string' ? undefined : segmentOf(link);
      if (segment !== undefined && Connections.isBgp(segment)) yield* connections.take(segment, packet.timestampMs, origin);
      else yield { ...origin, ...showFrame(packet, link) };
    },
    end: () => connections.end({}),
  };
}

function originOf(packet: CapturedPacket): Line {
  return {
    frame: packet.number, ...(packet.timestampMs > 0 && packet.timestampMs < 1e14 ? { time: timeText(packet.timestampMs) } : {}),
    ...(packet.interfaceName === undefined ? {} : { interface: printable(packet.interfaceName) }),
  };
}

import { ByteQueue } from '../../net/byte-queue.ts';
import { ByteReader, ShortRead } from '../../net/bytes.ts';
import { timeText } from '../collect/time.ts';
import type { Decoder, Line } from './line.ts';
import { hexText } from './line.ts';
import { bgp4mp } from './mrt-bgp4mp.ts';
import { type PeerTable, tableDump, tableDumpV2 } from './mrt-rib.ts';

/*
 * MRT (RFC 6396 section 2):   Timestamp 4 | Type 2 | Subtype 2 | Length 4 | Message
 */

const headerLength = 12;
const types = { ospfV2: 11, tableDump: 12, tableDumpV2: 13, bgp4mp: 16, bgp4mpEt: 17, isis: 32, isisEt: 33, ospfV3: 48, ospfV3Et: 49 } as const;
const known: ReadonlySet<number> = new Set(Object.values(types));

/** A record that is larger is a broken file: a RIB entry of every peer of a large route server stays far below. */
const largestRecord = 16 * 1024 * 1024;

/** Octets that {@link isMrt} wants to see. */
export const mrtMagicLength = headerLength;

/** True if a file that begins so can be MRT; it has no magic number, but text has no octet of zeros. */
export function isMrt(bytes: Uint8Array): boolean {
  if (bytes.length < headerLength) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return known.has(view.getUint16(4)) && view.getUint16(6) <= 0x00ff && view.getUint32(8) <= largestRecord;
}

/** MRT records: messages with the peers between which they went, and a line for each route of a table. */
export function mrtDecoder(): Decoder {
  const queue = new ByteQueue();
  const table: PeerTable = { peers: [] };
  let number = 0;
  let broken = false;
  function* drain(): Generator<Line> {
    while (!broken) {
      const header = queue.peek(headerLength);
      if (header === undefined) return;
      const view = new DataView(header.buffer, header.byteOffset, headerLength);
      const length = view.getUint32(8);
      const type = view.getUint16(4);
      if (length > largestRecord || !known.has(type)) {
        broken = true;
        yield { type: null, error: { text: `nothing more can be read: record ${number + 1} (at octet ${queue.taken}) is of type ${type} and ${length} octets: the file is damaged` } };
        return;
      }
      if (queue.length < headerLength + length) return;
      const record = { type, subtype: view.getUint16(6), seconds: view.getUint32(0) };
      queue.skip(headerLength);
      number += 1;
      yield* showRecord(number, record, queue.take(length) as Uint8Array, table);
    }
    queue.skip(queue.length);
  }
  return {
    *push(piece) {
      queue.push(piece);
      yield* drain();
    },
    *end() {
      if (!broken && queue.length > 0) yield { type: null, error: { text: `the file ends inside record ${number + 1} (at octet ${queue.taken})` } };
    },
  };
}

function* showRecord(number: number, header: { type: number; subtype: number; seconds: number }, body: Uint8Array, table: PeerTable): Generator<Line> {
  const reader = new ByteReader(body);
  const base: Record<string, unknown> = { record: number };
  try {
    const microseconds = header.type === types.bgp4mpEt ? reader.u32() : 0;
    if (header.seconds > 0) base['time'] = timeText(header.seconds * 1000 + Math.min(microseconds, 999_999) / 1000);
    switch (header.type) {
      case types.bgp4mp:
      case types.bgp4mpEt:
        yield { ...base, ...bgp4mp(header.subtype, reader) };
        return;
      case types.tableDumpV2:
        for (const line of tableDumpV2(header.subtype, reader, table)) yield { ...base, ...line };
        return;
      case types.tableDump:
        yield { ...base, ...tableDump(header.subtype, reader) };
        return;
      default:
        yield { ...base, type: `MRT ${header.type}/${header.subtype}`, hex: hexText(body.subarray(0, 512)) };
    }
  } catch (error) {
    if (!(error instanceof ShortRead)) throw error;
    yield { ...base, type: `MRT ${header.type}/${header.subtype}`, hex: hexText(body.subarray(0, 512)), error: { text: `the record is cut short: ${error.message}` } };
  }
}

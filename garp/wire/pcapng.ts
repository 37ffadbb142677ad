import type { ByteQueue } from '../../net/byte-queue.ts';
import type { CapturedPacket, ReadItem } from './captured-packet.ts';

/*
 * pcapng (draft-ietf-opsawg-pcapng), in the byte order of each section:
 *
 *   (Block Type 4 | Block Total Length 4 | Body | Block Total Length 4) *
 *
 *   Section Header 0x0a0d0d0a   Byte-Order Magic 4 | …
 *   Interface Description 1     LinkType 2 | Reserved 2 | SnapLen 4 | Options
 *   Enhanced Packet 6           Interface 4 | time, high 4, low 4 | captured 4 | original 4 | packet, padded to 4 | Options
 *   Simple Packet 3             original 4 | packet, padded to 4
 *   Packet 2 (obsolete)         Interface 2 | drops 2 | time, high 4, low 4 | captured 4 | original 4 | packet, padded to 4 | Options
 */

const blocks = { section: 0x0a0d0d0a, interface: 1, packet: 2, simplePacket: 3, enhancedPacket: 6 } as const;
const options = { end: 0, name: 2, timeResolution: 9, timeOffset: 14 } as const;
const byteOrderMagic = 0x1a2b3c4d;

const largestBlock = 32 * 1024 * 1024;
/** More interfaces than any host has: a broken file shall not fill the memory with them. */
const mostInterfaces = 65_536;

interface Interface {
  readonly linkType: number;
  readonly snapLength: number;
  readonly name?: string;
  readonly unitsPerMs: number;
  readonly offsetMs: number;
}

/** Reads one block at a time. Blocks of other kinds (statistics, names, secrets) are skipped. */
export function readPcapng(): ReadItem {
  let little = true;
  let interfaces: Interface[] = [];
  let number = 0;
  return (queue: ByteQueue) => {
    const start = queue.peek(12);
    if (start === undefined) return 'more';
    const head = new DataView(start.buffer, start.byteOffset, 12);
    const isSection = head.getUint32(0) === blocks.section;
    if (isSection) {
      if (head.getUint32(8, true) !== byteOrderMagic && head.getUint32(8, false) !== byteOrderMagic) return { problem: 'a section header without its magic number: the file is damaged' };
      little = head.getUint32(8, true) === byteOrderMagic;
    }
    const type = head.getUint32(0, little);
    const length = head.getUint32(4, little);
    if (length < 12 || length % 4 !== 0 || length > largestBlock) return { problem: `a block of ${length} octets: the file is damaged` };
    const block = queue.take(length);
    if (block === undefined) return 'more';
    const body = block.subarray(8, length - 4);
    if (isSection) {
      interfaces = [];
      return 'other';
    }
    if (type === blocks.interface) {
      const found = readInterface(body, little);
      if (found === undefined || interfaces.length >= mostInterfaces) return { problem: 'an interface description that is cut short: the file is damaged' };
      interfaces.push(found);
      return 'other';
    }
    const packet = readPacket(type, body, little, interfaces);
    if (packet === undefined) return 'other';
    number += 1;
    return typeof packet === 'string' ? { problem: `packet ${number} ${packet}` } : { number, ...packet };
  };
}

function readInterface(body: Uint8Array, little: boolean): Interface | undefined {
  if (body.length < 8) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  let name: string | undefined;
  let unitsPerMs = 1000;
  let offsetMs = 0;
  for (let at = 8; at + 4 <= body.length; ) {
    const code = view.getUint16(at, little);
    const length = view.getUint16(at + 2, little);
    const value = at + 4;
    if (code === options.end || value + length > body.length) break;
    if (code === options.name) name = new TextDecoder().decode(body.subarray(value, value + Math.min(length, 64))).replace(/\0.*$/s, '');
    if (code === options.timeResolution && length >= 1) unitsPerMs = unitsOf(view.getUint8(value));
    if (code === options.timeOffset && length >= 8) offsetMs = Number(view.getBigInt64(value, little)) * 1000;
    at = value + ((length + 3) & ~3);
  }
  const base = { linkType: view.getUint16(0, little), snapLength: view.getUint32(4, little), unitsPerMs, offsetMs };
  return name === undefined || name === '' ? base : { ...base, name };
}

/** if_tsresol: a negative power of 10, or of 2 with the highest bit set. */
function unitsOf(resolution: number): number {
  return ((resolution & 0x80) !== 0 ? 2 ** (resolution & 0x7f) : 10 ** resolution) / 1000;
}

/** @returns `undefined` for a block that holds no packet; a part of a sentence for one that is damaged. */
function readPacket(type: number, body: Uint8Array, little: boolean, interfaces: readonly Interface[]): Omit<CapturedPacket, 'number'> | string | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const simple = type === blocks.simplePacket;
  if (!simple && type !== blocks.enhancedPacket && type !== blocks.packet) return undefined;
  const headerLength = simple ? 4 : 20;
  if (body.length < headerLength) return 'is cut short: the file is damaged';
  const at = simple ? 0 : type === blocks.packet ? view.getUint16(0, little) : view.getUint32(0, little);
  const from = interfaces[at];
  if (from === undefined) return `names interface ${at}, which the file does not describe`;
  const originalLength = view.getUint32(simple ? 0 : 16, little);
  const captured = simple ? Math.min(originalLength, from.snapLength === 0 ? Infinity : from.snapLength) : view.getUint32(12, little);
  if (captured > body.length - headerLength) return `claims ${captured} octets, its block has ${body.length - headerLength}: the file is damaged`;
  const timestampMs = simple ? 0 : view.getUint32(4, little) * (4294967296 / from.unitsPerMs) + view.getUint32(8, little) / from.unitsPerMs + from.offsetMs;
  return {
    bytes: body.subarray(headerLength, headerLength + captured), originalLength: Math.max(captured, originalLength), linkType: from.linkType,
    timestampMs: Number.isFinite(timestampMs) ? timestampMs : 0, ...(from.name === undefined ? {} : { interfaceName: from.name }),
  };
}

import fc from 'fast-check';
import { garpFrame, naFrame } from '../../garp/wire/frames.ts';
import { ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import { decoderFor } from '../../src/decode/decode.ts';
import { decodeAll, ethernet, ipPacket, keepalive, open, pcap, pcapng, update } from './build.ts';

const mac = '52:54:00:aa:00:01' as Mac;
const stream = Buffer.concat([open(65010), keepalive, update(4_200_000_017), keepalive]);
const packets = [
  { bytes: garpFrame(mac, ip('203.0.113.11')), ms: 1 }, { bytes: naFrame(mac, ip('2001:db8::11')), ms: 2 },
  { bytes: ethernet(ipPacket({ sequence: 500, flags: 2 })), ms: 3 }, { bytes: ethernet(ipPacket({ sequence: 501, payload: stream.subarray(0, 60) }), [[0x8100, 7]]), ms: 4 },
  { bytes: ethernet(ipPacket({ sequence: 561, payload: stream.subarray(60), extension: 8 })), ms: 5 },
  { bytes: ethernet(ipPacket({ from: '2001:db8::17', to: '2001:db8::1', sequence: 5, payload: stream, extension: 16 })), ms: 6 },
];
const peers = [0, 0, 253, 242, 0, 0, 253, 243, 0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 17];
const mrtRecord = (type: number, subtype: number, body: Uint8Array): Buffer => {
  const header = Buffer.alloc(12);
  header.writeUInt32BE(1_764_000_000, 0);
  header.writeUInt16BE(type, 4);
  header.writeUInt16BE(subtype, 6);
  header.writeUInt32BE(body.length, 8);
  return Buffer.concat([header, body]);
};
const mrt = Buffer.concat([
  mrtRecord(16, 4, Buffer.from([...peers, ...update(4_200_000_017)])), mrtRecord(17, 4, Buffer.from([0, 0, 0, 1, ...peers, ...open(65010)])),
  mrtRecord(13, 1, Buffer.from([10, 0, 0, 1, 0, 0, 0, 1, 2, 192, 0, 2, 1, 192, 0, 2, 1, 0, 0, 253, 242])),
  mrtRecord(13, 2, Buffer.from([0, 0, 0, 1, 24, 203, 0, 113, 0, 1, 0, 0, 1, 2, 3, 4, 0, 4, 0x40, 1, 1, 0])),
]);
const files = {
  pcap: pcap(packets), 'big-endian pcap': pcap(packets, { big: true, nanoseconds: true }), pcapng: pcapng(packets), 'big-endian pcapng': pcapng(packets, { big: true }), MRT: mrt,
  messages: stream, 'lines of hex': Buffer.from([open(65010), update(65010), keepalive].map((m) => Buffer.from(m).toString('hex')).join('\n')),
};

const edit = fc.record({ at: fc.nat(5000), value: fc.integer({ min: 0, max: 255 }), how: fc.constantFrom('set', 'insert', 'delete', 'cut') });

function mutate(file: Uint8Array, edits: readonly { at: number; value: number; how: string }[]): Uint8Array {
  let bytes = [...file];
  for (const { at, value, how } of edits) {
    const i = at % Math.max(1, bytes.length);
    if (how === 'set') bytes[i] = value;
    else if (how === 'insert') bytes.splice(i, 0, value);
    else if (how === 'delete') bytes.splice(i, 1 + (value & 3));
    else if (value > 250) bytes = bytes.slice(0, i);
  }
  return Uint8Array.from(bytes);
}

describe('decode: damaged files', () => {
  for (const [name, file] of Object.entries(files)) {
    it(`never throws on a mutated ${name} file, however it is sliced`, () => {
      fc.assert(fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 4096 }), (edits, size) => {
        for (const line of decodeAll(mutate(file, edits), { size })) JSON.stringify(line);
      }), { numRuns: 400 });
    });

    it(`gives the same lines for a ${name} file in one piece and octet by octet`, () => {
      const whole = JSON.stringify(decodeAll(file));
      if (whole !== JSON.stringify(decodeAll(file, { size: 1 }))) throw new Error('the slices matter');
    });
  }

  for (const kind of ['pcap', 'pcapng', 'mrt', 'messages', 'text'] as const) {
    it(`never throws on any octets taken for ${kind}`, () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const decoder = decoderFor(kind, { as4: false });
        for (const line of [...decoder.push(bytes), ...decoder.end()]) JSON.stringify(line);
      }), { numRuns: 500 });
    });
  }
});

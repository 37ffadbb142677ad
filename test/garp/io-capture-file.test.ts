import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCaptureFile } from '../../garp/io/capture-file.ts';

const garp = 'ffffffffffff525400aa000108060001080006040001525400aa0001c0000209ffffffffffffc0000209';
const other = 'ffffffffffff525400aa000108004500';

/** A file as tcpdump writes it: little-endian, microseconds. */
function captureFile(linkType: number, packets: readonly { seconds: number; microseconds: number; hex: string }[]): Buffer {
  const header = Buffer.from('d4c3b2a1020004000000000000000000ffff000000000000', 'hex');
  header.writeUInt32LE(linkType, 20);
  const records = packets.map(({ seconds, microseconds, hex }) => {
    const bytes = Buffer.from(hex, 'hex');
    const record = Buffer.alloc(16);
    [seconds, microseconds, bytes.length, bytes.length].forEach((value, i) => record.writeUInt32LE(value, i * 4));
    return Buffer.concat([record, bytes]);
  });
  return Buffer.concat([header, ...records]);
}

describe('capture files through libpcap\'s filter', () => {
  const folder = mkdtempSync(join(tmpdir(), 'landfall-capture-'));
  const path = join(folder, 'test.pcap');
  let missing: string | undefined;

  before(async () => {
    writeFileSync(path, captureFile(1, []));
    missing = await readCaptureFile(path, { filter: '' }).then(() => undefined, (error: Error) => error.message);
  });
  after(() => rmSync(folder, { recursive: true }));

  it('reads, or says which package is missing', () => {
    if (missing !== undefined) assert.match(missing, /optional package "pcap".*libpcap-dev/);
  });

  it('gives packets in order with their time and link type', async function () {
    if (missing !== undefined) this.skip();
    writeFileSync(path, captureFile(1, [
      { seconds: 1_700_000_000, microseconds: 250_500, hex: garp },
      { seconds: 4_000_000_000, microseconds: 999_999, hex: other },
    ]));
    const packets = await readCaptureFile(path, { filter: '' });
    assert.deepEqual(
      packets.map(({ bytes, ...rest }) => ({ hex: Buffer.from(bytes).toString('hex'), ...rest })),
      [
        { hex: garp, number: 1, originalLength: 42, timestampMs: 1_700_000_000_250.5, linkType: 1 },
        { hex: other, number: 2, originalLength: 16, timestampMs: 4_000_000_000_999.999, linkType: 1 },
      ],
    );
  });

  it('filters, and limits what it holds', async function () {
    if (missing !== undefined) this.skip();
    writeFileSync(path, captureFile(1, [garp, other, garp].map((hex, i) => ({ seconds: i, microseconds: 0, hex }))));
    assert.deepEqual((await readCaptureFile(path, { filter: 'arp' })).map(({ timestampMs }) => timestampMs), [0, 2000]);
    await assert.rejects(readCaptureFile(path, { filter: '', maxPackets: 2 }), /has more than 2 packets/);
  });

  for (const [name, content] of [['an empty file', ''], ['text', 'bgp:\n  asn: 65010\n']] as const) {
    it(`refuses ${name}`, async function () {
      if (missing !== undefined) this.skip();
      writeFileSync(path, content);
      await assert.rejects(readCaptureFile(path, { filter: '' }), new RegExp(`The capture file ${path} can't be read: `));
    });
  }

  it('refuses a file that is not there', async function () {
    if (missing !== undefined) this.skip();
    await assert.rejects(readCaptureFile(join(folder, 'none'), { filter: '' }), /can't be read: .*No such file/);
  });

  it('gives what is whole in a file that was cut', async function () {
    if (missing !== undefined) this.skip();
    const whole = captureFile(1, [garp, garp].map((hex, i) => ({ seconds: i, microseconds: 0, hex })));
    writeFileSync(path, whole.subarray(0, whole.length - 5));
    assert.deepEqual((await readCaptureFile(path, { filter: '' })).map(({ timestampMs }) => timestampMs), [0]);
  });
});

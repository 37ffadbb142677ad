import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { type Announcement, type NoAnnouncement, parseAnnouncement } from '../../garp/announcement.ts';
import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { ip } from '../../net/ip.ts';
import { type GoldenCase, readGoldenCase, readGoldenCases } from './golden-case.ts';

const update = process.env['UPDATE_GOLDEN'] === '1';

function parse(golden: GoldenCase, bytes: Uint8Array): Announcement | NoAnnouncement {
  return parseAnnouncement(golden.tag === undefined ? { bytes } : { bytes, tag: golden.tag });
}

describe('recorded frames', () => {
  const cases = readGoldenCases();

  it('are there', () => {
    assert.ok(cases.length >= 19, `${cases.length} cases`);
  });

  for (const golden of cases) {
    describe(golden.name, () => {
      if (update) writeFileSync(golden.file, `${golden.head}=>\n${JSON.stringify(parse(golden, golden.bytes), null, 2)}\n`);
      const expected = update ? readGoldenCase(`${golden.name}.txt`).expected : golden.expected;

      it('parses as written down', () => {
        assert.deepEqual(parse(golden, golden.bytes), expected);
      });

      it('parses the same with trailing octets', () => {
        const longer = new Uint8Array(golden.bytes.length + 8).fill(0xa5);
        longer.set(golden.bytes);
        assert.deepEqual(parse(golden, longer), expected);
      });

      it('cut anywhere: the same, or ignored with a reason', () => {
        for (let length = 0; length < golden.bytes.length; length++) {
          const answer = parse(golden, golden.bytes.subarray(0, length));
          if (answer.type === 'announcement') assert.deepEqual(answer, expected, `cut to ${length}`);
          else assert.match(answer.reason, /^[\x20-\x7e]{3,60}$/);
        }
      });

      it('is read in place, wherever it lies in memory, and left as it was', () => {
        const memory = new Uint8Array(golden.bytes.length + 14).fill(0xff);
        memory.set(golden.bytes, 7);
        const view = memory.subarray(7, 7 + golden.bytes.length);
        assert.deepEqual(parse(golden, view), expected);
        assert.deepEqual(view, golden.bytes);
      });
    });
  }
});

describe('frames of our own making', () => {
  const { mac } = parseAnnouncement({ bytes: readGoldenCase('rarp-qemu.txt').bytes }) as Announcement;
  const unpadded = (bytes: Uint8Array, length: number): Uint8Array => {
    assert.ok(bytes.subarray(length).every((octet) => octet === 0));
    return bytes.subarray(0, length);
  };

  it('RARP is QEMU\'s, octet by octet', () => {
    assert.deepEqual(rarpFrame(mac), readGoldenCase('rarp-qemu.txt').bytes);
    assert.deepEqual(rarpFrame(mac, { vlan: 100 }), readGoldenCase('rarp-tag-in.txt').bytes);
  });

  it('GARP is Linux\'s, padded', () => {
    const linux = readGoldenCase('garp-request-linux.txt').bytes;
    assert.deepEqual(unpadded(garpFrame(mac, ip('203.0.113.11')), linux.length), linux);
  });

  it('GARP as a reply is arping\'s, padded', () => {
    const arping = readGoldenCase('garp-reply-arping.txt').bytes;
    assert.deepEqual(unpadded(garpFrame(mac, ip('203.0.113.11'), { form: 'reply' }), arping.length), arping);
  });

  it('NA is Linux\'s, octet by octet', () => {
    assert.deepEqual(naFrame(mac, ip('2001:db8:100::11')), readGoldenCase('na-linux.txt').bytes);
  });
});

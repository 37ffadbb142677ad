import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { decodeRtnetlink, encodeDumpRequest, linkDumps, MalformedNetlink } from '../../bridge/wire/rtnetlink.ts';

interface Recording {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly said: readonly unknown[];
}

function readRecordings(): Recording[] {
  const text = readFileSync(new URL('./wire-recordings.txt', import.meta.url), 'utf8');
  return text
    .split(/^-- /m)
    .slice(1)
    .map((block) => {
      const [name, ...lines] = block.trimEnd().split('\n') as [string, ...string[]];
      const hex = lines.filter((line) => /^[0-9a-f]+$/.test(line)).join('');
      return { name, bytes: Buffer.from(hex, 'hex'), said: lines.filter((line) => line.startsWith('= ')).map((line) => JSON.parse(line.slice(2)) as unknown) };
    });
}

function said(bytes: Uint8Array): unknown[] {
  return decodeRtnetlink(bytes).map(({ content, interrupted }) => (interrupted ? { ...content, interrupted } : content));
}

const recordings = readRecordings();

describe('rtnetlink messages', () => {
  it('has recordings of every kind', () => {
    const kinds = new Set(recordings.flatMap((recording) => recording.said.map((content) => (content as { type: string }).type)));
    assert.deepEqual([...kinds].sort(), ['bridgePort', 'done', 'error', 'fdb', 'fdbGone', 'link', 'linkGone', 'other', 'overrun', 'ownAddress', 'portVlans']);
  });

  for (const recording of recordings) {
    it(`decodes: ${recording.name}`, () => assert.deepEqual(said(recording.bytes), recording.said));
  }

  it('refuses every truncation with MalformedNetlink, or reads the whole messages before it', () => {
    for (const { name, bytes, said: whole } of recordings) {
      for (let length = 0; length < bytes.length; length++) {
        try {
          const part = said(bytes.subarray(0, length));
          assert.deepEqual(part, whole.slice(0, part.length), `${name}, ${length} octets`);
        } catch (error) {
          assert.ok(error instanceof MalformedNetlink, `${name}, ${length} octets: ${String(error)}`);
        }
      }
    }
  });

  it('throws nothing but MalformedNetlink, whatever octets are changed', () => {
    const mutation = fc.tuple(fc.nat(), fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 8 }), (mutations) => {
        const bytes = Uint8Array.from((recordings[(mutations[0]?.[0] ?? 0) % recordings.length] as Recording).bytes);
        for (const [, at, value] of mutations) bytes[at % bytes.length] = value;
        try {
          decodeRtnetlink(bytes);
        } catch (error) {
          assert.ok(error instanceof MalformedNetlink, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  const malformed: readonly [name: string, hex: string][] = [
    ['a header of three octets', '100000'],
    ['a message shorter than its header', '0f000000100000000000000000000000'],
    ['a message longer than the datagram', '20000000030000000000000000000000'],
    ['an attribute shorter than its header', '2400000010000000000000000000000000000000010000000000000000000000' + '03000300'],
    ['an attribute longer than the message', '2400000010000000000000000000000000000000010000000000000000000000' + '09000300'],
    ['a link without a name', '2000000010000000000000000000000000000000010000000000000000000000'],
  ];
  for (const [name, hex] of malformed) {
    it(`refuses ${name}`, () => assert.throws(() => decodeRtnetlink(Buffer.from(hex, 'hex')), MalformedNetlink));
  }
});

describe('dump requests', () => {
  const expected = {
    links: '20000000120001030700000000000000' + '00'.repeat(16),
    // linux/rtnetlink.h: family 7 (AF_BRIDGE); attribute 29 (IFLA_EXT_MASK) = 4 (RTEXT_FILTER_BRVLAN_COMPRESSED)
    vlans: '28000000120001030700000000000000' + '07' + '00'.repeat(15) + '08001d0004000000',
    addresses: '18000000160001030700000000000000' + '00'.repeat(8),
    fdb: '1c0000001e0001030700000000000000' + '07' + '00'.repeat(11),
  };
  for (const dump of [...linkDumps, 'fdb'] as const) {
    it(`asks for ${dump}`, () => assert.equal(Buffer.from(encodeDumpRequest(dump, 7)).toString('hex'), expected[dump]));
  }
});

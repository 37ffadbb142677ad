import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { readFdb } from '../../bridge/wire/neighbours.ts';
import { decodeRtnetlink, MalformedNetlink } from '../../bridge/wire/rtnetlink.ts';

const recorded = readFileSync(new URL('./wire-recordings.txt', import.meta.url), 'utf8').split(/^-- /m).slice(1).map((block) => {
  const lines = block.trimEnd().split('\n');
  return { name: lines[0] as string, bytes: Buffer.from(lines.filter((line) => /^[0-9a-f]+$/.test(line)).join(''), 'hex') };
});

/** The same from the reader of all messages. */
function expected(bytes: Uint8Array): ReturnType<typeof readFdb> {
  const messages = decodeRtnetlink(bytes);
  const end = messages.map(({ content }) => content).find((content) => content.type === 'done' || content.type === 'error');
  return {
    news: messages.flatMap(({ content }) => (content.type === 'fdb' ? [content.entry] : content.type === 'fdbGone' ? [{ ...content.entry, gone: true as const }] : [])),
    interrupted: messages.some(({ interrupted }) => interrupted), overrun: messages.some(({ content }) => content.type === 'overrun'),
    ...(end === undefined || !('errno' in end) ? {} : { done: end.errno }),
  };
}

describe('forwarding entries from netlink', () => {
  for (const { name, bytes } of recorded) {
    it(`reads of ${name} what concerns bridges`, () => assert.deepEqual(readFdb(bytes), expected(bytes)));
  }

  it('reads many datagrams in one go', () => {
    const entries = recorded.filter(({ bytes }) => readFdb(bytes).news.length > 0);
    const all = Buffer.concat(entries.map(({ bytes }) => bytes));
    assert.deepEqual(readFdb(all).news, entries.flatMap(({ bytes }) => readFdb(bytes).news));
  });

  it('throws nothing but MalformedNetlink, wherever it is cut and whatever octets are changed', () => {
    const telling = recorded.filter(({ bytes }) => readFdb(bytes).news.length > 0).map(({ bytes }) => bytes);
    const change = fc.record({ bytes: fc.constantFrom(...telling), cut: fc.nat(4000), at: fc.nat(4000), to: fc.nat(255) });
    fc.assert(fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      const octets = Buffer.concat(changes.map(({ bytes, at, to }) => { const copy = Buffer.from(bytes); copy[at % copy.length] = to; return copy; }));
      try {
        readFdb(octets.subarray(0, changes[0]!.cut % (octets.length + 1)));
      } catch (error) {
        assert.ok(error instanceof MalformedNetlink);
      }
    }), { numRuns: 2000 });
  });
});

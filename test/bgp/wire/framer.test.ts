import assert from 'node:assert/strict';
import { Framer } from '../../../bgp/wire/framer.ts';
import { hex, message, octets } from './build.ts';

const keepalive = message(4, '');
const update = message(2, `0000001240010100400200400304c000020100${'00'.repeat(3000)}`);

function feedAll(slices: Iterable<Uint8Array>): { messages: string[]; framer: Framer; error?: number } {
  let framer = new Framer();
  const messages: string[] = [];
  for (const slice of slices) {
    const framed = framer.feed(slice);
    messages.push(...framed.messages.map(hex));
    if (framed.error !== undefined) return { messages, framer, error: framed.error.subcode };
    framer = framed.framer;
  }
  return { messages, framer };
}

describe('Framer', () => {
  const stream = Buffer.concat([keepalive, update, keepalive, keepalive, update]);
  const expected = [keepalive, update, keepalive, keepalive, update].map(hex);

  for (const size of [1, 2, 18, 19, 20, 21, 37, 38, 39, 1000, 3000, 3041, 4096, stream.length]) {
    it(`cuts the same messages from slices of ${size}`, () => {
      const slices = [];
      for (let at = 0; at < stream.length; at += size) slices.push(stream.subarray(at, at + size));
      const { messages, framer } = feedAll(slices);
      assert.deepEqual(messages, expected);
      assert.equal(framer.pending, 0);
    });
  }

  it('gives nothing for nothing', () => assert.deepEqual(feedAll([new Uint8Array(0)]).messages, []));

  it('keeps no reference to what it was fed', () => {
    const slice = Uint8Array.from(keepalive.subarray(0, 10));
    const { framer } = new Framer().feed(slice);
    slice.fill(0);
    assert.deepEqual(framer.feed(keepalive.subarray(10)).messages.map(hex), [hex(keepalive)]);
  });

  it('is a value: two continuations of one framer do not disturb each other', () => {
    const half = new Framer().feed(update.subarray(0, 30)).framer;
    const other = Uint8Array.from(update).fill(0xaa, 30);
    const a = half.feed(update.subarray(30, 60)).framer;
    const b = half.feed(other.subarray(30, 90)).framer;
    assert.deepEqual(a.feed(update.subarray(60)).messages.map(hex), [hex(update)]);
    assert.deepEqual(b.feed(other.subarray(90)).messages.map(hex), [hex(other)]);
  });

  const broken: readonly [what: string, header: string, subcode: number][] = [
    ['marker', `${'ff'.repeat(15)}00001304`, 1],
    ['length too small', `${'ff'.repeat(16)}001204`, 2],
    ['length too large', `${'ff'.repeat(16)}100102`, 2],
    ['length wrong for its type', `${'ff'.repeat(16)}001604`, 2],
    ['type', `${'ff'.repeat(16)}001306`, 3],
  ];
  for (const [what, header, subcode] of broken) {
    it(`refuses a bad ${what} with its 19th octet, whole messages before it first`, () => {
      const bad = octets(header);
      assert.deepEqual(feedAll([Buffer.concat([keepalive, bad])]), { messages: [hex(keepalive)], framer: new Framer(), error: subcode });
      const slices = [...keepalive, ...bad].map((byte) => Uint8Array.of(byte));
      assert.equal(feedAll(slices.slice(0, -1)).error, undefined);
      const { messages, error } = feedAll(slices);
      assert.deepEqual([messages, error], [[hex(keepalive)], subcode]);
    });
  }

  it('never holds more than one message', () => {
    let framer = new Framer();
    for (let i = 0; i < 20_000; i++) {
      framer = framer.feed(Uint8Array.of(update[i % update.length] as number)).framer;
      assert.ok(framer.pending < update.length);
    }
  });
});

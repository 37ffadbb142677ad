import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ByteReader, ByteWriter, ShortRead } from '../../net/bytes.ts';

describe('ByteReader and ByteWriter', () => {
  const value = fc.oneof(
    fc.record({ width: fc.constant(1 as const), value: fc.integer({ min: 0, max: 0xff }) }),
    fc.record({ width: fc.constant(2 as const), value: fc.integer({ min: 0, max: 0xffff }) }),
    fc.record({ width: fc.constant(4 as const), value: fc.integer({ min: 0, max: 0xffffffff }) }),
  );

  it('read what was written', () => {
    fc.assert(fc.property(fc.array(value), (values) => {
      const writer = new ByteWriter(1);
      for (const { width, value: number } of values) {
        if (width === 1) writer.u8(number);
        else if (width === 2) writer.u16(number);
        else writer.u32(number);
      }
      const reader = new ByteReader(writer.done());
      for (const { width, value: number } of values) {
        assert.equal(width === 1 ? reader.u8() : width === 2 ? reader.u16() : reader.u32(), number);
      }
      assert.equal(reader.left, 0);
      assert.throws(() => reader.u8(), ShortRead);
    }));
  });

  it('sub-readers keep the offsets of the whole and their own end', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3, 4, 5));
    reader.u8();
    const sub = reader.sub(2);
    assert.equal(sub.u8(), 2);
    assert.equal(sub.offset, 2);
    assert.throws(() => sub.u16(), (error: unknown) => error instanceof ShortRead && error.offset === 2);
    assert.deepEqual(reader.rest(), Uint8Array.of(4, 5));
  });

  it('a failed read takes nothing', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3));
    assert.throws(() => reader.u32(), ShortRead);
    assert.equal(reader.u16(), 0x0102);
  });

  it('patches length fields and grows', () => {
    const writer = new ByteWriter(2);
    writer.u16(0).u8(0).append([7, 8, 9]);
    writer.patchU16(0, 0x1234);
    writer.patchU8(2, 0xff);
    assert.deepEqual(writer.done(), Uint8Array.of(0x12, 0x34, 0xff, 7, 8, 9));
    const copy = writer.done();
    writer.patchU8(0, 0);
    assert.equal(copy[0], 0x12);
    assert.equal(writer.view()[0], 0);
  });
});

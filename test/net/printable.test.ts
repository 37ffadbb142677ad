import assert from 'node:assert/strict';
import fc from 'fast-check';
import { printable } from '../../net/printable.ts';

describe('printable', () => {
  const rows: [string, string][] = [
    ['vnet4', 'vnet4'],
    ['', ''],
    ['a b~!', 'a b~!'],
    ['\x1b[31mred', '\\x1b[31mred'],
    ['one\r\ntwo', 'one\\x0d\\x0atwo'],
    ['nul\0del\x7f', 'nul\\x00del\\x7f'],
    ['caf\u00e9', 'caf\\xe9'],
    ['\u202eevil', '\\u{202e}evil'],
    ['\u{1f600}', '\\u{1f600}'],
    ['\ud800', '\\u{d800}'],
  ];
  for (const [text, expected] of rows) {
    it(JSON.stringify(text), () => {
      assert.equal(printable(text), expected);
    });
  }

  it('cuts what is too long, never within an escape', () => {
    assert.equal(printable('abcdefgh', 8), 'abcdefgh');
    assert.equal(printable('abcdefghi', 8), 'abcde...');
    assert.equal(printable('abc\x1b\x1b', 8), 'abc...');
    assert.equal(printable('\x1b\x1b', 8), '\\x1b\\x1b');
  });

  it('any text comes out as bounded ASCII, and stays as it is the second time', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 3, max: 80 }), (text, max) => {
      const out = printable(text, max);
      assert.match(out, /^[\x20-\x7e]*$/);
      assert.ok(out.length <= max);
      assert.equal(printable(out, max), out);
    }));
  });
});

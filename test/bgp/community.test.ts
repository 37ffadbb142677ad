import assert from 'node:assert/strict';
import { formatCommunity, formatLargeCommunity, parseCommunity, parseLargeCommunity, wellKnownCommunities } from '../../bgp/community.ts';

describe('communities', () => {
  const good: readonly [text: string, value: number, formatted?: string][] = [
    ['65010:200', 0xfdf200c8],
    ['0:0', 0],
    ['65535:65535', 0xffffffff],
    ['no-export', 0xffffff01],
    ['NO-EXPORT', 0xffffff01, 'no-export'],
    ['65535:65281', 0xffffff01, 'no-export'],
    ['graceful-shutdown', 0xffff0000],
    ['no-llgr', 0xffff0007],
  ];
  for (const [text, value, formatted] of good) {
    it(text, () => {
      assert.deepEqual(parseCommunity(text), { value });
      assert.equal(formatCommunity(value), formatted ?? text);
    });
  }

  const bad: readonly [text: string, error: RegExp][] = [
    ['4200000017:200', /4-byte ASN.*large one: 4200000017:9:200/],
    ['65536:1', /4-byte ASN/],
    ['4294967296:1', /no ASN/],
    ['65010:65536', /more than 65535/],
    ['65010', /ASN:VALUE/],
    ['65010:1:2', /ASN:VALUE/],
    ['-1:2', /ASN:VALUE/],
    ['1:2 ', /ASN:VALUE/],
    ['constructor', /ASN:VALUE/],
    ['', /ASN:VALUE/],
  ];
  for (const [text, error] of bad) {
    it(`refuses '${text}'`, () => {
      const parsed = parseCommunity(text);
      assert.ok('error' in parsed);
      assert.match(parsed.error, error);
    });
  }

  it('every well-known name is read and written', () => {
    for (const [name, value] of Object.entries(wellKnownCommunities)) {
      assert.deepEqual(parseCommunity(name), { value });
      assert.equal(formatCommunity(value), name);
      assert.ok(Number.isInteger(value) && value >= 0xffff0000 && value <= 0xffffffff);
    }
  });
});

describe('large communities', () => {
  for (const text of ['65010:1:7', '4200000017:9:200', '0:0:0', '4294967295:4294967295:4294967295']) {
    it(text, () => {
      const parsed = parseLargeCommunity(text);
      assert.ok('value' in parsed);
      assert.equal(formatLargeCommunity(parsed.value), text);
    });
  }
  for (const text of ['65010:200', '1:2:4294967296', '1:2:3:4', 'a:b:c', '']) {
    it(`refuses '${text}'`, () => assert.ok('error' in parseLargeCommunity(text)));
  }
});

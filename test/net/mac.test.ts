import assert from 'node:assert/strict';
import fc from 'fast-check';
import { broadcastMac, isGroupMac, macFromBytes, macToBytes, parseMac, zeroMac } from '../../net/mac.ts';

describe('parseMac', () => {
  const rows: [string, string][] = [
    ['52:54:00:aa:00:01', '52:54:00:aa:00:01'],
    ['52-54-00-AA-00-01', '52:54:00:aa:00:01'],
    ['0:1:2:3:4:5', '00:01:02:03:04:05'],
    ['FF:FF:FF:FF:FF:FF', broadcastMac],
  ];
  for (const [text, canonical] of rows) {
    it(`reads ${text}`, () => {
      assert.equal(parseMac(text), canonical);
    });
  }

  for (const text of ['', '52:54:00:aa:00', '52:54:00:aa:00:01:02', '52:54-00:aa:00:01', '525400aa0001', '52:54:00:aa:00:0g', '5254.00aa.0001', '52:54:00:aa:00:01\n', '052:54:00:aa:00:01']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.equal(parseMac(text), undefined);
    });
  }
});

describe('MAC octets', () => {
  it('there and back, at any offset', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), fc.nat(3), (bytes, offset) => {
      const padded = new Uint8Array(offset + 6);
      padded.set(bytes, offset);
      const mac = macFromBytes(padded, offset);
      assert.equal(parseMac(mac), mac);
      assert.deepEqual(macToBytes(mac), bytes);
      assert.equal(isGroupMac(mac), (bytes[0]! & 1) === 1);
    }));
  });

  it('constants', () => {
    assert.deepEqual(macToBytes(broadcastMac), new Uint8Array(6).fill(255));
    assert.deepEqual(macToBytes(zeroMac), new Uint8Array(6));
  });
});

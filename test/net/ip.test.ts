import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type IpAddress, type Prefix, compareIp, familyOf, hostPrefix, ip, ipFromBytes, ipToBytes, ipv4FromNumber, ipv4ToNumber, isHostPrefix,
  isIpv4, isLinkLocal, isUnusable, makePrefix, parseIp, parsePrefix, prefixAddress, prefixContains, prefixLength,
} from '../../net/ip.ts';

const octets4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
/** Many zero groups, so that compression is exercised. */
const octets16 = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255])));
const isMapped = (bytes: Uint8Array): boolean => bytes.subarray(0, 10).every((octet) => octet === 0) && bytes[10] === 255 && bytes[11] === 255;

/** Slow models over BigInt. */
function toBigInt(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n);
}

describe('parseIp', () => {
  for (const text of ['0.0.0.0', '203.0.113.11', '255.255.255.255', '::', '::1', '2001:db8::1', 'fe80::1', 'ff02::1', '1:2:3:4:5:6:7:8']) {
    it(`takes ${text} as it is`, () => {
      assert.equal(parseIp(text), text);
    });
  }

  // RFC 5952 section 4 and the examples of its section 5.
  const spellings: [string, string][] = [
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:DB8::A', '2001:db8::a'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:0:0:0:0:0:0', '1::'],
  ];
  for (const [written, canonical] of spellings) {
    it(`spells ${written} as ${canonical}`, () => {
      assert.equal(parseIp(written), canonical);
    });
  }

  const refused = [
    '', ' ', '1', '1.2.3', '1.2.3.4.5', '256.0.0.1', '01.2.3.4', '1.2.3.04', '0x7f.0.0.1', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.4/32', '1.2.3.-4',
    '1..3.4', '٣.2.3.4', 'localhost', ':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', 'g::', 'fe80::1%eth0', '[::1]',
    '::ffff:1.2.3.4', '::ffff:102:304', '2001:db8::/64', '2001:db8::1\n', '1.2.3.4\n',
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.equal(parseIp(text), undefined);
    });
  }

  it('never throws', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:.%/]{0,45}$/)), (text) => {
      const parsed = parseIp(text);
      if (parsed !== undefined) assert.equal(parseIp(parsed), parsed);
    }));
  });

  it('ip() throws where parseIp() gives undefined', () => {
    assert.throws(() => ip('nonsense'), TypeError);
  });
});

describe('octets and text', () => {
  it('IPv4 there and back', () => {
    fc.assert(fc.property(octets4, (bytes) => {
      const address = ipFromBytes(bytes, 0, 4);
      assert.equal(parseIp(address), address);
      assert.deepEqual(ipToBytes(address), bytes);
    }));
  });

  it('IPv6 there and back, at any offset, in the one spelling that parseIp gives', () => {
    fc.assert(fc.property(octets16, fc.integer({ min: 0, max: 3 }), (bytes, offset) => {
      const padded = new Uint8Array(offset + 16);
      padded.set(bytes, offset);
      const address = ipFromBytes(padded, offset, 16);
      assert.deepEqual(ipToBytes(address), bytes);
      const full = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16).padStart(4, '0')).join(':');
      if (!isMapped(bytes)) assert.equal(parseIp(full), address);
    }), { numRuns: 500 });
  });

  it('IPv4 as a number', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 0xffffffff }), (value) => {
      assert.equal(ipv4ToNumber(ipv4FromNumber(value)), value);
    }));
    assert.equal(ipv4FromNumber(0xc0000211), '192.0.2.17');
  });

  it('compareIp orders by value, IPv4 first', () => {
    const sorted = ['10.0.0.9', '10.0.0.10', '192.0.2.1', '::1', '2001:db8::9', '2001:db8::10'].map(ip);
    assert.deepEqual([...sorted].reverse().sort(compareIp), sorted);
    assert.equal(compareIp(ip('::1'), ip('::1')), 0);
  });
});

describe('kinds of addresses', () => {
  const rows: [string, { unusable: boolean; linkLocal: boolean }][] = [
    ['0.0.0.0', { unusable: true, linkLocal: false }],
    ['0.1.2.3', { unusable: true, linkLocal: false }],
    ['127.0.0.1', { unusable: true, linkLocal: false }],
    ['223.255.255.255', { unusable: false, linkLocal: false }],
    ['224.0.0.1', { unusable: true, linkLocal: false }],
    ['255.255.255.255', { unusable: true, linkLocal: false }],
    ['203.0.113.11', { unusable: false, linkLocal: false }],
    ['::', { unusable: true, linkLocal: false }],
    ['::1', { unusable: true, linkLocal: false }],
    ['::2', { unusable: false, linkLocal: false }],
    ['fe80::1', { unusable: false, linkLocal: true }],
    ['febf::1', { unusable: false, linkLocal: true }],
    ['fec0::1', { unusable: false, linkLocal: false }],
    ['ff02::1', { unusable: true, linkLocal: false }],
    ['2001:db8::1', { unusable: false, linkLocal: false }],
  ];
  for (const [text, expected] of rows) {
    it(text, () => {
      const address = ip(text);
      assert.equal(isUnusable(address), expected.unusable);
      assert.equal(isLinkLocal(address), expected.linkLocal);
      assert.equal(isIpv4(address), !text.includes(':'));
      assert.equal(familyOf(address), text.includes(':') ? 'ipv6-unicast' : 'ipv4-unicast');
    });
  }
});

describe('prefixes', () => {
  for (const text of ['0.0.0.0/0', '203.0.113.0/24', '203.0.113.11/32', '::/0', '2001:db8:100::/64', '2001:db8::1/128', '128.0.0.0/1']) {
    it(`takes ${text}`, () => {
      assert.equal(parsePrefix(text), text);
    });
  }

  for (const text of ['203.0.113.1/24', '2001:db8::1/64', '1.2.3.4', '1.2.3.4/33', '::/129', '1.2.3.4/', '1.2.3.4/-1', '/24', '1.2.3.0/24/24', '1.2.3.0/0024', '']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.equal(parsePrefix(text), undefined);
    });
  }

  it('spells IPv6 canonically', () => {
    assert.equal(parsePrefix('2001:DB8:0::/48'), '2001:db8::/48');
  });

  it('masks and contains as arithmetic says, in both families', () => {
    const either = fc.oneof(octets4, octets16);
    fc.assert(fc.property(either, either, fc.nat(128), (a, b, wish) => {
      const bits = a.length * 8;
      const length = Math.min(wish, bits);
      const address = ipFromBytes(a, 0, a.length as 4 | 16);
      const prefix = makePrefix(address, length);
      assert.equal(prefixLength(prefix), length);
      const shift = BigInt(bits - length);
      assert.equal(toBigInt(ipToBytes(prefixAddress(prefix))), (toBigInt(a) >> shift) << shift);
      const other = ipFromBytes(b, 0, b.length as 4 | 16);
      const expected = a.length === b.length && toBigInt(a) >> shift === toBigInt(b) >> shift;
      assert.equal(prefixContains(prefix, other), expected);
      assert.equal(prefixContains(prefix, address), true);
      assert.equal(isHostPrefix(prefix), length === bits);
    }), { numRuns: 500 });
  });

  it('hostPrefix', () => {
    assert.equal(hostPrefix(ip('192.0.2.1')), '192.0.2.1/32');
    assert.equal(hostPrefix(ip('2001:db8::1')), '2001:db8::1/128');
    assert.equal(familyOf('2001:db8::/32' as Prefix), 'ipv6-unicast');
    assert.equal(prefixContains('::/0' as Prefix, '1.2.3.4' as IpAddress), false);
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { checksum, decodeEchoReply, encodeEcho, type EchoFamily } from '../../../src/probe/echo.ts';

const token = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const identifier = 0xabcd;

/** What comes back: type changed, for IPv4 behind an IP header of `words` words. */
function replyTo(family: EchoFamily, request: Uint8Array, words = 5): Uint8Array {
  const echo = request.slice();
  echo[0] = family === 'ipv4' ? 0 : 129;
  if (family === 'ipv6') return echo;
  const header = new Uint8Array(words * 4);
  header[0] = 0x40 | words;
  return Uint8Array.of(...header, ...echo);
}

describe('echo', () => {
  it('has the checksum of RFC 1071', () => {
    assert.equal(checksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)), ~0xddf2 & 0xffff);   // its own example, section 3
    const request = encodeEcho('ipv4', identifier, token, 70_000);
    assert.equal(checksum(request), 0, 'summed with its checksum, a packet gives zero');
  });

  for (const family of ['ipv4', 'ipv6'] as const) {
    it(`reads its own sequence back, beyond 16 bits too (${family})`, () => {
      for (const sequence of [0, 1, 65_535, 65_536, 4_000_000_000]) {
        assert.equal(decodeEchoReply(family, replyTo(family, encodeEcho(family, identifier, token, sequence)), identifier, token), sequence);
      }
    });

    it(`takes nobody else's (${family})`, () => {
      const request = encodeEcho(family, identifier, token, 7);
      const reply = replyTo(family, request);
      const start = reply.length - request.length;
      assert.equal(decodeEchoReply(family, reply, identifier + 1, token), undefined);
      assert.equal(decodeEchoReply(family, reply, identifier, token.map((octet) => octet ^ 1)), undefined);
      for (const [at, octet] of [[0, family === 'ipv4' ? 8 : 128], [0, 3], [1, 1], [7, 8]] as const) {
        const changed = reply.slice();
        changed[start + at] = octet;
        assert.equal(decodeEchoReply(family, changed, identifier, token), undefined, `${at}`);
      }
    });

    it(`is total (${family})`, () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => decodeEchoReply(family, bytes, identifier, token) === undefined));
      const reply = replyTo(family, encodeEcho(family, identifier, token, 7));
      for (let length = 0; length < reply.length; length++) assert.equal(decodeEchoReply(family, reply.subarray(0, length), identifier, token), undefined);
    });
  }

  it('steps over IP options', () => assert.equal(decodeEchoReply('ipv4', replyTo('ipv4', encodeEcho('ipv4', identifier, token, 7), 8), identifier, token), 7));
});

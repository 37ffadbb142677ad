import assert from 'node:assert/strict';
import { decodeAll, keepalive, message, open, update } from './build.ts';

const text = (...lines: readonly string[]): Uint8Array => Buffer.from(`${lines.join('\n')}\n`);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('decode: lines of hex', () => {
  it('takes separators, 0x, comments, a missing marker, and several messages on a line', () => {
    const lines = decodeAll(text(
      '# two ways to write a KEEPALIVE', hex(keepalive).replace(/../g, '$&:').slice(0, -1), hex(keepalive).replace(/../g, '0x$& '), `  ${hex(keepalive).toUpperCase()}\r`,
      '001304  # without its marker', '', hex(keepalive).repeat(2),
    ));
    assert.deepEqual(lines.map(({ line, type, error }) => [line, type, error]), [2, 3, 4, 5, 7, 7].map((line) => [line, 'KEEPALIVE', undefined]));
  });

  it('takes a message without its marker for no frame, whatever its octets are', () => {
    const withdrawal = '002602000f200a000001200a080602200a0000030000';
    const [line] = decodeAll(Buffer.from(withdrawal));
    assert.deepEqual([line.type, line.withdrawn], ['UPDATE', ['10.0.0.1/32', '10.8.6.2/32', '10.0.0.3/32']]);
  });

  it('fails no line for another', () => {
    const bad = Buffer.from(keepalive);
    bad[0] = 0;
    const lines = decodeAll(text('hello', 'abc', hex(bad), hex(keepalive).slice(0, 20), hex(keepalive)));
    assert.deepEqual(lines.map(({ error }) => [error?.code, error?.subcode, error?.offset, error?.text !== undefined]), [
      [undefined, undefined, undefined, true], [undefined, undefined, undefined, true], [1, 1, 0, true], [1, 2, 10, true], [undefined, undefined, undefined, false],
    ]);
    assert.equal(lines[4].type, 'KEEPALIVE');
  });

  it('reads ASNs of 4 octets with --as4, and after OPENs that agreed on them', () => {
    const wide = hex(update(4_200_000_017));
    const narrow = decodeAll(text(wide))[0];
    assert.deepEqual([narrow.error.code, narrow.error.subcode, narrow.error.offset], [3, 11, 27]);
    const path = [{ type: 'AS_SEQUENCE', asns: [4_200_000_017] }];
    assert.deepEqual(decodeAll(text(wide), { as4: true })[0].attributes.AS_PATH, path);
    assert.deepEqual(decodeAll(text(hex(open(65010)), hex(open(65010)), wide))[2].attributes.AS_PATH, path);
  });

  it('shows what it knows of a malformed UPDATE, and octets that it does not know in hex', () => {
    const good = Buffer.from(update(65010));
    const at = good.indexOf(Buffer.from('400101', 'hex'));
    good[at + 3] = 9; // ORIGIN 9
    const [line] = decodeAll(text(hex(good)), { as4: true });
    assert.deepEqual([line.error.code, line.error.subcode, line.error.offset], [3, 6, at]);
    assert.deepEqual([line.attributes.ORIGIN, line.attributes.LOCAL_PREF, line.nlri], [9, 200, ['203.0.113.11/32']]);
  });

  it('names capabilities, and keeps others in hex', () => {
    const capabilities = [
      { type: 'multiprotocol', afi: 2, safi: 1 }, { type: 'unknown', code: 69, value: Uint8Array.of(0, 1, 1, 3) }, { type: 'unknown', code: 9, value: Uint8Array.of(3) },
      { type: 'unknown', code: 71, value: Uint8Array.of(0, 1, 1, 128, 0, 1, 0) }, { type: 'unknown', code: 200, value: Uint8Array.of(7) }, { type: 'unknown', code: 6, value: Uint8Array.of() },
    ] as const;
    assert.deepEqual(decodeAll(text(hex(open(65010, capabilities))))[0].capabilities, [
      { code: 1, name: 'Multiprotocol Extensions', afi: 2, safi: 1, family: 'ipv6-unicast' },
      { code: 69, name: 'ADD-PATH', families: [{ afi: 1, safi: 1, family: 'ipv4-unicast', mode: 'both' }] },
      { code: 9, name: 'BGP Role', role: 'Customer' },
      { code: 71, name: 'Long-Lived Graceful Restart', families: [{ afi: 1, safi: 1, family: 'ipv4-unicast', forwardingState: true, staleTimeSeconds: 256 }] },
      { code: 200, hex: '07' },
      { code: 6, name: 'Extended Message' },
    ]);
  });

  it('shows the words of a NOTIFICATION', () => {
    const [line] = decodeAll(text(hex(message({ type: 'NOTIFICATION', code: 6, subcode: 2, data: Buffer.from('\x05hello', 'latin1') }))));
    assert.deepEqual([line.type, line.code, line.subcode, line.shutdownCommunication], ['NOTIFICATION', 6, 2, 'hello']);
  });

  it('gives up a line without an end instead of keeping it', () => {
    const lines = decodeAll(Buffer.concat([Buffer.alloc(3_000_000, 0x61), text('', hex(keepalive))]));
    assert.match(lines[0].error.text, /longer than/);
    assert.equal(lines[1].type, 'KEEPALIVE');
  });
});

const u16 = (value: number): number[] => [value >> 8, value & 255];
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value & 0xffff)];
function record(type: number, subtype: number, body: readonly number[], seconds = 1_764_000_000): Buffer {
  return Buffer.from([...u32(seconds), ...u16(type), ...u16(subtype), ...u32(body.length), ...body]);
}
const peers4 = [...u32(65010), ...u32(65011), 0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 17];

describe('decode: MRT', () => {
  it('gives messages with their ends, time and AS width', () => {
    const [line, extended, narrow] = decodeAll(Buffer.concat([
      record(16, 4, [...peers4, ...update(4_200_000_017)]),
      record(17, 4, [...u32(250_000), ...peers4, ...keepalive]),
      record(16, 1, [...u16(65010), ...u16(65011), 0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 17, ...update(65020, '203.0.113.11/32', { fourOctetAs: false, ibgp: true, maxMessageLength: 4096 })]),
    ]));
    assert.deepEqual([line.record, line.time, line.from, line.to, line.type], [1, '2025-11-24T16:00:00.000Z', { address: '192.0.2.1', asn: 65010 }, { address: '192.0.2.17', asn: 65011 }, 'UPDATE']);
    assert.deepEqual(line.attributes.AS_PATH[0].asns, [4_200_000_017]);
    assert.equal(line.error, undefined);
    assert.deepEqual([extended.time, extended.type], ['2025-11-24T16:00:00.250Z', 'KEEPALIVE']);
    assert.deepEqual([narrow.attributes.AS_PATH[0].asns, narrow.error], [[65020], undefined]);
  });

  it('gives state changes', () => {
    const [line] = decodeAll(record(16, 5, [...peers4, ...u16(3), ...u16(6)]));
    assert.deepEqual([line.type, line.fromState, line.toState], ['STATE_CHANGE', 'Active', 'Established']);
  });

  it('gives a line for each route of a table, with the peer it came from', () => {
    const table = record(13, 1, [10, 0, 0, 1, ...u16(4), ...Buffer.from('view'), ...u16(2),
      2, 192, 0, 2, 1, 192, 0, 2, 1, ...u32(65010), 3, 192, 0, 2, 2, ...Buffer.from('20010db8000000000000000000000002', 'hex'), ...u32(4_200_000_017)]);
    const attributes = [0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, ...u32(4_200_000_017), 0x80, 14, 17, 16, ...Buffer.from('20010db8000000000000000000000002', 'hex')];
    const rib = record(13, 4, [...u32(7), 32, 0x20, 0x01, 0x0d, 0xb8, ...u16(2), ...u16(1), ...u32(1_764_000_000), ...u16(attributes.length), ...attributes, ...u16(9), ...u32(0), ...u16(0)]);
    const [index, first, second] = decodeAll(Buffer.concat([table, rib]), { size: 11 });
    assert.deepEqual([index.type, index.view, index.peers.length], ['PEER_INDEX_TABLE', 'view', 2]);
    assert.deepEqual([first.type, first.sequence, first.prefix, first.peer.asn, first.originatedAt], ['RIB_IPV6_UNICAST', 7, '2001:db8::/32', 4_200_000_017, '2025-11-24T16:00:00.000Z']);
    assert.deepEqual([first.attributes.AS_PATH[0].asns, first.attributes.MP_REACH_NLRI], [[4_200_000_017], { nextHop: ['2001:db8::2'] }]);
    assert.deepEqual([second.peer, second.attributes], [{ index: 9 }, {}]);
  });

  it('tells of a record that is cut short, and goes on; of a damaged file, and ends', () => {
    const lines = decodeAll(Buffer.concat([record(16, 4, peers4.slice(0, 9)), record(16, 4, [...peers4, ...keepalive]), record(99, 0, [1]), record(16, 4, [...peers4, ...keepalive])]));
    assert.deepEqual(lines.map(({ type, error }) => [type, error !== undefined]), [['MRT 16/4', true], ['KEEPALIVE', false], [null, true]]);
  });
});

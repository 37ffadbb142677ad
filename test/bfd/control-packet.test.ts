import assert from 'node:assert/strict';
import fc from 'fast-check';
import { findBfdSession } from '../../bfd/demultiplex.ts';
import { parseBfdOrder, parseBfdReport } from '../../bfd/orders.ts';
import { bfdStates, decodeControlPacket, encodeControlPacket, type ControlPacket } from '../../bfd/wire/control-packet.ts';
import { ip } from '../../net/ip.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const packets: fc.Arbitrary<ControlPacket> = fc.record({
  diagnostic: fc.integer({ min: 0, max: 31 }), state: fc.constantFrom(...bfdStates), poll: fc.boolean(), final: fc.boolean(), controlPlaneIndependent: fc.boolean(),
  demand: fc.boolean(), detectMultiplier: fc.integer({ min: 1, max: 255 }), myDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
  yourDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }), desiredMinTxUs: u32, requiredMinRxUs: u32, requiredMinEchoRxUs: u32,
}, { noNullPrototype: true });
// FRR 8.4 in state Down: diagnostic 0, C bit clear, Detect Mult 3, 1 s, 300 ms, echo 50 ms.
const fromFrr = Uint8Array.from(Buffer.from('20400318a1b2c3d400000000000f4240000493e00000c350', 'hex'));

describe('the BFD control packet', () => {
  it('is read field by field', () => {
    assert.deepEqual(decodeControlPacket(fromFrr), {
      diagnostic: 0, state: 'Down', poll: false, final: false, controlPlaneIndependent: false, demand: false, detectMultiplier: 3, myDiscriminator: 0xa1b2c3d4,
      yourDiscriminator: 0, desiredMinTxUs: 1_000_000, requiredMinRxUs: 300_000, requiredMinEchoRxUs: 50_000,
    });
  });

  it('comes out as it went in', () => fc.assert(fc.property(packets, (packet) => assert.deepEqual(decodeControlPacket(encodeControlPacket(packet)), packet))));
  it('any octets give a packet or nothing', () => fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void decodeControlPacket(bytes)), { numRuns: 2000 }));

  const changed = (at: number, value: number): Uint8Array => Uint8Array.from(fromFrr, (octet, i) => (i === at ? value : octet));
  const discarded: Record<string, Uint8Array> = {
    'version 0': changed(0, 0x00), 'version 2': changed(0, 0x40), 'a length below 24': changed(3, 23), 'a length beyond the datagram': changed(3, 25),
    'Detect Mult 0': changed(2, 0), 'the M bit': changed(1, 0x41), 'the A bit without authentication': changed(1, 0x44),
    'My Discriminator 0': Uint8Array.from(fromFrr, (octet, i) => (i >= 4 && i < 8 ? 0 : octet)), 'Init without Your Discriminator': changed(1, 0x80),
    'Up without Your Discriminator': changed(1, 0xc0), 'a datagram that is too short': fromFrr.subarray(0, 23), 'an empty datagram': new Uint8Array(0),
  };
  for (const [what, bytes] of Object.entries(discarded)) it(`is discarded: ${what} (RFC 5880 section 6.8.6)`, () => assert.equal(decodeControlPacket(bytes), undefined));
  it('may have octets behind its length', () => assert.notEqual(decodeControlPacket(Uint8Array.of(...fromFrr, 1, 2)), undefined));
});

describe('which BFD session a packet is for', () => {
  const [a, b] = [ip('192.0.2.1'), ip('fe80::1')];
  const sessions = [{ address: a, discriminator: 7 }, { address: b, interface: 'eth0', discriminator: 8 }, { address: b, interface: 'eth1', discriminator: 9 }];
  const packet = decodeControlPacket(fromFrr) as ControlPacket;
  const find = (yourDiscriminator: number, address: typeof a, link = 'eth0', ttl = 255): number | undefined =>
    findBfdSession(sessions, { ...packet, yourDiscriminator }, { address, ttl }, (name) => name === link)?.discriminator;
  it('by address at first', () => assert.equal(find(0, a), 7));
  it('by address and interface', () => assert.deepEqual([find(0, b, 'eth0'), find(0, b, 'eth1'), find(0, b, 'eth2')], [8, 9, undefined]));
  it('by discriminator, and only from the session\'s address', () => assert.deepEqual([find(7, a), find(7, b), find(6, a), find(9, b, 'eth1')], [7, undefined, undefined, 9]));
  it('none with a TTL below 255 (RFC 5881 section 5)', () => assert.deepEqual([find(7, a, 'eth0', 254), find(7, a, 'eth0', -1)], [undefined, undefined]));
});

describe('orders and reports of BFD', () => {
  const neighbor = { name: 'tor-a', address: '192.0.2.1', minTxMs: 300, minRxMs: 300, multiplier: 3 };
  const order = (change: object, more: readonly object[] = []): unknown => parseBfdOrder(JSON.stringify({ neighbors: [{ ...neighbor, ...change }, ...more], lingerSeconds: 90 }));
  it('are read', () => assert.deepEqual(order({ interface: 'eth0', sourceAddress: '192.0.2.2' }), { neighbors: [{ ...neighbor, interface: 'eth0', sourceAddress: '192.0.2.2' }], lingerSeconds: 90 }));
  for (const change of [{ name: '' }, { address: '192.0.2.300' }, { address: 5 }, { minTxMs: 0 }, { minRxMs: '300' }, { multiplier: 0 }, { multiplier: 1.5 }, { interface: '../x' }, { sourceAddress: 'x' }]) {
    it(`are refused: ${JSON.stringify(change)}`, () => assert.equal(order(change), undefined));
  }
  it('are refused: a name twice', () => assert.equal(order({}, [neighbor]), undefined));
  it('never throw', () => fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (line) => void [parseBfdOrder(line), parseBfdReport(line)])));
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Announcement, type NoAnnouncement, parseAnnouncement } from '../../garp/announcement.ts';
import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { ipFromBytes, isLinkLocal, isUnusable } from '../../net/ip.ts';
import { isGroupMac, macFromBytes, zeroMac } from '../../net/mac.ts';

const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => macFromBytes(Uint8Array.of((bytes[0]! & 0xfe) | 2, ...bytes.subarray(1))));
const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => ipFromBytes(bytes, 0, 4)).filter((address) => !isUnusable(address));
const ipv6 = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => ipFromBytes(bytes, 0, 16))
  .filter((address) => !isUnusable(address) && !isLinkLocal(address) && !address.startsWith('::'));
const vlan = fc.integer({ min: 0, max: 4094 });

const frame = fc.oneof(
  fc.tuple(mac, vlan).map(([m, v]) => rarpFrame(m, { vlan: v })),
  fc.tuple(mac, ipv4, vlan, fc.constantFrom('request' as const, 'reply' as const)).map(([m, a, v, form]) => garpFrame(m, a, { vlan: v, form })),
  fc.tuple(mac, ipv6, vlan).map(([m, a, v]) => naFrame(m, a, { vlan: v })),
);

/** A few octets changed: near to valid, where the bugs are. */
const damaged = fc
  .tuple(frame, fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 4 }), fc.nat(110))
  .map(([bytes, changes, length]) => {
    const copy = bytes.slice();
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
    return copy.subarray(0, Math.min(copy.length, length + 10));
  });

const tag = fc.option(fc.record({ tpid: fc.constantFrom(0x8100, 0x88a8, 0, 0xffff), tci: fc.integer({ min: 0, max: 0xffff }) }), { nil: undefined });

function parse(bytes: Uint8Array, taken?: { tpid: number; tci: number }): Announcement | NoAnnouncement {
  return parseAnnouncement(taken === undefined ? { bytes } : { bytes, tag: taken });
}

function isSound(answer: Announcement | NoAnnouncement, bytes: Uint8Array): void {
  if (answer.type === 'ignored') {
    assert.match(answer.reason, /^[\x20-\x7e]{3,60}$/);
    assert.match(answer.kind, /^[a-z0-9-]{2,12}$/);
    return;
  }
  assert.equal(answer.mac, macFromBytes(bytes, 6));
  assert.ok(!isGroupMac(answer.mac) && answer.mac !== zeroMac);
  assert.ok(answer.vlan >= 0 && answer.vlan <= 4094);
  assert.equal(answer.address === undefined, answer.kind === 'rarp');
  if (answer.address !== undefined) assert.ok(!isUnusable(answer.address) && !isLinkLocal(answer.address));
}

describe('parseAnnouncement', () => {
  it('any octets give an answer', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), tag, (bytes, taken) => isSound(parse(bytes, taken), bytes)), { numRuns: 1000 });
  });

  it('damaged announcements give an answer, and never a false MAC', () => {
    fc.assert(fc.property(damaged, tag, (bytes, taken) => isSound(parse(bytes, taken), bytes)), { numRuns: 3000 });
  });

  it('reads what a VM sends, tag in the octets or taken out', () => {
    fc.assert(fc.property(mac, ipv4, ipv6, vlan, (m, v4, v6, v) => {
      const expected: [Uint8Array, Announcement][] = [
        [rarpFrame(m, { vlan: v }), { type: 'announcement', kind: 'rarp', mac: m, vlan: v }],
        [garpFrame(m, v4, { vlan: v }), { type: 'announcement', kind: 'garp', mac: m, vlan: v, address: v4 }],
        [garpFrame(m, v4, { vlan: v, form: 'reply' }), { type: 'announcement', kind: 'garp', mac: m, vlan: v, address: v4 }],
        [naFrame(m, v6, { vlan: v }), { type: 'announcement', kind: 'na', mac: m, vlan: v, address: v6 }],
      ];
      for (const [bytes, announcement] of expected) {
        assert.deepEqual(parse(bytes), announcement);
        const bare = v === 0 ? bytes : Uint8Array.of(...bytes.subarray(0, 12), ...bytes.subarray(16));
        assert.deepEqual(parse(bare, { tpid: 0x8100, tci: 0xa000 | v }), announcement);
      }
    }));
  });

  it('any one bit wrong in an NA is noticed', () => {
    // The checksum, the hop limit or the Ethernet source: something always tells.
    fc.assert(fc.property(mac, ipv6, fc.integer({ min: 14, max: 85 }), fc.nat(7), (m, address, at, bit) => {
      const bytes = naFrame(m, address);
      bytes[at] = bytes[at]! ^ (1 << bit);
      const answer = parse(bytes);
      // Traffic class and flow label are covered by nothing.
      if (answer.type === 'announcement') assert.ok(at >= 14 && at < 18, `octet ${at}`);
    }), { numRuns: 1000 });
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { endOfRibFamily, packUpdates, routesOf } from '../../bgp/pack-updates.ts';
import type { RouteChange } from '../../bgp/route.ts';
import { decodeMessage } from '../../bgp/wire/message.ts';
import type { UpdateMessage } from '../../bgp/wire/messages.ts';
import { applyUpdate, endOfRibOf, newAdjRib, routesAtMost, updatesOf, type AdjRib } from '../../feeds/adj-rib.ts';
import { familyKey } from '../../feeds/conversation.ts';
import { ip, type Prefix } from '../../net/ip.ts';
import { hex, octets, update } from '../bgp/wire/build.ts';
import { context, encode } from './talk.ts';

const none: ReadonlySet<number> = new Set();
const read = (bytes: Uint8Array): UpdateMessage => decodeMessage(bytes, context) as UpdateMessage;

/** What a rib says, as text by prefix. */
function contentOf(rib: AdjRib): Map<string, string> {
  const content = new Map<string, string>();
  for (const bytes of updatesOf(rib)) {
    for (const change of routesOf(read(bytes))) {
      assert.equal(change.type, 'announce');
      if (change.type === 'announce') content.set(change.route.prefix, JSON.stringify(change.route.attributes));
    }
  }
  return content;
}

const prefix = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 40 })).map(([v4, n]) => (v4 ? `203.0.113.${n}/32` : `2001:db8::${n.toString(16)}/128`) as Prefix);
const change = fc.record({ prefix, med: fc.option(fc.integer({ min: 0, max: 3 })) });

describe('a table of what was told', () => {
  it('has after any UPDATEs what they add up to, and tells it in messages that say the same', () => {
    fc.assert(fc.property(fc.array(fc.array(change, { maxLength: 20 }), { maxLength: 10 }), (batches) => {
      const rib = newAdjRib();
      const expected = new Map<string, string>();
      for (const batch of batches) {
        const changes = batch.map(({ prefix, med }): RouteChange => (med === null ? { type: 'withdraw', prefix } : {
          type: 'announce', route: { prefix, attributes: { origin: 'IGP', asPath: [], nextHop: ip(prefix.includes(':') ? '2001:db8::9' : '192.0.2.9'), med, localPref: 100, communities: [], largeCommunities: [] } },
        }));
        for (const message of packUpdates(changes, { context, localAsn: 65_010, families: ['ipv4-unicast', 'ipv6-unicast'], peerType: 'ebgp' })) {
          const bytes = encode(message);
          applyUpdate(rib, bytes, none);
          for (const one of routesOf(read(bytes))) {
            if (one.type === 'withdraw') expected.delete(one.prefix);
            else expected.set(one.route.prefix, JSON.stringify(one.route.attributes));
          }
        }
      }
      assert.deepEqual(contentOf(rib), expected);
      assert.equal(rib.routes, expected.size);
    }), { numRuns: 200 });
  });

  it('keeps attributes that nobody here understands, octet for octet', () => {
    const rib = newAdjRib();
    const odd = 'e0f0 03 010203';
    applyUpdate(rib, update('', `400101 00 400200 400304 c0000209 ${odd}`, '20cb007101'), none);
    assert.deepEqual([...updatesOf(rib)].map(hex), [hex(update('', `400101 00 400200 400304 c0000209 ${odd}`, '20cb007101'))]);
  });

  it('puts routes of one UPDATE into one again, split where a message is full', () => {
    const rib = newAdjRib();
    for (let i = 0; i < 3; i++) {
      const nlri = Array.from({ length: 700 }, (_, n) => `20${(0x0a000000 + i * 700 + n).toString(16).padStart(8, '0')}`).join('');
      applyUpdate(rib, update('', '40010100 400200 400304c0000209', nlri), none);
    }
    const messages = [...updatesOf(rib)];
    assert.ok(messages.length <= 3 && messages.every(({ length }) => length <= 4096), messages.map(({ length }) => length).join());
    assert.equal(contentOf(rib).size, 2100);
  });

  it('tells routes by path identifier where there are some', () => {
    const rib = newAdjRib();
    const ipv4 = new Set([familyKey(1, 1)]);
    applyUpdate(rib, update('', '40010100 400200 400304c0000209', '00000001 20cb007101 00000002 20cb007101'), ipv4);
    assert.equal(rib.routes, 2);
    applyUpdate(rib, update('00000001 20cb007101', '', ''), ipv4);
    assert.deepEqual([...updatesOf(rib)].map(hex), [hex(update('', '40010100 400200 400304c0000209', '00000002 20cb007101'))]);
  });

  it('is not disturbed by what can not be read, and has a bound', () => {
    const rib = newAdjRib();
    const whole = update('', '40010100 400200 400304c0000209', '20cb007101');
    for (let cut = 19; cut < whole.length; cut++) applyUpdate(rib, whole.subarray(0, cut), none);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => applyUpdate(rib, Uint8Array.of(...whole.subarray(0, 19), ...bytes), none)));
    rib.routes = routesAtMost;
    const before = rib.refused;
    applyUpdate(rib, update('', '40010100 400200 400304c0000209', '20 01020304'), none);
    assert.deepEqual([rib.routes, rib.refused], [routesAtMost, before + 1]);
  });

  it('keeps nothing of the octets that it was given', () => {
    for (const message of [update('', '40010100 400200 400304c0000209', '20cb007101'), update('', '800e1e 0002 01 10 20010db8000000000000000000000009 00 40 20010db800000001 40010100 400200', '')]) {
      const rib = newAdjRib();
      const given = Buffer.from(message);
      applyUpdate(rib, given, none);
      const before = [...updatesOf(rib)].map(hex);
      given.fill(0x55);
      assert.deepEqual([...updatesOf(rib)].map(hex), before);
      assert.equal(rib.routes, 1);
    }
  });

  it('may change while it is told', () => {
    const rib = newAdjRib();
    const attributes = (med: number): string => `40010100 400200 400304c0000209 800404 0000000${med}`;
    for (let med = 0; med < 5; med++) applyUpdate(rib, update('', attributes(med), `20cb00710${med}`), none);
    const told: string[] = [];
    for (const bytes of updatesOf(rib)) {
      told.push(routesOf(read(bytes)).map((each) => (each.type === 'announce' ? each.route.prefix : '')).join());
      if (told.length === 1) applyUpdate(rib, update('20cb007103', '', ''), none);
    }
    assert.deepEqual(told, ['203.0.113.0/32', '203.0.113.1/32', '203.0.113.2/32', '203.0.113.4/32']);
  });

  it('ends a family as RFC 4724 says', () => {
    assert.deepEqual([familyKey(1, 1), familyKey(2, 1)].map((family) => endOfRibFamily(read(endOfRibOf(family)))), ['ipv4-unicast', 'ipv6-unicast']);
    assert.equal(hex(endOfRibOf(familyKey(2, 1))), hex(octets(`${'ff'.repeat(16)} 001d 02 0000 0006 800f03 0002 01`)));
  });
});

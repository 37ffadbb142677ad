import assert from 'node:assert/strict';
import fc from 'fast-check';
import { routesOf } from '../../bgp/pack-updates.ts';
import { decodeMessage } from '../../bgp/wire/message.ts';
import type { Capability, UpdateMessage } from '../../bgp/wire/messages.ts';
import { familyKey, follow } from '../../feeds/conversation.ts';
import { Framer } from '../../bgp/wire/framer.ts';
import type { Heard } from '../../feeds/sessions.ts';
import { message, update } from '../bgp/wire/build.ts';
import { context, encode, hearAll, keepalive, octets, open, opened, ours, theirs, upSession } from './talk.ts';

const route = update('', '40010100 400200 400304c0000209', '20cb007101');
const withdraw = update('20cb007101', '', '');
const cease = encode({ type: 'NOTIFICATION', code: 6, subcode: 2, data: new Uint8Array(0) });

describe('what is heard on the sessions', () => {
  it('is the same however the octets of the neighbour are sliced', () => {
    const stream = Buffer.concat([theirs, keepalive, route, withdraw, route]);
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: stream.length - 1 }), { maxLength: 12 }), (cuts) => {
      const places = [0, ...[...new Set(cuts)].sort((a, b) => a - b), stream.length];
      const { heard, sessions } = hearAll([opened, octets(true, Buffer.concat([ours, keepalive])), ...places.slice(1).map((end, i) => octets(false, stream.subarray(places[i], end)))]);
      assert.deepEqual(heard.filter(({ type }) => type !== 'message').map(({ type }) => type), ['up', 'update', 'update', 'update']);
      assert.equal(sessions.up.get(1)?.adjRibIn.routes, 1);
    }));
  });

  it('a session is up when both have said OPEN and KEEPALIVE, and not before; UPDATEs that came with it count', () => {
    const { heard, sessions } = hearAll([opened, octets(true, ours), octets(false, Buffer.concat([theirs, keepalive, route]))]);
    assert.deepEqual(heard.map(({ type }) => type), ['message', 'message', 'message', 'message']);
    const after = hearAll([octets(true, keepalive, 2000)], sessions).heard;
    assert.deepEqual(after.map(({ type }) => type), ['message', 'up', 'update']);
    assert.equal(sessions.up.get(1)?.upAtMs, 2000);
    assert.equal(sessions.up.get(1)?.adjRibIn.routes, 1);
  });

  it('an OPEN that is refused, or that can not be read, is no session', () => {
    assert.equal(hearAll([opened, octets(true, ours), octets(false, Buffer.concat([theirs, keepalive])), octets(true, cease), octets(true, keepalive)]).sessions.up.size, 0);
    const broken = Uint8Array.from(theirs);
    broken[28] = 200; // longer than it is
    assert.equal(hearAll([opened, octets(true, ours), octets(false, broken), octets(false, keepalive), octets(true, keepalive)]).sessions.up.size, 0);
  });

  it('knows who ended it, and with which words', () => {
    const endings = [
      [octets(true, cease), true, { by: 'us', notification: cease }],
      [octets(false, cease), false, { by: 'neighbour', notification: cease }],
      [undefined, true, { by: 'us' }],
      [undefined, false, { by: 'neighbour' }],
    ] as const;
    for (const [word, byUs, expected] of endings) {
      const { heard } = hearAll([...(word === undefined ? [] : [word]), { type: 'closed', connection: 1, byUs, atMs: 3000 }], upSession());
      const last = heard.at(-1);
      assert.equal(last?.type, 'down');
      if (last?.type === 'down') assert.deepEqual({ ...last.ending, ...(last.ending.notification === undefined ? {} : { notification: Buffer.from(last.ending.notification) }) }, 'notification' in expected ? { ...expected, notification: Buffer.from(expected.notification) } : expected);
    }
    assert.equal(hearAll([{ type: 'closed', connection: 1, byUs: true, atMs: 1 }, octets(false, route)]).heard.length, 0);
  });

  it('reads what both OPENs settled', () => {
    const paths = (sendReceive: number): Capability => ({ type: 'addPath', families: [{ afi: 1, safi: 1, sendReceive }, { afi: 2, safi: 1, sendReceive: 3 }] });
    const one = (asn: number, capabilities: Capability[]): Uint8Array => encode(open(asn, '192.0.2.9', capabilities));
    const settle = (a: Uint8Array, b: Uint8Array) => hearAll([opened, octets(true, Buffer.concat([a, keepalive])), octets(false, Buffer.concat([b, keepalive]))]).sessions.up.get(1)?.conversation.settled;
    assert.deepEqual(settle(one(65_010, [paths(1), { type: 'fourOctetAs', asn: 65_010 }]), one(65_001, [paths(2)])), {
      as4: false, families: [familyKey(1, 1)], identifier: '192.0.2.9',
      addPath: { sent: new Set([familyKey(2, 1)]), received: new Set([familyKey(1, 1), familyKey(2, 1)]) },
    });
    assert.deepEqual(settle(ours, theirs)?.families, [familyKey(1, 1), familyKey(2, 1)]);
    assert.equal(settle(ours, theirs)?.as4, true);
  });

  it('what a marked refresh does not name is withdrawn, and nothing else (RFC 7313)', () => {
    const v4 = (n: number): Uint8Array => update('', '40010100 400200 400304c0000209', `20cb0071${n.toString(16).padStart(2, '0')}`);
    const v6 = (n: number): Uint8Array => update('', `800e1e 0002 01 10 20010db8000000000000000000000009 00 40 20010db80000000${n} 40010100 400200`, '');
    const marker = (afi: number, subtype: number): Uint8Array => message(5, `000${afi}0${subtype}01`);
    const sessions = hearAll([...[1, 2, 3].flatMap((n) => [v4(n), v6(n)]), marker(1, 1), v4(2), v4(9), marker(2, 1), v6(1)].map((bytes) => octets(false, bytes)), upSession()).sessions;
    const gone = (heard: readonly Heard[]): string[] => heard.flatMap((each) => (each.type === 'update' ? routesOf(decodeMessage(each.bytes, context) as UpdateMessage).map((change) => (change.type === 'withdraw' ? change.prefix : '')) : []));
    assert.deepEqual(gone(hearAll([octets(false, marker(1, 2))], sessions).heard), ['203.0.113.1/32', '203.0.113.3/32']);
    assert.deepEqual(gone(hearAll([octets(false, marker(2, 2))], sessions).heard), ['2001:db8:0:2::/64', '2001:db8:0:3::/64']);
    assert.equal(sessions.up.get(1)?.adjRibIn.routes, 3);
    assert.deepEqual(hearAll([octets(false, marker(1, 2)), octets(false, marker(1, 0))], sessions).heard.map(({ type }) => type), ['message', 'message']);
  });

  it('a refresh of many routes that names none withdraws them all, in messages that are not too long', () => {
    const nlri = (from: number): string => Array.from({ length: 800 }, (_, n) => `20${(0x0a000000 + from + n).toString(16).padStart(8, '0')}`).join('');
    const sessions = hearAll([0, 800, 1600].map((from) => octets(false, update('', '40010100 400200 400304c0000209', nlri(from)))), upSession()).sessions;
    const { heard } = hearAll([octets(false, message(5, '00010101')), octets(false, message(5, '00010201'))], sessions);
    assert.equal(sessions.up.get(1)?.adjRibIn.routes, 0);
    for (const each of heard) if (each.type === 'update') assert.ok(each.bytes.length <= 4096);
  });

  it('a broken stream is followed no further, and nothing is thrown', () => {
    const { sessions } = hearAll([octets(false, new Uint8Array(64)), octets(false, route)], upSession());
    assert.equal(sessions.up.get(1)?.adjRibIn.routes, 0);
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (pieces) => void hearAll([opened, ...pieces.map((bytes) => octets(false, bytes))])));
  });

  it('may begin in the middle of a session, and of a message', () => {
    const sessions = upSession();
    const framer = new Framer().feed(route.subarray(0, 30)).framer;
    follow((sessions.up.get(1) as NonNullable<ReturnType<typeof sessions.up.get>>).conversation, framer);
    assert.deepEqual(hearAll([octets(false, route.subarray(30)), octets(true, route)], sessions).heard.map(({ type }) => type), ['message', 'update', 'message', 'update']);
  });
});

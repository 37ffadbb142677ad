import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Capability } from '../../bgp/wire/messages.ts';
import { familyKey, follow } from '../../feeds/conversation.ts';
import { Framer } from '../../bgp/wire/framer.ts';
import { update } from '../bgp/wire/build.ts';
import { encode, hearAll, keepalive, octets, open, opened, ours, theirs, upSession } from './talk.ts';

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

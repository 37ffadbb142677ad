import assert from 'node:assert/strict';
import { type LearnLimits, type LearnedPair, emptyLearnedPairs, expirePairs, forgetPair, hasRoom, learn, learnedOf, ownerOf } from '../../identity/learned.ts';
import { ip, ipv4FromNumber } from '../../net/ip.ts';
import { type Mac, parseMac } from '../../net/mac.ts';
import { db, pair, stranger, web } from './fixtures.ts';

const limits: LearnLimits = { perPort: 3, perMac: 2, inAll: 5, pinAfterMs: 1000 };
const addresses = (pairs: readonly LearnedPair[]): string[] => pairs.map(({ address }) => address);
const randomMac = (i: number): Mac => parseMac(`02:00:00:${((i >> 16) & 255).toString(16)}:${((i >> 8) & 255).toString(16)}:${(i & 255).toString(16)}`) as Mac;

describe('learn', () => {
  it('remembers a pair, and pins it when it is heard again after a while', () => {
    const learned = emptyLearnedPairs();
    assert.deepEqual(learn(learned, pair(web, '203.0.113.50'), 0, limits), { kept: true, gone: [] });
    assert.equal(ownerOf(learned, 'default', ip('203.0.113.50'))?.pinned, false);
    learn(learned, pair(web, '203.0.113.50'), 999, limits);
    assert.equal(ownerOf(learned, 'default', ip('203.0.113.50'))?.pinned, false);
    learn(learned, pair(web, '203.0.113.50'), 1000, limits);
    assert.deepEqual(ownerOf(learned, 'default', ip('203.0.113.50')), { ...pair(web, '203.0.113.50'), firstHeardMs: 0, lastHeardMs: 1000, pinned: true });
    assert.equal(learned.unpinned.size, 0);
  });

  it('another MAC takes an address over, unpinned', () => {
    const learned = emptyLearnedPairs();
    learn(learned, pair(web, '203.0.113.50'), 0, limits);
    learn(learned, pair(web, '203.0.113.50'), 2000, limits);
    const { kept, gone } = learn(learned, pair(db, '203.0.113.50'), 3000, limits);
    assert.equal(kept, true);
    assert.deepEqual(gone.map(({ mac }) => mac), [web]);
    assert.equal(ownerOf(learned, 'default', ip('203.0.113.50'))?.pinned, false);
    assert.deepEqual(learnedOf(learned, 'default', web), []);
  });

  it('the same MAC in another VLAN is another identity', () => {
    const learned = emptyLearnedPairs();
    learn(learned, pair(web, '203.0.113.50'), 0, limits);
    const { gone } = learn(learned, pair(web, '203.0.113.50', { vlan: 200 }), 0, limits);
    assert.deepEqual(gone.map(({ vlan }) => vlan), [100]);
  });

  it('VRFs are kept apart', () => {
    const learned = emptyLearnedPairs();
    learn(learned, pair(web, '203.0.113.50'), 0, limits);
    assert.deepEqual(learn(learned, pair(db, '203.0.113.50', { vrf: 'red' }), 0, limits).gone, []);
    assert.equal(ownerOf(learned, 'default', ip('203.0.113.50'))?.mac, web);
  });

  it('a full port gives up its own oldest unpinned pair', () => {
    const learned = emptyLearnedPairs();
    learn(learned, pair(web, '203.0.113.50', { ifindex: 12 }), 0, limits);
    for (let i = 0; i < 3; i++) learn(learned, pair(randomMac(i), `203.0.113.6${i}`), i, limits);
    const { kept, gone } = learn(learned, pair(randomMac(9), '203.0.113.69'), 9, limits);
    assert.equal(kept, true);
    assert.deepEqual(addresses(gone), ['203.0.113.60']);
    assert.equal(ownerOf(learned, 'default', ip('203.0.113.50'))?.mac, web);
    assert.equal(learned.evicted, 1);
  });

  it('a port full of pinned pairs takes no more', () => {
    const learned = emptyLearnedPairs();
    for (const atMs of [0, 2000]) for (let i = 0; i < 3; i++) learn(learned, pair(randomMac(i), `203.0.113.6${i}`), atMs, limits);
    assert.equal(hasRoom(learned, pair(randomMac(9), '203.0.113.69'), limits), false);
    assert.equal(hasRoom(learned, pair(randomMac(9), '203.0.113.69', { ifindex: 12 }), limits), true);
    assert.deepEqual(learn(learned, pair(randomMac(9), '203.0.113.69'), 3000, limits), { kept: false, gone: [] });
    assert.equal(learned.pairs.size, 3);
  });

  it('a full port can\'t make another port\'s pair vanish by claiming it', () => {
    const learned = emptyLearnedPairs();
    learn(learned, pair(web, '203.0.113.50', { ifindex: 12 }), 0, limits);
    for (const atMs of [0, 2000]) for (let i = 0; i < 3; i++) learn(learned, pair(randomMac(i), `203.0.113.6${i}`), atMs, limits);
    assert.deepEqual(learn(learned, pair(web, '203.0.113.50', { ifindex: 11 }), 3000, limits), { kept: true, gone: [] });
    assert.equal(ownerOf(learned, 'default', ip('203.0.113.50'))?.ifindex, 12);
  });

  it('a MAC with too many addresses loses the one that was silent longest', () => {
    const learned = emptyLearnedPairs();
    learn(learned, pair(web, '203.0.113.50'), 0, limits);
    learn(learned, pair(web, '203.0.113.51'), 1, limits);
    learn(learned, pair(web, '203.0.113.50'), 2, limits);
    assert.deepEqual(addresses(learn(learned, pair(web, '203.0.113.52'), 3, limits).gone), ['203.0.113.51']);
    assert.deepEqual(addresses(learnedOf(learned, 'default', web)), ['203.0.113.50', '203.0.113.52']);
  });

  it('the limit in all takes the oldest unpinned pair of any port', () => {
    const learned = emptyLearnedPairs();
    for (let i = 0; i < 5; i++) learn(learned, pair(randomMac(i), `203.0.113.6${i}`, { ifindex: 20 + i }), i, limits);
    assert.deepEqual(addresses(learn(learned, pair(web, '203.0.113.50', { ifindex: 30 }), 9, limits).gone), ['203.0.113.60']);
    assert.equal(learned.pairs.size, 5);
  });

  it('the limit in all costs the port with most, and a port with as many as any its own', () => {
    const learned = emptyLearnedPairs();
    learn(learned, pair(web, '203.0.113.50', { ifindex: 12 }), 0, limits);
    learn(learned, pair(db, '203.0.113.51', { ifindex: 13 }), 0, limits);
    for (let i = 0; i < 3; i++) learn(learned, pair(randomMac(i), `203.0.113.6${i}`), i, limits);
    assert.deepEqual(addresses(learn(learned, pair(randomMac(8), '203.0.113.68', { ifindex: 14 }), 8, limits).gone), ['203.0.113.60']);
    for (let i = 0; i < 20; i++) learn(learned, pair(randomMac(20 + i), `203.0.113.1${10 + i}`), 20 + i, limits);
    assert.deepEqual([12, 13, 14, 11].map((port) => learned.byPort.get(port)?.size), [1, 1, 1, 2]);
    for (let i = 0; i < 20; i++) learn(learned, pair(randomMac(50 + i), `203.0.113.1${40 + i}`, { ifindex: 14 }), 50 + i, limits);
    assert.deepEqual([12, 13].map((port) => learned.byPort.get(port)?.size), [1, 1]);
  });

  it('who speaks with its MAC behind another port pushes out no address of a VM whose port lives, and takes none along', () => {
    const learned = emptyLearnedPairs();
    const alive = (ifindex: number): boolean => ifindex === 12;
    learn(learned, pair(web, '203.0.113.50', { ifindex: 12 }), 0, limits);
    learn(learned, pair(web, '203.0.113.51', { ifindex: 12 }), 1, limits);
    const forged = pair(web, '203.0.113.52');
    assert.equal(hasRoom(learned, forged, limits, alive), false);
    assert.deepEqual(learn(learned, forged, 2, limits, alive), { kept: false, gone: [] });
    for (const unnamed of [{}, { unnamed: true as const }]) {
      learn(learned, { ...pair(web, '203.0.113.50'), ...unnamed }, 3, limits, alive);
      assert.equal(ownerOf(learned, 'default', ip('203.0.113.50'))?.ifindex, 12);
    }
    assert.deepEqual(addresses(learn(learned, pair(web, '203.0.113.53', { ifindex: 12 }), 4, limits, alive).gone), ['203.0.113.51'], 'its own port');
    assert.deepEqual(addresses(learn(learned, forged, 5, limits).gone), ['203.0.113.50'], 'its port is gone');
  });

  it('a pair follows its VM to another port', () => {
    const learned = emptyLearnedPairs();
    learn(learned, pair(web, '203.0.113.50'), 0, limits);
    learn(learned, pair(web, '203.0.113.50', { ifindex: 12 }), 1, limits);
    assert.equal(learned.byPort.has(11), false);
    assert.equal(learned.unpinnedByPort.has(11), false);
    assert.deepEqual([...learned.byPort.keys()], [12]);
  });

  it('a storm of 60,000 MACs stays bounded and leaves pinned pairs alone', () => {
    const learned = emptyLearnedPairs();
    for (const atMs of [0, 5000]) learn(learned, pair(web, '203.0.113.50'), atMs);
    for (let i = 0; i < 60_000; i++) {
      const heard = { vrf: 'default', vlan: 100, mac: randomMac(i), address: ipv4FromNumber(0x0a000000 + i), ifindex: i % 2 === 0 ? 11 : 12 };
      learn(learned, heard, 5000 + i);
    }
    assert.equal(learned.pairs.size, 1024);
    assert.equal(learned.byMac.size, 1024);
    assert.equal(learned.unpinned.size, 1023);
    assert.equal(learned.evicted, 60_000 - 1023);
    assert.equal(ownerOf(learned, 'default', ip('203.0.113.50'))?.mac, web);
  });
});

describe('forgetPair and expirePairs', () => {
  it('forgets one pair', () => {
    const learned = emptyLearnedPairs();
    learn(learned, pair(web, '203.0.113.50'), 0);
    assert.equal(forgetPair(learned, 'default', ip('203.0.113.50'))?.mac, web);
    assert.equal(forgetPair(learned, 'default', ip('203.0.113.50')), undefined);
    assert.deepEqual([learned.pairs.size, learned.byMac.size, learned.byPort.size, learned.unpinned.size, learned.unpinnedByPort.size], [0, 0, 0, 0, 0]);
  });

  it('takes out what was silent for long, and keeps what lives', () => {
    const learned = emptyLearnedPairs();
    learn(learned, pair(web, '203.0.113.50'), 0);
    learn(learned, pair(db, '203.0.113.51'), 10);
    learn(learned, pair(stranger, '203.0.113.52'), 500);
    assert.deepEqual(expirePairs(learned, 999, 1000, () => false), []);
    assert.deepEqual(addresses(expirePairs(learned, 1010, 1000, ({ mac }) => mac === web)), ['203.0.113.51']);
    assert.deepEqual([...learned.pairs.values()].map(({ address, lastHeardMs }) => [address, lastHeardMs]), [['203.0.113.52', 500], ['203.0.113.50', 1010]]);
  });

  it('does a bounded amount of work at a time', () => {
    const learned = emptyLearnedPairs();
    for (let i = 0; i < 10; i++) learn(learned, pair(randomMac(i), `203.0.113.6${i}`), 0);
    assert.equal(expirePairs(learned, 5000, 1000, () => false, 4).length, 4);
    assert.equal(learned.pairs.size, 6);
  });
});

import assert from 'node:assert/strict';
import type { BridgeChange, FdbEntry, Link } from '../../bridge/ports.ts';
import { createFollower, DumpRefused } from '../../bridge/wire/follow.ts';
import type { Dump, RtnetlinkContent, RtnetlinkMessage } from '../../bridge/wire/rtnetlink.ts';
import { ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';

const ownPort = 4711;

function link(ifindex: number, name: string, master?: number): Extract<RtnetlinkContent, { type: 'link' }> {
  const plain: Link = { ifindex, name, up: true, carrier: true };
  return { type: 'link', link: master === undefined ? plain : { ...plain, master } };
}
const entry: FdbEntry = { ifindex: 2, mac: '52:54:00:aa:00:01' as Mac, vlan: 0, permanent: false };
const own = { type: 'ownAddress', ifindex: 1, address: ip('192.0.2.1'), present: true } as const;
const done: RtnetlinkContent = { type: 'done', errno: 0 };

/** A follower with a kernel that answers when the test says so. */
function setUp() {
  const asked: { dump: Dump; sequence: number }[] = [];
  const changes: BridgeChange[] = [];
  const follower = createFollower({
    request: (dump, sequence) => asked.push({ dump, sequence }),
    onChange: (change) => changes.push(change),
  });
  const message = (content: RtnetlinkContent, sequence: number, port: number, interrupted = false): RtnetlinkMessage => ({
    header: { type: 0, flags: 0, sequence, port },
    content,
    interrupted,
  });
  return {
    follower,
    changes,
    asked: () => asked.map(({ dump }) => dump).join(' '),
    answer: (contents: RtnetlinkContent[], options: { interrupted?: boolean } = {}) =>
      follower.take(contents.map((content) => message(content, asked.at(-1)?.sequence ?? 0, ownPort, options.interrupted)), ownPort),
    tell: (...contents: RtnetlinkContent[]) => follower.take(contents.map((content) => message(content, 1, 0)), ownPort),
  };
}

function started() {
  const kernel = setUp();
  kernel.follower.restart();
  kernel.answer([link(1, 'br0'), link(2, 'vnet0', 1), done]);
  kernel.answer([done]);
  kernel.answer([done]);
  kernel.changes.length = 0;
  return kernel;
}

describe('following the kernel', () => {
  it('asks for links, addresses and forwarding entries in turn and tells them at once', () => {
    const { follower, answer, changes, asked } = setUp();
    follower.restart();
    answer([link(1, 'br0')]);
    answer([link(2, 'vnet0', 1), done]);
    answer([own, done]);
    assert.deepEqual(changes, []);
    answer([{ type: 'fdb', entry }, { type: 'other' }, done]);
    assert.equal(asked(), 'links addresses fdb');
    assert.deepEqual(changes, [
      { type: 'resync', links: [link(1, 'br0').link, link(2, 'vnet0', 1).link], fdb: [entry], ownAddresses: [{ ifindex: 1, address: '192.0.2.1' }] },
    ]);
  });

  it('keeps events that come during the dumps, in order, until after the resync', () => {
    const { follower, answer, tell, changes } = setUp();
    follower.restart();
    tell(link(3, 'tap1'));
    answer([link(1, 'br0'), done]);
    tell({ type: 'linkGone', ifindex: 3 });
    answer([done]);
    answer([done]);
    assert.deepEqual(changes.map(({ type }) => type), ['resync', 'link', 'linkGone']);
  });

  it('gives events out as they come afterwards', () => {
    const { tell, changes } = started();
    const events = [link(3, 'tap1', 1), { type: 'fdb', entry }, { type: 'fdbGone', entry }, own, { type: 'linkGone', ifindex: 3 }] as const;
    tell(...events);
    assert.deepEqual(changes, events);
  });

  it('takes an answer to someone else for an event, even with the same sequence', () => {
    const { follower, answer, tell, changes } = setUp();
    follower.restart(); // sequence 1, like what `tell` says
    tell(done);
    answer([link(1, 'br0'), done]);
    answer([done]);
    answer([done]);
    assert.equal(changes.length, 1);
  });

  it('passes over what is not about the whole link, and turns leaving a bridge into a link without master', () => {
    const { tell, changes } = started();
    tell({ type: 'bridgePort', ifindex: 2, master: 1 }, { type: 'other' });
    assert.deepEqual(changes, []);
    tell({ type: 'leftBridge', ifindex: 2, master: 7 }, { type: 'leftBridge', ifindex: 9, master: 1 });
    assert.deepEqual(changes, [], 'not a port of that bridge');
    tell({ type: 'leftBridge', ifindex: 2, master: 1 });
    assert.deepEqual(changes, [link(2, 'vnet0')]);
  });

  it('reads everything anew after an overrun, and does not trust a dump during which one happened', () => {
    const { follower, answer, tell, changes, asked } = started();
    tell({ type: 'overrun' });
    answer([link(1, 'br0'), done]);
    follower.restart(); // ENOBUFS: the running dump must be read to its end first
    tell(link(8, 'old'));
    assert.equal(asked(), 'links addresses fdb links addresses');
    answer([done]);
    assert.equal(asked(), 'links addresses fdb links addresses links');
    assert.deepEqual(changes, []);
    answer([link(1, 'br1'), done]);
    answer([done]);
    answer([done]);
    assert.deepEqual(changes, [{ type: 'resync', links: [link(1, 'br1').link], fdb: [], ownAddresses: [] }]);
  });

  it('asks again for a dump that a change interrupted, a limited number of times', () => {
    const { follower, answer, changes, asked } = setUp();
    follower.restart();
    answer([link(1, 'br0'), done], { interrupted: true });
    assert.equal(asked(), 'links links');
    answer([link(1, 'br0'), link(2, 'vnet0'), done]);
    answer([done]);
    for (let i = 0; i < 20 && changes.length === 0; i++) answer([{ type: 'fdb', entry }, done], { interrupted: true });
    assert.deepEqual(changes, [{ type: 'resync', links: [link(1, 'br0').link, link(2, 'vnet0').link], fdb: [entry], ownAddresses: [] }]);
  });

  it('begins again when more events wait than it keeps', () => {
    const { follower, answer, tell, changes, asked } = setUp();
    follower.restart();
    for (let i = 0; i <= 100_000; i++) tell(own);
    answer([done]);
    assert.equal(asked(), 'links links');
    answer([done]);
    answer([done]);
    answer([done]);
    assert.deepEqual(changes.map(({ type }) => type), ['resync']);
  });

  for (const refusal of [{ type: 'error', errno: 1 }, { type: 'done', errno: 12 }] as const) {
    it(`says that a dump was refused (${refusal.type} ${refusal.errno})`, () => {
      const { follower, answer } = setUp();
      follower.restart();
      assert.throws(() => answer([refusal]), DumpRefused);
    });
  }

  it('starts afresh on a new socket', () => {
    const { follower, answer, changes, asked } = setUp();
    follower.restart();
    answer([link(1, 'br0'), done]);
    follower.reset();
    follower.restart();
    assert.equal(asked(), 'links addresses links');
    answer([link(5, 'br5'), done]);
    answer([done]);
    answer([done]);
    assert.deepEqual(changes, [{ type: 'resync', links: [link(5, 'br5').link], fdb: [], ownAddresses: [] }]);
  });
});

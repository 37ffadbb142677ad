import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { BridgeChange, Link } from '../../bridge/ports.ts';
import { createFollower, DumpRefused } from '../../bridge/wire/follow.ts';
import { changeVlans } from '../../bridge/wire/port-vlans.ts';
import type { PortVlans } from '../../bridge/wire/port-vlans.ts';
import type { LinkDump, RtnetlinkContent, RtnetlinkMessage } from '../../bridge/wire/rtnetlink.ts';
import { ip } from '../../net/ip.ts';

const ownPort = 4711;

function link(ifindex: number, name: string, master?: number): Extract<RtnetlinkContent, { type: 'link' }> {
  const plain: Link = { ifindex, name, up: true, carrier: true };
  return { type: 'link', link: master === undefined ? plain : { ...plain, master } };
}
const own = { type: 'ownAddress', ifindex: 1, address: ip('192.0.2.1'), present: true } as const;
const done: RtnetlinkContent = { type: 'done', errno: 0 };

/** A follower with a kernel that answers when the test says so. */
function setUp() {
  const asked: { dump: LinkDump; sequence: number }[] = [];
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
  const answer = (contents: RtnetlinkContent[], options: { interrupted?: boolean } = {}) =>
    follower.take(contents.map((content) => message(content, asked.at(-1)?.sequence ?? 0, ownPort, options.interrupted)), ownPort);
  return {
    follower,
    changes,
    asked: () => asked.map(({ dump }) => dump).join(' '),
    answer,
    /** Ends the dump that runs and those after it: nothing more in them. */
    finish() {
      const before = changes.length;
      while (changes.length === before) answer([done]);
    },
    tell: (...contents: RtnetlinkContent[]) => follower.take(contents.map((content) => message(content, 1, 0)), ownPort),
  };
}

function started() {
  const kernel = setUp();
  kernel.follower.restart();
  kernel.answer([link(1, 'br0'), link(2, 'vnet0', 1), done]);
  kernel.finish();
  kernel.changes.length = 0;
  return kernel;
}

describe('following the kernel', () => {
  it('asks for links, VLANs and addresses in turn and tells them at once', () => {
    const { follower, answer, changes, asked } = setUp();
    follower.restart();
    answer([link(1, 'br0')]);
    answer([link(2, 'vnet0', 1), done]);
    answer([{ type: 'bridgePort', ifindex: 2, master: 1, vlans: { vlans: [] } }, done]);
    assert.deepEqual(changes, []);
    answer([own, { type: 'other' }, done]);
    assert.equal(asked(), 'links vlans addresses');
    assert.deepEqual(changes, [
      { type: 'resync', links: [link(1, 'br0').link, link(2, 'vnet0', 1).link], ownAddresses: [{ ifindex: 1, address: '192.0.2.1' }] },
    ]);
  });

  it('keeps events that come during the dumps, in order, until after the resync', () => {
    const { follower, answer, tell, finish, changes } = setUp();
    follower.restart();
    tell(link(3, 'tap1'));
    answer([link(1, 'br0'), done]);
    tell({ type: 'linkGone', ifindex: 3 });
    finish();
    assert.deepEqual(changes.map(({ type }) => type), ['resync', 'link', 'linkGone']);
  });

  it('gives events out as they come afterwards', () => {
    const { tell, changes } = started();
    const events = [link(3, 'tap1', 1), own, { type: 'linkGone', ifindex: 3 }] as const;
    tell(...events);
    assert.deepEqual(changes, events);
  });

  it('takes an answer to someone else for an event, even with the same sequence', () => {
    const { follower, answer, tell, finish, changes } = setUp();
    follower.restart(); // sequence 1, like what `tell` says
    tell(done);
    answer([link(1, 'br0'), done]);
    finish();
    assert.equal(changes.length, 1);
  });

  it('passes over what concerns nobody, and what a bridge says of its ports while it filters no VLANs', () => {
    const { tell, changes } = started();
    tell({ type: 'bridgePort', ifindex: 2, master: 1, vlans: { pvid: 1, vlans: [[1, 1]] } }, { type: 'other' });
    assert.deepEqual(changes, []);
  });

  it('reads everything anew after an overrun, and does not trust a dump during which one happened', () => {
    const { follower, answer, tell, finish, changes, asked } = started();
    tell({ type: 'overrun' });
    answer([link(1, 'br0'), done]);
    follower.restart(); // ENOBUFS: the running dump must be read to its end first
    tell(link(8, 'old'));
    assert.equal(asked(), 'links vlans addresses links vlans');
    answer([done]);
    assert.equal(asked(), 'links vlans addresses links vlans links');
    assert.deepEqual(changes, []);
    answer([link(1, 'br1'), done]);
    finish();
    assert.deepEqual(changes, [{ type: 'resync', links: [link(1, 'br1').link], ownAddresses: [] }]);
  });

  it('asks again for a dump that a change interrupted, a limited number of times', () => {
    const { follower, answer, changes, asked } = setUp();
    follower.restart();
    answer([link(1, 'br0'), done], { interrupted: true });
    assert.equal(asked(), 'links links');
    answer([link(1, 'br0'), link(2, 'vnet0'), done]);
    answer([done]);
    for (let i = 0; i < 20 && changes.length === 0; i++) answer([own, done], { interrupted: true });
    assert.deepEqual(changes, [{ type: 'resync', links: [link(1, 'br0').link, link(2, 'vnet0').link], ownAddresses: [{ ifindex: 1, address: '192.0.2.1' }] }]);
  });

  it('begins again when more events wait than it keeps', () => {
    const { follower, answer, tell, finish, changes, asked } = setUp();
    follower.restart();
    for (let i = 0; i <= 100_000; i++) tell(own);
    answer([done]);
    assert.equal(asked(), 'links links');
    finish();
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
    const { follower, answer, finish, changes, asked } = setUp();
    follower.restart();
    answer([link(1, 'br0'), done]);
    follower.reset();
    follower.restart();
    assert.equal(asked(), 'links vlans links');
    answer([link(5, 'br5'), done]);
    finish();
    assert.deepEqual(changes, [{ type: 'resync', links: [link(5, 'br5').link], ownAddresses: [] }]);
  });
});

describe('following the VLANs of ports', () => {
  const bridge: RtnetlinkContent = { type: 'link', link: { ifindex: 1, name: 'br0', kind: 'bridge', vlanFiltering: true, up: true, carrier: true } };
  const otherBridge: RtnetlinkContent = { type: 'link', link: { ifindex: 3, name: 'br1', kind: 'bridge', vlanFiltering: true, up: true, carrier: true } };
  const plain: RtnetlinkContent = { type: 'link', link: { ifindex: 1, name: 'br0', kind: 'bridge', up: true, carrier: true } };
  const port = (pvid: number | undefined, ...vlans: [number, number][]): RtnetlinkContent => (
    { type: 'bridgePort', ifindex: 2, master: 1, vlans: pvid === undefined ? { vlans } : { pvid, vlans } });
  const vlans = (present: boolean, low: number, high = low, pvid = false): RtnetlinkContent => (
    { type: 'portVlans', ifindex: 2, entries: [{ range: [low, high], pvid }], present });
  const access = port(100, [100, 100]);

  /** vnet0 is an access port of VLAN 1 (the kernel's default) when the dumps end, on a bridge that filters VLANs. */
  function withAccessPort(filters = bridge) {
    const kernel = setUp();
    kernel.follower.restart();
    kernel.answer([link(2, 'vnet0', 1), filters, done]);
    kernel.answer([port(1, [1, 1]), done]);
    kernel.finish();
    return kernel;
  }
  /** What is known of vnet0 in the end: `pvid: ranges`, and how often it was told. */
  function told(changes: readonly BridgeChange[]): string {
    const links = changes.flatMap((change) => (change.type === 'link' ? [change.link] : change.type === 'resync' ? change.links : []));
    const last = links.filter(({ ifindex }) => ifindex === 2);
    const { pvid, vlans: ranges } = last.at(-1) ?? {};
    return `${pvid ?? 'none'}: ${ranges?.map((range) => range.join('-')).join(' ') ?? 'all'} (${last.length})`;
  }

  const rows: [name: string, events: RtnetlinkContent[], expected: string][] = [
    ['are in the resync', [], '1: 1-1 (1)'],
    ['change', [access], '100: 100-100 (2)'],
    ['are told once', [access, access, port(100, [100, 100])], '100: 100-100 (2)'],
    ['none are left: untagged frames are dropped', [port(undefined)], 'none:  (2)'],
    ['a trunk without a PVID', [port(undefined, [100, 200])], 'none: 100-200 (2)'],
    ['stay when the link is told again', [access, link(2, 'vnet7', 1)], '100: 100-100 (3)'],
    ['vlan_default_pvid: the old one goes, the new one comes', [vlans(false, 1), vlans(true, 100, 100, true)], '100: 100-100 (3)'],
    ['the new PVID comes, the old VLAN stays', [vlans(true, 100, 100, true)], '100: 1-1 100-100 (2)'],
    ['the PVID flag goes', [vlans(true, 1)], 'none: 1-1 (2)'],
    ['a range comes and a part of it goes', [vlans(true, 2, 20), vlans(false, 5, 6)], '1: 1-4 7-20 (3)'],
    ['another VLAN goes', [vlans(true, 7), vlans(false, 7)], '1: 1-1 (3)'],
    ['of the bridge itself', [{ type: 'portVlans', ifindex: 1, entries: [{ range: [9, 9], pvid: true }], present: true }], '1: 1-1 (1)'],
    ['of a link nobody told of', [{ type: 'portVlans', ifindex: 77, entries: [], present: true }, { ...access, ifindex: 77 } as RtnetlinkContent], '1: 1-1 (1)'],
    ['the bridge ceases to filter', [plain], 'none: all (2)'],
    ['... and begins again, its ports changed meanwhile', [plain, access, bridge], '100: 100-100 (3)'],
    ['the port leaves', [link(2, 'vnet0')], 'none: all (2)'],
    ['the port leaves and comes back', [link(2, 'vnet0'), link(2, 'vnet0', 1)], 'none: all (3)'],
    ['... with the VLANs of a new port', [link(2, 'vnet0'), link(2, 'vnet0', 1), access], '100: 100-100 (4)'],
    ['the port moves to a bridge that does not filter', [link(3, 'br1'), link(2, 'vnet0', 3), { ...access, master: 3 } as RtnetlinkContent], 'none: all (2)'],
    ['late news of the bridge that it left', [otherBridge, link(2, 'vnet0', 3), access], 'none: all (2)'],
    ['the port moves to another bridge that filters', [otherBridge, link(2, 'vnet0', 3), { ...access, master: 3 } as RtnetlinkContent], '100: 100-100 (3)'],
    ['a new port under an old ifindex', [{ type: 'linkGone', ifindex: 2 }, link(2, 'vnet9', 1)], 'none: all (2)'],
  ];
  for (const [name, events, expected] of rows) {
    it(name, () => {
      const { tell, changes } = withAccessPort();
      tell(...events);
      assert.equal(told(changes), expected);
    });
  }

  it('mean nothing where the bridge does not filter, until it does', () => {
    const { tell, changes } = withAccessPort(plain);
    tell(access, vlans(true, 200));
    assert.equal(told(changes), 'none: all (1)');
    tell(bridge);
    assert.equal(told(changes), '100: 100-100 200-200 (2)');
  });

  it('during the dumps: the last word is the true one', () => {
    const { follower, answer, tell, finish, changes } = setUp();
    follower.restart();
    answer([bridge, link(2, 'vnet0', 1), done]);
    tell(port(1, [1, 1]), vlans(false, 1), access); // all of it happened before the dump of VLANs
    answer([access, done]);
    finish();
    assert.equal(told(changes.filter(({ type }) => type === 'resync')), '100: 100-100 (1)');
    assert.match(told(changes), /^100: 100-100 /);
  });

  it('a dump of VLANs that is read again does not keep the ports of the first', () => {
    const { follower, answer, finish, changes } = setUp();
    follower.restart();
    answer([bridge, link(2, 'vnet0', 1), done]);
    answer([access, done], { interrupted: true });
    answer([done]);
    finish();
    assert.equal(told(changes), 'none: all (1)');
  });
});

describe('VLAN ranges', () => {
  it('are those of a set, whatever comes and goes', () => {
    const step = fc.record({ present: fc.boolean(), low: fc.integer({ min: 1, max: 30 }), width: fc.nat(8), pvid: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const model = new Set<number>();
        let pvid: number | undefined;
        let vlans: PortVlans = { vlans: [] };
        for (const { present, low, width, pvid: flag } of steps) {
          const high = flag ? low : low + width; // a PVID has an entry of its own
          for (let vlan = low; vlan <= high; vlan++) {
            if (present) model.add(vlan);
            else model.delete(vlan);
            if (pvid === vlan) pvid = undefined;
          }
          if (present && flag) pvid = low;
          vlans = changeVlans(vlans, [{ range: [low, high], pvid: flag }], present);
        }
        const listed = vlans.vlans.flatMap(([low, high]) => Array.from({ length: high - low + 1 }, (_, i) => low + i));
        assert.deepEqual(listed, [...model].sort((a, b) => a - b));
        assert.equal(vlans.pvid, pvid);
        for (const [i, [low]] of vlans.vlans.entries()) assert.ok(i === 0 || low > (vlans.vlans[i - 1]?.[1] ?? 0) + 1, 'joined');
      }),
    );
  });
});

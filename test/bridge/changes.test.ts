import assert from 'node:assert/strict';
import { type BridgeEvent, describeChange } from '../../bridge/changes.ts';
import { applyChange, emptyBridgeState } from '../../bridge/fdb.ts';
import type { BridgeChange } from '../../bridge/ports.ts';
import { entry, fleet, link, stateAfter } from './fixtures.ts';

/** `type port@bridge`, with what it came from. */
function told(event: BridgeEvent): string {
  if (event.type === 'learnt' || event.type === 'forgotten') return `${event.type} ${event.entry.mac.slice(12)}@${event.entry.ifindex}`;
  return `${event.type} ${event.port.name}@${event.bridge}${'from' in event ? ` from ${event.from}` : ''}`;
}

describe('describeChange', () => {
  const down = link(11, 'vnet1', 1, { carrier: false });
  const set = (each: ReturnType<typeof link>): BridgeChange => ({ type: 'link', link: each });
  const learnt: BridgeChange = { type: 'fdb', entry: entry(11, 1) };
  const rows: [name: string, before: BridgeChange[], change: BridgeChange, expected: string[]][] = [
    ['nothing new', [], set(link(11, 'vnet1', 1)), []],
    ['a new port', [], set(link(31, 'vnet3', 1)), ['portAppeared vnet3@br0']],
    ['an interface becomes a port', [], set(link(9, 'eth9', 1)), ['portAppeared eth9@br0']],
    ['an interface that is no port', [], set(link(40, 'eth4')), []],
    ['port taken out', [], set(link(11, 'vnet1')), ['portGone vnet1@br0']],
    ['port deleted', [], { type: 'linkGone', ifindex: 11 }, ['portGone vnet1@br0']],
    ['interface deleted', [], { type: 'linkGone', ifindex: 9 }, []],
    ['unknown interface deleted', [], { type: 'linkGone', ifindex: 999 }, []],
    ['same name, new interface', [{ type: 'linkGone', ifindex: 11 }], set(link(31, 'vnet1', 1)), ['portAppeared vnet1@br0']],
    ['port renamed', [], set(link(11, 'vnet9', 1)), ['portRenamed vnet9@br0 from vnet1']],
    ['port moved', [], set(link(11, 'vnet1', 2)), ['portMoved vnet1@br1 from br0']],
    ['renamed and moved', [], set(link(11, 'vnet9', 2)), ['portRenamed vnet9@br1 from vnet1', 'portMoved vnet9@br1 from br0']],
    ['carrier lost', [], set(down), ['carrierLost vnet1@br0']],
    ['set down', [], set(link(11, 'vnet1', 1, { up: false })), ['carrierLost vnet1@br0']],
    ['carrier still away', [set(down)], set(link(11, 'vnet1', 1, { up: false, carrier: false })), []],
    ['carrier back', [set(down)], set(link(11, 'vnet1', 1)), ['carrierBack vnet1@br0']],
    ['up, but no carrier yet', [set(link(11, 'vnet1', 1, { up: false, carrier: false }))], set(down), []],
    ['bridge deleted with its ports still in it', [], { type: 'linkGone', ifindex: 2 }, ['portGone tap1@br1']],
    ['bridge made after its port', [{ type: 'linkGone', ifindex: 2 }], set(link(2, 'br1')), ['portAppeared tap1@br1']],
    ['bridge renamed', [], set(link(2, 'br-vlan')), ['portMoved tap1@br-vlan from br1']],
    ['a member of a bond', [set(link(60, 'bond7', undefined, { kind: 'bond' }))], set(link(9, 'eth9', 60)), []],
    ['a member of a bond deleted', [set(link(60, 'bond7', undefined, { kind: 'bond' })), set(link(9, 'eth9', 60))], { type: 'linkGone', ifindex: 9 }, []],
    ['port moved into a bond', [set(link(60, 'bond7', undefined, { kind: 'bond' }))], set(link(11, 'vnet1', 60)), ['portGone vnet1@br0']],
    ['port moved from a bond', [set(link(60, 'bond7', undefined, { kind: 'bond' })), set(link(9, 'eth9', 60))], set(link(9, 'eth9', 1)), ['portAppeared eth9@br0']],
    ['marked after it came', [], set(link(11, 'vnet1', 1, { alias: 'mac=52:54:00:00:00:01' })), ['portMarked vnet1@br0']],
    ['marked for another guest', [set(link(11, 'vnet1', 1, { alias: 'mac=52:54:00:00:00:01' }))], set(link(11, 'vnet1', 1, { alias: 'mac=52:54:00:00:00:02' })), ['portMarked vnet1@br0']],
    ['marked as before', [set(link(11, 'vnet1', 1, { alias: 'mac=52:54:00:00:00:01' }))], set(link(11, 'vnet1', 1, { alias: 'web mac=52:54:00:00:00:01' })), []],
    ['no mark any more', [set(link(11, 'vnet1', 1, { alias: 'mac=52:54:00:00:00:01' }))], set(link(11, 'vnet1', 1)), []],
    ['a tap whose MAC is set after', [set(link(11, 'vnet1', 1, { kind: 'tun' }))], set(link(11, 'vnet1', 1, { kind: 'tun', mac: 'fe:54:00:00:00:01' as never })), ['portMarked vnet1@br0']],
    ['another PVID', [], set(link(11, 'vnet1', 1, { pvid: 100, vlans: [[100, 100]] })), []],
    ['MAC learnt', [], learnt, ['learnt 00:01@11']],
    ['MAC learnt again', [learnt], learnt, []],
    ['MAC moved', [learnt], { type: 'fdb', entry: entry(19, 1) }, ['learnt 00:01@19']],
    ['MAC forgotten', [learnt], { type: 'fdbGone', entry: entry(11, 1) }, ['forgotten 00:01@11']],
    ['unknown MAC forgotten', [], { type: 'fdbGone', entry: entry(11, 1) }, []],
    ['a port\'s own MAC', [], { type: 'fdb', entry: entry(11, 1, 0, true) }, []],
    ['an address of the node', [], { type: 'ownAddress', ifindex: 1, address: '10.0.0.1' as never, present: true }, []],
  ];
  for (const [name, before, change, expected] of rows) {
    it(name, () => {
      assert.deepEqual(describeChange(stateAfter([...fleet, ...before]), change).map(told), expected);
    });
  }

  it('tells of a port that is gone what was known last', () => {
    const [event] = describeChange(stateAfter(fleet), { type: 'linkGone', ifindex: 11 });
    assert.ok(event?.type === 'portGone');
    assert.deepEqual(event.port, link(11, 'vnet1', 1));
  });

  it('a bridge deleted port by port and made again under its name', () => {
    const state = stateAfter(fleet);
    const steps: [BridgeChange, string[]][] = [
      [set(link(21, 'tap1')), ['portGone tap1@br1']],
      [{ type: 'linkGone', ifindex: 2 }, []],
      [set(link(42, 'br1', undefined, { kind: 'bridge' })), []],
      [set(link(21, 'tap1', 42)), ['portAppeared tap1@br1']],
    ];
    for (const [change, expected] of steps) {
      assert.deepEqual(describeChange(state, change).map(told), expected);
      applyChange(state, change);
    }
  });

  describe('resync', () => {
    const resync = (links: BridgeChange[], fdb: BridgeChange[] = []): BridgeChange => ({
      type: 'resync',
      links: links.flatMap((change) => (change.type === 'link' ? [change.link] : [])),
      fdb: fdb.flatMap((change) => (change.type === 'fdb' ? [change.entry] : [])),
      ownAddresses: [],
    });

    it('with nothing new says nothing', () => {
      assert.deepEqual(describeChange(stateAfter([...fleet, learnt]), resync([...fleet], [learnt])), []);
    });

    it('the first one names every port and MAC', () => {
      assert.deepEqual(describeChange(emptyBridgeState(), resync([...fleet], [learnt])).map(told), [
        'portAppeared vnet1@br0', 'portAppeared vnet2@br0', 'portAppeared odd0@br0', 'portAppeared bond0@br0', 'portAppeared tap1@br1', 'learnt 00:01@11',
      ]);
    });

    it('names the differences', () => {
      const before = stateAfter([...fleet, learnt, { type: 'fdb', entry: entry(12, 2) }, { type: 'fdb', entry: entry(18, 3) }]);
      const links = [
        ...fleet.filter((change) => change.type === 'link' && ![11, 12, 21].includes(change.link.ifindex)),
        set(link(12, 'vnet2', 1, { carrier: false })), set(link(21, 'tap1', 1)), set(link(31, 'vnet1', 1)),
      ];
      assert.deepEqual(describeChange(before, resync(links, [{ type: 'fdb', entry: entry(12, 4) }, { type: 'fdb', entry: entry(18, 3) }])).map(told).sort(), [
        'carrierLost vnet2@br0', 'forgotten 00:02@12', 'learnt 00:04@12', 'portAppeared vnet1@br0', 'portGone vnet1@br0', 'portMoved tap1@br0 from br1',
      ]);
    });
  });
});

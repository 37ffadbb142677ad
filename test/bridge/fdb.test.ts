import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type BridgeState, applyChange, emptyBridgeState, entriesFor, isOwnAddress, maxEntries, maxEntriesPerPort } from '../../bridge/fdb.ts';
import type { BridgeChange, FdbEntry } from '../../bridge/ports.ts';
import { ip } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import { entry, fleet, link, mac, stateAfter } from './fixtures.ts';

/** Where the FDB has a MAC: ifindexes, sorted. */
function holders(state: BridgeState, last: number, vlan: number | undefined = 0): number[] {
  return entriesFor(state, mac(last), vlan).map(({ ifindex }) => ifindex).sort((a, b) => a - b);
}

/** The indexes must tell the same story. */
function assertSound(state: BridgeState): void {
  let count = 0;
  for (const [ifindex, entries] of state.entriesOf) {
    assert.ok(entries.size > 0 && entries.size <= maxEntriesPerPort);
    for (const each of entries.values()) {
      count++;
      assert.equal(each.ifindex, ifindex);
      assert.ok(entriesFor(state, each.mac, each.vlan).includes(each));
    }
  }
  assert.equal(state.entryCount, count);
  let listed = 0;
  for (const byVlan of state.fdb.values()) for (const entries of byVlan.values()) listed += entries.length;
  assert.equal(listed, count);
  for (const [master, ports] of state.ports) for (const port of ports) assert.equal(state.links.get(port)?.master, master);
  const addresses = [...state.ownAddresses].flatMap(([address, holders]) => [...holders].map((ifindex) => `${ifindex} ${address}`));
  assert.deepEqual([...state.addressesOf].flatMap(([ifindex, held]) => [...held].map((address) => `${ifindex} ${address}`)).sort(), addresses.sort());
  for (const [name, ifindex] of state.byName) assert.equal(state.links.get(ifindex)?.name, name);
}

describe('forwarding entries', () => {
  const rows: [string, BridgeChange[], number[]][] = [
    ['learnt', [{ type: 'fdb', entry: entry(11, 1) }], [11]],
    ['learnt twice', [{ type: 'fdb', entry: entry(11, 1) }, { type: 'fdb', entry: entry(11, 1) }], [11]],
    ['moved to another port of the bridge, no message for the old one', [{ type: 'fdb', entry: entry(11, 1) }, { type: 'fdb', entry: entry(19, 1) }], [19]],
    ['known on two bridges', [{ type: 'fdb', entry: entry(11, 1) }, { type: 'fdb', entry: entry(21, 1) }], [11, 21]],
    ['aged out', [{ type: 'fdb', entry: entry(11, 1) }, { type: 'fdbGone', entry: entry(11, 1) }], []],
    ['a late message about the old port', [{ type: 'fdb', entry: entry(11, 1) }, { type: 'fdb', entry: entry(19, 1) }, { type: 'fdbGone', entry: entry(11, 1) }], [19]],
    ['port deleted', [{ type: 'fdb', entry: entry(11, 1) }, { type: 'linkGone', ifindex: 11 }], []],
    ['port taken out of the bridge', [{ type: 'fdb', entry: entry(11, 1) }, { type: 'link', link: link(11, 'vnet1') }], []],
    ['port moved to another bridge', [{ type: 'fdb', entry: entry(11, 1) }, { type: 'link', link: link(11, 'vnet1', 2) }], []],
    ['port renamed', [{ type: 'fdb', entry: entry(11, 1) }, { type: 'link', link: link(11, 'vnet9', 1) }], [11]],
    ['never known, forgotten', [{ type: 'fdbGone', entry: entry(11, 1) }], []],
  ];
  for (const [name, changes, expected] of rows) {
    it(name, () => {
      const state = stateAfter([...fleet, ...changes]);
      assert.deepEqual(holders(state, 1), expected);
      assertSound(state);
    });
  }

  it('VLANs are kept apart, and found together', () => {
    const state = stateAfter([...fleet, { type: 'fdb', entry: entry(11, 1, 100) }, { type: 'fdb', entry: entry(19, 1, 200) }]);
    assert.deepEqual(holders(state, 1, 100), [11]);
    assert.deepEqual(holders(state, 1, 200), [19]);
    assert.deepEqual(holders(state, 1, 300), []);
    assert.deepEqual(entriesFor(state, mac(1), undefined).length, 2);
  });

  it('two bridges in one VRF with the same address of their own', () => {
    const inVrf = [1, 2].map((ifindex): BridgeChange => ({ type: 'link', link: link(ifindex, `br${ifindex - 1}`, 70, { kind: 'bridge' }) }));
    const state = stateAfter([...fleet, ...inVrf, { type: 'fdb', entry: entry(1, 1, 0, true) }, { type: 'fdb', entry: entry(2, 1, 0, true) }]);
    assert.deepEqual(holders(state, 1), [1, 2]);
    assertSound(state);
  });

  it('group addresses are no stations', () => {
    const group = { ifindex: 11, mac: parseMac('33:33:00:00:00:01') as Mac, vlan: 0, permanent: true };
    assert.equal(stateAfter([...fleet, { type: 'fdb', entry: group }]).entryCount, 0);
  });

  it('a flood on one port pushes out that port\'s oldest only', () => {
    const state = stateAfter([...fleet, { type: 'fdb', entry: entry(11, 1) }, { type: 'fdb', entry: entry(12, 2) }]);
    for (let i = 0; i < maxEntriesPerPort + 9; i++) applyChange(state, { type: 'fdb', entry: entry(12, 0x100 + i) });
    assert.deepEqual(holders(state, 1), [11]);
    assert.deepEqual(holders(state, 2), []);
    assert.deepEqual(holders(state, 0x100 + maxEntriesPerPort + 8), [12]);
    assert.equal(state.entryCount, maxEntriesPerPort + 1);
    assert.equal(state.entriesDropped, 10);
    assertSound(state);
  });

  it('has a limit in all', () => {
    const state = emptyBridgeState();
    for (let port = 0; port < 17; port++) {
      for (let i = 0; i < maxEntriesPerPort; i++) {
        applyChange(state, { type: 'fdb', entry: { ...entry(100 + port, i), mac: `02:00:00:${port.toString(16).padStart(2, '0')}:${mac(i).slice(12)}` as Mac } });
      }
    }
    assert.equal(state.entryCount, maxEntries);
    assert.equal(state.entriesDropped, maxEntriesPerPort);
  });
});

describe('links', () => {
  it('a name belongs to the newest interface that has it', () => {
    const state = stateAfter([...fleet, { type: 'linkGone', ifindex: 11 }, { type: 'link', link: link(31, 'vnet1', 1) }]);
    assert.equal(state.byName.get('vnet1'), 31);
    assert.deepEqual([...state.ports.get(1) ?? []].sort(), [12, 18, 19, 31]);
  });

  it('the end of an old interface takes no name from its successor, whichever is told first', () => {
    const state = stateAfter([...fleet, { type: 'link', link: link(31, 'vnet1', 1) }, { type: 'linkGone', ifindex: 11 }]);
    assert.equal(state.byName.get('vnet1'), 31);
    assertSound(state);
  });

  it('two interfaces swap their names', () => {
    const state = stateAfter([
      ...fleet, { type: 'link', link: link(11, 'spare', 1) }, { type: 'link', link: link(12, 'vnet1', 1) }, { type: 'link', link: link(11, 'vnet2', 1) },
    ]);
    assert.equal(state.byName.get('vnet1'), 12);
    assert.equal(state.byName.get('vnet2'), 11);
    assert.equal(state.byName.has('spare'), false);
    assertSound(state);
  });

  it('an unknown interface that goes changes nothing', () => {
    const state = stateAfter(fleet);
    assert.equal(applyChange(state, { type: 'linkGone', ifindex: 999 }), state);
    assertSound(state);
  });
});

describe('own addresses', () => {
  const address = ip('203.0.113.17');
  const on = (ifindex: number, present: boolean): BridgeChange => ({ type: 'ownAddress', ifindex, address, present });
  const rows: [string, BridgeChange[], boolean][] = [
    ['none', [], false],
    ['added', [on(1, true)], true],
    ['added and removed', [on(1, true), on(1, false)], false],
    ['on two interfaces, one removed', [on(1, true), on(9, true), on(1, false)], true],
    ['removed where it was not', [on(1, true), on(9, false)], true],
    ['its interface deleted', [on(9, true), { type: 'linkGone', ifindex: 9 }], false],
  ];
  for (const [name, changes, expected] of rows) {
    it(name, () => {
      const state = stateAfter([...fleet, ...changes]);
      assert.equal(isOwnAddress(state, address), expected);
      assertSound(state);
    });
  }
});

describe('resync', () => {
  it('is the whole truth', () => {
    const before = stateAfter([...fleet, { type: 'fdb', entry: entry(11, 1) }, { type: 'ownAddress', ifindex: 9, address: ip('::2'), present: true }]);
    const after = applyChange(before, {
      type: 'resync',
      links: [link(1, 'br0'), link(12, 'vnet2', 1)],
      fdb: [entry(12, 2)],
      ownAddresses: [{ ifindex: 1, address: ip('203.0.113.17') }],
    });
    assert.deepEqual([...after.links.keys()], [1, 12]);
    assert.deepEqual(holders(after, 1), []);
    assert.deepEqual(holders(after, 2), [12]);
    assert.equal(isOwnAddress(after, ip('::2')), false);
    assert.equal(isOwnAddress(after, ip('203.0.113.17')), true);
    assertSound(after);
  });

  it('ports may be told of before their bridge', () => {
    const state = applyChange(emptyBridgeState(), { type: 'resync', links: [link(11, 'vnet1', 1), link(1, 'br0')], fdb: [], ownAddresses: [] });
    assert.deepEqual([...state.ports.get(1) ?? []], [11]);
  });

  it('any history of changes leaves sound indexes, equal to those of a resync with the same content', () => {
    const change: fc.Arbitrary<BridgeChange> = fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom('a', 'b', 'c', 'd'), fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }))
        .map(([ifindex, name, master]) => ({ type: 'link' as const, link: link(ifindex, name + ifindex, master) })),
      fc.integer({ min: 1, max: 6 }).map((ifindex) => ({ type: 'linkGone' as const, ifindex })),
      fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(3), fc.nat(1)).map(([ifindex, last, vlan]) => ({ type: 'fdb' as const, entry: entry(ifindex, last, vlan) })),
      fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(3), fc.nat(1)).map(([ifindex, last, vlan]) => ({ type: 'fdbGone' as const, entry: entry(ifindex, last, vlan) })),
    );
    fc.assert(fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const state = stateAfter(changes);
      assertSound(state);
      const fdb: FdbEntry[] = [...state.entriesOf.values()].flatMap((entries) => [...entries.values()]);
      const again = applyChange(state, { type: 'resync', links: [...state.links.values()], fdb, ownAddresses: [] });
      assertSound(again);
      assert.deepEqual(new Map(again.links), new Map(state.links));
    }), { numRuns: 500 });
  });
});

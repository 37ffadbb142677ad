import assert from 'node:assert/strict';
import fc from 'fast-check';
import { takeFdbDump, takeFdbNews } from '../../bridge/fdb-entries.ts';
import { type BridgeState, applyChange, emptyBridgeState, entriesFor, maxEntriesPerPort } from '../../bridge/fdb.ts';
import { isOfItsBridge, portFor } from '../../bridge/locate.ts';
import type { BridgeChange, FdbEntry, FdbNews } from '../../bridge/ports.ts';
import { entry, fleet, link, mac, stateAfter } from './fixtures.ts';

const at = (ifindex: number, last: number, bridge = 1): FdbNews => ({ ...entry(ifindex, last), bridge });
const gone = (ifindex: number, last: number, bridge = 1): FdbNews => ({ ...at(ifindex, last, bridge), gone: true });
const stranger = (): boolean => false;

function holders(state: BridgeState, last: number): number[] {
  return entriesFor(state, mac(last), 0).map(({ ifindex }) => ifindex).sort((a, b) => a - b);
}

function learnt(state: BridgeState, news: FdbNews[], dumped = false): string {
  return takeFdbNews(state, news, dumped, stranger).map(({ ifindex, mac: found }) => `${found.slice(15)}@${ifindex}`).join(' ');
}

describe('news of forwarding entries', () => {
  it('teach what was not known, in order, whether their ports are known or not', () => {
    const state = emptyBridgeState();
    assert.equal(learnt(state, [at(11, 1), at(11, 1), at(19, 1), at(21, 1, 2), gone(11, 1), gone(19, 1), at(19, 1)]), '01@11 01@19 01@21 01@19');
    assert.deepEqual(holders(state, 1), [19, 21]);
    assert.equal(learnt(stateAfter(fleet, state), [at(19, 1), { ...at(12, 5), permanent: true }]), '');
  });

  it('of a full port teach no stranger\'s MAC, and one that is waited for pushes the oldest out', () => {
    const state = stateAfter(fleet);
    takeFdbNews(state, Array.from({ length: maxEntriesPerPort + 9 }, (_, i) => at(11, 0x100 + i)), false, stranger);
    assert.equal(state.entriesDropped, 9);
    assert.deepEqual([holders(state, 0x100), holders(state, 0x100 + maxEntriesPerPort)], [[11], []]);
    assert.equal(learnt(state, [at(12, 1)]), '01@12', 'another port has room');
    assert.equal(takeFdbNews(state, [at(11, 1)], false, ({ mac: found }) => found === mac(1)).length, 1);
    assert.deepEqual([holders(state, 1), holders(state, 0x100)], [[11], []]);
    assert.equal(state.entryCount, maxEntriesPerPort);
  });

  it('of a MAC that moved to a full port leave no trace of where it was', () => {
    const state = stateAfter(fleet);
    takeFdbNews(state, Array.from({ length: maxEntriesPerPort }, (_, i) => at(11, 0x100 + i)), false, stranger);
    learnt(state, [at(12, 1), at(11, 1)]);
    assert.deepEqual(holders(state, 1), []);
  });

  it('of a port that left are where they say, until the kernel takes them back', () => {
    const state = stateAfter(fleet);
    learnt(state, [at(11, 1), at(11, 2, 2)]);
    applyChange(state, { type: 'link', link: link(11, 'vnet1', 2) });
    const watched = [{ bridge: 'br0', local: ['*'], uplink: [] }, { bridge: 'br1', local: ['*'], uplink: [] }];
    assert.deepEqual([1, 2].map((last) => portFor(state, watched, mac(last), 0)?.port.ifindex), [undefined, 11]);
    learnt(state, [gone(11, 1)]);
    assert.deepEqual([holders(state, 1), holders(state, 2)], [[], [11]]);
  });
});

describe('a dump of forwarding entries', () => {
  const during = (events: (state: BridgeState) => void, phase: 'ends' | 'cut' = 'ends'): BridgeState => {
    const state = stateAfter(fleet);
    learnt(state, [at(11, 1), at(12, 2), at(19, 3)]);
    takeFdbDump(state, 'begins');
    events(state);
    takeFdbDump(state, phase);
    assert.equal(state.dump, undefined);
    return state;
  };
  const all = (state: BridgeState): number[][] => [1, 2, 3, 4].map((last) => holders(state, last));

  it('takes away what it does not tell', () => {
    assert.deepEqual(all(during((state) => assert.equal(learnt(state, [at(11, 1), at(12, 4)], true), '04@12'))), [[11], [], [], [12]]);
  });
  it('takes nothing away when it was cut', () => {
    assert.deepEqual(all(during((state) => learnt(state, [at(12, 4)], true), 'cut')), [[11], [12], [19], [12]]);
  });
  it('believes events that come into it before what it tells itself', () => {
    assert.deepEqual(all(during((state) => {
      learnt(state, [at(12, 1), gone(12, 2), at(18, 4)]);
      learnt(state, [at(11, 1), at(12, 2), at(19, 3), at(12, 4)], true);
    })), [[12], [], [19], [18]]);
  });
  it('believes events after what it told, too', () => {
    assert.deepEqual(all(during((state) => {
      learnt(state, [at(11, 1), at(12, 2), at(19, 3)], true);
      learnt(state, [gone(11, 1), at(11, 2), at(18, 4)]);
    })), [[], [11], [19], [18]]);
  });
  it('finds entries on a full port that are kept, and adds none', () => {
    const state = stateAfter(fleet);
    const many = Array.from({ length: maxEntriesPerPort }, (_, i) => at(11, 0x100 + i));
    learnt(state, many);
    takeFdbDump(state, 'begins');
    learnt(state, Array.from({ length: 3 * maxEntriesPerPort }, (_, i) => at(11, 0x100 + i)), true);
    takeFdbDump(state, 'ends');
    assert.equal(state.entryCount, maxEntriesPerPort);
  });
});

describe('a resync of links alone', () => {
  it('keeps the entries of ports that stay', () => {
    const state = stateAfter(fleet);
    learnt(state, [at(11, 1), at(12, 2), at(21, 3, 2), at(77, 4)]);
    const links = [link(1, 'br0', undefined, { kind: 'bridge' }), link(11, 'vnet9', 1), link(21, 'tap1', 1)];
    assert.equal(applyChange(state, { type: 'resync', links, ownAddresses: [] }), state);
    assert.deepEqual([1, 2, 3, 4].map((last) => holders(state, last)), [[11], [], [21], [77]]);
    assert.deepEqual([...state.links.keys()].sort((a, b) => a - b), [1, 11, 21]);
    assert.deepEqual([...state.ports.get(1) ?? []].sort(), [11, 21]);
    assert.equal(state.byName.get('vnet1'), undefined);
  });
});

describe('links and forwarding entries come by two ways', () => {
  /** A kernel with two bridges (1, 2) and three ports (11 to 13), which tells of links on one socket and of entries on another. */
  type Deed = { readonly port: number; readonly bridge?: number | undefined; readonly speaks?: number; readonly ages?: number };
  function tellAll(deeds: readonly Deed[]): { links: BridgeChange[]; entries: FdbNews[]; truth: Map<string, number> } {
    const links: BridgeChange[] = [1, 2].map((ifindex) => ({ type: 'link', link: link(ifindex, `br${ifindex - 1}`, undefined, { kind: 'bridge' }) }));
    const entries: FdbNews[] = [];
    const masters = new Map<number, number>();
    const known = new Map<string, number>(); // bridge/MAC → port
    const forget = (key: string, ifindex: number): void => {
      const [bridge, last] = key.split('/').map(Number) as [number, number];
      known.delete(key);
      entries.push(gone(ifindex, last, bridge));
    };
    for (const { port, bridge, speaks, ages } of deeds) {
      const master = masters.get(port);
      if (speaks !== undefined && master !== undefined && known.get(`${master}/${speaks}`) !== port) {
        known.set(`${master}/${speaks}`, port);
        entries.push(at(port, speaks, master));
      } else if (ages !== undefined && master !== undefined && known.get(`${master}/${ages}`) === port) {
        forget(`${master}/${ages}`, port);
      } else if (speaks === undefined && ages === undefined && bridge !== master) {
        for (const [key, ifindex] of [...known]) if (ifindex === port) forget(key, port);
        if (bridge === undefined) masters.delete(port);
        else masters.set(port, bridge);
        links.push({ type: 'link', link: link(port, `vnet${port}`, bridge) });
      }
    }
    return { links, entries, truth: known };
  }

  it('whatever the order in which they are read, in the end a MAC is where the kernel has it', () => {
    const port = fc.integer({ min: 11, max: 13 });
    const deed: fc.Arbitrary<Deed> = fc.oneof(
      fc.record({ port, bridge: fc.constantFrom(1, 2, undefined) }),
      fc.record({ port, speaks: fc.integer({ min: 1, max: 2 }) }),
      fc.record({ port, ages: fc.integer({ min: 1, max: 2 }) }),
    );
    const watched = [{ bridge: 'br0', local: ['vnet*'], uplink: [] }, { bridge: 'br1', local: ['vnet*'], uplink: [] }];
    fc.assert(fc.property(fc.array(deed, { maxLength: 40 }), fc.array(fc.boolean(), { maxLength: 120 }), fc.boolean(), (deeds, turns, rest) => {
      const { links, entries, truth } = tellAll(deeds);
      const state = emptyBridgeState();
      for (const entriesNext of [...turns, ...new Array<boolean>(entries.length + links.length).fill(rest), ...new Array<boolean>(links.length).fill(false), ...new Array<boolean>(entries.length).fill(true)]) {
        if (entriesNext) learnt(state, entries.splice(0, 1));
        else if (links.length > 0) applyChange(state, links.shift() as BridgeChange);
      }
      assert.deepEqual([...state.entriesOf.values()].flatMap((own) => [...own.values()]).map((one: FdbEntry) => `${one.bridge}/${one.mac.slice(16)} ${one.ifindex}`).sort(),
        [...truth].map(([key, ifindex]) => `${key} ${ifindex}`).sort());
      for (const own of state.entriesOf.values()) for (const one of own.values()) assert.ok(isOfItsBridge(state, one));
      for (const last of [1, 2]) {
        const found = portFor(state, watched, mac(last), 0);
        assert.equal(found === undefined, ![...truth.keys()].some((key) => key.endsWith(`/${last}`)));
        if (found !== undefined) assert.equal(truth.get(`${found.bridge === 'br0' ? 1 : 2}/${last}`), found.port.ifindex);
      }
    }), { numRuns: 1000 });
  });
});

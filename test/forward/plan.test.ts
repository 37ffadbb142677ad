import assert from 'node:assert/strict';
import { changesBetween, entryId, type EntryId, type KernelEntry } from '../../forward/entries.ts';
import { planAddress, silenceEndsMs, silentForMs, whereabouts, type RivalRoute } from '../../forward/plan.ts';
import { actionFor } from '../../forward/reconcile.ts';
import { ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import { newHandover, type Handover, type State } from '../../routes/handover.ts';

const mac = '52:54:00:aa:00:01' as Mac;
const address = ip('203.0.113.11');
const address6 = ip('2001:db8:100::11');
const now = { monotonicMs: 1000, wallMs: 1_800_000_000_000, wallTrusted: true };
const rival: RivalRoute = { nextHop: ip('192.0.2.6') };
const gateway = { ifindex: 7, ifname: 'br-vlan' };

function handover(state: State, more: Partial<Handover> = {}): Handover {
  return { ...newHandover('default', address, now), state, sequence: 5, endpoint: { mac, vlan: 0, ifindex: 9, tagged: false }, ...more };
}

describe('forward: where a VM is', () => {
  const cases: [string, Handover | undefined, RivalRoute | undefined, boolean, string][] = [
    ['never heard of, no route', undefined, undefined, false, 'nowhere'],
    ['never heard of, a rival claims it', undefined, rival, false, 'elsewhere'],
    ['claimed', handover('elevated'), undefined, true, 'here'],
    ['claimed, and an older rival is still shown', handover('elevated'), rival, true, 'here'],
    ['settled', handover('normal'), undefined, true, 'here'],
    ['leaving, the port lives, nobody claims it', handover('leaving'), undefined, true, 'here'],
    ['leaving, the port lives, a rival claims it', handover('leaving'), rival, true, 'elsewhere'],
    ['leaving, the port is gone', handover('leaving'), undefined, false, 'unknown'],
    ['withdrawn a moment ago', handover('withdrawn'), undefined, false, 'unknown'],
    ['withdrawn, a rival claims it', handover('withdrawn'), rival, false, 'elsewhere'],
    ['never claimed here', handover('withdrawn', { sequence: 0 }), undefined, false, 'nowhere'],
    ['held with nothing told to routers', handover('held', { hold: { why: 'gate', seen: 1 } }), undefined, true, 'nowhere'],
    ['held with its claim standing', handover('held', { hold: { why: 'conflict', level: 'elevated', seen: 1 } }), rival, true, 'here'],
    ['announced by an operator', handover('manual', { manual: { mode: 'announce' } }), undefined, true, 'here'],
    ['withdrawn by an operator', handover('manual', { manual: { mode: 'withdraw' } }), rival, true, 'elsewhere'],
  ];
  for (const [name, h, route, alive, expected] of cases) it(name, () => assert.equal(whereabouts(h, route, alive, 1000).at, expected));

  it('silence ends', () => {
    const h = handover('withdrawn');
    assert.equal(silenceEndsMs(h, whereabouts(h, undefined, false, 1000)), 1000 + silentForMs);
    assert.equal(whereabouts(h, undefined, false, 1000 + silentForMs).at, 'nowhere');
    assert.equal(silenceEndsMs(h, { at: 'nowhere' }), undefined);
  });
});

describe('forward: what the kernel is to have', () => {
  const here = { at: 'here', mac } as const;
  const elsewhere = { at: 'elsewhere', ...rival } as const;
  const plan = (mode: 'off' | 'received' | 'host', where: Parameters<typeof planAddress>[2], of = address): string[] =>
    planAddress(mode, of, where, gateway, [7]).map(entryId);

  it('off: nothing, ever', () => {
    for (const where of [here, elsewhere, { at: 'unknown' }, { at: 'nowhere' }] as const) assert.deepEqual(plan('off', where), []);
  });

  it('host: neighbour and route for a VM here, what a late router sends for one elsewhere does not go back', () => {
    assert.deepEqual(plan('host', here), ['neighbour 7 203.0.113.11', 'route 203.0.113.11/32']);
    assert.deepEqual(plan('host', here, address6), ['neighbour 7 2001:db8:100::11', 'route 2001:db8:100::11/128']);
    assert.deepEqual(plan('host', elsewhere), ['noReturn 203.0.113.11/32']);
  });

  it('received: route and proxy entry for a VM elsewhere and no way back, nothing for one here', () => {
    assert.deepEqual(plan('received', elsewhere), ['noReturn 203.0.113.11/32', 'route 203.0.113.11/32', 'proxy 7 203.0.113.11']);
    assert.deepEqual(plan('received', here), []);
  });

  it('late packets for a VM that left are dropped without a word', () => {
    for (const mode of ['received', 'host'] as const) {
      assert.deepEqual(planAddress(mode, address, { at: 'unknown' }, gateway, [7]), [{ type: 'route', prefix: '203.0.113.11/32', to: { type: 'blackhole' } }]);
    }
  });

  it('late packets go on to the node that claims, and what this node sends itself bears its own address', () => {
    const h = handover('leaving');
    const straggler = { endpoint: ip('192.0.2.6'), sequence: 6, source: ip('192.0.2.2') };
    const to = { type: 'straggler', endpoint: ip('192.0.2.6'), source: ip('192.0.2.2') };
    for (const mode of ['off', 'host'] as const) {
      assert.deepEqual(planAddress(mode, address, whereabouts(h, undefined, true, now.monotonicMs, straggler), gateway, [7]), [{ type: 'route', prefix: '203.0.113.11/32', to }]);
    }
    assert.deepEqual(whereabouts(handover('elevated', { sequence: 7 }), undefined, true, now.monotonicMs, straggler).at, 'here', 'a newer claim of its own ends it');
  });

  it('without a gateway interface there is nothing to do', () => assert.deepEqual(planAddress('host', address, here, undefined, []), []));
});

describe('forward: wanted − present', () => {
  const route = (via: string): KernelEntry => ({ type: 'route', prefix: '203.0.113.11/32' as never, to: { type: 'nextHop', address: ip(via) } });
  const proxy: KernelEntry = { type: 'proxy', ifindex: 7, ifname: 'br-vlan', address };
  const id = entryId(proxy);

  it('changes: what goes first, then what comes; the same is no change', () => {
    assert.deepEqual(changesBetween([proxy, route('192.0.2.1')], [route('192.0.2.2')]), [{ id }, { id: entryId(route('192.0.2.2')), entry: route('192.0.2.2') }]);
    assert.deepEqual(changesBetween([proxy], [proxy]), []);
  });

  const present = (own: [EntryId, string][], foreign: [EntryId, number][] = []) => ({ own: new Map(own), foreign: new Map(foreign) });
  const cases: [string, KernelEntry | undefined, ReturnType<typeof present>, string][] = [
    ['wanted and absent', proxy, present([]), 'add'],
    ['wanted and there', proxy, present([[id, '']]), 'none'],
    ['wanted otherwise than it is there', proxy, present([[id, 'x']]), 'replace'],
    ["wanted, and somebody else's", proxy, present([], [[id, 2]]), 'conflict'],
    ["ours, and somebody else's came to it", proxy, present([[id, '']], [[id, 2]]), 'remove'],
    ['not wanted and ours', undefined, present([[id, '']]), 'remove'],
    ["not wanted and somebody else's", undefined, present([], [[id, 2]]), 'none'],
    ['not wanted and absent', undefined, present([]), 'none'],
  ];
  for (const [name, wanted, there, expected] of cases) it(name, () => assert.equal(actionFor(id, wanted, undefined, there), expected));
});

import assert from 'node:assert/strict';
import { type BindingOptions, identify, isKnownMac, isShared, listBindings, makeBindingTable } from '../../identity/bindings.ts';
import { learn } from '../../identity/learned.ts';
import { ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import { bindings, db, pair, stranger, web } from './fixtures.ts';

function meant(table: ReturnType<typeof makeBindingTable>, mac: Mac, vlan: number, address?: string, vrf = 'default'): string[] {
  return [...identify(table, { mac, vlan, vrf, ...(address === undefined ? {} : { address: ip(address) }) }).addresses];
}

describe('identify', () => {
  const table = makeBindingTable(bindings);
  const rows: [string, Mac, number, string | undefined, string[], { known: boolean; candidate: boolean; vm?: string }][] = [
    ['RARP of a bound MAC', web, 100, undefined, ['203.0.113.11', '2001:db8:100::11'], { known: true, candidate: false, vm: 'shop/web-1' }],
    ['RARP in another VLAN', web, 200, undefined, [], { known: false, candidate: false }],
    ['RARP of an unknown MAC', stranger, 100, undefined, [], { known: false, candidate: false }],
    ['RARP of a MAC bound in whatever VLAN', db, 207, undefined, ['203.0.113.12'], { known: true, candidate: false, vm: 'shop/db-1' }],
    ['GARP moves all', web, 100, '203.0.113.11', ['203.0.113.11', '2001:db8:100::11'], { known: true, candidate: false, vm: 'shop/web-1' }],
    ['NA moves all, its own address first', web, 100, '2001:db8:100::11', ['2001:db8:100::11', '203.0.113.11'], { known: true, candidate: false, vm: 'shop/web-1' }],
    ['GARP for a strange address moves nothing else', web, 100, '203.0.113.77', ['203.0.113.77'], { known: true, candidate: true, vm: 'shop/web-1' }],
    ['GARP for a neighbour\'s address', web, 100, '203.0.113.12', ['203.0.113.12'], { known: true, candidate: true, vm: 'shop/web-1' }],
    ['GARP in another VLAN', web, 200, '203.0.113.11', ['203.0.113.11'], { known: false, candidate: true }],
    ['GARP of an unknown MAC', stranger, 100, '203.0.113.50', ['203.0.113.50'], { known: false, candidate: true }],
  ];
  for (const [name, mac, vlan, address, addresses, rest] of rows) {
    it(name, () => {
      const claimant = { mac, vlan, vrf: 'default', ...(address === undefined ? {} : { address: ip(address) }) };
      assert.deepEqual(identify(table, claimant), { addresses, ...rest });
    });
  }

  it('another VRF is another world', () => {
    assert.deepEqual(meant(table, web, 100, undefined, 'red'), []);
  });

  it('two VLANs are two identities', () => {
    const two = makeBindingTable([
      { vm: 'a', mac: web, vlan: 100, vrf: 'default', ips: [ip('203.0.113.11')] },
      { vm: 'b', mac: web, vlan: 200, vrf: 'default', ips: [ip('203.0.113.21')] },
    ]);
    assert.deepEqual(meant(two, web, 100), ['203.0.113.11']);
    assert.deepEqual(meant(two, web, 200), ['203.0.113.21']);
    assert.deepEqual(meant(two, web, 100, '203.0.113.21'), ['203.0.113.21']);
  });

  it('bindings of one MAC from configuration and file add up, without repetition', () => {
    const both = makeBindingTable([
      { vm: 'a', mac: web, vrf: 'default', ips: [ip('203.0.113.11')] },
      { vm: 'a', mac: web, vlan: 100, vrf: 'default', ips: [ip('203.0.113.11'), ip('203.0.113.13')], origin: 'file' },
    ]);
    assert.deepEqual(meant(both, web, 100), ['203.0.113.11', '203.0.113.13']);
    assert.equal(isShared(both, 'default', ip('203.0.113.11')), false);
  });

  describe('an address that two MACs share', () => {
    const vrrp: BindingOptions[] = [
      { vm: 'lb-1', mac: web, vlan: 100, vrf: 'default', ips: [ip('203.0.113.11'), ip('203.0.113.100')] },
      { vm: 'lb-2', mac: db, vlan: 100, vrf: 'default', ips: [ip('203.0.113.12'), ip('203.0.113.100')] },
    ];
    const shared = makeBindingTable(vrrp);
    const cases: [string, string | undefined, string[]][] = [
      ['stays where it is at a RARP', undefined, ['203.0.113.11']],
      ['stays where it is at a GARP for another address', '203.0.113.11', ['203.0.113.11']],
      ['moves by its own GARP', '203.0.113.100', ['203.0.113.100', '203.0.113.11']],
    ];
    for (const [name, address, expected] of cases) {
      it(name, () => {
        assert.deepEqual(meant(shared, web, 100, address), expected);
      });
    }
  });

  it('learned addresses are meant like bound ones, in their VLAN', () => {
    const learned = makeBindingTable(bindings);
    learn(learned.learned, pair(stranger, '203.0.113.50'), 0);
    learn(learned.learned, pair(stranger, '2001:db8:100::50'), 0);
    learn(learned.learned, pair(stranger, '203.0.113.51', { vlan: 200 }), 0);
    assert.deepEqual(meant(learned, stranger, 100), ['203.0.113.50', '2001:db8:100::50']);
    assert.deepEqual(meant(learned, stranger, 200), ['203.0.113.51']);
    assert.equal(isKnownMac(learned, 'default', stranger, 100), true);
    assert.equal(isKnownMac(learned, 'default', stranger, 201), false);
    assert.equal(isKnownMac(learned, 'default', web, 200), false);
  });
});

describe('makeBindingTable on a reload', () => {
  it('keeps learned pairs, except where a binding now speaks', () => {
    const before = makeBindingTable([]);
    learn(before.learned, pair(stranger, '203.0.113.11'), 0);
    learn(before.learned, pair(stranger, '203.0.113.50'), 0);
    const after = makeBindingTable(bindings, before.learned);
    assert.deepEqual(meant(after, stranger, 100), ['203.0.113.50']);
  });
});

describe('listBindings', () => {
  it('shows bindings and learned endpoints, names made fit for a terminal', () => {
    const table = makeBindingTable([{ vm: 'evil\x1b[2J', mac: web, vlan: 100, vrf: 'default', ips: [ip('203.0.113.11')], origin: 'file' }, ...bindings.slice(1)]);
    learn(table.learned, pair(stranger, '203.0.113.50'), 5);
    learn(table.learned, pair(stranger, '2001:db8:100::50'), 7);
    assert.deepEqual(listBindings(table), [
      { vm: 'evil\\x1b[2J', mac: web, vlan: 100, vrf: 'default', ips: ['203.0.113.11'], origin: 'file' },
      { vm: 'shop/db-1', mac: db, vrf: 'default', ips: ['203.0.113.12'], origin: 'config' },
      { mac: stranger, vlan: 100, vrf: 'default', ips: ['203.0.113.50', '2001:db8:100::50'], origin: 'learned', lastHeardMs: 7 },
    ]);
  });
});

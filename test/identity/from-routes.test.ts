import assert from 'node:assert/strict';
import { identify, isKnownMac, listBindings, makeBindingTable } from '../../identity/bindings.ts';
import { type RoutePair, emptyRoutePairs, maxRoutePairsPerMac, routePairOf, routePairsOf, setRoutePair } from '../../identity/from-routes.ts';
import { learn } from '../../identity/learned.ts';
import { type IpAddress, ip } from '../../net/ip.ts';
import { type Mac, broadcastMac, zeroMac } from '../../net/mac.ts';
import { bindings, db, pair, stranger, web } from './fixtures.ts';

const of = (mac: Mac, address: string, vrf = 'default'): RoutePair => ({ vrf, address: ip(address), mac, node: ip('192.0.2.2'), stands: true });
const set = (routes: ReturnType<typeof emptyRoutePairs>, told: RoutePair): void => setRoutePair(routes, told.vrf, told.address, told);

describe('pairs from routes', () => {
  it('are found by address and by MAC, each in its VRF, and go with their route', () => {
    const routes = emptyRoutePairs();
    for (const told of [of(web, '203.0.113.11'), of(web, '2001:db8:100::11'), of(web, '203.0.113.11', 'red')]) set(routes, told);
    assert.deepEqual(routePairsOf(routes, 'default', web).map((told) => told.address), ['203.0.113.11', '2001:db8:100::11']);
    assert.equal(routePairOf(routes, 'red', ip('203.0.113.11'))?.vrf, 'red');
    setRoutePair(routes, 'default', ip('203.0.113.11'), undefined);
    assert.deepEqual(routePairsOf(routes, 'default', web).map((told) => told.address), ['2001:db8:100::11']);
    setRoutePair(routes, 'default', ip('2001:db8:100::11'), undefined);
    setRoutePair(routes, 'red', ip('203.0.113.11'), undefined);
    assert.deepEqual([routes.pairs.size, routes.byMac.size], [0, 0]);
  });

  it('have one MAC per address: the newer word replaces the older', () => {
    const routes = emptyRoutePairs();
    set(routes, of(web, '203.0.113.11'));
    set(routes, of(db, '203.0.113.11'));
    assert.deepEqual(routePairsOf(routes, 'default', web), []);
    assert.equal(routePairOf(routes, 'default', ip('203.0.113.11'))?.mac, db);
  });

  it('are never those of a group or zero MAC', () => {
    const routes = emptyRoutePairs();
    for (const mac of [broadcastMac, zeroMac, '01:00:5e:00:00:01' as Mac]) set(routes, of(mac, '203.0.113.11'));
    assert.equal(routes.pairs.size, 0);
  });

  it('of one MAC are 64 at most, however many a peer gives it', () => {
    const table = makeBindingTable([]);
    for (let i = 0; i < 1000; i++) set(table.routes, of(web, `10.0.${i >> 8}.${i & 255}`));
    assert.equal(identify(table, { mac: web, vlan: 100, vrf: 'default' }).addresses.length, maxRoutePairsPerMac);
  });
});

describe('identify with pairs from routes', () => {
  const meant = (table: ReturnType<typeof makeBindingTable>, mac: Mac, address?: IpAddress): string[] =>
    [...identify(table, { mac, vlan: 100, vrf: 'default', ...(address === undefined ? {} : { address }) }).addresses];

  it('a RARP, and a GARP for one of them, mean all addresses of the MAC', () => {
    const table = makeBindingTable([]);
    for (const address of ['203.0.113.50', '2001:db8:100::50']) set(table.routes, of(stranger, address));
    assert.deepEqual(meant(table, stranger), ['203.0.113.50', '2001:db8:100::50']);
    assert.deepEqual(meant(table, stranger, ip('2001:db8:100::50')), ['2001:db8:100::50', '203.0.113.50']);
    assert.equal(isKnownMac(table, 'default', stranger, 100), true);
    assert.deepEqual(meant(table, db), []);
  });

  it('a binding outweighs them: its address is meant for its own MAC only', () => {
    const table = makeBindingTable(bindings);
    set(table.routes, of(stranger, '203.0.113.11'));
    assert.deepEqual(meant(table, stranger), []);
  });

  it('what was learned here is added to', () => {
    const table = makeBindingTable([]);
    learn(table.learned, pair(stranger, '203.0.113.50'), 0);
    set(table.routes, of(stranger, '203.0.113.50'));
    set(table.routes, of(stranger, '2001:db8:100::50'));
    assert.deepEqual(meant(table, stranger), ['203.0.113.50', '2001:db8:100::50']);
  });

  it('are listed by MAC, as origin route', () => {
    const table = makeBindingTable([]);
    for (const address of ['203.0.113.50', '2001:db8:100::50']) set(table.routes, of(stranger, address));
    assert.deepEqual(listBindings(table), [{ mac: stranger, vrf: 'default', ips: ['203.0.113.50', '2001:db8:100::50'], origin: 'route' }]);
  });
});

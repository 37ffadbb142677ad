import assert from 'node:assert/strict';
import { type Claim, admit } from '../../identity/admit.ts';
import { identify, makeBindingTable } from '../../identity/bindings.ts';
import { setRoutePair } from '../../identity/from-routes.ts';
import { learn } from '../../identity/learned.ts';
import { type Prefix, ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import { type RulesWish, bindings, claim, db, ownAddress, pair, rules, stranger, web } from './fixtures.ts';

function verdict(wish: RulesWish, by: Partial<Claim>, address: string | undefined): string {
  const { verdict: said, reason, learns } = admit(rules(wish), claim(by), address === undefined ? undefined : ip(address));
  assert.match(reason, /^[\x20-\x7e]{5,160}$/);
  return `${said}${learns ? ' and learned' : ''}: ${reason}`;
}

type Row = [name: string, wish: RulesWish, by: Partial<Claim>, address: string | undefined, expected: string];

function table(rows: readonly Row[]): void {
  for (const [name, wish, by, address, expected] of rows) {
    it(name, () => {
      assert.equal(verdict(wish, by, address), expected);
    });
  }
}

describe('admit, whatever the mode', () => {
  const excluded24 = 'address of 203.0.113.0/24';
  for (const mode of ['strict', 'learn'] as const) {
    describe(mode, () => {
      table([
        ['bound', { mode }, {}, '203.0.113.11', 'accepted: binding shop/web-1; inside 203.0.113.0/24'],
        ['bound, IPv6', { mode }, { kind: 'na' }, '2001:db8:100::11', 'accepted: binding shop/web-1; inside 2001:db8:100::/64'],
        ['bound, from an uplink', { mode }, { role: 'uplink' }, '203.0.113.11', 'accepted: binding shop/web-1; inside 203.0.113.0/24'],
        ['bound in whatever VLAN', { mode }, { mac: db, vlan: 205 }, '203.0.113.12', 'accepted: binding shop/db-1; inside 203.0.113.0/24'],
        ['unlisted port', { mode }, { role: 'unlisted' }, '203.0.113.11', 'wrong_port: port is in neither ports.local nor ports.uplink'],
        ['VLAN that is not watched', { mode }, { vlan: 300 }, '203.0.113.11', 'wrong_vlan: VLAN 300 is not watched on this bridge'],
        ['untagged, not watched', { mode }, { vlan: 0 }, '203.0.113.11', 'wrong_vlan: VLAN 0 is not watched on this bridge'],
        ['untagged, watched', { mode, watch: { vlans: [[0, 0]] } }, { vlan: 0, mac: db }, '203.0.113.12', 'accepted: binding shop/db-1; inside 203.0.113.0/24'],
        ['bound in another VLAN', { mode }, { vlan: 200 }, '203.0.113.11', 'wrong_vlan: binding shop/web-1 is for VLAN 100'],
        ['kind that is not configured', { mode, watch: { announcements: ['rarp'] } }, {}, '203.0.113.11', 'not_evidence: garp is not in watch.announcements'],
        ['ordinary ARP, not configured', { mode }, { kind: 'arp' }, '203.0.113.11', 'not_evidence: any-arp is not in watch.announcements'],
        ['ordinary ARP, configured', { mode, watch: { announcements: ['any-arp'] } }, { kind: 'arp' }, '203.0.113.11', 'accepted: binding shop/web-1; inside 203.0.113.0/24'],
        ['a Neighbor Solicitation, configured', { mode, watch: { announcements: ['any-arp'] } }, { kind: 'ns' }, '203.0.113.11', 'accepted: binding shop/web-1; inside 203.0.113.0/24'],
        ['the gateway', { mode }, {}, '203.0.113.1', 'excluded: in watch.exclude'],
        ['the gateway, IPv6', { mode }, {}, '2001:db8:100::1', 'excluded: in watch.exclude'],
        ['this node', { mode }, {}, ownAddress, 'excluded: an address of this node'],
        ['network address', { mode }, {}, '203.0.113.0', `excluded: network ${excluded24}`],
        ['broadcast address', { mode }, {}, '203.0.113.255', `excluded: broadcast ${excluded24}`],
        ['subnet-router anycast', { mode }, {}, '2001:db8:100::', 'excluded: network address of 2001:db8:100::/64'],
        ['last address of an IPv6 prefix', { mode: 'learn' }, {}, '2001:db8:100:0:ffff:ffff:ffff:ffff', 'accepted and learned: first heard; inside 2001:db8:100::/64'],
        ['multicast', { mode, watch: { prefixes: ['0.0.0.0/0' as Prefix] } }, {}, '224.0.0.5', 'excluded: no host address'],
        ['outside', { mode }, {}, '198.51.100.7', 'outside_prefixes: outside watch.prefixes'],
        ['outside, IPv6', { mode }, {}, '2001:db8:101::7', 'outside_prefixes: outside watch.prefixes'],
        ['a neighbour\'s address', { mode }, { mac: stranger }, '203.0.113.11', 'conflict: bound to shop/web-1 (52:54:00:aa:00:01)'],
        ['a neighbour\'s address, newest wins', { mode, onConflict: 'newest' }, { mac: stranger }, '203.0.113.11', 'conflict: bound to shop/web-1 (52:54:00:aa:00:01)'],
        ['RARP of a stranger', { mode }, { kind: 'rarp', mac: stranger }, undefined, 'no_binding: RARP carries no IP, and this MAC has no binding'],
        ['RARP, shared addresses only', { mode }, { kind: 'rarp' }, undefined, 'not_evidence: RARP carries no IP, and all addresses of this MAC are shared'],
      ]);
    });
  }
});

describe('admit, strict', () => {
  table([
    ['unknown MAC, free address', {}, { mac: stranger }, '203.0.113.50', 'no_binding: this MAC has no binding'],
    ['bound MAC, address it does not have', {}, {}, '203.0.113.50', 'no_binding: binding shop/web-1 does not name this address'],
    ['another VRF', {}, { vrf: 'red' }, '203.0.113.11', 'no_binding: this MAC has no binding'],
  ]);

  it('a learned pair of earlier days counts for nothing', () => {
    const learned = makeBindingTable(bindings);
    learn(learned.learned, pair(stranger, '203.0.113.50'), 0);
    assert.equal(verdict({ table: learned }, { mac: stranger }, '203.0.113.50'), 'no_binding: this MAC has no binding');
  });

  it('names in reasons are made fit for a terminal', () => {
    const evil = makeBindingTable([{ vm: 'a\x1b[2J\n', mac: web, vrf: 'default', ips: [ip('203.0.113.11')] }]);
    assert.equal(verdict({ table: evil }, { mac: stranger }, '203.0.113.11'), `conflict: bound to a\\x1b[2J\\x0a (${web})`);
  });

  it('a shared address is accepted from each of its MACs', () => {
    const shared = makeBindingTable([web, db].map((mac) => ({ vm: mac, mac, vrf: 'default', ips: [ip('203.0.113.100')] })));
    for (const mac of [web, db]) assert.match(verdict({ table: shared }, { mac }, '203.0.113.100'), /^accepted: /);
    assert.match(verdict({ table: shared }, { mac: stranger }, '203.0.113.100'), /^conflict: /);
  });
});

describe('admit, learn', () => {
  const told = (mac: Mac, stands = true, table = makeBindingTable(bindings)): ReturnType<typeof makeBindingTable> => {
    setRoutePair(table.routes, 'default', ip('203.0.113.50'), { vrf: 'default', address: ip('203.0.113.50'), mac, node: ip('192.0.2.2'), stands });
    return table;
  };
  const known = (): ReturnType<typeof makeBindingTable> => {
    const learned = makeBindingTable(bindings);
    learn(learned.learned, pair(db, '203.0.113.50'), 0);
    return learned;
  };
  const inside = 'inside 203.0.113.0/24';
  table([
    ['first heard', { mode: 'learn' }, { mac: stranger }, '203.0.113.50', `accepted and learned: first heard; ${inside}`],
    ['heard again', { mode: 'learn', table: known() }, { mac: db }, '203.0.113.50', `accepted and learned: learned pair; ${inside}`],
    ['a second MAC, the first is alive', { mode: 'learn', table: known(), alive: [db] }, { mac: stranger }, '203.0.113.50', `conflict: learned for ${db} in VLAN 100, which is alive`],
    ['a second MAC, the first lives nowhere', { mode: 'learn', table: known() }, { mac: stranger }, '203.0.113.50', `accepted and learned: takes over from ${db} in VLAN 100, which lives nowhere; ${inside}`],
    ['a second MAC, newest wins', { mode: 'learn', onConflict: 'newest', table: known(), alive: [db] }, { mac: stranger }, '203.0.113.50', `accepted and learned: takes over from ${db} in VLAN 100, onConflict is newest; ${inside}`],
    ['the same MAC in another VLAN', { mode: 'learn', table: known(), alive: [db] }, { mac: db, vlan: 200 }, '203.0.113.50', `conflict: learned for ${db} in VLAN 100, which is alive`],
    ['ordinary ARP makes no pair', { mode: 'learn', watch: { announcements: ['any-arp'] } }, { kind: 'arp', mac: stranger }, '203.0.113.50', 'no_binding: ordinary ARP of a pair that is not known'],
    ['ordinary ARP of a learned pair', { mode: 'learn', table: known(), watch: { announcements: ['any-arp'] } }, { kind: 'arp', mac: db }, '203.0.113.50', `accepted and learned: learned pair; ${inside}`],
    ['told by a route', { mode: 'learn', table: told(stranger) }, { mac: stranger }, '203.0.113.50', `accepted and learned: told by the route of node 192.0.2.2; ${inside}`],
    ['ordinary ARP of a pair that a route tells', { mode: 'learn', table: told(stranger), watch: { announcements: ['any-arp'] } }, { kind: 'arp', mac: stranger }, '203.0.113.50', `accepted and learned: told by the route of node 192.0.2.2; ${inside}`],
    ['a second MAC, another node claims it', { mode: 'learn', table: told(db) }, { mac: stranger }, '203.0.113.50', `conflict: node 192.0.2.2 claims it for ${db}`],
    ['a second MAC, another node gives it up', { mode: 'learn', table: told(db, false) }, { mac: stranger }, '203.0.113.50', `accepted and learned: first heard; ${inside}`],
    ['a second MAC, another node claims it, newest wins', { mode: 'learn', onConflict: 'newest', table: told(db) }, { mac: stranger }, '203.0.113.50', `accepted and learned: first heard; ${inside}`],
    ['a route against a pair that lives here', { mode: 'learn', table: told(stranger, true, known()), alive: [db] }, { mac: stranger }, '203.0.113.50', `conflict: learned for ${db} in VLAN 100, which is alive`],
    ['a route against a pair that lived here once', { mode: 'learn', table: told(stranger, true, known()), elsewhere: [db] }, { mac: stranger }, '203.0.113.50', `accepted and learned: told by the route of node 192.0.2.2; ${inside}`],
    ['no route against a pair that lives elsewhere', { mode: 'learn', table: known(), elsewhere: [db] }, { mac: stranger }, '203.0.113.50', `conflict: learned for ${db} in VLAN 100, which is alive`],
    ['a shared address, whoever has it', { mode: 'learn', table: makeBindingTable([], known().learned, undefined, [ip('203.0.113.50')]), alive: [db] }, { mac: stranger }, '203.0.113.50', `accepted and learned: takes over from ${db} in VLAN 100, the address is shared; ${inside}`],
    ['a shared address that another node claims', { mode: 'learn', table: makeBindingTable([], undefined, told(db).routes, [ip('203.0.113.50')]) }, { mac: stranger }, '203.0.113.50', `accepted and learned: first heard; ${inside}`],
    ['no room', { mode: 'learn', limits: { perPort: 0, perMac: 1, inAll: 1, pinAfterMs: 0 } }, { mac: stranger }, '203.0.113.50', 'table_full: no room for more learned pairs of this port'],
  ]);

  it('identify, admit, learn: a MAC\'s second address moves with its first from then on', () => {
    const learned = makeBindingTable(bindings);
    for (const address of ['203.0.113.50', '2001:db8:100::50']) {
      const heard = claim({ mac: stranger, address: ip(address) });
      for (const meant of identify(learned, heard).addresses) {
        const admission = admit(rules({ mode: 'learn', table: learned }), heard, meant);
        assert.equal(admission.verdict, 'accepted');
        if (admission.learns) learn(learned.learned, { ...pair(stranger, address), address: meant }, 0);
      }
    }
    assert.deepEqual(identify(learned, claim({ kind: 'rarp', mac: stranger })).addresses, ['203.0.113.50', '2001:db8:100::50']);
  });
});

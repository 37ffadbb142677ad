import assert from 'node:assert/strict';
import type { PortMark } from '../../bridge/ports.ts';
import { admit } from '../../identity/admit.ts';
import { makeBindingTable } from '../../identity/bindings.ts';
import { standingOf } from '../../identity/ports.ts';
import { ip } from '../../net/ip.ts';
import { type Mac, parseMac } from '../../net/mac.ts';
import { bindings, claim, db, rules, stranger, web } from './fixtures.ts';

const tapOf = (mac: Mac): PortMark => ({ from: 'tap', lastFive: mac.slice(3) });
const aliasOf = (mac: Mac): PortMark => ({ from: 'alias', mac });
/** web is bound to vnet4, db is not bound to a port. */
const table = makeBindingTable([{ ...bindings[0]!, port: 'vnet4' }, bindings[1]!]);

const rows: [string, Mac, string, PortMark | undefined, string][] = [
  ['no mark', db, 'vnet7', undefined, 'unmarked'],
  ['libvirt\'s tap, its own guest', db, 'vnet7', tapOf(db), 'verified'],
  ['libvirt\'s tap, another guest', db, 'vnet7', tapOf(web), 'wrong: port is another guest\'s: its tap\'s MAC says ..:54:00:aa:00:01'],
  ['an alias, its own guest', db, 'vnet7', aliasOf(db), 'verified'],
  ['an alias, another guest', db, 'vnet7', aliasOf(stranger), 'wrong: port is another guest\'s: its alias says 52:54:00:aa:00:99'],
  ['an alias with the same last five octets', db, 'vnet7', aliasOf(parseMac('56:54:00:aa:00:02') as Mac), 'wrong: port is another guest\'s: its alias says 56:54:00:aa:00:02'],
  ['a MAC without a binding, another guest\'s port', stranger, 'vnet7', tapOf(web), 'wrong: port is another guest\'s: its tap\'s MAC says ..:54:00:aa:00:01'],
  ['the port of the binding', web, 'vnet4', undefined, 'verified'],
  ['the port of the binding outweighs a mark', web, 'vnet4', tapOf(db), 'verified'],
  ['another port than the binding\'s', web, 'vnet5', undefined, 'wrong: binding shop/web-1 is for port vnet4'],
  ['another port than the binding\'s, though marked', web, 'vnet5', aliasOf(web), 'wrong: binding shop/web-1 is for port vnet4'],
];

describe('whose port it is', () => {
  for (const [name, mac, port, mark, expected] of rows) {
    it(name, () => {
      const standing = standingOf(table, { mac, vlan: 100, vrf: 'default', port: { ifindex: 11, name: port, ...(mark === undefined ? {} : { mark }) } });
      assert.equal(standing.standing === 'wrong' ? `wrong: ${standing.reason}` : standing.standing, expected);
    });
  }

  it('patterns name several ports, and a MAC with several bindings may be behind each of theirs', () => {
    const two = makeBindingTable([{ ...bindings[0]!, port: 'tap101*' }, { ...bindings[0]!, port: 'fwpr101*', origin: 'file' }]);
    for (const [name, expected] of [['tap101i0', 'verified'], ['fwpr101p0', 'verified'], ['tap102i0', 'wrong']] as const) {
      assert.equal(standingOf(two, { mac: web, vlan: 100, vrf: 'default', port: { ifindex: 1, name } }).standing, expected);
    }
  });
});

describe('admit and ports', () => {
  const verdictOf = (wish: Parameters<typeof rules>[0], mac: Mac, mark?: PortMark, address: string | undefined = '203.0.113.12', more: Partial<Parameters<typeof claim>[0]> = {}) => {
    const { verdict, early } = admit(rules({ table: makeBindingTable(bindings), ...wish }), claim({ mac, port: { ifindex: 11, name: 'vnet7', ...(mark === undefined ? {} : { mark }) }, ...more }), address === undefined ? undefined : ip(address));
    return `${verdict}${early === true ? ' (early)' : ''}`;
  };
  for (const mode of ['strict', 'learn'] as const) {
    it(`${mode}: another guest's port is refused whatever it says, also a RARP`, () => {
      assert.equal(verdictOf({ mode }, db, tapOf(web)), 'wrong_port');
      assert.equal(verdictOf({ mode }, stranger, aliasOf(web), '203.0.113.50'), 'wrong_port');
      assert.equal(verdictOf({ mode }, stranger, aliasOf(web), undefined, { kind: 'rarp' }), 'wrong_port');
    });
  }

  it('what comes through an uplink has no port of a guest', () => {
    assert.equal(verdictOf({}, db, tapOf(web), '203.0.113.12', { role: 'uplink' }), 'accepted');
  });

  const takeover: [string, 'allow' | 'refuse', boolean, PortMark | undefined, string][] = [
    ['allow: an unmarked port takes over', 'allow', true, undefined, 'accepted'],
    ['refuse: an unmarked port does not, and is remembered', 'refuse', true, undefined, 'wrong_port (early)'],
    ['refuse: a marked port does', 'refuse', true, tapOf(db), 'accepted'],
    ['refuse: an unmarked port claims what nobody claims', 'refuse', false, undefined, 'accepted'],
  ];
  for (const [name, unverifiedPorts, rivalStands, mark, expected] of takeover) {
    it(name, () => assert.equal(verdictOf({ unverifiedPorts, rivalStands }, db, mark), expected));
  }
});

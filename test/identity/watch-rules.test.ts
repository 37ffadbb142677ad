import assert from 'node:assert/strict';
import { compileWatch, findPrefix, isWatchedVlan } from '../../identity/watch-rules.ts';
import { type Prefix, ip } from '../../net/ip.ts';
import { watch } from './fixtures.ts';

describe('findPrefix', () => {
  const compiled = compileWatch({
    ...watch,
    prefixes: ['10.0.0.0/8', '10.1.2.0/24', '10.1.2.64/31', '192.0.2.7/32', '2001:db8::/32', '2001:db8:0:1::/64', '2001:db8:0:1::a/127', '2001:db8:9::7/128'] as Prefix[],
  });
  const rows: [string, string | undefined][] = [
    ['10.1.2.3', '10.1.2.0/24 host'],
    ['10.1.2.0', '10.1.2.0/24 network'],
    ['10.1.2.255', '10.1.2.0/24 broadcast'],
    ['10.1.2.64', '10.1.2.64/31 host'],
    ['10.1.2.65', '10.1.2.64/31 host'],
    ['10.1.3.0', '10.0.0.0/8 host'],
    ['10.0.0.0', '10.0.0.0/8 network'],
    ['10.255.255.255', '10.0.0.0/8 broadcast'],
    ['11.0.0.0', undefined],
    ['9.255.255.255', undefined],
    ['192.0.2.7', '192.0.2.7/32 host'],
    ['192.0.2.6', undefined],
    ['2001:db8::', '2001:db8::/32 network'],
    ['2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db8::/32 host'],
    ['2001:db9::', undefined],
    ['2001:db8:0:1::', '2001:db8:0:1::/64 network'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64 host'],
    ['2001:db8:0:1::a', '2001:db8:0:1::a/127 host'],
    ['2001:db8:9::7', '2001:db8:9::7/128 host'],
    ['::a01:203', undefined],
  ];
  for (const [address, expected] of rows) {
    it(`${address}: ${expected ?? 'outside'}`, () => {
      const found = findPrefix(compiled, ip(address));
      assert.equal(found && `${found.prefix} ${found.standing}`, expected);
    });
  }

  it('the default routes hold everything of their family', () => {
    const all = compileWatch({ ...watch, prefixes: ['0.0.0.0/0', '::/0'] as Prefix[] });
    assert.equal(findPrefix(all, ip('203.0.113.1'))?.prefix, '0.0.0.0/0');
    assert.equal(findPrefix(all, ip('2001:db8::1'))?.prefix, '::/0');
    assert.equal(findPrefix(compileWatch({ ...watch, prefixes: [] }), ip('203.0.113.1')), undefined);
  });
});

describe('isWatchedVlan', () => {
  const cases: [ReturnType<typeof compileWatch>, number[], number[]][] = [
    [compileWatch(watch), [100, 200, 205, 210], [0, 99, 101, 199, 211, 4094]],
    [compileWatch({ ...watch, vlans: [[0, 0]] }), [0], [1, 100]],
    [compileWatch({ ...watch, vlans: [] }), [], [0, 100]],
    [compileWatch({ bridge: 'b', announcements: [], prefixes: [], exclude: [], vrf: 'default' }), [0, 1, 4094], []],
  ];
  for (const [compiled, inside, outside] of cases) {
    it(JSON.stringify(compiled.vlans ?? 'every VLAN'), () => {
      for (const vlan of inside) assert.equal(isWatchedVlan(compiled, vlan), true, `${vlan}`);
      for (const vlan of outside) assert.equal(isWatchedVlan(compiled, vlan), false, `${vlan}`);
    });
  }
});

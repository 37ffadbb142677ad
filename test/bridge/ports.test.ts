import assert from 'node:assert/strict';
import fc from 'fast-check';
import { bridgesAfter, contradicts, isDoublyListed, letsIn, matchesPattern, portKind, portMark, roleOf, speaksBeforeVm } from '../../bridge/ports.ts';
import { type Mac, parseMac } from '../../net/mac.ts';
import { link } from './fixtures.ts';

const vm = parseMac('52:54:00:aa:00:01') as Mac;

describe('matchesPattern', () => {
  const rows: [pattern: string, matching: string[], others: string[]][] = [
    ['vnet4', ['vnet4'], ['vnet', 'vnet40', 'Vnet4', '']],
    ['vnet*', ['vnet', 'vnet4', 'vnet-*'], ['vne', 'xvnet4', '']],
    ['*', ['', 'anything', '*'], []],
    ['*0', ['bond0', '0', '00'], ['bond1', '']],
    ['v*t*4', ['vnet4', 'vt4', 'v-t-4-4'], ['vnet', 'net4']],
    ['tap?', ['tap1', 'tapx', 'tap?'], ['tap', 'tap10']],
    ['tap[0-9]', ['tap0', 'tap9'], ['tapa', 'tap', 'tap10', 'tap[0-9]']],
    ['tap[!0-9]', ['tapa', 'tap-'], ['tap0', 'tap']],
    ['tap[^0-9]*', ['tapab'], ['tap0b']],
    ['eth[01a-c]', ['eth0', 'eth1', 'ethb'], ['eth2', 'ethd', 'eth-']],
    ['a[]]b', ['a]b'], ['ab', 'a[]]b']],
    ['a[!]]b', ['a-b'], ['a]b']],
    ['a[x-]', ['ax', 'a-'], ['ay']],
    ['a[b', ['a[b'], ['ab']],
    ['fwpr*p*', ['fwpr101p0'], ['fwpr101', 'fwbr101i0']],
    ['', [''], ['a']],
    ['a.c', ['a.c'], ['abc']],
    ['(a|b)', ['(a|b)'], ['a']],
    ['\\*', ['\\', '\\x'], ['*']],
  ];
  for (const [pattern, matching, others] of rows) {
    it(JSON.stringify(pattern), () => {
      for (const name of matching) assert.equal(matchesPattern(pattern, name), true, `${name} should match`);
      for (const name of others) assert.equal(matchesPattern(pattern, name), false, `${name} should not match`);
    });
  }

  it('agrees with a regular expression on * and ?', () => {
    const short = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
    const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
    fc.assert(fc.property(short, name, (pattern, text) => {
      const expression = new RegExp(`^${pattern.replace(/\*+/g, '.*').replace(/\?/g, '.')}$`);
      assert.equal(matchesPattern(pattern, text), expression.test(text));
    }), { numRuns: 2000 });
  });

  it('gives an answer for any pattern', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('a', '[', ']', '!', '^', '-', '*', '?') }), fc.string(), (pattern, text) => {
      assert.equal(typeof matchesPattern(pattern, text), 'boolean');
    }));
  });
});

describe('roleOf', () => {
  const watched = { bridge: 'br0', local: ['vnet*', 'tap*'], uplink: ['bond0', 'tap-up*'] };
  const rows: [string, string, boolean][] = [
    ['vnet4', 'local', false],
    ['bond0', 'uplink', false],
    ['eth0', 'unlisted', false],
    ['tap-up1', 'uplink', true],
  ];
  for (const [name, role, doubly] of rows) {
    it(`${name} is ${role}${doubly ? ', and doubly listed' : ''}`, () => {
      assert.equal(roleOf(watched, name), role);
      assert.equal(isDoublyListed(watched, name), doubly);
    });
  }
});

describe('port kinds and marks', () => {
  it('only a veth speaks before its VM', () => {
    const kinds: [string | undefined, string][] = [['veth', 'veth'], ['tun', 'tap'], ['macvtap', 'tap'], ['bond', 'other'], [undefined, 'other']];
    for (const [kind, expected] of kinds) {
      const link = kind === undefined ? {} : { kind };
      assert.equal(portKind(link), expected);
      assert.equal(speaksBeforeVm(link), kind === 'veth');
    }
  });

  const tapMac = parseMac('fe:54:00:aa:00:01') as Mac;
  it('a MAC that the kernel drew marks nothing', () => {
    assert.equal(portMark({ kind: 'tun', mac: parseMac('fe:54:00:aa:00:01') as Mac, randomMac: true }), undefined);
  });

  const marks: [string, Parameters<typeof portMark>[0], ReturnType<typeof portMark>][] = [
    ['libvirt tap', { kind: 'tun', mac: tapMac }, { from: 'tap', lastFive: '54:00:aa:00:01' }],
    ['tap with another MAC', { kind: 'tun', mac: vm }, undefined],
    ['tap without a MAC', { kind: 'tun' }, undefined],
    ['veth with such a MAC', { kind: 'veth', mac: tapMac }, undefined],
    ['alias', { alias: 'mac=52-54-00-AA-00-01' }, { from: 'alias', mac: vm }],
    ['alias among words', { alias: 'web-1, mac=52:54:00:aa:00:01; rack 7' }, { from: 'alias', mac: vm }],
    ['alias wins', { kind: 'tun', mac: tapMac, alias: 'mac=52:54:00:aa:00:09' }, { from: 'alias', mac: parseMac('52:54:00:aa:00:09') as Mac }],
    ['alias with nonsense', { alias: 'mac=\x1b[31m' }, undefined],
    ['alias of another purpose', { alias: 'imac=52:54:00:aa:00:01' }, undefined],
    ['no mark', {}, undefined],
  ];
  for (const [name, link, expected] of marks) {
    it(name, () => {
      assert.deepEqual(portMark(link), expected);
    });
  }

  it('a mark contradicts every MAC but its own', () => {
    const foreign = parseMac('52:54:00:aa:00:02') as Mac;
    assert.equal(contradicts({ from: 'tap', lastFive: '54:00:aa:00:01' }, vm), false);
    assert.equal(contradicts({ from: 'tap', lastFive: '54:00:aa:00:01' }, foreign), true);
    assert.equal(contradicts({ from: 'alias', mac: vm }, vm), false);
    assert.equal(contradicts({ from: 'alias', mac: vm }, foreign), true);
  });
});

describe('what a bridge lets in', () => {
  const rows: [name: string, vlans: Parameters<typeof letsIn>[0], letIn: number[], dropped: number[]][] = [
    ['it filters no VLANs', {}, [0, 1, 4094], []],
    ['an access port', { vlans: [[100, 100]] }, [100], [0, 1, 99, 101]],
    ['a trunk', { vlans: [[1, 1], [100, 200]] }, [1, 100, 150, 200], [0, 2, 99, 201]],
    ['a port without VLANs', { vlans: [] }, [], [0, 1, 100]],
  ];
  for (const [name, port, letIn, dropped] of rows) {
    it(name, () => {
      for (const vlan of letIn) assert.equal(letsIn(port, vlan), true, `VLAN ${vlan}`);
      for (const vlan of dropped) assert.equal(letsIn(port, vlan), false, `VLAN ${vlan}`);
    });
  }
});

describe('bridgesAfter', () => {
  const bridge = { ...link(7, 'br-vlan'), kind: 'bridge' };
  const port = { ...link(8, 'tap0'), kind: 'tun', master: 7 };
  const none: ReadonlySet<number> = new Set();

  it('follows bridges that come, go and are told again, and says when nothing changed', () => {
    const one = bridgesAfter(none, { type: 'link', link: bridge });
    assert.deepEqual([...one], [7]);
    assert.equal(bridgesAfter(one, { type: 'link', link: { ...bridge, up: false } }), one);
    assert.equal(bridgesAfter(one, { type: 'link', link: port }), one);
    assert.equal(bridgesAfter(one, { type: 'linkGone', ifindex: 8 }), one);
    assert.deepEqual([...bridgesAfter(one, { type: 'linkGone', ifindex: 7 })], []);
    assert.deepEqual([...bridgesAfter(one, { type: 'link', link: { ...port, ifindex: 7 } })], []);
  });

  it('takes a resync for the whole truth, and a link whose kind is unknown for no bridge', () => {
    assert.deepEqual([...bridgesAfter(new Set([3]), { type: 'resync', links: [bridge, port, { ...link(9, 'odd') }], ownAddresses: [] })], [7]);
    assert.deepEqual([...bridgesAfter(none, { type: 'link', link: link(9, 'odd') })], []);
  });
});

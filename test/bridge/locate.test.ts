import assert from 'node:assert/strict';
import { doublyListedPorts, locate, missingBridges, portFor, portsOf, unlistedPorts, unsupportedBridges } from '../../bridge/locate.ts';
import type { BridgeChange } from '../../bridge/ports.ts';
import { entry, fleet, link, mac, stateAfter, watched } from './fixtures.ts';

describe('locate', () => {
  const state = stateAfter(fleet);
  const rows: [number, string | undefined][] = [
    [11, 'vnet1 local br0'],
    [19, 'bond0 uplink br0'],
    [18, 'odd0 unlisted br0'],
    [21, undefined], // on a bridge that nobody watches
    [9, undefined], // no port
    [1, undefined], // the bridge itself
    [999, undefined],
  ];
  for (const [ifindex, expected] of rows) {
    it(`${ifindex}: ${expected}`, () => {
      const place = locate(state, watched, ifindex);
      assert.equal(place && `${place.port.name} ${place.role} ${place.bridge}`, expected);
    });
  }

  it('follows a renamed port to its new role', () => {
    const renamed = stateAfter([...fleet, { type: 'link', link: link(18, 'vnet8', 1) }]);
    assert.equal(locate(renamed, watched, 18)?.role, 'local');
  });

  it('finds a bridge again that was made anew', () => {
    const anew = stateAfter([...fleet, { type: 'linkGone', ifindex: 1 }, { type: 'link', link: link(51, 'br0') }, { type: 'link', link: link(11, 'vnet1', 51) }]);
    assert.equal(locate(anew, watched, 11)?.bridge, 'br0');
    assert.equal(locate(anew, watched, 12), undefined);
  });

  describe('by the kind of the master', () => {
    const kinds: [kind: string | undefined, ports: number][] = [['bridge', 4], [undefined, 4], ['openvswitch', 0], ['bond', 0], ['team', 0], ['vrf', 0]];
    for (const [kind, ports] of kinds) {
      it(`${kind ?? 'not known'}: ${ports === 0 ? 'no ports' : 'ports'}`, () => {
        const other = stateAfter([...fleet, { type: 'link', link: link(1, 'br0', undefined, kind === undefined ? {} : { kind }) }]);
        assert.equal(locate(other, watched, 11)?.role, ports === 0 ? undefined : 'local');
        assert.equal(portsOf(other, watched[0]!).length, ports);
        assert.equal(unlistedPorts(other, watched).length, ports === 0 ? 0 : 1);
        assert.deepEqual(missingBridges(other, watched), [], 'it is there');
        assert.deepEqual(unsupportedBridges(other, watched), ports === 0 ? [{ bridge: 'br0', kind }] : []);
      });
    }

    it('a bridge in a VRF stays a bridge, and is no port', () => {
      const inVrf = stateAfter([...fleet, { type: 'link', link: link(70, 'vrf1', undefined, { kind: 'vrf' }) }, { type: 'link', link: link(1, 'br0', 70, { kind: 'bridge' }) }]);
      assert.equal(locate(inVrf, watched, 11)?.bridge, 'br0');
      assert.equal(locate(inVrf, [...watched, { bridge: 'vrf1', local: ['*'], uplink: [] }], 1), undefined);
    });

    it('each unsupported bridge is named once, missing ones are not', () => {
      const ovs = stateAfter([...fleet, { type: 'link', link: link(60, 'br-int', undefined, { kind: 'openvswitch' }) }]);
      const twice = { bridge: 'br-int', local: ['*'], uplink: [] };
      assert.deepEqual(unsupportedBridges(ovs, [...watched, twice, twice, { ...twice, bridge: 'br7' }]), [{ bridge: 'br-int', kind: 'openvswitch' }]);
    });
  });

  it('one bridge watched twice: the VLAN tells which watch', () => {
    const twice = [
      { bridge: 'br0', vlans: [[100, 100], [200, 210]] as const, local: ['vnet*'], uplink: ['bond0'] },
      { bridge: 'br0', vlans: [[300, 300]] as const, local: ['odd*'], uplink: ['bond0'] },
    ];
    const cases: [number, number, number, string][] = [
      [18, 100, 0, 'unlisted'], [18, 205, 0, 'unlisted'], [18, 300, 1, 'local'], [18, 400, 0, 'unlisted'], [11, 300, 1, 'unlisted'],
    ];
    for (const [ifindex, vlan, watch, role] of cases) {
      const place = locate(state, twice, ifindex, vlan);
      assert.deepEqual([place?.watch, place?.role], [watch, role], `VLAN ${vlan}`);
    }
    assert.deepEqual(unlistedPorts(state, twice), []);
  });
});

describe('portFor', () => {
  const fdb = (...args: Parameters<typeof entry>): BridgeChange => ({ type: 'fdb', entry: entry(...args) });
  const rows: [string, BridgeChange[], number | undefined, string | undefined][] = [
    ['nowhere', [], 0, undefined],
    ['learnt', [fdb(11, 1)], 0, 'vnet1'],
    ['on an uplink', [fdb(19, 1)], 0, 'bond0'],
    ['the port\'s own MAC', [fdb(11, 1, 0, true)], 0, undefined],
    ['on a bridge that nobody watches', [fdb(21, 1)], 0, undefined],
    ['in its VLAN', [fdb(11, 1, 100)], 100, 'vnet1'],
    ['in another VLAN', [fdb(11, 1, 200)], 100, undefined],
    ['on a bridge without VLANs', [fdb(11, 1, 0)], 100, 'vnet1'],
    ['in whatever VLAN', [fdb(11, 1, 200)], undefined, 'vnet1'],
    ['untagged is not whatever', [fdb(11, 1, 200)], 0, undefined],
  ];
  for (const [name, changes, vlan, expected] of rows) {
    it(name, () => {
      assert.equal(portFor(stateAfter([...fleet, ...changes]), watched, mac(1), vlan)?.port.name, expected);
    });
  }
});

describe('ports that need a word', () => {
  const names = (ports: { link: { name: string } }[]): string[] => ports.map(({ link: { name } }) => name);

  it('portsOf lists a bridge\'s ports with their roles', () => {
    const ports = portsOf(stateAfter(fleet), watched[0]!);
    assert.deepEqual(ports.map(({ link: { name }, role }) => `${name} ${role}`), ['vnet1 local', 'vnet2 local', 'odd0 unlisted', 'bond0 uplink']);
  });

  it('unlisted ports, doubly listed ports, missing bridges', () => {
    const state = stateAfter(fleet);
    const both = [{ bridge: 'br0', local: ['*'], uplink: ['bond*'] }, { bridge: 'br7', local: ['*'], uplink: [] }, { bridge: 'br7', local: ['*'], uplink: [] }];
    assert.deepEqual(names(unlistedPorts(state, watched)), ['odd0']);
    assert.deepEqual(names(doublyListedPorts(state, watched)), []);
    assert.deepEqual(names(unlistedPorts(state, both)), []);
    assert.deepEqual(names(doublyListedPorts(state, both)), ['bond0']);
    assert.deepEqual(missingBridges(state, both), ['br7']);
    assert.deepEqual(portsOf(state, both[1]!), []);
  });
});

import assert from 'node:assert/strict';
import { coverage, type BridgeFacts } from '../../forward/coverage.ts';
import { ip } from '../../net/ip.ts';

/** A node on pure L3 with nothing to complain of, except for what a case says. */
const facts: BridgeFacts = {
  bridge: 'br-vlan', path: 'watch[0]', routes: 'received', refreshNeighbors: true, refreshesGateway: true, stretched: false, gateways: [ip('203.0.113.1')],
  families: ['ipv4', 'ipv6'], ifname: 'br-vlan', macFixed: true, arpAccept: false, acceptUntrackedNa: false, forwarding4: true, forwarding6: true, sendRedirects: true, linkLocal: true,
};

describe('forward: what the data plane leaves open', () => {
  const cases: [string, Partial<BridgeFacts>, [string, RegExp][]][] = [
    ['nothing, with kernel.routes: received', {}, []],
    ['pure L3 and kernel.routes: off', { routes: 'off' }, [['neighbours_lost', /set kernel\.routes: received/]]],
    ['a stretched VLAN and kernel.routes: off', { routes: 'off', stretched: true }, []],
    ['another agent routes', { routes: 'off', gateways: [] }, []],
    ['routes without a gateway address', { gateways: [] }, [['no_gateway', /no address inside watch\.prefixes/]]],
    ['a MAC that nobody fixed', { macFixed: false }, [['gateway_mac_not_fixed', /ip link set br-vlan address/]]],
    ['a MAC that nobody fixed, and no refresh', { macFixed: false, refreshesGateway: false }, [['gateway_mac_not_fixed', /watch\[0\]\.gateway: \{refresh: auto\}/]]],
    ['no neighbour entries', { refreshNeighbors: false }, [['neighbour_entry_late', /kernel\.refreshNeighbors: true, or sysctl net\.ipv4\.conf\.br-vlan\.arp_accept=1 net\.ipv6\.conf\.br-vlan\.accept_untracked_na=1/]]],
    ['neighbour entries by GARP, IPv4 only', { refreshNeighbors: false, arpAccept: true, families: ['ipv4'] }, []],
    ['no forwarding of IPv6', { forwarding6: false }, [['not_forwarding', /sysctl net\.ipv6\.conf\.all\.forwarding=1$/]]],
    ['host routes with redirects', { routes: 'host' }, [['redirects', /send_redirects=0.*addrgenmode none/]]],
    ['host routes without redirects', { routes: 'host', sendRedirects: false, linkLocal: false, refreshNeighbors: false }, []],
  ];
  for (const [name, more, expected] of cases) {
    it(name, () => {
      const found = coverage({ ...facts, ...more });
      assert.deepEqual(found.map(({ code }) => code), expected.map(([code]) => code));
      expected.forEach(([, text], i) => assert.match(found[i]?.text ?? '', text));
    });
  }

  it('what could not be found out is not complained of', () => {
    const { macFixed: _m, arpAccept: _a, acceptUntrackedNa: _n, forwarding4: _4, forwarding6: _6, ...unknown } = facts;
    assert.deepEqual(coverage({ ...unknown, refreshNeighbors: false }), []);
  });
});

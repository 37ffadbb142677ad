import assert from 'node:assert/strict';
import { coverage, type BridgeFacts } from '../../../forward/coverage.ts';
import { ip } from '../../../net/ip.ts';
import { warn, fail } from '../../../src/doctor/finding.ts';
import { untold } from '../../../src/doctor/told-once.ts';

const facts: BridgeFacts = {
  bridge: 'br-vlan', path: 'watch[0]', routes: 'off', refreshNeighbors: false, refreshesGateway: false, stretched: true, gateways: [ip('203.0.113.1')], families: ['ipv4', 'ipv6'],
  ifname: 'br-vlan.100', linkLocal: true,
};
const fromDaemon = (more: Partial<BridgeFacts>) => coverage({ ...facts, ...more }).map(({ text }) => warn('daemon', text));
const mac = warn('bridge-mac', 'br-vlan has no MAC of its own', 'ip link set br-vlan address 0c:00:00:00:00:03 (and the same in the host\'s network configuration)');
const arp = warn('arp_accept', 'br-vlan.100 arp_accept=0', 'sysctl -w net.ipv4.conf.br-vlan/100.arp_accept=1, or kernel.refreshNeighbors: true');
const na = warn('arp_accept', 'br-vlan.100 accept_untracked_na=0', 'sysctl -w net.ipv6.conf.br-vlan/100.accept_untracked_na=1, or kernel.refreshNeighbors: true');
const forwards = fail('forwarding', 'br-vlan.100 …', 'sysctl -w net.ipv4.ip_forward=1');

describe('doctor, what daemon and host both tell', () => {
  it('is told once', () => {
    for (const [more, host] of [[{ macFixed: false }, [mac]], [{ arpAccept: false }, [arp]], [{ arpAccept: false, acceptUntrackedNa: false }, [arp, na]], [{ forwarding4: false }, [forwards]]] as const) {
      const found = fromDaemon(more);
      assert.equal(found.length, 1);
      assert.deepEqual(untold(found, host), [], found[0]?.text);
      assert.deepEqual(untold(found, []), found, 'where the host was not looked at');
    }
  });

  it('is told where the host\'s finding is about less, or about another bridge', () => {
    for (const [more, host] of [[{ arpAccept: false, acceptUntrackedNa: false }, [arp]], [{ forwarding4: false, forwarding6: false }, [forwards]], [{ bridge: 'br0', macFixed: false }, [mac]]] as const) {
      assert.equal(untold(fromDaemon(more), host).length, 1);
    }
  });

  it('leaves what only looks alike: another node\'s gateway MAC, and redirects', () => {
    const differs = warn('daemon', 'br-vlan: gateway MAC differs: 203.0.113.1 is 0c:00:00:00:00:03 here, …; ip link set br-vlan address MAC, the same on all nodes');
    assert.deepEqual(untold([differs], [mac]), [differs]);
    const redirects = fromDaemon({ routes: 'host', sendRedirects: true });
    assert.equal(untold(redirects, [warn('redirects', '…', 'sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.br-vlan/100.send_redirects=0')]).length, 1);
  });
});

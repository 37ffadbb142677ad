import { vlan, type Link, type Vm } from '../../src/demo/addresses.ts';
import type { Namespaces } from '../../src/demo/namespaces.ts';

// What an administrator does for `kernel.routes: host`: no connected subnet, and VMs that have no neighbour but their gateway.

type Gateway = Link['tor'];

/** The gateway as /32 and /128. Without a link-local address on the bridge Linux sends no ICMPv6 redirects from one VM there to another; for IPv4 there is a switch. */
export async function withoutSubnet(namespaces: Namespaces, ns: string, bridge = 'br-vlan', gateway: Gateway = vlan.gateway): Promise<void> {
  await namespaces.sysctl(ns, { [`net/ipv6/conf/${bridge}/addr_gen_mode`]: 1, 'net/ipv4/conf/all/send_redirects': 0 });
  await namespaces.ip(ns, [
    `addr flush dev ${bridge} scope link`, `addr del ${gateway.ipv4}/24 dev ${bridge}`, `addr del ${gateway.ipv6}/64 dev ${bridge}`,
    `addr add ${gateway.ipv4}/32 dev ${bridge}`, `addr add ${gateway.ipv6}/128 dev ${bridge} nodad`,
  ]);
}

export async function withoutNeighbours(namespaces: Namespaces, vm: Vm, gateway: Gateway = vlan.gateway): Promise<void> {
  await namespaces.ip(`vm${vm.index}`, [
    `addr del ${vm.ipv4}/24 dev eth0`, `addr del ${vm.ipv6}/64 dev eth0`, `addr add ${vm.ipv4}/32 dev eth0`, `addr add ${vm.ipv6}/128 dev eth0 nodad`,
    `route replace ${gateway.ipv4}/32 dev eth0`, `route replace ${gateway.ipv6}/128 dev eth0`,
    `route replace default via ${gateway.ipv4} dev eth0 onlink`, `route replace default via ${gateway.ipv6} dev eth0 onlink`,
  ]);
}

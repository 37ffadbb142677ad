import { readFileSync } from 'node:fs';
import type { BridgeFacts } from '../coverage.ts';

export type KernelFacts = Pick<BridgeFacts, 'macFixed' | 'arpAccept' | 'acceptUntrackedNa' | 'forwarding4' | 'forwarding6' | 'sendRedirects'>;

/** What the kernel's switches say; what can't be read is left out. */
export function readKernelFacts(bridge: string, ifname: string): KernelFacts {
  const facts: { -readonly [Key in keyof KernelFacts]: KernelFacts[Key] } = {};
  const flag = (key: keyof KernelFacts, path: string, isSet = (value: string): boolean => value !== '0'): void => {
    const value = readValue(path);
    if (value !== undefined) facts[key] = isSet(value) || facts[key] === true;
  };
  if (/[/\0]/.test(bridge + ifname)) return facts;
  // NET_ADDR_SET: the bridge keeps it whatever ports come and go.
  flag('macFixed', `/sys/class/net/${bridge}/addr_assign_type`, (value) => value === '3');
  for (const scope of ['all', ifname]) {
    flag('arpAccept', `/proc/sys/net/ipv4/conf/${scope}/arp_accept`);
    flag('sendRedirects', `/proc/sys/net/ipv4/conf/${scope}/send_redirects`);
    // For IPv6 `all` counts for forwarding alone.
    if (scope !== 'all') flag('acceptUntrackedNa', `/proc/sys/net/ipv6/conf/${scope}/accept_untracked_na`);
  }
  flag('forwarding4', '/proc/sys/net/ipv4/ip_forward');
  flag('forwarding6', '/proc/sys/net/ipv6/conf/all/forwarding');
  return facts;
}

function readValue(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

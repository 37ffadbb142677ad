import type { Config } from '../config/config.ts';
import { ipv4FromNumber, isIpv4, type IpAddress } from '../net/ip.ts';

export type RouterIdSource = 'configured' | 'session' | 'node' | 'derived';

/**
 * The BGP Identifier of this node, unique in the fleet though one file serves it all: configured; else the IPv4 address that a
 * session or a next hop uses; else the node's first IPv4 address; else derived from the node's name (FNV-1a, never 0).
 */
export function chooseRouterId(config: Config, nodeAddresses: readonly IpAddress[]): { readonly routerId: IpAddress; readonly from: RouterIdSource } {
  const { bgp } = config;
  if (bgp.routerId !== undefined) return { routerId: bgp.routerId, from: 'configured' };
  for (const address of [bgp.nextHop.ipv4, ...bgp.peers.flatMap((peer) => [peer.sourceAddress, peer.nextHop.ipv4])]) {
    if (address !== undefined && isIpv4(address)) return { routerId: address, from: 'session' };
  }
  const own = nodeAddresses.find((address) => isIpv4(address) && !address.startsWith('127.') && !address.startsWith('169.254.'));
  if (own !== undefined) return { routerId: own, from: 'node' };
  let hash = 0x811c9dc5;
  for (let i = 0; i < config.node.name.length; i++) hash = Math.imul(hash ^ config.node.name.charCodeAt(i), 0x01000193) >>> 0;
  return { routerId: ipv4FromNumber(hash === 0 ? 1 : hash), from: 'derived' };
}

import { isLinkLocal, prefixContains, prefixLength, type IpAddress } from '../net/ip.ts';
import type { ListenRange, PeerConfig } from './config.ts';

/** The range that an address is of: the longest prefix. @param link the interface where a link-local address was met */
export function rangeOf(ranges: readonly ListenRange[] | undefined, address: IpAddress, link?: string): ListenRange | undefined {
  let best: ListenRange | undefined;
  for (const range of ranges ?? []) {
    if (!prefixContains(range.prefix, address) || (range.interface !== undefined && link !== undefined && range.interface !== link)) continue;
    if (best === undefined || prefixLength(range.prefix) > prefixLength(best.prefix)) best = range;
  }
  return best;
}

/** The peer that somebody from a range becomes: `leafs-192.0.2.7`. */
export function peerOfRange({ prefix: _, maxPeers: _most, ...range }: ListenRange, address: IpAddress, link?: string): PeerConfig {
  const zone = isLinkLocal(address) ? link ?? range.interface : range.interface;
  return {
    ...range, name: `${range.name}-${address}${isLinkLocal(address) && zone !== undefined ? `%${zone}` : ''}`, address, port: 179, ...(zone === undefined ? {} : { interface: zone }),
  };
}

import { isIpv4, type IpAddress } from '../../net/ip.ts';
import type { RouteTarget } from '../entries.ts';
import { encodeLookup, type RouteOut, type Told } from '../wire/requests.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';

/** By which gateway and interface next hops are reached, as the kernel says when it is asked; kept until its routes change. */
export interface NextHops {
  /** `undefined`: there is no way. */
  outOf(to: RouteTarget, ipv4: boolean): RouteOut | undefined;
  /** The interface towards an address. */
  interfaceTowards(address: IpAddress): number | undefined;
  forget(): void;
  prepareTunnel(local: IpAddress): void;
  prepareEnd(endpoint: IpAddress): void;
  close(remove: boolean): void;
}

/**
 * @param ask a question to the kernel, with its answer
 * @param stragglers `stragglers.mode`
 */
export function openNextHops(ask: (encode: (request: number) => Uint8Array) => Told | undefined, stragglers: 'auto' | 'on-link' | 'vxlan', say: (text: string) => void): NextHops {
  const gateways = new Map<string, RouteOut | undefined>();
  let tunnel: Tunnel | undefined;

  /** By which gateway the kernel reaches a next hop; `undefined` when it does not. */
  function resolve(address: IpAddress, ifindex: number | undefined): RouteOut | undefined {
    if (ifindex !== undefined) return { type: 'gateway', gateway: address, ifindex };
    if (gateways.has(address)) return gateways.get(address);
    const told = ask((request) => encodeLookup(request, address));
    const out = told?.type === 'route' ? told.route.out : undefined;
    const hop: RouteOut | undefined = out?.type === 'link' ? { type: 'gateway', gateway: address, ifindex: out.ifindex } : out;
    gateways.set(address, hop);
    return hop;
  }

  /** A plain next hop would loop through a router that has not converged, so it serves on the link alone. */
  function onward({ endpoint, tunnel: only }: { readonly endpoint: IpAddress; readonly tunnel?: true }, ipv4: boolean): RouteOut | undefined {
    const hop = only === true || stragglers === 'vxlan' || isIpv4(endpoint) !== ipv4 ? undefined : resolve(endpoint, undefined);
    if (hop?.type === 'gateway' && hop.gateway === endpoint) return hop;
    return tunnel?.to(endpoint);
  }

  return {
    outOf(to, ipv4) {
      if (to.type === 'straggler') return onward(to, ipv4);
      return to.type === 'nextHop' ? resolve(to.address, to.ifindex) : to;
    },
    interfaceTowards(address) {
      const hop = resolve(address, undefined);
      return hop === undefined || hop.type === 'blackhole' ? undefined : hop.ifindex;
    },
    forget: () => gateways.clear(),
    prepareTunnel(local) {
      if (stragglers !== 'on-link') tunnel ??= openTunnel(local, say);
    },
    prepareEnd(endpoint) {
      tunnel?.to(endpoint);
    },
    close(remove) {
      if (remove) tunnel?.remove();
      tunnel?.close();
    },
  };
}

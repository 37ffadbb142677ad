import { locate } from '../bridge/locate.ts';
import type { GatewayInterface } from '../forward/plan.ts';
import { prefixContains, type IpAddress } from '../net/ip.ts';
import type { Handover } from '../routes/handover.ts';
import type { Watch } from './watch.ts';
import type { World } from './world.ts';

/** The interface with the gateway address of a watch; the bridge itself where none is known. */
export function gatewayOf(world: World, watch: Watch): GatewayInterface | undefined {
  const { bridges } = world;
  for (const address of watch.config.gateway?.addresses ?? []) {
    for (const ifindex of bridges.ownAddresses.get(address) ?? []) {
      const link = bridges.links.get(ifindex);
      if (link !== undefined) return { ifindex, ifname: link.name };
    }
  }
  const ifindex = bridges.byName.get(watch.bridge);
  return ifindex === undefined ? undefined : { ifindex, ifname: watch.bridge };
}

/** The watch that an address belongs to: where its VM is or was, else the first whose prefixes contain it. */
export function watchOf(world: World, vrf: string, address: IpAddress, h: Handover | undefined): Watch | undefined {
  const place = h?.endpoint === undefined ? undefined : locate(world.bridges, world.watches, h.endpoint.ifindex, h.endpoint.vlan);
  return place === undefined
    ? world.watches.find((watch) => watch.vrf === vrf && watch.config.prefixes.some((prefix) => prefixContains(prefix, address)))
    : world.watches[place.watch];
}

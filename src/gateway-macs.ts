import type { CoverageFinding } from '../forward/coverage.ts';
import type { MeshGateway } from '../forward/mesh.ts';
import { isLinkLocal, type IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import { printable } from '../net/printable.ts';
import { addressKey } from '../routes/loc-rib.ts';
import { gatewayOf } from './gateways.ts';
import { gatewayAddresses } from './neighbour-frames.ts';
import type { Watch } from './watch.ts';
import type { World } from './world.ts';

// A VM brings the gateway's MAC of the node that it left. Where that is another one than here, all that it sends goes into the void
// until its cache is corrected. Other nodes say theirs over the mesh; where the VLAN is stretched their frames tell it.

/** What was heard so long ago is no reason to warn, in milliseconds. */
const believedForMs = 300_000;
/** So many others are remembered of one address, and so many are named. */
const othersAtMost = 64;
const namedAtMost = 3;

interface OwnGateway {
  readonly watch: Watch;
  readonly address: IpAddress;
  readonly mac: Mac;
}

/** The gateway addresses that this node has, with its MAC there. A link-local one is each node's own. */
export function ownGateways(world: World): OwnGateway[] {
  return world.watches.flatMap((watch) => {
    const gateway = gatewayOf(world, watch);
    const mac = gateway === undefined ? undefined : world.bridges.links.get(gateway.ifindex)?.mac;
    return gateway === undefined || mac === undefined ? [] : gatewayAddresses(world, watch, gateway).filter((address) => !isLinkLocal(address)).map((address) => ({ watch, address, mac }));
  });
}

/** Another node's speaker says what its gateway's MAC is. */
export function takeGateway(world: World, vrf: string, { node, address, mac }: MeshGateway): void {
  remember(world, vrf, address, node, mac);
}

/** A frame from an uplink bears an address of this node's own: another node has it, too. */
export function hearGateway(world: World, vrf: string, address: IpAddress, mac: Mac, port: string): void {
  remember(world, vrf, address, `a node behind ${printable(port, 32)}`, mac);
}

function remember(world: World, vrf: string, address: IpAddress, who: string, mac: Mac): void {
  const { otherGateways } = world.forwarding;
  const key = addressKey(vrf, address);
  // Only what this node is the gateway for concerns it, so this is bounded by its own addresses.
  if (!world.bridges.ownAddresses.has(address)) return;
  const others = otherGateways.get(key) ?? new Map<string, { mac: Mac; heardMs: number }>();
  if (others.size >= othersAtMost && !others.has(who)) return;
  others.set(who, { mac, heardMs: world.now.monotonicMs });
  otherGateways.set(key, others);
}

/** What VMs that come here from elsewhere have in their caches, where it is not this node's MAC. */
export function gatewayFindings(world: World): CoverageFinding[] {
  const nameOf = (who: string): string => {
    const node = world.forwarding.nodes.get(who as IpAddress);
    return node === undefined ? who : `node ${printable(node.name, 64)}`;
  };
  return ownGateways(world).flatMap(({ watch, address, mac }) => {
    const others = [...(world.forwarding.otherGateways.get(addressKey(watch.vrf, address)) ?? [])].filter(([, other]) => other.mac !== mac && other.heardMs + believedForMs >= world.now.monotonicMs);
    if (others.length === 0) return [];
    const bridge = printable(watch.bridge);
    const named = others.slice(0, namedAtMost).map(([who, other]) => `${other.mac} at ${nameOf(who)}`).join(', ') + (others.length > namedAtMost ? `, and ${others.length - namedAtMost} more` : '');
    const cure = watch.config.gateway?.refresh === 'auto'
      ? 'VMs that land are told (gateway.refresh); better still the same MAC on all nodes'
      : `VMs that land send into the void; ip link set ${bridge} address MAC, the same on all nodes, or watch[].gateway: {refresh: auto}`;
    return [{ code: 'gateway_mac_differs' as const, text: `${bridge}: gateway MAC differs: ${address} is ${mac} here, ${named}: ${cure}` }];
  });
}

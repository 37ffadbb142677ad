import { hostPrefix, type IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Handover } from '../routes/handover.ts';
import { entryId, type EntryId, type KernelEntry } from './entries.ts';

/** `kernel.routes`. */
export type KernelRoutes = 'off' | 'received' | 'host';

/** How long after a departure nobody is told that the VM can't be reached, in milliseconds. */
export const silentForMs = 30_000;

/** Where a VM is, as far as this node's data plane is concerned. */
export type Whereabouts =
  /** Its frames leave by the gateway's interface to this MAC. */
  | { readonly at: 'here'; readonly mac: Mac }
  /** Another node's claim stands. */
  | { readonly at: 'elsewhere'; readonly nextHop: IpAddress; readonly ifindex?: number; readonly straggler?: 'claimed' | 'hinted'; readonly source?: IpAddress }
  /** It left a moment ago, and nobody has told where to. */
  | { readonly at: 'unknown' }
  /** This node has nothing to say about it. */
  | { readonly at: 'nowhere' };

/** The next hop of the newest claim of another node that stands. */
export interface RivalRoute {
  readonly nextHop: IpAddress;
  /** Where the next hop is link-local. */
  readonly ifindex?: number;
  /** BGP Identifier of the node, and the sequence of its claim. */
  readonly node?: IpAddress;
  readonly sequence?: number;
}

/** What the node that claims an address told this one directly, or a hint says of the node that is going to. */
export interface Straggler {
  readonly endpoint: IpAddress;
  /** Of the newer claim; hinted: of the claim of our own that stands, with which the hint ends. */
  readonly sequence: number;
  /** Of this node, for what it sends to the VM itself. */
  readonly source?: IpAddress;
  /** The node that is going to claim it, where a hint says so. */
  readonly hinted?: IpAddress;
  /** It began with a hint: packets go by the tunnel, of which the other node knows what to do with them. */
  readonly tunnel?: true;
}

/** A VM that has not run here yet, and whose packets its old node may send here. */
export interface Arrival {
  readonly mac: Mac;
}

/**
 * Where the VM of an address is. A VM that is about to leave is served as long as its port lives and nobody else claims it; what comes for
 * it after that is dropped in silence for {@link silentForMs}.
 */
export function whereabouts(h: Handover | undefined, rival: RivalRoute | undefined, portAlive: boolean, monotonicMs: number, straggler?: Straggler): Whereabouts {
  // Before the routers know of it, and until they all do: what still arrives goes on. A newer claim of ours ends that.
  if (straggler !== undefined && h !== undefined && h.state !== 'manual' && h.state !== 'held' && (straggler.hinted === undefined ? h.sequence < straggler.sequence : h.sequence === straggler.sequence)) {
    const { endpoint, source, tunnel } = straggler;
    return { at: 'elsewhere', nextHop: endpoint, straggler: tunnel === true ? 'hinted' : 'claimed', ...(source === undefined ? {} : { source }) };
  }
  const elsewhere: Whereabouts | undefined = rival === undefined ? undefined : { at: 'elsewhere', nextHop: rival.nextHop, ...(rival.ifindex === undefined ? {} : { ifindex: rival.ifindex }) };
  if (h === undefined) return elsewhere ?? { at: 'nowhere' };
  const here: Whereabouts | undefined = h.endpoint === undefined ? undefined : { at: 'here', mac: h.endpoint.mac };
  switch (h.state) {
    case 'elevated':
    case 'normal':
      return here ?? { at: 'nowhere' };
    case 'manual':
      return h.manual?.mode === 'announce' && here !== undefined ? here : elsewhere ?? { at: 'nowhere' };
    case 'held':
      return (h.hold?.level === 'elevated' ? here : elsewhere) ?? { at: 'nowhere' };
    case 'leaving':
      return elsewhere ?? (portAlive && here !== undefined ? here : { at: 'unknown' });
    case 'withdrawn':
      if (elsewhere !== undefined) return elsewhere;
      return h.sequence > 0 && monotonicMs - h.since.monotonicMs < silentForMs ? { at: 'unknown' } : { at: 'nowhere' };
  }
}

/** When the answer of {@link whereabouts} changes by itself, monotonic ms. */
export function silenceEndsMs(h: Handover | undefined, where: Whereabouts): number | undefined {
  return where.at === 'unknown' && h?.state === 'withdrawn' ? h.since.monotonicMs + silentForMs : undefined;
}

/** The interface that holds the gateway of a VM's subnet. */
export interface GatewayInterface {
  readonly ifindex: number;
  readonly ifname: string;
}

/** Everything that {@link planAddress} and {@link planArrival} may ever have put into the kernel for one address. */
export function idsOf(address: IpAddress, gateway: GatewayInterface | undefined): EntryId[] {
  const prefix = hostPrefix(address);
  const entries: KernelEntry[] = [{ type: 'route', prefix, to: { type: 'blackhole' } }, { type: 'noReturn', prefix, nextHop: address, inside: [] }];
  if (gateway !== undefined) entries.push({ type: 'proxy', ...gateway, address }, { type: 'neighbour', ifindex: gateway.ifindex, address, mac: '00:00:00:00:00:00' as Mac }, { type: 'inner', prefix, ifindex: gateway.ifindex });
  return entries.map(entryId);
}

/**
 * What the kernel is to have for one address.
 * @param inside ifindexes of all interfaces with VMs behind them
 */
export function planAddress(mode: KernelRoutes, address: IpAddress, where: Whereabouts, gateway: GatewayInterface | undefined, inside: readonly number[]): KernelEntry[] {
  const prefix = hostPrefix(address);
  if (where.at === 'elsewhere' && where.straggler !== undefined) {
    const how = { ...(where.straggler === 'hinted' ? { tunnel: true as const } : {}), ...(where.source === undefined ? {} : { source: where.source }) };
    const route: KernelEntry = { type: 'route', prefix, to: { type: 'straggler', endpoint: where.nextHop, ...how } };
    return mode === 'received' && gateway !== undefined ? [route, { type: 'proxy', ...gateway, address }] : [route];
  }
  if (mode === 'off' || gateway === undefined) return [];
  if (where.at === 'unknown') return [{ type: 'route', prefix, to: { type: 'blackhole' } }];
  if (where.at === 'here' && mode === 'host') {
    const { ifindex } = gateway;
    return [{ type: 'neighbour', ifindex, address, mac: where.mac }, { type: 'route', prefix, to: { type: 'link', ifindex } }];
  }
  if (where.at === 'elsewhere') {
    const link = where.ifindex === undefined ? {} : { ifindex: where.ifindex };
    const noReturn: KernelEntry = { type: 'noReturn', prefix, nextHop: where.nextHop, ...link, inside };
    return mode === 'host' ? [noReturn] : [noReturn, { type: 'route', prefix, to: { type: 'nextHop', address: where.nextHop, ...link } }, { type: 'proxy', ...gateway, address }];
  }
  return [];
}

/** What it takes besides that what comes out of the tunnel for a VM that has not run here yet reaches its port. */
export function planArrival(address: IpAddress, { mac }: Arrival, gateway: GatewayInterface | undefined): KernelEntry[] {
  if (gateway === undefined) return [];
  const { ifindex } = gateway;
  return [{ type: 'neighbour', ifindex, address, mac }, { type: 'inner', prefix: hostPrefix(address), ifindex }];
}

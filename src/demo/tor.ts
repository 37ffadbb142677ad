import type { NodeName } from './addresses.ts';
import { asn, linkOf, nodeNames } from './addresses.ts';
import type { Topology } from './topology.ts';

export type TorKind = 'frr' | 'bird' | 'embedded';

/** What both ends of the sessions agree on. */
export interface Peering {
  /** iBGP with the ToR as route reflector, or eBGP with an AS of the ToR's own and the communities of profile `window`. */
  readonly type: 'ibgp' | 'ebgp';
  /** TCP MD5 key (RFC 2385) of all sessions. */
  readonly password?: string;
}

/** One route of a router's own table. */
export interface TorRoute {
  readonly prefix: string;
  readonly nextHop: string;
  /** The one that the router uses. */
  readonly best: boolean;
  readonly localPref?: number;
  readonly med?: number;
}

/** A router behind which the client is, whatever program it runs. */
export interface Tor {
  readonly kind: TorKind;
  /** Short name of its namespace. */
  readonly namespace: string;
  start(): Promise<void>;
  /** Ends it; `SIGKILL` as in a crash. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** The addresses of the nodes whose session is Established. */
  established(): Promise<string[]>;
  /** All routes to VMs that it holds, of both families. */
  routes(): Promise<TorRoute[]>;
  /** How many UPDATEs (BIRD: routes in them) it was sent since its sessions came up, by all nodes or by the one with this address. */
  updatesReceived(from?: string): Promise<number>;
}

/** One neighbour in the router's configuration. */
export interface TorNeighbor {
  readonly node: NodeName;
  readonly address: string;
  readonly localAddress: string;
  readonly localAddress6: string;
}

/** All that the writers of router configurations need. */
export interface TorPlan {
  readonly namespace: string;
  readonly routerId: string;
  readonly asn: number;
  readonly peering: Peering;
  readonly neighbors: readonly TorNeighbor[];
}

/** What router number `index` of a topology shall do. */
export function planTor(topology: Topology, index: number, peering: Peering): TorPlan {
  const neighbors = nodeNames.map((node): TorNeighbor => {
    const link = linkOf(index, node);
    return { node, address: link.node.ipv4, localAddress: link.tor.ipv4, localAddress6: link.tor.ipv6 };
  });
  return {
    namespace: topology.tors[index] as string,
    routerId: neighbors[0]!.localAddress,
    asn: peering.type === 'ibgp' ? asn.nodes : asn.tor,
    peering,
    neighbors,
  };
}

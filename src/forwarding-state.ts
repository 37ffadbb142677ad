import type { KernelEntry } from '../forward/entries.ts';
import type { Arrival, Straggler, Whereabouts } from '../forward/plan.ts';
import { Deadlines } from '../net/deadlines.ts';
import type { IpAddress } from '../net/ip.ts';
import type { AddressRewrite } from './doctor/host-state.ts';
import type { Mac } from '../net/mac.ts';
import type { AddressKey } from '../routes/loc-rib.ts';

/** Another speaker: see mesh-nodes.ts. */
export interface MeshNode {
  readonly name: string;
  readonly endpoint: IpAddress;
  readonly boot: string;
  readonly heardMs: number;
}

/** A VM that stands still here, on the node that it is about to leave: see hints.ts. */
export interface Hint {
  /** BGP Identifier of the node that is going to claim. */
  readonly node: IpAddress;
  readonly atMs: number;
  /** That node has said that it is ready, and gets the packets. */
  readonly sending: boolean;
}

/** A VM that is about to come here: see arrivals.ts. */
export interface Expected extends Arrival {
  /** Of the port with the VM's mark; left out where the old node asked. */
  readonly ifindex?: number;
  /** Where the old node is told. */
  readonly member: IpAddress;
  readonly ending?: true;
}

/** What this node's own data plane was told, address by address. */
export interface Forwarding {
  /** Something of `kernel` or `watch[].gateway` is configured. */
  on: boolean;
  /** Addresses whose whereabouts may have changed. */
  readonly dirty: Set<AddressKey>;
  readonly planned: Map<AddressKey, { readonly where: Whereabouts; readonly entries: readonly KernelEntry[] }>;
  /** When late packets for a VM that left are dropped in silence no more. */
  readonly silence: Deadlines<AddressKey>;
  /** What nodes that claim told this one directly. */
  readonly stragglers: Map<AddressKey, Straggler>;
  readonly stragglerEnds: Deadlines<AddressKey>;
  /** The newest claim of another node for which packets were sent on; it ends with a newer one of this node. */
  readonly straggled: Map<AddressKey, number>;
  /** Of them, those whose own route is withdrawn. */
  readonly ending: Set<AddressKey>;
  /** The address under which other nodes reach this one's tunnel; left out before the first session. */
  endpoint?: IpAddress;
  /** The addresses at which other speakers are heard, where the configuration names none. */
  readonly listening: Set<IpAddress>;
  /** With `members: auto`, the next hops of other nodes' routes. */
  readonly members: Set<IpAddress>;
  /** Other speakers, by BGP Identifier. */
  readonly nodes: Map<IpAddress, MeshNode>;
  greetAtMs: number;
  /** Hints that stand, on the node that a VM is about to leave; and the nodes that said they are ready for it. */
  readonly hints: Map<AddressKey, Hint>;
  readonly hintEnds: Deadlines<AddressKey>;
  readonly ready: Map<AddressKey, { readonly node: IpAddress; readonly endpoint: IpAddress; readonly untilMs: number }>;
  /** VMs that are about to come here. */
  readonly arrivals: Map<AddressKey, Expected>;
  readonly arrivalEnds: Deadlines<AddressKey>;
  /** What other nodes are told at the end of the pass, when the kernel knows it. */
  readonly said: (() => void)[];
  /** Of gateway addresses: who else has them, with which MAC (see gateway-macs.ts). */
  readonly otherGateways: Map<AddressKey, Map<string, { readonly mac: Mac; readonly heardMs: number }>>;
  /** Rules of the firewall that rewrite source addresses, as read last. */
  rewrites: readonly AddressRewrite[];
  /** The gateway interfaces that the plan was made for. */
  gateways: string;
  /** Of them, the ifindexes. */
  inside: readonly number[];
  /** What a life before left behind is removed then, monotonic ms; left out: it was. */
  leftoversMs?: number;
  /** VMs that came shortly before this life, or since; until the routers have told where their neighbours are. */
  readonly landed: Set<AddressKey>;
  /** Frames to VMs that may still be sent now; it fills up again with time. */
  frames: { left: number; atMs: number };
}

export function newForwarding(on: boolean, leftoversMs: number | undefined): Forwarding {
  return { on, dirty: new Set(), planned: new Map(), silence: new Deadlines(), stragglers: new Map(), stragglerEnds: new Deadlines(), straggled: new Map(), ending: new Set(), listening: new Set(), members: new Set(), nodes: new Map(), greetAtMs: -Infinity, hints: new Map(), hintEnds: new Deadlines(), ready: new Map(), arrivals: new Map(), arrivalEnds: new Deadlines(), said: [], otherGateways: new Map(), rewrites: [], gateways: '', inside: [], ...(leftoversMs === undefined ? {} : { leftoversMs }), landed: new Set(), frames: { left: 0, atMs: -Infinity } };
}

/** The whereabouts of an address may have changed for a reason other than a handover's state. */
export function touch(forwarding: Forwarding, key: AddressKey): void {
  if (forwarding.on) forwarding.dirty.add(key);
}

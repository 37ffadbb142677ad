import type { KernelEntry } from '../forward/entries.ts';
import type { Straggler, Whereabouts } from '../forward/plan.ts';
import { Deadlines } from '../net/deadlines.ts';
import type { IpAddress } from '../net/ip.ts';
import type { AddressKey } from '../routes/loc-rib.ts';

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
  /** Of them, those whose own route is withdrawn. */
  readonly ending: Set<AddressKey>;
  /** The address under which other nodes reach this one's tunnel; left out before the first session. */
  endpoint?: IpAddress;
  /** The gateway interfaces that the plan was made for. */
  gateways: string;
  /** What a life before left behind is removed then, monotonic ms; left out: it was. */
  leftoversMs?: number;
  /** Frames to VMs that may still be sent now; it fills up again with time. */
  frames: { left: number; atMs: number };
}

export function newForwarding(on: boolean, leftoversMs: number | undefined): Forwarding {
  return { on, dirty: new Set(), planned: new Map(), silence: new Deadlines(), stragglers: new Map(), stragglerEnds: new Deadlines(), ending: new Set(), gateways: '', ...(leftoversMs === undefined ? {} : { leftoversMs }), frames: { left: 0, atMs: -Infinity } };
}

/** The whereabouts of an address may have changed for a reason other than a handover's state. */
export function touch(forwarding: Forwarding, key: AddressKey): void {
  if (forwarding.on) forwarding.dirty.add(key);
}

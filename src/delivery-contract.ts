import type { IpAddress } from '../net/ip.ts';

/** What the kernel is asked of one address: whether it would send to it by this interface, and has its neighbour entry there. */
export interface DeliveryQuestion {
  readonly vrf: string;
  readonly address: IpAddress;
  readonly ifindex: number;
}

export interface DeliveryAnswer extends DeliveryQuestion {
  /** The interface by which this node would send; left out: it would not. */
  readonly outgoing?: number;
  readonly neighbour: boolean;
}

import type { FsmState } from '../bgp/session-contract.ts';
import type { IpAddress } from '../net/ip.ts';

/** Who is at the other end. */
export interface Neighbour {
  /** Its name in the configuration. */
  readonly name: string;
  readonly address: IpAddress;
  readonly asn: number;
  readonly localAsn: number;
  /** Tells apart neighbours of the same address; 0 is the default VRF. */
  readonly instance: number;
}

/** The ends of a TCP connection, as the kernel names them. */
export interface Ends {
  readonly localAddress: IpAddress;
  readonly localPort: number;
  readonly remotePort: number;
}

/** What passes on the connections of the sessions, seen from outside of them. `connection` is unique for the life of the process; times are wall clock, ms. */
export type Observation =
  | { readonly type: 'opened'; readonly connection: number; readonly neighbour: Neighbour; readonly ends: Ends; readonly atMs: number }
  /** The bytes are not changed by anybody after they were handed over. */
  | { readonly type: 'octets'; readonly connection: number; readonly sent: boolean; readonly bytes: Uint8Array; readonly atMs: number }
  | { readonly type: 'closed'; readonly connection: number; readonly byUs: boolean; readonly atMs: number }
  | { readonly type: 'state'; readonly neighbour: Neighbour; readonly from: FsmState; readonly to: FsmState; readonly atMs: number };

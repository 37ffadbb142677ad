import type { IpAddress, Prefix } from '../net/ip.ts';

/** RFC 4271 section 4.3 (b): one segment of an AS_PATH. */
export interface AsPathSegment {
  readonly type: 'AS_SEQUENCE' | 'AS_SET' | 'AS_CONFED_SEQUENCE' | 'AS_CONFED_SET';
  readonly asns: readonly number[];
}

/** RFC 1997: a 4-octet value, high 16 bits the ASN. Text form `65010:200` (see `community.ts`). */
export type Community = number;

/** RFC 8092: three 4-octet values, text form `65010:1:7`. */
export interface LargeCommunity {
  readonly globalAdmin: number;
  readonly localData1: number;
  readonly localData2: number;
}

/** The Path Attributes of one route (RFC 4271 section 5), without what belongs to its encoding. */
export interface RouteAttributes {
  readonly origin: 'IGP' | 'EGP' | 'INCOMPLETE';
  /** As received; for a route of ours what stands before the session's own AS is prepended (normally nothing). */
  readonly asPath: readonly AsPathSegment[];
  /** Of the family of the route; for IPv4 perhaps IPv6 (RFC 8950). */
  readonly nextHop: IpAddress;
  /** RFC 2545 section 3: the link-local address beside a global IPv6 next hop. */
  readonly linkLocalNextHop?: IpAddress;
  /** MULTI_EXIT_DISC, 0…4294967295. */
  readonly med?: number;
  /** LOCAL_PREF, 0…4294967295; written on iBGP sessions only. */
  readonly localPref?: number;
  readonly communities: readonly Community[];
  readonly largeCommunities: readonly LargeCommunity[];
  /** RFC 4456, as received. */
  readonly originatorId?: IpAddress;
  readonly clusterList?: readonly IpAddress[];
  /** OTC (RFC 9234), as received. */
  readonly onlyToCustomer?: number;
}

/** One route: a prefix and its Path Attributes. Routes that share the same `attributes` object share an UPDATE. */
export interface Route {
  readonly prefix: Prefix;
  readonly attributes: RouteAttributes;
}

/**
 * One line of a difference: what a peer lacks, or should forget. `pathId` is the peer's name for one of several routes for the prefix
 * (RFC 7911), where that was agreed on.
 */
export type RouteChange =
  | { readonly type: 'announce'; readonly route: Route; readonly pathId?: number }
  | { readonly type: 'withdraw'; readonly prefix: Prefix; readonly pathId?: number };

/** How far away a peer may be. */
export interface TtlOptions {
  readonly ibgp: boolean;
  /** RFC 5082: TTL 255 out, nothing below 255 in. */
  readonly ttlSecurity: boolean;
  /** TTL towards a peer that is not directly connected. */
  readonly multihop?: number;
}

/** TTL (IPv6: hop limit) and its minimum of a socket; what is absent is the kernel's. eBGP peers are directly connected by default: TTL 1. */
export function ttlOf({ ttlSecurity, multihop, ibgp }: TtlOptions): { readonly ttl?: number; readonly minTtl?: number } {
  if (ttlSecurity) return { ttl: 255, minTtl: 255 };
  if (multihop !== undefined) return { ttl: multihop };
  return ibgp ? {} : { ttl: 1 };
}

/** The TOS octet of DSCP CS6, as routers mark BGP. */
export const networkControl = 0xc0;

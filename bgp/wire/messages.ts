import type { Family, IpAddress, Prefix } from '../../net/ip.ts';
import type { AsPathSegment, Community, LargeCommunity } from '../route.ts';

/** AFI and SAFI as numbers (RFC 4760); landfall speaks 1/1 and 2/1 and reports the rest. */
export interface AfiSafi {
  readonly afi: number;
  readonly safi: number;
}

/** What a speaker is to its neighbour, RFC 9234 section 4: the sender of the OPEN is the neighbour's `provider`, say. */
export type BgpRole = 'provider' | 'rs' | 'rs-client' | 'customer' | 'peer';

/** RFC 5492 section 4. A capability that we don't know stays as it came. */
export type Capability =
  | { readonly type: 'multiprotocol'; readonly afi: number; readonly safi: number } // RFC 4760, code 1
  | { readonly type: 'routeRefresh' } // RFC 2918, code 2
  /** RFC 8950, code 5: routes of this family may have a next hop of that AFI. */
  | { readonly type: 'extendedNextHop'; readonly families: readonly (AfiSafi & { readonly nextHopAfi: number })[] }
  | { readonly type: 'extendedMessage' } // RFC 8654, code 6
  | { readonly type: 'role'; readonly role: BgpRole } // RFC 9234, code 9
  | { readonly type: 'fourOctetAs'; readonly asn: number } // RFC 6793, code 65
  /** RFC 7911, code 69: the sender can receive (1), send (2) or both (3). */
  | { readonly type: 'addPath'; readonly families: readonly (AfiSafi & { readonly sendReceive: number })[] }
  | { readonly type: 'enhancedRouteRefresh' } // RFC 7313, code 70
  | {
      readonly type: 'longLivedGracefulRestart'; // RFC 9494, code 71
      readonly families: readonly (AfiSafi & { readonly forwardingState: boolean; readonly staleTimeSeconds: number })[];
    }
  | {
      readonly type: 'gracefulRestart'; // RFC 4724, code 64
      readonly restartState: boolean; // R
      readonly notification: boolean; // N, RFC 8538
      readonly restartTimeSeconds: number; // 0…4095
      readonly families: readonly (AfiSafi & { readonly forwardingState: boolean })[];
    }
  | { readonly type: 'hostname'; readonly hostname: string; readonly domain: string } // code 73; text is the peer's, escape it
  | { readonly type: 'unknown'; readonly code: number; readonly value: Uint8Array };

/** RFC 4271 section 4.2. */
export interface OpenMessage {
  readonly type: 'OPEN';
  /** 4. */
  readonly version: number;
  /** The 2-octet My Autonomous System field as it stands (23456 for a 4-octet ASN). */
  readonly myAs: number;
  /** 0 or 3…65535. */
  readonly holdTimeSeconds: number;
  readonly bgpIdentifier: IpAddress;
  readonly capabilities: readonly Capability[];
}

/** RFC 4760 section 3. `nextHop` global, `linkLocalNextHop` if the field held two (RFC 2545). */
export interface MpReach extends AfiSafi {
  readonly nextHop: IpAddress | undefined;
  readonly linkLocalNextHop?: IpAddress;
  /** Empty for a family that we don't speak, or that was not agreed on. */
  readonly nlri: readonly Prefix[];
  /** RFC 7911: one for each of `nlri`. */
  readonly pathIds?: readonly number[];
}

/** RFC 4760 section 4. */
export interface MpUnreach extends AfiSafi {
  readonly withdrawn: readonly Prefix[];
  /** RFC 7911: one for each of `withdrawn`. */
  readonly pathIds?: readonly number[];
}

/** A Path Attribute that we don't know; kept for `decode` and for logs. */
export interface UnknownAttribute {
  readonly flags: number;
  readonly code: number;
  readonly value: Uint8Array;
}

/** The Path Attributes of an UPDATE, each at most once. */
export interface PathAttributes {
  readonly origin?: 'IGP' | 'EGP' | 'INCOMPLETE';
  readonly asPath?: readonly AsPathSegment[];
  readonly nextHop?: IpAddress;
  readonly med?: number;
  readonly localPref?: number;
  readonly atomicAggregate?: true;
  readonly aggregator?: { readonly asn: number; readonly address: IpAddress };
  readonly communities?: readonly Community[];
  readonly originatorId?: IpAddress;
  readonly clusterList?: readonly IpAddress[];
  readonly mpReach?: MpReach;
  readonly mpUnreach?: MpUnreach;
  /** RFC 4360, as they came: 8 octets each. */
  readonly extendedCommunities?: Uint8Array;
  readonly largeCommunities?: readonly LargeCommunity[];
  /** OTC, RFC 9234 section 5: the AS behind which the route may only go to customers. */
  readonly onlyToCustomer?: number;
  readonly unknown?: readonly UnknownAttribute[];
}

/** What becomes of an UPDATE with an error in it, RFC 7606 section 2; the mildest first. `session-reset` is thrown, as a BgpError. */
export type UpdateHandling = 'attribute-discard' | 'treat-as-withdraw' | 'session-reset';

/** An error in an UPDATE that is not worth the session. Code and subcode are those of the NOTIFICATION that it is not worth. */
export interface UpdateProblem {
  readonly handling: Exclude<UpdateHandling, 'session-reset'>;
  readonly code: number;
  readonly subcode: number;
  /** Octets from the start of the header to the attribute. */
  readonly offset: number;
  readonly text: string;
}

/** RFC 4271 section 4.3. Without anything in it, or with an empty mpUnreach alone, it is an End-of-RIB (RFC 4724 section 2). */
export interface UpdateMessage {
  readonly type: 'UPDATE';
  readonly withdrawn: readonly Prefix[];
  readonly attributes: PathAttributes;
  readonly nlri: readonly Prefix[];
  /** RFC 7911: one for each of `withdrawn`, of `nlri`. */
  readonly withdrawnPathIds?: readonly number[];
  readonly pathIds?: readonly number[];
  /** What was wrong and tolerated. With `treat-as-withdraw` among it the routes of the UPDATE are withdrawn ones, see `routesOf`. */
  readonly problems?: readonly UpdateProblem[];
}

/** RFC 4271 section 4.5. */
export interface NotificationMessage {
  readonly type: 'NOTIFICATION';
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

/** RFC 4271 section 4.4. */
export interface KeepaliveMessage {
  readonly type: 'KEEPALIVE';
}

/** RFC 2918 section 3 (subtype 0), RFC 7313 (1, 2). */
export interface RouteRefreshMessage extends AfiSafi {
  readonly type: 'ROUTE-REFRESH';
  readonly subtype: number;
}

export type Message = OpenMessage | UpdateMessage | NotificationMessage | KeepaliveMessage | RouteRefreshMessage;

/** What both sides agreed on and a codec must know (never a module variable). */
export interface CodecContext {
  /** True when both sides sent the 4-octet AS capability: AS_PATH and AGGREGATOR carry 4-octet ASNs. */
  readonly fourOctetAs: boolean;
  /** The session is iBGP: decides where LOCAL_PREF, ORIGINATOR_ID are legal (RFC 4271 section 5, RFC 4456). */
  readonly ibgp: boolean;
  /** Octets, header included: 4096, or 65535 with RFC 8654. */
  readonly maxMessageLength: number;
  /** Those agreed on: routes of others are left out. Absent: all that landfall speaks. */
  readonly families?: readonly Family[];
  /** IPv4 routes may have an IPv6 next hop (RFC 8950). */
  readonly extendedNextHop?: boolean;
  /** Families whose routes come with path identifiers (RFC 7911). */
  readonly addPath?: readonly Family[];
  /** The AS that a path from this eBGP peer begins with (RFC 4271 section 6.3). Absent: any. */
  readonly peerAsn?: number;
}

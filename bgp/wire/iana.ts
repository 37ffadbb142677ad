/**
 * Every number that IANA assigns for BGP and that landfall reads or writes, once. Names as the registries spell them.
 * https://www.iana.org/assignments/bgp-parameters
 */

/** BGP Message Types. */
export const messageTypes = {
  OPEN: 1, // RFC 4271
  UPDATE: 2, // RFC 4271
  NOTIFICATION: 3, // RFC 4271
  KEEPALIVE: 4, // RFC 4271
  'ROUTE-REFRESH': 5, // RFC 2918
} as const;

/** OPEN Optional Parameter Types. */
export const optionalParameters = {
  capabilities: 2, // RFC 5492
  extendedLength: 255, // RFC 9072
} as const;

/** Capability Codes. */
export const capabilityCodes = {
  multiprotocol: 1, // RFC 4760
  routeRefresh: 2, // RFC 2918
  extendedNextHop: 5, // RFC 8950
  extendedMessage: 6, // RFC 8654
  role: 9, // RFC 9234
  gracefulRestart: 64, // RFC 4724
  fourOctetAs: 65, // RFC 6793
  addPath: 69, // RFC 7911
  enhancedRouteRefresh: 70, // RFC 7313
  longLivedGracefulRestart: 71, // RFC 9494
  hostname: 73, // draft-walton-bgp-hostname-capability
} as const;

/** BGP Path Attributes: type codes. */
export const attributeCodes = {
  ORIGIN: 1, // RFC 4271
  AS_PATH: 2, // RFC 4271
  NEXT_HOP: 3, // RFC 4271
  MULTI_EXIT_DISC: 4, // RFC 4271
  LOCAL_PREF: 5, // RFC 4271
  ATOMIC_AGGREGATE: 6, // RFC 4271
  AGGREGATOR: 7, // RFC 4271
  COMMUNITIES: 8, // RFC 1997
  ORIGINATOR_ID: 9, // RFC 4456
  CLUSTER_LIST: 10, // RFC 4456
  MP_REACH_NLRI: 14, // RFC 4760
  MP_UNREACH_NLRI: 15, // RFC 4760
  EXTENDED_COMMUNITIES: 16, // RFC 4360
  AS4_PATH: 17, // RFC 6793
  AS4_AGGREGATOR: 18, // RFC 6793
  LARGE_COMMUNITY: 32, // RFC 8092
  OTC: 35, // RFC 9234
} as const;

/** Attribute Flags, RFC 4271 section 4.3. */
export const attributeFlags = { optional: 0x80, transitive: 0x40, partial: 0x20, extendedLength: 0x10 } as const;

/** BGP Role values, RFC 9234 section 4.1, in order. */
export const roleNames = ['provider', 'rs', 'rs-client', 'customer', 'peer'] as const;

/** Values of ORIGIN, in order. */
export const originNames = ['IGP', 'EGP', 'INCOMPLETE'] as const;

/** AS_PATH segment types by number, RFC 4271 section 4.3 and RFC 5065 section 3. */
export const segmentTypes = {
  AS_SET: 1,
  AS_SEQUENCE: 2,
  AS_CONFED_SEQUENCE: 3,
  AS_CONFED_SET: 4,
} as const;

/** Address Family Numbers and Subsequent Address Family Identifiers. */
export const afis = { ipv4: 1, ipv6: 2 } as const;
export const safis = { unicast: 1 } as const;

/** RFC 6793: stands for an ASN that does not fit into two octets. */
export const AS_TRANS = 23456;

/** TCP port of BGP. */
export const bgpPort = 179;

export const bgpVersion = 4;

/** BGP Error (Notification) Codes. */
export const errorCodes = {
  messageHeader: 1,
  open: 2,
  update: 3,
  holdTimerExpired: 4,
  finiteStateMachine: 5,
  cease: 6,
  routeRefresh: 7,
  sendHoldTimerExpired: 8,
} as const;

/** Subcodes of each error code, as the code names them in this repository. */
export const errorSubcodes = {
  messageHeader: { connectionNotSynchronized: 1, badMessageLength: 2, badMessageType: 3 },
  open: {
    unspecific: 0,
    unsupportedVersionNumber: 1,
    badPeerAs: 2,
    badBgpIdentifier: 3,
    unsupportedOptionalParameter: 4,
    unacceptableHoldTime: 6,
    unsupportedCapability: 7,
    roleMismatch: 11,
  },
  update: {
    malformedAttributeList: 1,
    unrecognizedWellKnown: 2,
    missingWellKnown: 3,
    attributeFlags: 4,
    attributeLength: 5,
    invalidOrigin: 6,
    invalidNextHop: 8,
    optionalAttribute: 9,
    invalidNetworkField: 10,
    malformedAsPath: 11,
  },
  finiteStateMachine: { unspecified: 0, inOpenSent: 1, inOpenConfirm: 2, inEstablished: 3 },
  cease: {
    maximumNumberOfPrefixesReached: 1,
    administrativeShutdown: 2,
    peerDeconfigured: 3,
    administrativeReset: 4,
    connectionRejected: 5,
    otherConfigurationChange: 6,
    connectionCollisionResolution: 7,
    outOfResources: 8,
    hardReset: 9,
    bfdDown: 10,
  },
  routeRefresh: { invalidMessageLength: 1 },
} as const;

/** What people read: the registered names of codes and subcodes. */
export const errorNames: Readonly<Record<number, { readonly name: string; readonly subcodes: Readonly<Record<number, string>> }>> = {
  1: {
    name: 'Message Header Error', // RFC 4271 section 6.1
    subcodes: { 0: 'Unspecific', 1: 'Connection Not Synchronized', 2: 'Bad Message Length', 3: 'Bad Message Type' },
  },
  2: {
    name: 'OPEN Message Error', // RFC 4271 section 6.2
    subcodes: {
      0: 'Unspecific',
      1: 'Unsupported Version Number',
      2: 'Bad Peer AS',
      3: 'Bad BGP Identifier',
      4: 'Unsupported Optional Parameter',
      5: 'Authentication Failure', // deprecated
      6: 'Unacceptable Hold Time',
      7: 'Unsupported Capability', // RFC 5492
      11: 'Role Mismatch', // RFC 9234
    },
  },
  3: {
    name: 'UPDATE Message Error', // RFC 4271 section 6.3
    subcodes: {
      0: 'Unspecific',
      1: 'Malformed Attribute List',
      2: 'Unrecognized Well-known Attribute',
      3: 'Missing Well-known Attribute',
      4: 'Attribute Flags Error',
      5: 'Attribute Length Error',
      6: 'Invalid ORIGIN Attribute',
      7: 'AS Routing Loop', // deprecated
      8: 'Invalid NEXT_HOP Attribute',
      9: 'Optional Attribute Error',
      10: 'Invalid Network Field',
      11: 'Malformed AS_PATH',
    },
  },
  4: { name: 'Hold Timer Expired', subcodes: {} },
  5: {
    name: 'Finite State Machine Error', // RFC 6608
    subcodes: {
      0: 'Unspecified Error',
      1: 'Receive Unexpected Message in OpenSent State',
      2: 'Receive Unexpected Message in OpenConfirm State',
      3: 'Receive Unexpected Message in Established State',
    },
  },
  6: {
    name: 'Cease', // RFC 4486
    subcodes: {
      1: 'Maximum Number of Prefixes Reached',
      2: 'Administrative Shutdown',
      3: 'Peer De-configured',
      4: 'Administrative Reset',
      5: 'Connection Rejected',
      6: 'Other Configuration Change',
      7: 'Connection Collision Resolution',
      8: 'Out of Resources',
      9: 'Hard Reset', // RFC 8538
      10: 'BFD Down', // RFC 9384
    },
  },
  7: { name: 'ROUTE-REFRESH Message Error', subcodes: { 1: 'Invalid Message Length' } }, // RFC 7313
  8: { name: 'Send Hold Timer Expired', subcodes: {} }, // RFC 9687
};

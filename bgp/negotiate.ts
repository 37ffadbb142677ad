import { families as spoken, type Family } from '../net/ip.ts';
import { BgpError } from './errors.ts';
import type { SessionOptions } from './session-contract.ts';
import { AS_TRANS, afis, bgpVersion, errorCodes, errorSubcodes, safis } from './wire/iana.ts';
import { checkRole } from './role.ts';
import { extendedMaxMessageLength, standardMaxMessageLength } from './wire/header.ts';
import type { Capability, CodecContext, OpenMessage } from './wire/messages.ts';

/** Send/Receive of RFC 7911 section 4. */
const addPathReceive = 1;
const addPathSend = 2;
const addPathBoth = 3;

/** The OPEN that we send. */
export function ownOpen(options: SessionOptions, first: boolean): OpenMessage {
  const { gracefulRestart } = options;
  const capabilities: Capability[] = options.families.map((family) => ({ type: 'multiprotocol', afi: afiOf(family), safi: safis.unicast }));
  capabilities.push({ type: 'routeRefresh' }, { type: 'extendedMessage' }, { type: 'fourOctetAs', asn: options.localAsn });
  // FRR answers no refresh of such a peer before its own End-of-RIB, which it sends only where graceful restart was agreed on.
  if (gracefulRestart !== undefined) capabilities.push({ type: 'enhancedRouteRefresh' });
  if (options.role !== undefined) capabilities.push({ type: 'role', role: options.role });
  if (options.extendedNextHop === true) {
    capabilities.push({ type: 'extendedNextHop', families: [{ afi: afis.ipv4, safi: safis.unicast, nextHopAfi: afis.ipv6 }] });
  }
  if (options.addPath === true) {
    capabilities.push({ type: 'addPath', families: options.families.map((family) => ({ afi: afiOf(family), safi: safis.unicast, sendReceive: addPathReceive })) });
  }
  // RFC 9494: no family of ours is to be kept for long, but a stale route of another may be told to us: we know what its community means.
  if (gracefulRestart !== undefined) capabilities.push({ type: 'longLivedGracefulRestart', families: [] });
  if (gracefulRestart !== undefined) {
    capabilities.push({
      type: 'gracefulRestart', restartState: first && gracefulRestart.restarting, notification: false,
      restartTimeSeconds: gracefulRestart.restartTimeSeconds,
      // The node's kernel forwards without us: its state survives our restart, if not its own.
      families: options.families.map((family) => ({ afi: afiOf(family), safi: safis.unicast, forwardingState: !first || gracefulRestart.forwardingPreserved })),
    });
  }
  return {
    type: 'OPEN', version: bgpVersion, myAs: options.localAsn > 0xffff ? AS_TRANS : options.localAsn, holdTimeSeconds: options.holdSeconds,
    bgpIdentifier: options.bgpIdentifier, capabilities,
  };
}

export interface Agreement {
  readonly context: CodecContext;
  readonly families: readonly Family[];
  readonly holdTimeSeconds: number;
  readonly keepaliveSeconds: number;
  readonly routeRefresh: boolean;
  readonly enhancedRouteRefresh: boolean;
}

/**
 * What the peer's OPEN and ours settle (RFC 4271 section 6.2, RFC 5492, RFC 4760 section 8, RFC 6793 section 4.1).
 * @throws BgpError: the NOTIFICATION that refuses it.
 */
export function negotiate(options: SessionOptions, open: OpenMessage): Agreement {
  const { badPeerAs, badBgpIdentifier, unsupportedCapability } = errorSubcodes.open;
  const fourOctet = open.capabilities.find((capability) => capability.type === 'fourOctetAs');
  const asn = fourOctet?.asn ?? open.myAs;
  // RFC 7607 section 2: 0 is nobody's ASN, whatever is expected.
  if (asn !== options.peerAsn || asn === 0) throw new BgpError(errorCodes.open, badPeerAs, `expected ${options.peerAsn}, it says ${asn}`);
  if (fourOctet !== undefined && open.myAs !== AS_TRANS && open.myAs !== asn) {
    throw new BgpError(errorCodes.open, badPeerAs, `it says ${asn} in its capability and ${open.myAs} before that`);
  }
  const ibgp = options.peerAsn === options.localAsn;
  // RFC 6286 section 2.2: it must differ from ours inside one AS.
  if (ibgp && open.bgpIdentifier === options.bgpIdentifier) {
    throw new BgpError(errorCodes.open, badBgpIdentifier, `${open.bgpIdentifier} is our own identifier`);
  }
  const multiprotocol = open.capabilities.filter((capability) => capability.type === 'multiprotocol');
  // A peer without the capability speaks IPv4 unicast (RFC 4760 section 8).
  const theirs = multiprotocol.length === 0 ? (['ipv4-unicast'] as const) : spoken.filter((family) => multiprotocol.some(({ afi, safi }) => afi === afiOf(family) && safi === safis.unicast));
  const agreed = options.families.filter((family) => (theirs as readonly Family[]).includes(family));
  if (agreed.length === 0) {
    throw new BgpError(errorCodes.open, unsupportedCapability, `no address family in common: we speak ${options.families.join(' and ')}`, multiprotocolData(options.families));
  }
  checkRole(options.role, open.capabilities);
  const holdTimeSeconds = Math.min(options.holdSeconds, open.holdTimeSeconds);
  return {
    context: contextOf(options, open.capabilities, agreed),
    families: agreed, holdTimeSeconds,
    keepaliveSeconds: Math.min(options.keepaliveSeconds > 0 ? options.keepaliveSeconds : Infinity, holdTimeSeconds / 3),
    routeRefresh: has(open.capabilities, 'routeRefresh'), enhancedRouteRefresh: has(open.capabilities, 'enhancedRouteRefresh'),
  };
}

function contextOf(options: SessionOptions, theirs: readonly Capability[], families: readonly Family[]): CodecContext {
  const ibgp = options.peerAsn === options.localAsn;
  // RFC 7911 section 4: the peer sends them, and we take them.
  const addPath = options.addPath !== true ? [] : families.filter((family) => theirs.some((capability) => capability.type === 'addPath'
    && capability.families.some(({ afi, safi, sendReceive }) => afi === afiOf(family) && safi === safis.unicast && (sendReceive === addPathSend || sendReceive === addPathBoth))));
  const extendedNextHop = options.extendedNextHop === true && theirs.some((capability) => capability.type === 'extendedNextHop'
    && capability.families.some(({ afi, safi, nextHopAfi }) => afi === afis.ipv4 && safi === safis.unicast && nextHopAfi === afis.ipv6));
  return {
    fourOctetAs: has(theirs, 'fourOctetAs'), ibgp, families,
    maxMessageLength: has(theirs, 'extendedMessage') ? extendedMaxMessageLength : standardMaxMessageLength,
    ...(extendedNextHop ? { extendedNextHop } : {}), ...(addPath.length > 0 ? { addPath } : {}),
    // A route server does not put itself into the path (RFC 7947 section 2.2.2.1).
    ...(ibgp || options.role === 'rs-client' ? {} : { peerAsn: options.peerAsn }),
  };
}

function has(capabilities: readonly Capability[], type: Capability['type']): boolean {
  return capabilities.some((capability) => capability.type === type);
}

/** RFC 5492 section 5: the capabilities that we need, as they would stand in an OPEN. */
function multiprotocolData(families: readonly Family[]): Uint8Array {
  return Uint8Array.from(families.flatMap((family) => [1, 4, 0, afiOf(family), 0, safis.unicast]));
}

function afiOf(family: Family): number {
  return family === 'ipv4-unicast' ? afis.ipv4 : afis.ipv6;
}

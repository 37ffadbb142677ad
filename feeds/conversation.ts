import { BgpError } from '../bgp/errors.ts';
import { Framer } from '../bgp/wire/framer.ts';
import { extendedMaxMessageLength, headerLength } from '../bgp/wire/header.ts';
import { messageTypes } from '../bgp/wire/iana.ts';
import type { OpenMessage } from '../bgp/wire/messages.ts';
import { decodeOpen } from '../bgp/wire/open.ts';
import { ByteReader } from '../net/bytes.ts';
import type { Ends, Neighbour } from './observation.ts';

/** One way of a connection. */
interface Way {
  /** Not there once the stream is broken: it is followed no further. */
  framer: Framer | undefined;
  open?: Uint8Array;
  keepalive: boolean;
  notification?: Uint8Array;
}

/** How the UPDATEs of a session are read: what both OPENs settled. */
export interface Settled {
  readonly as4: boolean;
  /** Families that both speak, as {@link familyKey} numbers them. */
  readonly families: readonly number[];
  /** Families whose NLRI has path identifiers (RFC 7911), by direction. */
  readonly addPath: { readonly sent: ReadonlySet<number>; readonly received: ReadonlySet<number> };
  /** Of the neighbour. */
  readonly identifier: OpenMessage['bgpIdentifier'];
}

/** One TCP connection, as far as its octets tell. */
export interface Conversation {
  readonly neighbour: Neighbour;
  readonly ends: Ends;
  readonly sent: Way;
  readonly received: Way;
  /** There once the session is Established: both have said OPEN, and KEEPALIVE to the other's. */
  settled?: Settled;
  /** UPDATEs that came in one piece with what makes the session Established, before it was. */
  readonly early: Uint8Array[];
}

/** A message. `bytes` may be a view of what was observed. */
export interface Said {
  readonly sent: boolean;
  readonly type: number;
  readonly bytes: Uint8Array;
  /** With it the session is Established. */
  readonly settles: boolean;
}

/** More than fits into one read of a socket is no early UPDATE. */
const earlyAtMost = 1000;

export function newConversation(neighbour: Neighbour, ends: Ends): Conversation {
  const way = (): Way => ({ framer: new Framer(extendedMaxMessageLength), keepalive: false });
  return { neighbour, ends, sent: way(), received: way(), early: [] };
}

export const familyKey = (afi: number, safi: number): number => afi * 256 + safi;

/** Takes the next octets of one way; never throws. What is kept is copied: a view of a Buffer would hold all that was read with it. */
export function listenTo(conversation: Conversation, sent: boolean, bytes: Uint8Array): Said[] {
  const way = sent ? conversation.sent : conversation.received;
  if (way.framer === undefined) return [];
  const { framer, messages, error } = way.framer.feed(bytes);
  way.framer = error === undefined ? framer : undefined;
  return messages.map((message) => {
    const type = message[18] as number;
    if (type === messageTypes.OPEN) way.open ??= new Uint8Array(message);
    else if (type === messageTypes.NOTIFICATION) way.notification = new Uint8Array(message);
    else if (type === messageTypes.KEEPALIVE) way.keepalive = true;
    else if (type === messageTypes.UPDATE && !sent && conversation.settled === undefined && conversation.early.length < earlyAtMost) conversation.early.push(message);
    return { sent, type, bytes: message, settles: conversation.settled === undefined && settle(conversation) };
  });
}

function settle(conversation: Conversation): boolean {
  const { sent, received } = conversation;
  if (!sent.keepalive || !received.keepalive || sent.open === undefined || received.open === undefined || sent.notification !== undefined) return false;
  try {
    const read = ({ open }: Way): OpenMessage => decodeOpen(new ByteReader(open as Uint8Array, headerLength));
    conversation.settled = settledBy(read(sent), read(received));
    return true;
  } catch (error) {
    if (!(error instanceof BgpError)) throw error;
    return false;
  }
}

function settledBy(ours: OpenMessage, theirs: OpenMessage): Settled {
  const paths = (open: OpenMessage, offer: number): Set<number> => new Set(open.capabilities
    .flatMap((capability) => (capability.type === 'addPath' ? capability.families : []))
    .filter(({ sendReceive }) => (sendReceive & offer) !== 0).map(({ afi, safi }) => familyKey(afi, safi)));
  const both = (mine: ReadonlySet<number>, other: ReadonlySet<number>): Set<number> => new Set([...mine].filter((family) => other.has(family)));
  const [receive, send] = [1, 2]; // RFC 7911 section 4
  return {
    as4: [ours, theirs].every((open) => open.capabilities.some(({ type }) => type === 'fourOctetAs')),
    families: [...both(familiesOf(ours), familiesOf(theirs))],
    addPath: { sent: both(paths(ours, send), paths(theirs, receive)), received: both(paths(ours, receive), paths(theirs, send)) },
    identifier: theirs.bgpIdentifier,
  };
}

/** RFC 4760: who offers none speaks IPv4 unicast. */
function familiesOf({ capabilities }: OpenMessage): Set<number> {
  const offered = capabilities.flatMap((capability) => (capability.type === 'multiprotocol' ? [familyKey(capability.afi, capability.safi)] : []));
  return new Set(offered.length === 0 ? [familyKey(1, 1)] : offered);
}

/** The session was Established and nobody followed it. From here on it is followed. @param framer where in its stream the neighbour is */
export function follow(conversation: Conversation, framer: Framer): void {
  conversation.received.framer = framer.withLimit(extendedMaxMessageLength);
  conversation.sent.framer = new Framer(extendedMaxMessageLength); // we write whole messages
}

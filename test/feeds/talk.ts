import { encodeMessage } from '../../bgp/wire/message.ts';
import type { Capability, CodecContext, Message } from '../../bgp/wire/messages.ts';
import type { Ends, Neighbour, Observation } from '../../feeds/observation.ts';
import { hear, newSessions, type Heard, type Sessions } from '../../feeds/sessions.ts';
import { ip } from '../../net/ip.ts';

/** What two speakers say to each other, for the tests of the feeds. */

export const neighbour: Neighbour = { name: 'tor', address: ip('192.0.2.1'), asn: 65_001, localAsn: 4_200_000_001, instance: 0 };
export const ends: Ends = { localAddress: ip('192.0.2.2'), localPort: 40_000, remotePort: 179 };
export const context: CodecContext = { fourOctetAs: true, ibgp: false, maxMessageLength: 4096 };

export function open(asn: number, identifier: string, capabilities?: readonly Capability[]): Message {
  return {
    type: 'OPEN', version: 4, myAs: asn > 0xffff ? 23_456 : asn, holdTimeSeconds: 9, bgpIdentifier: ip(identifier),
    capabilities: capabilities ?? [{ type: 'multiprotocol', afi: 1, safi: 1 }, { type: 'multiprotocol', afi: 2, safi: 1 }, { type: 'fourOctetAs', asn }],
  };
}

export const encode = (message: Message): Uint8Array => encodeMessage(message, context);

export const ours = encode(open(4_200_000_001, '192.0.2.2'));
export const theirs = encode(open(65_001, '192.0.2.1'));
export const keepalive = encode({ type: 'KEEPALIVE' });

export const octets = (sent: boolean, bytes: Uint8Array, atMs = 1000): Observation => ({ type: 'octets', connection: 1, sent, bytes, atMs });
export const opened: Observation = { type: 'opened', connection: 1, neighbour, ends, atMs: 1000 };

export function hearAll(observations: readonly Observation[], sessions: Sessions = newSessions()): { readonly heard: Heard[]; readonly sessions: Sessions } {
  return { heard: observations.flatMap((observation) => hear(sessions, observation, true)), sessions };
}

/** A session that is up on connection 1. */
export function upSession(): Sessions {
  return hearAll([opened, octets(true, ours), octets(false, Buffer.concat([theirs, keepalive])), octets(true, keepalive)]).sessions;
}

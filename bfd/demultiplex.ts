import type { IpAddress } from '../net/ip.ts';
import type { ControlPacket } from './wire/control-packet.ts';

/** By what a session is found. */
export interface Addressed {
  readonly address: IpAddress;
  /** The only interface that its packets come from; left out: any. */
  readonly interface?: string;
  readonly discriminator: number;
}

/** RFC 5881 section 5: what came with less has passed a router. */
export const singleHopTtl = 255;

/**
 * The session that a packet is for: by our discriminator, and before the neighbor knows that by its address (RFC 5880 section 6.8.6, RFC 5881
 * section 3). It must come from the session's address either way, and with TTL 255.
 */
export function findBfdSession<Session extends Addressed>(
  sessions: Iterable<Session>, packet: ControlPacket, from: { readonly address: IpAddress; readonly ttl: number }, cameBy: (name: string) => boolean,
): Session | undefined {
  if (from.ttl !== singleHopTtl) return undefined;
  for (const session of sessions) {
    if (session.address !== from.address) continue;
    if (packet.yourDiscriminator !== 0 && packet.yourDiscriminator !== session.discriminator) continue;
    if (session.interface === undefined || cameBy(session.interface)) return session;
  }
  return undefined;
}

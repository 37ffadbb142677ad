import { ipv4ToNumber, type IpAddress } from '../net/ip.ts';
import type { SessionOptions } from './session-contract.ts';

/**
 * Of two connections between the same two speakers, whether the one that we dialled stays (RFC 4271 section 6.8): the speaker with
 * the higher BGP Identifier keeps its own. Between equal ones, possible on eBGP only, the higher ASN decides (RFC 6286 section 2.3).
 */
export function dialledStays(options: Pick<SessionOptions, 'bgpIdentifier' | 'localAsn' | 'peerAsn'>, remoteIdentifier: IpAddress): boolean {
  const local = ipv4ToNumber(options.bgpIdentifier);
  const remote = ipv4ToNumber(remoteIdentifier);
  return local === remote ? options.localAsn > options.peerAsn : local > remote;
}

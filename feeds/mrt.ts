import type { FsmState } from '../bgp/session-contract.ts';
import { ByteWriter } from '../net/bytes.ts';
import { ipToBytes, isIpv4, type IpAddress } from '../net/ip.ts';
import type { Neighbour } from './observation.ts';
import type { Heard } from './sessions.ts';

/*
 * RFC 6396 section 3, with the microseconds of section 3 (Extended Timestamp):
 *
 *   Timestamp 4 | Type 2, 17 BGP4MP_ET | Subtype 2 | Length 4 | Microseconds 4 | …
 *
 * Section 4.4:
 *
 *   Peer AS 4 | Local AS 4 | Interface Index 2 | Address Family 2 | Peer Address | Local Address | (BGP message | Old State 2, New State 2)
 */

const bgp4mpEt = 17;
/** `local`: a message of ours (section 4.4.4); RFC 8050 adds those with path identifiers. */
const subtypes = {
  stateChange: 5,
  as2: { received: 1, sent: 6 },
  as4: { received: 4, sent: 7 },
  as2AddPath: { received: 8, sent: 10 },
  as4AddPath: { received: 9, sent: 11 },
} as const;
const states: Readonly<Record<FsmState, number>> = { Idle: 1, Connect: 2, Active: 3, OpenSent: 4, OpenConfirm: 5, Established: 6 };

/** A record for a message, either way. */
export function messageRecord({ conversation: { neighbour, ends, settled }, sent, bytes, atMs }: Extract<Heard, { type: 'message' }>): Uint8Array {
  const direction = sent ? 'sent' : 'received';
  // Until both have said so nothing is known, and nothing that is said before depends on it.
  const as4 = settled?.as4 ?? true;
  const addPath = (settled?.addPath[direction].size ?? 0) > 0;
  const kind = addPath ? (as4 ? subtypes.as4AddPath : subtypes.as2AddPath) : as4 ? subtypes.as4 : subtypes.as2;
  return record(kind[direction], atMs, (writer) => {
    peers(writer, neighbour, ends.localAddress, as4);
    writer.append(bytes);
  });
}

/** A record for a change of the session's state (RFC 4271 section 8.2.2). @param localAddress where there is a connection */
export function stateRecord(neighbour: Neighbour, localAddress: IpAddress | undefined, from: FsmState, to: FsmState, atMs: number): Uint8Array {
  return record(subtypes.stateChange, atMs, (writer) => {
    peers(writer, neighbour, localAddress, true);
    writer.u16(states[from]).u16(states[to]);
  });
}

function record(subtype: number, atMs: number, write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(128).u32(Math.floor(atMs / 1000)).u16(bgp4mpEt).u16(subtype).u32(0).u32(Math.floor((atMs % 1000) * 1000));
  write(writer);
  const length = writer.length - 12;
  writer.patchU16(8, length >>> 16);
  writer.patchU16(10, length & 0xffff);
  return writer.done();
}

/** AS_TRANS (RFC 6793) stands for an ASN that has no room. */
const asTrans = 23_456;

function peers(writer: ByteWriter, { address, asn, localAsn }: Neighbour, localAddress: IpAddress | undefined, as4: boolean): void {
  for (const each of [asn, localAsn]) {
    if (as4) writer.u32(each);
    else writer.u16(each > 0xffff ? asTrans : each);
  }
  const ipv4 = isIpv4(address);
  writer.u16(0).u16(ipv4 ? 1 : 2).append(ipToBytes(address)).append(localAddress === undefined ? new Uint8Array(ipv4 ? 4 : 16) : ipToBytes(localAddress));
}

import type { ByteReader } from '../../net/bytes.ts';
import { ipFromBytes } from '../../net/ip.ts';
import { hexText, type Line } from './line.ts';
import { showMessage } from './message.ts';

/*
 * RFC 6396 section 4.4; RFC 8050 adds the subtypes of sessions with path identifiers:
 *
 *   Peer ASN 2 or 4 | Local ASN 2 or 4 | Interface Index 2 | Address Family 2 | Peer Address | Local Address | (BGP message | Old State 2, New State 2)
 */

const subtypes: Readonly<Record<number, { readonly as4: boolean; readonly addPath?: true; readonly local?: true; readonly states?: true }>> = {
  0: { as4: false, states: true },
  1: { as4: false },
  4: { as4: true },
  5: { as4: true, states: true },
  6: { as4: false, local: true },
  7: { as4: true, local: true },
  8: { as4: false, addPath: true },
  9: { as4: true, addPath: true },
  10: { as4: false, addPath: true, local: true },
  11: { as4: true, addPath: true, local: true },
};

const states = [null, 'Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'];
const bothFamilies: ReadonlySet<string> = new Set(['ipv4-unicast', 'ipv6-unicast']);

/** One record behind its header. Throws ShortRead where the record is shorter than its fields. */
export function bgp4mp(subtype: number, reader: ByteReader): Line {
  const kind = subtypes[subtype];
  if (kind === undefined) return { type: `BGP4MP subtype ${subtype}`, hex: hexText(reader.rest().subarray(0, 512)) };
  const asn = (): number => (kind.as4 ? reader.u32() : reader.u16());
  const peerAsn = asn();
  const localAsn = asn();
  reader.u16();
  const afi = reader.u16();
  if (afi !== 1 && afi !== 2) return { type: 'BGP4MP', hex: hexText(reader.rest().subarray(0, 512)), error: { text: `address family ${afi}` } };
  const address = (): string => { const length = afi === 1 ? 4 : 16; return ipFromBytes(reader.slice(length), 0, length); };
  const peer = { address: address(), asn: peerAsn };
  const local = { address: address(), asn: localAsn };
  if (kind.states) {
    const [from, to] = [reader.u16(), reader.u16()];
    return { peer, local, type: 'STATE_CHANGE', fromState: states[from] ?? from, toState: states[to] ?? to };
  }
  const ends = kind.local ? { from: local, to: peer } : { from: peer, to: local };
  const { line } = showMessage(reader.rest(), { as4: kind.as4, ibgp: peerAsn === localAsn, maxMessageLength: 65_535, extendedNextHop: true, addPath: kind.addPath ? bothFamilies : new Set() });
  return { ...ends, ...line };
}

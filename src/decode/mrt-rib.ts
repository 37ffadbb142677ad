import type { ByteReader } from '../../net/bytes.ts';
import { ipFromBytes, ipv4FromNumber } from '../../net/ip.ts';
import { timeText } from '../collect/time.ts';
import { showAttributes } from './attributes.ts';
import { readPrefixes, type ShownPrefix } from './families.ts';
import { hexText, type Line } from './line.ts';

/** The peers of the table that the file holds: entries name them by number. */
export interface PeerTable {
  peers: readonly { readonly address: string; readonly asn: number; readonly bgpIdentifier: string }[];
}

/*
 * RFC 6396 section 4.3:
 *
 *   PEER_INDEX_TABLE 1   Collector BGP ID 4 | View Name 2, n | Peer Count 2 | (Peer Type 1 | BGP ID 4 | Address 4, 16 | AS 2, 4) *
 *   RIB_IPV4_UNICAST 2 … Sequence 4 | Prefix 1, n | Entry Count 2 | (Peer Index 2 | Originated 4 | [Path Identifier 4] | Length 2 | Attributes) *
 */
const ribs: Readonly<Record<number, { readonly name: string; readonly addressLength: 4 | 16; readonly addPath?: true }>> = {
  2: { name: 'RIB_IPV4_UNICAST', addressLength: 4 },
  3: { name: 'RIB_IPV4_MULTICAST', addressLength: 4 },
  4: { name: 'RIB_IPV6_UNICAST', addressLength: 16 },
  5: { name: 'RIB_IPV6_MULTICAST', addressLength: 16 },
  8: { name: 'RIB_IPV4_UNICAST_ADDPATH', addressLength: 4, addPath: true },
  9: { name: 'RIB_IPV4_MULTICAST_ADDPATH', addressLength: 4, addPath: true },
  10: { name: 'RIB_IPV6_UNICAST_ADDPATH', addressLength: 16, addPath: true },
  11: { name: 'RIB_IPV6_MULTICAST_ADDPATH', addressLength: 16, addPath: true },
};

/** A line for the table's peers, then one for each route. Throws ShortRead where the record is shorter than its fields. */
export function* tableDumpV2(subtype: number, reader: ByteReader, table: PeerTable): Generator<Line> {
  if (subtype === 1) {
    yield peerIndex(reader, table);
    return;
  }
  const rib = ribs[subtype];
  if (rib === undefined) {
    yield { type: subtype === 6 ? 'RIB_GENERIC' : `TABLE_DUMP_V2 subtype ${subtype}`, hex: hexText(reader.rest().subarray(0, 512)) };
    return;
  }
  const sequence = reader.u32();
  const bits = reader.u8();
  if (bits > rib.addressLength * 8) {
    yield { type: rib.name, sequence, error: { text: `prefix length ${bits}` } };
    return;
  }
  const octets = reader.slice((bits + 7) >>> 3);
  const field = new Uint8Array([bits, ...octets]);
  const prefix = readPrefixes(field, rib.addressLength, false).prefixes[0] as ShownPrefix;
  const count = reader.u16();
  for (let i = 0; i < count; i++) {
    const peerIndex = reader.u16();
    const originated = reader.u32();
    const pathId = rib.addPath ? reader.u32() : undefined;
    const attributes = reader.slice(reader.u16());
    yield {
      type: rib.name, sequence, prefix, ...(pathId === undefined ? {} : { pathId }), peer: table.peers[peerIndex] ?? { index: peerIndex },
      originatedAt: originated > 0 ? timeText(originated * 1000) : null, attributes: ribAttributes(attributes, true),
    };
  }
}

function peerIndex(reader: ByteReader, table: PeerTable): Line {
  const collector = ipv4FromNumber(reader.u32());
  const view = new TextDecoder().decode(reader.slice(reader.u16()));
  const count = reader.u16();
  const peers: { address: string; asn: number; bgpIdentifier: string }[] = [];
  table.peers = peers;
  for (let i = 0; i < count; i++) {
    const type = reader.u8();
    const bgpIdentifier = ipv4FromNumber(reader.u32());
    const length = (type & 1) === 0 ? 4 : 16;
    const address = ipFromBytes(reader.slice(length), 0, length);
    peers.push({ address, asn: (type & 2) === 0 ? reader.u16() : reader.u32(), bgpIdentifier });
  }
  return { type: 'PEER_INDEX_TABLE', collector, view, peers };
}

function ribAttributes(field: Uint8Array, as4: boolean): Record<string, unknown> {
  return showAttributes(field, { as4, addPath: new Set(), tableDump: true });
}

/** RFC 6396 section 4.2, the older form: one route a record, ASNs of 2 octets. */
export function tableDump(subtype: number, reader: ByteReader): Line {
  const view = reader.u16();
  const sequence = reader.u16();
  if (subtype !== 1 && subtype !== 2) return { type: 'TABLE_DUMP', view, sequence, error: { text: `address family ${subtype}` } };
  const length = subtype === 1 ? 4 : 16;
  const address = (): string => ipFromBytes(reader.slice(length), 0, length);
  const prefix = `${address()}/${reader.u8()}`;
  reader.u8();
  const originated = reader.u32();
  const peer = { address: address(), asn: reader.u16() };
  const attributes = reader.slice(reader.u16());
  return { type: 'TABLE_DUMP', view, sequence, prefix, peer, originatedAt: originated > 0 ? timeText(originated * 1000) : null, attributes: ribAttributes(attributes, false) };
}

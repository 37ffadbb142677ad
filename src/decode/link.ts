import { type CapturedPacket, linkTypes } from '../../garp/wire/captured-packet.ts';

/** A packet without its link layer. */
export interface Network {
  /** Of the innermost header that has one. */
  readonly etherType: number;
  readonly payload: Uint8Array;
  /** Outermost first, as they stand: TPID and TCI. */
  readonly tags: readonly { readonly tpid: number; readonly tci: number }[];
  /** The sender's MAC, six octets, where the link layer names one. */
  readonly source?: Uint8Array;
  /** 33:33:… and the like; six octets of an Ethernet header. */
  readonly destination?: Uint8Array;
}

const ipv4 = 0x0800;
const ipv6 = 0x86dd;
const tpids: ReadonlySet<number> = new Set([0x8100, 0x88a8, 0x9100, 0x9200, 0x9300]);
/** More tags than anybody stacks. */
const mostTags = 4;

/** The link layer of a packet, or a sentence on why it can't be read. Total. */
export function openLink(packet: CapturedPacket): Network | string {
  const { bytes, linkType } = packet;
  switch (linkType) {
    case linkTypes.ethernet:
      if (bytes.length < 14) return 'Ethernet header is cut short';
      return withTags(u16(bytes, 12), bytes.subarray(14), { destination: bytes.subarray(0, 6), source: bytes.subarray(6, 12) });
    case linkTypes.sll:
      if (bytes.length < 16) return 'Linux cooked header is cut short';
      return withTags(u16(bytes, 14), bytes.subarray(16), cookedSource(bytes, u16(bytes, 2), u16(bytes, 4), 6));
    case linkTypes.sll2:
      if (bytes.length < 20) return 'Linux cooked header is cut short';
      return withTags(u16(bytes, 0), bytes.subarray(20), cookedSource(bytes, u16(bytes, 8), bytes[11] as number, 12));
    case linkTypes.null:
    case linkTypes.loop:
      return bytes.length < 4 ? 'loopback header is cut short' : rawIp(bytes.subarray(4));
    case linkTypes.raw: case linkTypes.rawBsd: case linkTypes.rawOpenBsd: case linkTypes.ipv4: case linkTypes.ipv6:
      return rawIp(bytes);
    default:
      return `link type ${linkType} is not known here`;
  }
}

/** Its family field differs between systems; the first octet of the packet does not. */
function rawIp(payload: Uint8Array): Network | string {
  const version = (payload[0] ?? 0) >>> 4;
  if (version === 4) return { etherType: ipv4, payload, tags: [] };
  return version === 6 ? { etherType: ipv6, payload, tags: [] } : 'neither IPv4 nor IPv6';
}

function withTags(etherType: number, payload: Uint8Array, addresses: Pick<Network, 'source' | 'destination'>): Network | string {
  const tags: { tpid: number; tci: number }[] = [];
  while (tpids.has(etherType)) {
    if (payload.length < 4) return 'VLAN tag is cut short';
    if (tags.length === mostTags) return `more than ${mostTags} VLAN tags`;
    tags.push({ tpid: etherType, tci: u16(payload, 0) });
    etherType = u16(payload, 2);
    payload = payload.subarray(4);
  }
  return { etherType, payload, tags, ...addresses };
}

/** Ethernet is 1 among the kernel's link types (ARPHRD). */
function cookedSource(bytes: Uint8Array, hardware: number, length: number, at: number): Pick<Network, 'source'> {
  return hardware === 1 && length === 6 ? { source: bytes.subarray(at, at + 6) } : {};
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

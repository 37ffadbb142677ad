import { ByteReader, ShortRead } from '../../net/bytes.ts';
import { ipFromBytes } from '../../net/ip.ts';
import { hexText } from './line.ts';

/** IANA: Address Family Numbers; SAFI Namespace. Those that BGP speakers are seen to use. */
const afiNames: Readonly<Record<number, string>> = { 1: 'ipv4', 2: 'ipv6', 25: 'l2vpn', 16388: 'link-state' };
const safiNames: Readonly<Record<number, string>> = {
  1: 'unicast', 2: 'multicast', 4: 'labeled-unicast', 65: 'vpls', 70: 'evpn', 71: 'link-state', 73: 'sr-policy', 128: 'vpn', 129: 'vpn-multicast', 132: 'route-target',
  133: 'flowspec', 134: 'flowspec-vpn',
};

/** `ipv4-unicast`, or the numbers: `afi 3 safi 1`. */
export function familyName(afi: number, safi: number): string {
  const [afiName, safiName] = [afiNames[afi], safiNames[safi]];
  return afiName === undefined || safiName === undefined ? `afi ${afi} safi ${safi}` : `${afiName}-${safiName}`;
}

/** Octets of an address, for the families whose NLRI is a list of prefixes. */
export function prefixFamily(afi: number, safi: number): 4 | 16 | undefined {
  if (safi !== 1 && safi !== 2) return undefined;
  return afi === 1 ? 4 : afi === 2 ? 16 : undefined;
}

/** One prefix, with the path identifier of RFC 7911 where the session has it. */
export type ShownPrefix = string | { readonly pathId: number; readonly prefix: string };

/** The prefixes of a field as far as they can be read; what is behind the last one, in hex, if the field is broken. */
export function readPrefixes(field: Uint8Array, addressLength: 4 | 16, addPath: boolean): { readonly prefixes: ShownPrefix[]; readonly rest?: string } {
  const reader = new ByteReader(field);
  const prefixes: ShownPrefix[] = [];
  while (reader.left > 0) {
    const at = reader.offset;
    try {
      const pathId = addPath ? reader.u32() : undefined;
      const bits = reader.u8();
      if (bits > addressLength * 8) throw new ShortRead(at, bits, reader.left);
      const octets = new Uint8Array(addressLength);
      octets.set(reader.slice((bits + 7) >>> 3));
      clearTail(octets, bits);
      const prefix = `${ipFromBytes(octets, 0, addressLength)}/${bits}`;
      prefixes.push(pathId === undefined ? prefix : { pathId, prefix });
    } catch (error) {
      if (!(error instanceof ShortRead)) throw error;
      return { prefixes, rest: hexText(field.subarray(at)) };
    }
  }
  return { prefixes };
}

/** RFC 4271 section 4.3: bits behind the prefix length mean nothing. */
function clearTail(octets: Uint8Array, bits: number): void {
  const spare = (8 - (bits & 7)) & 7;
  const last = bits >>> 3;
  if (spare > 0) octets[last] = (octets[last] as number) & (0xff << spare);
}

/** A next hop field (RFC 4760 section 3; RFC 2545, 8950: of either family; RFC 4364: behind a Route Distinguisher). */
export function nextHops(field: Uint8Array): string[] {
  switch (field.length) {
    case 4: return [ipFromBytes(field, 0, 4)];
    case 16: return [ipFromBytes(field, 0, 16)];
    case 32: return [ipFromBytes(field, 0, 16), ipFromBytes(field, 16, 16)];
    case 12: return [ipFromBytes(field, 8, 4)];
    case 24: return [ipFromBytes(field, 8, 16)];
    case 48: return [ipFromBytes(field, 8, 16), ipFromBytes(field, 32, 16)];
    default: return [];
  }
}

import type { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { ipFromBytes, type IpAddress, type Prefix } from '../../net/ip.ts';

/*
 * RFC 4271 section 4.3 (f): Length 1, in bits | Prefix, as many octets as the length needs, the rest of its bits ignored
 */

/** A field that holds no list of prefixes. What it means depends on where it was: the caller knows code and subcode. */
export class BadPrefix extends Error {
  override name = 'BadPrefix';
  readonly offset: number;
  constructor(detail: string, offset: number) {
    super(detail);
    this.offset = offset;
  }
}

const scratch4 = new Uint8Array(4);
const scratch16 = new Uint8Array(16);

/** Octets that one prefix takes. */
export function encodedPrefixLength(prefix: Prefix): number {
  return 1 + ((Number(prefix.slice(prefix.lastIndexOf('/') + 1)) + 7) >>> 3);
}

export function encodePrefix(writer: ByteWriter, prefix: Prefix): void {
  const slash = prefix.lastIndexOf('/');
  const length = Number(prefix.slice(slash + 1));
  const octets = addressOctets(prefix.slice(0, slash) as IpAddress);
  writer.u8(length);
  const count = (length + 7) >>> 3;
  for (let i = 0; i < count; i++) writer.u8(octets[i] as number);
}

/** 4 or 16 octets. */
export function encodeAddress(writer: ByteWriter, address: IpAddress): void {
  writer.append(addressOctets(address));
}

/**
 * Octets of an address in canonical spelling, in a buffer that the next call overwrites. This is on the way of every
 * UPDATE and allocates nothing; `ipToBytes` costs several microseconds for IPv6.
 */
function addressOctets(address: IpAddress): Uint8Array {
  return address.includes(':') ? ipv6Octets(address) : ipv4Octets(address, 0, scratch4, 0);
}

function ipv4Octets(text: string, from: number, into: Uint8Array, at: number): Uint8Array {
  let value = 0;
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 46) {
      into[at++] = value;
      value = 0;
    } else value = value * 10 + c - 48;
  }
  into[at] = value;
  return into;
}

function ipv6Octets(text: string): Uint8Array {
  const octets = scratch16.fill(0);
  let at = 0; // next octet
  let gap = -1; // where `::` stands
  let value = 0;
  let digits = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 58) {
      if (digits > 0) {
        octets[at++] = value >>> 8;
        octets[at++] = value;
        value = digits = 0;
      }
      if (text.charCodeAt(i + 1) === 58) {
        gap = at;
        i++;
      }
      start = i + 1;
    } else if (c === 46) {
      ipv4Octets(text, start, octets, at);
      at += 4;
      digits = 0;
      break;
    } else {
      value = value * 16 + (c <= 57 ? c - 48 : (c | 32) - 87);
      digits++;
    }
  }
  if (digits > 0) {
    octets[at++] = value >>> 8;
    octets[at++] = value;
  }
  if (gap >= 0 && at < 16) {
    octets.copyWithin(16 - (at - gap), gap, at);
    octets.fill(0, gap, 16 - (at - gap));
  }
  return octets;
}

/** Prefixes up to the reader's end; bits behind the prefix length are cleared. Throws {@link BadPrefix}. */
export function decodePrefixes(reader: ByteReader, addressLength: 4 | 16): Prefix[] {
  const prefixes: Prefix[] = [];
  const scratch = addressLength === 4 ? scratch4 : scratch16;
  while (reader.left > 0) {
    const at = reader.offset;
    const length = reader.u8();
    if (length > addressLength * 8) throw new BadPrefix(`prefix length ${length}`, at);
    const count = (length + 7) >>> 3;
    if (count > reader.left) throw new BadPrefix(`a /${length} with ${reader.left} octets left`, at);
    scratch.fill(0);
    for (let i = 0; i < count; i++) scratch[i] = reader.u8();
    const spare = count * 8 - length;
    if (spare > 0) scratch[count - 1] = (scratch[count - 1] as number) & (0xff << spare);
    prefixes.push(`${ipFromBytes(scratch, 0, addressLength)}/${length}` as Prefix);
  }
  return prefixes;
}

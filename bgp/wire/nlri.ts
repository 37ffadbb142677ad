import type { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { ipFromBytes, ipToBytes, type IpAddress, type Prefix } from '../../net/ip.ts';

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

/** Octets that one prefix takes. */
export function encodedPrefixLength(prefix: Prefix): number {
  return 1 + ((Number(prefix.slice(prefix.lastIndexOf('/') + 1)) + 7) >>> 3);
}

export function encodePrefix(writer: ByteWriter, prefix: Prefix): void {
  const slash = prefix.lastIndexOf('/');
  const length = Number(prefix.slice(slash + 1));
  const octets = ipToBytes(prefix.slice(0, slash) as IpAddress);
  writer.u8(length);
  const count = (length + 7) >>> 3;
  for (let i = 0; i < count; i++) writer.u8(octets[i] as number);
}

/** A list of prefixes, each with its path identifier where there are any. */
export function encodePrefixes(writer: ByteWriter, prefixes: readonly Prefix[], pathIds?: readonly number[]): void {
  for (const [i, prefix] of prefixes.entries()) {
    if (pathIds !== undefined) writer.u32(pathIds[i] ?? 0);
    encodePrefix(writer, prefix);
  }
}

/** 4 or 16 octets. */
export function encodeAddress(writer: ByteWriter, address: IpAddress): void {
  writer.append(ipToBytes(address));
}

/**
 * Prefixes up to the reader's end; bits behind the prefix length are cleared. Throws {@link BadPrefix}.
 * @param pathIds takes the path identifier before each prefix (RFC 7911 section 3); without it there are none.
 */
export function decodePrefixes(reader: ByteReader, addressLength: 4 | 16, pathIds?: number[]): Prefix[] {
  const prefixes: Prefix[] = [];
  const scratch = new Uint8Array(addressLength);
  while (reader.left > 0) {
    const at = reader.offset;
    if (pathIds !== undefined) {
      if (reader.left < 5) throw new BadPrefix(`${reader.left} octets are no path identifier and prefix`, at);
      pathIds.push(reader.u32());
    }
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

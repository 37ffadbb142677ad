import { endianness } from 'node:os';
import type { TcpAoRequest } from '../../native/index.ts';
import { isIpv4, ipToBytes, type IpAddress } from '../../net/ip.ts';

// TCP-AO (RFC 5925) as <linux/tcp.h> has it from Linux 6.7 on: what the three socket options are given, octet by octet, for the headers that
// this is compiled against may be older. The kernel reads nothing here but these layouts; the native module hands them on as they are.

/** RFC 5926: what both kinds of router have. */
export type AoAlgorithm = 'hmac-sha1' | 'aes-128-cmac';

/** A Master Key Tuple (RFC 5925 section 3.1) without its connection. IDs are 0 to 255; the key has 1 to 80 octets. */
export interface AoKey {
  readonly sendId: number;
  readonly receiveId: number;
  readonly algorithm: AoAlgorithm;
  readonly key: Uint8Array;
}

/** Whose segments a key is for: of one address, or of all of a prefix. */
export interface AoScope {
  readonly address: IpAddress;
  readonly prefixLength?: number | undefined;
}

/** By KeyID: what our segments are signed with, and what we ask the peer to sign with. Undefined on a listener. */
export interface AoState {
  readonly sendId?: number;
  readonly receiveId?: number;
}

const longestKey = 80;
const infoOctets = 48;

/** As the kernel's crypto calls them; it makes `cmac(aes)` with the key derivation of RFC 5926 3.1.1.2 of the second. */
const algorithmNames: Readonly<Record<AoAlgorithm, string>> = { 'hmac-sha1': 'hmac(sha1)', 'aes-128-cmac': 'cmac(aes128)' };
/** RFC 5926 section 3.2: both MACs are cut to 96 bits. */
const macOctets = 12;
const storageOctets = 128;

/** Bit-fields fill a word from its low end on little-endian machines, from the high end on the others. */
const flag = (index: number, little: boolean): number => (little ? 1 << index : 0x80 >> index);
const isLittle = endianness() === 'LE';

/**
 * TCP_AO_ADD_KEY. @param first the key that a connection begins with and asks for: not for a listener, which has no such
 * @throws RangeError for IDs or a key that no kernel takes
 */
export function addAoKey(scope: AoScope, { sendId, receiveId, algorithm, key }: AoKey, first = false, little = isLittle): TcpAoRequest {
  if (key.length === 0 || key.length > longestKey) throw new RangeError(`a TCP-AO key has 1 to ${longestKey} octets`);
  const bytes = new Uint8Array(288);
  writeAddress(bytes, scope.address, little);
  bytes.set(new TextEncoder().encode(algorithmNames[algorithm]), storageOctets);
  if (first) bytes[196] = flag(0, little) | flag(1, little);
  bytes.set([prefixOf(scope), checkId(sendId), checkId(receiveId), macOctets, 0, key.length], 202);
  bytes.set(key, 208);
  return { option: 38, bytes };
}

/** TCP_AO_DEL_KEY. The kernel answers EBUSY while the key is in use. */
export function deleteAoKey(scope: AoScope, { sendId, receiveId }: Pick<AoKey, 'sendId' | 'receiveId'>, little = isLittle): TcpAoRequest {
  const bytes = new Uint8Array(144);
  writeAddress(bytes, scope.address, little);
  bytes.set([prefixOf(scope), checkId(sendId), checkId(receiveId)], 138);
  return { option: 39, bytes };
}

/** TCP_AO_INFO that asks the peer to sign with this key from now on (RNextKeyID). What we sign with is the peer's to choose, by the same means. */
export function preferAoKey({ receiveId }: Pick<AoKey, 'receiveId'>, little = isLittle): TcpAoRequest {
  const bytes = new Uint8Array(infoOctets);
  bytes[0] = flag(1, little);
  bytes[7] = checkId(receiveId);
  return { option: 40, bytes };
}

/** What getsockopt TCP_AO_INFO has filled in. */
export function decodeAoInfo(bytes: Uint8Array, little = isLittle): AoState {
  const has = (index: number): boolean => ((bytes[0] ?? 0) & flag(index, little)) !== 0;
  return { ...(has(0) ? { sendId: bytes[6] as number } : {}), ...(has(1) ? { receiveId: bytes[7] as number } : {}) };
}

/** Into a sockaddr_storage; the port stays 0: of any. */
function writeAddress(bytes: Uint8Array, address: IpAddress, little: boolean): void {
  const ipv4 = isIpv4(address);
  new DataView(bytes.buffer).setUint16(0, ipv4 ? 2 : 10, little);
  bytes.set(ipToBytes(address), ipv4 ? 4 : 8);
}

const prefixOf = ({ address, prefixLength }: AoScope): number => prefixLength ?? (isIpv4(address) ? 32 : 128);

function checkId(id: number): number {
  if (!Number.isInteger(id) || id < 0 || id > 255) throw new RangeError('a KeyID is 0 to 255');
  return id;
}

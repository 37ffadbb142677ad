import { type IpAddress, type Prefix, ipToBytes, ipv4ToNumber, isIpv4, prefixAddress, prefixLength } from '../net/ip.ts';

/** What one watch allows, as the configuration gives it. */
export interface WatchOptions {
  readonly bridge: string;
  /** VLAN ids with both ends. `undefined`: every VLAN. 0 is untagged. */
  readonly vlans?: readonly (readonly [number, number])[];
  readonly announcements: readonly ('garp' | 'rarp' | 'na' | 'any-arp')[];
  readonly prefixes: readonly Prefix[];
  readonly exclude: readonly IpAddress[];
  readonly vrf: string;
}

/** {@link WatchOptions} made ready for the hot path. */
export interface WatchRules {
  readonly bridge: string;
  readonly vrf: string;
  readonly vlans: readonly (readonly [number, number])[] | undefined;
  /** The kinds of announcement that count; ordinary ARP is `arp`, its IPv6 counterpart `ns`. */
  readonly kinds: ReadonlySet<string>;
  readonly exclude: ReadonlySet<IpAddress>;
  /** Longest first, so that the first that matches is the most specific. */
  readonly ipv4: readonly CompiledPrefix[];
  readonly ipv6: readonly CompiledPrefix[];
}

interface CompiledPrefix {
  readonly prefix: Prefix;
  /** Network and mask in 32-bit words: one for IPv4, four for IPv6. */
  readonly network: Uint32Array;
  readonly mask: Uint32Array;
  /** False where every address is a host's: /31, /32 (RFC 3021), /127 (RFC 6164), /128. */
  readonly hasNetwork: boolean;
}

export function compileWatch(options: WatchOptions): WatchRules {
  const compiled = options.prefixes.map(compilePrefix).sort((a, b) => prefixLength(b.prefix) - prefixLength(a.prefix));
  return {
    bridge: options.bridge,
    vrf: options.vrf,
    vlans: options.vlans,
    // An answer to a probe of ours always counts; whether there was a probe is the speaker's to know.
    kinds: new Set(['answer', ...options.announcements.flatMap((kind) => (kind === 'any-arp' ? ['arp', 'ns'] : [kind]))]),
    exclude: new Set(options.exclude),
    ipv4: compiled.filter(({ prefix }) => isIpv4(prefix)),
    ipv6: compiled.filter(({ prefix }) => !isIpv4(prefix)),
  };
}

export function isWatchedVlan(rules: WatchRules, vlan: number): boolean {
  if (rules.vlans === undefined) return true;
  for (const [low, high] of rules.vlans) if (low <= vlan && vlan <= high) return true;
  return false;
}

/** Where an address stands in its most specific prefix. `network` is also the subnet-router anycast address (RFC 4291 section 2.6.1). */
export type Standing = 'host' | 'network' | 'broadcast';

/** The most specific prefix that holds the address, or `undefined`: then it is never announced. */
export function findPrefix(rules: WatchRules, address: IpAddress): { readonly prefix: Prefix; readonly standing: Standing } | undefined {
  const v4 = isIpv4(address);
  const words = v4 ? ipv4Word(address) : toWords(ipToBytes(address));
  for (const entry of v4 ? rules.ipv4 : rules.ipv6) {
    if (isInside(entry, words)) return { prefix: entry.prefix, standing: standingIn(entry, words, v4) };
  }
  return undefined;
}

function isInside({ network, mask }: CompiledPrefix, words: Uint32Array): boolean {
  for (let i = 0; i < network.length; i++) {
    if (((words[i] as number) & (mask[i] as number)) >>> 0 !== network[i]) return false;
  }
  return true;
}

function standingIn({ network, mask, hasNetwork }: CompiledPrefix, words: Uint32Array, v4: boolean): Standing {
  if (!hasNetwork) return 'host';
  let zeros = true;
  let ones = true;
  for (let i = 0; i < network.length; i++) {
    const host = ((words[i] as number) & ~(mask[i] as number)) >>> 0;
    if (host !== 0) zeros = false;
    if (host !== ~(mask[i] as number) >>> 0) ones = false;
  }
  if (zeros) return 'network';
  return ones && v4 ? 'broadcast' : 'host';
}

function compilePrefix(prefix: Prefix): CompiledPrefix {
  const v4 = isIpv4(prefix);
  const length = prefixLength(prefix);
  const bytes = ipToBytes(prefixAddress(prefix));
  const mask = Uint8Array.from(bytes, (_, i) => 0xff << (8 - Math.min(8, Math.max(0, length - 8 * i))));
  return { prefix, network: toWords(bytes), mask: toWords(mask), hasNetwork: length < (v4 ? 31 : 127) };
}

function toWords(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i));
}

function ipv4Word(address: IpAddress): Uint32Array {
  return Uint32Array.of(ipv4ToNumber(address));
}

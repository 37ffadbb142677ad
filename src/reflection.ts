import { putShare, takeShares } from './port-shares.ts';
import type { World } from './world.ts';

/** The same bytes through an uplink this long after a local port had them are an echo of the fabric, in milliseconds. */
export const reflectionMs = 5000;
/** So many frames of one port. */
const mostPerPort = 1024;

/**
 * Two 32-bit FNV-1a sums over an announcement, with different seeds. Ethernet's padding is left out where the payload tells its length,
 * because a switch may have added it.
 */
export function fingerprint(bytes: Uint8Array): string {
  const type = ((bytes[12] ?? 0) << 8) | (bytes[13] ?? 0);
  const ipv6Length = 14 + 40 + (((bytes[18] ?? 0) << 8) | (bytes[19] ?? 0));
  const length = Math.min(bytes.length, type === 0x0806 || type === 0x8035 ? 42 : type === 0x86dd ? ipv6Length : bytes.length);
  let a = 0x811c9dc5;
  let b = 0x01234567;
  for (let i = 0; i < length; i++) {
    const octet = bytes[i] as number;
    a = Math.imul(a ^ octet, 0x01000193);
    b = Math.imul(b ^ octet, 0x01000193) + i;
  }
  return `${length} ${a >>> 0} ${b >>> 0}`;
}

/** Only frames that were admitted are remembered, so that nobody else's bytes can hide a real announcement. */
export function rememberLocal(world: World, ifindex: number, print: string): void {
  putShare(world.recentLocal, print, ifindex, world.now.monotonicMs, mostPerPort);
}

export function isReflection(world: World, print: string): boolean {
  const ports = world.recentLocal.byKey.get(print);
  if (ports === undefined) return false;
  for (const at of ports.values()) if (world.now.monotonicMs - at <= reflectionMs) return true;
  takeShares(world.recentLocal, print);
  return false;
}

import { u16 } from './ethernet.ts';

/** Behind a hop-by-hop header of eight octets: MLD reports and dones. */
const behindHopByHop: readonly number[] = [131, 132, 143];
/** Router Solicitation, Neighbor Solicitation, Neighbor Advertisement. */
const neighborDiscovery: readonly number[] = [133, 135, 136];

/**
 * What the kernel's filter of the live capture decides (native/filter.h, whose order this keeps), for frames that come from elsewhere:
 * `bytes` without their outermost tag. A frame that ends before what the filter looks at is dropped, as the kernel does.
 */
export function passesCaptureFilter(bytes: Uint8Array): boolean {
  if (bytes.length < 14) return false;
  let type = u16(bytes, 12);
  let x = 0;
  if (type === 0x8100 || type === 0x88a8 || type === 0x9100) {
    if (bytes.length < 18) return false;
    x = 4;
    type = u16(bytes, 16);
  }
  if (type === 0x0806 || type === 0x8035) return true;
  if (type !== 0x86dd) return false;
  if (bytes[x + 20] === 58) return neighborDiscovery.includes(bytes[x + 54] ?? -1);
  return bytes[x + 20] === 0 && bytes[x + 54] === 58 && bytes[x + 55] === 0 && behindHopByHop.includes(bytes[x + 62] ?? -1);
}

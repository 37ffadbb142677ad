import type { LargeCommunity } from '../bgp/route.ts';
import { ipv4FromNumber, ipv4ToNumber, type IpAddress } from '../net/ip.ts';
import { macFromBytes, macToBytes, type Mac } from '../net/mac.ts';

/**
 * What speakers tell each other on the route itself, in large communities `GA:(type * 2^24 + 24 bits):(32 bits)`:
 *
 *   type 1   segment (a number per VRF)   | sequence
 *   type 2   MAC, first three octets      | MAC, last three octets
 *   type 3   0                            | BGP Identifier of the node
 */
export interface ClaimMarks {
  readonly segment: number;
  readonly sequence: number;
  readonly mac?: Mac;
  readonly node: IpAddress;
}

const typeShift = 0x1000000;
const low24 = 0xffffff;

/** The large communities of one claim. */
export function encodeClaimMarks(globalAdmin: number, marks: ClaimMarks): LargeCommunity[] {
  const communities: LargeCommunity[] = [
    { globalAdmin, localData1: 1 * typeShift + (marks.segment & low24), localData2: marks.sequence },
  ];
  if (marks.mac !== undefined) {
    const m = macToBytes(marks.mac) as unknown as [number, number, number, number, number, number];
    communities.push({
      globalAdmin,
      localData1: 2 * typeShift + ((m[0] << 16) | (m[1] << 8) | m[2]),
      localData2: (m[3] << 16) | (m[4] << 8) | m[5],
    });
  }
  communities.push({ globalAdmin, localData1: 3 * typeShift, localData2: ipv4ToNumber(marks.node) });
  return communities;
}

/** Reads what {@link encodeClaimMarks} wrote; of several of one type the first counts. What is missing stays `undefined`. */
export function decodeClaimMarks(globalAdmin: number, communities: readonly LargeCommunity[]): Partial<ClaimMarks> {
  const marks: { segment?: number; sequence?: number; mac?: Mac; node?: IpAddress } = {};
  for (const community of communities) {
    if (community.globalAdmin !== globalAdmin) continue;
    const bits = community.localData1 % typeShift;
    switch (Math.floor(community.localData1 / typeShift)) {
      case 1:
        if (marks.sequence === undefined) {
          marks.segment = bits;
          marks.sequence = community.localData2;
        }
        break;
      case 2:
        marks.mac ??= macFromBytes(octets(bits, community.localData2 & low24));
        break;
      case 3:
        if (community.localData2 !== 0) marks.node ??= ipv4FromNumber(community.localData2);
        break;
    }
  }
  return marks;
}

function octets(high: number, low: number): Uint8Array {
  return Uint8Array.of(high >>> 16, high >>> 8, high, low >>> 16, low >>> 8, low);
}

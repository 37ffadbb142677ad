import { ByteReader, ByteWriter } from '../../net/bytes.ts';

// RFC 5880 section 4.1:
//
//   |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//   |                       My Discriminator                        |
//   |                      Your Discriminator                       |
//   |                    Desired Min TX Interval                    |   microseconds, as all three
//   |                   Required Min RX Interval                    |
//   |                 Required Min Echo RX Interval                 |
//   | Auth Type, Auth Len, data: only with the A bit                |

/** In the order of their numbers. */
export const bfdStates = ['AdminDown', 'Down', 'Init', 'Up'] as const;
export type BfdState = (typeof bfdStates)[number];

/** Diagnostic codes of RFC 5880 that we use. */
export const diagnostics = { none: 0, detectionTimeExpired: 1, neighborSignaledDown: 3, administrativelyDown: 7 } as const;

const diagnosticTexts = [
  'no diagnostic', 'control detection time expired', 'echo function failed', 'neighbor signaled session down', 'forwarding plane reset', 'path down',
  'concatenated path down', 'administratively down', 'reverse concatenated path down',
] as const;

export function diagnosticText(code: number): string {
  return diagnosticTexts[code] ?? `diagnostic ${code}`;
}

export interface ControlPacket {
  /** 0…31. */
  readonly diagnostic: number;
  readonly state: BfdState;
  readonly poll: boolean;
  readonly final: boolean;
  readonly controlPlaneIndependent: boolean;
  readonly demand: boolean;
  /** 1…255. */
  readonly detectMultiplier: number;
  /** Not 0. */
  readonly myDiscriminator: number;
  readonly yourDiscriminator: number;
  readonly desiredMinTxUs: number;
  /** 0: wants no packets. */
  readonly requiredMinRxUs: number;
  readonly requiredMinEchoRxUs: number;
}

const version = 1;
const octets = 24;

/**
 * The packet, or `undefined` where RFC 5880 section 6.8.6 has it discarded: another version, a wrong length, no Detect Mult, multipoint, no
 * discriminator, a state that can't be without ours, or authentication, which no session here uses. Never throws.
 */
export function decodeControlPacket(bytes: Uint8Array): ControlPacket | undefined {
  if (bytes.length < octets) return undefined;
  const reader = new ByteReader(bytes);
  const first = reader.u8();
  const flags = reader.u8();
  const detectMultiplier = reader.u8();
  const length = reader.u8();
  if (first >> 5 !== version || length < octets || length > bytes.length || detectMultiplier === 0 || (flags & 0b101) !== 0) return undefined;
  const state = bfdStates[flags >> 6] as BfdState;
  const myDiscriminator = reader.u32();
  const yourDiscriminator = reader.u32();
  if (myDiscriminator === 0 || (yourDiscriminator === 0 && state !== 'Down' && state !== 'AdminDown')) return undefined;
  const desiredMinTxUs = reader.u32();
  const requiredMinRxUs = reader.u32();
  return {
    diagnostic: first & 0x1f, state, poll: (flags & 0x20) !== 0, final: (flags & 0x10) !== 0, controlPlaneIndependent: (flags & 0x08) !== 0,
    demand: (flags & 0x02) !== 0, detectMultiplier, myDiscriminator, yourDiscriminator, desiredMinTxUs, requiredMinRxUs, requiredMinEchoRxUs: reader.u32(),
  };
}

export function encodeControlPacket(packet: ControlPacket): Uint8Array {
  const flags = (bfdStates.indexOf(packet.state) << 6) | (packet.poll ? 0x20 : 0) | (packet.final ? 0x10 : 0)
    | (packet.controlPlaneIndependent ? 0x08 : 0) | (packet.demand ? 0x02 : 0);
  return new ByteWriter(octets)
    .u8((version << 5) | packet.diagnostic).u8(flags).u8(packet.detectMultiplier).u8(octets)
    .u32(packet.myDiscriminator).u32(packet.yourDiscriminator)
    .u32(packet.desiredMinTxUs).u32(packet.requiredMinRxUs).u32(packet.requiredMinEchoRxUs).done();
}

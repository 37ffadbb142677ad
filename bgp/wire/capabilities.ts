import type { ByteWriter} from '../../net/bytes.ts';
import { ByteReader, ShortRead } from '../../net/bytes.ts';
import { unreachable } from '../../net/assert.ts';
import { BgpError } from '../errors.ts';
import { capabilityCodes, errorCodes, errorSubcodes, roleNames } from './iana.ts';
import type { Capability } from './messages.ts';

/*
 * RFC 5492 section 4
 *
 *   Capability Code 1 | Capability Length 1 | Capability Value
 *
 *   1   multiprotocol    AFI 2 | Reserved 1 | SAFI 1
 *   2   routeRefresh     empty
 *   5   extendedNextHop  (AFI 2 | SAFI 2 | Next Hop AFI 2) *
 *   6   extendedMessage  empty
 *   9   role             role 1
 *   64  gracefulRestart  Restart Flags 4 bits, Restart Time 12 bits | (AFI 2 | SAFI 1 | Flags 1) *
 *   65  fourOctetAs      ASN 4
 *   69  addPath          (AFI 2 | SAFI 1 | Send/Receive 1) *
 *   70  enhancedRouteRefresh  empty
 *   71  longLivedGracefulRestart  (AFI 2 | SAFI 1 | Flags 1 | Stale Time 3) *
 *   73  hostname         length 1 | hostname | length 1 | domain
 */

const restartStateBit = 0x8000; // R, RFC 4724
const notificationBit = 0x4000; // N, RFC 8538
const forwardingStateBit = 0x80; // F, RFC 4724

export function encodeCapability(writer: ByteWriter, capability: Capability): void {
  const start = writer.length;
  writer.u8(codeOf(capability)).u8(0);
  switch (capability.type) {
    case 'multiprotocol':
      writer.u16(capability.afi).u8(0).u8(capability.safi);
      break;
    case 'routeRefresh':
    case 'extendedMessage':
    case 'enhancedRouteRefresh':
      break;
    case 'extendedNextHop':
      for (const { afi, safi, nextHopAfi } of capability.families) writer.u16(afi).u16(safi).u16(nextHopAfi);
      break;
    case 'role':
      writer.u8(roleNames.indexOf(capability.role));
      break;
    case 'addPath':
      for (const { afi, safi, sendReceive } of capability.families) writer.u16(afi).u8(safi).u8(sendReceive);
      break;
    case 'longLivedGracefulRestart':
      for (const { afi, safi, forwardingState, staleTimeSeconds } of capability.families) {
        writer.u16(afi).u8(safi).u8(forwardingState ? forwardingStateBit : 0).u8(staleTimeSeconds >>> 16).u16(staleTimeSeconds & 0xffff);
      }
      break;
    case 'fourOctetAs':
      writer.u32(capability.asn);
      break;
    case 'gracefulRestart':
      writer.u16(
        (capability.restartState ? restartStateBit : 0) |
          (capability.notification ? notificationBit : 0) |
          (capability.restartTimeSeconds & 0xfff),
      );
      for (const family of capability.families) {
        writer.u16(family.afi).u8(family.safi).u8(family.forwardingState ? forwardingStateBit : 0);
      }
      break;
    case 'hostname':
      for (const text of [capability.hostname, capability.domain]) {
        const octets = new Uint8Array(64); // a DNS label, and enough of a domain to be recognised
        const { written } = new TextEncoder().encodeInto(text, octets);
        writer.u8(written).append(octets.subarray(0, written));
      }
      break;
    case 'unknown':
      writer.append(capability.value.subarray(0, 255));
      break;
    default:
      unreachable(capability);
  }
  writer.patchU8(start + 1, writer.length - start - 2);
}

function codeOf(capability: Capability): number {
  return capability.type === 'unknown' ? capability.code : capabilityCodes[capability.type];
}

/**
 * Reads capabilities up to the reader's end. One that we know but can't read is malformed, as an Optional Parameter that
 * is recognized but malformed (RFC 4271 section 6.2).
 * @throws BgpError 2/0.
 */
export function decodeCapabilities(reader: ByteReader): Capability[] {
  const capabilities: Capability[] = [];
  while (reader.left > 0) {
    const at = reader.offset;
    try {
      const code = reader.u8();
      const value = reader.sub(reader.u8());
      const capability = decodeValue(code, value);
      if (value.left > 0) throw malformed(`capability ${code} has ${value.left} octets too many`, value.offset);
      capabilities.push(capability);
    } catch (error) {
      if (error instanceof ShortRead) throw malformed('a capability is cut short', at);
      throw error;
    }
  }
  return capabilities;
}

function decodeValue(code: number, value: ByteReader): Capability {
  switch (code) {
    case capabilityCodes.multiprotocol: {
      const afi = value.u16();
      value.u8();
      return { type: 'multiprotocol', afi, safi: value.u8() };
    }
    case capabilityCodes.routeRefresh:
      return { type: 'routeRefresh' };
    case capabilityCodes.extendedMessage:
      return { type: 'extendedMessage' };
    case capabilityCodes.enhancedRouteRefresh:
      return { type: 'enhancedRouteRefresh' };
    case capabilityCodes.extendedNextHop:
      return { type: 'extendedNextHop', families: decodeEach(value, () => ({ afi: value.u16(), safi: value.u16(), nextHopAfi: value.u16() })) };
    case capabilityCodes.role:
      return decodeRole(value);
    case capabilityCodes.addPath:
      return { type: 'addPath', families: decodeEach(value, () => ({ afi: value.u16(), safi: value.u8(), sendReceive: value.u8() })) };
    case capabilityCodes.longLivedGracefulRestart:
      return {
        type: 'longLivedGracefulRestart',
        families: decodeEach(value, () => ({
          afi: value.u16(), safi: value.u8(), forwardingState: (value.u8() & forwardingStateBit) !== 0,
          staleTimeSeconds: value.u8() * 0x10000 + value.u16(),
        })),
      };
    case capabilityCodes.fourOctetAs:
      return { type: 'fourOctetAs', asn: value.u32() };
    case capabilityCodes.gracefulRestart:
      return decodeGracefulRestart(value);
    case capabilityCodes.hostname:
      return decodeHostname(value);
    default:
      return { type: 'unknown', code, value: value.rest().slice() };
  }
}

function decodeGracefulRestart(value: ByteReader): Capability {
  const first = value.u16();
  const families = [];
  while (value.left > 0) {
    const afi = value.u16();
    const safi = value.u8();
    families.push({ afi, safi, forwardingState: (value.u8() & forwardingStateBit) !== 0 });
  }
  return {
    type: 'gracefulRestart',
    restartState: (first & restartStateBit) !== 0,
    notification: (first & notificationBit) !== 0,
    restartTimeSeconds: first & 0xfff,
    families,
  };
}

function decodeEach<Item>(value: ByteReader, decodeItem: () => Item): Item[] {
  const items: Item[] = [];
  while (value.left > 0) items.push(decodeItem());
  return items;
}

/** A role that is not assigned says nothing that could mismatch; it stays as it came. */
function decodeRole(value: ByteReader): Capability {
  const number = value.u8();
  const role = roleNames[number];
  return role === undefined ? { type: 'unknown', code: capabilityCodes.role, value: Uint8Array.of(number) } : { type: 'role', role };
}

/** Only a draft, and only for people to read: what does not parse stays unknown instead of ending the session. */
function decodeHostname(value: ByteReader): Capability {
  const whole = value.rest();
  const reader = new ByteReader(whole);
  try {
    const hostname = new TextDecoder().decode(reader.slice(reader.u8()));
    const domain = new TextDecoder().decode(reader.slice(reader.u8()));
    if (reader.left === 0) return { type: 'hostname', hostname, domain };
  } catch (error) {
    if (!(error instanceof ShortRead)) throw error;
  }
  return { type: 'unknown', code: capabilityCodes.hostname, value: whole.slice() };
}

function malformed(detail: string, offset: number): BgpError {
  return new BgpError(errorCodes.open, errorSubcodes.open.unspecific, detail, undefined, offset);
}

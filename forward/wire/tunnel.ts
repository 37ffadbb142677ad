import { encodeMessage, NLM_F_REQUEST } from '../../bridge/wire/netlink.ts';
import { ipFromBytes, ipToBytes, isIpv4, type IpAddress } from '../../net/ip.ts';
import { macFromBytes, macToBytes, type Mac } from '../../net/mac.ts';
import { innerTable, noReturnTable, ownProtocol } from '../entries.ts';
import { attribute, text, u16, u32 } from './octets.ts';
import { encodeRule } from './rules.ts';

// The tunnel between nodes that share no subnet: one VXLAN device (RFC 7348), to which nothing is ever flooded and which learns nothing.

export const tunnelName = 'lf-stragglers';
/** Network identifier and UDP port: not those of anybody's overlay. */
export const tunnelVni = 179;
export const tunnelPort = 17491;
/**
 * The VMs' packets go in whole: the outer packet is fragmented rather than a sender told of a smaller MTU, which it would remember long after
 * the tunnel is gone.
 */
const tunnelMtu = 1500;

const RTM = { newLink: 16, delLink: 17, getLink: 18, newAddress: 20, newNeigh: 28 } as const;
const IFLA = { address: 1, ifname: 3, mtu: 4, linkInfo: 18 } as const;
const IFLA_INFO = { kind: 1, data: 2 } as const;
const IFLA_VXLAN = { id: 1, local: 4, learning: 7, port: 15, local6: 17 } as const;
const IFA = { address: 1, local: 2 } as const;
const AF_INET6 = 10;
const AF_BRIDGE = 7;
const NDA = { dst: 1, lladdr: 2, protocol: 12 } as const;
const NUD_PERMANENT = 0x80;
const NUD_NOARP = 0x40;
const NTF_SELF = 0x02;
const IFF_UP = 1;
const flags = { ack: 0x004, replace: 0x100, exclusive: 0x200, create: 0x400 } as const;

/** The last four octets of a node's address tell it apart inside the tunnel. */
const mark = (endpoint: IpAddress): Uint8Array => ipToBytes(endpoint).slice(-4);

/** The MAC of a node's end of the tunnel. */
export function tunnelMac(endpoint: IpAddress): Mac {
  return macFromBytes(Uint8Array.of(0x02, 0x1f, ...mark(endpoint)));
}

/** The gateway inside the tunnel that stands for a node, for packets of both families. */
export function tunnelGateway(endpoint: IpAddress): IpAddress {
  const octets = new Uint8Array(16);
  octets.set([0xfe, 0x80]);
  octets.set(mark(endpoint), 12);
  return ipFromBytes(octets, 0, 16);
}

/** Makes the device, down, with this node's end at `local`. Answered with EEXIST where there is one of that name. */
export function encodeTunnel(sequence: number, local: IpAddress): Uint8Array {
  const data = [
    ...attribute(IFLA_VXLAN.id, u32(tunnelVni)), ...attribute(isIpv4(local) ? IFLA_VXLAN.local : IFLA_VXLAN.local6, ipToBytes(local)),
    ...attribute(IFLA_VXLAN.learning, [0]), ...attribute(IFLA_VXLAN.port, [tunnelPort >>> 8, tunnelPort & 255]),
  ];
  const body = [
    0, 0, ...u16(0), ...u32(0), ...u32(0), ...u32(0),
    ...attribute(IFLA.ifname, text(tunnelName)), ...attribute(IFLA.mtu, u32(tunnelMtu)), ...attribute(IFLA.address, macToBytes(tunnelMac(local))),
    ...attribute(IFLA.linkInfo, [...attribute(IFLA_INFO.kind, text('vxlan')), ...attribute(IFLA_INFO.data, data)]),
  ];
  return encodeMessage({ type: RTM.newLink, flags: NLM_F_REQUEST | flags.ack | flags.create | flags.exclusive, sequence, port: 0 }, Uint8Array.from(body));
}

/** Asks for the device by its name. */
export function encodeTunnelQuestion(sequence: number): Uint8Array {
  return encodeMessage({ type: RTM.getLink, flags: NLM_F_REQUEST, sequence, port: 0 }, Uint8Array.from([...u32(0), ...u32(0), ...u32(0), ...u32(0), ...attribute(IFLA.ifname, text(tunnelName))]));
}

export function encodeTunnelUp(sequence: number, ifindex: number): Uint8Array {
  return encodeMessage({ type: RTM.newLink, flags: NLM_F_REQUEST | flags.ack, sequence, port: 0 }, Uint8Array.from([0, 0, 0, 0, ...u32(ifindex), ...u32(IFF_UP), ...u32(IFF_UP)]));
}

/**
 * An IPv4 address for the device, the same on every node and routed nowhere: from an interface without one Linux takes no packet of a source
 * that it would answer by another way, be rp_filter ever so loose.
 */
export function encodeTunnelAddress(sequence: number, ifindex: number): Uint8Array {
  const address = [169, 254, 179, 1];
  const body = Uint8Array.from([2, 32, 0, 253, ...u32(ifindex), ...attribute(IFA.local, address), ...attribute(IFA.address, address)]);
  return encodeMessage({ type: RTM.newAddress, flags: NLM_F_REQUEST | flags.ack | flags.create | flags.replace, sequence, port: 0 }, body);
}

/**
 * What comes out of the tunnel is looked up in a table of its own first, then in that of what must not go back to the fabric: another node sends
 * here what it takes to be here, and where this one knows better a router that is late would send it there again. `remove` takes the rules away.
 */
export function encodeTunnelRules(sequence: number, remove = false): Uint8Array[] {
  const rules = [innerTable, noReturnTable].flatMap((table) => (['ipv4', 'ipv6'] as const).map((family) => ({ ifname: tunnelName, table, family })));
  return rules.map((rule, i) => encodeRule(sequence + i, rule, remove));
}

export function encodeTunnelRemoval(sequence: number, ifindex: number): Uint8Array {
  return encodeMessage({ type: RTM.delLink, flags: NLM_F_REQUEST | flags.ack, sequence, port: 0 }, Uint8Array.from([0, 0, 0, 0, ...u32(ifindex), ...u32(0), ...u32(0)]));
}

/** Where another node's end is: its gateway has its MAC, and frames to that MAC go to its address. */
export function encodeTunnelEnd(sequence: number, ifindex: number, endpoint: IpAddress): Uint8Array[] {
  const mac = macToBytes(tunnelMac(endpoint));
  const header = { type: RTM.newNeigh, flags: NLM_F_REQUEST | flags.ack | flags.create | flags.replace, port: 0 };
  return [
    encodeMessage({ ...header, sequence }, Uint8Array.from([
      AF_BRIDGE, 0, 0, 0, ...u32(ifindex), ...u16(NUD_PERMANENT | NUD_NOARP), NTF_SELF, 0, ...attribute(NDA.lladdr, mac), ...attribute(NDA.dst, ipToBytes(endpoint)),
    ])),
    encodeMessage({ ...header, sequence: sequence + 1 }, Uint8Array.from([
      AF_INET6, 0, 0, 0, ...u32(ifindex), ...u16(NUD_PERMANENT), 0, 0, ...attribute(NDA.dst, ipToBytes(tunnelGateway(endpoint))), ...attribute(NDA.lladdr, mac),
      ...attribute(NDA.protocol, [ownProtocol + 1]),
    ])),
  ];
}

import { ipFromBytes } from '../../net/ip.ts';
import type { IpAddress } from '../../net/ip.ts';
import { macFromBytes } from '../../net/mac.ts';
import { makeLink, type FdbEntry, type Link } from '../ports.ts';
import {
  encodeMessage,
  MalformedNetlink,
  NetlinkReader,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_OVERRUN,
  readAttributes,
  readMessage,
} from './netlink.ts';
import type { NetlinkHeader } from './netlink.ts';
import { readFdbEntry, RTM_DELNEIGH, RTM_NEWNEIGH } from './neighbours.ts';
import type { PortVlans, VlanEntry } from './port-vlans.ts';
import { decodePortVlans, decodeVlans } from './vlan-messages.ts';

export { MalformedNetlink } from './netlink.ts';

/** rtnetlink(7): groups to join, message types, families, attributes; numbers from linux/rtnetlink.h and its neighbours. */
export const RTNLGRP = { link: 1, neigh: 3, ipv4Address: 5, ipv6Address: 9, bridgeVlan: 33 } as const;
const RTM = {
  newLink: 16, delLink: 17, getLink: 18, newAddress: 20, delAddress: 21, getAddress: 22, newNeigh: RTM_NEWNEIGH, delNeigh: RTM_DELNEIGH, getNeigh: 30,
  newVlan: 112, delVlan: 113,
} as const;
const AF = { unspec: 0, inet: 2, bridge: 7, inet6: 10 } as const;
const IFLA = { address: 1, ifname: 3, master: 10, wireless: 11, linkInfo: 18, ifalias: 20, afSpec: 26, extMask: 29 } as const;
const IFLA_INFO = { kind: 1, data: 2 } as const;
const IFLA_BR_VLAN_FILTERING = 7;
const RTEXT_FILTER_BRVLAN_COMPRESSED = 0x4;
const IFA = { address: 1, local: 2 } as const;
const IFF_UP = 0x1;
const IFF_LOWER_UP = 0x1_0000;
const macOctets = 6;

/** What one message says. */
export type RtnetlinkContent =
  | { readonly type: 'link'; readonly link: Link }
  | { readonly type: 'linkGone'; readonly ifindex: number }
  /** AF_BRIDGE: the bridge speaks of its port, with all VLANs that it gives it. Not to be taken for the link itself. */
  | { readonly type: 'bridgePort'; readonly ifindex: number; readonly master: number; readonly vlans: PortVlans }
  /** VLANs that a port (or the bridge itself) now has or no longer has, or has with another flag. */
  | { readonly type: 'portVlans'; readonly ifindex: number; readonly entries: readonly VlanEntry[]; readonly present: boolean }
  | { readonly type: 'fdb'; readonly entry: FdbEntry }
  | { readonly type: 'fdbGone'; readonly entry: FdbEntry }
  | { readonly type: 'ownAddress'; readonly ifindex: number; readonly address: IpAddress; readonly present: boolean }
  /** The end of a dump; `errno` 0 if it is whole. */
  | { readonly type: 'done'; readonly errno: number }
  /** The answer to a request that was refused (or, with 0, acknowledged). */
  | { readonly type: 'error'; readonly errno: number }
  | { readonly type: 'overrun' }
  /** A message that does not concern us: ARP entries, other types, forwarding entries outside bridges. */
  | { readonly type: 'other' };

export interface RtnetlinkMessage {
  readonly header: NetlinkHeader;
  readonly content: RtnetlinkContent;
  /** NLM_F_DUMP_INTR: the dump may lack entries. */
  readonly interrupted: boolean;
}

/**
 * All messages of one datagram. Unknown types and attributes are passed over.
 * @throws MalformedNetlink, and nothing else, if lengths contradict each other.
 */
export function decodeRtnetlink(datagram: Uint8Array): RtnetlinkMessage[] {
  const messages: RtnetlinkMessage[] = [];
  const reader = new NetlinkReader(datagram);
  while (reader.left > 0) {
    const { header, body } = readMessage(reader);
    messages.push({ header, content: decodeContent(header.type, body), interrupted: (header.flags & NLM_F_DUMP_INTR) !== 0 });
  }
  return messages;
}

function decodeContent(type: number, body: NetlinkReader): RtnetlinkContent {
  switch (type) {
    case RTM.newLink:
    case RTM.delLink:
      return decodeLink(body, type === RTM.newLink);
    case RTM.newNeigh:
    case RTM.delNeigh:
      return decodeNeighbour(body, type === RTM.newNeigh);
    case RTM.newAddress:
    case RTM.delAddress:
      return decodeAddress(body, type === RTM.newAddress);
    case RTM.newVlan:
    case RTM.delVlan:
      return { type: 'portVlans', ...decodeVlans(body), present: type === RTM.newVlan };
    case NLMSG_DONE:
      return { type: 'done', errno: body.left >= 4 ? Math.abs(body.i32()) : 0 };
    case NLMSG_ERROR:
      return { type: 'error', errno: Math.abs(body.i32()) };
    case NLMSG_OVERRUN:
      return { type: 'overrun' };
    default:
      return { type: 'other' };
  }
}

/** `ifinfomsg`: family u8, pad u8, type u16, ifindex i32, flags u32, change u32; then IFLA_* attributes. */
function decodeLink(body: NetlinkReader, isNew: boolean): RtnetlinkContent {
  const family = body.u8();
  body.skip(3);
  const ifindex = body.i32();
  const flags = body.u32();
  body.skip(4);
  if (family === AF.bridge) return isNew ? decodeBridgePort(body, ifindex) : { type: 'other' };
  let name: string | undefined;
  let partial = false;
  const optional: { -readonly [K in 'mac' | 'master' | 'alias' | 'kind' | 'vlanFiltering']?: Link[K] } = {};
  readAttributes(body, (type, value) => {
    if (type === IFLA.ifname) name = text(value);
    else if (type === IFLA.ifalias) optional.alias = text(value);
    else if (type === IFLA.address && value.left === macOctets) optional.mac = macFromBytes(value.rest());
    else if (type === IFLA.master) optional.master = value.u32();
    else if (type === IFLA.wireless) partial = true;
    else if (type === IFLA.linkInfo) Object.assign(optional, decodeLinkInfo(value));
  });
  // IPv6 and wireless drivers speak of a link with attributes of their own only.
  if (family !== AF.unspec || partial) return { type: 'other' };
  if (!isNew) return { type: 'linkGone', ifindex };
  if (name === undefined) throw new MalformedNetlink(`RTM_NEWLINK of ${ifindex} without a name`);
  if (optional.master === 0) delete optional.master;
  return { type: 'link', link: makeLink(ifindex, name, optional, (flags & IFF_UP) !== 0, (flags & IFF_LOWER_UP) !== 0) };
}

/** IFLA_LINKINFO: the kind, and data that are the kind's own. */
function decodeLinkInfo(value: NetlinkReader): Pick<Link, 'kind' | 'vlanFiltering'> {
  let kind: string | undefined;
  let data: NetlinkReader | undefined;
  let filters = false;
  readAttributes(value, (type, info) => {
    if (type === IFLA_INFO.kind) kind = text(info);
    else if (type === IFLA_INFO.data) data = info;
  });
  if (kind === undefined) return {};
  if (kind === 'bridge' && data !== undefined) {
    readAttributes(data, (type, attribute) => {
      if (type === IFLA_BR_VLAN_FILTERING) filters = attribute.u8() !== 0;
    });
  }
  return filters ? { kind, vlanFiltering: true } : { kind };
}

function decodeBridgePort(body: NetlinkReader, ifindex: number): RtnetlinkContent {
  let master: number | undefined;
  let vlans: PortVlans | undefined = { vlans: [] };
  readAttributes(body, (type, value) => {
    if (type === IFLA.master) master = value.u32();
    else if (type === IFLA.afSpec) vlans = decodePortVlans(value);
  });
  // The bridge itself is its own master here.
  if (master === undefined || master === ifindex || vlans === undefined) return { type: 'other' };
  return { type: 'bridgePort', ifindex, master, vlans };
}

function decodeNeighbour(body: NetlinkReader, isNew: boolean): RtnetlinkContent {
  const entry = readFdbEntry(body.bytes, body.offset, body.end);
  return entry === undefined ? { type: 'other' } : { type: isNew ? 'fdb' : 'fdbGone', entry };
}

/** `ifaddrmsg`: family u8, prefix length u8, flags u8, scope u8, ifindex u32; IFA_ADDRESS is the far end of a point-to-point link, IFA_LOCAL ours. */
function decodeAddress(body: NetlinkReader, present: boolean): RtnetlinkContent {
  const family = body.u8();
  body.skip(3);
  const ifindex = body.u32();
  const octets = family === AF.inet ? 4 : family === AF.inet6 ? 16 : undefined;
  if (octets === undefined) return { type: 'other' };
  let address: IpAddress | undefined;
  let local: IpAddress | undefined;
  readAttributes(body, (type, value) => {
    if (value.left !== octets) return;
    if (type === IFA.address) address = ipFromBytes(value.rest(), 0, octets);
    else if (type === IFA.local) local = ipFromBytes(value.rest(), 0, octets);
  });
  const own = local ?? address;
  return own === undefined ? { type: 'other' } : { type: 'ownAddress', ifindex, address: own, present };
}

/** A string attribute up to its NUL. An alias may hold anything, so bad UTF-8 becomes U+FFFD. */
function text(value: NetlinkReader): string {
  const bytes = value.rest();
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** What tells of links and addresses, in the order in which it is asked for. */
export const linkDumps = ['links', 'vlans', 'addresses'] as const;
export type LinkDump = (typeof linkDumps)[number];

/** The request for a dump. The kernel answers with messages that bear `sequence`, the last one `done`. */
export function encodeDumpRequest(dump: LinkDump | 'fdb', sequence: number): Uint8Array {
  const header = (type: number) => ({ type, flags: NLM_F_REQUEST | NLM_F_DUMP, sequence, port: 0 });
  switch (dump) {
    case 'links':
      return encodeMessage(header(RTM.getLink), new Uint8Array(16)); // ifinfomsg, AF_UNSPEC
    case 'vlans': {
      const body = new Uint8Array(24); // ifinfomsg, IFLA_EXT_MASK
      const view = new DataView(body.buffer);
      view.setUint8(0, AF.bridge);
      view.setUint16(16, 8, true);
      view.setUint16(18, IFLA.extMask, true);
      view.setUint32(20, RTEXT_FILTER_BRVLAN_COMPRESSED, true);
      return encodeMessage(header(RTM.getLink), body);
    }
    case 'addresses':
      return encodeMessage(header(RTM.getAddress), new Uint8Array(8)); // ifaddrmsg, AF_UNSPEC
    case 'fdb':
      return encodeMessage(header(RTM.getNeigh), Uint8Array.of(AF.bridge, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)); // ndmsg
  }
}

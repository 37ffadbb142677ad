import { encodeMessage, MalformedNetlink, NetlinkReader, NLM_F_DUMP, NLM_F_REQUEST, readAttributes, readMessage, type NetlinkHeader } from '../../bridge/wire/netlink.ts';
import { ipFromBytes, ipToBytes, isIpv4, makePrefix, prefixAddress, prefixLength, type IpAddress, type Prefix } from '../../net/ip.ts';
import { macFromBytes, macToBytes, type Mac } from '../../net/mac.ts';
import { ownMetric, ownProtocol } from '../entries.ts';

/** rtnetlink(7): groups, types and attributes; numbers from linux/rtnetlink.h and linux/neighbour.h. */
export const groups = { link: 1, neigh: 3, ipv4Address: 5, ipv4Route: 7, ipv6Address: 9, ipv6Route: 11 } as const;
const RTM = { newLink: 16, delLink: 17, newAddress: 20, delAddress: 21, newRoute: 24, delRoute: 25, getRoute: 26, newNeigh: 28, delNeigh: 29, getNeigh: 30 } as const;
const AF = { inet: 2, inet6: 10 } as const;
const RTA = { dst: 1, oif: 4, gateway: 5, priority: 6, prefSrc: 7, multipath: 9, table: 15, via: 18 } as const;
const IFLA = { ifname: 3 } as const;
const RTN = { unicast: 1, blackhole: 6 } as const;
const NDA = { dst: 1, lladdr: 2, protocol: 12 } as const;
const NUD = { reachable: 0x02, noarp: 0x40, permanent: 0x80 } as const;
const NTF_PROXY = 0x08;
const NLM_F = { ack: 0x004, replace: 0x100, create: 0x400 } as const;
const mainTable = 254;
const scope = { universe: 0, link: 253 } as const;

/** A route as it is written into the kernel: next hops are resolved. */
export type RouteOut =
  | { readonly type: 'link'; readonly ifindex: number }
  | { readonly type: 'gateway'; readonly gateway: IpAddress; readonly ifindex: number }
  | { readonly type: 'blackhole' };

const lateMark = 'late ';

/** Host order, grown as needed. */
class Body {
  private bytes = new Uint8Array(128);
  private length = 0;

  put(values: ArrayLike<number>): this {
    if (this.length + values.length > this.bytes.length) {
      const more = new Uint8Array(2 * (this.length + values.length));
      more.set(this.bytes);
      this.bytes = more;
    }
    this.bytes.set(values, this.length);
    this.length += values.length;
    return this;
  }

  u16(value: number): this {
    return this.put([value & 255, value >>> 8]);
  }

  u32(value: number): this {
    return this.put([value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24]);
  }

  /** One attribute, padded to four octets. */
  attribute(type: number, value: ArrayLike<number>): this {
    this.u16(4 + value.length).u16(type).put(value);
    while (this.length % 4 !== 0) this.put([0]);
    return this;
  }

  done(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}

const u32Octets = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
const afOf = (value: IpAddress | Prefix): number => (isIpv4(value) ? AF.inet : AF.inet6);

/** `rtmsg`: family, destination and source length, tos, table, protocol, scope, type u8 each, flags u32. */
function rtmsg(prefix: Prefix, table: number, protocol: number, reach: number, type: number): Body {
  return new Body().put([afOf(prefix), prefixLength(prefix), 0, 0, table, protocol, reach, type]).u32(0)
    .attribute(RTA.dst, ipToBytes(prefixAddress(prefix)));
}

/**
 * Adds our route, or makes it this one: routes are told apart by prefix and metric, so another's is left alone.
 * `source`: of this node, for what it sends itself; the kernel refuses one that it does not have
 */
export function encodeRoute(sequence: number, prefix: Prefix, out: RouteOut, { source, table = mainTable, protocol = ownProtocol }: { readonly source?: IpAddress | undefined; readonly table?: number; readonly protocol?: number } = {}): Uint8Array {
  const reach = out.type === 'link' ? scope.link : scope.universe;
  const body = rtmsg(prefix, table, protocol, reach, out.type === 'blackhole' ? RTN.blackhole : RTN.unicast).attribute(RTA.priority, u32Octets(ownMetric));
  if (out.type !== 'blackhole') body.attribute(RTA.oif, u32Octets(out.ifindex));
  if (source !== undefined && isIpv4(source) === isIpv4(prefix)) body.attribute(RTA.prefSrc, ipToBytes(source));
  if (out.type === 'gateway') {
    const gateway = ipToBytes(out.gateway);
    if (isIpv4(prefix) === isIpv4(out.gateway)) body.attribute(RTA.gateway, gateway);
    else body.attribute(RTA.via, [AF.inet6, 0, ...gateway]); // RFC 8950: IPv4 by an IPv6 router
  }
  return encodeMessage({ type: RTM.newRoute, flags: NLM_F_REQUEST | NLM_F.ack | NLM_F.create | NLM_F.replace, sequence, port: 0 }, body.done());
}

/** Removes our route. The kernel compares the protocol too. */
export function encodeRouteRemoval(sequence: number, prefix: Prefix, table = mainTable, protocol = ownProtocol): Uint8Array {
  const body = rtmsg(prefix, table, protocol, 255 /* RT_SCOPE_NOWHERE: any */, 0).attribute(RTA.priority, u32Octets(ownMetric));
  return encodeMessage({ type: RTM.delRoute, flags: NLM_F_REQUEST | NLM_F.ack, sequence, port: 0 }, body.done());
}

/** Asks by which gateway the kernel would send to an address. */
export function encodeLookup(sequence: number, address: IpAddress): Uint8Array {
  const body = new Body().put([afOf(address), isIpv4(address) ? 32 : 128, 0, 0, 0, 0, 0, 0]).u32(0).attribute(RTA.dst, ipToBytes(address));
  return encodeMessage({ type: RTM.getRoute, flags: NLM_F_REQUEST, sequence, port: 0 }, body.done());
}

/** Asks for one entry of the neighbour table. */
export function encodeNeighbourLookup(sequence: number, address: IpAddress, ifindex: number): Uint8Array {
  return encodeMessage({ type: RTM.getNeigh, flags: NLM_F_REQUEST, sequence, port: 0 }, ndmsg(address, ifindex, 0, 0).done());
}

/** `ndmsg`: family u8, pad 3, ifindex i32, state u16, flags u8, type u8. */
function ndmsg(address: IpAddress, ifindex: number, state: number, flags: number): Body {
  return new Body().put([afOf(address), 0, 0, 0]).u32(ifindex).u16(state).put([flags, 0]).attribute(NDA.dst, ipToBytes(address));
}

export interface NeighbourOut {
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly mac: Mac;
}

/** Our permanent neighbour, whatever the kernel had found out by itself. */
export function encodeNeighbour(sequence: number, { ifindex, address, mac }: NeighbourOut): Uint8Array {
  const body = ndmsg(address, ifindex, NUD.permanent, 0).attribute(NDA.lladdr, macToBytes(mac)).attribute(NDA.protocol, [ownProtocol]);
  return encodeMessage({ type: RTM.newNeigh, flags: NLM_F_REQUEST | NLM_F.ack | NLM_F.create | NLM_F.replace, sequence, port: 0 }, body.done());
}

/** The kernel's own entry, as if the neighbour had just answered; it ages like any other. */
export function encodeNeighbourRefresh(sequence: number, { ifindex, address, mac }: NeighbourOut): Uint8Array {
  const body = ndmsg(address, ifindex, NUD.reachable, 0).attribute(NDA.lladdr, macToBytes(mac));
  return encodeMessage({ type: RTM.newNeigh, flags: NLM_F_REQUEST | NLM_F.ack | NLM_F.create | NLM_F.replace, sequence, port: 0 }, body.done());
}

export function encodeNeighbourRemoval(sequence: number, address: IpAddress, ifindex: number): Uint8Array {
  return encodeMessage({ type: RTM.delNeigh, flags: NLM_F_REQUEST | NLM_F.ack, sequence, port: 0 }, ndmsg(address, ifindex, 0, 0).done());
}

export function encodeProxy(sequence: number, address: IpAddress, ifindex: number, present: boolean): Uint8Array {
  const body = ndmsg(address, ifindex, present ? NUD.permanent : 0, NTF_PROXY);
  if (present) body.attribute(NDA.protocol, [ownProtocol]);
  const flags = NLM_F_REQUEST | NLM_F.ack | (present ? NLM_F.create | NLM_F.replace : 0);
  return encodeMessage({ type: present ? RTM.newNeigh : RTM.delNeigh, flags, sequence, port: 0 }, body.done());
}

export const tables = ['ipv4Routes', 'ipv6Routes', 'neighbours', 'proxies'] as const;

/** Asks for one table whole. */
export function encodeTableDump(sequence: number, table: (typeof tables)[number]): Uint8Array {
  const flags = NLM_F_REQUEST | NLM_F_DUMP;
  if (table === 'ipv4Routes' || table === 'ipv6Routes') {
    return encodeMessage({ type: RTM.getRoute, flags, sequence, port: 0 }, new Body().put([table === 'ipv4Routes' ? AF.inet : AF.inet6, 0, 0, 0, 0, 0, 0, 0]).u32(0).done());
  }
  return encodeMessage({ type: RTM.getNeigh, flags, sequence, port: 0 }, new Body().put([0, 0, 0, 0]).u32(0).u16(0).put([table === 'proxies' ? NTF_PROXY : 0, 0]).done());
}

export interface RouteSeen {
  readonly prefix: Prefix;
  readonly table: number;
  readonly protocol: number;
  readonly metric: number;
  /** Left out for what is none of these: several gateways, or a local, unreachable or broadcast route. */
  readonly out?: RouteOut;
}

export type Told =
  | { readonly type: 'route'; readonly present: boolean; readonly route: RouteSeen }
  /** `fixed`: somebody wrote it; else the kernel found it out. */
  | { readonly type: 'neighbour'; readonly present: boolean; readonly ifindex: number; readonly address: IpAddress; readonly mac?: Mac; readonly fixed: boolean; readonly proxy: boolean; readonly protocol: number }
  /** An interface or an address of this node: routes may have gone with it. */
  | { readonly type: 'interface'; readonly ifindex: number; readonly name?: string }
  | { readonly type: 'done' }
  | { readonly type: 'error'; readonly errno: number }
  | { readonly type: 'other' };

/** All messages of one datagram. @throws MalformedNetlink, and nothing else, if lengths contradict each other. */
export function decodeTold(datagram: Uint8Array): { readonly header: NetlinkHeader; readonly told: Told }[] {
  const messages = [];
  const reader = new NetlinkReader(datagram);
  while (reader.left > 0) {
    const { header, body } = readMessage(reader);
    messages.push({ header, told: decodeOne(header.type, body) });
  }
  return messages;
}

function decodeOne(type: number, body: NetlinkReader): Told {
  if (type === RTM.newRoute || type === RTM.delRoute) return decodeRoute(body, type === RTM.newRoute);
  if (type === RTM.newNeigh || type === RTM.delNeigh) return decodeNeighbour(body, type === RTM.newNeigh);
  if (type === RTM.newLink || type === RTM.delLink) return decodeInterface(body);
  if (type === RTM.newAddress || type === RTM.delAddress) return { type: 'interface', ifindex: 0 };
  if (type === 3) return { type: 'done' };
  if (type === 2) return { type: 'error', errno: Math.abs(body.i32()) };
  return { type: 'other' };
}

function decodeInterface(body: NetlinkReader): Told {
  body.skip(4);
  const ifindex = body.i32();
  body.skip(8);
  let name: string | undefined;
  readAttributes(body, (type, value) => {
    if (type === IFLA.ifname) name = String.fromCharCode(...value.rest()).replace(/\0.*$/s, '');
  });
  return { type: 'interface', ifindex, ...(name === undefined ? {} : { name }) };
}

function decodeRoute(body: NetlinkReader, present: boolean): Told {
  const family = body.u8();
  const length = body.u8();
  body.skip(2);
  let table = body.u8();
  const protocol = body.u8();
  body.skip(1);
  const kind = body.u8();
  body.skip(4);
  if (family !== AF.inet && family !== AF.inet6) return { type: 'other' };
  const octets = family === AF.inet ? 4 : 16;
  let address: IpAddress | undefined;
  let gateway: IpAddress | undefined;
  let ifindex: number | undefined;
  let metric = 0;
  let several = false;
  readAttributes(body, (type, value) => {
    if (type === RTA.dst && value.left === octets) address = ipFromBytes(value.rest(), 0, octets);
    else if (type === RTA.gateway && value.left === octets) gateway = ipFromBytes(value.rest(), 0, octets);
    else if (type === RTA.via && value.left === 18) gateway = ipFromBytes(value.rest(), 2, 16);
    else if (type === RTA.oif) ifindex = value.u32();
    else if (type === RTA.priority) metric = value.u32();
    else if (type === RTA.table) table = value.u32();
    else if (type === RTA.multipath) several = true;
  });
  if (length > octets * 8) throw new MalformedNetlink(`a route of length ${length}`);
  const prefix = makePrefix(address ?? ((family === AF.inet ? '0.0.0.0' : '::') as IpAddress), length);
  const out: RouteOut | undefined = kind === RTN.blackhole ? { type: 'blackhole' }
    : kind !== RTN.unicast || several || ifindex === undefined ? undefined
    : gateway === undefined ? { type: 'link', ifindex } : { type: 'gateway', gateway, ifindex };
  return { type: 'route', present, route: { prefix, table, protocol, metric, ...(out === undefined ? {} : { out }) } };
}

function decodeNeighbour(body: NetlinkReader, present: boolean): Told {
  const family = body.u8();
  body.skip(3);
  const ifindex = body.i32();
  const state = body.u16();
  const flags = body.u8();
  body.skip(1);
  if (family !== AF.inet && family !== AF.inet6) return { type: 'other' };
  const octets = family === AF.inet ? 4 : 16;
  let address: IpAddress | undefined;
  let mac: Mac | undefined;
  let protocol = 0;
  readAttributes(body, (type, value) => {
    if (type === NDA.dst && value.left === octets) address = ipFromBytes(value.rest(), 0, octets);
    else if (type === NDA.lladdr && value.left === 6) mac = macFromBytes(value.rest());
    else if (type === NDA.protocol) protocol = value.u8();
  });
  if (address === undefined) return { type: 'other' };
  const proxy = (flags & NTF_PROXY) !== 0;
  return { type: 'neighbour', present, ifindex, address, ...(mac === undefined ? {} : { mac }), fixed: proxy || (state & (NUD.permanent | NUD.noarp)) !== 0, proxy, protocol };
}

/** How a route of ours is compared with what is wanted. @param late it is one for late packets */
export function outText(out: RouteOut | undefined, late = false): string {
  return (late ? lateMark : '') + (out === undefined ? '?' : out.type === 'blackhole' ? 'blackhole' : out.type === 'link' ? `dev ${out.ifindex}` : `via ${out.gateway} dev ${out.ifindex}`);
}

/** Whether what a route of ours is compared by says that it is for late packets. */
export function isLate(value: string): boolean {
  return value.startsWith(lateMark);
}

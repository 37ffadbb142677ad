import type { Config, PeerConfig, Profile } from '../../config/config.ts';
import { compareIp, isIpv4, isLinkLocal, prefixAddress, prefixLength, type Family, type IpAddress, type Prefix } from '../../net/ip.ts';

export const roles = ['tor', 'spine', 'node'] as const;
/** `tor`: the router that a node peers with. `spine`: one behind it. `node`: an FRR or BIRD on the node itself that owns its session to the ToR. */
export type Role = (typeof roles)[number];

export interface Neighbor {
  readonly address: IpAddress;
  readonly asn: number;
}

/** What of the command line says more than the node's configuration knows. */
export interface TorOptions {
  readonly role: Role;
  /** The router's own AS; default: what the peer's configuration says. */
  readonly asn?: number;
  /** Nodes of a ToR, ToRs of a spine; default: this node. */
  readonly neighbors: readonly Neighbor[];
  /** A ToR's sessions towards the fabric. */
  readonly fabric: readonly Neighbor[];
}

/** One community, standard or large, and the LOCAL_PREF that it means. */
export interface Mapping {
  readonly name: string;
  readonly community: string;
  readonly large: boolean;
  readonly localPref: number;
}

/** What a router must be told, in no router's language. */
export interface TorIntent {
  readonly role: Role;
  readonly peerName: string;
  readonly profile: Profile;
  readonly ibgp: boolean;
  readonly asn: number;
  /** True if `asn` is a placeholder. */
  readonly asnUnknown: boolean;
  /** Sessions on which VM routes come in. */
  readonly neighbors: readonly Neighbor[];
  readonly fabric: readonly Neighbor[];
  readonly families: readonly Family[];
  /** Host routes inside these alone are let in and told on. */
  readonly prefixes: Readonly<Record<Family, readonly Prefix[]>>;
  /** In falling order of preference; empty where the routes say it in attributes that routers compare anyway. */
  readonly mappings: readonly Mapping[];
  /** LOCAL_PREF of a VM route with none of the communities: lets it live, below all others. */
  readonly unknownLocalPref: number;
  readonly maxPrefixes: Readonly<Record<Family, number>>;
  readonly password: boolean;
  /** Signed by TCP-AO, which is set by hand. */
  readonly tcpAo?: boolean;
  readonly ttlSecurity: boolean;
  readonly multihop?: number;
  readonly holdSeconds: number;
  readonly keepaliveSeconds: number;
  /** Nodes that share an AS hear of each other only where the router leaves out its check for the neighbour's own AS. */
  readonly nodesShareAs: boolean;
}

/** A spine whose AS nobody told. */
const placeholderAsn = 65100;
/** Fewer are no protection and only trouble. */
const fewestPrefixes = 64;
const mostPrefixes = 20_000;

/** @returns the sentence that says why not, or the intent. */
export function intentOf(config: Config, peer: PeerConfig, options: TorOptions): TorIntent | string {
  const { bgp } = config;
  const ibgp = peer.asn === bgp.asn;
  const spine = options.role === 'spine';
  if (spine && ibgp) return `${peer.name} is iBGP: LOCAL_PREF and communities pass it as they are inside the AS; only eBGP routers behind it would need a mapping`;
  if (options.role === 'node') return nodeIntent(config, peer, options);
  if (!spine && options.neighbors.length === 0 && isLinkLocal(peer.address)) {
    return `${peer.name} is a session over link-local addresses: the router knows this node by an interface of its own, which is not in this configuration. Give --neighbor an address, and put in its place what the router has (FRR: neighbor INTERFACE interface remote-as ${bgp.asn})`;
  }
  const own = ownAddress(config, peer);
  const neighbors = options.neighbors.length > 0 ? options.neighbors : spine ? [{ address: peer.address, asn: peer.asn }] : own === undefined ? [] : [{ address: own, asn: bgp.asn }];
  if (neighbors.length === 0) return 'this node\'s address towards the router is not in the configuration: give --neighbor ADDRESS (or sourceAddress in the peer)';
  const mappings = ibgp ? [] : mappingsOf(config, peer.profile);
  return {
    ...common(config, peer), role: options.role, ibgp, neighbors, fabric: options.fabric, mappings,
    asn: options.asn ?? (spine ? placeholderAsn : peer.asn), asnUnknown: spine && options.asn === undefined,
    unknownLocalPref: Math.max(0, Math.min(...mappings.map(({ localPref }) => localPref), 50) - 10),
    password: peer.password !== undefined, ...(peer.tcpAo === undefined ? {} : { tcpAo: true }), ttlSecurity: peer.ttlSecurity, ...(peer.multihop === undefined ? {} : { multihop: peer.multihop }), nodesShareAs: !ibgp,
  };
}

/** landfall peers with a router program beside it, over iBGP and from an address of its own; that program reflects its routes to the ToR. */
function nodeIntent(config: Config, peer: PeerConfig, options: TorOptions): TorIntent | string {
  if (options.neighbors.length === 0) {
    return 'a router program does not peer with its own address: give landfall one more (ip address add X/32 dev lo; sourceAddress: X, multihop: 2) and say --neighbor X';
  }
  return {
    ...common(config, peer), role: 'node', ibgp: true, neighbors: options.neighbors, fabric: [{ address: peer.address, asn: peer.asn }], mappings: [],
    asn: options.asn ?? config.bgp.asn, asnUnknown: false, unknownLocalPref: 0, password: false, ttlSecurity: false, nodesShareAs: false,
  };
}

function common(config: Config, peer: PeerConfig) {
  const watches = config.watch.filter((watch) => watch.vrf === peer.vrf);
  const prefixes = [...new Set(watches.flatMap((watch) => watch.prefixes))].sort((a, b) => compareIp(prefixAddress(a), prefixAddress(b)) || prefixLength(a) - prefixLength(b));
  return {
    peerName: peer.name, profile: peer.profile, families: peer.families, holdSeconds: peer.timers.holdSeconds, keepaliveSeconds: peer.timers.keepaliveSeconds,
    prefixes: { 'ipv4-unicast': prefixes.filter((prefix) => isIpv4(prefix)), 'ipv6-unicast': prefixes.filter((prefix) => !isIpv4(prefix)) },
    maxPrefixes: { 'ipv4-unicast': limitOf(config, peer, true), 'ipv6-unicast': limitOf(config, peer, false) },
  };
}

function ownAddress({ bgp }: Config, peer: PeerConfig): IpAddress | undefined {
  const ipv4 = isIpv4(peer.address);
  return [peer.sourceAddress, ipv4 ? peer.nextHop.ipv4 : peer.nextHop.ipv6, ipv4 ? bgp.nextHop.ipv4 : bgp.nextHop.ipv6, ipv4 ? bgp.routerId : undefined].find((address) => address !== undefined);
}

function mappingsOf({ routes }: Config, profile: Profile): Mapping[] {
  const mapping = (name: string, community: string | undefined, localPref: number): Mapping[] =>
    community === undefined ? [] : [{ name, community, large: community.split(':').length === 3, localPref }];
  const leaving = mapping('LEAVING', routes.leaving.communities[0], routes.leaving.localPref);
  switch (profile) {
    case 'window':
      return [
        ...mapping('ELEVATED', routes.elevated.communities[0], routes.elevated.localPref),
        ...mapping('NORMAL', routes.normal.communities[0], routes.normal.localPref),
        ...leaving,
      ];
    case 'ladder':
      // LOCAL_PREF 200 to 207; what leaves is below all of them.
      return [...routes.ladder.communities.flatMap((community, step) => mapping(`STEP${step}`, community, 200 + step)).reverse(), ...leaving];
    case 'sequence':
    case 'prepend':
      return [];
  }
}

/** All VMs of the VLANs may land on one node. Twice as many as are known now, so that the limit stops only what is wrong. */
function limitOf({ identity, watch }: Config, { vrf, maxPrefixes }: PeerConfig, ipv4: boolean): number {
  if (maxPrefixes !== undefined) return maxPrefixes;
  const bound = new Set(identity.bindings.filter((binding) => binding.vrf === vrf).flatMap(({ ips }) => ips.filter((ip) => isIpv4(ip) === ipv4)));
  const hosts = watch.filter((entry) => entry.vrf === vrf).flatMap(({ prefixes }) => prefixes.filter((prefix) => isIpv4(prefix) === ipv4))
    .reduce((sum, prefix) => sum + 2 ** Math.min(20, (ipv4 ? 32 : 128) - prefixLength(prefix)), 0);
  const wanted = identity.mode === 'strict' && bound.size > 0 ? bound.size * 2 : hosts;
  return Math.max(fewestPrefixes, Math.min(mostPrefixes, wanted));
}

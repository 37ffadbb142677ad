import { prefixAddress, type IpAddress } from '../net/ip.ts';
import type { BindingConfig, Config, GateCheck, LevelConfig, ListenRange, NextHops, PeerConfig, Profile, SecretSource } from './config.ts';
import type { Draft, DraftBinding, DraftLevel, DraftPeer, DraftRange } from './schema.ts';

export type Labels = Readonly<Record<string, string>>;

/** What only the node itself knows. */
export interface NodeFacts {
  readonly name: string;
  readonly labels: Labels;
}

/** True if the node has every label that the selector names. */
export function selects(selector: Labels | undefined, labels: Labels): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}

/** The profile of a peer; `undefined` on eBGP where nobody has chosen one. */
export function profileOf(draft: Draft, peer: DraftPeer): Profile | undefined {
  return peer.routes.profile ?? draft.routes.profile ?? (peer.asn === draft.bgp.asn ? 'sequence' : undefined);
}

/** A peer's own timers over those of `bgp`; the keepalive time is a third of the Hold Time unless given (RFC 4271 section 4.4). */
export function timersOf(draft: Draft, peer: DraftPeer): PeerConfig['timers'] {
  const holdSeconds = peer.timers.hold ?? draft.bgp.timers.hold;
  const keepaliveSeconds = peer.timers.keepalive ?? (peer.timers.hold === undefined ? draft.bgp.timers.keepalive : undefined) ?? Math.floor(holdSeconds / 3);
  const { sendHold } = peer.timers;
  return {
    holdSeconds, keepaliveSeconds, connectRetrySeconds: peer.timers.connectRetry ?? draft.bgp.timers.connectRetry,
    ...(sendHold === undefined ? {} : { sendHoldSeconds: sendHold }),
  };
}

/** The next hops for a peer that are configured, not those that its session will have. */
export function nextHopOf(draft: Draft, peer: DraftPeer): NextHops {
  return compact({ ipv4: peer.nextHop.ipv4 ?? draft.bgp.nextHop.ipv4, ipv6: peer.nextHop.ipv6 ?? draft.bgp.nextHop.ipv6 });
}

/** The effective configuration of a draft that has passed all checks. */
export function makeConfig(draft: Draft, node: NodeFacts, fileBindings: readonly DraftBinding[]): Config {
  const { bgp, routes, migration, identity } = draft;
  const { longLivedGracefulRestart: longLived } = bgp;
  const level = (from: DraftLevel, n: number): LevelConfig => ({
    localPref: from.localPref, med: from.med, communities: from.communities ?? [defaultCommunity(bgp.asn, n)],
  });
  return freeze<Config>({
    node: { name: node.name, labels: { ...node.labels } },
    bgp: compact({
      asn: bgp.asn,
      routerId: bgp.routerId,
      listen: compact({ enabled: bgp.listen.enabled, port: bgp.listen.port, ranges: bgp.listen.ranges.length === 0 ? undefined : bgp.listen.ranges.map((range) => makeRange(draft, range)) }),
      nextHop: compact(bgp.nextHop),
      gracefulRestart: { enabled: bgp.gracefulRestart.enabled, restartTimeSeconds: bgp.gracefulRestart.restartTime },
      longLivedGracefulRestart: longLived.families.length === 0 ? undefined : { families: longLived.families, maxStaleTimeSeconds: longLived.maxStaleTime },
      receive: bgp.receive,
      peers: bgp.peers.filter((peer) => selects(peer.nodeSelector, node.labels)).map((peer) => makePeer(draft, peer)),
    }),
    watch: draft.watch.map((watch) => compact({ ...watch, vlans: watch.vlans, gateway: watch.gateway })),
    routes: {
      globalAdmin: routes.globalAdmin ?? bgp.asn,
      normal: level(routes.normal, 100),
      elevated: level(routes.elevated, 200),
      leaving: level(routes.leaving, 50),
      ladder: { communities: routes.ladder.communities ?? Array.from({ length: ladderSteps }, (_, step) => defaultCommunity(bgp.asn, 200 + step)) },
      prepend: routes.prepend,
      noExport: routes.noExport,
    },
    migration: {
      firstEvidence: migration.firstEvidence,
      elevatedForMs: migration.elevatedFor,
      debounceMs: migration.debounce,
      withdrawOn: migration.withdrawOn,
      withdrawAfterMs: migration.withdrawAfter,
      portGoneGraceMs: migration.portGoneGrace,
      maxPerSecond: migration.maxPerSecond,
      flap: compact({ moves: migration.flap.moves, withinMs: migration.flap.within, holdMs: migration.flap.hold === 'until-cleared' ? undefined : migration.flap.hold }),
    },
    identity: compact({
      mode: identity.mode,
      onConflict: identity.onConflict,
      learnedForMs: identity.learnedFor,
      learnedIdleForMs: identity.learnedIdleFor,
      unverifiedPorts: identity.unverifiedPorts,
      shared: [...new Set(identity.shared)],
      bindingsFile: identity.bindingsFile,
      bindings: [...identity.bindings.map((binding) => makeBinding(binding, 'config')), ...fileBindings.map((binding) => makeBinding(binding, 'file'))],
    }),
    gate: { checks: draft.gate.checks.map((check) => compact(check) as GateCheck), timeoutMs: draft.gate.timeout, onTimeout: draft.gate.onTimeout },
    ...(draft.state.file === undefined ? {} : { state: { file: draft.state.file } }),
    stragglers: compact({
      enabled: draft.stragglers.enabled, mode: draft.stragglers.mode, ceilingMs: draft.stragglers.ceiling, members: draft.stragglers.members,
      listen: draft.stragglers.listen === 'off' ? undefined : draft.stragglers.listen, key: draft.stragglers.key === undefined ? undefined : (compact(draft.stragglers.key) as SecretSource),
    }),
    kernel: draft.kernel,
    kubernetes: compact(draft.kubernetes),
    process: draft.process,
    telemetry: compact({ ...draft.telemetry, listen: draft.telemetry.listen === 'off' ? undefined : draft.telemetry.listen, 
      bmp: draft.telemetry.bmp.map(({ address, port, statistics }) => ({ address, port, statisticsSeconds: statistics })), history: compact(draft.telemetry.history) }),
    log: draft.log,
    api: compact({ socket: draft.api.socket, mode: draft.api.mode, group: draft.api.group }),
  });
}

const ladderSteps = 8;

/** With a 4-byte ASN only a large community can name it. */
export function defaultCommunity(asn: number, n: number): string {
  return asn > 0xffff ? `${asn}:9:${n}` : `${asn}:${n}`;
}

/** A range as if it were the peer with its first address: what is checked of peers is checked of it. */
export function asPeer({ prefix, maxPeers: _, ...range }: DraftRange): DraftPeer {
  return { ...range, address: prefixAddress(prefix), port: 179 };
}

function makeRange(draft: Draft, range: DraftRange): ListenRange {
  const { address: _, port: _port, ...rest } = makePeer(draft, asPeer(range));
  return { ...rest, prefix: range.prefix, maxPeers: range.maxPeers };
}

function makePeer(draft: Draft, peer: DraftPeer): PeerConfig {
  return compact({
    name: peer.name,
    address: peer.address.split('%')[0] as IpAddress,
    interface: peer.interface ?? peer.address.split('%')[1],
    asn: peer.asn,
    port: peer.port,
    sourceAddress: peer.sourceAddress,
    families: [...new Set(peer.families)],
    password: peer.password === undefined ? undefined : (compact(peer.password) as SecretSource),
    tcpAo: peer.tcpAo === undefined ? undefined : {
      algorithm: peer.tcpAo.algorithm,
      keys: peer.tcpAo.keys.map(({ sendId, receiveId, key }) => ({ sendId, receiveId: receiveId ?? sendId, key: compact(key) as SecretSource })),
    },
    timers: timersOf(draft, peer),
    ttlSecurity: peer.ttlSecurity,
    multihop: peer.multihop,
    nextHop: nextHopOf(draft, peer),
    profile: profileOf(draft, peer) ?? 'sequence',
    vrf: peer.vrf,
    addPath: peer.addPath,
    role: peer.role,
    bindings: peer.bindings ?? (peer.asn === draft.bgp.asn ? 'learn' : 'none'),
    bfd: peer.bfd?.enabled === true ? { minTxMs: peer.bfd.minTx, minRxMs: peer.bfd.minRx, multiplier: peer.bfd.multiplier } : undefined,
    maxPrefixes: peer.maxPrefixes,
  });
}

function makeBinding(binding: DraftBinding, origin: 'config' | 'file'): BindingConfig {
  return compact({ vm: binding.vm, mac: binding.mac, vlan: binding.vlan, vrf: binding.vrf, ips: [...new Set(binding.ips)], port: binding.port, origin });
}

/** What is left when keys without a value are taken out. */
type Compact<Value> = { [Key in keyof Value as undefined extends Value[Key] ? never : Key]: Value[Key] } & {
  [Key in keyof Value as undefined extends Value[Key] ? Key : never]?: Exclude<Value[Key], undefined>;
};

function compact<Value extends object>(value: Value): Compact<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as Compact<Value>;
}

/** Freezes all the way down. Everything in a configuration is a tree of plain values. */
function freeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}

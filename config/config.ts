import type { Family, IpAddress, Prefix } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';

/**
 * The effective configuration: what the YAML of `schema.ts` becomes after defaults, `${NAME}`, `overrides` and `nodeSelector`.
 * Frozen. Keys are those of the YAML; durations are milliseconds where the name ends in Ms, else seconds.
 */
export interface Config {
  readonly node: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly bgp: BgpConfig;
  readonly watch: readonly WatchConfig[];
  readonly routes: RoutesConfig;
  readonly migration: MigrationConfig;
  readonly identity: IdentityConfig;
  readonly gate: GateConfig;
  /** Where what has to outlive the process is kept. Left out: in the daemon's default place, where that can be written to. */
  readonly state?: { readonly file: string };
  readonly stragglers: StragglersConfig;
  readonly kernel: { readonly routes: 'off' | 'received' | 'host'; readonly refreshNeighbors: boolean };
  readonly kubernetes: KubernetesConfig;
  readonly process: { readonly scheduling: 'normal' | 'fifo' };
  readonly telemetry: TelemetryConfig;
  readonly log: { readonly level: LogLevel; readonly format: 'auto' | 'json' | 'text' };
  readonly api: { readonly socket: string; readonly mode: number; readonly group?: string };
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

export interface NextHops {
  readonly ipv4?: IpAddress;
  readonly ipv6?: IpAddress;
}

export interface BgpConfig {
  readonly asn: number;
  /** Left out: the session's or node's IPv4 address, else derived from `node.name` (FIELD: one file for the fleet). */
  readonly routerId?: IpAddress;
  readonly listen: { readonly enabled: boolean; readonly port: number; readonly ranges?: readonly ListenRange[] };
  readonly nextHop: NextHops;
  readonly gracefulRestart: { readonly enabled: boolean; readonly restartTimeSeconds: number };
  /** Families whose routes are kept beyond a router's Restart Time (RFC 9494), and how long at most; left out where there are none. */
  readonly longLivedGracefulRestart?: { readonly families: readonly Family[]; readonly maxStaleTimeSeconds: number };
  readonly receive: 'vm-prefixes' | 'none';
  /** Those whose `nodeSelector` matches this node. */
  readonly peers: readonly PeerConfig[];
}

/** Whoever connects from an address of `prefix` becomes a peer, `maxPeers` at once; see `listen-range.ts`. */
export interface ListenRange extends Omit<PeerConfig, 'address' | 'port' | 'sourceAddress' | 'bfd'> {
  readonly prefix: Prefix;
  readonly maxPeers: number;
}

/** TCP-AO (RFC 5925) of a peer: at least one key, the preferred one first. IDs are 0 to 255, each of either kind once. */
export interface TcpAoConfig {
  readonly algorithm: 'hmac-sha1' | 'aes-128-cmac';
  readonly keys: readonly { readonly sendId: number; readonly receiveId: number; readonly key: SecretSource }[];
}

/** Where a TCP MD5 key is read from; the key itself never enters the Config. */
export type SecretSource = { readonly credential: string } | { readonly file: string } | { readonly env: string };

export interface PeerConfig {
  readonly name: string;
  readonly address: IpAddress;
  /** The only one that the session uses; there where the address is link-local. */
  readonly interface?: string;
  readonly asn: number;
  readonly port: number;
  readonly sourceAddress?: IpAddress;
  readonly families: readonly Family[];
  readonly password?: SecretSource;
  /** Never beside `password`. */
  readonly tcpAo?: TcpAoConfig;
  readonly timers: { readonly holdSeconds: number; readonly keepaliveSeconds: number; readonly connectRetrySeconds: number; readonly sendHoldSeconds?: number };
  readonly ttlSecurity: boolean;
  /** TTL for peers that are not directly connected. */
  readonly multihop?: number;
  readonly nextHop: NextHops;
  readonly profile: Profile;
  readonly vrf: string;
  /** Several routes for a prefix are taken (RFC 7911). */
  readonly addPath?: boolean;
  /** What we are to it, RFC 9234. */
  readonly role?: 'provider' | 'rs' | 'rs-client' | 'customer' | 'peer';
  /** Does a RARP here move the addresses that this peer's routes give its MAC? Mode learn only. */
  readonly bindings: 'learn' | 'none';
  /** There where BFD watches it. */
  readonly bfd?: { readonly minTxMs: number; readonly minRxMs: number; readonly multiplier: number };
  /** What we send to it at most; undefined: no limit. */
  readonly maxPrefixes?: number;
}

/** How the newest claim wins at a router. */
export type Profile = 'sequence' | 'ladder' | 'window' | 'prepend';

/** VLAN ids with both ends, `[200, 210]`; one id is `[100, 100]`. */
export type VlanRange = readonly [number, number];

export interface WatchConfig {
  readonly bridge: string;
  /** `undefined`: every VLAN on the bridge. 0 is untagged. */
  readonly vlans?: readonly VlanRange[];
  readonly ports: { readonly local: readonly string[]; readonly uplink: readonly string[] };
  readonly announcements: readonly ('garp' | 'rarp' | 'na' | 'any-arp')[];
  readonly prefixes: readonly Prefix[];
  readonly exclude: readonly IpAddress[];
  /** Told to a VM that has landed. Without `addresses`: this node's own on the bridge. */
  readonly gateway?: { readonly addresses: readonly IpAddress[]; readonly refresh: 'auto' | 'off' };
  readonly vrf: string;
}

/** What a level says on the wire. Communities in text form, `65010:200` or, large, `65010:1:200`. */
export interface LevelConfig {
  readonly localPref: number;
  readonly med: number;
  readonly communities: readonly string[];
}

export interface RoutesConfig {
  readonly globalAdmin: number;
  readonly normal: LevelConfig;
  readonly elevated: LevelConfig;
  readonly leaving: LevelConfig;
  /** Profile `ladder`: one community for each step, the lowest first. */
  readonly ladder: { readonly communities: readonly string[] };
  /** Profile `prepend`: how often our ASN stands before a normal route. */
  readonly prepend: number;
  readonly noExport: boolean;
}

export interface MigrationConfig {
  readonly firstEvidence: 'auto' | 'rarp' | 'any';
  readonly elevatedForMs: number;
  readonly debounceMs: number;
  readonly withdrawOn: readonly ('uplink-announcement' | 'remote-claim' | 'port-gone')[];
  readonly withdrawAfterMs: number;
  readonly portGoneGraceMs: number;
  /** Announcements a second, per port, of MACs without a binding. */
  readonly maxPerSecond: number;
  /** `holdMs` left out: until an operator clears it. */
  readonly flap: { readonly moves: number; readonly withinMs: number; readonly holdMs?: number };
}

/** A BMP station that is told of the sessions. */
export interface BmpStation {
  readonly address: IpAddress;
  readonly port: number;
  readonly statisticsSeconds: number;
}

export interface TelemetryConfig {
  /** Where metrics and health are served; left out: nowhere. */
  readonly listen?: { readonly address: IpAddress; readonly port: number };
  readonly web: boolean;
  readonly perPrefixMetrics: boolean;
  readonly bmp: readonly BmpStation[];
  /** Left out: nothing is written. */
  readonly mrt?: { readonly file: string; readonly maxBytes: number; readonly keep: number };
  readonly history: { readonly keep: number; readonly file?: string };
}

/** The labels of this node's Node object, and Events on it. */
export interface KubernetesConfig {
  readonly enabled: boolean;
  /** `https://host:port`; left out: as the environment of a pod says. */
  readonly server?: string;
  /** The folder with `token` and `ca.crt`. */
  readonly serviceAccount: string;
}

/** Late packets are passed on to the node that claims. `listen.address` 0.0.0.0: every address; `listen` left out: the sessions' own. */
export interface StragglersConfig {
  readonly enabled: boolean;
  readonly mode: 'auto' | 'on-link' | 'vxlan';
  readonly ceilingMs: number;
  readonly listen?: { readonly address: IpAddress; readonly port: number };
  readonly members: 'auto' | readonly IpAddress[];
  readonly key?: SecretSource;
}

/** Asked before the first announcement of a port. All checks must say that it is open; without checks there is no gate. */
export interface GateConfig {
  readonly checks: readonly GateCheck[];
  readonly timeoutMs: number;
  readonly onTimeout: 'closed' | 'open';
}

/** `{port}` in a path stands for the port's name. */
export type GateCheck = { readonly file: string } | { readonly unix: string };

export interface IdentityConfig {
  readonly mode: 'strict' | 'learn';
  readonly onConflict: 'keep' | 'newest';
  readonly learnedForMs: number;
  /** An address that was not heard for so long is asked for. */
  readonly learnedIdleForMs: number;
  readonly unverifiedPorts: 'allow' | 'refuse';
  /** Addresses that several MACs claim in turn. */
  readonly shared: readonly IpAddress[];
  readonly bindingsFile?: string;
  /** Those of the YAML and of the bindings file together. */
  readonly bindings: readonly BindingConfig[];
}

export interface BindingConfig {
  readonly vm: string;
  readonly mac: Mac;
  /** `undefined`: whatever VLAN the MAC is heard on. 0 is untagged. */
  readonly vlan?: number;
  readonly vrf: string;
  readonly ips: readonly IpAddress[];
  /** Pattern of port names. */
  readonly port?: string;
  readonly origin?: 'config' | 'file';
}

import type { Config } from '../../config/config.ts';

/**
 * What the API answers and `-o json` prints, item by item: keys are those of the YAML, states lower-case words, times RFC 3339
 * with milliseconds, durations numbers that end in Seconds. Fields are added, never renamed. A value that was not measured is
 * left out (tables print `-`). Text that a VM or peer controls is already escaped (`net`-printable ASCII) here.
 */

export interface StatusItem {
  version: string;
  node: string;
  routerId: string;
  /** How routerId came about: configured, session, node, derived. */
  routerIdFrom: string;
  startedAt: string;
  uptimeSeconds: number;
  dryRun: boolean;
  peers: { configured: number; established: number };
  /** Count of prefixes by state. */
  prefixes: Record<string, number>;
  lastMigration?: { id: string; vm?: string; prefix: string; direction: 'in' | 'out'; startedAt: string; result: string };
  lastReload?: { at: string; successful: boolean };
  /** Maintenance: there while it lasts. */
  drain?: DrainItem;
  capture: { frames: number; dropped: number };
  /** The folder into which the daemon records (`run --record`). */
  recording?: string;
  /** Whole sentences, each with its cure where there is one. */
  warnings: string[];
}

export type PeerState = 'idle' | 'connect' | 'active' | 'opensent' | 'openconfirm' | 'established';

export interface PeerItem {
  name: string;
  address: string;
  asn: number;
  type: 'ibgp' | 'ebgp';
  state: PeerState;
  /** Since when it is in this state (for established: up). */
  since: string;
  upSeconds?: number;
  downSeconds?: number;
  families: {
    family: 'ipv4' | 'ipv6'; negotiated: boolean; sent: number; received: number;
    /** There while routes of a session that was lost are kept: `longLived`: beyond the Restart Time (RFC 9494). They go after `endsSeconds` at the latest. */
    stale?: { routes: number; longLived: boolean; endsSeconds: number };
  }[];
  auth: 'md5' | 'tcp-ao' | 'none';
  profile: string;
  vrf: string;
  lastError?: string;
  lastErrorAt?: string;
  remoteRouterId?: string;
  localAddress?: string;
  holdTimeSeconds?: number;
  keepaliveSeconds?: number;
  capabilities?: string[];
  messages: { sent: Record<string, number>; received: Record<string, number> };
  pending: number;
  /** Left out where the peer has no BFD; state `unknown`: the BFD process does not answer. */
  bfd?: { state: string; since?: string; text?: string; remoteState?: string; detectionTimeMs?: number; sendIntervalMs?: number; ups?: number };
}

export type PrefixState = 'normal' | 'elevated' | 'leaving' | 'withdrawn' | 'held' | 'manual';

export interface PrefixItem {
  prefix: string;
  vrf: string;
  vm?: string;
  state: PrefixState;
  localPref?: number;
  med?: number;
  communities: string[];
  largeCommunities: string[];
  /** How many of the peers that should have it were sent it. */
  peers: { sent: number; of: number; names: string[] };
  since: string;
  sinceSeconds: number;
  /** The next change that is due by time: `normal in 82s`. */
  next?: { state: PrefixState; inSeconds: number };
  mac?: string;
  vlan?: number;
  port?: string;
  /** The evidence that led here: garp, rarp, na, arp, ns, uplink, remote-claim, port-gone, probe, manual, fdb… */
  source: string;
  sequence?: number;
  /** While held: gate, flap or conflict; whether the routers have the route meanwhile; and in words why. */
  held?: { why: 'gate' | 'flap' | 'conflict'; announced: boolean; text: string };
}

export interface TimelineEntry {
  /** Since the first frame (or sign) of this handover; negative for what came before. */
  atSeconds: number;
  /** frame, held, released, accepted, announced, written, deliverable, undeliverable, reflected, source-demoted, source, source-gone, demoted, withdrawn, settled… */
  event: string;
  text: string;
  peer?: string;
}

export interface MigrationItem {
  id: string;
  vm?: string;
  prefix: string;
  vrf: string;
  mac?: string;
  direction: 'in' | 'out';
  peerNode?: string;
  startedAt: string;
  /** rarp, garp, na, arp, uplink, remote-claim, port-gone, manual. */
  seenBy: string;
  /** How long a shut policy gate held the claim. */
  heldSeconds?: number;
  announceSeconds?: number;
  reflectedSeconds?: number;
  sourceGoneSeconds?: number;
  withdrawnSeconds?: number;
  /** This node's own table delivers what the router sends for it. */
  deliverable?: boolean;
  result: string;
  timeline: TimelineEntry[];
}

/** What came of a hint for one address. */
export interface HintItem {
  prefix: string;
  vrf: string;
  vm?: string;
  mac?: string;
  /**
   * `sending`: its packets go to `node`. `asked`: they will when `node` says that it is ready. `undone`: they stay again. `probed`: the VM is
   * asked whether it runs here, for a frame of it came too early to count. `none`: there was nothing to undo.
   */
  state: 'sending' | 'asked' | 'undone' | 'probed' | 'none';
  /** Its name, or its BGP Identifier. */
  node?: string;
}

export interface ReceivedItem {
  peer: string;
  prefix: string;
  nextHop: string;
  localPref?: number;
  med?: number;
  asPath: string;
  communities: string[];
  largeCommunities: string[];
  sequence?: number;
  mac?: string;
  /** BGP Identifier of the node that sent it, from the large community or ORIGINATOR_ID. */
  node?: string;
  /** Of several routes for the prefix (RFC 7911), this one's identifier. */
  pathId?: number;
  /** own (reflected to us), rival, stale (of a session that was lost), future, foreign. */
  kind: string;
  since: string;
}

export interface BindingItem {
  vm?: string;
  mac: string;
  vlan?: number;
  vrf: string;
  ips: string[];
  origin: 'config' | 'file' | 'learned' | 'route';
  lastSeen?: string;
  port?: string;
}

export interface IgnoredItem {
  at: string;
  verdict: string;
  kind: string;
  reason: string;
  bridge?: string;
  port?: string;
  mac?: string;
  vlan?: number;
  address?: string;
  /** How many like it (same verdict, port, MAC, address) since the first. */
  count: number;
}

export interface WhyItem {
  address: string;
  vrf: string;
  /** One sentence: announced, or why not, or why held. */
  answer: string;
  announced: boolean;
  checks: { check: string; result: 'ok' | 'fail' | 'unknown'; text: string }[];
}

/** What one check of `doctor` found. */
export interface FindingItem {
  result: 'ok' | 'fail' | 'warn' | 'skip';
  topic: string;
  text: string;
  fix?: string;
}

/** The daemon's part of `doctor`: what it found, and what the command line needs to look at the host around it. */
export interface DoctorItem {
  config: Config;
  /** Of the daemon's process, as masks in hex. */
  capabilities?: { effective: string; bounding: string; noNewPrivileges: boolean; uid: number };
  peers: PeerItem[];
  findings: FindingItem[];
}

export interface ReloadItem {
  /** `planned`: a dry run. `refused`: a change that needs a restart. `invalid`: the file has errors. In both the running configuration stays. */
  result: 'applied' | 'unchanged' | 'planned' | 'refused' | 'invalid';
  changes: { key: string; class: 'live' | 'routes' | 'capture' | 'session' | 'restart'; peer?: string; from?: string; to?: string }[];
  /** Sessions that do not stay as they are, and the keys that are the reason. */
  peers: { name: string; action: 'added' | 'removed' | 'reset' | 'replaced'; keys: string[] }[];
  /** A line for each: file, place, key and what is wrong. */
  errors: string[];
  warnings: string[];
}

export interface DrainItem {
  /** `leaving`: every route is the worst there is. `withdrawn`: nothing is announced, until `undrain`. */
  state: 'off' | 'leaving' | 'withdrawn';
  since?: string;
  withdrawInSeconds?: number;
  /** Routes that the peers have, over all peers. */
  routes: number;
}

export interface EventItem {
  time: string;
  type: 'migration' | 'peer' | 'config' | 'frame' | 'capture';
  event: string;
  [field: string]: unknown;
}

/** Every answer of the API: a list with its kind, or an error. */
export interface ListReply<Item> {
  apiVersion: 'landfall/v1';
  kind: string;
  node: string;
  time: string;
  items: Item[];
}

export interface ErrorReply {
  apiVersion: 'landfall/v1';
  kind: 'Error';
  error: { code: 'badRequest' | 'notFound' | 'conflict' | 'unavailable' | 'internal'; message: string };
}

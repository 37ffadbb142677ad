import type { LogEvent } from './log.ts';
import type { Config, LogLevel, PeerConfig } from '../config/config.ts';
import type { CapturedFrame } from '../garp/announcement.ts';
import type { BridgeChange } from '../bridge/ports.ts';
import type { BridgeState } from '../bridge/fdb.ts';
import type { BfdReport } from '../bfd/orders.ts';
import type { FamilyRestart } from '../bgp/restarts.ts';
import type { RouteChange } from '../bgp/route.ts';
import type { SessionInput, SessionOutput, ConnectionId } from '../bgp/session-contract.ts';
import type { SessionState } from '../bgp/session.ts';
import type { BindingTable } from '../identity/bindings.ts';
import type { RateLimits } from '../identity/rate.ts';
import type { AdjRibIn } from '../routes/adj-rib-in.ts';
import type { AdjRibOut } from '../routes/adj-rib-out.ts';
import type { FabricEvidence } from '../routes/fabric.ts';
import type { Endpoint, Handover, HandoverEvent } from '../routes/handover.ts';
import type { AddressKey, LocRib } from '../routes/loc-rib.ts';
import type { BootFacts, Memory, RememberedAddress } from '../routes/memory.ts';
import type { Migration, MigrationLog } from '../routes/migrations.ts';
import type { PreferenceOptions } from '../routes/preference.ts';
import type { StaleFamily } from '../routes/stale-rib.ts';
import type { Deadlines } from '../net/deadlines.ts';
import type { MeshMessage, MeshText } from '../forward/mesh.ts';
import type { KernelChange } from '../forward/entries.ts';
import type { Family, IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Now } from '../net/time.ts';
import type { Watch } from './watch.ts';
import type { DeliveryAnswer, DeliveryQuestion } from './delivery-contract.ts';
import type { AddressRewrite } from './doctor/host-state.ts';
import type { Forwarding } from './forwarding-state.ts';
import type { IgnoredByPort, IgnoredLog } from './ignored.ts';
import type { Counts } from './metrics/counts.ts';
import type { PortShares } from './port-shares.ts';
import type { Refreshes } from './refresh.ts';

/** What comes from outside into the one deterministic object. */
export type Input =
  | { readonly type: 'start' }
  /** Before the first look at the bridges: what the life before left behind; without `memory` it was lost, or there was none. */
  | { readonly type: 'restored'; readonly memory?: Memory; readonly boot: BootFacts }
  | { readonly type: 'frame'; readonly frame: CapturedFrame }
  | { readonly type: 'bridge'; readonly change: BridgeChange }
  | { readonly type: 'session'; readonly peer: string; readonly input: Exclude<SessionInput, { type: 'start' | 'stop' | 'fail' | 'send' | 'refresh' | 'tick' }> }
  /** All outputs of the dispatch before have been handed to the kernel; `at`: when each peer's last byte was, monotonic ms. `framesWait`: the words about it come after them. */
  | { readonly type: 'written'; readonly at?: ReadonlyMap<string, number>; readonly framesWait?: true }
  /** Another node's speaker told something; its authenticity was proven. */
  | { readonly type: 'mesh'; readonly message: MeshMessage }
  /** Somebody from a range of `bgp.listen.ranges` has connected. */
  | { readonly type: 'caller'; readonly range: string; readonly address: IpAddress; readonly interface?: string; readonly connection: ConnectionId; readonly localAddress: IpAddress }
  /** The kernel's answers about claims: see delivery.ts. */
  | { readonly type: 'delivery'; readonly answers: readonly DeliveryAnswer[] }
  /** Rules of the firewall that rewrite source addresses. */
  | { readonly type: 'rewrites'; readonly rules: readonly AddressRewrite[] }
  /** The checks of the policy gate have answered for a port. */
  | { readonly type: 'gate'; readonly ifindex: number; readonly port: string; readonly open: boolean; readonly text: string }
  /** What the BFD process says of a peer. */
  | { readonly type: 'bfd'; readonly report: BfdReport }
  /** There is no BFD process now. */
  | { readonly type: 'bfdLost'; readonly reason: string }
  /** A configuration that has been checked, and that changes nothing of class `restart`. */
  | { readonly type: 'reload'; readonly config: Config }
  /** The peer's TCP has acknowledged all that it was sent. */
  | { readonly type: 'acknowledged'; readonly peer: string }
  | { readonly type: 'tick' }
  /** `restart`: nothing is withdrawn and no Cease is sent (Graceful Restart). Otherwise `withdrawEverything` went before. */
  | { readonly type: 'stop'; readonly restart: boolean };

/** What is to be done outside. */
export type Output =
  | { readonly type: 'session'; readonly peer: string; readonly output: Extract<SessionOutput, { type: 'dial' | 'write' | 'close' }> }
  | { readonly type: 'sendFrame'; readonly ifindex: number; readonly bytes: Uint8Array }
  /** The host's own routes and neighbours. `leftovers`: what a life before left goes where nobody wants it. */
  | { readonly type: 'kernel'; readonly changes: readonly KernelChange[]; readonly refresh: readonly { readonly ifindex: number; readonly address: IpAddress; readonly mac: Mac }[]; readonly leftovers?: true }
  /**
   * Stragglers: what other nodes are told directly. `endpoint`, once: where this node's end of the tunnel is; `ends`: those of other nodes, to be
   * made before they are needed; `listenAt`: addresses at which others are to be heard.
   */
  | { readonly type: 'mesh'; readonly endpoint?: IpAddress; readonly ends?: readonly IpAddress[]; readonly listenAt?: readonly IpAddress[]; readonly tellings: readonly { readonly text: MeshText; readonly members: readonly IpAddress[] }[] }
  | { readonly type: 'askDelivery'; readonly asked: readonly DeliveryQuestion[] }
  | { readonly type: 'askGate'; readonly ifindex: number; readonly port: string }
  /** Goes into the history file, when there is time. */
  | { readonly type: 'history'; readonly migration: Migration }
  | { readonly type: 'note'; readonly note: Note };

/** What happened, for logs, the event stream and counters. */
export interface Note {
  readonly level: LogLevel;
  readonly room: 'garp' | 'bridge' | 'bgp' | 'bfd' | 'identity' | 'routes' | 'config' | 'src';
  readonly peer?: string;
  readonly event: LogEvent;
  readonly fields: Readonly<Record<string, unknown>>;
  /** The type under which the event stream carries it; not there when left out. */
  readonly publish?: 'migration' | 'peer' | 'config' | 'frame' | 'capture';
}

/** An address that is being asked for where the bridge has just seen its MAC. */
export interface Lookup {
  readonly address: IpAddress;
  endpoint: Endpoint;
  /** Who else is asked, each behind a port of its own. */
  readonly also?: readonly Endpoint[];
  /** The port in whose share of the lookups it is; left out: the address had become free. */
  readonly startedBy?: number;
  sent: number;
}

export interface Peer {
  config: PeerConfig;
  readonly ibgp: boolean;
  session: SessionState;
  adjIn: AdjRibIn;
  adjOut: AdjRibOut;
  /** Everything has to be compared anew: the session came up, or the peer asked for it. */
  resend: boolean;
  /** Families that the peer asked for; their routes go out between the markers of RFC 7313, where it knows them. */
  readonly resendAsked: Set<Family>;
  /** Refreshes of its own that the peer has begun. */
  readonly refreshes: Refreshes;
  /** End-of-RIB of each family is still to be sent. */
  endOfRibDue: boolean;
  /** It is heard out before the claims of the life before are said again; see graceful-restart.ts. */
  listening?: { readonly families: ReadonlySet<Family>; readonly untilMs: number };
  /** Graceful Restart of the peer: how long it may be away, 0 where it does not say. */
  restartTimeSeconds?: number;
  /** The claims of rivals that it showed when its session ended, and the families whose End-of-RIB is still to come; see stale-routes.ts. */
  stale?: { readonly keys: ReadonlySet<AddressKey>; readonly families: Set<Family>; readonly untilMs: number };
  /** What its last OPEN said about its restarts, and its routes that are kept since its session was lost; see retained-routes.ts. */
  restarts?: ReadonlyMap<Family, FamilyRestart>;
  retained: Map<Family, StaleFamily>;
  /** A reload takes it away: it is sent withdraws, and when it has acknowledged them, Cease; see reload/farewell.ts. */
  farewell?: { readonly untilMs: number; readonly next?: PeerConfig };
  /** It is of a range: it came by itself, and goes at that time (monotonic ms) unless it comes again. */
  caller?: { readonly range: string; goneAtMs?: number };
  /** Families whose routes can't be sent for want of a next hop, said once. */
  readonly noNextHop: Set<string>;
  /** What BFD said last, and since when its state is that, wall ms. */
  bfd?: { readonly report: BfdReport; readonly sinceMs: number };
  /** What this session has shown of its router and the fabric behind it. */
  fabric: FabricEvidence;
}

/** What is known of the policy gate of one local port. */
export interface Gate {
  open: boolean;
  /** What the checks said last. */
  text: string;
  /** When it is asked next, monotonic ms; left out while an answer is awaited, and once it is open. */
  askAtMs?: number;
  /** The pause after the next answer that says shut, in milliseconds. */
  pauseMs: number;
}

/** What a frame brought about, before anybody has written it down. */
export type Untold = { readonly at: Now } & (
  | { readonly type: 'step'; readonly key: AddressKey; readonly before: Handover; readonly after: Handover; readonly event: HandoverEvent }
  | { readonly type: 'sent'; readonly peer: Peer; readonly change: RouteChange }
  | { readonly type: 'written'; readonly writtenAt: ReadonlyMap<string, number> | undefined }
);

/** All that the speaker remembers. Functions of `src/` take it and change it; nothing else does. */
export interface World {
  /** Changed by a reload alone, and with it all that is derived from it. */
  config: Config;
  readonly routerId: IpAddress;
  readonly random: () => number;
  readonly newConnection: () => ConnectionId;
  readonly dryRun: boolean;
  readonly peers: Map<string, Peer>;
  /** When a range of callers last said that it is full, monotonic ms. */
  readonly rangesFull: Map<string, number>;
  /** Sessions by their next deadline. */
  readonly sessionDeadlines: Deadlines<string>;
  watches: readonly Watch[];
  bridges: BridgeState;
  bindings: BindingTable;
  readonly rates: RateLimits;
  readonly locRib: LocRib;
  preference: PreferenceOptions;
  segments: ReadonlyMap<string, number>;
  readonly migrations: MigrationLog;
  readonly ignored: IgnoredLog;
  readonly ignoredByPort: IgnoredByPort;
  /** Ports by the monotonic time at which they appeared; -Infinity for those that were there at the start. */
  readonly portSince: Map<number, number>;
  /** Ports whose carrier is away, with the time at which that counts as gone. */
  readonly carrierDeadlines: Deadlines<number>;
  /** The policy gates of local ports; empty where no check is configured. */
  readonly gates: Map<number, Gate>;
  /** `ifindex|mac` that a RARP was heard from: QEMU spoke there, so its other frames count. */
  readonly rarpHeard: Set<string>;
  /** Addresses that were asked, and when an answer must have come to count as one, monotonic ms. */
  readonly asked: Map<AddressKey, { readonly sinceMs: number; readonly untilMs: number }>;
  /** Addresses that are asked for where the bridge has just seen their MAC, and when next; how many each port has started. */
  readonly lookups: { readonly pending: Map<AddressKey, Lookup>; readonly deadlines: Deadlines<AddressKey>; readonly ofPort: Map<number, number> };
  /**
   * Learned addresses that were not heard for long, and are asked for: when last, monotonic ms; questions without an answer, though the VM
   * said something else before the next.
   */
  readonly idle: Map<AddressKey, { readonly unanswered: number; readonly askedAtMs: number }>;
  /** When their VMs were heard last, with whatever: `ifindex|vlan|mac` → monotonic ms. */
  readonly voices: Map<string, number>;
  /** Who was refused an address that another VM had. */
  readonly claimants: PortShares<AddressKey, Endpoint>;
  /** Addresses for which a rival's standing claim is visible at some peer. */
  readonly rivals: Map<AddressKey, Now>;
  /** Profile `ladder`: the step of each claim that stands, where it is not the lowest. */
  readonly steps: Map<AddressKey, number>;
  /** `vrf|mac` → how many routes of rivals name the MAC, over all peers. */
  readonly rivalMacs: Map<string, number>;
  /** Bytes of announcements heard from local ports, with their time: told again through an uplink they are reflections. */
  readonly recentLocal: PortShares<string, number>;
  /** The search for VMs that are already here: who is asked, and when the next round is due. */
  readonly search: { readonly asked: { readonly vrf: string; readonly address: IpAddress; readonly endpoints: readonly Endpoint[] }[]; frames: number; rounds: number; nextMs?: number };
  /** Until when (monotonic ms) the search for VMs that are already here runs; End-of-RIB waits for it. */
  discoveryEndsMs: number;
  readonly restart: Restart;
  /** What the node's own data plane was told; see forwarding.ts. */
  readonly forwarding: Forwarding;
  /** The latest attempt to change the configuration. */
  lastReload?: { readonly wallMs: number; readonly successful: boolean };
  /** Maintenance (`drain`): since when, and when what leaves is withdrawn, monotonic ms. */
  drain?: { readonly since: Now; readonly withdrawAtMs: number; withdrawn: boolean };
  /** What the state file keeps has changed. */
  unsaved: boolean;
  /** When learned pairs are looked at for age again, monotonic ms: see `due.ts`. */
  expireAtMs: number;
  readonly counters: Counters;
  readonly startedAt: Now;

  /** When the input before this one came, monotonic ms. */
  lastInputMs: number;
  /** When the last standstill ended, monotonic ms: see `early.ts`. */
  stoodStillUntilMs: number;

  // ---- of the dispatch that runs ----
  now: Now;
  /** Addresses whose wanted routes may have changed. */
  readonly dirty: Set<AddressKey>;
  /** Handovers whose UPDATEs are being written. */
  readonly writing: Map<AddressKey, Migration[]>;
  /** A frame is being worked on, or waits for its turn: words wait in `untold` (untold.ts). */
  later: boolean;
  readonly untold: Untold[];
  outputs: Output[];
}

/** Claims of the life before (restore.ts): those that are to be confirmed, and those that are, as far as this node can tell. */
export interface Restart {
  /** Waiting for the first look at the bridges. */
  readonly claims: RememberedAddress[];
  /** Said again with the sequence that the routers have; peers that know better are heard first (graceful-restart.ts). */
  readonly unconfirmed: Set<AddressKey>;
  /** When what the peers have not contradicted is taken for true, monotonic ms. */
  endsMs: number;
  /** The same boot as in the life before: ifindexes mean what they meant. */
  sameBoot: boolean;
}

export interface Counters {
  frames: number;
  /** Bridge, kind. */
  readonly framesHeard: Counts;
  /** Bridge, kind, verdict: one for each address that a frame speaks of. */
  readonly announcements: Counts;
  unresolvedRoutes: number;
  reflections: number;
  futures: number;
  /** Claims that a router could not tell from a rival's, by the rules of its profile. */
  unordered: number;
}

export function note(world: World, n: Note): void {
  world.outputs.push({ type: 'note', note: n });
}

import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Now } from '../net/time.ts';
import type { Episode, FlapOptions } from './flap.ts';

/**
 * One machine per VRF and VM address: when this node claims the address, when it gives it up. The states are those of
 * `show prefixes`; the table in `handover.ts` is the whole behaviour.
 */
export type State = 'withdrawn' | 'held' | 'elevated' | 'normal' | 'leaving' | 'manual';

/** What brought a handover into its present state, in the words of `show prefixes` (SOURCE). */
export type Source = 'garp' | 'rarp' | 'na' | 'arp' | 'ns' | 'probe' | 'uplink' | 'remote-claim' | 'port-gone' | 'manual' | 'none';

/** Where the VM was heard: (VLAN, MAC) behind a local port. */
export interface Endpoint {
  readonly mac: Mac;
  readonly vlan: number;
  readonly ifindex: number;
  /** Its frames bear their VLAN as a tag on this port, so what is sent to it must. */
  readonly tagged: boolean;
}

export interface Handover {
  readonly vrf: string;
  readonly address: IpAddress;
  readonly state: State;
  readonly since: Now;
  readonly source: Source;
  /** Of the claim that stands, or stood last. 0: this node never claimed. */
  readonly sequence: number;
  /** Ours or received; *future* ones never come in here. */
  readonly highestSeen: number;
  readonly endpoint?: Endpoint;
  /** Kernel time of the newest local evidence, monotonic ms. What was captured before it is older news. */
  readonly evidenceAtMs: number;
  /** When the claim that stands was made, monotonic ms. */
  readonly claimedAtMs: number;
  readonly settleAtMs?: number;
  readonly leaveAtMs?: number;
  readonly probe?: { readonly sent: number; readonly atMs: number };
  /** The VM's MAC was also heard behind this other local port while its own port lives: asked when its own port goes, and with that one when a sign says that the VM has left. */
  readonly elsewhere?: Endpoint;
  /** A frame that came too early to count; it claims when the rival leaves. */
  readonly early?: { readonly endpoint: Endpoint; readonly kind: EvidenceKind };
  /** While leaving: peers that show the newer claim themselves, so that ours is withdrawn from them. */
  readonly gone: ReadonlySet<string>;
  /** A router shows a rival with our sequence: our VM is being asked, and its answer claims again. */
  readonly tied?: true;
  readonly manual?: { readonly mode: 'announce' | 'withdraw'; readonly untilMs?: number };
  /** While held: why, and what the routers are told meanwhile. */
  readonly hold?: Hold;
  /** How the address came and went lately, for the rule against flapping. */
  readonly episode?: Episode;
  /** When a probe's answer last made us claim against a visible rival, monotonic ms: once is a cancelled move, twice a conflict. */
  readonly reclaimedAtMs?: number;
}

export type EvidenceKind = 'garp' | 'rarp' | 'na' | 'arp' | 'ns';

/** Evidence of the VM's life here that may not become a claim yet. */
export interface Evidence {
  readonly endpoint: Endpoint;
  readonly source: Source;
  /** Kernel time of the frame, monotonic ms. */
  readonly capturedAtMs: number;
}

/** Why an address is held. `gate`: the policy gate of its port is shut. `flap`, `conflict`: it lives at two nodes at once. */
export interface Hold {
  readonly why: 'gate' | 'flap' | 'conflict';
  /** What the routers are told meanwhile: our claim as it stands, the last of one that leaves, or (left out) nothing. */
  readonly level?: 'elevated' | 'leaving';
  /** `gate`: when `gate.onTimeout` decides. Else: when the hold ends by itself; left out: when an operator clears it. */
  readonly untilMs?: number;
  /** `gate`: what claims when it opens. */
  readonly evidence?: Evidence;
  /** Frozen as the one that does not claim, and claiming all the same, because nobody else does any more. */
  readonly standsIn?: true;
  /** The highest sequence seen when the hold began: a higher one is newer than our evidence. */
  readonly seen: number;
}

export type HandoverEvent =
  /** `shared`: the address is claimed by several MACs in turn, so another port is no conflict. */
  | { readonly type: 'HeardLocal'; readonly kind: EvidenceKind; readonly endpoint: Endpoint; readonly capturedAtMs: number; readonly shared?: true }
  | { readonly type: 'HeardEarly'; readonly kind: EvidenceKind; readonly endpoint: Endpoint }
  | { readonly type: 'HeardUplink'; readonly kind: EvidenceKind; readonly capturedAtMs: number }
  /** The VM answered a probe of ours through its local port. */
  | { readonly type: 'Answered'; readonly endpoint: Endpoint; readonly capturedAtMs: number }
  /** `peer` shows a claim of another node that is newer than ours and not leaving. */
  | { readonly type: 'RemoteNewer'; readonly peer: string }
  /** A peer shows a rival's claim with our sequence, over which ours should win: it has not read ours yet, or breaks ties another way. */
  | { readonly type: 'TieSeen' }
  /** No peer shows a rival's standing claim any more. */
  | { readonly type: 'RivalGone' }
  | { readonly type: 'PortGone' }
  /** The configuration lets this node claim the address no more: its binding, prefix or bridge is gone. */
  | { readonly type: 'GroundLost' }
  | { readonly type: 'Probe_Due' }
  | { readonly type: 'SettleTimer_Expires' }
  | { readonly type: 'LeaveTimer_Expires' }
  /** The policy gate of the port is open now. */
  | { readonly type: 'GateOpened' }
  /** `gate.timeout` is over and the gate still shut. */
  | { readonly type: 'GateTimer_Expires' }
  /** `migration.flap.hold` is over. */
  | { readonly type: 'HoldEnds' }
  /** `clear`: the hold is lifted, and a sequence that was remembered is forgotten. */
  | { readonly type: 'OperatorClears' }
  | { readonly type: 'OperatorAnnounces' }
  | { readonly type: 'OperatorWithdraws'; readonly untilMs?: number }
  /** `auto`, or the end of `withdraw --for`. */
  | { readonly type: 'OperatorReleases' };

export type EventName = HandoverEvent['type'];

export interface HandoverOptions {
  readonly elevatedForMs: number;
  readonly debounceMs: number;
  readonly withdrawAfterMs: number;
  readonly portGoneGraceMs: number;
  readonly flap: FlapOptions;
}

/** What happens when the policy gate of a port stays shut. */
export interface GateOptions {
  readonly timeoutMs: number;
  /** `closed`: the claim waits on; `open`: it goes out all the same. */
  readonly onTimeout: 'closed' | 'open';
}

/** What the step may know of the world beside the handover itself. */
export interface HandoverContext {
  readonly now: Now;
  readonly options: HandoverOptions;
  readonly gate: GateOptions;
  /** The policy gate of the port that the evidence came from is open, or there is none. */
  readonly gateOpen: boolean;
  /** The port bears a mark of its guest, and the mark agrees with the MAC. */
  readonly portVerified: boolean;
  /** A peer shows a rival's claim that is newer than ours and stands. */
  readonly rivalStands: boolean;
  /** Any rival's route is visible, also a leaving or older one. */
  readonly rivalVisible: boolean;
  /** The port of the early frame, if there was one, exists and has its carrier. */
  readonly earlyAlive: boolean;
  /** The endpoint's port exists and has its carrier. */
  readonly portAlive: boolean;
  /** The peers that hold our route for the address now. */
  readonly holders: readonly string[];
}

export type HandoverVerdict = 'accepted' | 'repeat' | 'early' | 'conflict' | 'flap' | 'held' | 'gated';

export interface StepResult {
  readonly handover: Handover;
  /** On the frame that caused the step. */
  readonly verdict?: HandoverVerdict;
  /** Ask the VM through its port whether it lives here. */
  readonly sendProbe?: true;
}

export type Of<Name extends EventName> = Extract<HandoverEvent, { type: Name }>;
export type Cell<Name extends EventName> = (h: Handover, event: Of<Name>, context: HandoverContext) => StepResult;

/** Probes of a leaving VM: this many, spread over `withdrawAfter`, before its silence means that it is gone. */
export const probesBeforeWithdraw = 3;
/** The longest pause between two probes of a VM that was withdrawn while its port lives. */
export const slowestProbeMs = 30_000;
/** A second claim on the strength of a probe's answer within this time is a conflict, not a cancelled move. */
export const reclaimPauseMs = 5_000;

export function newHandover(vrf: string, address: IpAddress, now: Now): Handover {
  return {
    vrf, address, state: 'withdrawn', since: now, source: 'none', sequence: 0, highestSeen: 0,
    evidenceAtMs: -Infinity, claimedAtMs: -Infinity, gone: new Set(),
  };
}

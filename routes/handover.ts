import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Now } from '../net/time.ts';
import { assert } from '../net/assert.ts';
import { nextSequence } from './claim.ts';

/**
 * One machine per VRF and VM address: when this node claims the address, when it gives it up. The states are those of
 * `show prefixes`; the table at the end of this file is the whole behaviour.
 */
export type State = 'withdrawn' | 'elevated' | 'normal' | 'leaving' | 'manual';

/** What brought a handover into its present state, in the words of `show prefixes` (SOURCE). */
export type Source = 'garp' | 'rarp' | 'na' | 'arp' | 'probe' | 'uplink' | 'remote-claim' | 'port-gone' | 'manual' | 'none';

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
  /** The VM's MAC was also heard behind this other local port while its own port lives: looked at when its own port goes. */
  readonly elsewhere?: Endpoint;
  /** A frame that came too early to count; it claims when the rival leaves. */
  readonly early?: { readonly endpoint: Endpoint; readonly kind: EvidenceKind };
  /** While leaving: peers that show the newer claim themselves, so that ours is withdrawn from them. */
  readonly gone: ReadonlySet<string>;
  readonly manual?: { readonly mode: 'announce' | 'withdraw'; readonly untilMs?: number };
  /** When a probe's answer last made us claim against a visible rival, monotonic ms: once is a cancelled move, twice a conflict. */
  readonly reclaimedAtMs?: number;
}

export type EvidenceKind = 'garp' | 'rarp' | 'na' | 'arp';

export type HandoverEvent =
  /** `shared`: the address is claimed by several MACs in turn, so another port is no conflict. */
  | { readonly type: 'HeardLocal'; readonly kind: EvidenceKind; readonly endpoint: Endpoint; readonly capturedAtMs: number; readonly shared?: true }
  | { readonly type: 'HeardEarly'; readonly kind: EvidenceKind; readonly endpoint: Endpoint }
  | { readonly type: 'HeardUplink'; readonly kind: EvidenceKind; readonly capturedAtMs: number }
  /** The VM answered a probe of ours through its local port. */
  | { readonly type: 'Answered'; readonly endpoint: Endpoint; readonly capturedAtMs: number }
  /** `peer` shows a claim of another node that is newer than ours and not leaving. */
  | { readonly type: 'RemoteNewer'; readonly peer: string }
  /** No peer shows a rival's standing claim any more. */
  | { readonly type: 'RivalGone' }
  | { readonly type: 'PortGone' }
  | { readonly type: 'Probe_Due' }
  | { readonly type: 'SettleTimer_Expires' }
  | { readonly type: 'LeaveTimer_Expires' }
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
}

/** What the step may know of the world beside the handover itself. */
export interface HandoverContext {
  readonly now: Now;
  readonly options: HandoverOptions;
  /** A peer shows a rival's claim that is newer than ours and stands. */
  readonly rivalStands: boolean;
  /** Any rival's route is visible, also a leaving or older one. */
  readonly rivalVisible: boolean;
  /** The endpoint's port exists and has its carrier. */
  readonly portAlive: boolean;
  /** The peers that hold our route for the address now. */
  readonly holders: readonly string[];
}

export type HandoverVerdict = 'accepted' | 'repeat' | 'early' | 'conflict';

export interface StepResult {
  readonly handover: Handover;
  /** On the frame that caused the step. */
  readonly verdict?: HandoverVerdict;
  /** Ask the VM through its port whether it lives here. */
  readonly sendProbe?: true;
}

type Of<Name extends EventName> = Extract<HandoverEvent, { type: Name }>;
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

// ---- cells -------------------------------------------------------------------------------------------------------------

/** The frame says nothing new, or the event has no bearing in this state. */
const ignore = (h: Handover): StepResult => ({ handover: h });

/** The event contradicts the state: a deadline belongs to one state and is void with it. */
const cannot = (h: Handover, event: HandoverEvent): StepResult => {
  assert(false, `${event.type} in state ${h.state}`);
};

/** Evidence that the VM runs here: a new claim, newer than every one ever seen. */
function claim(h: Handover, event: Of<'HeardLocal' | 'Answered'>, c: HandoverContext): StepResult {
  // What was captured before the sign that made us leave is older news than that sign: the probe that runs decides. A node that
  // never claimed has left nothing: `since` is then the moment at which the first frame was read, a little after it was captured.
  if (h.sequence > 0 && event.capturedAtMs < h.since.monotonicMs && c.rivalStands) return { handover: h, verdict: 'repeat' };
  return { handover: claimed(h, event.endpoint, event.type === 'Answered' ? 'probe' : event.kind, event.capturedAtMs, c), verdict: 'accepted' };
}

function claimed(h: Handover, endpoint: Endpoint, source: Source, evidenceAtMs: number, c: HandoverContext): Handover {
  const sequence = nextSequence(h.highestSeen, c.now);
  const { leaveAtMs: _l, probe: _p, early: _e, elsewhere: _w, manual: _m, ...rest } = h;
  return {
    ...rest, state: 'elevated', since: c.now, source, sequence, highestSeen: sequence, endpoint, evidenceAtMs,
    claimedAtMs: c.now.monotonicMs, settleAtMs: c.now.monotonicMs + c.options.elevatedForMs, gone: new Set(),
  };
}

/**
 * More of the same evidence: nothing changes on the wire; only the port may have. While the VM's own port lives, another port that
 * speaks with its MAC moves nothing.
 */
const renew: Cell<'HeardLocal'> = (h, event, c) => {
  if (h.endpoint !== undefined && event.endpoint.ifindex !== h.endpoint.ifindex && c.portAlive && event.shared !== true) {
    return { handover: { ...h, elsewhere: event.endpoint }, verdict: 'conflict' };
  }
  const repeat = event.capturedAtMs - h.claimedAtMs < c.options.debounceMs && event.endpoint.ifindex === h.endpoint?.ifindex;
  return {
    handover: { ...h, endpoint: event.endpoint, evidenceAtMs: Math.max(h.evidenceAtMs, event.capturedAtMs) },
    verdict: repeat ? 'repeat' : 'accepted',
  };
};

/** Too early to count; it claims when the rival leaves. */
const note: Cell<'HeardEarly'> = (h, event) => ({
  handover: { ...h, early: { endpoint: event.endpoint, kind: event.kind } },
  verdict: 'early',
});

const noteOnly: Cell<'HeardEarly'> = (h) => ({ handover: h, verdict: 'repeat' });

/** The VM answers here while a rival claims it: claim again once, as after a cancelled move; then it is a conflict. */
const reclaim: Cell<'Answered'> = (h, event, c) => {
  if (event.capturedAtMs < h.since.monotonicMs) return { handover: h };
  if (!c.rivalStands) return claim(h, event, c);
  const { monotonicMs } = c.now;
  if (h.reclaimedAtMs !== undefined && monotonicMs - h.reclaimedAtMs < reclaimPauseMs) {
    return { handover: h, verdict: 'conflict' };
  }
  const again = claim(h, event, c);
  return { ...again, handover: { ...again.handover, reclaimedAtMs: monotonicMs } };
};

/** First sign that the VM left: worse than any claim from now on, but still there, so that no router is without a route. */
function demoted(h: Handover, source: Source, c: HandoverContext, gone: ReadonlySet<string>): Handover {
  const { settleAtMs: _s, ...rest } = h;
  const wait = source === 'port-gone' ? c.options.portGoneGraceMs : c.options.withdrawAfterMs;
  const leaving: Handover = { ...rest, state: 'leaving', since: c.now, source, gone, leaveAtMs: c.now.monotonicMs + wait };
  return c.portAlive ? { ...leaving, probe: { sent: 0, atMs: c.now.monotonicMs } } : leaving;
}

const demoteByUplink: Cell<'HeardUplink'> = (h, event, c) =>
  event.capturedAtMs <= h.evidenceAtMs ? { handover: h, verdict: 'repeat' } : { handover: demoted(h, 'uplink', c, new Set()), verdict: 'accepted' };

const demoteByClaim: Cell<'RemoteNewer'> = (h, event, c) => ({ handover: shown(demoted(h, 'remote-claim', c, new Set()), event.peer, c) });

const demoteByPort: Cell<'PortGone'> = (h, _event, c) => {
  const leaving = demoted(h, 'port-gone', c, new Set());
  if (h.elsewhere === undefined) return { handover: leaving };
  const { elsewhere, ...rest } = leaving;
  return { handover: { ...rest, ...(elsewhere === undefined ? {} : { endpoint: elsewhere }), probe: { sent: 0, atMs: c.now.monotonicMs } } };
};

/** This peer has the newer claim itself and needs ours no more; when no peer needs it, it is gone. */
const release: Cell<'RemoteNewer'> = (h, event, c) => ({ handover: shown(h, event.peer, c) });

function shown(h: Handover, peer: string, c: HandoverContext): Handover {
  if (h.gone.has(peer)) return h;
  const gone = new Set(h.gone).add(peer);
  const leaving = { ...h, gone };
  return c.holders.every((holder) => gone.has(holder)) ? withdrawn(leaving, c) : leaving;
}

function withdrawn(h: Handover, c: HandoverContext): Handover {
  const { leaveAtMs: _l, settleAtMs: _s, probe: _p, manual: _m, ...rest } = h;
  const next: Handover = { ...rest, state: 'withdrawn', since: c.now, gone: new Set() };
  // A paused VM is silent: as long as its port lives it is asked, more and more slowly, whether it runs again.
  return c.portAlive ? { ...next, probe: { sent: probesBeforeWithdraw, atMs: c.now.monotonicMs + 1000 } } : next;
}

const withdraw: Cell<'LeaveTimer_Expires'> = (h, _event, c) => ({ handover: withdrawn(h, c) });

/** The port went while we were leaving for another reason: nobody is left to ask, the shorter wait counts. */
const hasten: Cell<'PortGone'> = (h, _event, c) => {
  const { probe: _p, ...rest } = h;
  const graceEnds = c.now.monotonicMs + c.options.portGoneGraceMs;
  return { handover: { ...rest, leaveAtMs: Math.min(h.leaveAtMs ?? graceEnds, graceEnds) } };
};

const stopProbing: Cell<'PortGone'> = (h) => {
  const { probe: _p, early: _e, ...rest } = h;
  return { handover: rest };
};

const probe: Cell<'Probe_Due'> = (h, _event, c) => {
  assert(h.probe !== undefined, 'a probe is due that was never planned');
  const { probe: planned, ...rest } = h;
  if (!c.portAlive) return { handover: rest };
  const sent = planned.sent + 1;
  if (h.state === 'leaving') {
    const next = { sent, atMs: c.now.monotonicMs + c.options.withdrawAfterMs / probesBeforeWithdraw };
    return { handover: sent < probesBeforeWithdraw ? { ...rest, probe: next } : rest, sendProbe: true };
  }
  const pause = Math.min(slowestProbeMs, 1000 * 2 ** (sent - probesBeforeWithdraw));
  return { handover: { ...rest, probe: { sent, atMs: c.now.monotonicMs + pause } }, sendProbe: true };
};

/** The rival gave up or vanished: what spoke too early counts now, and a VM that was cancelled back to us is asked at once. */
const takeBack: Cell<'RivalGone'> = (h, _event, c) => {
  if (h.early !== undefined) return { handover: claimed(h, h.early.endpoint, h.early.kind, c.now.monotonicMs, c) };
  return askAgain(h, _event, c);
};

const askAgain: Cell<'RivalGone'> = (h, _event, c) =>
  h.endpoint !== undefined && c.portAlive ? { handover: { ...h, probe: { sent: 0, atMs: c.now.monotonicMs } } } : { handover: h };

/** Profile `window` alone changes something on the wire here; while a rival is visible nothing settles. */
const settle: Cell<'SettleTimer_Expires'> = (h, _event, c) => {
  if (c.rivalVisible) return { handover: { ...h, settleAtMs: c.now.monotonicMs + 1000 } };
  const { settleAtMs: _s, ...rest } = h;
  return { handover: { ...rest, state: 'normal', since: c.now } };
};

const manualAnnounce: Cell<'OperatorAnnounces'> = (h, _event, c) => {
  const sequence = nextSequence(h.highestSeen, c.now);
  const { leaveAtMs: _l, settleAtMs: _s, probe: _p, ...rest } = h;
  return {
    handover: {
      ...rest, state: 'manual', since: c.now, source: 'manual', sequence, highestSeen: sequence,
      claimedAtMs: c.now.monotonicMs, gone: new Set(), manual: { mode: 'announce' },
    },
  };
};

const manualWithdraw: Cell<'OperatorWithdraws'> = (h, event, c) => {
  const { leaveAtMs: _l, settleAtMs: _s, probe: _p, ...rest } = h;
  const manual = event.untilMs === undefined ? { mode: 'withdraw' as const } : { mode: 'withdraw' as const, untilMs: event.untilMs };
  return { handover: { ...rest, state: 'manual', since: c.now, source: 'manual', gone: new Set(), manual } };
};

/** Back to what the evidence says: the VM is asked at once. */
const autoAgain: Cell<'OperatorReleases'> = (h, _event, c) => {
  const freed = withdrawn(h, c);
  return { handover: c.portAlive && h.endpoint !== undefined ? { ...freed, probe: { sent: 0, atMs: c.now.monotonicMs } } : freed };
};

/** Under manual override evidence is kept, so that `auto` knows where to ask, and changes nothing. */
const keepEndpoint: Cell<'HeardLocal'> = (h, event) => ({
  handover: { ...h, endpoint: event.endpoint, evidenceAtMs: event.capturedAtMs },
  verdict: 'repeat',
});

// ---- the table ---------------------------------------------------------------------------------------------------------

export const transitions: { readonly [Name in EventName]: Readonly<Record<State, Cell<Name>>> } = {
  HeardLocal:          { withdrawn: claim,         elevated: renew,          normal: renew,          leaving: claim,      manual: keepEndpoint },
  HeardEarly:          { withdrawn: note,          elevated: noteOnly,       normal: noteOnly,       leaving: note,       manual: noteOnly },
  HeardUplink:         { withdrawn: ignore,        elevated: demoteByUplink, normal: demoteByUplink, leaving: ignore,     manual: ignore },
  Answered:            { withdrawn: reclaim,       elevated: ignore,         normal: ignore,         leaving: reclaim,    manual: ignore },
  RemoteNewer:         { withdrawn: ignore,        elevated: demoteByClaim,  normal: demoteByClaim,  leaving: release,    manual: ignore },
  RivalGone:           { withdrawn: takeBack,      elevated: ignore,         normal: ignore,         leaving: takeBack,   manual: ignore },
  PortGone:            { withdrawn: stopProbing,   elevated: demoteByPort,   normal: demoteByPort,   leaving: hasten,     manual: ignore },
  Probe_Due:           { withdrawn: probe,         elevated: cannot,         normal: cannot,         leaving: probe,      manual: cannot },
  SettleTimer_Expires: { withdrawn: cannot,        elevated: settle,         normal: cannot,         leaving: cannot,     manual: cannot },
  LeaveTimer_Expires:  { withdrawn: cannot,        elevated: cannot,         normal: cannot,         leaving: withdraw,   manual: cannot },
  OperatorAnnounces:   { withdrawn: manualAnnounce, elevated: manualAnnounce, normal: manualAnnounce, leaving: manualAnnounce, manual: manualAnnounce },
  OperatorWithdraws:   { withdrawn: manualWithdraw, elevated: manualWithdraw, normal: manualWithdraw, leaving: manualWithdraw, manual: manualWithdraw },
  OperatorReleases:    { withdrawn: ignore,        elevated: ignore,         normal: ignore,         leaving: ignore,     manual: autoAgain },
};

/** One step: looks up the cell and runs it. Pure. */
export function stepHandover(h: Handover, event: HandoverEvent, context: HandoverContext): StepResult {
  const cell = transitions[event.type][h.state] as (h: Handover, event: HandoverEvent, c: HandoverContext) => StepResult;
  return cell(h, event, context);
}

/** The earliest deadline of a handover in monotonic milliseconds, or `undefined`. */
export function handoverDeadline(h: Handover): number | undefined {
  let next: number | undefined;
  for (const at of [h.settleAtMs, h.leaveAtMs, h.probe?.atMs, h.manual?.untilMs]) {
    if (at !== undefined && (next === undefined || at < next)) next = at;
  }
  return next;
}

/** The event of a deadline that has passed, the most decisive first; `undefined` when none has. */
export function dueEvent(h: Handover, monotonicMs: number): HandoverEvent | undefined {
  if (h.leaveAtMs !== undefined && h.leaveAtMs <= monotonicMs) return { type: 'LeaveTimer_Expires' };
  if (h.settleAtMs !== undefined && h.settleAtMs <= monotonicMs) return { type: 'SettleTimer_Expires' };
  if (h.manual?.untilMs !== undefined && h.manual.untilMs <= monotonicMs) return { type: 'OperatorReleases' };
  if (h.probe !== undefined && h.probe.atMs <= monotonicMs) return { type: 'Probe_Due' };
  return undefined;
}

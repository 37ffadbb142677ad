import { assert } from '../net/assert.ts';
import { nextSequence, takeBackAhead } from './claim.ts';
import { isFlapping, lose, partWith, regain, type Episode } from './flap.ts';
import {
  probesBeforeWithdraw, reclaimPauseMs, slowestProbeMs,
  type Cell, type Evidence, type Handover, type HandoverContext, type HandoverEvent, type Of, type StepResult,
} from './handover-contract.ts';
import { freeze, waitForGate } from './handover-hold.ts';

// What happens while nothing is held. A cell is a small pure function: it says what becomes of the handover, and what the frame was worth.

/** The frame says nothing new, or the event has no bearing in this state. */
export const ignore = (h: Handover): StepResult => ({ handover: h });

/** The event contradicts the state: a deadline belongs to one state and is void with it. */
export const cannot = (h: Handover, event: HandoverEvent): StepResult => {
  assert(false, `${event.type} in state ${h.state}`);
};

// ---- claiming ----------------------------------------------------------------------------------------------------------

/** Evidence that the VM runs here: a new claim, newer than every one ever seen. */
export function claim(h: Handover, event: Of<'HeardLocal' | 'Answered'>, c: HandoverContext): StepResult {
  // What was captured before the sign that made us leave is older news than that sign: the probe that runs decides. A node that
  // never claimed has left nothing: `since` is then the moment at which the first frame was read, a little after it was captured.
  if (h.sequence > 0 && event.capturedAtMs < h.since.monotonicMs && c.rivalStands) {
    if (event.endpoint.ifindex === h.endpoint?.ifindex) return { handover: h, verdict: 'repeat' };
    // It came back by another port in that very moment, perhaps, and may never speak again: it is asked there.
    return { handover: { ...h, endpoint: event.endpoint, probe: { sent: 0, atMs: c.now.monotonicMs } }, verdict: 'repeat' };
  }
  return take(h, { endpoint: event.endpoint, source: event.type === 'Answered' ? 'probe' : event.kind, capturedAtMs: event.capturedAtMs }, c);
}

/** The VM answers here while a rival claims it: claim again once, as after a cancelled move; then it is a conflict, and frozen. */
export const reclaim: Cell<'Answered'> = (h, event, c) => {
  if (event.capturedAtMs < h.since.monotonicMs) return { handover: h };
  if (!c.rivalStands) return claim(h, event, c);
  const { monotonicMs } = c.now;
  const evidence: Evidence = { endpoint: event.endpoint, source: 'probe', capturedAtMs: event.capturedAtMs };
  if (c.gateOpen && h.reclaimedAtMs !== undefined && monotonicMs - h.reclaimedAtMs < reclaimPauseMs) {
    return freeze(h, evidence, 'conflict', episodeOf(h, evidence, c), c);
  }
  const again = take(h, evidence, c);
  return again.verdict === 'accepted' ? { ...again, handover: { ...again.handover, reclaimedAtMs: monotonicMs } } : again;
};

/** A tie may stay where a router prefers the older of equals: our VM is asked, and if it lives here, the next sequence ends the tie. */
export const askInTie: Cell<'TieSeen'> = (h, _event, c) => (c.portAlive ? { handover: { ...h, tied: true }, sendProbe: true } : { handover: h });

/** The VM of a claim that stands answers: nothing new, except in a tie. */
export const outbid: Cell<'Answered'> = (h, event, c) => {
  if (h.tied !== true || !c.gateOpen || event.capturedAtMs < h.since.monotonicMs) return { handover: h };
  return take(h, { endpoint: event.endpoint, source: 'probe', capturedAtMs: event.capturedAtMs }, c);
};

/** On the way to a claim stand the policy gate of the port, and the rule against flapping. */
export function take(h: Handover, evidence: Evidence, c: HandoverContext): StepResult {
  if (!c.gateOpen) return waitForGate(h, evidence, c);
  const episode = episodeOf(h, evidence, c);
  if (c.rivalStands && isFlapping(episode, c.options.flap)) return freeze(h, evidence, 'flap', episode, c);
  return { handover: claimed(h, evidence, episode, c), verdict: 'accepted' };
}

function episodeOf(h: Handover, { endpoint, source }: Evidence, c: HandoverContext): Episode | undefined {
  if (h.episode === undefined && !c.rivalStands) return undefined;
  return regain(h.episode, {
    ifindex: endpoint.ifindex, answered: source === 'probe', rivalStands: c.rivalStands, silentMs: c.options.withdrawAfterMs,
  }, c.now.monotonicMs, c.options.flap);
}

/** The claim itself. */
export function claimed(h: Handover, evidence: Evidence, episode: Episode | undefined, c: HandoverContext): Handover {
  const sequence = nextSequence(h.highestSeen, c.now, h.state === 'leaving' || evidence.source === 'probe' ? takeBackAhead : 0);
  const { leaveAtMs: _l, probe: _p, early: _e, elsewhere: _w, manual: _m, hold: _h, episode: _o, tied: _t, ...rest } = h;
  return {
    ...rest, state: 'elevated', since: c.now, source: evidence.source, sequence, highestSeen: sequence, endpoint: evidence.endpoint,
    evidenceAtMs: evidence.capturedAtMs, claimedAtMs: c.now.monotonicMs, settleAtMs: c.now.monotonicMs + c.options.elevatedForMs,
    gone: new Set(), ...(episode === undefined ? {} : { episode }),
  };
}

/**
 * More of the same evidence: nothing changes on the wire; only the port may have. While the VM's own port lives, another port that
 * speaks with its MAC moves nothing.
 */
export const renew: Cell<'HeardLocal'> = (h, event, c) => {
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
export const note: Cell<'HeardEarly'> = (h, event) => ({
  handover: { ...h, early: { endpoint: event.endpoint, kind: event.kind } },
  verdict: 'early',
});

export const noteOnly: Cell<'HeardEarly'> = (h) => ({ handover: h, verdict: 'repeat' });

// ---- leaving -----------------------------------------------------------------------------------------------------------

/** First sign that the VM left: worse than any claim from now on, but still there, so that no router is without a route. */
export function demoted(h: Handover, source: 'uplink' | 'remote-claim' | 'port-gone', c: HandoverContext): Handover {
  const { settleAtMs: _s, hold: _h, episode: _o, ...rest } = h;
  const nowMs = c.now.monotonicMs;
  const episode = source === 'port-gone' ? partWith(h.episode)
    : c.portAlive && h.endpoint !== undefined ? lose(h.episode, h.endpoint.ifindex, nowMs, c.options.flap) : h.episode;
  const wait = source === 'port-gone' ? c.options.portGoneGraceMs : c.options.withdrawAfterMs;
  const leaving: Handover = {
    ...rest, state: 'leaving', since: c.now, source, gone: new Set(), leaveAtMs: nowMs + wait, ...(episode === undefined ? {} : { episode }),
  };
  return c.portAlive || h.elsewhere !== undefined ? { ...leaving, probe: { sent: 0, atMs: nowMs } } : leaving;
}

export const demoteByUplink: Cell<'HeardUplink'> = (h, event, c) =>
  event.capturedAtMs <= h.evidenceAtMs ? { handover: h, verdict: 'repeat' } : { handover: demoted(h, 'uplink', c), verdict: 'accepted' };

export const demoteByClaim: Cell<'RemoteNewer'> = (h, event, c) => {
  const leaving = demoted(h, 'remote-claim', c);
  // What spoke behind another port here may be newer than that claim: the route stays until the VM has been asked.
  return { handover: h.elsewhere === undefined ? shown(leaving, event.peer, c) : leaving };
};

export const demoteByPort: Cell<'PortGone'> = (h, _event, c) => {
  const leaving = demoted(h, 'port-gone', c);
  if (h.elsewhere === undefined) return { handover: leaving };
  const { elsewhere, ...rest } = leaving;
  return { handover: { ...rest, ...(elsewhere === undefined ? {} : { endpoint: elsewhere }), probe: { sent: 0, atMs: c.now.monotonicMs } } };
};

/** This peer has the newer claim itself and needs ours no more; when no peer needs it, it is gone. */
export const release: Cell<'RemoteNewer'> = (h, event, c) => ({ handover: shown(h, event.peer, c) });

function shown(h: Handover, peer: string, c: HandoverContext): Handover {
  if (h.gone.has(peer)) return h;
  const gone = new Set(h.gone).add(peer);
  const leaving = { ...h, gone };
  return c.holders.every((holder) => gone.has(holder)) ? withdrawn(leaving, c) : leaving;
}

export function withdrawn(h: Handover, c: HandoverContext): Handover {
  const { leaveAtMs: _l, settleAtMs: _s, probe, manual: _m, hold: _h, ...rest } = h;
  const next: Handover = { ...rest, state: 'withdrawn', since: c.now, gone: new Set() };
  // As long as its port lives the VM is asked whether it runs: what was begun while leaving goes on, then more and more slowly, for a
  // paused VM is silent.
  return c.portAlive || h.elsewhere !== undefined ? { ...next, probe: probe ?? { sent: probesBeforeWithdraw, atMs: c.now.monotonicMs + 1000 } } : next;
}

export const withdraw: Cell<'LeaveTimer_Expires'> = (h, _event, c) => ({ handover: withdrawn(h, c) });

/** The port went while we were leaving for another reason: nobody is left to ask, the shorter wait counts. */
export const hasten: Cell<'PortGone'> = (h, _event, c) => {
  const graceEnds = c.now.monotonicMs + c.options.portGoneGraceMs;
  return { handover: { ...otherPort(h, c) ?? unasked(h), leaveAtMs: Math.min(h.leaveAtMs ?? graceEnds, graceEnds) } };
};

export const stopProbing: Cell<'PortGone'> = (h, _event, c) => {
  const { early: _e, ...rest } = otherPort(h, c) ?? unasked(h);
  return { handover: rest };
};

/** Another port has spoken with the VM's MAC: it is asked there. */
function otherPort({ elsewhere, ...rest }: Handover, c: HandoverContext): Handover | undefined {
  return elsewhere === undefined ? undefined : { ...rest, endpoint: elsewhere, probe: { sent: 0, atMs: c.now.monotonicMs } };
}

function unasked(h: Handover): Handover {
  const { probe: _p, episode: _o, ...rest } = h;
  const episode = partWith(h.episode);
  return episode === undefined ? rest : { ...rest, episode };
}

/** No rule lets this node speak for the address any more, whatever it shows: it goes at once, and nobody is asked. */
export const disown: Cell<'GroundLost'> = (h, _event, c) => {
  const { early: _e, elsewhere: _w, ...rest } = unasked(h);
  return { handover: h.state === 'withdrawn' ? rest : { ...withdrawn(rest, { ...c, portAlive: false }), source: 'none' } };
};

export const probe: Cell<'Probe_Due'> = (h, _event, c) => {
  assert(h.probe !== undefined, 'a probe is due that was never planned');
  const { probe: planned, ...known } = h;
  const rest = inTurn(known, c);
  if (rest === undefined) return { handover: known };
  const sent = planned.sent + 1;
  if (h.state === 'leaving' && sent >= probesBeforeWithdraw) return { handover: rest, sendProbe: true };
  const pause = sent < probesBeforeWithdraw ? c.options.withdrawAfterMs / probesBeforeWithdraw
    : Math.min(slowestProbeMs, 1000 * 2 ** (sent - probesBeforeWithdraw));
  return { handover: { ...rest, probe: { sent, atMs: c.now.monotonicMs + pause } }, sendProbe: true };
};

/**
 * Where the VM is asked next: `undefined` where nobody is left. One that has left may be back behind another port that has spoken with its MAC
 * while the old one was kept; then both are asked in turn, for either may be a forger's.
 */
function inTurn(h: Handover, c: HandoverContext): Handover | undefined {
  const { elsewhere, ...rest } = h;
  if (elsewhere === undefined || (h.state !== 'leaving' && h.state !== 'withdrawn')) return c.portAlive ? h : undefined;
  return c.portAlive && h.endpoint !== undefined ? { ...rest, endpoint: elsewhere, elsewhere: h.endpoint } : { ...rest, endpoint: elsewhere };
}

/** The rival gave up or vanished: what spoke too early counts now, and a VM that was cancelled back to us is asked at once. */
export const takeBack: Cell<'RivalGone'> = (h, _event, c) => {
  if (h.early !== undefined && c.earlyAlive) {
    return take(h, { endpoint: h.early.endpoint, source: h.early.kind, capturedAtMs: c.now.monotonicMs }, c);
  }
  return { handover: asked(h, c) };
};

/** Asks the VM at once, if there is a port to ask it behind. */
export function asked(h: Handover, c: HandoverContext): Handover {
  return h.endpoint !== undefined && c.portAlive ? { ...h, probe: { sent: 0, atMs: c.now.monotonicMs } } : h;
}

/** Profile `window` alone changes something on the wire here; while a rival is visible nothing settles. */
export const settle: Cell<'SettleTimer_Expires'> = (h, _event, c) => {
  if (c.rivalVisible) return { handover: { ...h, settleAtMs: c.now.monotonicMs + 1000 } };
  const { settleAtMs: _s, ...rest } = h;
  return { handover: { ...rest, state: 'normal', since: c.now } };
};

// ---- by hand -----------------------------------------------------------------------------------------------------------

export const manualAnnounce: Cell<'OperatorAnnounces'> = (h, _event, c) => {
  const sequence = nextSequence(h.highestSeen, c.now);
  return {
    handover: {
      ...bare(h), state: 'manual', since: c.now, source: 'manual', sequence, highestSeen: sequence,
      claimedAtMs: c.now.monotonicMs, gone: new Set(), manual: { mode: 'announce' },
    },
  };
};

export const manualWithdraw: Cell<'OperatorWithdraws'> = (h, event, c) => {
  const manual = event.untilMs === undefined ? { mode: 'withdraw' as const } : { mode: 'withdraw' as const, untilMs: event.untilMs };
  return { handover: { ...bare(h), state: 'manual', since: c.now, source: 'manual', gone: new Set(), manual } };
};

/** Without deadlines and without a hold: an operator's word stands above them. */
function bare(h: Handover): Handover {
  const { leaveAtMs: _l, settleAtMs: _s, probe: _p, hold: _h, ...rest } = h;
  return rest;
}

/** Back to what the evidence says: the VM is asked at once. */
export const autoAgain: Cell<'OperatorReleases'> = (h, _event, c) => ({ handover: asked(withdrawn(h, c), c) });

/** Under manual override evidence is kept, so that `auto` knows where to ask, and changes nothing. */
export const keepEndpoint: Cell<'HeardLocal'> = (h, event) => ({
  handover: { ...h, endpoint: event.endpoint, evidenceAtMs: event.capturedAtMs },
  verdict: 'repeat',
});

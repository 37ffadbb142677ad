import { assert } from '../net/assert.ts';
import { isFuture, nextSequence } from './claim.ts';
import { asked, claimed, demoteByPort, demoted, take, withdrawn } from './handover-cells.ts';
import { probesBeforeWithdraw, type Cell, type Evidence, type Handover, type HandoverContext, type Hold, type StepResult } from './handover-contract.ts';

// What happens in state `held`. `gate`: evidence waits for the policy of its port. Frozen (`flap`, `conflict`): the winner stands by its
// claim (hold.level `elevated`), the other says nothing (or is still on its way out: `leaving`).

/** Frames of a VM that is held: kept as evidence, and nothing changes on the wire. */
export const heardWhileHeld: Cell<'HeardLocal'> = (h, event, c) => {
  const hold = holdOf(h);
  if (hold.why === 'gate') {
    // As with a claim that stands: while the port that waits lives, another that speaks with its MAC moves nothing.
    if (h.endpoint !== undefined && event.endpoint.ifindex !== h.endpoint.ifindex && c.portAlive && event.shared !== true) {
      return { handover: { ...h, elsewhere: event.endpoint }, verdict: 'conflict' };
    }
    const since = hold.evidence?.capturedAtMs ?? event.capturedAtMs;
    const evidence = { endpoint: event.endpoint, source: event.kind, capturedAtMs: since };
    const waiting: Handover = { ...h, endpoint: event.endpoint, evidenceAtMs: event.capturedAtMs, hold: { ...hold, evidence } };
    // The gate of this port may be open, and nobody would ask it again.
    return c.gateOpen ? take(waiting, evidence, c) : { handover: waiting, verdict: 'gated' };
  }
  // Only a claim that stands ties the VM to its port: while we announce nothing, it is asked where it was heard last.
  if (hold.level === 'elevated' && h.endpoint !== undefined && event.endpoint.ifindex !== h.endpoint.ifindex && c.portAlive && event.shared !== true) {
    return { handover: { ...h, elsewhere: event.endpoint }, verdict: 'conflict' };
  }
  const { probe: _p, ...rest } = h;
  const heard: Handover = { ...rest, endpoint: event.endpoint, evidenceAtMs: Math.max(h.evidenceAtMs, event.capturedAtMs) };
  if (hold.level !== 'elevated' && !c.rivalStands && c.gateOpen) return standIn(heard, hold, event.kind, c);
  return { handover: heard, verdict: hold.level === 'elevated' ? 'repeat' : 'held' };
};

/** Heard elsewhere after it was heard here: the claim that waited for its gate is void. A frozen address does not move. */
export const uplinkWhileHeld: Cell<'HeardUplink'> = (h, event, c) => {
  if (holdOf(h).why !== 'gate') return { handover: h, verdict: 'held' };
  return event.capturedAtMs <= h.evidenceAtMs ? { handover: h, verdict: 'repeat' } : { handover: drop(h, c), verdict: 'accepted' };
};

/** The winner's VM lives: no more questions. The other's claims where nobody else does. */
export const answeredWhileHeld: Cell<'Answered'> = (h, event, c) => {
  const hold = holdOf(h);
  if (hold.why === 'gate') return { handover: h, verdict: 'gated' };
  const { probe: _p, ...rest } = h;
  if (hold.level === 'elevated') return { handover: rest };
  return c.rivalStands || !c.gateOpen ? { handover: h, verdict: 'held' } : standIn({ ...rest, endpoint: event.endpoint, evidenceAtMs: event.capturedAtMs }, hold, 'probe', c);
};

/**
 * A live VM is not left without a route because another node had the address before and is gone, or because both sides took the other for
 * that one: while no other claim stands, this one does. It gives way to the first that is newer, so that one of two stays.
 */
function standIn(h: Handover, hold: Hold, source: Handover['source'], c: HandoverContext): StepResult {
  const { leaveAtMs: _l, ...rest } = h;
  const sequence = nextSequence(h.highestSeen, c.now);
  return {
    handover: {
      ...rest, source, sequence, highestSeen: sequence, claimedAtMs: c.now.monotonicMs, gone: new Set(), hold: { ...hold, level: 'elevated', standsIn: true },
    },
    verdict: 'accepted',
  };
}

/** The other side gave up: the VM of the one that does not claim is asked. */
export const rivalGoneWhileHeld: Cell<'RivalGone'> = (h, _event, c) => {
  const { why, level } = holdOf(h);
  return { handover: why === 'gate' || level === 'elevated' ? h : asked(h, c) };
};

/**
 * A rival's claim while held. One that is newer than our evidence takes the place of what waits for its gate. The frozen winner does not
 * move for it, but asks its VM: only one that is silent has left.
 */
export const remoteWhileHeld: Cell<'RemoteNewer'> = (h, event, c) => {
  const hold = holdOf(h);
  if (hold.why === 'gate') return { handover: h.highestSeen > hold.seen ? drop(h, c) : h };
  if (hold.standsIn) {
    const { standsIn: _s, ...frozen } = hold;
    return { handover: { ...h, gone: new Set([event.peer]), leaveAtMs: c.now.monotonicMs + c.options.withdrawAfterMs, hold: { ...frozen, level: 'leaving' } } };
  }
  if (hold.level === 'elevated') return { handover: h.probe === undefined ? asked(h, c) : h };
  if (hold.level === undefined || h.gone.has(event.peer)) return { handover: h };
  const gone = new Set(h.gone).add(event.peer);
  return { handover: c.holders.every((holder) => gone.has(holder)) ? quiet(h, hold) : { ...h, gone } };
};

export const portGoneWhileHeld: Cell<'PortGone'> = (h, event, c) => {
  const hold = holdOf(h);
  if (hold.why === 'gate') {
    const { elsewhere, ...rest } = h;
    const dropped = drop(rest, c);
    return { handover: elsewhere === undefined ? dropped : { ...dropped, endpoint: elsewhere, probe: { sent: 0, atMs: c.now.monotonicMs } } };
  }
  return hold.level === 'elevated' ? demoteByPort(h, event, c) : { handover: h };
};

/** The winner asks after a rival's newer claim, and its VM's silence ends the hold; the other asks when no claim stands any more. */
export const probeWhileHeld: Cell<'Probe_Due'> = (h, _event, c) => {
  assert(h.probe !== undefined, 'a probe is due while held that was never planned');
  const { probe: planned, ...rest } = h;
  if (!c.portAlive) return { handover: rest };
  if (planned.sent >= probesBeforeWithdraw) return { handover: holdOf(h).level === 'elevated' ? demoted(rest, 'remote-claim', c) : rest };
  const atMs = c.now.monotonicMs + c.options.withdrawAfterMs / probesBeforeWithdraw;
  return { handover: { ...rest, probe: { sent: planned.sent + 1, atMs } }, sendProbe: true };
};

/** What was on its way out when it was frozen is gone now. */
export const withdrawWhileHeld: Cell<'LeaveTimer_Expires'> = (h) => ({ handover: quiet(h, holdOf(h)) });

/** The policy of the port is in force: what waited claims. */
export const gateOpened: Cell<'GateOpened'> = (h, _event, c) => {
  const { why, evidence } = holdOf(h);
  return why === 'gate' && evidence !== undefined ? letOut(h, evidence, c) : { handover: h };
};

/** `gate.onTimeout`: `open` claims all the same; `closed` waits on, for a gate that opens late opens all the same. */
export const gateTimedOut: Cell<'GateTimer_Expires'> = (h, _event, c) => {
  const { untilMs: _u, ...hold } = holdOf(h);
  assert(hold.why === 'gate' && hold.evidence !== undefined, 'a gate timed out that holds nothing');
  return c.gate.onTimeout === 'open' ? letOut(h, hold.evidence, c) : { handover: { ...h, hold } };
};

/** What waited claims; another port that spoke meanwhile is asked when this one goes. */
function letOut(h: Handover, evidence: Evidence, c: HandoverContext): StepResult {
  const taken = take(h, evidence, { ...c, gateOpen: true });
  return h.elsewhere === undefined ? taken : { ...taken, handover: { ...taken.handover, elsewhere: h.elsewhere } };
}

/** The time is over: the winner goes on as with any claim; the other asks its VM, and an answer claims. */
export const thaw: Cell<'HoldEnds'> = (h, _event, c) => ({ handover: thawed(h, c) });

/** `clear` lifts a hold after a conflict or flap, and forgets what was remembered of sequences. */
export const clearHeld: Cell<'OperatorClears'> = (h, _event, c) => {
  const known = forget(h);
  return { handover: holdOf(h).why === 'gate' ? known : renewed(thawed(known, c), c) };
};

/** `clear` where nothing is held. A claim that stands on a sequence which nobody can have reached is made anew. */
export const clearMemory: Cell<'OperatorClears'> = (h, _event, c) => ({ handover: renewed(forget(h), c) });

function thawed(h: Handover, c: HandoverContext): Handover {
  const { hold, episode: _e, reclaimedAtMs: _r, leaveAtMs: _l, probe: _p, ...rest } = h;
  if (hold?.level !== 'elevated') return asked(withdrawn(rest, c), c);
  const standing: Handover = { ...rest, state: 'elevated', since: c.now, settleAtMs: c.now.monotonicMs + c.options.elevatedForMs };
  return c.rivalStands ? demoted(standing, 'remote-claim', c) : standing;
}

/** Nothing remembered but what stands; what the peers show now is read again with the next event. */
function forget(h: Handover): Handover {
  const { episode: _e, reclaimedAtMs: _r, ...rest } = h;
  return { ...rest, highestSeen: h.state === 'withdrawn' ? 0 : h.sequence };
}

function renewed(h: Handover, c: HandoverContext): Handover {
  if (h.sequence === 0 || !isFuture(h.sequence, c.now)) return h;
  const sane = { ...h, highestSeen: 0, sequence: 0 };
  if (h.state === 'withdrawn') return sane;
  if ((h.state === 'elevated' || h.state === 'normal') && h.endpoint !== undefined) {
    return claimed(sane, { endpoint: h.endpoint, source: h.source, capturedAtMs: h.evidenceAtMs }, undefined, c);
  }
  const sequence = nextSequence(0, c.now);
  return { ...sane, sequence, highestSeen: sequence };
}

/** The claim that waited is void: back to where it waited from. */
function drop(h: Handover, c: HandoverContext): Handover {
  const { hold, ...rest } = h;
  return hold?.level === 'leaving' ? { ...rest, state: 'leaving', since: c.now } : withdrawn(rest, c);
}

/** Nothing is announced any more; the hold stays. */
function quiet(h: Handover, hold: Hold): Handover {
  const { leaveAtMs: _l, ...rest } = h;
  const { level: _v, ...held } = hold;
  return { ...rest, gone: new Set(), hold: held };
}

function holdOf(h: Handover): Hold {
  assert(h.hold !== undefined, 'held without a hold');
  return h.hold;
}


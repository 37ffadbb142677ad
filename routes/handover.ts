import {
  askInTie, autoAgain, cannot, claim, demoteByClaim, demoteByPort, demoteByUplink, disown, hasten, ignore, keepEndpoint, manualAnnounce, manualWithdraw, note, noteOnly, outbid,
  probe, reclaim, release, renew, settle, stopProbing, takeBack, withdraw,
} from './handover-cells.ts';
import type { Cell, EventName, Handover, HandoverContext, HandoverEvent, State, StepResult } from './handover-contract.ts';
import {
  answeredWhileHeld, clearHeld, clearMemory, gateOpened, gateTimedOut, heardWhileHeld, portGoneWhileHeld, probeWhileHeld, remoteWhileHeld,
  rivalGoneWhileHeld, thaw,
  uplinkWhileHeld, withdrawWhileHeld,
} from './handover-held.ts';

export * from './handover-contract.ts';

/**
 * The whole behaviour of an address on one node. `ignore` is a decision; `cannot` fails an assertion, for a deadline belongs to one state
 * and is void with it.
 */
export const transitions: { readonly [Name in EventName]: Readonly<Record<State, Cell<Name>>> } = {
  HeardLocal:          { withdrawn: claim,          held: heardWhileHeld,     elevated: renew,          normal: renew,          leaving: claim,          manual: keepEndpoint },
  HeardEarly:          { withdrawn: note,           held: noteOnly,           elevated: noteOnly,       normal: noteOnly,       leaving: note,           manual: noteOnly },
  HeardUplink:         { withdrawn: ignore,         held: uplinkWhileHeld,    elevated: demoteByUplink, normal: demoteByUplink, leaving: ignore,         manual: ignore },
  Answered:            { withdrawn: reclaim,        held: answeredWhileHeld,  elevated: outbid,         normal: outbid,         leaving: reclaim,        manual: ignore },
  RemoteNewer:         { withdrawn: ignore,         held: remoteWhileHeld,    elevated: demoteByClaim,  normal: demoteByClaim,  leaving: release,        manual: ignore },
  TieSeen:             { withdrawn: ignore,         held: ignore,             elevated: askInTie,       normal: askInTie,       leaving: ignore,         manual: ignore },
  RivalGone:           { withdrawn: takeBack,       held: rivalGoneWhileHeld, elevated: ignore,         normal: ignore,         leaving: takeBack,       manual: ignore },
  PortGone:            { withdrawn: stopProbing,    held: portGoneWhileHeld,  elevated: demoteByPort,   normal: demoteByPort,   leaving: hasten,         manual: ignore },
  GroundLost:          { withdrawn: disown,         held: disown,             elevated: disown,         normal: disown,         leaving: disown,         manual: disown },
  GateOpened:          { withdrawn: ignore,         held: gateOpened,         elevated: ignore,         normal: ignore,         leaving: ignore,         manual: ignore },
  Probe_Due:           { withdrawn: probe,          held: probeWhileHeld,     elevated: cannot,         normal: cannot,         leaving: probe,          manual: cannot },
  SettleTimer_Expires: { withdrawn: cannot,         held: cannot,             elevated: settle,         normal: cannot,         leaving: cannot,         manual: cannot },
  LeaveTimer_Expires:  { withdrawn: cannot,         held: withdrawWhileHeld,  elevated: cannot,         normal: cannot,         leaving: withdraw,       manual: cannot },
  GateTimer_Expires:   { withdrawn: cannot,         held: gateTimedOut,       elevated: cannot,         normal: cannot,         leaving: cannot,         manual: cannot },
  HoldEnds:            { withdrawn: cannot,         held: thaw,               elevated: cannot,         normal: cannot,         leaving: cannot,         manual: cannot },
  OperatorAnnounces:   { withdrawn: manualAnnounce, held: manualAnnounce,     elevated: manualAnnounce, normal: manualAnnounce, leaving: manualAnnounce, manual: manualAnnounce },
  OperatorWithdraws:   { withdrawn: manualWithdraw, held: manualWithdraw,     elevated: manualWithdraw, normal: manualWithdraw, leaving: manualWithdraw, manual: manualWithdraw },
  OperatorReleases:    { withdrawn: ignore,         held: ignore,             elevated: ignore,         normal: ignore,         leaving: ignore,         manual: autoAgain },
  OperatorClears:      { withdrawn: clearMemory,    held: clearHeld,          elevated: clearMemory,    normal: clearMemory,    leaving: clearMemory,    manual: clearMemory },
};

/** One step: looks up the cell and runs it. Pure. */
export function stepHandover(h: Handover, event: HandoverEvent, context: HandoverContext): StepResult {
  const cell = transitions[event.type][h.state] as (h: Handover, event: HandoverEvent, c: HandoverContext) => StepResult;
  return cell(h, event, context);
}

/** The earliest deadline of a handover in monotonic milliseconds, or `undefined`. */
export function handoverDeadline(h: Handover): number | undefined {
  let next: number | undefined;
  for (const at of [h.settleAtMs, h.leaveAtMs, h.probe?.atMs, h.manual?.untilMs, h.hold?.untilMs]) {
    if (at !== undefined && (next === undefined || at < next)) next = at;
  }
  return next;
}

/** The event of a deadline that has passed, the most decisive first; `undefined` when none has. */
export function dueEvent(h: Handover, monotonicMs: number): HandoverEvent | undefined {
  if (h.leaveAtMs !== undefined && h.leaveAtMs <= monotonicMs) return { type: 'LeaveTimer_Expires' };
  if (h.settleAtMs !== undefined && h.settleAtMs <= monotonicMs) return { type: 'SettleTimer_Expires' };
  if (h.hold?.untilMs !== undefined && h.hold.untilMs <= monotonicMs) return h.hold.why === 'gate' ? { type: 'GateTimer_Expires' } : { type: 'HoldEnds' };
  if (h.manual?.untilMs !== undefined && h.manual.untilMs <= monotonicMs) return { type: 'OperatorReleases' };
  if (h.probe !== undefined && h.probe.atMs <= monotonicMs) return { type: 'Probe_Due' };
  return undefined;
}

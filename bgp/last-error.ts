import type { Draft, MachineDraft } from './machine.ts';
import type { FsmState } from './session-contract.ts';

/** The other connection carries the session, or is about to: what becomes of this one is no trouble. */
function overshadowed({ state: { first, second } }: Draft, machine: MachineDraft): boolean {
  const other = machine === first ? second : first;
  return other?.state === 'Established' || other?.state === 'OpenConfirm';
}

/** Keeps what went wrong for `lastError`. */
export function remember(draft: Draft, machine: MachineDraft, text: string): void {
  if (overshadowed(draft, machine)) return;
  draft.state.fault = text;
  draft.state.lastError = { text, atMs: draft.now.wallMs };
}

/**
 * Keeps what explains nothing, as a failure to connect, behind the error that does: a router that refuses our AS may refuse TCP for a
 * while, too. @returns whether it is news.
 */
export function rememberBeside(draft: Draft, machine: MachineDraft, text: string): boolean {
  if (overshadowed(draft, machine)) return false;
  const { fault, lastError } = draft.state;
  const whole = fault === undefined ? text : `${fault}; since then: ${text}`;
  draft.state.lastError = { text: whole, atMs: draft.now.wallMs };
  return whole !== lastError?.text;
}

export function noteProblem(draft: Draft, text: string): void {
  draft.outputs.push({ type: 'note', note: { event: 'session.problem', text } });
}

/** A connection failed, or was closed by the peer. */
export function lost(draft: Draft, machine: MachineDraft, from: FsmState, reason: string): void {
  if (from === 'Established') {
    const text = `connection lost: ${reason}`;
    remember(draft, machine, text);
    return noteProblem(draft, text);
  }
  const text = from === 'Connect' ? `cannot connect: ${reason}`
    : from === 'OpenSent' ? `connection lost in OpenSent: ${reason} (our OPEN had no answer: is this speaker a neighbor there?)`
    : `connection lost in ${from}: ${reason}`;
  if (rememberBeside(draft, machine, text)) noteProblem(draft, text);
}

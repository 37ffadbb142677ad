import { assert } from '../net/assert.ts';
import type { Family, IpAddress } from '../net/ip.ts';
import type { Now } from '../net/time.ts';
import type { BgpError } from './errors.ts';
import { cellOf, type FsmEvent, type Step } from './fsm.ts';
import { negotiate, ownOpen } from './negotiate.ts';
import type { ConnectionId, FsmState, Negotiated, SessionOutput, SessionView } from './session-contract.ts';
import { Framer } from './wire/framer.ts';
import { standardMaxMessageLength } from './wire/header.ts';
import { errorCodes, errorSubcodes } from './wire/iana.ts';
import { encodeMessage } from './wire/message.ts';
import type { CodecContext, Message, NotificationMessage, OpenMessage, UpdateMessage } from './wire/messages.ts';
import { describeError, describeNotification, encodeShutdownCommunication } from './wire/notification.ts';

/** One TCP connection and its FSM (RFC 4271 section 8.2.1). All times are monotonic milliseconds. */
export interface Machine {
  readonly state: FsmState;
  readonly connection?: ConnectionId;
  readonly localAddress?: IpAddress;
  /** We dialled it; otherwise the peer did. */
  readonly dialled: boolean;
  readonly framer: Framer;
  /** From the peer's OPEN on. */
  readonly negotiated?: Negotiated;
  readonly connectRetryAtMs?: number;
  readonly holdAtMs?: number;
  readonly keepaliveAtMs?: number;
}

/** A session: the view that others have of it, and what only `session.ts` and its parts read. */
export interface SessionState extends SessionView {
  /** Dials, and in the end carries the session. */
  readonly first: Machine;
  /** A connection that the peer dialled meanwhile; which one stays is settled by section 6.8. */
  readonly second?: Machine;
  readonly stopped: boolean;
  /** When the next start is due (DampPeerOscillations). */
  readonly idleHoldAtMs?: number;
  /** OPENs that led nowhere, and sessions lost, since the session was last Established: the ConnectRetryCounter. */
  readonly failures: number;
  /** The session was Established in the life of this process: it restarts no more. */
  readonly opened: boolean;
  /** The last error that is more than a failure to connect; see `remember`. */
  readonly fault?: string;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
export type MachineDraft = Mutable<Machine>;

/** What one step of a session works on: copies, which become the new state. */
export interface Draft {
  readonly state: Mutable<Omit<SessionState, 'first' | 'second'>> & { first: MachineDraft; second?: MachineDraft };
  readonly outputs: SessionOutput[];
  readonly now: Now;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly newConnection: () => ConnectionId;
}

/** What an event brings along. */
export interface Carried {
  readonly error?: BgpError;
  readonly text?: string;
  readonly open?: OpenMessage;
  readonly update?: UpdateMessage;
  readonly refresh?: Family;
  readonly cease?: { readonly subcode: number; readonly message?: string; readonly silent?: boolean };
}

/** RFC 4271 section 8.2.2: the Hold Timer's large value while the peer's OPEN is awaited, in seconds. */
export const openHoldSeconds = 240;
/** The longest wait between attempts after failures in a row, in seconds (unless ConnectRetryTime itself is longer). */
export const slowestRetrySeconds = 60;
/** So many failures in a row cost one ConnectRetryTime each; then the wait doubles with each. */
export const patientFailures = 3;
/** RFC 4271 section 4.4: KEEPALIVEs are at least a second apart. */
const fastestKeepaliveSeconds = 1;

/** How OPENs, and all that comes before the peer's, are read and written. */
export const beforeOpen: CodecContext = { fourOctetAs: true, ibgp: false, maxMessageLength: standardMaxMessageLength };

export function newMachine(dialled: boolean): Machine {
  return { state: 'Idle', dialled, framer: new Framer() };
}

const order: readonly FsmState[] = ['Idle', 'Active', 'Connect', 'OpenSent', 'OpenConfirm', 'Established'];

/** The session is where the machine is that got further. */
function furthest({ first, second }: Draft['state']): FsmState {
  return second !== undefined && order.indexOf(second.state) > order.indexOf(first.state) ? second.state : first.state;
}

/** Looks the event up in the table and carries its steps out, in order. */
export function run(draft: Draft, machine: MachineDraft, event: FsmEvent, carried: Carried = {}): void {
  const { state } = draft;
  const from = machine.state;
  const before = state.fsm;
  const cell = cellOf(from, event);
  machine.state = cell.next;
  state.fsm = furthest(state);
  if (event === 'TcpConnectionFails' && from !== 'Idle') lost(draft, from, carried.text ?? 'closed by peer');
  if (state.fsm !== before) {
    state.sinceMs = draft.now.wallMs;
    const cause = carried.text === undefined ? event : `${event}: ${carried.text}`;
    draft.outputs.push({ type: 'note', note: { event: 'session.transition', from: before, to: state.fsm, cause } });
  }
  if (from === 'Established' && cell.next !== 'Established') delete state.negotiated;
  for (const step of cell.steps) perform(draft, machine, step, event, carried, from);
  if (from === 'Established' && cell.next !== 'Established') {
    draft.outputs.push({ type: 'down', reason: carried.text ?? carried.error?.message ?? event });
  }
  // A connection of the peer's leaves nothing behind.
  if (machine === state.second && machine.connection === undefined) delete state.second;
}

function perform(draft: Draft, machine: MachineDraft, step: Step, event: FsmEvent, carried: Carried, from: FsmState): void {
  const { state, now } = draft;
  const { options } = state;
  switch (step) {
    case 'resetConnectRetryCounter':
      state.failures = 0;
      return;
    case 'countConnectRetry':
      if (state.negotiated === undefined) state.failures += 1;
      return;
    case 'startConnectRetryTimer':
      if (machine === state.first) machine.connectRetryAtMs = now.monotonicMs + jitter(draft, options.connectRetrySeconds) * 1000;
      return;
    case 'stopConnectRetryTimer':
      delete machine.connectRetryAtMs;
      return;
    case 'dial':
      machine.dialled = true;
      machine.connection = draft.newConnection();
      draft.outputs.push({ type: 'dial', connection: machine.connection });
      return;
    case 'dropTcp':
      if (machine.connection !== undefined) draft.outputs.push({ type: 'close', connection: machine.connection });
      forgetConnection(machine);
      return;
    case 'sendOpen':
      write(draft, machine, ownOpen(options, !state.opened));
      return;
    case 'startOpenHoldTimer':
      machine.holdAtMs = now.monotonicMs + openHoldSeconds * 1000;
      return;
    case 'negotiate': {
      const { open } = carried;
      assert(open !== undefined && machine.connection !== undefined && machine.localAddress !== undefined, 'an OPEN without its connection');
      machine.negotiated = {
        ...negotiate(options, open), remoteIdentifier: open.bgpIdentifier, remoteCapabilities: open.capabilities,
        localAddress: machine.localAddress, connection: machine.connection,
      };
      return;
    }
    case 'sendKeepalive':
      write(draft, machine, { type: 'KEEPALIVE' });
      return;
    case 'startKeepaliveTimer':
      startKeepaliveTimer(draft, machine);
      return;
    case 'startHoldTimer': {
      const { holdTimeSeconds } = agreed(machine);
      if (holdTimeSeconds > 0) machine.holdAtMs = now.monotonicMs + holdTimeSeconds * 1000;
      else delete machine.holdAtMs;
      return;
    }
    case 'establish':
      establish(draft, machine);
      return;
    case 'deliverUpdate':
      assert(carried.update !== undefined, 'UpdateMsg without its UPDATE');
      draft.outputs.push({ type: 'update', update: carried.update });
      return;
    case 'deliverRefresh':
      if (carried.refresh !== undefined) draft.outputs.push({ type: 'refreshRequested', family: carried.refresh });
      return;
    case 'notifyError': {
      assert(carried.error !== undefined, `${event} without its error`);
      const { code, subcode, data, message } = carried.error;
      notify(draft, machine, code, subcode, data, message);
      return;
    }
    case 'notifyHoldTimerExpired':
      notify(draft, machine, errorCodes.holdTimerExpired, 0, undefined, `nothing heard for ${machine.negotiated?.holdTimeSeconds ?? openHoldSeconds} s`);
      return;
    case 'notifyFsmError': {
      const { inOpenSent, inOpenConfirm, inEstablished } = errorSubcodes.finiteStateMachine;
      const subcode = from === 'OpenSent' ? inOpenSent : from === 'OpenConfirm' ? inOpenConfirm : inEstablished;
      notify(draft, machine, errorCodes.finiteStateMachine, subcode, undefined, `${event} is not expected in ${from}`);
      return;
    }
    case 'notifyCease': {
      const { administrativeShutdown, administrativeReset } = errorSubcodes.cease;
      const { subcode, message, silent } = carried.cease ?? { subcode: administrativeShutdown };
      if (silent === true) return;
      const worded = message !== undefined && (subcode === administrativeShutdown || subcode === administrativeReset);
      notify(draft, machine, errorCodes.cease, subcode, worded ? encodeShutdownCommunication(message) : undefined);
      return;
    }
    case 'notifyCollision':
      notify(draft, machine, errorCodes.cease, errorSubcodes.cease.connectionCollisionResolution);
      return;
    case 'dampPeerOscillations':
      damp(draft);
      return;
  }
}

function agreed(machine: MachineDraft): Negotiated {
  assert(machine.negotiated !== undefined, 'nothing is agreed on before the peer\'s OPEN');
  return machine.negotiated;
}

/** Of two connections one is Established now: it carries the session, the other one has lost (section 6.8). */
function establish(draft: Draft, machine: MachineDraft): void {
  const { state } = draft;
  const other = machine === state.first ? state.second : state.first;
  state.negotiated = agreed(machine);
  if (other?.connection !== undefined) run(draft, other, 'OpenCollisionDump');
  state.first = machine;
  delete state.second;
  delete state.idleHoldAtMs;
  delete state.fault;
  state.failures = 0;
  state.opened = true;
  draft.outputs.push({ type: 'established' });
}

function damp(draft: Draft): void {
  const { state, now } = draft;
  // The other machine may be at work, or a start be planned already: a peer that dials us must not put off our own attempts.
  if (state.stopped || state.first.state !== 'Idle' || state.idleHoldAtMs !== undefined) return;
  const { connectRetrySeconds } = state.options;
  const bound = Math.max(connectRetrySeconds, slowestRetrySeconds);
  const wait = Math.min(bound, connectRetrySeconds * 2 ** Math.max(0, state.failures - patientFailures));
  state.idleHoldAtMs = now.monotonicMs + jitter(draft, wait) * 1000;
}

/** Restarted by each KEEPALIVE and UPDATE that is sent (section 8.2.2, Established). */
export function startKeepaliveTimer(draft: Draft, machine: MachineDraft): void {
  const { keepaliveSeconds } = agreed(machine);
  if (keepaliveSeconds > 0) machine.keepaliveAtMs = draft.now.monotonicMs + Math.max(fastestKeepaliveSeconds, jitter(draft, keepaliveSeconds)) * 1000;
  else delete machine.keepaliveAtMs;
}

/** RFC 4271 section 10: timers run 0.75 to 1.0 of their value, so that speakers don't march in step. */
function jitter(draft: Draft, seconds: number): number {
  return seconds * (0.75 + 0.25 * draft.random());
}

function forgetConnection(machine: MachineDraft): void {
  delete machine.connection;
  delete machine.localAddress;
  delete machine.negotiated;
  delete machine.holdAtMs;
  delete machine.keepaliveAtMs;
  machine.framer = new Framer();
}

function write(draft: Draft, machine: MachineDraft, message: Message): void {
  if (machine.connection === undefined) return;
  draft.outputs.push({ type: 'write', connection: machine.connection, bytes: encodeCounted(draft, machine, message) });
}

export function encodeCounted(draft: Draft, machine: MachineDraft, message: Message): Uint8Array {
  count(draft, 'sent', message.type);
  return encodeMessage(message, machine.negotiated?.context ?? beforeOpen);
}

export function count(draft: Draft, direction: 'sent' | 'received', type: Message['type']): void {
  const { messages } = draft.state;
  const counted = { ...messages[direction], [type]: (messages[direction][type] ?? 0) + 1 };
  draft.state.messages = direction === 'sent' ? { ...messages, sent: counted } : { ...messages, received: counted };
}

function notify(draft: Draft, machine: MachineDraft, code: number, subcode: number, data: Uint8Array = new Uint8Array(0), detail?: string): void {
  const notification: NotificationMessage = { type: 'NOTIFICATION', code, subcode, data };
  const text = detail === undefined ? describeNotification(notification) : describeError(code, subcode, detail);
  // Our own stop, and a collision, are no errors.
  if (code !== errorCodes.cease) remember(draft, text);
  draft.outputs.push({ type: 'note', note: { event: 'notification.sent', notification, text } });
  write(draft, machine, notification);
}

/** Keeps what went wrong for `lastError`. */
export function remember(draft: Draft, text: string): void {
  draft.state.fault = text;
  draft.state.lastError = { text, atMs: draft.now.wallMs };
}

/** A failure to connect is told beside the error that explains it: a router that refuses our AS may refuse TCP for a while, too. */
export function rememberBeside(draft: Draft, text: string): void {
  const { fault, lastError } = draft.state;
  const whole = fault === undefined ? text : `${fault}; since then: ${text}`;
  if (whole === lastError?.text) return;
  draft.state.lastError = { text: whole, atMs: draft.now.wallMs };
  draft.outputs.push({ type: 'note', note: { event: 'session.problem', text } });
}

function lost(draft: Draft, from: FsmState, reason: string): void {
  if (from === 'Connect') return rememberBeside(draft, `cannot connect: ${reason}`);
  const text = from === 'Established' ? `connection lost: ${reason}` : `connection lost in ${from}: ${reason}`;
  if (from !== 'Established') return rememberBeside(draft, text);
  remember(draft, text);
  draft.outputs.push({ type: 'note', note: { event: 'session.problem', text } });
}

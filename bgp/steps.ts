import { assert } from '../net/assert.ts';
import { countFailure, damp, jitter, pauseSeconds } from './back-off.ts';
import { cellOf, type FsmEvent, type Step } from './fsm.ts';
import { lost, remember } from './last-error.ts';
import type { Carried, Draft, MachineDraft } from './machine.ts';
import { negotiate, ownOpen } from './negotiate.ts';
import type { FsmState, Negotiated, SessionOptions } from './session-contract.ts';
import { Framer } from './wire/framer.ts';
import { standardMaxMessageLength } from './wire/header.ts';
import { errorCodes, errorSubcodes } from './wire/iana.ts';
import { encodeMessage } from './wire/message.ts';
import type { CodecContext, Message, NotificationMessage } from './wire/messages.ts';
import { describeError, describeNotification, encodeShutdownCommunication } from './wire/notification.ts';

/** RFC 4271 section 8.2.2: the Hold Timer's large value while the peer's OPEN is awaited, in seconds. */
export const openHoldSeconds = 240;
/** An OPEN that is missing for so long after TCP came up is told as a problem. */
const silentSeconds = 10;
/** RFC 4271 section 4.4: KEEPALIVEs are at least a second apart. */
const fastestKeepaliveSeconds = 1;

/** How OPENs, and all that comes before the peer's, are read and written. */
export const beforeOpen: CodecContext = { fourOctetAs: true, ibgp: false, maxMessageLength: standardMaxMessageLength };

/** RFC 9687 section 3.2: the least that the Send Hold Timer runs by default, in seconds. */
const shortestSendHoldSeconds = 480;

export function sendHoldSeconds({ sendHoldSeconds: configured, holdSeconds }: SessionOptions, { negotiated }: Pick<MachineDraft, 'negotiated'>): number {
  return configured ?? Math.max(shortestSendHoldSeconds, 2 * (negotiated?.holdTimeSeconds ?? holdSeconds));
}

const order: readonly FsmState[] = ['Idle', 'Active', 'Connect', 'OpenSent', 'OpenConfirm', 'Established'];

/** The session is where the machine is that got further. One that the peer dialled counts from its OpenSent on, and ends with its connection. */
function furthest({ first, second }: Draft['state']): FsmState {
  const rank = (state: FsmState): number => order.indexOf(state);
  return second !== undefined && rank(second.state) > Math.max(rank('Connect'), rank(first.state)) ? second.state : first.state;
}

/** Looks the event up in the table and carries its steps out, in order. */
export function run(draft: Draft, machine: MachineDraft, event: FsmEvent, carried: Carried = {}): void {
  const { state } = draft;
  const from = machine.state;
  const before = state.fsm;
  const cell = cellOf(from, event);
  machine.state = cell.next;
  state.fsm = furthest(state);
  if (event === 'TcpConnectionFails' && from !== 'Idle') lost(draft, machine, from, carried.text ?? 'closed by peer');
  if (state.fsm !== before) {
    state.sinceMs = draft.now.wallMs;
    const cause = carried.text === undefined ? event : `${event}: ${carried.text}`;
    draft.outputs.push({ type: 'note', note: { event: 'session.transition', from: before, to: state.fsm, cause } });
  }
  if (from === 'Established' && cell.next !== 'Established') delete state.negotiated;
  for (const step of cell.steps) perform(draft, machine, step, event, carried, from);
  if (from === 'Established' && cell.next !== 'Established') {
    const { text, error } = carried;
    draft.outputs.push({ type: 'down', reason: text ?? (error === undefined ? event : describeError(error.code, error.subcode, error.message)), lost: event === 'TcpConnectionFails' });
  }
  if (state.negotiated === undefined) delete state.establishedAtMs;
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
      countFailure(draft, from);
      return;
    case 'startConnectRetryTimer': {
      // While we connect it bounds the attempt; in Active it is the pause before the next.
      const seconds = machine.state === 'Active' ? pauseSeconds(state) : options.connectRetrySeconds;
      if (machine === state.first) machine.connectRetryAtMs = now.monotonicMs + jitter(draft, seconds) * 1000;
      return;
    }
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
      machine.silentAtMs = now.monotonicMs + silentSeconds * 1000;
      return;
    case 'negotiate': {
      delete machine.silentAtMs;
      const { open } = carried;
      assert(open !== undefined && machine.connection !== undefined && machine.localAddress !== undefined, 'an OPEN without its connection');
      machine.negotiated = {
        ...negotiate(options, open), remoteIdentifier: open.bgpIdentifier, remoteCapabilities: open.capabilities,
        localAddress: machine.localAddress, connection: machine.connection,
      };
      machine.framer = machine.framer.withLimit(machine.negotiated.context.maxMessageLength);
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
      if (carried.refresh !== undefined) draft.outputs.push(carried.refresh);
      return;
    case 'notifyError': {
      assert(carried.error !== undefined, `${event} without its error`);
      const { code, subcode, data, message } = carried.error;
      notify(draft, machine, code, subcode, data, message);
      return;
    }
    case 'notifyHoldTimerExpired':
      notify(draft, machine, errorCodes.holdTimerExpired, 0, undefined, from === 'OpenConfirm'
        ? `nothing but its OPEN heard for ${agreed(machine).holdTimeSeconds} s (it may not hear us: is our TTL too low for its ttl-security?)`
        : `nothing heard for ${machine.negotiated?.holdTimeSeconds ?? openHoldSeconds} s`);
      return;
    case 'notifySendHoldTimerExpired':
      notify(draft, machine, errorCodes.sendHoldTimerExpired, 0, undefined, `the peer took nothing of what we sent for ${sendHoldSeconds(options, machine)} s`);
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
  state.establishedAtMs = draft.now.monotonicMs;
  state.opened = true;
  draft.outputs.push({ type: 'established' });
}

/** Restarted by each KEEPALIVE and UPDATE that is sent (section 8.2.2, Established). */
export function startKeepaliveTimer(draft: Pick<Draft, 'now' | 'random'>, machine: MachineDraft): void {
  const { keepaliveSeconds } = agreed(machine);
  if (keepaliveSeconds > 0) machine.keepaliveAtMs = draft.now.monotonicMs + Math.max(fastestKeepaliveSeconds, jitter(draft, keepaliveSeconds)) * 1000;
  else delete machine.keepaliveAtMs;
}

function forgetConnection(machine: MachineDraft): void {
  delete machine.connection;
  delete machine.localAddress;
  delete machine.negotiated;
  delete machine.holdAtMs;
  delete machine.keepaliveAtMs;
  delete machine.silentAtMs;
  delete machine.sendHoldAtMs;
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

export function notify(draft: Draft, machine: MachineDraft, code: number, subcode: number, data: Uint8Array = new Uint8Array(0), detail?: string): void {
  const notification: NotificationMessage = { type: 'NOTIFICATION', code, subcode, data };
  const text = detail === undefined ? describeNotification(notification) : describeError(code, subcode, detail);
  // Our own stop, and a collision, are no errors.
  if (code !== errorCodes.cease) remember(draft, machine, text);
  draft.outputs.push({ type: 'note', note: { event: 'notification.sent', notification, text } });
  write(draft, machine, notification);
}

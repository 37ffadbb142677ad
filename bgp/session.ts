import { assert } from '../net/assert.ts';
import type { Family, IpAddress } from '../net/ip.ts';
import type { Now } from '../net/time.ts';
import { BgpError } from './errors.ts';
import { cellOf, type FsmEvent, type Step } from './fsm.ts';
import { negotiate, ownOpen } from './negotiate.ts';
import type {
  ConnectionId, FsmState, Negotiated, SessionInput, SessionOptions, SessionOutput, SessionView,
} from './session-contract.ts';
import { Framer } from './wire/framer.ts';
import { standardMaxMessageLength } from './wire/header.ts';
import { afis, errorCodes, errorSubcodes, safis } from './wire/iana.ts';
import { decodeMessage, encodeMessage } from './wire/message.ts';
import type { CodecContext, Message, NotificationMessage, OpenMessage, UpdateMessage } from './wire/messages.ts';
import { describeError, describeNotification, encodeShutdownCommunication } from './wire/notification.ts';
import { compareIp } from '../net/ip.ts';

export type { ConnectionId, FsmState, Negotiated, SessionInput, SessionNote, SessionOptions, SessionOutput, SessionView } from './session-contract.ts';

/** One TCP connection and its machine (RFC 4271 section 8.2.1: an FSM per connection). */
interface Machine {
  readonly state: FsmState;
  readonly connection?: ConnectionId;
  readonly dialled: boolean;
  readonly localAddress?: IpAddress;
  readonly framer: Framer;
  readonly open?: OpenMessage;
  readonly negotiated?: Negotiated;
  readonly connectRetryAtMs?: number;
  readonly holdAtMs?: number;
  readonly keepaliveAtMs?: number;
}

/**
 * A session with one peer: normally one machine, for a moment two when both sides dialled (section 6.8). Only `session.ts` reads
 * what is not in `SessionView`.
 */
export interface SessionState extends SessionView {
  readonly machine: Machine;
  readonly second?: Machine;
  readonly stopped: boolean;
  readonly idleHoldAtMs?: number;
  /** Failures since the session was last Established: each makes the next wait longer. */
  readonly failures: number;
  /** False until a first OPEN was sent in the life of this process. */
  readonly opened: boolean;
}

/** RFC 4271 section 8.2.2: "a large value" for the Hold Timer while the peer's OPEN is awaited, in seconds. */
const openHoldSeconds = 240;
/** The longest wait between attempts, in seconds. */
const slowestRetrySeconds = 60;

const emptyMachine = (dialled: boolean): Machine => ({ state: 'Idle', dialled, framer: new Framer() });

/** A session that waits for `start`. */
export function createSession(options: SessionOptions): SessionState {
  return {
    options, fsm: 'Idle', sinceMs: 0, messages: { sent: {}, received: {} }, machine: emptyMachine(true), stopped: true, failures: 0, opened: false,
  };
}

/** What one step works with; thrown away at its end. */
interface Draft {
  state: { -readonly [Key in keyof SessionState]: SessionState[Key] };
  machine: { -readonly [Key in keyof Machine]: Machine[Key] };
  readonly outputs: SessionOutput[];
  readonly now: Now;
  readonly random: () => number;
  readonly newConnection: () => ConnectionId;
}

/** What an event brings along. */
interface Carried {
  readonly error?: BgpError;
  readonly text?: string;
  readonly open?: OpenMessage;
  readonly update?: UpdateMessage;
  readonly refresh?: Family;
  readonly notification?: NotificationMessage;
  readonly cease?: { readonly subcode: number; readonly message?: string; readonly silent?: boolean };
}

/** One input, one new state, what is to be done. Pure; nothing that a peer sends makes it throw. */
export function stepSession(
  state: SessionState, input: SessionInput, now: Now, random: () => number, newConnection: () => ConnectionId,
): { state: SessionState; outputs: SessionOutput[] } {
  const draft: Draft = { state: { ...state }, machine: { ...state.machine }, outputs: [], now, random, newConnection };
  switch (input.type) {
    case 'start':
      draft.state.stopped = false;
      delete draft.state.idleHoldAtMs;
      run(draft, 'ManualStart', {});
      break;
    case 'stop':
      draft.state.stopped = true;
      if (draft.state.second !== undefined) onSecond(draft, (d) => run(d, 'ManualStop', { cease: input }));
      run(draft, 'ManualStop', { cease: input });
      delete draft.state.idleHoldAtMs;
      break;
    case 'connected':
      if (draft.machine.connection !== input.connection) break; // dropped meanwhile
      draft.machine.localAddress = input.localAddress;
      run(draft, 'Tcp_CR_Acked', {});
      break;
    case 'accepted':
      accept(draft, input.connection, input.localAddress);
      break;
    case 'data':
      onConnection(draft, input.connection, (d) => takeBytes(d, input.bytes));
      break;
    case 'closed':
      onConnection(draft, input.connection, (d) => {
        delete d.machine.connection;
        run(d, 'TcpConnectionFails', { text: input.error ?? 'closed by peer' });
      });
      break;
    case 'send':
      if (draft.machine.state === 'Established') for (const update of input.updates) write(draft, update);
      break;
    case 'refresh':
      if (draft.machine.state === 'Established' && draft.machine.negotiated?.routeRefresh === true) {
        write(draft, { type: 'ROUTE-REFRESH', afi: input.family === 'ipv4-unicast' ? afis.ipv4 : afis.ipv6, safi: safis.unicast, subtype: 0 });
      }
      break;
    case 'tick':
      runTimers(draft);
      break;
  }
  return { state: finish(state, draft), outputs: draft.outputs };
}

/** The earliest deadline in monotonic milliseconds, or `undefined`. */
export function sessionDeadline(state: SessionState): number | undefined {
  let next = state.idleHoldAtMs;
  for (const machine of [state.machine, state.second]) {
    for (const at of [machine?.connectRetryAtMs, machine?.holdAtMs, machine?.keepaliveAtMs]) {
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
  }
  return next;
}

/** Puts the machines back, and tells of a change of the session's state as a whole: that of the machine that is further. */
function finish(before: SessionState, draft: Draft): SessionState {
  const { state, machine } = draft;
  // A dialled machine that failed gives its place to the accepted one.
  if (machine.state === 'Idle' && state.second !== undefined && state.second.state !== 'Idle') {
    state.machine = state.second;
    delete state.second;
    delete state.idleHoldAtMs;
  } else {
    state.machine = machine;
    if (state.second?.state === 'Idle') delete state.second;
  }
  if (state.second?.state === 'Established') {
    const loser = state.machine;
    state.machine = state.second;
    delete state.second;
    if (loser.connection !== undefined) draft.outputs.push({ type: 'close', connection: loser.connection });
  }
  state.fsm = rank(state.second) > rank(state.machine) ? (state.second as Machine).state : state.machine.state;
  if (state.machine.negotiated !== undefined && state.machine.state === 'Established') state.negotiated = state.machine.negotiated;
  else delete state.negotiated;
  if (state.fsm !== before.fsm) state.sinceMs = draft.now.wallMs;
  return state;
}

const order: readonly FsmState[] = ['Idle', 'Active', 'Connect', 'OpenSent', 'OpenConfirm', 'Established'];
const rank = (machine: Machine | undefined): number => (machine === undefined ? -1 : order.indexOf(machine.state));

function accept(draft: Draft, connection: ConnectionId, localAddress: IpAddress): void {
  const { state, machine } = draft;
  // RFC 4271 section 6.8: a connection that comes while the session is Established is closed; stopped sessions refuse, too.
  if (state.stopped || machine.state === 'Established' || state.second !== undefined) {
    draft.outputs.push({ type: 'close', connection });
    return;
  }
  const busy = machine.state !== 'Idle' && machine.state !== 'Active';
  const accepted: Machine = { ...emptyMachine(false), state: 'Active', connection, localAddress };
  if (busy) {
    state.second = accepted;
    onSecond(draft, (d) => run(d, 'TcpConnectionConfirmed', {}));
  } else {
    draft.machine = accepted;
    delete state.idleHoldAtMs;
    run(draft, 'TcpConnectionConfirmed', {});
  }
}

/** Runs `work` with the second machine in the first one's place. */
function onSecond(draft: Draft, work: (draft: Draft) => void): void {
  const first = draft.machine;
  draft.machine = { ...(draft.state.second as Machine) };
  draft.state.second = first;
  work(draft);
  const second = draft.machine;
  draft.machine = { ...(draft.state.second as Machine) };
  draft.state.second = second;
}

function onConnection(draft: Draft, connection: ConnectionId, work: (draft: Draft) => void): void {
  if (draft.machine.connection === connection) work(draft);
  else if (draft.state.second?.connection === connection) onSecond(draft, work);
}

function runTimers(draft: Draft): void {
  const { monotonicMs } = draft.now;
  if (draft.state.idleHoldAtMs !== undefined && draft.state.idleHoldAtMs <= monotonicMs) {
    delete draft.state.idleHoldAtMs;
    if (!draft.state.stopped) run(draft, 'IdleHoldTimer_Expires', {});
  }
  const each = (d: Draft): void => {
    const due = (at: number | undefined): boolean => at !== undefined && at <= monotonicMs;
    if (due(d.machine.connectRetryAtMs)) run(d, 'ConnectRetryTimer_Expires', {});
    if (due(d.machine.holdAtMs)) run(d, 'HoldTimer_Expires', {});
    if (due(d.machine.keepaliveAtMs)) run(d, 'KeepaliveTimer_Expires', {});
  };
  each(draft);
  if (draft.state.second !== undefined) onSecond(draft, each);
}

/** Bytes of the stream: whole messages become events until the machine falls back to Idle. */
function takeBytes(draft: Draft, bytes: Uint8Array): void {
  const { framer, messages, error } = draft.machine.framer.feed(bytes);
  draft.machine.framer = framer;
  const { connection } = draft.machine;
  const alive = (): boolean => draft.machine.connection === connection && draft.machine.state !== 'Idle';
  for (const message of messages) {
    if (!alive()) return;
    takeMessage(draft, message);
  }
  if (error !== undefined && alive()) run(draft, 'BGPHeaderErr', { error });
}

const beforeOpen: CodecContext = { fourOctetAs: true, ibgp: false, maxMessageLength: standardMaxMessageLength };

function takeMessage(draft: Draft, bytes: Uint8Array): void {
  const { machine } = draft;
  let message: Message;
  try {
    message = decodeMessage(bytes, machine.negotiated?.context ?? beforeOpen);
  } catch (error) {
    if (!(error instanceof BgpError)) throw error;
    // Section 6.4: an error in a NOTIFICATION is noted and not answered.
    if (bytes[18] === 3) return run(draft, 'NotifMsg', { text: `malformed NOTIFICATION: ${error.message}` });
    return run(draft, error.code === errorCodes.open ? 'BGPOpenMsgErr' : error.code === errorCodes.update ? 'UpdateMsgErr' : 'BGPHeaderErr', { error });
  }
  count(draft, 'received', message.type);
  switch (message.type) {
    case 'OPEN':
      return takeOpen(draft, message);
    case 'KEEPALIVE':
      return run(draft, 'KeepAliveMsg', {});
    case 'UPDATE':
      return run(draft, 'UpdateMsg', { update: message });
    case 'ROUTE-REFRESH': {
      const family: Family | undefined = message.safi !== safis.unicast ? undefined : message.afi === afis.ipv4 ? 'ipv4-unicast' : message.afi === afis.ipv6 ? 'ipv6-unicast' : undefined;
      // One that names a family that was not agreed on is ignored (RFC 2918 section 4).
      return run(draft, 'RouteRefreshMsg', family === undefined || machine.negotiated?.families.includes(family) !== true ? {} : { refresh: family });
    }
    case 'NOTIFICATION': {
      const text = describeNotification(message);
      draft.outputs.push({ type: 'note', note: { event: 'notification.received', notification: message, text } });
      remember(draft, text);
      const version = message.code === errorCodes.open && message.subcode === errorSubcodes.open.unsupportedVersionNumber;
      return run(draft, version ? 'NotifMsgVerErr' : 'NotifMsg', { notification: message, text });
    }
  }
}

function takeOpen(draft: Draft, open: OpenMessage): void {
  const { machine, state } = draft;
  if (machine.state !== 'OpenSent') return run(draft, 'BGPOpen', { open });
  try {
    negotiate(state.options, open);
  } catch (error) {
    if (!(error instanceof BgpError)) throw error;
    return run(draft, 'BGPOpenMsgErr', { error });
  }
  // Section 6.8: of two connections the one stays that the side with the higher BGP Identifier dialled.
  const other = state.second;
  if (other !== undefined && (other.state === 'OpenConfirm' || other.state === 'Established')) {
    const ourDialStays = compareIp(state.options.bgpIdentifier, open.bgpIdentifier) > 0;
    if (other.state === 'Established' || machine.dialled !== ourDialStays) return run(draft, 'OpenCollisionDump', {});
    onSecond(draft, (d) => run(d, 'OpenCollisionDump', {}));
  }
  run(draft, 'BGPOpen', { open });
}

/** Looks the event up and carries its steps out in the order of the table. */
function run(draft: Draft, event: FsmEvent, carried: Carried): void {
  const from = draft.machine.state;
  if (from === 'Connect' && event === 'ManualStart') return;
  const cell = cellOf(from, event);
  // A peer that dials us only: no dial of our own (ManualStart_with_PassiveTcpEstablishment).
  const passive = draft.state.options.passive && cell.steps.includes('dial');
  draft.machine.state = passive ? 'Active' : cell.next;
  if (from !== draft.machine.state) {
    draft.outputs.push({ type: 'note', note: { event: 'session.transition', from, to: draft.machine.state, cause: carried.text === undefined ? event : `${event}: ${carried.text}` } });
  }
  if (event === 'TcpConnectionFails' && from !== 'Idle') {
    const text = from === 'Established' ? `connection lost: ${carried.text}` : `cannot connect: ${carried.text}`;
    // What a NOTIFICATION said explains more than the loss that follows it.
    if (from === 'Established' || draft.state.lastError === undefined || from === 'Connect') rememberWeak(draft, text);
    draft.outputs.push({ type: 'note', note: { event: 'session.problem', text } });
  }
  for (const step of cell.steps) perform(draft, step, event, carried, from, passive);
  if (from === 'Established' && draft.machine.state !== 'Established') {
    draft.outputs.push({ type: 'down', reason: carried.text ?? carried.error?.message ?? event });
  }
}

function perform(draft: Draft, step: Step, event: FsmEvent, carried: Carried, from: FsmState, passive: boolean): void {
  const { machine, state, now } = draft;
  switch (step) {
    case 'ignore':
      return;
    case 'resetConnectRetryCounter':
      state.failures = 0;
      return;
    case 'countConnectRetry':
      state.failures += 1;
      return;
    case 'startConnectRetryTimer':
      if (!passive) machine.connectRetryAtMs = now.monotonicMs + jitter(draft, state.options.connectRetrySeconds) * 1000;
      return;
    case 'stopConnectRetryTimer':
      delete machine.connectRetryAtMs;
      return;
    case 'dial': {
      if (passive) return;
      const connection = draft.newConnection();
      draft.machine = { ...emptyMachine(true), state: 'Connect', connection, ...(machine.connectRetryAtMs === undefined ? {} : { connectRetryAtMs: machine.connectRetryAtMs }) };
      draft.outputs.push({ type: 'dial', connection });
      return;
    }
    case 'sendOpen':
      write(draft, ownOpen(state.options, !state.opened));
      return;
    case 'startOpenHoldTimer':
      machine.holdAtMs = now.monotonicMs + openHoldSeconds * 1000;
      return;
    case 'negotiate': {
      assert(carried.open !== undefined && machine.connection !== undefined && machine.localAddress !== undefined, 'an OPEN without its connection');
      machine.open = carried.open;
      machine.negotiated = {
        ...negotiate(state.options, carried.open), remoteIdentifier: carried.open.bgpIdentifier, remoteCapabilities: carried.open.capabilities,
        localAddress: machine.localAddress, connection: machine.connection,
      };
      return;
    }
    case 'sendKeepalive':
      write(draft, { type: 'KEEPALIVE' });
      return;
    case 'startKeepaliveTimer': {
      const { keepaliveSeconds } = machine.negotiated as Negotiated;
      if (keepaliveSeconds > 0) machine.keepaliveAtMs = now.monotonicMs + jitter(draft, keepaliveSeconds) * 1000;
      else delete machine.keepaliveAtMs;
      return;
    }
    case 'startHoldTimer':
    case 'restartHoldTimer': {
      const { holdTimeSeconds } = machine.negotiated as Negotiated;
      if (holdTimeSeconds > 0) machine.holdAtMs = now.monotonicMs + holdTimeSeconds * 1000;
      else delete machine.holdAtMs;
      return;
    }
    case 'establish':
      state.failures = 0;
      state.opened = true;
      if (state.second !== undefined) {
        if (state.second.connection !== undefined) draft.outputs.push({ type: 'close', connection: state.second.connection });
        delete state.second;
      }
      // The speaker may send from inside this output on: it must find the session Established.
      draft.outputs.push({ type: 'established' });
      return;
    case 'deliverUpdate':
      draft.outputs.push({ type: 'update', update: carried.update as UpdateMessage });
      return;
    case 'deliverRefresh':
      if (carried.refresh !== undefined) draft.outputs.push({ type: 'refreshRequested', family: carried.refresh });
      return;
    case 'notifyError': {
      const { code, subcode, data, message } = carried.error as BgpError;
      notify(draft, { type: 'NOTIFICATION', code, subcode, data }, message);
      return;
    }
    case 'notifyHoldTimerExpired':
      notify(draft, { type: 'NOTIFICATION', code: errorCodes.holdTimerExpired, subcode: 0, data: new Uint8Array(0) }, `nothing heard for ${machine.negotiated?.holdTimeSeconds ?? openHoldSeconds} s`);
      return;
    case 'notifyFsmError': {
      const { inOpenSent, inOpenConfirm, inEstablished } = errorSubcodes.finiteStateMachine;
      const subcode = from === 'OpenSent' ? inOpenSent : from === 'OpenConfirm' ? inOpenConfirm : inEstablished;
      notify(draft, { type: 'NOTIFICATION', code: errorCodes.finiteStateMachine, subcode, data: new Uint8Array(0) }, `${event} is not expected in ${from}`);
      return;
    }
    case 'notifyCease': {
      const { subcode, message, silent } = carried.cease ?? { subcode: errorSubcodes.cease.administrativeShutdown };
      if (silent === true) return;
      const worded = subcode === errorSubcodes.cease.administrativeShutdown || subcode === errorSubcodes.cease.administrativeReset;
      notify(draft, { type: 'NOTIFICATION', code: errorCodes.cease, subcode, data: worded && message !== undefined ? encodeShutdownCommunication(message) : new Uint8Array(0) });
      return;
    }
    case 'notifyCollision':
      notify(draft, { type: 'NOTIFICATION', code: errorCodes.cease, subcode: errorSubcodes.cease.connectionCollisionResolution, data: new Uint8Array(0) });
      return;
    case 'dropTcp':
      if (machine.connection !== undefined) draft.outputs.push({ type: 'close', connection: machine.connection });
      draft.machine = { ...emptyMachine(true), state: machine.state };
      return;
    case 'dampOscillation':
      if (!state.stopped) {
        const wait = Math.min(slowestRetrySeconds, state.options.connectRetrySeconds * 2 ** Math.max(0, state.failures - 3));
        state.idleHoldAtMs = now.monotonicMs + jitter(draft, wait) * 1000;
      }
      return;
  }
}

/** RFC 4271 section 10: timers run 0.75 to 1.0 of their value, so that speakers don't march in step. */
function jitter(draft: Draft, seconds: number): number {
  return seconds * (0.75 + 0.25 * draft.random());
}

function write(draft: Draft, message: Message): void {
  const { connection, negotiated } = draft.machine;
  if (connection === undefined) return;
  count(draft, 'sent', message.type);
  draft.outputs.push({ type: 'write', connection, bytes: encodeMessage(message, negotiated?.context ?? beforeOpen) });
}

function notify(draft: Draft, notification: NotificationMessage, detail?: string): void {
  const text = detail === undefined ? describeNotification(notification) : describeError(notification.code, notification.subcode, detail);
  draft.outputs.push({ type: 'note', note: { event: 'notification.sent', notification, text } });
  // Our own stop is no error of the session's.
  if (notification.code !== errorCodes.cease) remember(draft, text);
  write(draft, notification);
}

function remember(draft: Draft, text: string): void {
  draft.state.lastError = { text, atMs: draft.now.wallMs };
}

/** A failure to connect does not hide the NOTIFICATION that explains it. */
function rememberWeak(draft: Draft, text: string): void {
  const known = draft.state.lastError;
  if (known === undefined || known.text.startsWith('cannot connect') || known.text.startsWith('connection lost')) remember(draft, text);
}

function count(draft: Draft, direction: 'sent' | 'received', type: Message['type']): void {
  const { messages } = draft.state;
  const counted = { ...messages[direction], [type]: (messages[direction][type] ?? 0) + 1 };
  draft.state.messages = direction === 'sent' ? { ...messages, sent: counted } : { ...messages, received: counted };
}

import type { Family, IpAddress } from '../net/ip.ts';
import type { Now } from '../net/time.ts';
import { noteProblem, remember, rememberBeside } from './last-error.ts';
import { newMachine, type Draft, type MachineDraft, type SessionState } from './machine.ts';
import { machineOf, takeBytes } from './receive.ts';
import type { ConnectionId, SessionInput, SessionOptions, SessionOutput } from './session-contract.ts';
import { encodeCounted, notify, run, sendHoldSeconds, startKeepaliveTimer } from './steps.ts';
import { errorCodes, errorSubcodes } from './wire/iana.ts';
import type { Framer } from './wire/framer.ts';
import type { Message, UpdateMessage } from './wire/messages.ts';
import { encodeMessage } from './wire/message.ts';
import { afiSafiOf } from './wire/mp-nlri.ts';

export type { SessionState } from './machine.ts';
export type {
  ConnectionId, FsmState, Negotiated, SessionInput, SessionNote, SessionOptions, SessionOutput, SessionView,
} from './session-contract.ts';

/** The kernel drops segments with a wrong digest or TTL without a word, so that silence is all there is to see. */
const noAnswer = 'cannot connect: no answer (away, filtered, or a wrong MD5 key or TTL at either side)';
/** Many routers answer a SYN with TTL 255 and say all else with less. */
const noOpen = 'connected, but the peer sends no OPEN (it hangs, or its TTL is too low for ttl-security)';

/** UPDATEs that go out together are one write of at most so many octets, or one message. */
const writeOctets = 64 * 1024;

/** A session that waits for `start`. */
export function createSession(options: SessionOptions): SessionState {
  return {
    options, fsm: 'Idle', sinceMs: 0, damaged: { 'treat-as-withdraw': 0, 'attribute-discard': 0 }, messages: { sent: {}, received: {} }, first: newMachine(true), stopped: true, failures: 0, opened: false,
  };
}

/**
 * One input, one new state, what is to be done. Pure; nothing that a peer sends makes it throw. Outputs are in order, and whoever
 * performs them sees the new state.
 *
 * Timers are judged when `tick` comes, by the time of the tick. So data that waits in a socket must be given before a tick that is
 * due: a process that was stopped for longer than the Hold Time then finds its peers alive, and not dead for want of reading.
 */
export function stepSession(
  state: SessionState, input: SessionInput, now: Now, random: () => number, newConnection: () => ConnectionId,
): { state: SessionState; outputs: SessionOutput[] } {
  if (input.type === 'tick' && !((sessionDeadline(state) ?? Infinity) <= now.monotonicMs)) return { state, outputs: [] };
  if (input.type === 'send') return sendUpdates(state, input.updates, input.refreshing ?? [], now, random);
  const { first, second, ...rest } = state;
  const draft: Draft = {
    state: { ...rest, first: { ...first }, ...(second === undefined ? {} : { second: { ...second } }) }, outputs: [], now, random, newConnection,
  };
  switch (input.type) {
    case 'start':
      start(draft);
      break;
    case 'stop':
      stop(draft, input);
      break;
    case 'fail':
      failSession(draft, input.subcode, input.text);
      break;
    case 'connected': {
      const machine = machineOf(draft, input.connection);
      if (machine?.state !== 'Connect') break; // given up meanwhile
      machine.localAddress = input.localAddress;
      run(draft, machine, 'Tcp_CR_Acked');
      break;
    }
    case 'accepted':
      accept(draft, input.connection, input.localAddress);
      break;
    case 'data':
      takeBytes(draft, input.connection, input.bytes);
      break;
    case 'closed': {
      const machine = machineOf(draft, input.connection);
      if (machine === undefined) break; // we closed it
      delete machine.connection;
      run(draft, machine, 'TcpConnectionFails', { text: input.error ?? 'closed by peer' });
      break;
    }
    case 'written': {
      const machine = machineOf(draft, input.connection);
      if (machine === undefined) break;
      if (input.unsent) machine.sendHoldAtMs = now.monotonicMs + sendHoldSeconds(draft.state.options, machine) * 1000;
      else delete machine.sendHoldAtMs;
      break;
    }
    case 'refresh':
      if (draft.state.negotiated?.routeRefresh === true && draft.state.negotiated.families.includes(input.family)) {
        const bytes = encodeCounted(draft, draft.state.first, { type: 'ROUTE-REFRESH', ...afiSafiOf(input.family), subtype: 0 });
        draft.outputs.push({ type: 'write', connection: draft.state.negotiated.connection, bytes });
      }
      break;
    case 'tick':
      runTimers(draft);
      break;
  }
  return { state: draft.state, outputs: draft.outputs };
}

/** Where the peer is in its stream of octets, for who follows that stream too; while Established. */
export function streamOf({ first }: SessionState): Framer {
  return first.framer;
}

/** The earliest deadline in monotonic milliseconds, or `undefined`. */
export function sessionDeadline({ idleHoldAtMs, first, second }: SessionState): number | undefined {
  let next = idleHoldAtMs;
  for (const machine of [first, second]) {
    for (const at of [machine?.connectRetryAtMs, machine?.holdAtMs, machine?.keepaliveAtMs, machine?.silentAtMs, machine?.sendHoldAtMs]) {
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
  }
  return next;
}

function start(draft: Draft): void {
  const { state } = draft;
  state.stopped = false;
  if (state.first.state === 'Idle') delete state.idleHoldAtMs;
  run(draft, state.first, state.options.passive ? 'ManualStart_with_PassiveTcpEstablishment' : 'ManualStart');
}

function stop(draft: Draft, cease: Extract<SessionInput, { type: 'stop' }>): void {
  const { state } = draft;
  state.stopped = true;
  delete state.idleHoldAtMs;
  if (state.second !== undefined) run(draft, state.second, 'ManualStop', { cease });
  run(draft, state.first, 'ManualStop', { cease });
}

/** Only where there is a session, or nearly: attempts to connect show by themselves whether the peer is back. */
function failSession(draft: Draft, subcode: number, text: string): void {
  const { state } = draft;
  for (const machine of [state.second, state.first]) {
    if (machine === undefined || machine.state === 'Idle' || machine.state === 'Connect' || machine.state === 'Active') continue;
    remember(draft, machine, text);
    run(draft, machine, 'AutomaticStop', { cease: { subcode }, text });
  }
}

/**
 * A connection from the peer gets a machine of its own, also while ours waits to dial again: a router that comes back is heard at
 * once. While the session is Established it is tracked until its OPEN, which loses (section 8.2.2).
 */
function accept(draft: Draft, connection: ConnectionId, localAddress: IpAddress): void {
  const { state } = draft;
  const { second } = state;
  // One that is further is nearer to a session than a new one; a silent one is most likely the peer's own leftover.
  if (state.stopped || (second !== undefined && second.state !== 'OpenSent')) {
    // RFC 4486 section 4: accepted by TCP, not by us.
    notify(draft, { ...newMachine(false), connection }, errorCodes.cease, errorSubcodes.cease.connectionRejected);
    draft.outputs.push({ type: 'close', connection });
    return;
  }
  if (second !== undefined) run(draft, second, 'OpenCollisionDump');
  state.second = { ...newMachine(false), state: 'Active', connection, localAddress };
  run(draft, state.second, 'TcpConnectionConfirmed');
}

/** What is sent most takes a short way: nothing of the session changes but its counters and the Keepalive Timer. */
function sendUpdates(
  state: SessionState, updates: readonly UpdateMessage[], refreshing: readonly Family[], now: Now, random: () => number,
): { state: SessionState; outputs: SessionOutput[] } {
  const { negotiated } = state;
  const outputs: SessionOutput[] = [];
  if (negotiated === undefined) return { state, outputs };
  // RFC 7313 section 4: where all routes begin and end, for a peer that knows the markers.
  const marked = negotiated.enhancedRouteRefresh ? refreshing.filter((family) => negotiated.families.includes(family)) : [];
  const markers = (subtype: number): Message[] => marked.map((family) => ({ type: 'ROUTE-REFRESH', ...afiSafiOf(family), subtype }));
  const messages: readonly Message[] = marked.length === 0 ? updates : [...markers(1), ...updates, ...markers(2)];
  if (messages.length === 0) return { state, outputs };
  const sent = { ...state.messages.sent };
  let waiting: Uint8Array[] = [];
  let octets = 0;
  const flush = (): void => {
    if (octets === 0) return;
    outputs.push({ type: 'write', connection: negotiated.connection, bytes: joined(waiting, octets) });
    waiting = [];
    octets = 0;
  };
  for (const message of messages) {
    sent[message.type] = (sent[message.type] ?? 0) + 1;
    const bytes = encodeMessage(message, negotiated.context);
    if (octets + bytes.length > writeOctets) flush();
    waiting.push(bytes);
    octets += bytes.length;
  }
  flush();
  const first = { ...state.first };
  startKeepaliveTimer({ now, random }, first);
  return { state: { ...state, first, messages: { ...state.messages, sent } }, outputs };
}

function joined(parts: readonly Uint8Array[], octets: number): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array;
  const whole = new Uint8Array(octets);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function runTimers(draft: Draft): void {
  const { state, now: { monotonicMs } } = draft;
  const due = (at: number | undefined): boolean => at !== undefined && at <= monotonicMs;
  if (due(state.idleHoldAtMs)) {
    delete state.idleHoldAtMs;
    run(draft, state.first, state.options.passive
      ? 'AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment' : 'AutomaticStart_with_DampPeerOscillations');
  }
  for (const machine of [state.first, state.second] as readonly (MachineDraft | undefined)[]) {
    if (machine === undefined) continue;
    if (due(machine.connectRetryAtMs)) {
      if (machine.state === 'Connect' && rememberBeside(draft, machine, noAnswer)) noteProblem(draft, noAnswer);
      run(draft, machine, 'ConnectRetryTimer_Expires');
    }
    if (due(machine.silentAtMs)) {
      delete machine.silentAtMs;
      if (rememberBeside(draft, machine, noOpen)) noteProblem(draft, noOpen);
    }
    if (due(machine.holdAtMs)) run(draft, machine, 'HoldTimer_Expires');
    if (due(machine.sendHoldAtMs)) run(draft, machine, 'SendHoldTimer_Expires');
    if (due(machine.keepaliveAtMs)) run(draft, machine, 'KeepaliveTimer_Expires');
  }
}

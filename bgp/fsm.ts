import type { FsmState } from './session-contract.ts';

/**
 * The finite state machine of RFC 4271 section 8, one per TCP connection. States and events are spelled as the RFC spells them; a
 * cell names the next state and its steps in the order of the RFC's text, so that it can be proof-read against it.
 *
 * Events of section 8.1 that do not occur, and why:
 *   3, 5 AutomaticStart (two kinds)      after a failure the machine starts by itself in one way: damped (6, 7)
 *   12, 20 DelayOpen                     DelayOpen is off: we send our OPEN as soon as TCP is up
 *   13 IdleHoldTimer_Expires             the moment at which `session.ts` raises 6 or 7 (section 8.1.1, DampPeerOscillations)
 *   14, 15 TcpConnection_Valid, Invalid  the kernel, and the listener's list of peers, judge a SYN before we hear of it
 */
export const events = [
  'ManualStart', // 1
  'ManualStop', // 2
  'ManualStart_with_PassiveTcpEstablishment', // 4
  'AutomaticStart_with_DampPeerOscillations', // 6
  'AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment', // 7
  'AutomaticStop', // 8
  'ConnectRetryTimer_Expires', // 9
  'HoldTimer_Expires', // 10
  'KeepaliveTimer_Expires', // 11
  'SendHoldTimer_Expires', // 29, RFC 9687
  'Tcp_CR_Acked', // 16
  'TcpConnectionConfirmed', // 17
  'TcpConnectionFails', // 18
  'BGPOpen', // 19
  'BGPHeaderErr', // 21
  'BGPOpenMsgErr', // 22
  'OpenCollisionDump', // 23
  'NotifMsgVerErr', // 24
  'NotifMsg', // 25
  'KeepAliveMsg', // 26
  'UpdateMsg', // 27
  'UpdateMsgErr', // 28
  'RouteRefreshMsg', // RFC 2918, younger than the RFC's list; legal in Established alone
] as const;

export type FsmEvent = (typeof events)[number];

export type Step =
  | 'resetConnectRetryCounter' | 'countConnectRetry' | 'startConnectRetryTimer' | 'stopConnectRetryTimer'
  | 'dial' | 'dropTcp'
  | 'sendOpen' | 'negotiate' | 'sendKeepalive'
  /** "A large value" (section 8.2.2) until the peer's OPEN is there. */
  | 'startOpenHoldTimer'
  | 'startHoldTimer' | 'startKeepaliveTimer'
  | 'establish' | 'deliverUpdate' | 'deliverRefresh'
  /** NOTIFICATION with the error that the event carries. */
  | 'notifyError'
  | 'notifyHoldTimerExpired'
  | 'notifySendHoldTimerExpired'
  /** Finite State Machine Error, subcode by state (RFC 6608). */
  | 'notifyFsmError'
  /** Cease with the subcode and words that the stop carries. */
  | 'notifyCease'
  /** Cease / Connection Collision Resolution. */
  | 'notifyCollision'
  /** Plans the next start: after a ConnectRetryTime, longer when the session fails again and again. */
  | 'dampPeerOscillations';

export interface Cell {
  readonly next: FsmState;
  /** None: the event is ignored, or only its state is taken. */
  readonly steps: readonly Step[];
}

const go = (next: FsmState, ...steps: Step[]): Cell => ({ next, steps });

/** How nearly every failure ends. */
const fail = (...first: Step[]): Cell => go('Idle', ...first, 'stopConnectRetryTimer', 'dropTcp', 'countConnectRetry', 'dampPeerOscillations');

/** "All start events are ignored in this state", and TCP news of another connection belong to that connection's machine. */
const starts = (state: FsmState): Row => ({
  ManualStart: go(state),
  ManualStart_with_PassiveTcpEstablishment: go(state),
  AutomaticStart_with_DampPeerOscillations: go(state),
  AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment: go(state),
});
const tracked = (state: FsmState): Row => ({ Tcp_CR_Acked: go(state), TcpConnectionConfirmed: go(state) });

type Row = { readonly [Event in FsmEvent]?: Cell };
/** `otherwise` is the RFC's "in response to any other event". */
export type State = Row & { readonly otherwise: Cell };

export const transitions: Readonly<Record<FsmState, State>> = {
  Idle: {
    ManualStart: go('Connect', 'resetConnectRetryCounter', 'startConnectRetryTimer', 'dial'),
    ManualStart_with_PassiveTcpEstablishment: go('Active', 'resetConnectRetryCounter'),
    AutomaticStart_with_DampPeerOscillations: go('Connect', 'startConnectRetryTimer', 'dial'),
    AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment: go('Active'),
    otherwise: go('Idle'),
  },
  Connect: {
    ...starts('Connect'),
    ManualStop: go('Idle', 'dropTcp', 'resetConnectRetryCounter', 'stopConnectRetryTimer'),
    ConnectRetryTimer_Expires: go('Connect', 'dropTcp', 'startConnectRetryTimer', 'dial'),
    Tcp_CR_Acked: go('OpenSent', 'stopConnectRetryTimer', 'sendOpen', 'startOpenHoldTimer'),
    TcpConnectionConfirmed: go('OpenSent', 'stopConnectRetryTimer', 'sendOpen', 'startOpenHoldTimer'),
    // A peer that is away is no oscillation, so that it isn't counted: the next attempt comes after one ConnectRetryTime.
    TcpConnectionFails: go('Idle', 'stopConnectRetryTimer', 'dropTcp', 'dampPeerOscillations'),
    otherwise: fail(),
  },
  // Waiting for TCP: for the peer to dial us, or for our next attempt after one that was lost in OpenSent. A passive start leaves out the
  // ConnectRetryTimer of section 8.2.2, which would make us dial in the end: passive means never.
  Active: {
    ...starts('Active'),
    ManualStop: go('Idle', 'dropTcp', 'resetConnectRetryCounter', 'stopConnectRetryTimer'),
    ConnectRetryTimer_Expires: go('Connect', 'startConnectRetryTimer', 'dial'),
    Tcp_CR_Acked: go('OpenSent', 'stopConnectRetryTimer', 'sendOpen', 'startOpenHoldTimer'),
    TcpConnectionConfirmed: go('OpenSent', 'stopConnectRetryTimer', 'sendOpen', 'startOpenHoldTimer'),
    TcpConnectionFails: fail(),
    otherwise: fail(),
  },
  OpenSent: {
    ...starts('OpenSent'),
    ...tracked('OpenSent'),
    ManualStop: go('Idle', 'notifyCease', 'stopConnectRetryTimer', 'dropTcp', 'resetConnectRetryCounter'),
    AutomaticStop: fail('notifyCease'),
    HoldTimer_Expires: fail('notifyHoldTimerExpired'),
    // Counted, other than in the RFC: a peer that takes TCP and closes it at our OPEN, time and again, is damped like one that says why.
    TcpConnectionFails: go('Active', 'dropTcp', 'countConnectRetry', 'startConnectRetryTimer'),
    BGPOpen: go('OpenConfirm', 'stopConnectRetryTimer', 'negotiate', 'sendKeepalive', 'startKeepaliveTimer', 'startHoldTimer'),
    BGPHeaderErr: fail('notifyError'),
    BGPOpenMsgErr: fail('notifyError'),
    OpenCollisionDump: fail('notifyCollision'),
    NotifMsgVerErr: go('Idle', 'stopConnectRetryTimer', 'dropTcp', 'dampPeerOscillations'),
    // Section 8.2.2 would answer it with an FSM error here; section 6.4 and every speaker in the field do not answer a NOTIFICATION.
    NotifMsg: fail(),
    otherwise: fail('notifyFsmError'),
  },
  OpenConfirm: {
    ...starts('OpenConfirm'),
    ...tracked('OpenConfirm'),
    ManualStop: go('Idle', 'notifyCease', 'dropTcp', 'resetConnectRetryCounter', 'stopConnectRetryTimer'),
    AutomaticStop: fail('notifyCease'),
    HoldTimer_Expires: fail('notifyHoldTimerExpired'),
    KeepaliveTimer_Expires: go('OpenConfirm', 'sendKeepalive', 'startKeepaliveTimer'),
    SendHoldTimer_Expires: fail('notifySendHoldTimerExpired'),
    TcpConnectionFails: fail(),
    NotifMsg: fail(),
    NotifMsgVerErr: go('Idle', 'stopConnectRetryTimer', 'dropTcp', 'dampPeerOscillations'),
    BGPHeaderErr: fail('notifyError'),
    BGPOpenMsgErr: fail('notifyError'),
    OpenCollisionDump: fail('notifyCollision'),
    KeepAliveMsg: go('Established', 'startHoldTimer', 'establish'),
    otherwise: fail('notifyFsmError'),
  },
  Established: {
    ...starts('Established'),
    ...tracked('Established'),
    ManualStop: go('Idle', 'notifyCease', 'stopConnectRetryTimer', 'dropTcp', 'resetConnectRetryCounter'),
    AutomaticStop: fail('notifyCease'),
    HoldTimer_Expires: fail('notifyHoldTimerExpired'),
    KeepaliveTimer_Expires: go('Established', 'sendKeepalive', 'startKeepaliveTimer'),
    SendHoldTimer_Expires: fail('notifySendHoldTimerExpired'),
    TcpConnectionFails: fail(),
    NotifMsg: fail(),
    NotifMsgVerErr: fail(),
    BGPHeaderErr: fail('notifyError'),
    OpenCollisionDump: fail('notifyCollision'),
    KeepAliveMsg: go('Established', 'startHoldTimer'),
    UpdateMsg: go('Established', 'startHoldTimer', 'deliverUpdate'),
    UpdateMsgErr: fail('notifyError'),
    RouteRefreshMsg: go('Established', 'startHoldTimer', 'deliverRefresh'),
    otherwise: fail('notifyFsmError'),
  },
};

/** The cell of an event: its own, or the row's `otherwise`. */
export function cellOf(state: FsmState, event: FsmEvent): Cell {
  return transitions[state][event] ?? transitions[state].otherwise;
}

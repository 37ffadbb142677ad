import type { FsmState } from './session-contract.ts';

/**
 * The finite state machine of RFC 4271 section 8, one per TCP connection. States and events are spelled as the RFC spells them; a
 * cell names the next state and its steps in the order of the RFC's text, so that it can be proof-read against it.
 *
 * DelayOpen is off, so events 11 (IdleHold aside), 12 and 20 do not occur; nor do 2 to 7 beyond what is listed: there is one kind of
 * start by an operator, and one by the machine itself after the IdleHoldTimer (section 8.1.1, DampPeerOscillations).
 */
export type FsmEvent =
  | 'ManualStart' // 1
  | 'ManualStop' // 2
  | 'AutomaticStop' // 8
  | 'ConnectRetryTimer_Expires' // 9
  | 'HoldTimer_Expires' // 10
  | 'KeepaliveTimer_Expires' // 11
  | 'IdleHoldTimer_Expires' // 13
  | 'Tcp_CR_Acked' // 16
  | 'TcpConnectionConfirmed' // 17
  | 'TcpConnectionFails' // 18
  | 'BGPOpen' // 19
  | 'BGPHeaderErr' // 21
  | 'BGPOpenMsgErr' // 22
  | 'OpenCollisionDump' // 23
  | 'NotifMsgVerErr' // 24
  | 'NotifMsg' // 25
  | 'KeepAliveMsg' // 26
  | 'UpdateMsg' // 27
  | 'UpdateMsgErr' // 28
  /** RFC 2918: not in RFC 4271's list; legal in Established alone. */
  | 'RouteRefreshMsg';

export type Step =
  | 'resetConnectRetryCounter' | 'countConnectRetry' | 'startConnectRetryTimer' | 'stopConnectRetryTimer'
  | 'dial' | 'sendOpen' | 'startOpenHoldTimer' | 'negotiate' | 'sendKeepalive' | 'startKeepaliveTimer' | 'startHoldTimer'
  | 'restartHoldTimer' | 'establish' | 'deliverUpdate' | 'deliverRefresh'
  /** NOTIFICATION with the error that the event carries. */
  | 'notifyError'
  | 'notifyHoldTimerExpired'
  /** Finite State Machine Error, subcode by state (RFC 6608). */
  | 'notifyFsmError'
  /** Cease with the subcode that the stop carries. */
  | 'notifyCease'
  /** Cease / Connection Collision Resolution. */
  | 'notifyCollision'
  | 'dropTcp'
  /** Waits before the next start, longer after each failure in a row (section 8.1.1). */
  | 'dampOscillation'
  | 'ignore';

export interface Cell {
  readonly next: FsmState;
  readonly steps: readonly Step[];
}

const go = (next: FsmState, ...steps: Step[]): Cell => ({ next, steps });

/** What every failure ends with. */
const failed = (...first: Step[]): Cell => go('Idle', ...first, 'stopConnectRetryTimer', 'dropTcp', 'countConnectRetry', 'dampOscillation');

export type Row = { readonly [Event in FsmEvent]?: Cell } & { readonly otherwise: Cell };

export const fsm: Readonly<Record<FsmState, Row>> = {
  Idle: {
    ManualStart: go('Connect', 'resetConnectRetryCounter', 'startConnectRetryTimer', 'dial'),
    IdleHoldTimer_Expires: go('Connect', 'startConnectRetryTimer', 'dial'),
    otherwise: go('Idle', 'ignore'),
  },
  Connect: {
    ManualStart: go('Connect', 'ignore'),
    IdleHoldTimer_Expires: go('Connect', 'ignore'),
    ManualStop: go('Idle', 'dropTcp', 'resetConnectRetryCounter', 'stopConnectRetryTimer'),
    ConnectRetryTimer_Expires: go('Connect', 'dropTcp', 'startConnectRetryTimer', 'dial'),
    Tcp_CR_Acked: go('OpenSent', 'stopConnectRetryTimer', 'sendOpen', 'startOpenHoldTimer'),
    TcpConnectionConfirmed: go('OpenSent', 'stopConnectRetryTimer', 'sendOpen', 'startOpenHoldTimer'),
    TcpConnectionFails: failed(),
    otherwise: failed(),
  },
  Active: {
    ManualStart: go('Active', 'ignore'),
    IdleHoldTimer_Expires: go('Active', 'ignore'),
    ManualStop: go('Idle', 'dropTcp', 'resetConnectRetryCounter', 'stopConnectRetryTimer'),
    ConnectRetryTimer_Expires: go('Connect', 'startConnectRetryTimer', 'dial'),
    Tcp_CR_Acked: go('OpenSent', 'stopConnectRetryTimer', 'sendOpen', 'startOpenHoldTimer'),
    TcpConnectionConfirmed: go('OpenSent', 'stopConnectRetryTimer', 'sendOpen', 'startOpenHoldTimer'),
    TcpConnectionFails: failed(),
    otherwise: failed(),
  },
  OpenSent: {
    ManualStart: go('OpenSent', 'ignore'),
    IdleHoldTimer_Expires: go('OpenSent', 'ignore'),
    ManualStop: go('Idle', 'notifyCease', 'stopConnectRetryTimer', 'dropTcp', 'resetConnectRetryCounter'),
    AutomaticStop: failed('notifyCease'),
    HoldTimer_Expires: failed('notifyHoldTimerExpired'),
    // The RFC goes back to Active and listens; a speaker that dials only starts anew.
    TcpConnectionFails: failed(),
    BGPOpen: go('OpenConfirm', 'stopConnectRetryTimer', 'negotiate', 'sendKeepalive', 'startKeepaliveTimer', 'startHoldTimer'),
    BGPHeaderErr: failed('notifyError'),
    BGPOpenMsgErr: failed('notifyError'),
    OpenCollisionDump: failed('notifyCollision'),
    NotifMsgVerErr: go('Idle', 'stopConnectRetryTimer', 'dropTcp', 'dampOscillation'),
    // Here and in OpenConfirm the RFC answers a NOTIFICATION with an FSM error; like every speaker today we do not answer one (section 6.4).
    NotifMsg: failed(),
    otherwise: failed('notifyFsmError'),
  },
  OpenConfirm: {
    ManualStart: go('OpenConfirm', 'ignore'),
    IdleHoldTimer_Expires: go('OpenConfirm', 'ignore'),
    ManualStop: go('Idle', 'notifyCease', 'dropTcp', 'resetConnectRetryCounter', 'stopConnectRetryTimer'),
    AutomaticStop: failed('notifyCease'),
    HoldTimer_Expires: failed('notifyHoldTimerExpired'),
    KeepaliveTimer_Expires: go('OpenConfirm', 'sendKeepalive', 'startKeepaliveTimer'),
    TcpConnectionFails: failed(),
    NotifMsg: failed(),
    NotifMsgVerErr: go('Idle', 'stopConnectRetryTimer', 'dropTcp', 'dampOscillation'),
    BGPHeaderErr: failed('notifyError'),
    BGPOpenMsgErr: failed('notifyError'),
    OpenCollisionDump: failed('notifyCollision'),
    KeepAliveMsg: go('Established', 'restartHoldTimer', 'establish'),
    otherwise: failed('notifyFsmError'),
  },
  Established: {
    ManualStart: go('Established', 'ignore'),
    IdleHoldTimer_Expires: go('Established', 'ignore'),
    ManualStop: go('Idle', 'notifyCease', 'stopConnectRetryTimer', 'dropTcp', 'resetConnectRetryCounter'),
    AutomaticStop: failed('notifyCease'),
    HoldTimer_Expires: failed('notifyHoldTimerExpired'),
    KeepaliveTimer_Expires: go('Established', 'sendKeepalive', 'startKeepaliveTimer'),
    TcpConnectionFails: failed(),
    NotifMsg: failed(),
    NotifMsgVerErr: failed(),
    BGPHeaderErr: failed('notifyError'),
    OpenCollisionDump: failed('notifyCollision'),
    KeepAliveMsg: go('Established', 'restartHoldTimer'),
    UpdateMsg: go('Established', 'restartHoldTimer', 'deliverUpdate'),
    UpdateMsgErr: failed('notifyError'),
    RouteRefreshMsg: go('Established', 'restartHoldTimer', 'deliverRefresh'),
    otherwise: failed('notifyFsmError'),
  },
};

/** The cell of an event: its own, or the row's `otherwise`. */
export function cellOf(state: FsmState, event: FsmEvent): Cell {
  return fsm[state][event] ?? fsm[state].otherwise;
}

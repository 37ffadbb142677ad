import assert from 'node:assert/strict';
import { cellOf, events, transitions, type FsmEvent } from '../../bgp/fsm.ts';
import type { FsmState } from '../../bgp/session-contract.ts';

// Every state with every event, written down a second time from RFC 4271 section 8.2.2 (and RFC 6608): next state, then
// steps in order. What is sent on the way, and what must hold for every cell, is in fsm.test.ts.

const failure = 'stopConnectRetryTimer dropTcp countConnectRetry dampPeerOscillations';
const fails = `Idle ${failure}`;
const open = 'OpenSent stopConnectRetryTimer sendOpen startOpenHoldTimer';

const expected: Record<FsmState, Record<FsmEvent, string>> = {
  Idle: {
    ManualStart: 'Connect resetConnectRetryCounter startConnectRetryTimer dial',
    ManualStop: 'Idle',
    ManualStart_with_PassiveTcpEstablishment: 'Active resetConnectRetryCounter',
    AutomaticStart_with_DampPeerOscillations: 'Connect startConnectRetryTimer dial',
    AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment: 'Active',
    AutomaticStop: 'Idle',
    ConnectRetryTimer_Expires: 'Idle',
    HoldTimer_Expires: 'Idle',
    KeepaliveTimer_Expires: 'Idle',
    SendHoldTimer_Expires: 'Idle',
    Tcp_CR_Acked: 'Idle',
    TcpConnectionConfirmed: 'Idle',
    TcpConnectionFails: 'Idle',
    BGPOpen: 'Idle',
    BGPHeaderErr: 'Idle',
    BGPOpenMsgErr: 'Idle',
    OpenCollisionDump: 'Idle',
    NotifMsgVerErr: 'Idle',
    NotifMsg: 'Idle',
    KeepAliveMsg: 'Idle',
    UpdateMsg: 'Idle',
    UpdateMsgErr: 'Idle',
    RouteRefreshMsg: 'Idle',
  },
  Connect: {
    ManualStart: 'Connect',
    ManualStop: 'Idle dropTcp resetConnectRetryCounter stopConnectRetryTimer',
    ManualStart_with_PassiveTcpEstablishment: 'Connect',
    AutomaticStart_with_DampPeerOscillations: 'Connect',
    AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment: 'Connect',
    AutomaticStop: fails,
    ConnectRetryTimer_Expires: 'Connect dropTcp startConnectRetryTimer dial',
    HoldTimer_Expires: fails,
    KeepaliveTimer_Expires: fails,
    SendHoldTimer_Expires: fails,
    Tcp_CR_Acked: open,
    TcpConnectionConfirmed: open,
    TcpConnectionFails: 'Idle stopConnectRetryTimer dropTcp dampPeerOscillations',
    BGPOpen: fails,
    BGPHeaderErr: fails,
    BGPOpenMsgErr: fails,
    OpenCollisionDump: fails,
    NotifMsgVerErr: fails,
    NotifMsg: fails,
    KeepAliveMsg: fails,
    UpdateMsg: fails,
    UpdateMsgErr: fails,
    RouteRefreshMsg: fails,
  },
  Active: {
    ManualStart: 'Active',
    ManualStop: 'Idle dropTcp resetConnectRetryCounter stopConnectRetryTimer',
    ManualStart_with_PassiveTcpEstablishment: 'Active',
    AutomaticStart_with_DampPeerOscillations: 'Active',
    AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment: 'Active',
    AutomaticStop: fails,
    ConnectRetryTimer_Expires: 'Connect startConnectRetryTimer dial',
    HoldTimer_Expires: fails,
    KeepaliveTimer_Expires: fails,
    SendHoldTimer_Expires: fails,
    Tcp_CR_Acked: open,
    TcpConnectionConfirmed: open,
    TcpConnectionFails: fails,
    BGPOpen: fails,
    BGPHeaderErr: fails,
    BGPOpenMsgErr: fails,
    OpenCollisionDump: fails,
    NotifMsgVerErr: fails,
    NotifMsg: fails,
    KeepAliveMsg: fails,
    UpdateMsg: fails,
    UpdateMsgErr: fails,
    RouteRefreshMsg: fails,
  },
  OpenSent: {
    ManualStart: 'OpenSent',
    ManualStop: 'Idle notifyCease stopConnectRetryTimer dropTcp resetConnectRetryCounter',
    ManualStart_with_PassiveTcpEstablishment: 'OpenSent',
    AutomaticStart_with_DampPeerOscillations: 'OpenSent',
    AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment: 'OpenSent',
    AutomaticStop: `Idle notifyCease ${failure}`,
    ConnectRetryTimer_Expires: `Idle notifyFsmError ${failure}`,
    HoldTimer_Expires: `Idle notifyHoldTimerExpired ${failure}`,
    KeepaliveTimer_Expires: `Idle notifyFsmError ${failure}`,
    SendHoldTimer_Expires: `Idle notifyFsmError ${failure}`,
    Tcp_CR_Acked: 'OpenSent',
    TcpConnectionConfirmed: 'OpenSent',
    TcpConnectionFails: 'Active dropTcp countConnectRetry startConnectRetryTimer', // counting it is ours
    BGPOpen: 'OpenConfirm stopConnectRetryTimer negotiate sendKeepalive startKeepaliveTimer startHoldTimer',
    BGPHeaderErr: `Idle notifyError ${failure}`,
    BGPOpenMsgErr: `Idle notifyError ${failure}`,
    OpenCollisionDump: `Idle notifyCollision ${failure}`,
    NotifMsgVerErr: 'Idle stopConnectRetryTimer dropTcp dampPeerOscillations',
    NotifMsg: fails, // section 6.4: no NOTIFICATION answers a NOTIFICATION
    KeepAliveMsg: `Idle notifyFsmError ${failure}`,
    UpdateMsg: `Idle notifyFsmError ${failure}`,
    UpdateMsgErr: `Idle notifyFsmError ${failure}`,
    RouteRefreshMsg: `Idle notifyFsmError ${failure}`,
  },
  OpenConfirm: {
    ManualStart: 'OpenConfirm',
    ManualStop: 'Idle notifyCease dropTcp resetConnectRetryCounter stopConnectRetryTimer',
    ManualStart_with_PassiveTcpEstablishment: 'OpenConfirm',
    AutomaticStart_with_DampPeerOscillations: 'OpenConfirm',
    AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment: 'OpenConfirm',
    AutomaticStop: `Idle notifyCease ${failure}`,
    ConnectRetryTimer_Expires: `Idle notifyFsmError ${failure}`,
    HoldTimer_Expires: `Idle notifyHoldTimerExpired ${failure}`,
    KeepaliveTimer_Expires: 'OpenConfirm sendKeepalive startKeepaliveTimer',
    SendHoldTimer_Expires: `Idle notifySendHoldTimerExpired ${failure}`,
    Tcp_CR_Acked: 'OpenConfirm',
    TcpConnectionConfirmed: 'OpenConfirm',
    TcpConnectionFails: fails,
    BGPOpen: `Idle notifyFsmError ${failure}`,
    BGPHeaderErr: `Idle notifyError ${failure}`,
    BGPOpenMsgErr: `Idle notifyError ${failure}`,
    OpenCollisionDump: `Idle notifyCollision ${failure}`,
    NotifMsgVerErr: 'Idle stopConnectRetryTimer dropTcp dampPeerOscillations',
    NotifMsg: fails,
    KeepAliveMsg: 'Established startHoldTimer establish',
    UpdateMsg: `Idle notifyFsmError ${failure}`,
    UpdateMsgErr: `Idle notifyFsmError ${failure}`,
    RouteRefreshMsg: `Idle notifyFsmError ${failure}`,
  },
  Established: {
    ManualStart: 'Established',
    ManualStop: 'Idle notifyCease stopConnectRetryTimer dropTcp resetConnectRetryCounter',
    ManualStart_with_PassiveTcpEstablishment: 'Established',
    AutomaticStart_with_DampPeerOscillations: 'Established',
    AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment: 'Established',
    AutomaticStop: `Idle notifyCease ${failure}`,
    ConnectRetryTimer_Expires: `Idle notifyFsmError ${failure}`,
    HoldTimer_Expires: `Idle notifyHoldTimerExpired ${failure}`,
    KeepaliveTimer_Expires: 'Established sendKeepalive startKeepaliveTimer',
    SendHoldTimer_Expires: `Idle notifySendHoldTimerExpired ${failure}`,
    Tcp_CR_Acked: 'Established',
    TcpConnectionConfirmed: 'Established',
    TcpConnectionFails: fails,
    BGPOpen: `Idle notifyFsmError ${failure}`,
    BGPHeaderErr: `Idle notifyError ${failure}`, // section 6.1 rather than "any other event"
    BGPOpenMsgErr: `Idle notifyFsmError ${failure}`,
    OpenCollisionDump: `Idle notifyCollision ${failure}`,
    NotifMsgVerErr: fails,
    NotifMsg: fails,
    KeepAliveMsg: 'Established startHoldTimer',
    UpdateMsg: 'Established startHoldTimer deliverUpdate',
    UpdateMsgErr: `Idle notifyError ${failure}`,
    RouteRefreshMsg: 'Established startHoldTimer deliverRefresh',
  },
};

describe('the steps of each cell of the BGP FSM', () => {
  it('has exactly these states, and the list of events no other than these', () => {
    assert.deepEqual(Object.keys(transitions), Object.keys(expected));
    for (const row of Object.values(expected)) assert.deepEqual(Object.keys(row).sort(), [...events].sort());
  });

  for (const state of Object.keys(expected) as FsmState[]) {
    for (const event of events) {
      it(`${state}: ${event}`, () => {
        const { next, steps } = cellOf(state, event);
        assert.equal([next, ...steps].join(' '), expected[state][event]);
      });
    }
  }
});

import assert from 'node:assert/strict';
import { cellOf, events, transitions, type FsmEvent, type Step } from '../../bgp/fsm.ts';
import type { FsmState } from '../../bgp/session-contract.ts';

const states: readonly FsmState[] = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'];

// Next state, and the NOTIFICATION on the way there: from the text of RFC 4271 section 8.2.2 and RFC 6608, not from the table in the source.
const expected: Readonly<Record<FsmEvent, readonly [idle: string, connect: string, active: string, openSent: string, openConfirm: string, established: string]>> = {
  ManualStart:                              ['Connect', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'],
  ManualStop:                               ['Idle', 'Idle', 'Idle', 'Idle cease', 'Idle cease', 'Idle cease'],
  ManualStart_with_PassiveTcpEstablishment: ['Active', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'],
  AutomaticStart_with_DampPeerOscillations: ['Connect', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'],
  AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment:
                                            ['Active', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'],
  AutomaticStop:                            ['Idle', 'Idle', 'Idle', 'Idle cease', 'Idle cease', 'Idle cease'],
  ConnectRetryTimer_Expires:                ['Idle', 'Connect', 'Connect', 'Idle fsm', 'Idle fsm', 'Idle fsm'],
  HoldTimer_Expires:                        ['Idle', 'Idle', 'Idle', 'Idle hold', 'Idle hold', 'Idle hold'],
  KeepaliveTimer_Expires:                   ['Idle', 'Idle', 'Idle', 'Idle fsm', 'OpenConfirm', 'Established'],
  SendHoldTimer_Expires:                    ['Idle', 'Idle', 'Idle', 'Idle fsm', 'Idle send hold', 'Idle send hold'],
  Tcp_CR_Acked:                             ['Idle', 'OpenSent', 'OpenSent', 'OpenSent', 'OpenConfirm', 'Established'],
  TcpConnectionConfirmed:                   ['Idle', 'OpenSent', 'OpenSent', 'OpenSent', 'OpenConfirm', 'Established'],
  TcpConnectionFails:                       ['Idle', 'Idle', 'Idle', 'Active', 'Idle', 'Idle'],
  BGPOpen:                                  ['Idle', 'Idle', 'Idle', 'OpenConfirm', 'Idle fsm', 'Idle fsm'],
  BGPHeaderErr:                             ['Idle', 'Idle', 'Idle', 'Idle error', 'Idle error', 'Idle error'],
  BGPOpenMsgErr:                            ['Idle', 'Idle', 'Idle', 'Idle error', 'Idle error', 'Idle fsm'],
  OpenCollisionDump:                        ['Idle', 'Idle', 'Idle', 'Idle collision', 'Idle collision', 'Idle collision'],
  NotifMsgVerErr:                           ['Idle', 'Idle', 'Idle', 'Idle', 'Idle', 'Idle'],
  NotifMsg:                                 ['Idle', 'Idle', 'Idle', 'Idle', 'Idle', 'Idle'],
  KeepAliveMsg:                             ['Idle', 'Idle', 'Idle', 'Idle fsm', 'Established', 'Established'],
  UpdateMsg:                                ['Idle', 'Idle', 'Idle', 'Idle fsm', 'Idle fsm', 'Established'],
  UpdateMsgErr:                             ['Idle', 'Idle', 'Idle', 'Idle fsm', 'Idle fsm', 'Idle error'],
  RouteRefreshMsg:                          ['Idle', 'Idle', 'Idle', 'Idle fsm', 'Idle fsm', 'Established'],
};

const notifications: Readonly<Partial<Record<Step, string>>> = {
  notifyCease: 'cease', notifyError: 'error', notifyFsmError: 'fsm', notifyHoldTimerExpired: 'hold', notifySendHoldTimerExpired: 'send hold', notifyCollision: 'collision',
};

describe('the table of the BGP FSM', () => {
  it('has every event of the list in the test', () => {
    assert.deepEqual(Object.keys(expected).sort(), [...events].sort());
  });

  for (const event of events) {
    states.forEach((state, i) => {
      const text = expected[event][i] as string;
      it(`${state} × ${event}: ${text}`, () => {
        const { next, steps } = cellOf(state, event);
        const sent = steps.flatMap((step) => notifications[step] ?? []);
        assert.equal([next, ...sent].join(' '), text);
      });
    });
  }

  for (const state of states) {
    it(`${state}: whatever leads to Idle drops the connection, after what it sends`, () => {
      if (state === 'Idle') return assert.deepEqual(transitions.Idle.otherwise, { next: 'Idle', steps: [] });
      for (const { next, steps } of Object.values(transitions[state])) {
        if (next !== 'Idle') continue;
        assert.ok(steps.includes('dropTcp') && steps.includes('stopConnectRetryTimer'));
        for (const [i, step] of steps.entries()) if (step in notifications) assert.ok(i < steps.indexOf('dropTcp'));
      }
    });
  }

  it('plans a next start after every way to Idle but a stop by the operator', () => {
    for (const state of states) {
      for (const event of events) {
        const { next, steps } = cellOf(state, event);
        if (next !== 'Idle' || state === 'Idle') continue;
        assert.equal(steps.includes('dampPeerOscillations'), event !== 'ManualStop', `${state} × ${event}`);
      }
    }
  });

  it('counts no failure to connect: a router that is away is dialled as often as one that is there', () => {
    assert.ok(!cellOf('Connect', 'TcpConnectionFails').steps.includes('countConnectRetry'));
    assert.ok(!cellOf('Connect', 'ConnectRetryTimer_Expires').steps.includes('countConnectRetry'));
  });
});

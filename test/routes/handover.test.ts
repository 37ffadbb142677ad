import assert from 'node:assert/strict';
import { ip } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import type { Now } from '../../net/time.ts';
import { clockSequence } from '../../routes/claim.ts';
import {
  dueEvent, handoverDeadline, newHandover, reclaimPauseMs, stepHandover, transitions,
  type Endpoint, type EventName, type Handover, type HandoverContext, type HandoverEvent, type State,
} from '../../routes/handover.ts';

const options = {
  elevatedForMs: 90_000, debounceMs: 1500, withdrawAfterMs: 2000, portGoneGraceMs: 2000, flap: { moves: 5, withinMs: 180_000, holdMs: 60_000 },
};
const at = (monotonicMs: number, wallTrusted = true): Now => ({ monotonicMs, wallMs: Date.UTC(2026, 10, 25) + monotonicMs, wallTrusted });
const mac = parseMac('52:54:00:aa:00:01') as Mac;
const endpoint: Endpoint = { mac, vlan: 100, ifindex: 7, tagged: false };
const context = (monotonicMs: number, more: Partial<HandoverContext> = {}): HandoverContext => ({
  now: at(monotonicMs), options, gate: { timeoutMs: 500, onTimeout: 'closed' }, gateOpen: true, portVerified: false, rivalStands: false, rivalVisible: false,
  portAlive: true, earlyAlive: true, holders: ['tor-a', 'tor-b'], ...more,
});
const heard = (kind: 'rarp' | 'garp' | 'na' | 'arp', capturedAtMs: number): HandoverEvent => ({ type: 'HeardLocal', kind, endpoint, capturedAtMs });

/** A handover in a given state, reached by events and not by hand. */
function inState(state: State, time = 1000): Handover {
  let h = newHandover('default', ip('203.0.113.11'), at(0));
  if (state === 'withdrawn') return h;
  if (state === 'held') return stepHandover(h, heard('rarp', time - 1), context(time, { gateOpen: false })).handover;
  h = stepHandover(h, heard('rarp', time - 1), context(time)).handover;
  if (state === 'elevated') return h;
  if (state === 'normal') return stepHandover(h, { type: 'SettleTimer_Expires' }, context(time + 90_000)).handover;
  if (state === 'leaving') return stepHandover(h, { type: 'PortGone' }, context(time + 10, { portAlive: true })).handover;
  return stepHandover(h, { type: 'OperatorAnnounces' }, context(time + 10)).handover;
}

/** Frozen after a conflict: as the one that stands by its claim, or as the other. */
function frozen(side: 'winner' | 'loser', time = 200_000): Handover {
  const rival = { rivalStands: true, rivalVisible: true, holders: ['tor-a'] };
  let h = inState(side === 'winner' ? 'normal' : 'withdrawn');
  if (side === 'loser') h = stepHandover(h, heard('rarp', time - 100), context(time - 100, rival)).handover;
  for (let i = 0; i < 2; i++) {
    h = stepHandover(h, { type: 'RemoteNewer', peer: 'tor-a' }, context(time + i * 20, rival)).handover;
    h = stepHandover(h, { type: 'Answered', endpoint, capturedAtMs: time + i * 20 + 1 }, context(time + i * 20 + 1, rival)).handover;
  }
  assert.equal(h.state, 'held');
  return h;
}

const events: Record<EventName, HandoverEvent> = {
  HeardLocal: heard('garp', 500_000),
  HeardEarly: { type: 'HeardEarly', kind: 'garp', endpoint },
  HeardUplink: { type: 'HeardUplink', kind: 'rarp', capturedAtMs: 500_000 },
  Answered: { type: 'Answered', endpoint, capturedAtMs: 500_000 },
  RemoteNewer: { type: 'RemoteNewer', peer: 'tor-a' },
  TieSeen: { type: 'TieSeen' },
  RivalGone: { type: 'RivalGone' },
  PortGone: { type: 'PortGone' },
  GroundLost: { type: 'GroundLost' },
  Probe_Due: { type: 'Probe_Due' },
  SettleTimer_Expires: { type: 'SettleTimer_Expires' },
  LeaveTimer_Expires: { type: 'LeaveTimer_Expires' },
  GateOpened: { type: 'GateOpened' },
  GateTimer_Expires: { type: 'GateTimer_Expires' },
  HoldEnds: { type: 'HoldEnds' },
  OperatorClears: { type: 'OperatorClears' },
  OperatorAnnounces: { type: 'OperatorAnnounces' },
  OperatorWithdraws: { type: 'OperatorWithdraws' },
  OperatorReleases: { type: 'OperatorReleases' },
};

/** State after each event, from each state (held: by the policy gate of a port; that of the frame's is open); `!` marks what must never happen. */
const expected: Record<EventName, Record<State, State | '!'>> = {
  HeardLocal:          { withdrawn: 'elevated', held: 'elevated', elevated: 'elevated', normal: 'normal', leaving: 'elevated', manual: 'manual' },
  HeardEarly:          { withdrawn: 'withdrawn', held: 'held', elevated: 'elevated', normal: 'normal', leaving: 'leaving', manual: 'manual' },
  HeardUplink:         { withdrawn: 'withdrawn', held: 'withdrawn', elevated: 'leaving', normal: 'leaving', leaving: 'leaving', manual: 'manual' },
  Answered:            { withdrawn: 'elevated', held: 'held', elevated: 'elevated', normal: 'normal', leaving: 'elevated', manual: 'manual' },
  RemoteNewer:         { withdrawn: 'withdrawn', held: 'held', elevated: 'leaving', normal: 'leaving', leaving: 'leaving', manual: 'manual' },
  TieSeen:             { withdrawn: 'withdrawn', held: 'held', elevated: 'elevated', normal: 'normal', leaving: 'leaving', manual: 'manual' },
  RivalGone:           { withdrawn: 'withdrawn', held: 'held', elevated: 'elevated', normal: 'normal', leaving: 'leaving', manual: 'manual' },
  PortGone:            { withdrawn: 'withdrawn', held: 'withdrawn', elevated: 'leaving', normal: 'leaving', leaving: 'leaving', manual: 'manual' },
  GroundLost:          { withdrawn: 'withdrawn', held: 'withdrawn', elevated: 'withdrawn', normal: 'withdrawn', leaving: 'withdrawn', manual: 'withdrawn' },
  GateOpened:          { withdrawn: 'withdrawn', held: 'elevated', elevated: 'elevated', normal: 'normal', leaving: 'leaving', manual: 'manual' },
  Probe_Due:           { withdrawn: '!', held: '!', elevated: '!', normal: '!', leaving: 'leaving', manual: '!' },
  SettleTimer_Expires: { withdrawn: '!', held: '!', elevated: 'normal', normal: '!', leaving: '!', manual: '!' },
  LeaveTimer_Expires:  { withdrawn: '!', held: 'held', elevated: '!', normal: '!', leaving: 'withdrawn', manual: '!' },
  GateTimer_Expires:   { withdrawn: '!', held: 'held', elevated: '!', normal: '!', leaving: '!', manual: '!' },
  HoldEnds:            { withdrawn: '!', held: 'withdrawn', elevated: '!', normal: '!', leaving: '!', manual: '!' },
  OperatorAnnounces:   { withdrawn: 'manual', held: 'manual', elevated: 'manual', normal: 'manual', leaving: 'manual', manual: 'manual' },
  OperatorWithdraws:   { withdrawn: 'manual', held: 'manual', elevated: 'manual', normal: 'manual', leaving: 'manual', manual: 'manual' },
  OperatorReleases:    { withdrawn: 'withdrawn', held: 'held', elevated: 'elevated', normal: 'normal', leaving: 'leaving', manual: 'withdrawn' },
  OperatorClears:      { withdrawn: 'withdrawn', held: 'held', elevated: 'elevated', normal: 'normal', leaving: 'leaving', manual: 'manual' },
};

/** The same from a frozen address. */
const expectedFrozen: Record<EventName, Record<'winner' | 'loser', State | '!'>> = {
  HeardLocal:          { winner: 'held', loser: 'held' },
  HeardEarly:          { winner: 'held', loser: 'held' },
  HeardUplink:         { winner: 'held', loser: 'held' },
  Answered:            { winner: 'held', loser: 'held' },
  RemoteNewer:         { winner: 'held', loser: 'held' },
  TieSeen:             { winner: 'held', loser: 'held' },
  RivalGone:           { winner: 'held', loser: 'held' },
  PortGone:            { winner: 'leaving', loser: 'held' },
  GroundLost:          { winner: 'withdrawn', loser: 'withdrawn' },
  GateOpened:          { winner: 'held', loser: 'held' },
  Probe_Due:           { winner: '!', loser: '!' },
  SettleTimer_Expires: { winner: '!', loser: '!' },
  LeaveTimer_Expires:  { winner: 'held', loser: 'held' },
  GateTimer_Expires:   { winner: '!', loser: '!' },
  HoldEnds:            { winner: 'elevated', loser: 'withdrawn' },
  OperatorAnnounces:   { winner: 'manual', loser: 'manual' },
  OperatorWithdraws:   { winner: 'manual', loser: 'manual' },
  OperatorReleases:    { winner: 'held', loser: 'held' },
  OperatorClears:      { winner: 'elevated', loser: 'withdrawn' },
};

describe('a tie that a router shows', () => {
  it('asks the VM; its answer takes the next sequence, and without a tie an answer changes nothing', () => {
    const standing = inState('normal');
    assert.deepEqual(stepHandover(standing, { type: 'Answered', endpoint, capturedAtMs: 500_000 }, context(500_001)).handover, standing);
    const asked = stepHandover({ ...standing, highestSeen: standing.sequence }, { type: 'TieSeen' }, context(499_999));
    assert.deepEqual([asked.sendProbe, asked.handover.sequence, asked.handover.state], [true, standing.sequence, 'normal']);
    const { handover } = stepHandover(asked.handover, { type: 'Answered', endpoint, capturedAtMs: 500_000 }, context(500_001));
    assert.ok(handover.sequence > standing.sequence);
    assert.equal(handover.tied, undefined);
  });

  it('is left alone while the port is away', () => {
    assert.equal(stepHandover(inState('normal'), { type: 'TieSeen' }, context(500_000, { portAlive: false })).sendProbe, undefined);
  });
});

describe('handover table', () => {
  const check = (name: EventName, h: Handover, want: State | '!'): void => {
    const step = (): Handover => stepHandover(h, events[name], context(500_000)).handover;
    if (want === '!') assert.throws(step, { name: 'AssertionFailed' });
    else assert.equal(step().state, want);
  };
  for (const name of Object.keys(transitions) as EventName[]) {
    for (const state of Object.keys(transitions[name]) as State[]) {
      it(`${name} in ${state} → ${expected[name][state]}`, () => check(name, inState(state), expected[name][state]));
    }
    for (const side of ['winner', 'loser'] as const) {
      it(`${name} in held, frozen as the ${side} → ${expectedFrozen[name][side]}`, () => check(name, frozen(side), expectedFrozen[name][side]));
    }
  }

  it('lists every event and every state', () => {
    assert.deepEqual(Object.keys(transitions).sort(), Object.keys(expected).sort());
    for (const row of Object.values(transitions)) assert.deepEqual(Object.keys(row).sort(), ['elevated', 'held', 'leaving', 'manual', 'normal', 'withdrawn']);
  });
});

describe('a claim', () => {
  it('takes the clock when that is ahead of all that was seen', () => {
    const h = stepHandover(newHandover('default', ip('203.0.113.11'), at(0)), heard('rarp', 1), context(2)).handover;
    assert.equal(h.sequence, clockSequence(at(2)));
    assert.equal(h.highestSeen, h.sequence);
  });

  it('outbids what was seen when the clock does not', () => {
    const seen = clockSequence(at(0)) + 500;
    const h = stepHandover({ ...newHandover('default', ip('203.0.113.11'), at(0)), highestSeen: seen }, heard('rarp', 1), context(2)).handover;
    assert.equal(h.sequence, seen + 1);
  });

  it('is seen + 1 while the clock is not synchronised', () => {
    const h = stepHandover({ ...newHandover('default', ip('203.0.113.11'), at(0)), highestSeen: 41 }, heard('rarp', 1), context(2, { now: at(2, false) })).handover;
    assert.equal(h.sequence, 42);
  });

  it('does not change on the wire with each repeat', () => {
    const first = inState('elevated');
    for (const [kind, after, verdict] of [['rarp', 50, 'repeat'], ['garp', 90, 'repeat'], ['rarp', 800, 'repeat'], ['garp', 5000, 'accepted']] as const) {
      const { handover, verdict: said } = stepHandover(first, heard(kind, 1000 + after), context(1000 + after));
      assert.equal(handover.sequence, first.sequence);
      assert.equal(said, verdict);
    }
  });

  it('raises the sequence at every change of sides', () => {
    let h = inState('elevated');
    const sequences = [h.sequence];
    for (let i = 0; i < 5; i++) {
      h = stepHandover(h, { type: 'HeardUplink', kind: 'rarp', capturedAtMs: 2000 + i * 20 }, context(2000 + i * 20)).handover;
      h = stepHandover(h, heard('rarp', 2010 + i * 20), context(2010 + i * 20)).handover;
      sequences.push(h.sequence);
    }
    assert.deepEqual(sequences, [...sequences].sort((a, b) => a - b));
    assert.equal(new Set(sequences).size, 6);
  });
});

describe('leaving', () => {
  it('withdraws from the peer that shows the newer claim, and stays announced at the other', () => {
    const shown = stepHandover(inState('normal'), { type: 'RemoteNewer', peer: 'tor-a' }, context(100_000, { rivalStands: true })).handover;
    assert.equal(shown.state, 'leaving');
    assert.deepEqual([...shown.gone], ['tor-a']);
    const both = stepHandover(shown, { type: 'RemoteNewer', peer: 'tor-b' }, context(100_010, { rivalStands: true, holders: ['tor-b'] })).handover;
    assert.equal(both.state, 'withdrawn');
    assert.equal(both.leaveAtMs, undefined);
  });

  it('withdraws at once where the only holder shows the newer claim', () => {
    const h = stepHandover(inState('normal'), { type: 'RemoteNewer', peer: 'tor-a' }, context(100_000, { holders: ['tor-a'], rivalStands: true })).handover;
    assert.equal(h.state, 'withdrawn');
  });

  it('asks the VM three times and withdraws when it stays silent', () => {
    let h = stepHandover(inState('normal'), { type: 'HeardUplink', kind: 'rarp', capturedAtMs: 100_000 }, context(100_000)).handover;
    let probes = 0;
    for (let time = 100_000; h.state === 'leaving' && time < 110_000; time += 10) {
      for (let event = dueEvent(h, time); event !== undefined; event = dueEvent(h, time)) {
        const step = stepHandover(h, event, context(time));
        h = step.handover;
        if (step.sendProbe) probes += 1;
        if (h.state !== 'leaving') { assert.equal(time, 102_000); break; }
      }
    }
    assert.equal(probes, 3);
    assert.equal(h.state, 'withdrawn');
  });

  it('claims again when the VM answers, once against a rival that stands; then it is a conflict', () => {
    let h = stepHandover(inState('normal'), { type: 'RemoteNewer', peer: 'tor-a' }, context(100_000, { rivalStands: true })).handover;
    let step = stepHandover(h, { type: 'Answered', endpoint, capturedAtMs: 100_005 }, context(100_005, { rivalStands: true }));
    assert.equal(step.handover.state, 'elevated');
    assert.equal(step.verdict, 'accepted');
    h = stepHandover(step.handover, { type: 'RemoteNewer', peer: 'tor-a' }, context(100_020, { rivalStands: true })).handover;
    step = stepHandover(h, { type: 'Answered', endpoint, capturedAtMs: 100_025 }, context(100_025, { rivalStands: true }));
    assert.equal(step.handover.state, 'held');
    assert.equal(step.verdict, 'conflict');
    step = stepHandover(h, { type: 'Answered', endpoint, capturedAtMs: 100_025 + reclaimPauseMs }, context(100_025 + reclaimPauseMs, { rivalStands: true }));
    assert.equal(step.handover.state, 'elevated');
  });

  it('does not claim on a frame that was captured before the sign that made it leave', () => {
    const h = stepHandover(inState('normal'), { type: 'RemoteNewer', peer: 'tor-a' }, context(100_000, { rivalStands: true })).handover;
    const step = stepHandover(h, heard('garp', 99_999), context(100_001, { rivalStands: true }));
    assert.equal(step.handover.state, 'leaving');
    assert.equal(step.verdict, 'repeat');
  });

  it('takes no uplink frame for news that was captured before our own evidence', () => {
    const h = inState('elevated');
    assert.equal(stepHandover(h, { type: 'HeardUplink', kind: 'garp', capturedAtMs: 900 }, context(1001)).handover.state, 'elevated');
  });

  it('has no probes once the port is gone, and ends after the grace', () => {
    const h = stepHandover(inState('normal'), { type: 'PortGone' }, context(100_000, { portAlive: false })).handover;
    assert.equal(h.probe, undefined);
    assert.equal(handoverDeadline(h), 102_000);
  });

  it('ends after the grace where its port goes meanwhile and the grace is the shorter wait, and no later than it would have', () => {
    for (const [portGoneGraceMs, ends] of [[500, 100_600], [60_000, 102_000]] as const) {
      const short = { options: { ...options, portGoneGraceMs } };
      let h = stepHandover(inState('normal'), { type: 'HeardUplink', kind: 'rarp', capturedAtMs: 100_000 }, context(100_000, short)).handover;
      assert.equal(h.leaveAtMs, 102_000);
      h = stepHandover(h, { type: 'PortGone' }, context(100_100, { ...short, portAlive: false })).handover;
      assert.equal(h.leaveAtMs, ends);
      assert.equal(h.probe, undefined, 'nobody is left to ask');
    }
  });

  it('voids every deadline of the claim that it belonged to', () => {
    const leaving = inState('leaving');
    const claimedAgain = stepHandover(leaving, heard('rarp', 2000), context(2001)).handover;
    assert.equal(claimedAgain.leaveAtMs, undefined);
    assert.equal(claimedAgain.probe, undefined);
    assert.equal(handoverDeadline(claimedAgain), 2001 + options.elevatedForMs);
  });
});

describe('a rival that is gone', () => {
  it('makes the node that gave way ask its VM at once, however seldom it asked by then', () => {
    let h = stepHandover(inState('normal'), { type: 'RemoteNewer', peer: 'tor-a' }, context(100_000, { rivalStands: true, holders: ['tor-a'] })).handover;
    assert.equal(h.state, 'withdrawn');
    h = { ...h, probe: { sent: 9, atMs: 160_000 } };
    assert.deepEqual(stepHandover(h, { type: 'RivalGone' }, context(130_000)).handover.probe, { sent: 0, atMs: 130_000 });
    assert.deepEqual(stepHandover(h, { type: 'RivalGone' }, context(130_000, { portAlive: false })).handover.probe, h.probe, 'nobody is behind a dead port');
  });
});

describe('a conflict', () => {
  it('is won by the port that bears the mark of the VM, though the other node had the address before', () => {
    const rival = { rivalStands: true, rivalVisible: true, holders: ['tor-a'] };
    for (const portVerified of [false, true]) {
      // This node's own claim began it, and the other side came back at once.
      let h = stepHandover(newHandover('default', ip('203.0.113.11'), at(0)), heard('rarp', 199_900), context(199_900, rival)).handover;
      for (const now of [200_000, 200_020]) {
        h = stepHandover(h, { type: 'RemoteNewer', peer: 'tor-a' }, context(now, rival)).handover;
        h = stepHandover(h, { type: 'Answered', endpoint, capturedAtMs: now + 1 }, context(now + 1, { ...rival, portVerified })).handover;
      }
      assert.deepEqual([h.state, h.hold?.level], ['held', portVerified ? 'elevated' : undefined]);
    }
  });
});

describe('clear', () => {
  it('forgets the sequences of others: nothing where nothing is announced, our own where a claim stands, and an affair that went on', () => {
    const seen = { highestSeen: 900_000_000, reclaimedAtMs: 1, episode: { moves: [1, 2], holder: 'here' as const } };
    for (const state of ['withdrawn', 'elevated', 'leaving'] as const) {
      const known = { ...inState(state), ...seen };
      const { handover } = stepHandover(known, { type: 'OperatorClears' }, context(200_000));
      assert.deepEqual([handover.highestSeen, handover.sequence, handover.reclaimedAtMs, handover.episode], [state === 'withdrawn' ? 0 : known.sequence, known.sequence, undefined, undefined]);
    }
  });
});

describe('the one of a frozen address that says nothing', () => {
  it('stands in when it hears its VM while no other claim stands, and is silent while one does', () => {
    const loser = frozen('loser');
    assert.equal(loser.hold?.level, undefined);
    const alone = stepHandover(loser, heard('garp', 210_000), context(210_001));
    assert.deepEqual([alone.verdict, alone.handover.state, alone.handover.hold?.level, alone.handover.hold?.standsIn], ['accepted', 'held', 'elevated', true]);
    assert.ok(alone.handover.sequence > loser.sequence);
    const beside = stepHandover(loser, heard('garp', 210_000), context(210_001, { rivalStands: true }));
    assert.deepEqual([beside.verdict, beside.handover.hold?.level, beside.handover.sequence], ['held', undefined, loser.sequence]);
  });
});

describe('an early frame', () => {
  it('is remembered and claims when the rival leaves', () => {
    const h = stepHandover(newHandover('default', ip('203.0.113.11'), at(0)), { type: 'HeardEarly', kind: 'garp', endpoint }, context(10, { rivalVisible: true }));
    assert.equal(h.verdict, 'early');
    assert.equal(h.handover.state, 'withdrawn');
    const claimed = stepHandover(h.handover, { type: 'RivalGone' }, context(20)).handover;
    assert.equal(claimed.state, 'elevated');
    assert.deepEqual(claimed.endpoint, endpoint);
  });

  it('is forgotten with its port', () => {
    const h = stepHandover(newHandover('default', ip('203.0.113.11'), at(0)), { type: 'HeardEarly', kind: 'garp', endpoint }, context(10)).handover;
    const gone = stepHandover(h, { type: 'PortGone' }, context(15, { portAlive: false })).handover;
    assert.equal(stepHandover(gone, { type: 'RivalGone' }, context(20, { portAlive: false })).handover.state, 'withdrawn');
  });
});

describe('settling', () => {
  it('waits while a rival is visible', () => {
    const h = stepHandover(inState('elevated'), { type: 'SettleTimer_Expires' }, context(91_000, { rivalVisible: true })).handover;
    assert.equal(h.state, 'elevated');
    assert.equal(h.settleAtMs, 92_000);
  });
});

describe('manual override', () => {
  it('withdraws for a time and then asks the VM', () => {
    let h = stepHandover(inState('normal'), { type: 'OperatorWithdraws', untilMs: 160_000 }, context(100_000)).handover;
    assert.equal(dueEvent(h, 159_999), undefined);
    h = stepHandover(h, dueEvent(h, 160_000) as HandoverEvent, context(160_000)).handover;
    assert.equal(h.state, 'withdrawn');
    assert.equal(dueEvent(h, 160_000)?.type, 'Probe_Due');
  });

  it('outbids every claim with announce', () => {
    const h = stepHandover({ ...inState('withdrawn'), highestSeen: 2_000_000_000 }, { type: 'OperatorAnnounces' }, context(5)).handover;
    assert.equal(h.sequence, 2_000_000_001);
  });
});

describe('the VM\'s MAC behind a second local port', () => {
  const other: Endpoint = { ...endpoint, ifindex: 9 };
  const heardThere: HandoverEvent = { type: 'HeardLocal', kind: 'garp', endpoint: other, capturedAtMs: 5000 };

  it('moves nothing while its own port lives', () => {
    const { handover, verdict } = stepHandover(inState('elevated'), heardThere, context(5001));
    assert.equal(verdict, 'conflict');
    assert.deepEqual(handover.endpoint, endpoint);
  });

  it('is asked when its own port goes', () => {
    let h = stepHandover(inState('elevated'), heardThere, context(5001)).handover;
    h = stepHandover(h, { type: 'PortGone' }, context(6000, { portAlive: false })).handover;
    assert.equal(h.state, 'leaving');
    assert.equal(dueEvent(h, 6000)?.type, 'Probe_Due');
    h = stepHandover(h, { type: 'Answered', endpoint: other, capturedAtMs: 6001 }, context(6001)).handover;
    assert.equal(h.state, 'elevated');
    assert.deepEqual(h.endpoint, other);
  });

  it('keeps the route, as leaving, when another node claims, until it was asked behind both in turn', () => {
    const rival = { rivalStands: true, rivalVisible: true, holders: ['tor-a'] };
    let h = stepHandover(inState('elevated'), heardThere, context(5001)).handover;
    h = stepHandover(h, { type: 'RemoteNewer', peer: 'tor-a' }, context(6000, rival)).handover;
    assert.deepEqual([h.state, h.gone.size, h.leaveAtMs], ['leaving', 0, 8000], 'though the only router has the newer claim itself');
    const behind: (number | undefined)[] = [];
    for (let event = dueEvent(h, handoverDeadline(h) as number); h.state === 'leaving'; event = dueEvent(h, handoverDeadline(h) as number)) {
      assert.ok(event !== undefined);
      const step = stepHandover(h, event, context(handoverDeadline(h) as number, rival));
      h = step.handover;
      if (step.sendProbe === true) behind.push(h.endpoint?.ifindex);
    }
    assert.deepEqual([h.state, behind], ['withdrawn', [9, 7, 9]]);
  });

  it('takes over at once when its own port is gone already', () => {
    const { handover, verdict } = stepHandover(inState('elevated'), heardThere, context(5001, { portAlive: false }));
    assert.equal(verdict, 'accepted');
    assert.deepEqual(handover.endpoint, other);
  });
});

describe('the first frame of a VM that comes from another node', () => {
  it('claims, though it was captured before this node knew of the address', () => {
    const known = newHandover('default', ip('203.0.113.11'), at(1000));
    const step = stepHandover(known, heard('rarp', 999.9), context(1000, { rivalStands: true, rivalVisible: true }));
    assert.deepEqual([step.verdict, step.handover.state], ['accepted', 'elevated']);
  });
});

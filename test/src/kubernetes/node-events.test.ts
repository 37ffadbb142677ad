import assert from 'node:assert/strict';
import { burst, newBudget, refillMs, spend } from '../../../src/kubernetes/event-budget.ts';
import { nodeEventOf } from '../../../src/kubernetes/node-events.ts';
import { labelsFrom, parseWatchLine } from '../../../src/kubernetes/watch-line.ts';
import type { Note } from '../../../src/world.ts';

const of = (event: Note['event'], fields: Note['fields'], peer?: string): ReturnType<typeof nodeEventOf> =>
  nodeEventOf({ level: 'info', room: 'routes', event, fields, ...(peer === undefined ? {} : { peer }) });

describe('Events on the Node', () => {
  it('tell of arrivals, departures, conflicts, holds and sessions, and of nothing else', () => {
    const cases: [ReturnType<typeof nodeEventOf>, string, string, RegExp][] = [
      [of('migration.started', { id: 'k3f9', direction: 'in', address: '203.0.113.11', vm: 'shop/web-1', seenBy: 'rarp', announceSeconds: 0.0011 }), 'VMArrived', 'Normal', /^shop\/web-1 \(203\.0\.113\.11\) runs here: announced 1\.1 ms after the first sign \(rarp\); migration k3f9$/],
      [of('migration.finished', { id: 'k3f8', direction: 'out', address: '203.0.113.12', result: 'withdrawn' }), 'VMDeparted', 'Normal', /^203\.0\.113\.12 left: withdrawn; migration k3f8$/],
      [of('migration.finished', { id: 'k3f7', direction: 'in', address: '203.0.113.12', result: 'replaced' }), 'VMArrivalEnded', 'Normal', /replaced/],
      [of('handover.held', { prefix: '203.0.113.11/32', why: 'conflict', text: 'two nodes answer' }), 'AddressConflict', 'Warning', /^203\.0\.113\.11\/32 is held: two nodes answer$/],
      [of('handover.held', { prefix: '203.0.113.11/32', why: 'flap', text: 'moved 5 times' }), 'AddressFlaps', 'Warning', /moved 5/],
      [of('handover.held', { prefix: '203.0.113.11/32', why: 'gate', text: 'shut' }), 'AddressHeld', 'Normal', /shut/],
      [of('hold.cleared', { address: '203.0.113.11' }), 'AddressReleased', 'Normal', /203/],
      [of('session.transition', { from: 'openconfirm', to: 'established', cause: 'KeepAliveMsg' }, 'tor-a'), 'BGPSessionUp', 'Normal', /tor-a/],
      [of('session.transition', { from: 'established', to: 'idle', cause: 'HoldTimer_Expires' }, 'tor-a'), 'BGPSessionDown', 'Warning', /^the session with tor-a is down \(HoldTimer_Expires\)$/],
      [of('config.refused', { text: 'watch is required' }), 'ConfigRefused', 'Warning', /watch is required/],
    ];
    for (const [event, reason, type, message] of cases) {
      assert.equal(event?.reason, reason);
      assert.equal(event.type, type, reason);
      assert.match(event.message, message);
    }
    for (const silent of [
      of('migration.started', { direction: 'out' }), of('migration.finished', { direction: 'in', result: 'settled' }), of('session.transition', { from: 'connect', to: 'active' }, 'tor-a'), of('frame.ignored', {}),
    ]) assert.equal(silent, undefined);
  });

  it('escape and cut what others chose', () => {
    const event = of('handover.held', { prefix: '203.0.113.11/32', why: 'conflict', text: `\x1b[2J${'x'.repeat(5000)}` });
    assert.ok((event?.message.length ?? 9999) <= 1000);
    assert.match(event?.message ?? '', /^203\.0\.113\.11\/32 is held: \\x1b\[2Jx/);
  });

  it('are bounded: a burst, then one in a while, with the number of those left out', () => {
    let budget = newBudget(0);
    let went = 0;
    for (let i = 0; i < burst + 50; i++) {
      const spent = spend(budget, 1);
      budget = spent.budget;
      if (spent.allowed) went += 1;
    }
    assert.equal(went, burst);
    const next = spend(budget, 1 + refillMs);
    assert.deepEqual([next.allowed, next.omitted], [true, 50]);
    assert.equal(spend(next.budget, 2 + refillMs).allowed, false);
    assert.equal(spend(next.budget, 0).allowed, false, 'a clock that goes back gives nothing');
  });
});

describe('a line of a watch', () => {
  it('is what the API says it is', () => {
    const object = { metadata: { name: 'hv-1', uid: 'u-1', resourceVersion: '7', labels: { rack: 'r1', 'node-role.kubernetes.io/worker': '' } } };
    assert.deepEqual(parseWatchLine(JSON.stringify({ type: 'MODIFIED', object })), { type: 'node', labels: { rack: 'r1', 'node-role.kubernetes.io/worker': '' }, uid: 'u-1', version: '7' });
    assert.deepEqual(parseWatchLine('{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12"}}}'), { type: 'bookmark', version: '12' });
    assert.deepEqual(parseWatchLine('{"type":"ERROR","object":{"code":410}}'), { type: 'expired' });
    assert.deepEqual(parseWatchLine('{"type":"ERROR","object":{"code":500,"message":"etcd\\u001b is away"}}'), { type: 'problem', text: 'etcd\\x1b is away' });
    assert.equal(parseWatchLine('{"type":"DELETED","object":{}}').type, 'deleted');
  });

  it('that is none is a problem, never an exception', () => {
    for (const line of ['', 'x', 'null', '7', '[]', '{}', '{"type":"ADDED"}', '{"type":"ADDED","object":null}', '{"type":"ADDED","object":{"metadata":{"labels":[1]}}}', '{"type":"ERROR","object":7}']) {
      const said = parseWatchLine(line);
      assert.ok(said.type === 'problem' || (said.type === 'node' && Object.keys(said.labels).length === 0), line);
    }
  });

  it('gives labels that could be labels, and no others', () => {
    assert.deepEqual(labelsFrom(JSON.parse('{"a":"b","c d":"e","f":"g\\n","h":7,"__proto__":"x","i":""}')), { a: 'b', i: '' });
    assert.equal(Object.keys(labelsFrom(Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, 'v'])))).length, 1000);
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ip } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import type { Now } from '../../net/time.ts';
import { clockSequence, futureAfterSeconds, highestSequence, nextSequence } from '../../routes/claim.ts';
import { newHandover, type Handover, type HandoverOptions } from '../../routes/handover.ts';
import { ceilingLead, rememberAddress, rememberPair, type Memory, type RememberedAddress, type RememberedPair } from '../../routes/memory.ts';
import { memoryVersion, parseMemory, serialiseMemory } from '../../routes/memory-text.ts';
import { isFutureRecord, recallClaim, recallHeld, recallManual, recallSequence } from '../../routes/recall.ts';

const now: Now = { monotonicMs: 50_000, wallMs: Date.UTC(2026, 10, 25), wallTrusted: true };
const mac = parseMac('52:54:00:aa:00:01') as Mac;
const portMac = parseMac('fe:54:00:aa:00:01') as Mac;
const options: HandoverOptions = { elevatedForMs: 90_000, debounceMs: 1500, withdrawAfterMs: 2000, portGoneGraceMs: 2000, flap: { moves: 5, withinMs: 180_000, holdMs: 60_000 } };
const endpoint = { mac, vlan: 100, ifindex: 7, tagged: true };
const sequence = clockSequence(now) - 100;
const claim: Handover = {
  ...newHandover('default', ip('203.0.113.11'), now), state: 'elevated', source: 'garp', sequence, highestSeen: sequence + 2, endpoint, claimedAtMs: 20_000, evidenceAtMs: 20_000,
};
const port = { name: 'tap0', mac: portMac };

const write = (addresses: readonly RememberedAddress[], learned: readonly RememberedPair[] = []): string =>
  [...serialiseMemory({ node: 'hv-1', bootId: 'b', writtenMs: now.wallMs }, addresses, learned)].join('');
const read = (text: string): Memory => {
  const parsed = parseMemory(text);
  assert.ok('memory' in parsed, JSON.stringify(parsed));
  return parsed.memory;
};
const remembered = (h: Handover, final = false): RememberedAddress => rememberAddress(h, now, { port, final }) as RememberedAddress;

describe('what a life leaves to the next', () => {
  it('comes back as it was written, one record per line', () => {
    const leaving = remembered({ ...claim, address: ip('2001:db8:100::11'), state: 'leaving' });
    const manual = remembered({ ...claim, address: ip('203.0.113.12'), state: 'manual', manual: { mode: 'withdraw', untilMs: 60_000 } });
    const held = remembered({ ...claim, address: ip('203.0.113.14'), state: 'held', hold: { why: 'flap', level: 'elevated', untilMs: 60_000, seen: sequence } });
    assert.deepEqual(held.hold, { why: 'flap', level: 'elevated', untilWallMs: now.wallMs + 10_000 });
    const step = rememberAddress(claim, now, { port, step: 3, final: false }) as RememberedAddress;
    const pair = rememberPair({ vrf: 'default', vlan: 0, mac, address: ip('203.0.113.13'), ifindex: 7, firstHeardMs: 10_000, lastHeardMs: 40_000, pinned: true }, now);
    const text = write([step, leaving, manual, held], [pair]);
    assert.equal(text.trimEnd().split('\n').length, 8);
    const memory = read(text);
    assert.deepEqual(memory.addresses, [step, leaving, manual, held]);
    assert.deepEqual(memory.learned, [pair]);
    assert.equal(memory.refused, 0);
  });

  it('is of an address whose policy gate is shut what the routers were told', () => {
    const held = (level?: 'elevated' | 'leaving'): RememberedAddress => remembered({ ...claim, state: 'held', highestSeen: clockSequence(now) + 5, hold: { why: 'gate', seen: 1, ...(level === undefined ? {} : { level }) } });
    assert.deepEqual([held('elevated').state, held('leaving').state, held().state], ['claimed', 'leaving', 'none']);
  });

  it('is nothing for an address whose sequence the clock gives back', () => {
    assert.equal(rememberAddress({ ...claim, state: 'withdrawn' }, now, { final: false }), undefined);
    assert.equal(rememberAddress({ ...claim, state: 'withdrawn', highestSeen: clockSequence(now) + 5 }, now, { final: false })?.state, 'none');
    assert.equal(rememberAddress({ ...claim, state: 'withdrawn' }, { ...now, wallTrusted: false }, { final: false })?.highestSeen, sequence + 2);
  });

  it('of the first version is read for ever', () => {
    const memory = read(`{"version":1,"node":"hv-1","bootId":"b","writtenMs":1795651200000,"addresses":[
      {"vrf":"default","address":"203.0.113.11","state":"claimed","source":"garp","sequence":217728000,"highestSeen":217728000,"ceiling":217728064,"claimedWallMs":1795651190000,
       "endpoint":{"mac":"52:54:00:aa:00:01","vlan":0,"ifindex":7,"tagged":false,"port":"tap0","portMac":"fe:54:00:aa:00:01"},"added":"later"}],
      "learned":[{"vrf":"default","vlan":0,"mac":"52:54:00:aa:00:01","address":"203.0.113.11","ifindex":7,"pinned":true,"firstHeardWallMs":1795651190000,"lastHeardWallMs":1795651190000}],"new":[]}`);
    assert.equal(memory.refused, 0);
    assert.equal(memory.addresses[0]?.endpoint?.portMac, portMac);
    assert.equal(memory.learned.length, 1);
  });

  it('of a newer version, or none, is refused in words', () => {
    const problem = (text: string): string => { const parsed = parseMemory(text); return 'problem' in parsed ? parsed.problem : 'read'; };
    assert.match(problem(write([]).replace(`"version":${memoryVersion}`, `"version":${memoryVersion + 1}`)), /version 2/);
    assert.match(problem('{}'), /no version/);
    assert.match(problem('[]'), /no version/);
    for (const version of [0, -1, 1.5]) assert.equal(problem(write([]).replace(`"version":${memoryVersion}`, `"version":${version}`)), `it is of version ${version}, which there never was`);
    assert.match(problem(write([]).replace(`"version":${memoryVersion}`, '"version":"1"')), /no version/);
    assert.match(problem('{"version":1,"node":"hv-1"}'), /head/);
  });

  it('cut anywhere is refused, and nothing throws', () => {
    const text = write([remembered(claim), remembered({ ...claim, address: ip('2001:db8:100::11') })], []);
    for (let cut = 0; cut < text.length - 1; cut++) assert.ok('problem' in parseMemory(text.slice(0, cut)), `cut at ${cut}`);
  });

  it('damaged in any octet gives records that make sense, or none', () => {
    const text = write([remembered(claim)]);
    fc.assert(fc.property(fc.nat(text.length - 1), fc.integer({ min: 32, max: 126 }), (at, octet) => {
      const parsed = parseMemory(text.slice(0, at) + String.fromCharCode(octet) + text.slice(at + 1));
      if ('problem' in parsed) return;
      for (const record of parsed.memory.addresses) {
        assert.ok(record.sequence >= 0 && record.sequence <= record.highestSeen && record.highestSeen <= record.ceiling && record.ceiling <= highestSequence);
        if (record.state === 'claimed') assert.ok(record.endpoint !== undefined);
      }
    }), { numRuns: 500 });
    fc.assert(fc.property(fc.json(), (any) => { parseMemory(any); }));
  });
});

describe('a sequence after a restart', () => {
  it('is above all that may have been used since the file was written', () => {
    const record = remembered(claim);
    const usedSince = claim.highestSeen + ceilingLead;
    assert.ok(recallSequence(record, { ...now, wallTrusted: false }).highestSeen >= usedSince);
    assert.ok(nextSequence(recallSequence(record, { ...now, wallTrusted: false }).highestSeen, { ...now, wallTrusted: false }) > usedSince);
  });

  it('is not raised by a stop in good order', () => {
    assert.equal(recallSequence(remembered(claim, true), now).highestSeen, claim.highestSeen);
  });

  it('does not run away from the clock, however often the process ends', () => {
    let h: Handover = { ...claim, highestSeen: clockSequence(now) };
    for (let life = 0; life < 1000; life++) {
      const recalled = recallSequence(remembered(h), now);
      const next = nextSequence(recalled.highestSeen, now);
      h = { ...h, sequence: next, highestSeen: next };
    }
    assert.ok(h.sequence < clockSequence(now) + ceilingLead + 1001, `${h.sequence - clockSequence(now)} s ahead`);
  });

  it('that nobody can have reached is not adopted', () => {
    const record = { ...remembered(claim), highestSeen: clockSequence(now) + futureAfterSeconds + 10, sequence: 5 };
    assert.equal(isFutureRecord(record, now), true);
    assert.equal(recallSequence(record, now).highestSeen, 0);
    assert.equal(isFutureRecord(record, { ...now, wallTrusted: false, wallMs: Date.UTC(1970, 0, 2) }), false, 'a clock that was never set judges nobody');
    assert.equal(isFutureRecord(remembered(claim), now), false);
  });
});

describe('a claim that comes back', () => {
  const later: Now = { ...now, monotonicMs: 1000, wallMs: now.wallMs + 5000 };

  it('keeps its sequence, and its time as elevated', () => {
    const record = remembered(claim);
    const h = recallClaim(recallSequence(record, later), record, endpoint, later, options);
    assert.equal(h.sequence, sequence);
    assert.equal(h.state, 'elevated');
    assert.equal(h.settleAtMs, 1000 + 90_000 - 35_000);
    assert.equal(recallClaim(recallSequence(record, later), record, endpoint, { ...later, wallMs: now.wallMs + 100_000 }, options).state, 'normal');
  });

  it('goes on leaving where it was leaving: asked, and withdrawn in the end', () => {
    const record = remembered({ ...claim, state: 'leaving' });
    const h = recallClaim(recallSequence(record, later), record, endpoint, later, options);
    assert.equal(h.state, 'leaving');
    assert.equal(h.leaveAtMs, 3000);
    assert.deepEqual(h.probe, { sent: 0, atMs: 1000 });
  });

  it('stays frozen, as the one that stands or as the other', () => {
    for (const hold of [{ why: 'flap', level: 'elevated', untilMs: 60_000, seen: 1 }, { why: 'conflict', seen: 1 }] as const) {
      const record = remembered({ ...claim, state: 'held', hold });
      const h = recallHeld(recallSequence(record, later), record, endpoint, later);
      assert.equal(h.state, 'held');
      assert.equal(h.hold?.level, 'level' in hold ? 'elevated' : undefined);
      assert.equal(h.hold?.untilMs, 'untilMs' in hold ? 1000 + 10_000 - 5000 : undefined);
    }
    assert.equal(remembered({ ...claim, state: 'held', hold: { why: 'gate', level: 'elevated', seen: 1 } }).state, 'claimed');
  });

  it('stays under the operator\'s hand as long as was said', () => {
    const record = remembered({ ...claim, state: 'manual', manual: { mode: 'withdraw', untilMs: 60_000 } });
    const h = recallManual(recallSequence(record, later), record, undefined, later);
    assert.deepEqual(h.manual, { mode: 'withdraw', untilMs: 1000 + 10_000 - 5000 });
  });
});

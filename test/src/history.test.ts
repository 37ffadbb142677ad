import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ip } from '../../net/ip.ts';
import { addressKey } from '../../routes/loc-rib.ts';
import { addLine, newMigrationLog, openMigration } from '../../routes/migrations.ts';
import { collectMigration } from '../../src/collect/migrations.ts';
import { formatHistoryLine, parseHistoryLine, restoreHistory } from '../../src/history.ts';
import { parseMac, type Mac } from '../../net/mac.ts';

const then = { monotonicMs: 5000, wallMs: Date.UTC(2026, 10, 25, 12), wallTrusted: true };
/** Another life of the process, an hour later: its monotonic clock began anew. */
const later = { monotonicMs: 700, wallMs: then.wallMs + 3_600_000, wallTrusted: true };

function sample() {
  const log = newMigrationLog(10, 1_000_000);
  const m = openMigration(log, addressKey('default', ip('203.0.113.11')), {
    vrf: 'default', address: ip('203.0.113.11'), vm: 'shop/web-1', mac: parseMac('52:54:00:aa:00:01') as Mac, direction: 'in', startMs: 4000,
    startWallMs: then.wallMs - 1000, seenBy: 'rarp', sequence: 217_000_000, peerNode: ip('192.0.2.18'),
  });
  addLine(m, 4000, 'frame', 'rarp from vnet4 (kernel time stamp)');
  addLine(m, 4000.3, 'written', 'tor-a: last UPDATE byte handed to the kernel', 'tor-a');
  m.announcedAtMs = 4000.3;
  m.heldMs = 212;
  m.result = 'settled';
  return m;
}

describe('a line of the history', () => {
  it('is read back as what it was, at the same wall time, before this life began', () => {
    const m = sample();
    const read = parseHistoryLine(formatHistoryLine(m), later);
    assert.ok(read !== undefined);
    assert.deepEqual(collectMigration(read), collectMigration(m));
    assert.equal(read.sequence, m.sequence);
    assert.equal(read.startMs, 700 - 3_601_000);
  });

  it('is left out where it is anything else', () => {
    const line = formatHistoryLine(sample());
    for (let cut = 1; cut < line.length; cut++) assert.equal(parseHistoryLine(line.slice(0, cut), later), undefined, `${cut}`);
    const item = JSON.parse(line) as Record<string, unknown>;
    for (const [key, value] of [['id', 'A b'], ['prefix', 'x'], ['startedAt', 'y'], ['direction', 'up'], ['result', 'fine'], ['timeline', {}], ['timeline', [null]], ['vrf', 5]] as const) {
      assert.equal(parseHistoryLine(JSON.stringify({ ...item, [key]: value }), later), undefined, key);
    }
    fc.assert(fc.property(fc.json(), (text) => { parseHistoryLine(text, later); }));
    fc.assert(fc.property(fc.string(), (text) => { parseHistoryLine(text, later); }));
  });

  it('counts by its id: the last of several, in the order of their times, as many as are kept', () => {
    const log = newMigrationLog(3, 1);
    const lines: string[] = [];
    for (let i = 0; i < 5; i++) {
      const m = { ...sample(), id: `m${i}`, startWallMs: then.wallMs - i * 1000 };
      lines.push(formatHistoryLine({ ...m, result: 'announced' }), formatHistoryLine(m));
    }
    assert.equal(restoreHistory(log, [...lines, '{"half":'], later), 1);
    assert.deepEqual(log.all.map((m) => [m.id, m.result]), [['m2', 'settled'], ['m1', 'settled'], ['m0', 'settled']]);
  });
});

import assert from 'node:assert/strict';
import { countIgnored, type IgnoredByPort, type IgnoredLog } from '../../src/ignored.ts';

const now = { monotonicMs: 1, wallMs: 1, wallTrusted: true };

function newLog(): { log: IgnoredLog; byPort: IgnoredByPort; refuse: (port: string, i: number) => boolean; of: (port: string) => number } {
  const log: IgnoredLog = new Map();
  const byPort: IgnoredByPort = new Map();
  return {
    log, byPort,
    refuse: (port, i) => countIgnored(log, byPort, now, { verdict: 'no_binding', kind: 'garp', reason: 'r', port, mac: `mac ${i}` }),
    of: (port) => [...log.values()].filter((item) => item.port === port).length,
  };
}

describe('the log of ignored frames', () => {
  it('counts like ones together, and says which are new', () => {
    const { log, refuse } = newLog();
    assert.deepEqual([refuse('tap0', 1), refuse('tap0', 1), refuse('tap0', 2)], [true, false, true]);
    assert.deepEqual([...log.values()].map(({ count }) => count), [2, 1]);
  });

  it('is one port\'s where no other has anything to say: its newest thousand', () => {
    const { log, refuse } = newLog();
    for (let i = 0; i < 3000; i++) refuse('tap0', i);
    assert.equal(log.size, 1000);
    assert.deepEqual([[...log.values()][0]?.mac, [...log.values()].at(-1)?.mac], ['mac 2000', 'mac 2999']);
  });

  it('keeps what other ports said while one floods, before the flood and after it', () => {
    const { log, byPort, refuse, of } = newLog();
    for (let i = 0; i < 5; i++) refuse('tap0', i);
    for (let i = 0; i < 5000; i++) refuse('tap1', i);
    assert.equal(of('tap0'), 5);
    for (let i = 0; i < 300; i++) refuse('tap2', i);
    for (let i = 0; i < 5000; i++) refuse('tap1', 5000 + i);
    assert.deepEqual([of('tap0'), of('tap2'), of('tap1'), log.size], [5, 300, 695, 1000]);
    for (let i = 0; i < 5000; i++) refuse('tap2', 300 + i);
    assert.deepEqual([of('tap0'), of('tap2'), log.size], [5, 333, 1000]);
    assert.deepEqual([...byPort].map(([port, { size }]) => [port, size]).sort(), [['tap0', 5], ['tap1', 662], ['tap2', 333]]);
  });

  it('is bounded also where each frame is of another port', () => {
    const { log, byPort, refuse } = newLog();
    for (let i = 0; i < 3000; i++) refuse(`tap${i}`, i);
    assert.deepEqual([log.size, byPort.size], [1000, 1000]);
  });
});

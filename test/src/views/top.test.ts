import assert from 'node:assert/strict';
import { topScreen, type TopSample, type TopState } from '../../../src/views/top.ts';
import { migrations, peers } from '../fake-daemon.ts';

function sampleOf(more: Partial<TopSample> = {}): TopSample {
  return {
    atMs: 10_000, time: '2026-11-24T10:41:15.000Z', peers, migrations,
    status: {
      version: '0.1.0', node: 'hv-07', routerId: '192.0.2.17', routerIdFrom: 'session', startedAt: '2026-11-20T08:30:00.000Z', uptimeSeconds: 353465, dryRun: false,
      peers: { configured: 2, established: 1 }, prefixes: { normal: 3, elevated: 0 }, capture: { frames: 150, dropped: 0 }, warnings: [],
    },
    ...more,
  };
}
const textOf = (state: TopState, columns = 200, rows = 40): string[] => topScreen(state, { columns, rows }).map((line) => line.text);

describe('view: top', () => {
  it('shows the node, each peer, what is under way and what was last', () => {
    const lines = textOf({ now: sampleOf({ migrations: [{ ...migrations[0]!, id: 'live', result: 'announced' }, ...migrations] }) });
    assert.equal(lines[0], 'landfall 0.1.0 on hv-07  up 4d02h11m  10:41:15 UTC');
    assert.equal(lines[1], 'peers 1 of 2   prefixes 3 normal   frames -/s, 0 dropped');
    assert.match(lines.find((line) => line.startsWith('tor-a')) ?? '', /^tor-a {2}established {2}4d02h11m +84 +3 +- +- {2}192.0.2.1 +-$/);
    const at = (text: RegExp): number => lines.findIndex((line) => text.test(line));
    assert.ok(at(/^Handovers under way: 1$/) < at(/^live /) && at(/^live /) < at(/^Last handovers$/) && at(/^Last handovers$/) < at(/^k3f9 /), lines.join('\n'));
    assert.match(lines[at(/^k3f9 /)] ?? '', /10:41:07 {2}in +settled +1\.1 ms +11\.4 ms +41 ms +203\.0\.113\.11\/32 +shop\/web-1/);
    assert.equal(lines.at(-1), 'q quits');
  });

  it('tells rates between two samples, and none where a counter began anew', () => {
    const counted = (out: number, received: number): TopSample['peers'] => [{ ...peers[0]!, messages: { sent: { UPDATE: out, KEEPALIVE: 1 }, received: { KEEPALIVE: received } } }];
    const before = sampleOf({ atMs: 8000, peers: counted(10, 9) });
    const now = sampleOf({ peers: counted(15, 3) });
    const lines = textOf({ now: { ...now, status: { ...now.status, capture: { frames: 175, dropped: 2 } } }, before });
    assert.equal(lines[1], 'peers 1 of 2   prefixes 3 normal   frames 12.5/s, 2 dropped');
    assert.match(lines.find((line) => line.startsWith('tor-a')) ?? '', / 2\.5 +- +192/);
  });

  it('fits every screen, however small', () => {
    const many = Array.from({ length: 300 }, (_, i) => ({ ...migrations[0]!, id: `m${i}` }));
    for (const [columns, rows] of [[80, 24], [20, 5], [1, 1], [400, 100], [40, 2]] as const) {
      const lines = textOf({ now: sampleOf({ migrations: many }) }, columns, rows);
      assert.ok(lines.length <= rows && lines.every((line) => line.length <= columns), `${columns}x${rows}`);
    }
    assert.match(textOf({ now: sampleOf({ migrations: many }) }, 80, 24).join('\n'), /^\.\.\. \d+ more lines\nq quits$/m);
  });

  it('says why there is nothing newer, and lets no text of others reach the terminal', () => {
    const evil = 'x\x1b[2J\r\n\u202e';
    const lines = textOf({
      now: sampleOf({ peers: [{ ...peers[1]!, lastError: evil }], migrations: [{ ...migrations[0]!, vm: evil }] }), trouble: `the daemon is not reachable${evil}`,
    });
    assert.ok(lines.some((line) => line.startsWith('! the daemon is not reachable')));
    assert.match(lines.filter((line) => !line.startsWith('...')).join(''), /^[\x20-\x7e]*$/);
  });
});

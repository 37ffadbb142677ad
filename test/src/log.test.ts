import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, type Log, type LogOptions } from '../../src/log.ts';

describe('log', () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'landfall-log-'))));
  after(() => rmSync(folder, { recursive: true }));
  let number = 0;

  /** What the lines of `work` look like. */
  function logged(options: Partial<LogOptions>, work: (log: Log) => void): string[] {
    const destination = join(folder, `${number++}`);
    const log = createLog({ level: 'info', format: 'json', ...options, destination });
    work(log);
    log.flush();
    return readFileSync(destination, 'utf8').split('\n').slice(0, -1);
  }

  it('writes JSON with level, time, room, peer, event and fields', () => {
    const [line] = logged({}, (log) => log.child({ room: 'bgp', peer: 'tor-a' }).write('info', 'route.announced', { prefix: '203.0.113.11/32', announceSeconds: 0.0011 }));
    const { time, ...rest } = JSON.parse(line as string) as Record<string, unknown>;
    assert.match(time as string, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(rest, { level: 'info', room: 'bgp', peer: 'tor-a', event: 'route.announced', prefix: '203.0.113.11/32', announceSeconds: 0.0011 });
  });

  it('writes text with the same fields', () => {
    const [line] = logged({ format: 'text' }, (log) =>
      log.child({ room: 'bgp', peer: 'tor-a' }).write('warn', 'session.problem', { code: 2, text: 'Bad Peer AS: it says "65011"', communities: ['65010:200'] }));
    assert.match(line as string, /^\S+Z warn {2}bgp tor-a: session\.problem code=2 text="Bad Peer AS: it says \\"65011\\"" communities=\["65010:200"\]$/);
  });

  for (const format of ['json', 'text'] as const) {
    it(`keeps one event on one line and free of control characters (${format})`, () => {
      const evil = 'x\x1b]0;owned\x07\r\n{"level":"error"}\x9b2J\u202e\x7f';
      const lines = logged({ format }, (log) => log.child({ room: 'bgp', peer: evil }).write('info', 'notification.received', { [evil]: evil, list: [evil], deep: { [evil]: evil } }));
      assert.equal(lines.length, 1);
      assert.doesNotMatch(lines[0] as string, /[\x00-\x1f\x7f-\x9f\u202e]/);
      assert.ok((lines[0] as string).includes('owned'));
    });
  }

  it('writes octets as hex and errors as their message', () => {
    const [line] = logged({}, (log) => log.write('info', 'frame.malformed', { data: Uint8Array.of(0, 255, 16), error: new Error('planted') }));
    const { data, error } = JSON.parse(line as string) as Record<string, unknown>;
    assert.deepEqual([data, error], ['00ff10', 'planted']);
  });

  it('bounds every line', () => {
    const cyclic: Record<string, unknown> = {};
    cyclic['again'] = cyclic;
    const [line] = logged({}, (log) => log.write('info', 'frame.malformed', { data: new Uint8Array(1_000_000), text: 'x'.repeat(1_000_000), list: Array(100_000).fill(1), cyclic }));
    assert.ok((line as string).length < 11_000, `${(line as string).length}`);
  });

  it('removes secrets, wherever they stand', () => {
    const text = logged({}, (log) => log.write('info', 'config.loaded', { password: 'planted-key', peers: [{ password: { value: 'planted-key' }, md5Key: 'planted-key' }] })).join();
    assert.ok(!text.includes('planted-key'));
    assert.ok(text.includes('(removed)'));
  });

  it('has a key once: the owner of the log wins', () => {
    const [line] = logged({}, (log) => log.child({ room: 'bgp', peer: 'tor-a' }).write('info', 'route.announced', { peer: 'tor-z', room: 'x' }));
    assert.deepEqual([...(line as string).matchAll(/"(peer|room)":"([^"]*)"/g)].map((match) => match[2]), ['bgp', 'tor-a']);
  });

  it('leaves out levels below its own, and follows setLevel in all relatives', () => {
    const lines = logged({ level: 'warn' }, (log) => {
      const child = log.child({ room: 'garp' });
      child.write('info', 'frame.ignored');
      assert.equal(child.enabled('info'), false);
      log.setLevel('debug');
      assert.equal(child.enabled('debug'), true);
      child.write('debug', 'frame.ignored');
      child.write('trace', 'frame.ignored');
    });
    assert.deepEqual(lines.map((line) => (JSON.parse(line) as { level: string }).level), ['debug']);
  });

  it('survives a destination that takes nothing', () => {
    const log = createLog({ level: 'info', format: 'json', destination: '/dev/full' });
    for (let i = 0; i < 10_000; i++) log.write('info', 'daemon.started', { i });
    log.flush();
    log.write('info', 'daemon.started');
    log.flush();
  });

  it('writes at the end of the turn without being asked', async () => {
    const destination = join(folder, 'turn');
    createLog({ level: 'info', format: 'json', destination }).write('info', 'daemon.started');
    assert.equal(readFileSync(destination, 'utf8'), '');
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    assert.match(readFileSync(destination, 'utf8'), /daemon\.started/);
  });
});

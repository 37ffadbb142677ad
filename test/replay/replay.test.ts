import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { loadText } from '../../config/io/load.ts';
import type { Config } from '../../config/config.ts';
import { packetReader } from '../../garp/wire/capture-format.ts';
import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import { entryText } from '../../src/replay/account.ts';
import { CaptureReplay, defaultPortOf, summaryText } from '../../src/replay/capture.ts';
import { formatRecorded, parseRecorded, seededRandom, type RecordingLine } from '../../src/replay/format.ts';
import { openRecorder, recordingFile } from '../../src/replay/io/recorder.ts';
import { replayFolder } from '../../src/replay/io/reading.ts';
import { recorded } from '../../src/replay/record.ts';
import { RecordingReplay } from '../../src/replay/recording.ts';
import { Speaker } from '../../src/speaker.ts';
import type { Input } from '../../src/world.ts';
import { pcap } from '../decode/build.ts';
import { resume } from './resume.ts';

const mac = '52:54:00:aa:00:01' as Mac;

function example(name: string): Config {
  const { config } = loadText(readFileSync(`examples/${name}.yaml`, 'utf8'), name, { environment: {}, keys: 'not needed' });
  assert.ok(config !== undefined);
  return config;
}

function replayFile(config: Config, file: Uint8Array, port = defaultPortOf(config)): string[] {
  const replay = new CaptureReplay(config, port);
  for (const packet of packetReader(file[0] === 0x0a ? 'pcapng' : 'pcap').push(file).packets) replay.take(packet);
  const { entries, sent } = replay.finish();
  return [...entries.map(entryText), summaryText(sent)];
}

describe('replay of a capture', () => {
  const config = example('single-rack-ibgp');

  it('prints what the example expects, each time', () => {
    assert.deepEqual(readFileSync('examples/resume.pcapng'), resume);
    const expected = readFileSync('examples/resume.expected.txt', 'utf8').trimEnd().split('\n');
    assert.deepEqual(replayFile(config, resume), expected);
    assert.deepEqual(replayFile(config, resume), expected);
  });

  it('tells of later changes where the profile has a window', () => {
    assert.match(replayFile(example('ebgp-window'), resume).at(-1) ?? '', /^would send: 2 announces now, 1 change to normal at \+90\.014 s, 1 change to normal at \+90\.017 s$/);
  });

  it('takes frames without a port from --port: an uplink claims nothing, an unlisted port neither', () => {
    const file = pcap([{ ms: 1_764_000_000_000, bytes: rarpFrame(mac, { vlan: 100 }) }]);
    assert.match(replayFile(config, file).at(-1) ?? '', /2 announces now/);
    assert.equal(replayFile(config, file, 'bond0').at(-1), 'would send: nothing');
    assert.match(replayFile(config, file, 'eth7')[0] ?? '', /ignored: /);
  });

  it('has a VM that moves away leave and withdraw', () => {
    const ms = 1_764_000_000_000;
    const replay = new CaptureReplay(config, 'vnet0');
    const frame = { linkType: 1, originalLength: 64, bytes: garpFrame(mac, ip('203.0.113.11'), { vlan: 100 }) };
    replay.take({ ...frame, number: 1, timestampMs: ms });
    replay.take({ ...frame, number: 2, timestampMs: ms + 7000, interfaceName: 'bond0' });
    const { entries, sent } = replay.finish();
    assert.deepEqual([...new Set(entries.map(({ what, decision }) => `${what} ${decision}`))], ['frame announce', 'frame leaving', 'timer withdraw']);
    assert.deepEqual(sent.map(({ change, prefix }) => `${change} ${prefix}`).filter((text) => text.endsWith('.11/32')), ['announce 203.0.113.11/32', 'change 203.0.113.11/32', 'withdraw 203.0.113.11/32']);
  });

  it('gives each frame its own reason, whatever was wrong with the one before', () => {
    const frames = [[4, 8], [5, 16], [0, 0xff]].map(([at, octet], i) => {
      const bytes = garpFrame(mac, ip('203.0.113.11'), { vlan: 100 });
      bytes[18 + (at as number)] = octet as number;
      return { ms: 1_764_000_000_000 + i * 10_000, bytes };
    });
    const reasons = replayFile(config, pcap(frames)).map((line) => /ignored: (.*)/.exec(line)?.[1]).filter((reason) => reason !== undefined);
    assert.deepEqual(reasons, ['ARP hardware address length is not 6', 'ARP protocol address length is not 4', 'ARP hardware type is not Ethernet']);
  });

  it('hears what the live capture hears: an NA that was cut short is refused, one behind options never comes', () => {
    const whole = naFrame(mac, ip('2001:db8:100::11'));
    const behindOptions = Uint8Array.from([...whole.subarray(0, 20), 0, ...whole.subarray(21, 54), 58, 0, 1, 4, 0, 0, 0, 0, ...whole.subarray(54)]);
    behindOptions[19] = (behindOptions[19] as number) + 8;
    const lines = replayFile(config, pcap([{ ms: 1_764_000_000_000, bytes: whole.subarray(0, 68) }, { ms: 1_764_000_000_001, bytes: behindOptions }]));
    assert.deepEqual(lines.map((line) => line.replace(/ +/g, ' ')), ['frame 1 +0.000 s ipv6 52:54:00:aa:00:01 vnet0 ignored: IPv6 payload is cut short', 'would send: nothing']);
  });

  it('never throws on any octets in a frame', () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 90 }), { maxLength: 5 }), (frames) => {
      replayFile(config, pcap(frames.map((bytes, i) => ({ ms: 1_764_000_000_000 + i, bytes }))));
    }), { numRuns: 60 });
  });
});

/** A life of a daemon: ports, frames, timers, an operator. */
function live(config: Config, random: () => number, write: (line: RecordingLine) => void): void {
  const start = { monotonicMs: 1000, wallMs: 1_764_000_000_000, wallTrusted: true };
  let connection = 0;
  const speaker = recorded(new Speaker({ config, routerId: ip('192.0.2.17'), dryRun: false, random, newConnection: () => ++connection }, start), write);
  let ms = 0;
  const give = (input: Input, after = 10): void => {
    ms += after;
    speaker.dispatch(input, { monotonicMs: 1000 + ms, wallMs: start.wallMs + ms, wallTrusted: true });
  };
  const port = { up: true, carrier: true, master: 1, kind: 'tun' };
  give({ type: 'bridge', change: { type: 'resync', links: [{ ifindex: 1, name: 'br-vlan', kind: 'bridge', up: true, carrier: true }, { ifindex: 2, name: 'vnet0', ...port }, { ifindex: 3, name: 'bond0', ...port }], fdb: [], ownAddresses: [] } });
  give({ type: 'start' });
  give({ type: 'frame', frame: { bytes: rarpFrame(mac, { vlan: 100 }), ifindex: 2, capturedAtMs: 1000 + ms } }, 5000);
  give({ type: 'frame', frame: { bytes: garpFrame(mac, ip('203.0.113.11'), { vlan: 100 }), ifindex: 3, capturedAtMs: 8000 + ms } }, 7000);
  give({ type: 'tick' }, 3000);
  speaker.override('default', ip('203.0.113.12'), 'announce', { monotonicMs: 1000 + ms, wallMs: start.wallMs + ms, wallTrusted: true });
  give({ type: 'bridge', change: { type: 'linkGone', ifindex: 2 } });
  give({ type: 'tick' }, 10_000);
}

describe('recordings', () => {
  const folder = mkdtempSync(join(tmpdir(), 'landfall-recording-'));
  after(() => rmSync(folder, { recursive: true }));
  const config = example('single-rack-ibgp');
  const now = { monotonicMs: 1000, wallMs: 1_764_000_000_000, wallTrusted: true };

  it('keeps values that JSON lacks', () => {
    fc.assert(fc.property(fc.anything({ withSet: true, withMap: true, withBigInt: true, withTypedArray: false, withNullPrototype: false, withSparseArray: false, maxDepth: 3 }), fc.uint8Array(), (value, bytes) => {
      const plain = JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' || item instanceof Set || item instanceof Map ? String(item) : item));
      if (plain === undefined || plain.includes('$') || plain.includes('__proto__')) return;
      const sample = { bytes, times: [Infinity, -Infinity, 1.5], set: new Set(['a', 1]), map: new Map([['k', { v: 1 }]]), big: 7n };
      assert.deepEqual(parseRecorded(formatRecorded(sample)), sample);
      assert.doesNotThrow(() => parseRecorded(formatRecorded({ value })));
    }), { numRuns: 100 });
    assert.deepEqual([seededRandom(7)(), seededRandom(7)()].map((x) => x >= 0 && x < 1), [true, true]);
  });

  it('replays to the same decisions from the disk', async () => {
    const recorder = openRecorder(folder, { version: '0', config, routerId: '192.0.2.17', dryRun: false, now }, assert.fail);
    live(config, seededRandom(recorder.seed), (line) => recorder.write(line));
    recorder.close();
    const replay = await replayFolder(folder);
    assert.equal(replay.difference(), undefined);
    assert.ok(replay.replayed.length >= 5, replay.replayed.join('\n'));
    assert.match(entryText(replay.entries[0] as never), /^frame 1 {3}\+0\.000 s {2}rarp 52:54:00:aa:00:01 vnet0 {2}announce 203\.0\.113\.11\/32 elevated \(binding shop\/web-1\)$/);
    assert.ok(replay.entries.some(({ what }) => what === 'operator'));
  });

  it('tells where a replay decides otherwise', () => {
    const lines: RecordingLine[] = [];
    live(config, seededRandom(1), (line) => lines.push(line));
    const replay = new RecordingReplay({ recording: 1, version: '0', config: { ...config, identity: { ...config.identity, bindings: [] } }, routerId: '192.0.2.17', dryRun: false, seed: 1, now });
    for (const line of lines) replay.take(line);
    assert.deepEqual(replay.began, { node: config.node.name, wallMs: now.wallMs });
    assert.equal(replay.difference()?.decision, 1);
    assert.throws(() => new RecordingReplay({ recording: 99 }), /no recording of format/);
  });

  it('leaves out where keys are kept, and reads a file whose last line was cut', async () => {
    const text = readFileSync(join(folder, recordingFile), 'utf8');
    assert.ok(!text.includes('bgp-tor-a'));
    writeFileSync(join(folder, recordingFile), text.slice(0, -20));
    assert.ok((await replayFolder(folder)).replayed.length > 0);
  });

  it('stops at its limit, says so once, and goes on working', () => {
    const said: string[] = [];
    const recorder = openRecorder(join(folder, 'small'), { version: '0', config, routerId: '192.0.2.17', dryRun: false, now }, (text) => said.push(text), 1000);
    recorder.write({ decided: 'x'.repeat(2000) });
    recorder.close();
    recorder.write({ decided: 'y' });
    recorder.close();
    assert.equal(said.length, 1);
    assert.match(said[0] ?? '', /stops: it has 1000 octets/);
    assert.ok(existsSync(join(folder, 'small', recordingFile)));
  });
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { garpFrame } from '../../garp/wire/frames.ts';
import { ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import { ethernet, ipPacket, keepalive, pcap, update } from '../decode/build.ts';

const tsx = import.meta.resolve('tsx');
const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

describe('a packed file that is cut off', function () {
  this.timeout(30_000);
  this.slow(4000);
  let folder: string;
  let file: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-cut-'));
    file = join(folder, 'cut.pcap.gz');
    const bytes = garpFrame('52:54:00:aa:00:01' as Mac, ip('203.0.113.11'), { vlan: 100 });
    // A session that began before the capture: its first octets wait for what may come before them.
    const session = ethernet(ipPacket({ sequence: 99, payload: Buffer.concat([update(65010), keepalive]) }));
    writeFileSync(file, gzipSync(pcap([{ bytes, ms: 1_764_000_000_000 }, { bytes: session, ms: 1_764_000_000_001 }])).subarray(0, -6));
  });
  after(() => rmSync(folder, { recursive: true }));

  const run = (...args: string[]) => spawnSync(process.execPath, ['--import', tsx, cli, ...args], { encoding: 'utf8' });

  it('is decoded as far as it goes, and fails', () => {
    const { status, stdout, stderr } = run('decode', file);
    assert.deepEqual(stdout.trim().split('\n').map((line) => { const { type, kind } = JSON.parse(line) as Record<string, unknown>; return type ?? kind; }), ['garp', 'UPDATE', 'KEEPALIVE']);
    assert.match(stderr, /unexpected end of file/);
    assert.equal(status, 1);
  });

  it('is replayed as far as it goes, and fails', () => {
    const { status, stdout, stderr } = run('replay', file, '-c', 'examples/single-rack-ibgp.yaml');
    assert.match(stdout, /announce 203\.0\.113\.11\/32[^]*would send: 2 announces now/);
    assert.match(stderr, /unexpected end of file/);
    assert.equal(status, 1);
  });
});

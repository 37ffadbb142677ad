import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { debugBundle } from '../../src/commands/debug.ts';
import type { GlobalOptions } from '../../src/commands/global.ts';
import { serveApi, type ApiServer } from '../../src/io/api-socket.ts';
import { redact } from '../../src/io/redact.ts';
import { createLog } from '../../src/log.ts';
import { fakeBackend } from '../src/fake-daemon.ts';

const planted = 'Pl4nted-Key-77';
const plantedAo = 'an-ao-key-of-ours-7';

describe('debug bundle', function () {
  this.timeout(20_000);
  const folder = mkdtempSync(join(tmpdir(), 'landfall-bundle-'));
  const options: GlobalOptions = {
    config: join(folder, 'landfall.yaml'), socket: join(folder, 'api.sock'), output: 'table', watchSeconds: undefined, headers: true, color: false, quiet: true, verbose: false, timeoutMs: 5000, nodes: undefined, namespace: undefined, failedNodes: [] };
  let api: ApiServer;
  before(async () => {
    writeFileSync(join(folder, 'key'), `${planted}\n`, { mode: 0o600 });
    writeFileSync(join(folder, 'ao-key'), `${plantedAo}\n`, { mode: 0o600 });
    const yaml = readFileSync('examples/single-rack-ibgp.yaml', 'utf8').replace('{credential: bgp-tor-a}', `{file: ${join(folder, 'key')}}`)
      .replace('password: {credential: bgp-tor-b}', `tcpAo: {keys: [{sendId: 1, receiveId: 1, key: {file: ${join(folder, 'ao-key')}}}]}`);
    assert.match(yaml, /tcpAo/);
    writeFileSync(options.config as string, yaml, { mode: 0o600 });
    mkdirSync(join(folder, 'recording'));
    writeFileSync(join(folder, 'recording/recording.jsonl'), `{"recording":1,"note":"${planted}, ${plantedAo} and ${Buffer.from(planted).toString('hex')}","password": "other-one-9"}\n`);
    process.env['LANDFALL_TEST_TOKEN'] = 'env-secret-123';
    api = await serveApi({ path: options.socket as string, mode: 0o600, backend: fakeBackend(), log: createLog({ level: 'error', format: 'json', destination: join(folder, 'log') }) });
  });
  after(async () => {
    await api.close();
    delete process.env['LANDFALL_TEST_TOKEN'];
    rmSync(folder, { recursive: true });
  });

  it('has what daemon and host know, and no planted key', async () => {
    const out = join(folder, 'bundle.tar.gz');
    assert.equal(await debugBundle(options, { out, recording: join(folder, 'recording') }), 0);
    assert.match(execFileSync('tar', ['-tzf', out], { encoding: 'utf8' }), /^landfall-bundle-hv-07-\d/, 'as the daemon calls its node');
    const names = execFileSync('tar', ['-tzf', out], { encoding: 'utf8' }).trim().split('\n').map((name) => name.replace(/^[^/]+\//, ''));
    for (const name of ['version.txt', 'system.json', 'log.txt', 'status.json', 'peers.json', 'prefixes.json', 'received.json', 'migrations.json', 'ignored.json', 'bindings.json', 'config.json', 'events.jsonl', 'config-check.txt', 'recording/recording.jsonl', 'MISSING.txt']) {
      assert.ok(names.includes(name), `${name} is missing in ${names.join(' ')}`);
    }
    const whole = gunzipSync(readFileSync(out)).toString('latin1');
    for (const secret of [planted, plantedAo, Buffer.from(planted).toString('hex'), Buffer.from(planted).toString('base64'), 'other-one-9', 'env-secret-123']) assert.ok(!whole.includes(secret), secret);
    assert.ok(whole.includes('"recording":1'));
    assert.match(execFileSync('tar', ['-xzOf', out, '--wildcards', '*/config-check.txt'], { encoding: 'utf8' }), /: fine/);
    await assert.rejects(debugBundle(options, { out }), /can't be written: EEXIST/);
  });

  it('is made without a daemon too, and says what is missing', async () => {
    const out = join(folder, 'alone.tar.gz');
    assert.equal(await debugBundle({ ...options, socket: join(folder, 'nobody.sock') }, { out }), 0);
    assert.match(execFileSync('tar', ['-xzOf', out, '--wildcards', '*/MISSING.txt'], { encoding: 'utf8' }), /what the daemon knows: /);
  });

  it('takes out what calls itself a secret, and leaves the place where one is kept', () => {
    assert.equal(redact('password: hunter2, MD5Key="abc" secret=x1', []), 'password: (removed), MD5Key="(removed)" secret=(removed)');
    assert.equal(redact('{"password":{"credential":"bgp-tor-a"}}', []), '{"password":{"credential":"bgp-tor-a"}}');
    assert.equal(redact('a long-secret b', ['long', 'long-secret']), 'a (removed) b');
  });
});

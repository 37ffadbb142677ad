import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ApiRequest } from '../../src/backend.ts';
import { main } from '../../src/cli.ts';
import { serveApi, type ApiServer } from '../../src/io/api-socket.ts';
import { fileOf } from '../config/fixtures.ts';
import { fakeBackend, nextReload, silentLog } from './fake-daemon.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const tsx = import.meta.resolve('tsx');

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('command line', function () {
  this.timeout(30_000);
  this.slow(2000);
  let folder: string;
  let socket: string;
  let server: ApiServer;
  let silent: Server;
  const seen: ApiRequest[] = [];
  const backend = fakeBackend(seen);

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-cli-'));
    socket = join(folder, 's');
    server = await serveApi({ path: socket, mode: 0o600, backend, log: silentLog });
    silent = createServer().listen(join(folder, 'silent'));
  });
  after(async () => {
    silent.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  /** Runs a command line in this process, with its output caught. */
  async function landfall(words: string, environment: Record<string, string> = {}): Promise<Ended> {
    const caught = { stdout: '', stderr: '' };
    const before = { stdout: process.stdout.write, stderr: process.stderr.write, env: process.env };
    const take = (name: 'stdout' | 'stderr') => (text: string): boolean => {
      caught[name] += text;
      return true;
    };
    process.env = { LANDFALL_SOCKET: socket, ...environment };
    process.stdout.write = take('stdout');
    process.stderr.write = take('stderr');
    try {
      return { status: await main(words.split(' ').filter((word) => word !== '')), ...caught };
    } finally {
      process.stdout.write = before.stdout;
      process.stderr.write = before.stderr;
      process.env = before.env;
    }
  }

  /** Starts the real program, with pipes. */
  function start(...words: string[]): ChildProcessWithoutNullStreams {
    return spawn(process.execPath, ['--import', tsx, cli, '-s', socket, ...words], { cwd: folder });
  }

  it('prints what was asked for, and exits 0', async () => {
    const cases: [string, RegExp, RegExp?][] = [
      ['status', /^landfall +0\.1\.0 on hv-07\n.*\nwarnings +tap7 is on br-vlan/s],
      ['show peers', /^PEER +ADDRESS.*\ntor-a/],
      ['show prefixes --state elevated -o name', /^203\.0\.113\.11\/32\n$/],
      ['-o wide show prefixes', /SOURCE\n/],
      ['show --no-headers prefixes', /^203/],
      ['show prefixes --state held', /^PREFIX  VM[^\n]*\n$/, /^no prefixes\n$/],
      ['show prefixes --state held -q -o jsonl', /^$/, /^$/],
      ['show received -o json', /"sequence": 7/],
      ['show migrations --since 1h -o yaml', /^apiVersion: landfall\/v1\n/],
      ['show migrations --vm nobody', /./, /^no migrations\nof a VM nobody nothing is known here/],
      ['show migration k3f9', /^ {4}0\.0 ms {2}frame/],
      ['show bindings', /shop\/web-1/],
      ['show ignored', /vnet9\\x1b\[2J\\x0d\\x0ax/],
      ['show config', /^node:\n {2}name: hv-07/],
      ['show why 203.0.113.13', /is not announced/],
      ['events', /^$/, /^no events\n$/],
      ['announce 203.0.113.11', /^$/, /announced by hand/],
      ['announce 203.0.113.11 -o json', /"items": \[\]/, /^203\.0\.113\.11 is announced by hand.*\n$/],
      ['withdraw 203.0.113.11 --for 10m', /^$/, /for 10m00s/],
      ['auto 203.0.113.11/32 -q', /^$/, /^$/],
      ['hint paused shop/web-1 --to hv-08 --vrf default', /^$/, /^203\.0\.113\.11\/32: what comes for it goes to hv-08 until that node claims it\n$/],
      ['hint running shop/web-1 -o name', /./, /stays here again/],
      ['reload --dry-run', /^KEY +CLASS +PEER.*\nbgp\.peers\[tor-a\]\.timers\.hold +session +tor-a +9 +30 +the session begins anew\n$/, /^would apply 1 change\n$/],
      ['reload', /timers\.hold/, /^applied 1 change\n$/],
      ['reload -o name', /^applied\n$/, /applied 1 change/],
      ['hint paused shop/web-1 --to hv-2', /^$/, /^203\.0\.113\.11\/32: what comes for it goes to hv-2 until that node claims it\n$/],
      ['hint running shop/web-1', /^$/, /stays here again/],
      ['hint paused shop/web-1 -o json', /"state": "sending"/, /hv-09/],
      ['drain --wait 2s', /^$/, /^drained: nothing is announced here until landfall undrain\n$/],
      ['undrain -o json', /"state": "off"/, /drain is over/],
      ['--version', /^\d+\.\d+\.\d+\n$/],
      ['show prefixes --help', /--state.*Global Options:.*--socket/s],
    ];
    for (const [words, stdout, stderr] of cases) {
      const ended = await landfall(words);
      assert.equal(ended.status, 0, `${words}: ${ended.stderr}`);
      assert.match(ended.stdout, stdout, words);
      assert.match(ended.stderr, stderr ?? /^$/, words);
      assert.ok(!/[\x00-\x09\x0b-\x1f]/.test(ended.stdout + ended.stderr), words);
    }
    const asked = (verb: string): ApiRequest | undefined => seen.find((request) => request.verb === verb);
    assert.deepEqual(asked('migrations'), { verb: 'migrations', sinceSeconds: 3600 });
    assert.deepEqual(asked('withdraw'), { verb: 'withdraw', address: '203.0.113.11', forSeconds: 600 });
    assert.deepEqual(asked('hint'), { verb: 'hint', state: 'paused', vm: 'shop/web-1', to: 'hv-08', vrf: 'default' });
    assert.deepEqual(asked('reload'), { verb: 'reload', dryRun: true });
    assert.deepEqual(asked('beginDrain'), { verb: 'beginDrain', waitSeconds: 2 });
    assert.deepEqual(asked('auto'), { verb: 'auto', address: '203.0.113.11' });
  });

  it('ends a reload by its result', async () => {
    const cases: [typeof nextReload.result, number, RegExp][] = [
      ['unchanged', 0, /^nothing has changed\n$/],
      ['refused', 1, /^landfall: bgp\.asn can change only with a restart; nothing is applied\n$/],
      ['invalid', 3, /^landfall\.yaml:3:1 .*\nlandfall\.yaml:4:1 .*\nlandfall: the configuration is not valid \(2 errors\); the one that runs stays\n$/],
    ];
    for (const [result, exit, words] of cases) {
      nextReload.result = result;
      const ended = await landfall('reload');
      assert.equal(ended.status, exit, result);
      assert.match(ended.stderr, words);
    }
    nextReload.result = 'applied';
  });

  it('says in one sentence what is wrong, and with the exit status what kind it is', async () => {
    const nobody = join(folder, 'nobody');
    writeFileSync(nobody, '');
    const cases: [string, number, RegExp][] = [
      ['show peers tor-b', 1, /tor-b is active, not established/],
      ['show peers nope', 1, /no peer is named nope/],
      ['show migration none', 1, /no migration has the id none/],
      ['show prefixes 203.0.113.99', 1, /no prefixes/],
      ['show prefixes --vm broken', 1, /failed to answer/],
      ['', 2, /Usage: landfall/],
      ['shwo', 2, /unknown command/],
      ['show peers --nope', 2, /unknown option/],
      ['show peers -o xml', 2, /Allowed choices/],
      ['show peers --timeout soon', 2, /duration/],
      ['show why', 2, /missing required argument/],
      ['show why nonsense', 2, /is not an IP address/],
      ['show prefixes 203.0.113.1/24', 2, /host bits/],
      ['completion tcsh', 2, /shells are bash, zsh, fish/],
      ['probe nonsense', 2, /is not an IP address/],
      ['config check', 3, /landfall\.yaml/],
      [`status -s ${folder}/none`, 4, /there is no such socket; is landfall running/],
      [`status -s ${nobody}`, 4, /not reachable/],
      [`status --timeout 200ms -s ${folder}/silent`, 5, /no answer .* within 0\.2 s/],
    ];
    for (const [words, status, stderr] of cases) {
      const ended = await landfall(words, words.startsWith('config') ? { LANDFALL_CONFIG: join(folder, 'landfall.yaml') } : {});
      assert.equal(ended.status, status, `${words}: ${ended.stderr}`);
      assert.match(ended.stderr, stderr, words);
      assert.doesNotMatch(ended.stderr, /\n {4}at |node:internal/, `${words}: no stack trace`);
    }
  });

  it('gives a pipe all of a long answer, however slowly it is read', async () => {
    const child = start('show', 'prefixes', '--vm', 'many', '-o', 'json');
    let text = '';
    child.stdout.setEncoding('utf8');
    child.stdout.once('readable', () => setTimeout(() => child.stdout.on('data', (chunk: string) => (text += chunk)), 200));
    await new Promise((resolve) => child.on('close', resolve));
    assert.equal((JSON.parse(text) as { items: unknown[] }).items.length, 2500);
  });

  it('says nothing when its reader leaves', async () => {
    const child = spawn('bash', ['-c', `set -o pipefail; cd /; "$0" --import "$1" "$2" -s "$3" show prefixes --vm many | head -1`, process.execPath, tsx, cli, socket]);
    let stderr = '';
    let stdout = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    const status = await new Promise((resolve) => child.on('close', resolve));
    assert.match(stdout, /^PREFIX/);
    assert.deepEqual([status, stderr], [0, '']);
  });

  it('follows events as one JSON object a line until the daemon ends', async () => {
    const path = join(folder, 'events');
    const own = fakeBackend();
    const daemon = await serveApi({ path, mode: 0o600, backend: own, log: silentLog });
    own.emit({ time: '2026-11-24T10:41:07.123Z', type: 'peer', event: 'session.transition', peer: 'tor-a' });
    own.emit({ time: '2026-11-24T10:41:07.123Z', type: 'migration', event: 'migration.started', prefix: 'x\x1b\r\n' });
    const child = start('-s', path, 'events', '-f', '--type', 'migration', '-o', 'jsonl');
    let stdout = '';
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      const lines = stdout.split('\n').length - 1;
      if (lines === 1) own.emit({ time: '2026-11-24T10:41:08.123Z', type: 'migration', event: 'migration.finished' });
      if (lines === 2) void daemon.close();
    });
    const status = await new Promise((resolve) => child.on('close', resolve));
    const events = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { event: string; prefix?: string });
    assert.deepEqual(events.map(({ event }) => event), ['migration.started', 'migration.finished']);
    assert.equal(events[0]?.prefix, 'x\x1b\r\n');
    assert.deepEqual([status, stderr], [4, 'landfall: the daemon stops\n']);
  });

  it('asks again and again with -w, before the verb or after it', async () => {
    for (const words of [['-w', 'show', 'peers'], ['show', 'peers', '--watch=0.1'], ['show', 'peers', '--watch', '0.1'], ['-w', '0.1', 'show', 'peers']]) {
      const child = start(...words);
      let stdout = '';
      const wanted = words.some((word) => word.includes('0.1')) ? 3 : 1;
      child.stdout.on('data', (chunk: Buffer) => {
        stdout += chunk.toString();
        if (stdout.split('PEER').length > wanted) child.kill();
      });
      await new Promise((resolve) => child.on('close', resolve));
      assert.equal(child.signalCode, 'SIGTERM', stdout);
    }
  });

  it('shows no stack trace, whatever happens', async () => {
    const child = start('status', '-s', join(folder, 'none'));
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [status] = (await once(child, 'close')) as [number];
    assert.equal(status, 4);
    assert.match(stderr, /^landfall: the daemon is not reachable on [^\n]*\n$/);
  });

  it('colours nothing into a pipe', async () => {
    assert.doesNotMatch((await landfall('show peers')).stdout, /\x1b/);
  });

  it('doctor: what the daemon found, and this host beside it', async () => {
    const { status, stdout } = await landfall('doctor');
    assert.match(stdout, /^ok {4}capability {3}CAP_NET_RAW present\nFAIL {2}bridge {7}br-vlan does not exist: nothing is heard there\n {19}fix: create it, or change watch\[0\]\.bridge\n/m);
    assert.match(stdout, /^ok {4}session {6}tor-a established, md5, hold 9 s agreed\nwarn {2}held {9}203\.0\.113\.11\/32 is held: it moved too often\n {19}fix: landfall clear 203\.0\.113\.11\n/m);
    assert.match(stdout, /\n\d+ failed, \d+ warnings?, \d+ skipped\n$/);
    assert.equal(status, 1);
    const json = JSON.parse((await landfall('doctor -o json')).stdout) as { kind: string; node: string; items: { result: string; topic: string }[] };
    assert.equal(json.kind, 'FindingList');
    assert.equal(json.node, 'hv-01', 'as the configuration names it');
    assert.ok(json.items.some(({ result, topic }) => result === 'fail' && topic === 'bridge'));
  });

  it('doctor without a daemon reads the file that was named, and says what it can\'t know', async () => {
    const file = join(folder, 'doctor.yaml');
    writeFileSync(file, fileOf());
    const fine = await landfall(`-c ${file} -s ${join(folder, 'nobody')} doctor`);
    assert.match(fine.stdout, /^(ok|warn) +config /);
    assert.match(fine.stdout, /^skip {2}daemon {7}.*what only it knows is not checked$/m);
    assert.match(fine.stdout, /^FAIL {2}bridge {7}br-vlan does not exist/m);
    writeFileSync(file, 'apiVersion: landfall/v1\nbgp: {asn: nothing}\n');
    const broken = await landfall(`-c ${file} -s ${join(folder, 'nobody')} doctor`);
    assert.match(broken.stdout, /^FAIL {2}config {7}/);
    assert.equal(broken.status, 1);
  });

  it('doctor --canary refuses what is no single address, and one that is bound, before anything is announced', async () => {
    const before = seen.filter(({ verb }) => verb === 'announce').length;
    assert.equal((await landfall('doctor --canary 203.0.113.0/24')).status, 2);
    const bound = await landfall('doctor --canary 203.0.113.12');
    assert.equal(bound.status, 1);
    assert.match(bound.stderr, /203\.0\.113\.12\/32 is not taken as a canary: /);
    assert.equal(seen.filter(({ verb }) => verb === 'announce').length, before);
  });

  it('replay says whose node it was, and when by the clock of the capture', async () => {
    for (let i = 0; i < 2; i++) {
      const { stdout } = await landfall('-c examples/single-rack-ibgp.yaml replay examples/resume.pcapng -o json', { NODE_NAME: 'hv-09' });
      const { kind, node, time } = JSON.parse(stdout) as Record<string, unknown>;
      assert.deepEqual([kind, node, time], ['Replay', 'hv-09', '2025-11-24T16:00:00.000Z']);
    }
  });

  it('finds the socket that a configuration names', async () => {
    const file = join(folder, 'named.yaml');
    writeFileSync(file, 'apiVersion: landfall/v1\n');
    chmodSync(file, 0o600);
    const ended = await landfall(`show peers -o name -c ${file}`);
    assert.equal(ended.stdout, 'tor-a\ntor-b\n', 'LANDFALL_SOCKET wins over a file');
  });

  describe('completion', () => {
    let scripts: Record<string, string>;
    before(async () => {
      scripts = {};
      for (const shell of ['bash', 'zsh', 'fish']) {
        const { status, stdout } = await landfall(`completion ${shell}`);
        assert.equal(status, 0);
        scripts[shell] = stdout;
      }
    });

    it('is a bash script that completes', () => {
      const complete = (line: string): string[] => {
        const words = line.split(' ');
        const quoted = words.map((word) => `'${word}'`).join(' ');
        const script = `${scripts['bash']}\nlandfall() { printf 'tor-a\\ntor-b\\n'; }\nCOMP_WORDS=(${quoted})\nCOMP_CWORD=${words.length - 1}\n_landfall 2>/dev/null\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
        const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
        assert.equal(status, 0, stderr);
        return stdout.split('\n').filter((word) => word !== '');
      };
      assert.equal(spawnSync('bash', ['-n'], { input: scripts['bash'] }).status, 0);
      assert.deepEqual(complete('landfall wi'), ['withdraw']);
      assert.deepEqual(complete('landfall show pr'), ['prefixes']);
      assert.deepEqual(complete('landfall show prefixes --st'), ['--state']);
      assert.deepEqual(complete('landfall -o '), ['table', 'wide', 'json', 'yaml', 'jsonl', 'name']);
      assert.deepEqual(complete('landfall -q show mig'), ['migrations', 'migration']);
      assert.deepEqual(complete('landfall show peers tor-'), ['tor-a', 'tor-b']);
      assert.deepEqual(complete('landfall show prefixes --state e'), ['elevated']);
      assert.deepEqual(complete('landfall show prefixes --peer '), ['tor-a', 'tor-b']);
      assert.deepEqual(complete('landfall show prefixes --vm '), [], 'not those of demo');
      assert.deepEqual(complete('landfall demo --vm '), ['netns', 'qemu']);
      assert.deepEqual(complete('landfall show prefixes --output '), complete('landfall -o '));
      assert.deepEqual(complete('landfall announce --v').sort(), ['--verbose', '--version', '--vrf']);
    });

    it('names every verb in each shell', () => {
      for (const shell of ['bash', 'zsh', 'fish']) {
        for (const verb of ['run', 'status', 'show', 'events', 'announce', 'withdraw', 'auto', 'config', 'doctor', 'probe', 'demo', 'peers', 'ignored', 'why', 'check']) {
          assert.match(scripts[shell] as string, new RegExp(`\\b${verb}\\b`), `${shell}: ${verb}`);
        }
      }
    });
  });
});

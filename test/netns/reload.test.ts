import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostPrefix, linkOf } from '../../src/demo/addresses.ts';
import { sleep, waitFor } from '../../src/demo/processes.ts';
import type { PeerItem, ReloadItem, StatusItem } from '../../src/views/items.ts';
import { Lab, allOn, beforeSecondTry, needs } from './lab.ts';

// A configuration that changes under a speaker with sessions to two FRRs. Every scenario begins and ends with the first configuration and
// the VM on node a.

describe('reload and drain, frr', function () {
  this.timeout(120_000);
  let lab: Lab;
  let original: string;
  const file = (): string => lab.nodes.a.config;
  const log = (): string => readFileSync(join(lab.nodes.a.folder, 'landfall.log'), 'utf8');
  const write = (yaml: string): void => writeFileSync(file(), yaml);
  const cli = (...args: string[]) => lab.nodes.a.cli(args);
  const on = (): Promise<void> => lab.agree(allOn('a', [lab.vm]), 30_000);
  const ofVm = (): string[] => [hostPrefix(lab.vm.ipv4), hostPrefix(lab.vm.ipv6)];
  /** Routes of the VM at a router. */
  const held = async (i: number): Promise<string[]> => (await lab.tors[i]?.routes() ?? []).filter(({ prefix }) => ofVm().includes(prefix)).map(({ prefix }) => prefix);
  /** When each session came up, in whole words of the daemon. */
  const since = async (): Promise<Record<string, string>> => Object.fromEntries((await lab.nodes.a.peers()).map((peer: PeerItem) => [peer.name, peer.since]));
  const item = (stdout: string): ReloadItem => (JSON.parse(stdout) as { items: ReloadItem[] }).items[0] as ReloadItem;
  const status = async (): Promise<StatusItem> => (JSON.parse((await cli('status', '-o', 'json')).stdout) as { items: StatusItem[] }).items[0] as StatusItem;
  /** Applies a changed file and says what became of it. */
  const reload = async (yaml: string, ...args: string[]): Promise<{ status: number; item: ReloadItem; stderr: string }> => {
    assert.notEqual(yaml, readFileSync(file(), 'utf8'));
    write(yaml);
    const done = await cli('reload', '-o', 'json', '--timeout', '30s', ...args);
    return { status: done.status, item: item(done.stdout), stderr: done.stderr };
  };

  before(async function () {
    needs(this, 'frr');
    lab = await Lab.start({ mode: 'l3', tors: ['frr', 'frr'] });
    await lab.stage.boot([lab.vm], 'a');
    await on();
    original = readFileSync(file(), 'utf8');
  });
  after(() => lab?.stop());
  beforeSecondTry(async () => {
    if (!lab.nodes.a.alive) await lab.nodes.a.start();
    write(original);
    await cli('reload');
    await cli('undrain');
    await lab.sessionsUp(['a']);
    await lab.stage.boot([lab.vm], 'a');
    await on();
  });

  it('of live keys, preferences and bindings leaves both sessions up', async () => {
    const before = await since();
    const logged = log().length;
    const changed = original.replace('level: debug', 'level: trace')
      .replace(/ {4}- name: /g, '    - maxPrefixes: 500\n      name: ')
      .replace('identity:\n', 'routes: {leaving: {communities: ["65010:51"]}, noExport: true}\nidentity:\n')
      .replace('  bindings:\n', '  bindings:\n    - {vm: more/1, mac: "52:54:00:bb:00:01", ips: [203.0.113.77]}\n');
    const dry = await reload(changed, '--dry-run');
    assert.deepEqual([dry.status, dry.item.result, dry.item.peers], [0, 'planned', []], dry.stderr);
    assert.ok(!log().slice(logged).includes('"config.loaded"'), 'a dry run changes nothing');
    const done = await cli('reload', '-o', 'json');
    assert.equal(done.status, 0, done.stderr);
    assert.deepEqual(item(done.stdout).changes, dry.item.changes);
    assert.deepEqual(new Set(item(done.stdout).changes.map(({ class: one }) => one)), new Set(['live', 'routes']));
    await on();
    assert.deepEqual(await since(), before);
    assert.match((await cli('show', 'bindings')).stdout, /more\/1/);
    assert.equal((await status()).lastReload?.successful, true);
    const back = await reload(original);
    assert.deepEqual([back.status, back.item.result], [0, 'applied']);
    assert.deepEqual(await since(), before);
    assert.deepEqual([(await cli('reload')).status, (await cli('reload', '-o', 'name')).stdout], [0, 'unchanged\n']);
  });

  it('of the profile changes the routes under standing sessions', async () => {
    const before = await since();
    const { status: exit, item: done, stderr } = await reload(original.replace('identity:\n', 'routes: {profile: window}\nmigration: {elevatedFor: 90s}\nidentity:\n'));
    assert.deepEqual([exit, done.peers], [0, []], stderr);
    await waitFor('LOCAL_PREF of the window', 5000, async () => (await lab.tor.routes()).some(({ prefix, localPref }) => prefix === ofVm()[0] && (localPref === 200 || localPref === 100)));
    await reload(original);
    await waitFor('LOCAL_PREF of the sequence', 5000, async () => (await lab.tor.routes()).some(({ prefix, localPref }) => prefix === ofVm()[0] && (localPref ?? 0) > 1000));
    assert.deepEqual(await since(), before);
    await on();
  });

  it('of one peer\'s timers resets that session alone, and says so first', async () => {
    const before = await since();
    const changed = original.replace('timers: {hold: 9s, keepalive: 3s, connectRetry: 1s}', 'timers: {hold: 12s, keepalive: 4s, connectRetry: 1s}');
    const { status: exit, item: done, stderr } = await reload(changed);
    assert.equal(exit, 0, stderr);
    const names = Object.keys(before);
    assert.deepEqual(done.peers.map(({ name, action }) => [name, action]), [[names[0], 'reset']]);
    await lab.sessionsUp(['a']);
    await on();
    const after = await since();
    assert.equal(after[names[1] as string], before[names[1] as string]);
    assert.notEqual(after[names[0] as string], before[names[0] as string]);
    const lines = log().split('\n');
    assert.ok(lines.findIndex((line) => line.includes('"config.session"')) < lines.findIndex((line) => line.includes('"notification.sent"') && line.includes('Other Configuration Change')));
    await reload(original);
    await lab.sessionsUp(['a']);
    await on();
  });

  it('withdraws from a peer that is taken away, then ends its session, and takes it back', async () => {
    const before = await since();
    const names = Object.keys(before);
    const at = original.indexOf(`    - name: ${names[1]}`);
    const { status: exit, item: done, stderr } = await reload(original.slice(0, at) + original.slice(original.indexOf('watch:\n')));
    assert.equal(exit, 0, stderr);
    assert.deepEqual(done.peers.map(({ name, action }) => [name, action]), [[names[1], 'removed']]);
    // FRR has the withdraws when it has acknowledged them, and works them off a little later.
    await waitFor('the router to forget the routes', 5000, async () => (await held(1)).length === 0);
    assert.equal((await held(0)).length, 2);
    assert.deepEqual(Object.keys(await since()), [names[0]]);
    assert.equal((await since())[names[0] as string], before[names[0] as string]);
    const lines = log().split('\n').filter((line) => line.includes(`"${names[1]}"`));
    const withdrawn = lines.findIndex((line) => line.includes('"route.withdrawn"'));
    const ended = lines.findIndex((line) => line.includes('Peer De-configured'));
    assert.ok(withdrawn >= 0 && withdrawn < ended, `${withdrawn} ${ended}`);
    const back = await reload(original);
    assert.deepEqual(back.item.peers.map(({ action }) => action), ['added']);
    await lab.sessionsUp(['a']);
    await on();
  });

  it('of a file with errors changes nothing: exit 3 with all of them; of a restart key: exit 1', async () => {
    const before = await since();
    write(original.replace('prefixes:', 'prefixs:').replace('hold: 9s', 'hold: 1s'));
    const bad = await cli('reload');
    assert.equal(bad.status, 3);
    assert.match(bad.stderr, /landfall\.yaml:\d+:\d+ .*prefixs/);
    assert.match(bad.stderr, /hold.*must be 3s/);
    assert.equal((await status()).lastReload?.successful, false);
    assert.match((await status()).warnings.join('\n'), /what is on disk is not what runs/);
    write(original.replace('routerId: ', 'routerId: 192.0.2.250 # '));
    const refused = await cli('reload');
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /bgp\.routerId can change only with a restart/);
    assert.deepEqual(await since(), before);
    await on();
    write(original);
    assert.equal((await cli('reload')).status, 0);
    assert.equal((await status()).lastReload?.successful, true);
    assert.doesNotMatch((await status()).warnings.join('\n'), /what is on disk/);
  });

  it('follows a bindings file that is watched, and keeps the old bindings while it is bad', async () => {
    const bindings = join(lab.nodes.a.folder, 'bindings.yaml');
    const inFile = /^ {4}- \{vm: .*\}$/m.exec(original)?.[0] as string;
    writeFileSync(bindings, `${inFile.trim()}\n`);
    const before = await since();
    const { status: exit, stderr } = await reload(original.replace(`  bindings:\n${inFile}`, `  bindingsFile: ${bindings}`));
    assert.equal(exit, 0, stderr);
    await on();
    const logged = log().length;
    writeFileSync(bindings, '- {vm: broken\n');
    await waitFor('the warning', 10_000, async () => (await status()).lastReload?.successful === false);
    await on();
    writeFileSync(bindings, '[]\n');
    await waitFor('withdrawn', 10_000, async () => (await held(0)).length === 0 && (await held(1)).length === 0);
    writeFileSync(bindings, `${inFile.trim()}\n`);
    await on(); // asked for, and its answer claims
    assert.equal(log().slice(logged).split('\n').filter((line) => line.includes('"config.refused"') && line.includes('bindings.yaml')).length, 1, 'warned once');
    await reload(original);
    await on();
    assert.deepEqual(await since(), before);
  });

  it('by SIGHUP does the same', async () => {
    write(original.replace('level: debug', 'level: info'));
    const { pid } = lab.nodes.a;
    process.kill(pid, 'SIGHUP');
    await waitFor('the reload', 5000, async () => (await cli('show', 'config')).stdout.includes('level: info'));
    write(original);
    process.kill(pid, 'SIGHUP');
    await waitFor('the reload back', 5000, async () => (await cli('show', 'config')).stdout.includes('level: debug'));
  });

  it('drain leaves no route at the routers until undrain, with the sessions up', async () => {
    const before = await since();
    const done = cli('drain', '--wait', '5s');
    // FRR itself takes GRACEFUL_SHUTDOWN for the lowest preference there is.
    await waitFor('leaving', 9000, async () => (await lab.tor.routes()).some(({ prefix, localPref }) => prefix === ofVm()[0] && (localPref ?? 0) < 100));
    assert.equal((await done).status, 0);
    assert.deepEqual([await held(0), await held(1)], [[], []]);
    assert.match((await cli('status')).stdout, /^drain +withdrawn since .*, 0 routes/m);
    await lab.stage.boot([lab.vm], 'a');
    await sleep(1000);
    assert.deepEqual([await held(0), await held(1)], [[], []]);
    assert.equal((await cli('undrain')).status, 0);
    await on();
    assert.deepEqual(await since(), before);
  });

  it('a drained speaker that ends says goodbye, and leaves nothing stale', async () => {
    assert.equal((await cli('drain', '--wait', '100ms')).status, 0);
    await lab.nodes.a.stop('SIGTERM');
    assert.match(log(), /Administrative Shutdown.*landfall stops after a drain/);
    await sleep(500);
    assert.deepEqual([await held(0), await held(1)], [[], []]);
    assert.ok(!(await lab.tor.established()).includes(linkOf(0, 'a').node.ipv4));
  });
});

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asn, crowd, crowdVm } from '../../src/demo/addresses.ts';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, findProgram, landfallCommand, must, run, waitFor } from '../../src/demo/processes.ts';
import { BirdTor } from '../../src/demo/tor-bird.ts';

// A daemon with one router that is there and one that is not, a VM that announces itself, and a real Prometheus that scrapes it.

const node = { address: '192.0.2.2', torAddress: '192.0.2.1' };
const vm = crowdVm(1);
const deploy = fileURLToPath(new URL('../../deploy/', import.meta.url));

describe('telemetry', function () {
  this.timeout(120_000);
  let namespaces: Namespaces;
  let folder: string;
  let tor: BirdTor;
  const daemons: Daemon[] = [];

  before(async function () {
    const missing = process.geteuid?.() !== 0 ? ['root'] : ['bird', 'promtool', 'prometheus'].filter((program) => findProgram(program) === undefined);
    if (missing.length > 0) {
      if (process.env['CI'] === 'true') throw new Error(`would be skipped: needs ${missing.join(', ')}`);
      process.stderr.write(`    skipped: needs ${missing.join(', ')}\n`);
      return this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'landfall-telemetry-'));
    namespaces = new Namespaces(`lftele${process.pid}`);
    await namespaces.create('out', { forwarding: true });
    await namespaces.create('node');
    await namespaces.ip('node', [
      'link set lo up', 'link add br-vlan type bridge', 'link add tap0 type veth peer name vm0 netns @out', 'link add up0 type veth peer name tor0 netns @out',
      'link set tap0 master br-vlan', `address add ${node.address}/30 dev up0`, ...['br-vlan', 'tap0', 'up0'].map((link) => `link set ${link} up`),
    ]);
    await namespaces.ip('out', [`address add ${node.torAddress}/30 dev tor0`, 'link set vm0 up', 'link set tor0 up']);
    mkdirSync(join(folder, 'tor'));
    tor = new BirdTor(namespaces, {
      namespace: 'out', routerId: node.torAddress, asn: asn.nodes, peering: { type: 'ibgp' },
      neighbors: [{ node: 'a', address: node.address, localAddress: node.torAddress, localAddress6: 'fe80::1' }],
    }, join(folder, 'tor'));
    await tor.start();
    writeFileSync(join(folder, 'landfall.yaml'), `apiVersion: landfall/v1
node: {name: hv-1}
bgp:
  asn: ${asn.nodes}
  peers:
    - {name: tor, address: ${node.torAddress}, asn: ${asn.nodes}, timers: {hold: 9s, keepalive: 3s, connectRetry: 1s}}
    - {name: never, address: 192.0.2.250, asn: ${asn.nodes}, timers: {hold: 9s, keepalive: 3s, connectRetry: 1s}}
watch:
  - {bridge: br-vlan, ports: {local: ["tap*"], uplink: [up0]}, prefixes: [${crowd.ipv4}]}
identity: {bindings: [{vm: 'shop/"web"\\1', mac: "${vm.mac}", ips: [${vm.ipv4}]}]}
log: {level: info, format: json}
api: {socket: ${join(folder, 'landfall.sock')}, mode: "0600"}
state: {file: ${join(folder, 'state.json')}}
telemetry: {perPrefixMetrics: true, web: true}
`);
    start('landfall', [...landfallCommand(), 'run', '-c', join(folder, 'landfall.yaml')]);
    await waitFor('the session', 30_000, async () => (await tor.established()).includes(node.address));
    const script = fileURLToPath(new URL('send-rarp.ts', import.meta.url));
    await must(namespaces.exec('out', [process.execPath, '--import', 'tsx', script, 'vm0', vm.mac]), { timeoutMs: 30_000 });
    await waitFor('the route', 10_000, async () => (await tor.routes()).some((route) => route.prefix === `${vm.ipv4}/32`));
  });
  after(async () => {
    for (const daemon of daemons) await daemon.stop('SIGKILL');
    await tor?.stop();
    await namespaces?.removeAll();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  function start(name: string, command: readonly string[]): Daemon {
    const daemon = new Daemon(name, namespaces.exec('node', command), { log: join(folder, `${name}.log`) });
    daemons.push(daemon);
    return daemon;
  }

  /** What the daemon answers, asked for inside the node's namespace. */
  async function get(path: string): Promise<{ status: number; headers: Record<string, string>; body: string }> {
    const script = 'const a = await fetch(process.argv[1]); console.log(JSON.stringify({status: a.status, headers: Object.fromEntries(a.headers), body: await a.text()}))';
    const text = await must(namespaces.exec('node', [process.execPath, '--input-type=module', '-e', script, `http://127.0.0.1:17479${path}`]), { timeoutMs: 20_000 });
    return JSON.parse(text) as { status: number; headers: Record<string, string>; body: string };
  }

  it('promtool finds nothing to complain of in the metrics', async () => {
    const { status, body } = await get('/metrics');
    assert.equal(status, 200);
    assert.match(body, /^landfall_bgp_session_up\{peer="tor",peer_asn="\d+"\} 1$/m);
    assert.match(body, /^landfall_bgp_session_up\{peer="never",peer_asn="\d+"\} 0$/m);
    assert.match(body, /^landfall_announcements_total\{bridge="br-vlan",kind="rarp",verdict="accepted"\} 1$/m);
    assert.match(body, /^landfall_migration_announce_seconds_count\{afi="ipv4"\} 1$/m);
    assert.match(body, /^landfall_build_info\{version="[\d.]+",commit="[0-9a-z]+"\} 1$/m);
    const judged = await run(['promtool', 'check', 'metrics'], { input: body, timeoutMs: 30_000 });
    assert.deepEqual([judged.status, judged.stdout + judged.stderr], [0, '']);
  });

  it('a real Prometheus scrapes it, and reads every name as it is meant', async () => {
    writeFileSync(join(folder, 'prometheus.yml'), `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [${deploy}alerts.yaml]
scrape_configs:
  - {job_name: landfall, static_configs: [{targets: ["127.0.0.1:17479"]}]}
`);
    start('prometheus', [findProgram('prometheus') as string, `--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, 'tsdb')}`, '--web.listen-address=127.0.0.1:9099', '--log.level=warn']);
    const ask = async (query: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> => {
      const done = await run(namespaces.exec('node', ['promtool', 'query', 'instant', '-o', 'json', 'http://127.0.0.1:9099', query]), { timeoutMs: 20_000 });
      return done.status === 0 ? (JSON.parse(done.stdout) as { metric: Record<string, string>; value: [number, string] }[]) : [];
    };
    await waitFor('the first scrape', 40_000, async () => (await ask('up{job="landfall"} == 1')).length === 1, 500);
    const down = await ask('landfall_bgp_session_up == 0');
    assert.deepEqual(down.map((one) => one.metric['peer']), ['never']);
    assert.deepEqual((await ask('sum by (peer) (landfall_bgp_session_state)')).map((one) => [one.metric['peer'], one.value[1]]).sort(), [['never', '1'], ['tor', '1']]);
    const info = await ask('landfall_prefix_info');
    assert.deepEqual(info.map(({ metric }) => [metric['prefix'], metric['vm']]), [[`${vm.ipv4}/32`, 'shop/"web"\\1']]);
    const quantile = Number((await ask('histogram_quantile(0.99, landfall_migration_announce_seconds_bucket{afi="ipv4"})'))[0]?.value[1]);
    assert.ok(quantile > 0 && quantile < 1, `${quantile}`);
    // The rules are evaluated at a moment of their own in each second: the first scrape may come before it.
    const alerts = () => ask('ALERTS{alertname="LandfallSessionDown"}');
    await waitFor('the rules to be evaluated', 20_000, async () => (await alerts()).length > 0, 500);
    assert.deepEqual((await alerts()).map(({ metric }) => [metric['peer'], metric['alertstate']]), [['never', 'pending']]);
  });

  it('shows the page, and the handover that has just been', async () => {
    const page = await get('/');
    assert.equal(page.status, 200);
    assert.match(page.headers['content-security-policy'] ?? '', /default-src 'none'/);
    for (const path of ['/app.js', '/timeline.js', '/style.css', '/icon.svg']) assert.equal((await get(path)).status, 200, path);
    const { items } = JSON.parse((await get('/api/migrations')).body) as { items: { prefix: string; vm: string; timeline: { event: string }[] }[] };
    assert.deepEqual(items.map(({ prefix, vm }) => [prefix, vm]), [[`${vm.ipv4}/32`, 'shop/"web"\\1']]);
    assert.ok(['frame', 'accepted', 'announced', 'written'].every((event) => items[0]?.timeline.some((line) => line.event === event)));
  });

  it('after a reload nothing is left of a peer that it removed; a refused file is told of', async () => {
    const peersOf = (body: string): string[] => [...new Set([...body.matchAll(/peer="(\w+)"/g)].map((match) => match[1] as string))].sort();
    assert.deepEqual(peersOf((await get('/metrics')).body), ['never', 'tor']);
    const file = join(folder, 'landfall.yaml');
    const text = readFileSync(file, 'utf8');
    const reload = () => run([...landfallCommand(), '-s', join(folder, 'landfall.sock'), '-c', file, 'reload'], { timeoutMs: 30_000 });
    writeFileSync(file, text.replace(/^.*name: never.*\n/m, ''));
    const done = await reload();
    assert.equal(done.status, 0, done.stderr);
    const { body } = await waitFor('the peer to be gone', 10_000, async () => {
      const answer = await get('/metrics');
      return peersOf(answer.body).includes('never') ? undefined : answer;
    });
    assert.deepEqual(peersOf(body), ['tor']);
    assert.match(body, /^landfall_config_last_reload_successful 1$/m);
    assert.match(body, /^landfall_bgp_session_transitions_total\{peer="tor",to="established"\} 1$/m, 'the other session lived on');
    writeFileSync(file, text.replace('watch:', 'wacth:'));
    assert.equal((await reload()).status, 3);
    assert.match((await get('/metrics')).body, /^landfall_config_last_reload_successful 0$/m);
    writeFileSync(file, text);
    assert.equal((await reload()).status, 0);
    assert.match((await get('/metrics')).body, /^landfall_config_last_reload_successful 1$/m);
  });

  it('is ready and healthy, and says which bridge is gone', async () => {
    await run(namespaces.exec('node', ['ip', 'link', 'set', 'br-other', 'name', 'br-vlan', 'up'])); // after a first try
    await waitFor('readiness', 10_000, async () => (await get('/readyz')).status === 200, 300);
    assert.deepEqual(JSON.parse((await get('/readyz')).body), { status: 'ok', reasons: [] });
    assert.equal((await get('/healthz')).status, 200);
    await namespaces.ip('node', ['link set br-vlan name br-other down']);
    const { status, body } = await waitFor('not ready', 10_000, async () => {
      const answer = await get('/readyz');
      return answer.status === 503 ? answer : undefined;
    }, 300);
    assert.equal(status, 503);
    assert.deepEqual((JSON.parse(body) as { reasons: string[] }).reasons, ['bridge br-vlan does not exist']);
  });

  it('the shipped alert rules pass their tests', async () => {
    for (const command of [['check', 'rules', `${deploy}alerts.yaml`], ['test', 'rules', `${deploy}alerts.test.yaml`]]) {
      const done = await run(['promtool', ...command], { timeoutMs: 60_000 });
      assert.equal(done.status, 0, done.stdout + done.stderr);
    }
    assert.ok(readFileSync(`${deploy}alerts.yaml`, 'utf8').includes('LandfallNoPeerUp'));
  });
});

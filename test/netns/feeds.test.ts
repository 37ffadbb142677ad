import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asn, crowd, crowdVm } from '../../src/demo/addresses.ts';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, findProgram, landfallCommand, must, run, waitFor } from '../../src/demo/processes.ts';
import { BirdTor } from '../../src/demo/tor-bird.ts';

// A daemon with one router, a VM that announces itself, and other people's programs that read what it feeds: pmbmpd as the BMP station,
// tshark for the octets on the way there, bgpdump for the MRT file.

const node = { address: '192.0.2.2', torAddress: '192.0.2.1', asn: 65_020 };
const [first, second, third] = [crowdVm(1), crowdVm(2), crowdVm(3)];
/** A route that has nothing to do with VMs, and one that could be a VM's. */
const foreign = ['10.9.0.0/16', `${crowdVm(77).ipv4}/32`];

interface Logged {
  readonly bmp_msg_type: string;
  readonly [key: string]: unknown;
}

describe('feeds', function () {
  this.timeout(180_000);
  let namespaces: Namespaces;
  let folder: string;
  let tor: BirdTor;
  let landfall: Daemon;
  const daemons: Daemon[] = [];

  before(async function () {
    const missing = process.geteuid?.() !== 0 ? ['root'] : ['bird', 'pmbmpd', 'tshark', 'bgpdump'].filter((program) => findProgram(program) === undefined);
    if (missing.length > 0) {
      if (process.env['CI'] === 'true') throw new Error(`would be skipped: needs ${missing.join(', ')}`);
      process.stderr.write(`    skipped: needs ${missing.join(', ')}\n`);
      return this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'landfall-feeds-'));
    namespaces = new Namespaces(`lffeed${process.pid}`);
    await namespaces.create('out', { forwarding: true });
    await namespaces.create('node');
    await namespaces.ip('node', [
      'link set lo up', 'link add br-vlan type bridge', 'link add tap0 type veth peer name vm0 netns @out', 'link add up0 type veth peer name tor0 netns @out',
      'link set tap0 master br-vlan', `address add ${node.address}/30 dev up0`, ...['br-vlan', 'tap0', 'up0'].map((link) => `link set ${link} up`),
    ]);
    await namespaces.ip('out', ['link set lo up', `address add ${node.torAddress}/30 dev tor0`, 'link set vm0 up', 'link set tor0 up']);
    mkdirSync(join(folder, 'tor'));
    const plan = { namespace: 'out', routerId: node.torAddress, asn: node.asn, peering: { type: 'ibgp' as const }, neighbors: [] };
    tor = new BirdTor(namespaces, plan, join(folder, 'tor'), birdConf());
    await tor.start();
    configure();
    start('out', 'tshark', ['tshark', '-q', '-i', 'tor0', '-f', 'tcp port 11019', '-w', join(folder, 'bmp.pcap')]);
    await waitFor('tshark', 20_000, () => existsSync(join(folder, 'bmp.pcap')));
    startStation();
    await startLandfall();
    await rarp(first.mac);
  });
  after(async () => {
    for (const daemon of daemons) await daemon.stop('SIGKILL');
    await tor?.stop();
    await namespaces?.removeAll();
    if (folder !== undefined && process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(folder, { recursive: true, force: true });
  });

  function birdConf(): string {
    return `router id ${node.torAddress};
protocol device { }
protocol static s4 { ipv4; ${foreign.map((prefix) => `route ${prefix} blackhole;`).join(' ')} }
protocol static s6 { ipv6; route 2001:db8:77::/48 blackhole; }
protocol bgp node_a {
  local ${node.torAddress} as ${node.asn};
  neighbor ${node.address} as ${asn.nodes};
  passive on;
  hold time 9;
  error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; };
  ipv6 { import all; export where source = RTS_STATIC; next hop address 2001:db8:77::1; };
}
`;
  }

  function configure(feeds = `bmp: [{address: ${node.torAddress}, statistics: 1s}], mrt: {file: ${join(folder, 'dump.mrt')}}`): void {
    writeFileSync(join(folder, 'landfall.yaml'), `apiVersion: landfall/v1
node: {name: hv-1}
bgp:
  asn: ${asn.nodes}
  gracefulRestart: {enabled: false}
  nextHop: {ipv6: "2001:db8:77::2"}
  peers: [{name: tor, address: ${node.torAddress}, asn: ${node.asn}, routes: {profile: window}, timers: {hold: 9s, keepalive: 3s, connectRetry: 1s}}]
watch:
  - {bridge: br-vlan, ports: {local: ["tap*"], uplink: [up0]}, prefixes: [${crowd.ipv4}, "${crowd.ipv6}"]}
identity:
  bindings: [${[first, second, third].map((vm) => `{vm: ${vm.name}, mac: "${vm.mac}", ips: [${vm.ipv4}, "${vm.ipv6}"]}`).join(', ')}]
log: {level: info, format: json}
api: {socket: ${join(folder, 'landfall.sock')}, mode: "0600"}
state: {file: ${join(folder, 'state.json')}}
telemetry: {listen: off, ${feeds}}
`);
  }

  function start(namespace: string, name: string, command: readonly string[]): Daemon {
    const daemon = new Daemon(name, namespaces.exec(namespace, command), { log: join(folder, `${name}-${daemons.length}.log`) });
    daemons.push(daemon);
    return daemon;
  }

  let stations = 0;
  const stationLog = (): string => join(folder, `bmp-${stations}.json`);
  function startStation(): Daemon {
    stations += 1;
    writeFileSync(join(folder, `pmbmpd-${stations}.conf`), [
      'daemonize: false', `bmp_daemon_ip: ${node.torAddress}`, 'bmp_daemon_port: 11019', `bmp_daemon_msglog_file: ${stationLog()}`, 'bmp_daemon_msglog_output: json', 'bmp_daemon_max_peers: 10',
    ].join('\n') + '\n');
    return start('out', 'pmbmpd', [findProgram('pmbmpd') as string, '-f', join(folder, `pmbmpd-${stations}.conf`)]);
  }

  async function startLandfall(): Promise<void> {
    landfall = start('node', 'landfall', [...landfallCommand(), 'run', '-c', join(folder, 'landfall.yaml')]);
    await waitFor('the session', 30_000, async () => (await tor.established()).includes(node.address));
  }

  /** What the station has understood so far. */
  function logged(type?: string): Logged[] {
    const text = existsSync(stationLog()) ? readFileSync(stationLog(), 'utf8') : '';
    return text.split('\n').slice(0, -1).map((line) => JSON.parse(line) as Logged).filter((each) => type === undefined || each.bmp_msg_type === type);
  }

  /** The routes that a station knows now of a table: what was told, in order. */
  function tableOf(rib: 'in' | 'out'): string[] {
    const routes = new Set<string>();
    for (const each of logged('route_monitor')) {
      if ((each['is_out'] === 1) !== (rib === 'out')) continue;
      const prefix = each['ip_prefix'] as string | undefined;
      if (prefix === undefined) continue;
      if (each['log_type'] === 'withdraw') routes.delete(prefix);
      else routes.add(prefix);
    }
    return [...routes].sort();
  }

  async function rarp(mac: string): Promise<void> {
    const script = fileURLToPath(new URL('send-rarp.ts', import.meta.url));
    await must(namespaces.exec('out', [process.execPath, '--import', 'tsx', script, 'vm0', mac]), { timeoutMs: 30_000 });
  }

  const received = [...foreign, '2001:db8:77::/48'].sort();
  const hostRoutes = (...vms: (typeof first)[]): string[] => vms.flatMap((vm) => [`${vm.ipv4}/32`, `${vm.ipv6}/128`]).sort();

  it('pmbmpd hears of the session, of the routes both ways, and of a VM that announces itself', async () => {
    await waitFor('the routes of the first VM', 30_000, () => tableOf('out').length === 2).catch(() => assert.fail(JSON.stringify(logged(), null, 1).slice(0, 4000)));
    assert.deepEqual(tableOf('out'), hostRoutes(first));
    await waitFor('the routes of the router', 20_000, () => tableOf('in').length === received.length);
    assert.deepEqual(tableOf('in'), received);
    const [init] = logged('init');
    assert.match(JSON.stringify(init), /hv-1/);
    assert.match(JSON.stringify(init), /landfall \d/);
    const [up] = logged('peer_up');
    assert.deepEqual([up?.['peer_ip'], up?.['peer_asn'], up?.['local_ip'], up?.['remote_port']], [node.torAddress, node.asn, node.address, 179]);
    await rarp(second.mac);
    await waitFor('the second VM', 10_000, () => tableOf('out').length === 4);
    assert.deepEqual(tableOf('out'), hostRoutes(first, second));
    for (const each of logged('route_monitor')) if (each['is_out'] === 1) assert.equal(each['is_post'], 1);
    await waitFor('a report', 10_000, () => logged('stats').length > 0);
  });

  it('a station that comes later is told what stands', async () => {
    await daemons.find(({ name }) => name === 'pmbmpd')?.stop('SIGTERM');
    startStation();
    await waitFor('both tables', 60_000, () => tableOf('out').length === 4 && tableOf('in').length === received.length).catch(() => assert.fail(JSON.stringify(logged(), null, 1).slice(0, 4000)));
    assert.deepEqual([tableOf('out'), tableOf('in')], [hostRoutes(first, second), received]);
    assert.equal(logged('peer_up').length, 1);
  });

  it('a station that a reload adds is told what the sessions have, though nobody followed them before', async () => {
    const reload = () => must([...landfallCommand(), '-s', join(folder, 'landfall.sock'), '-c', join(folder, 'landfall.yaml'), 'reload'], { timeoutMs: 30_000 });
    configure('bmp: []');
    await reload();
    await waitFor('the farewell', 10_000, () => logged('term').length === 1);
    await daemons.filter(({ name }) => name === 'pmbmpd').at(-1)?.stop('SIGTERM');
    startStation();
    configure();
    await reload();
    await waitFor('both tables', 60_000, () => tableOf('out').length === 4 && tableOf('in').length === received.length).catch(() => assert.fail(JSON.stringify(logged(), null, 1).slice(0, 4000)));
    assert.deepEqual([tableOf('out'), tableOf('in')], [hostRoutes(first, second), received]);
  });

  it('a station that stands still holds nothing up, and hears it all when it goes on', async () => {
    const station = daemons.filter(({ name }) => name === 'pmbmpd').at(-1) as Daemon;
    process.kill(station.pid, 'SIGSTOP');
    try {
      await rarp(third.mac);
      await waitFor('the router to have the routes', 10_000, async () => (await tor.routes()).some(({ prefix }) => prefix === `${third.ipv4}/32`));
      const { items } = JSON.parse(await must([...landfallCommand(), '-s', join(folder, 'landfall.sock'), 'show', 'migrations', '-o', 'json'], { timeoutMs: 30_000 })) as { items: { prefix: string; announceSeconds?: number }[] };
      const announced = items.find(({ prefix }) => prefix === `${third.ipv4}/32`)?.announceSeconds;
      assert.ok(announced !== undefined && announced < 1, `${announced}`);
      assert.ok(!tableOf('out').includes(`${third.ipv4}/32`));
    } finally {
      process.kill(station.pid, 'SIGCONT');
    }
    await waitFor('the third VM', 10_000, () => tableOf('out').length === 6);
  });

  it('the router ends the session, and it comes back: peer down with its words, peer up', async () => {
    const before = logged('peer_up').length;
    await tor.stop();
    await waitFor('peer down', 20_000, () => logged('peer_down').length === 1);
    assert.equal(logged('peer_down')[0]?.['reason_type'], 3);
    await tor.start();
    await waitFor('peer up', 30_000, () => logged('peer_up').length === before + 1);
  });

  it('a stop for good: the withdraws, peer down with our words, termination', async () => {
    await landfall.stop('SIGTERM');
    await waitFor('termination', 10_000, () => logged('term').length === 1);
    assert.deepEqual(tableOf('out'), []);
    assert.equal(logged('peer_down').at(-1)?.['reason_type'], 1);
  });

  it('tshark finds nothing malformed on the way there', async () => {
    for (const daemon of daemons.filter(({ name }) => name === 'tshark')) await daemon.stop('SIGINT');
    const tshark = (...more: string[]) => must(['tshark', '-r', join(folder, 'bmp.pcap'), '-d', 'tcp.port==11019,bmp', '-o', 'tcp.desegment_tcp_streams:TRUE', ...more], { timeoutMs: 60_000 });
    const types = (await tshark('-T', 'fields', '-e', 'bmp.type', '-Y', 'bmp')).trim().split(/[\n,]/);
    for (const [type, name] of ['route monitoring', 'statistics', 'peer down', 'peer up', 'initiation', 'termination'].entries()) assert.ok(types.includes(`${type}`), name);
    assert.equal((await tshark('-Y', '_ws.malformed || bmp && _ws.expert.severity >= 0x600000')).trim(), '');
  });

  it('bgpdump and landfall decode read the MRT file, and read the same', async () => {
    const files = readdirSync(folder).filter((name) => name.startsWith('dump.mrt'));
    const own: { type: string; from?: { address: string }; toState?: string; error?: unknown }[] = [];
    let theirs = '';
    for (const name of files.sort().reverse()) {
      own.push(...(await must([...landfallCommand(), 'decode', join(folder, name)], { timeoutMs: 30_000 })).trim().split('\n').map((line) => JSON.parse(line) as { type: string }));
      theirs += (await run(['bgpdump', '-m', join(folder, name)], { timeoutMs: 30_000 })).stdout;
    }
    assert.deepEqual(own.filter(({ error }) => error !== undefined), []);
    for (const type of ['OPEN', 'UPDATE', 'KEEPALIVE', 'NOTIFICATION', 'STATE_CHANGE']) assert.ok(own.some((line) => line.type === type), type);
    assert.ok(own.some(({ toState }) => toState === 'Established'));
    assert.ok([node.address, node.torAddress].every((address) => own.some(({ type, from }) => type === 'UPDATE' && from?.address === address)), 'both ways');
    const announced = new Set(theirs.split('\n').flatMap((line) => { const fields = line.split('|'); return fields[2] === 'A' ? [fields[5] as string] : []; }));
    assert.deepEqual([...announced].sort(), [...hostRoutes(first, second, third), ...received].sort());
    const established = theirs.split('\n').filter((line) => line.split('|')[2] === 'STATE' && line.endsWith('|5|6'));
    assert.ok(established.length >= 1, theirs.slice(0, 2000));
  });
});

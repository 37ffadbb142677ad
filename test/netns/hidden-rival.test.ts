import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../src/demo/folder.ts';
import { Namespaces, removeLeftovers } from '../../src/demo/namespaces.ts';
import { Daemon, findProgram, killAtExit, landfallCommand, must, run, stopAll, waitFor } from '../../src/demo/processes.ts';
import { FrrTor } from '../../src/demo/tor-frr.ts';
import type { ListReply, PeerItem, ReceivedItem } from '../../src/views/items.ts';

// What a route reflector has behind the route that it prefers: with ADD-PATH (RFC 7911) both nodes see both claims; and the route of a node
// that is gone, which a helper of long-lived graceful restart (RFC 9494) keeps as the least preferred of all.

const prefix = `lfhr${process.pid}`;
const address = '203.0.113.11';
const marks = (node: number, sequence: number): string => [`(65010, ${1 << 24}, ${sequence})`, `(65010, ${3 << 24}, ${(10 << 24) + (8 << 16) + node})`].map((one) => `bgp_large_community.add(${one});`).join(' ');
const programs = { frr: ['zebra', 'bgpd', 'vtysh'], bird: ['bird', 'birdc'] } as const;

class Place {
  readonly namespaces: Namespaces;
  readonly folder = makeFolder();
  constructor(kind: string) {
    this.namespaces = new Namespaces(`${prefix}${kind}`);
  }
  file(name: string): string {
    return join(this.folder, name);
  }
  /** A switch, the router at .1 and the others at .2 and .3. */
  async build(names: readonly string[]): Promise<void> {
    await this.namespaces.create('router');
    await this.namespaces.ip('router', ['link add br0 type bridge', 'link set br0 up', 'address add 10.8.0.1/24 dev br0']);
    for (const [i, name] of names.entries()) {
      await this.namespaces.create(name);
      await this.namespaces.ip('router', [`link add p${i} type veth peer name eth0 netns @${name}`, `link set p${i} master br0`, `link set p${i} up`]);
      await this.namespaces.ip(name, ['link add vms type bridge', 'link set eth0 up', `address add 10.8.0.${i + 2}/24 dev eth0`]);
    }
  }
  async startNode(name: string, i: number): Promise<void> {
    writeFileSync(this.file(`${name}.yaml`), `apiVersion: landfall/v1
node: {name: ${name}}
bgp: {asn: 65010, routerId: 10.8.0.${i + 2}, peers: [{name: tor, address: 10.8.0.1, asn: 65010, families: [ipv4-unicast], timers: {connectRetry: 1s}}]}
watch: [{bridge: vms, ports: {local: ["tap*"]}, prefixes: [203.0.113.0/24]}]
state: {file: ${this.file(`${name}.json`)}}
log: {level: info, format: json}
api: {socket: ${this.file(`${name}.sock`)}, mode: "0600"}
telemetry: {listen: off}
`);
    new Daemon(name, this.namespaces.exec(name, [...landfallCommand(), 'run', '-c', this.file(`${name}.yaml`)]), { log: this.file(`${name}.log`) });
    await waitFor(`${name} has its session`, 80_000, async () => (await this.items<PeerItem>(name, 'show', 'peers').catch(() => []))[0]?.state === 'established', 200);
  }
  cli(name: string, ...args: string[]): Promise<string> {
    return must(this.namespaces.exec(name, [...landfallCommand(), '--socket', this.file(`${name}.sock`), ...args]));
  }
  async items<Item>(name: string, ...args: string[]): Promise<Item[]> {
    return (JSON.parse(await this.cli(name, ...args, '-o', 'json')) as ListReply<Item>).items;
  }
  /** What a node has from the router: `kind node`. */
  async received(name: string): Promise<string[]> {
    return (await this.items<ReceivedItem>(name, 'show', 'received', address)).map(({ kind, node }) => `${kind} ${node}`).sort();
  }
  async expect(name: string, wanted: readonly string[]): Promise<void> {
    let seen: string[] = [];
    await waitFor(name, 20_000, async () => JSON.stringify(seen = await this.received(name)) === JSON.stringify(wanted), 200).catch(() => assert.deepEqual(seen, wanted));
  }
  async remove(): Promise<void> {
    await stopAll();
    await this.namespaces.removeAll();
    if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(this.folder, { recursive: true, force: true });
  }
}

function need(context: Mocha.Context, kind: keyof typeof programs): void {
  const missing = process.geteuid?.() !== 0 ? ['root'] : programs[kind].filter((program) => findProgram(program) === undefined);
  if (missing.length === 0) return;
  if (process.env['CI'] === 'true') throw new Error(`would be skipped: needs ${missing.join(', ')}`);
  process.stderr.write(`    skipped: needs ${missing.join(', ')}\n`);
  context.skip();
}

describe('a rival behind the route that the reflector prefers, frr', function () {
  this.timeout(180_000);
  const place = new Place('f');
  before(async function () {
    need(this, 'frr');
    await place.build(['a', 'b']);
    const neighbors = ['10.8.0.2', '10.8.0.3'];
    await new FrrTor(place.namespaces, { namespace: 'router', routerId: '10.8.0.1', asn: 65010, peering: { type: 'ibgp' }, neighbors: [] }, place.folder, `frr defaults traditional
router bgp 65010
 bgp router-id 10.8.0.1
 no bgp default ipv4-unicast
${neighbors.map((one) => ` neighbor ${one} remote-as 65010\n neighbor ${one} passive\n neighbor ${one} advertisement-interval 0\n`).join('')} address-family ipv4 unicast
${neighbors.map((one) => `  neighbor ${one} activate\n  neighbor ${one} route-reflector-client\n  neighbor ${one} send-community both\n  neighbor ${one} addpath-tx-all-paths\n`).join('')} exit-address-family
`).start();
    await Promise.all([place.startNode('a', 0), place.startNode('b', 1)]);
  });
  after(() => place.remove());

  it('is seen by both nodes', async () => {
    await place.cli('a', 'announce', address);
    await place.expect('b', ['rival 10.8.0.2']);
    await place.cli('b', 'announce', address);
    await place.expect('b', ['own 10.8.0.3', 'rival 10.8.0.2']);
    await place.expect('a', ['own 10.8.0.2', 'rival 10.8.0.3']);
    const [first, second] = await place.items<ReceivedItem>('b', 'show', 'received', address);
    assert.ok(first?.pathId !== undefined && second?.pathId !== undefined && first.pathId !== second.pathId);
  });

  it('goes alone when it is withdrawn', async () => {
    await place.cli('a', 'withdraw', address);
    await place.expect('b', ['own 10.8.0.3']);
    await place.cli('b', 'withdraw', address);
    await place.expect('b', []);
  });
});

describe('the route of a node that is gone, kept for long by bird', function () {
  this.timeout(180_000);
  const place = new Place('b');
  const birdc = async (name: string, command: string): Promise<string> => (await run([findProgram('birdc') ?? 'birdc', '-s', place.file(`${name}.ctl`), ...command.split(' ')])).stdout;
  const bird = async (name: string, config: string): Promise<Daemon> => {
    writeFileSync(place.file(`${name}.conf`), `log stderr all;\nprotocol device { }\n${config}`);
    const daemon = new Daemon(name, place.namespaces.exec(name, [findProgram('bird') as string, '-f', '-c', place.file(`${name}.conf`), '-s', place.file(`${name}.ctl`), '-P', place.file(`${name}.pid`)]), { log: place.file(`${name}.log`) });
    await waitFor(`${name} answers`, 10_000, async () => {
      if (!daemon.alive) throw new Error(daemon.tail);
      return (await birdc(name, 'show status')).includes('up and running');
    });
    return daemon;
  };
  const llgr = 'graceful restart on; graceful restart time 2; long lived graceful restart on; long lived stale time 300;';
  let other: Daemon;

  before(async function () {
    need(this, 'bird');
    await place.build(['a', 'other']);
    await bird('router', `router id 10.8.0.1;
protocol bgp node3 { local 10.8.0.1 as 65010; neighbor 10.8.0.3 as 65010; direct; rr client; passive on; ${llgr} hold time 9; ipv4 { import all; export all; }; }
protocol bgp node2 { local 10.8.0.1 as 65010; neighbor 10.8.0.2 as 65010; direct; rr client; passive on; ${llgr} hold time 9; ipv4 { import all; export all; }; }
`);
    other = await bird('other', `router id 10.8.0.3;
protocol static { ipv4 { import filter { ${marks(3, 100)} accept; }; }; route ${address}/32 blackhole; }
protocol bgp tor { local 10.8.0.3 as 65010; neighbor 10.8.0.1 as 65010; direct; ${llgr} connect delay time 1; ipv4 { import none; export all; }; }
`);
    await place.startNode('a', 0);
  });
  after(() => place.remove());

  it('is a rival while it stands', () => place.expect('a', ['rival 10.8.0.3']));

  it('claims nothing once the router keeps it as stale', async () => {
    await other.stop('SIGKILL');
    await place.expect('a', ['rival, leaving 10.8.0.3']);
    const [item] = await place.items<ReceivedItem>('a', 'show', 'received', address);
    assert.ok(item?.communities.includes('llgr-stale'), JSON.stringify(item));
  });
});

killAtExit();
after(async function () {
  this.timeout(30_000);
  await stopAll();
  await removeLeftovers(prefix);
});

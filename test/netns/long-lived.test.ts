import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFolder } from '../../src/demo/folder.ts';
import { Namespaces, removeLeftovers } from '../../src/demo/namespaces.ts';
import { Daemon, findProgram, killAtExit, landfallCommand, must, run, stopAll, waitFor } from '../../src/demo/processes.ts';
import { chownToFrr, FrrTor } from '../../src/demo/tor-frr.ts';
import type { IgnoredItem, ListReply, PeerItem, PrefixItem, ReceivedItem } from '../../src/views/items.ts';

// A router that asks to be remembered for long (RFC 9494) is killed and comes back, or does not. It shows a rival's claim, a route that is no claim,
// and one that bears NO_LLGR.

const prefix = `lfll${process.pid}`;
const [rival, plain, unwilling] = ['203.0.113.11', '203.0.113.12', '203.0.113.13'] as const;
const mac = '52:54:00:aa:00:01';
/** Type 1 has the sequence, type 3 the node, 10.9.0.9. */
const marks = [[1 << 24, 100], [3 << 24, (10 << 24) + (9 << 16) + 9]] as const;
const restartSeconds = 4;

interface Router {
  readonly programs: readonly string[];
  /** `back`: it was killed, and has (or has not) kept what it had. */
  start(place: Place, routes: readonly string[], back?: { readonly preserved: boolean }): Promise<void>;
  kill(): Promise<void>;
}

class Place {
  readonly namespaces: Namespaces;
  readonly folder = makeFolder();
  #node: Daemon | undefined;
  constructor(kind: string) {
    this.namespaces = new Namespaces(`${prefix}${kind}`);
  }
  file(name: string): string {
    return join(this.folder, name);
  }
  async build(): Promise<void> {
    for (const name of ['router', 'node', 'pod']) await this.namespaces.create(name);
    await this.namespaces.ip('router', ['link add eth0 type veth peer name eth0 netns @node', 'link set eth0 up', 'address add 10.9.0.1/24 dev eth0']);
    await this.namespaces.ip('node', ['link set eth0 up', 'address add 10.9.0.2/24 dev eth0', 'link add vms type bridge', 'link set vms up']);
  }
  /** @param maxStaleTime the longest time that it grants */
  configure(maxStaleTime: string): void {
    writeFileSync(this.file('node.yaml'), `apiVersion: landfall/v1
node: {name: node}
bgp:
  asn: 65010
  routerId: 10.9.0.2
  longLivedGracefulRestart: {families: [ipv4-unicast], maxStaleTime: ${maxStaleTime}}
  peers: [{name: tor, address: 10.9.0.1, asn: 65010, families: [ipv4-unicast], timers: {connectRetry: 1s}}]
watch: [{bridge: vms, ports: {local: ["pod*"]}, prefixes: [203.0.113.0/24]}]
identity: {bindings: [{vm: web-1, mac: "${mac}", ips: [${rival}]}]}
state: {file: ${this.file('node.json')}}
log: {level: info, format: json}
api: {socket: ${this.file('node.sock')}, mode: "0600"}
telemetry: {listen: off}
`);
  }
  startNode(): void {
    this.#node = new Daemon('node', this.namespaces.exec('node', [...landfallCommand(), 'run', '-c', this.file('node.yaml')]), { log: this.file('node.log') });
  }
  cli(...args: string[]): Promise<string> {
    return must(this.namespaces.exec('node', [...landfallCommand(), '--socket', this.file('node.sock'), ...args]));
  }
  async items<Item>(...args: string[]): Promise<Item[]> {
    return (JSON.parse(await this.cli(...args, '-o', 'json')) as ListReply<Item>).items;
  }
  async established(): Promise<void> {
    await waitFor('the session', 80_000, async () => {
      if (this.#node?.alive !== true) throw new Error(this.#node?.tail);
      return (await this.items<PeerItem>('show', 'peers').catch(() => []))[0]?.state === 'established';
    }, 200);
  }
  /** `address kind`, with `llgr-stale` where that is among the communities. */
  async received(): Promise<string[]> {
    const items = await this.items<ReceivedItem>('show', 'received');
    return items.map(({ prefix: of, kind, communities }) => [of.replace('/32', ''), kind, ...communities.filter((one) => one === 'llgr-stale')].join(' ')).sort();
  }
  async shows(wanted: readonly string[]): Promise<void> {
    let seen: string[] = [];
    await waitFor('routes', 30_000, async () => JSON.stringify(seen = await this.received()) === JSON.stringify(wanted), 200).catch(() => assert.deepEqual(seen, wanted));
  }
  /** What was said of stale routes: `phase: so many left, so many removed`. */
  get said(): string[] {
    return readFileSync(this.file('node.log'), 'utf8').split('\n').filter((line) => line.includes('"session.stale"')).map((line) => {
      const { phase, routes, removed } = JSON.parse(line) as Record<string, unknown>;
      return `${String(phase)}: ${String(routes)} left, ${String(removed)} removed`;
    });
  }
  /** Waits until something more was said than `before` lines. @returns it */
  async says(before: number, wanted: readonly string[]): Promise<void> {
    let seen: string[] = [];
    await waitFor('what is said of stale routes', 60_000, () => (seen = this.said.slice(before)).length >= wanted.length, 100).catch(() => assert.deepEqual(seen, wanted));
    assert.deepEqual(seen.slice(0, wanted.length), wanted);
  }
  /** A pod's port comes up. */
  async addPod(): Promise<void> {
    await this.namespaces.ip('node', ['link add pod0 type veth peer name eth0 netns @pod', 'link set pod0 master vms', 'link set pod0 up']);
    await this.namespaces.ip('pod', ['link set eth0 up']);
  }
  async speak(): Promise<void> {
    await must(this.namespaces.exec('pod', [process.execPath, '--import', 'tsx', fileURLToPath(new URL('send-garp.ts', import.meta.url)), 'eth0', mac, rival]), { timeoutMs: 60_000 });
  }
  async state(): Promise<string | undefined> {
    return (await this.items<PrefixItem>('show', 'prefixes')).find((item) => item.prefix === `${rival}/32`)?.state;
  }
  async remove(): Promise<void> {
    await stopAll();
    await this.namespaces.removeAll();
    if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(this.folder, { recursive: true, force: true });
  }
}

class Bird implements Router {
  readonly programs = ['bird', 'birdc'];
  #daemon: Daemon | undefined;
  async start(place: Place, routes: readonly string[], back?: { readonly preserved: boolean }): Promise<void> {
    const large = marks.map(([type, value]) => `bgp_large_community.add((65010, ${type}, ${value}));`).join(' ');
    writeFileSync(place.file('bird.conf'), `log stderr all;
router id 10.9.0.1;
protocol device { }
protocol static { ipv4 { import filter { if net = ${rival}/32 then { ${large} } if net = ${unwilling}/32 then bgp_community.add((65535, 7)); accept; }; };
${routes.map((route) => `  route ${route}/32 blackhole;\n`).join('')}}
protocol bgp node {
  local 10.9.0.1 as 65010; neighbor 10.9.0.2 as 65010; direct; passive on;
  graceful restart on; graceful restart time ${restartSeconds}; long lived graceful restart on; long lived stale time 3600;
  ipv4 { import all; export all; };
}
`);
    const command = [findProgram('bird') as string, '-f', ...(back?.preserved === true ? ['-R'] : []), '-c', place.file('bird.conf'), '-s', place.file('bird.ctl'), '-P', place.file('bird.pid')];
    const daemon = this.#daemon = new Daemon('bird', place.namespaces.exec('router', command), { log: place.file('bird.log') });
    await waitFor('bird answers', 20_000, async () => {
      if (!daemon.alive) throw new Error(daemon.tail);
      return (await run([findProgram('birdc') as string, '-s', place.file('bird.ctl'), 'show', 'status'])).stdout.includes('up and running') || back !== undefined;
    });
  }
  async kill(): Promise<void> {
    await this.#daemon?.stop('SIGKILL');
  }
}

class Frr implements Router {
  readonly programs = ['zebra', 'bgpd', 'vtysh'];
  #tor: FrrTor | undefined;
  async start(place: Place, routes: readonly string[], back?: { readonly preserved: boolean }): Promise<void> {
    const maps = { [rival]: `set large-community ${marks.map(([type, value]) => `65010:${type}:${value}`).join(' ')}`, [unwilling]: 'set community 65535:7' } as Record<string, string>;
    const config = `frr defaults traditional
${routes.map((route) => `route-map m${route.replaceAll('.', '-')} permit 10\n${maps[route] === undefined ? '' : ` ${maps[route]}\n`}exit\n`).join('')}router bgp 65010
 bgp router-id 10.9.0.1
 no bgp default ipv4-unicast
 no bgp network import-check
 bgp graceful-restart
 bgp graceful-restart restart-time ${restartSeconds}
${back?.preserved === false ? '' : ' bgp graceful-restart preserve-fw-state\n'} bgp long-lived-graceful-restart stale-time 3600
 neighbor 10.9.0.2 remote-as 65010
 neighbor 10.9.0.2 passive
 neighbor 10.9.0.2 advertisement-interval 0
 address-family ipv4 unicast
${routes.map((route) => `  network ${route}/32 route-map m${route.replaceAll('.', '-')}\n`).join('')}  neighbor 10.9.0.2 activate
  neighbor 10.9.0.2 send-community both
 exit-address-family
`;
    if (back === undefined) this.#tor = new FrrTor(place.namespaces, { namespace: 'router', routerId: '10.9.0.1', asn: 65010, peering: { type: 'ibgp' }, neighbors: [] }, place.folder, config);
    else {
      // start() writes the configuration that the router was made with.
      const again = new FrrTor(place.namespaces, { namespace: 'router', routerId: '10.9.0.1', asn: 65010, peering: { type: 'ibgp' }, neighbors: [] }, place.folder, config);
      await this.#tor?.stop();
      this.#tor = again;
    }
    await this.#tor?.start();
    chownToFrr(place.file('bgpd.conf'));
  }
  async kill(): Promise<void> {
    await this.#tor?.stop('SIGKILL');
  }
}

for (const [name, router] of [['bird', new Bird()], ['frr', new Frr()]] as const) {
  describe(`a router that asks to be remembered for long, ${name}`, function () {
    this.timeout(240_000);
    const place = new Place(name.slice(0, 1));
    const all = [`${rival} rival`, `${plain} foreign`, `${unwilling} foreign`];
    const kept = [`${rival} stale llgr-stale`, `${plain} stale llgr-stale`];

    before(async function () {
      const missing = process.geteuid?.() !== 0 ? ['root'] : router.programs.filter((program) => findProgram(program) === undefined);
      if (missing.length > 0) {
        if (process.env['CI'] === 'true') throw new Error(`would be skipped: needs ${missing.join(', ')}`);
        process.stderr.write(`    skipped: needs ${missing.join(', ')}\n`);
        this.skip();
      }
      await place.build();
      await router.start(place, [rival, plain, unwilling]);
      place.configure('1h');
      place.startNode();
      await place.established();
      await place.shows(all);
    });
    after(() => place.remove());

    it('is killed: its routes are stale for its Restart Time, and then the least preferred, but for one that bears NO_LLGR', async () => {
      const before = place.said.length;
      await router.kill();
      await place.says(before, ['restart: 3 left, 0 removed', 'longLived: 2 left, 1 removed']);
      await place.shows(kept);
      const stale = (await place.items<PeerItem>('show', 'peers'))[0]?.families[0]?.stale;
      assert.ok(stale?.routes === 2 && stale.longLived && stale.endsSeconds > 3000 && stale.endsSeconds <= 3600, JSON.stringify(stale));
    });

    it('comes back and has kept nothing: they are gone when the session is up', async () => {
      const before = place.said.length;
      await router.start(place, [rival, plain, unwilling], { preserved: false });
      await place.says(before, ['ended: 0 left, 2 removed']);
      await place.established();
      await place.shows(all);
    });

    it('comes back and has kept what it had: what it does not show again is gone after its End-of-RIB', async () => {
      const before = place.said.length;
      await router.kill();
      await place.says(before, ['restart: 3 left, 0 removed', 'longLived: 2 left, 1 removed']);
      await router.start(place, [rival, unwilling], { preserved: true });
      await place.says(before + 2, ['ended: 0 left, 1 removed']);
      await place.established();
      await place.shows([`${rival} rival`, `${unwilling} foreign`]);
    });

    it('stays away: a pod that speaks before its VM is too early', async () => {
      const before = place.said.length;
      await router.kill();
      await place.says(before, ['restart: 2 left, 0 removed', 'longLived: 1 left, 1 removed']);
      await place.addPod();
      await waitFor('the pod was heard', 60_000, async () => {
        await place.speak();
        return (await place.items<IgnoredItem>('show', 'ignored')).some((item) => item.verdict === 'early' && item.address === rival);
      });
      assert.deepEqual([await place.received(), await place.state()], [[`${rival} stale llgr-stale`], undefined]);
    });

    it('comes back without the rival: what was too early claims', async () => {
      const before = place.said.length;
      await router.start(place, [plain], { preserved: true });
      await place.says(before, ['ended: 0 left, 1 removed']);
      await waitFor('the pod claims', 30_000, async () => (await place.state()) === 'elevated', 200);
    });

    it('stays away for longer than we grant: nothing is left', async () => {
      await place.established();
      await place.shows([`${plain} foreign`]);
      place.configure('3s');
      await place.cli('reload');
      const before = place.said.length;
      await router.kill();
      await place.says(before, ['restart: 1 left, 0 removed', 'longLived: 1 left, 0 removed', 'ended: 0 left, 1 removed']);
      await place.shows([]);
    });
  });
}

killAtExit();
after(async function () {
  this.timeout(30_000);
  await stopAll();
  await removeLeftovers(prefix);
});

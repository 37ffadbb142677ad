import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import type { NodeName, Vm } from '../../src/demo/addresses.ts';
import { client, hostPrefix, linkOf, nodeNames, vlan } from '../../src/demo/addresses.ts';
import { must, run, sleep, waitFor } from '../../src/demo/processes.ts';
import { cableOf, nodeNamespace, plug, unplug } from '../../src/demo/topology.ts';
import { Lab, needs } from './lab.ts';
import { rarpFrame, resumeFrames } from './frames.ts';
import { withoutNeighbours, withoutSubnet } from './host-routes.ts';

// The nodes' own data plane on pure L3: VMs of one subnet on two nodes, of which nothing but the routers' table joins the halves.

const protocol = '179';

interface KernelRoute { readonly dst: string; readonly protocol?: string; readonly gateway?: string; readonly dev?: string; readonly type?: string }

/** Some VMs that move one at a time, and what their kernels say. */
class Crowd {
  readonly lab: Lab;
  readonly place = new Map<Vm, NodeName>();
  readonly #streams: { readonly child: ChildProcess; readonly name: string; echoed: number; ended: boolean }[] = [];

  constructor(lab: Lab) {
    this.lab = lab;
    for (const vm of this.vms) this.place.set(vm, 'a');
  }

  get vms(): readonly Vm[] {
    return this.lab.topology.vms;
  }

  /** `quiet`: QEMU's RARP alone, from a guest that says nothing. */
  async move(vm: Vm, to: NodeName, { quiet = false, keepSourceMs = 100 } = {}): Promise<void> {
    const from = this.place.get(vm) as NodeName;
    const { lab } = this;
    await unplug(lab.topology, vm, to); // left there by a try that broke off
    await plug(lab.topology, vm, to);
    await sleep(300);
    await lab.stage.detach(vm, from);
    await lab.stage.attach(vm, to);
    await lab.sendFrames('hv', cableOf(vm, to), quiet ? [rarpFrame(vm.mac)] : resumeFrames(vm));
    this.place.set(vm, to);
    await sleep(keepSourceMs);
    await unplug(lab.topology, vm, from);
    await lab.agree(this.place);
  }

  async inside(namespace: string, command: readonly string[]): Promise<string> {
    return must(this.lab.topology.namespaces.exec(namespace, command));
  }

  /** Every pair of VMs, every VM and the client, every VM and its node, started from either side. */
  async everybodyTalks(): Promise<void> {
    const ends = [...this.vms.map((vm) => ({ ns: `vm${vm.index}`, addresses: [vm.ipv4, vm.ipv6] })), { ns: 'client', addresses: [client.host.ipv4, client.host.ipv6] }];
    const targets = (ns: string): string[] => [...ends.filter((end) => end.ns !== ns).flatMap((end) => end.addresses), ...(ns === 'client' ? [] : [vlan.gateway.ipv4, vlan.gateway.ipv6])];
    const nodes = this.vms.map((vm) => ({ ns: nodeNamespace(this.place.get(vm) as NodeName), wanted: [vm.ipv4, vm.ipv6] as string[] }));
    const failed = await Promise.all([...ends.map(({ ns }) => ({ ns, wanted: targets(ns) })), ...nodes].map(async ({ ns, wanted }) =>
      (await this.unreached(ns, wanted)).map((address) => `${ns} → ${address}`)));
    assert.deepEqual(failed.flat(), []);
  }

  /** Those of the addresses that give no answer, were it a reset, to a TCP SYN within 4 s. */
  async unreached(ns: string, addresses: readonly string[]): Promise<string[]> {
    const script = `for (const a of process.argv.slice(1)) {
      const s = require('net').connect({ port: 9, host: a }); const t = setTimeout(() => { console.log(a); s.destroy(); }, 4000);
      s.on('error', (e) => { clearTimeout(t); if (e.code !== 'ECONNREFUSED') console.log(a); });
    }`;
    return (await this.inside(ns, [process.execPath, '-e', script, ...addresses])).split('\n').filter((line) => line !== '');
  }

  /** A TCP connection from `from` to `to` on which a byte goes there and back every 50 ms until `streamsAlive`. */
  async stream(from: Vm, to: Vm, family: 'ipv4' | 'ipv6'): Promise<void> {
    const port = this.#port++;
    const server = this.#node(to, `require('net').createServer((s) => s.on('error', () => 0).pipe(s)).listen(${port}, '::', () => console.log('up'))`);
    await new Promise((resolve) => server.stdout?.once('data', resolve));
    const child = this.#node(from, `const s = require('net').connect(${port}, '${to[family]}'); s.setNoDelay(true); s.on('data', (d) => console.log(d.length)); s.on('error', (e) => { console.log('error ' + e.code); process.exit(1); }); s.on('close', () => process.exit(1)); setInterval(() => s.write('x'), 50)`);
    const stream = { child, name: `vm${from.index} → vm${to.index}, ${family}`, echoed: 0, ended: false };
    child.stdout?.on('data', () => (stream.echoed += 1));
    child.once('exit', () => (stream.ended = true));
    this.#streams.push(stream);
    await waitFor(`stream ${stream.name}`, 5000, () => stream.echoed > 0);
  }

  readonly #children: ChildProcess[] = [];
  #port = 7100;

  #node(vm: Vm, script: string): ChildProcess {
    const [program, ...args] = this.lab.topology.namespaces.exec(`vm${vm.index}`, [process.execPath, '-e', script]) as [string, ...string[]];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(child);
    return child;
  }

  /** Every connection still carries bytes. */
  async streamsAlive(): Promise<void> {
    for (const stream of this.#streams) {
      const before = stream.echoed;
      await waitFor(`bytes on ${stream.name}`, 15_000, () => stream.ended || stream.echoed > before).catch(() => undefined);
      assert.ok(!stream.ended && stream.echoed > before, `${stream.name} is dead`);
    }
  }

  endStreams(): void {
    for (const child of this.#children.splice(0)) child.kill('SIGKILL');
    this.#streams.length = 0;
  }

  /** ICMP unreachable and redirect messages that VMs and the client were sent, IPv4 and IPv6. */
  async complaints(): Promise<number> {
    let sum = 0;
    for (const ns of [...this.vms.map((vm) => `vm${vm.index}`), 'client']) {
      const text = await this.inside(ns, ['cat', '/proc/net/snmp', '/proc/net/snmp6']);
      const [names, values] = text.split('\n').filter((line) => line.startsWith('Icmp:')).map((line) => line.split(' ')) as [string[], string[]];
      for (const name of ['InDestUnreachs', 'InRedirects']) sum += Number(values[names.indexOf(name)]);
      for (const name of ['Icmp6InDestUnreachs', 'Icmp6InRedirects']) sum += Number(new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    }
    return sum;
  }

  async routes(node: NodeName): Promise<KernelRoute[]> {
    const { namespaces } = this.lab.topology;
    const both = await Promise.all([[], ['-6']].map((family) => namespaces.ipJson(nodeNamespace(node), [...family, '-d', '-N', 'route', 'show', 'proto', protocol])));
    return both.flat() as KernelRoute[];
  }

  /** What is in the table for what comes from the fabric, and the interfaces from which rules lead there. */
  async noReturn(node: NodeName): Promise<{ addresses: string[]; from: string[] }> {
    const ask = async (family: string, command: string[]): Promise<unknown[]> => {
      const { status, stdout, stderr } = await run(this.lab.topology.namespaces.exec(nodeNamespace(node), ['ip', '-j', '-N', family, ...command]));
      if (/FIB table does not exist/.test(stderr)) return []; // as before its first route
      assert.equal(status, 0, stderr);
      return JSON.parse(stdout) as unknown[];
    };
    const both = ['-4', '-6'];
    const routes = (await Promise.all(both.map((family) => ask(family, ['route', 'show', 'table', '180'])))).flat() as KernelRoute[];
    const rules = (await Promise.all(both.map((family) => ask(family, ['rule', 'show'])))).flat() as { iif?: string; table?: string }[];
    return { addresses: routes.filter(({ type }) => type === '6' || type === 'blackhole').map(({ dst }) => dst.replace(/\/\d+$/, '')).sort(), from: rules.filter(({ table }) => table === '180').map(({ iif }) => iif ?? '').sort() };
  }

  async proxies(node: NodeName): Promise<string[]> {
    const { namespaces } = this.lab.topology;
    const both = await Promise.all([['-4'], ['-6']].map((family) => namespaces.ipJson(nodeNamespace(node), [...family, 'neigh', 'show', 'proxy'])));
    return [...new Set((both.flat() as { dst: string }[]).map(({ dst }) => dst))].sort();
  }

  /** Waits until a node's routes of ours are those to the VMs elsewhere, or here. */
  async routesAre(node: NodeName, which: 'elsewhere' | 'here'): Promise<void> {
    const wanted = this.vms.filter((vm) => (this.place.get(vm) === node) === (which === 'here')).flatMap((vm) => [vm.ipv4, vm.ipv6]).sort();
    let seen: KernelRoute[] = [];
    await waitFor('routes in the kernel', 10_000, async () => {
      seen = await this.routes(node);
      return JSON.stringify(seen.filter((route) => route.type !== 'blackhole').map(({ dst }) => dst.replace(/\/\d+$/, '')).sort()) === JSON.stringify(wanted);
    }, 100).catch(() => assert.fail(`node ${node} has ${JSON.stringify(seen)}, wanted ${wanted.join(' ')}`));
    if (which === 'elsewhere') assert.deepEqual(await this.proxies(node), wanted);
    const away = this.vms.filter((vm) => this.place.get(vm) !== node).flatMap((vm): string[] => [vm.ipv4, vm.ipv6]).sort();
    await waitFor('no way back to the fabric', 5000, async () => JSON.stringify((await this.noReturn(node)).addresses) === JSON.stringify(away), 100)
      .catch(async () => assert.fail(`node ${node}: ${JSON.stringify(await this.noReturn(node))}, wanted ${away.join(' ')}`));
  }

  /** What a router that is late sends here for a VM elsewhere: nothing of it is forwarded. */
  async staysOff(node: NodeName, vm: Vm): Promise<void> {
    const { namespaces } = this.lab.topology;
    const ns = nodeNamespace(node);
    const rules = 'table inet late {\n counter forwarded { }\n chain out { type filter hook forward priority 0; udp dport 7010 counter name forwarded; }\n}\n';
    await must(namespaces.exec(ns, ['nft', '-f', '-']), { input: rules });
    const { node: link } = linkOf(0, node);
    await namespaces.ip('tor', [`route add ${hostPrefix(vm.ipv4)} via ${link.ipv4} metric 1`, `route add ${hostPrefix(vm.ipv6)} via ${link.ipv6} metric 1`]);
    const send = `const s = { 4: require('dgram').createSocket('udp4'), 6: require('dgram').createSocket('udp6') }; let left = 20;
      const t = setInterval(() => { s[4].send('x', 7010, '${vm.ipv4}'); s[6].send('x', 7010, '${vm.ipv6}'); if (--left === 0) { clearInterval(t); setTimeout(() => process.exit(0), 200); } }, 10)`;
    await must(namespaces.exec('client', [process.execPath, '-e', send]));
    await namespaces.ip('tor', [`route del ${hostPrefix(vm.ipv4)} via ${link.ipv4} metric 1`, `route del ${hostPrefix(vm.ipv6)} via ${link.ipv6} metric 1`]);
    const listed = await must(namespaces.exec(ns, ['nft', '-j', 'list', 'counter', 'inet', 'late', 'forwarded']));
    await must(namespaces.exec(ns, ['nft', 'delete', 'table', 'inet', 'late']));
    assert.equal(Number(/"packets": (\d+)/.exec(listed)?.[1]), 0, `node ${node} sent packets back`);
  }

  /** A stop for good takes away all that is ours. */
  async leavesNothing(node: NodeName): Promise<void> {
    await this.lab.nodes[node].cli(['drain']);
    await this.lab.nodes[node].stop('SIGTERM');
    assert.deepEqual(await this.routes(node), []);
    assert.deepEqual(await this.proxies(node), []);
    assert.deepEqual(await this.noReturn(node), { addresses: [], from: [] });
    const permanent = (await this.lab.topology.namespaces.ipJson(nodeNamespace(node), ['neigh', 'show', 'nud', 'permanent', 'dev', 'br-vlan'])) as { dst: string }[];
    const ours = this.vms.flatMap((vm): string[] => [vm.ipv4, vm.ipv6]);
    assert.deepEqual(permanent.filter(({ dst }) => ours.includes(dst)), []);
  }
}

describe('kernel.routes received: VMs of one subnet on two nodes, frr, l3', function () {
  this.timeout(120_000);
  let lab: Lab;
  let crowd: Crowd;
  before(async function () {
    needs(this, 'frr');
    lab = await Lab.start({ mode: 'l3', tors: ['frr'], vms: 3, nodes: { extra: 'kernel: {routes: received, refreshNeighbors: true}\n', rewrite: (yaml) => yaml.replace('    exclude:', `    gateway: {addresses: [${vlan.gateway.ipv4}, "${vlan.gateway.ipv6}"]}\n    exclude:`) } });
    // Another gateway MAC than on node a: a VM that lands must be told.
    await lab.topology.namespaces.ip(nodeNamespace('b'), ['link set br-vlan address 02:00:5e:00:01:02']);
    crowd = new Crowd(lab);
    await lab.stage.boot(lab.topology.vms, 'a');
    await lab.agree(crowd.place);
  });
  after(async () => {
    crowd?.endStreams();
    await lab?.stop();
  });

  it('routes and proxy entries for every VM elsewhere, none for those here', async () => {
    const [, , third] = crowd.vms as [Vm, Vm, Vm];
    if (crowd.place.get(third) === 'a') await crowd.move(third, 'b');
    for (const node of nodeNames) await crowd.routesAre(node, 'elsewhere');
    const [route] = await crowd.routes('a');
    assert.equal(route?.gateway, linkOf(0, 'a').tor.ipv4);
    assert.equal(route?.dev, 'rt0');
    assert.deepEqual((await crowd.noReturn('a')).from, ['rt0', 'rt0']);
    await crowd.staysOff('a', third);
    await crowd.everybodyTalks();
  });

  it('after each move everybody reaches everybody, connections live on, and nobody hears an unreachable or a redirect', async () => {
    const [first, second, third] = crowd.vms as [Vm, Vm, Vm];
    crowd.endStreams(); // those of a first try
    for (const family of ['ipv4', 'ipv6'] as const) {
      await crowd.stream(second, first, family);
      await crowd.stream(third, first, family);
      await crowd.stream(first, second, family);
    }
    const before = await crowd.complaints();
    for (let move = 0; move < 4; move++) {
      await crowd.move(first, crowd.place.get(first) === 'a' ? 'b' : 'a', { quiet: move >= 2 });
      await crowd.streamsAlive();
      await crowd.everybodyTalks();
    }
    assert.equal(await crowd.complaints(), before);
    await crowd.streamsAlive();
    for (const node of nodeNames) await crowd.routesAre(node, 'elsewhere');
  });

  it('has nothing to warn of, until the node\'s own table leads elsewhere', async () => {
    const [first] = crowd.vms as [Vm];
    const warnings = async (): Promise<string[]> => (JSON.parse((await lab.nodes.a.cli(['status', '-o', 'json'])).stdout) as { items: { warnings: string[] }[] }).items[0]?.warnings ?? [];
    const ours = /data plane|undeliverable|br-vlan/;
    assert.deepEqual((await warnings()).filter((text) => ours.test(text)), []);
    const ns = nodeNamespace('a');
    await lab.topology.namespaces.ip(ns, [`route add ${hostPrefix(first.ipv6)} via ${linkOf(0, 'a').tor.ipv6} metric 5`]);
    assert.match((await warnings()).join('\n'), new RegExp(`${first.ipv6}/128 is undeliverable.* sends it to rt0, not to br-vlan`));
    await lab.topology.namespaces.ip(ns, [`route del ${hostPrefix(first.ipv6)} metric 5`]);
    await lab.topology.namespaces.sysctl(ns, { 'net/ipv6/conf/all/forwarding': 0 });
    assert.match((await warnings()).join('\n'), /does not forward: sysctl net\.ipv6\.conf\.all\.forwarding=1/);
    await lab.topology.namespaces.sysctl(ns, { 'net/ipv6/conf/all/forwarding': 1, 'net/ipv6/conf/br-vlan/forwarding': 1 });
  });

  it('what somebody deletes comes back; what somebody else owns is left alone and shown', async () => {
    const [, , third] = crowd.vms as [Vm, Vm, Vm];
    const ns = nodeNamespace('a');
    await lab.topology.namespaces.ip(ns, [`route del ${hostPrefix(third.ipv4)}`, `route del ${hostPrefix(third.ipv6)}`]);
    await crowd.routesAre('a', 'elsewhere');
    await lab.topology.namespaces.ip(ns, [`route add ${hostPrefix(third.ipv4)} via ${linkOf(0, 'a').tor.ipv4} metric 77`]);
    const status = await waitFor('the conflict in status', 5000, async () => {
      const { stdout } = await lab.nodes.a.cli(['status']);
      return stdout.includes("is somebody else's") ? stdout : undefined;
    }, 200);
    assert.match(status, new RegExp(`route ${third.ipv4}/32 is somebody else's`));
    const all = (await lab.topology.namespaces.ipJson(ns, ['route', 'show', hostPrefix(third.ipv4)])) as { metric: number }[];
    assert.deepEqual(all.map(({ metric }) => metric), [77]);
    await lab.topology.namespaces.ip(ns, [`route del ${hostPrefix(third.ipv4)} metric 77`]);
    await crowd.routesAre('a', 'elsewhere');
  });

  it('killed and started again: what it left is adopted or removed, and nobody loses a connection', async () => {
    const [, second] = crowd.vms as [Vm, Vm, Vm];
    await crowd.streamsAlive();
    await lab.nodes.a.stop('SIGKILL');
    const left = await crowd.routes('a');
    assert.ok(left.length >= 2, 'routes outlive the process');
    // Left from a VM that is here by now.
    await lab.topology.namespaces.ip(nodeNamespace('a'), [
      `route replace 203.0.113.99/32 via ${linkOf(0, 'a').tor.ipv4} proto ${protocol} metric 10`, `neigh replace proxy 203.0.113.99 dev br-vlan protocol ${protocol}`,
      `neigh replace ${second.ipv4.replace(/\d+$/, '98')} lladdr 02:00:00:00:00:98 dev br-vlan nud permanent`,
    ]);
    await lab.nodes.a.start();
    await lab.sessionsUp();
    await crowd.routesAre('a', 'elsewhere');
    const permanent = (await lab.topology.namespaces.ipJson(nodeNamespace('a'), ['neigh', 'show', 'nud', 'permanent', 'dev', 'br-vlan'])) as { dst: string }[];
    assert.ok(permanent.some(({ dst }) => dst.endsWith('.98')), "an administrator's entry is not ours");
    await crowd.streamsAlive();
  });

  it('stopped for good: nothing of it stays', async () => {
    crowd.endStreams();
    for (const node of nodeNames) await crowd.leavesNothing(node);
  });
});

describe('kernel.routes host: no connected subnet, frr, l3', function () {
  this.timeout(120_000);
  let lab: Lab;
  let crowd: Crowd;
  before(async function () {
    needs(this, 'frr');
    lab = await Lab.start({ mode: 'l3', tors: ['frr'], vms: 2, nodes: { extra: 'kernel: {routes: host}\n' } });
    const { namespaces } = lab.topology;
    for (const node of nodeNames) await withoutSubnet(namespaces, nodeNamespace(node));
    for (const vm of lab.topology.vms) await withoutNeighbours(namespaces, vm);
    crowd = new Crowd(lab);
    await lab.stage.boot(lab.topology.vms, 'a');
    await lab.agree(crowd.place);
  });
  after(async () => {
    crowd?.endStreams();
    await lab?.stop();
  });

  it('a route and a permanent neighbour for each VM here, none elsewhere; everybody reaches everybody after each move', async () => {
    const [first, second] = crowd.vms as [Vm, Vm];
    await crowd.routesAre('a', 'here');
    if (crowd.place.get(second) === 'a') await crowd.move(second, 'b');
    crowd.endStreams(); // those of a first try
    for (const family of ['ipv4', 'ipv6'] as const) await crowd.stream(second, first, family);
    for (let move = 0; move < 4; move++) {
      await crowd.move(first, crowd.place.get(first) === 'a' ? 'b' : 'a', { quiet: true });
      for (const node of nodeNames) await crowd.routesAre(node, 'here');
      await crowd.streamsAlive();
      await crowd.everybodyTalks();
    }
    const entries = (await lab.topology.namespaces.ipJson(nodeNamespace('a'), ['neigh', 'show', 'nud', 'permanent', 'dev', 'br-vlan'])) as { dst: string; lladdr: string }[];
    assert.equal(entries.find(({ dst }) => dst === first.ipv4)?.lladdr, first.mac);
    assert.equal(entries.find(({ dst }) => dst === first.ipv6)?.lladdr, first.mac);
    await crowd.staysOff('a', second);
  });

  it('stopped for good: nothing of it stays', async () => {
    crowd.endStreams();
    for (const node of nodeNames) await crowd.leavesNothing(node);
  });
});

import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeName } from '../../src/demo/addresses.ts';
import { makeFolder } from '../../src/demo/folder.ts';
import type { HypervisorCommand } from '../../src/demo/hypervisor.ts';
import { RouteWatch, kernelHostRoutes } from '../../src/demo/kernel-routes.ts';
import { Namespaces, removeLeftovers } from '../../src/demo/namespaces.ts';
import { Daemon, killAtExit, landfallCommand, must, stopAll, waitFor } from '../../src/demo/processes.ts';
import { Script } from '../../src/demo/script.ts';
import { BirdTor } from '../../src/demo/tor-bird.ts';
import { FrrTor } from '../../src/demo/tor-frr.ts';
import type { ListReply, MigrationItem, PrefixItem, ReceivedItem } from '../../src/views/items.ts';
import { rarpFrame } from './frames.ts';
import { beforeSecondTry, needs } from './lab.ts';

// A VM with two network cards, in two VLANs, and four addresses on each, both families, goes from node to node to node to node. The router's
// kernel is asked.

const names = ['a', 'b', 'c', 'd'] as const;
type Name = (typeof names)[number];
const cards = [100, 200].map((vlan, i) => ({
  vlan, mac: `52:54:00:aa:01:0${i + 1}`,
  ips: [1, 2].flatMap((n) => [`203.0.113.${10 * (i + 1) + n}`, `2001:db8:100::${i + 1}:${n}`]),
  prefixes: [1, 2].flatMap((n) => [`203.0.113.${10 * (i + 1) + n}/32`, `2001:db8:100::${i + 1}:${n}/128`]),
}));
const linkOf = (name: Name): { router4: string; node4: string; router6: string; node6: string } => {
  const n = names.indexOf(name) + 1;
  return { router4: `10.8.${n}.1`, node4: `10.8.${n}.2`, router6: `2001:db8:8:${n}::1`, node6: `2001:db8:8:${n}::2` };
};

let count = 0;

class Chain {
  readonly namespaces = new Namespaces(`lfch${process.pid}x${count++}`);
  readonly folder = makeFolder();
  watch: RouteWatch | undefined;
  #hypervisor: Script<HypervisorCommand> | undefined;

  async start(kind: 'frr' | 'bird'): Promise<void> {
    await this.namespaces.create('router', { forwarding: true });
    await this.namespaces.create('hv');
    for (const name of names) await this.#build(name);
    const plan = {
      namespace: 'router', routerId: '10.8.0.1', asn: 65010, peering: { type: 'ibgp' as const },
      neighbors: names.map((name) => ({ node: name as NodeName, address: linkOf(name).node4, localAddress: linkOf(name).router4, localAddress6: linkOf(name).router6 })),
    };
    const tor = kind === 'frr' ? new FrrTor(this.namespaces, plan, this.folder) : new BirdTor(this.namespaces, plan, this.folder);
    this.watch = new RouteWatch(this.namespaces, 'router');
    this.#hypervisor = new Script(this.namespaces, 'hv', 'hypervisor');
    await Promise.all([tor.start(), this.#hypervisor.started()]);
    for (const name of names) this.#startNode(name);
    await waitFor('sessions', 80_000, async () => (await tor.established()).length === names.length, 200);
  }

  async #build(name: Name): Promise<void> {
    const { router4, node4, router6, node6 } = linkOf(name);
    await this.namespaces.create(name);
    await this.namespaces.ip('router', [`link add ${name}0 type veth peer name eth0 netns @${name}`, `addr add ${router4}/24 dev ${name}0`, `addr add ${router6}/64 dev ${name}0 nodad`, `link set ${name}0 up`]);
    await this.namespaces.ip('hv', [`link add nic-${name} type veth peer name tap0 netns @${name}`, `link set nic-${name} arp off`, `link set nic-${name} up`]);
    await this.namespaces.ip(name, [
      `addr add ${node4}/24 dev eth0`, `addr add ${node6}/64 dev eth0 nodad`, 'link set eth0 up',
      'link add br-vlan type bridge stp_state 0 forward_delay 0 mcast_snooping 0', 'link set br-vlan up', 'link set tap0 master br-vlan up',
    ]);
  }

  #file(name: Name, suffix: string): string {
    return join(this.folder, name, `landfall.${suffix}`);
  }

  #startNode(name: Name): void {
    const { router4, node4, node6 } = linkOf(name);
    mkdirSync(join(this.folder, name));
    writeFileSync(this.#file(name, 'yaml'), `apiVersion: landfall/v1
node: {name: node-${name}}
bgp:
  asn: 65010
  routerId: ${node4}
  peers: [{name: tor, address: ${router4}, asn: 65010, families: [ipv4-unicast, ipv6-unicast], timers: {hold: 9s, keepalive: 3s, connectRetry: 1s}, nextHop: {ipv4: ${node4}, ipv6: "${node6}"}}]
watch: [{bridge: br-vlan, ports: {local: ["tap*"]}, prefixes: [203.0.113.0/24, "2001:db8:100::/64"]}]
identity:
  bindings:
${cards.map(({ vlan, mac, ips }) => `    - {vm: fw, mac: "${mac}", vlan: ${vlan}, ips: [${ips.map((ip) => `"${ip}"`).join(', ')}]}`).join('\n')}
state: {file: ${this.#file(name, 'json')}}
log: {level: info, format: json}
api: {socket: ${this.#file(name, 'sock')}, mode: "0600"}
telemetry: {listen: off}
`);
    new Daemon(`node-${name}`, this.namespaces.exec(name, [...landfallCommand(), 'run', '-c', this.#file(name, 'yaml')]), { log: this.#file(name, 'log') });
  }

  async items<Item>(name: Name, ...args: string[]): Promise<Item[]> {
    return (JSON.parse(await must([...landfallCommand(), '--socket', this.#file(name, 'sock'), ...args, '-o', 'json'])) as ListReply<Item>).items;
  }

  /** One RARP of a card behind the port of a node, in the VLAN `vlan`. */
  async rarp(name: Name, card: (typeof cards)[number], vlan = card.vlan): Promise<void> {
    await this.#hypervisor!.ask({ type: 'frames', ifname: `nic-${name}`, hex: [Buffer.from(rarpFrame(card.mac, vlan)).toString('hex')] });
  }

  /** Waits until the router's kernel sends each card's addresses to its node, and all of them. */
  async lead(where: readonly (Name | undefined)[]): Promise<void> {
    const wanted = new Map(cards.flatMap(({ prefixes }, i) => (where[i] === undefined ? [] : prefixes.map((prefix): [string, string] => [prefix, `${where[i]}0`]))));
    let seen = new Map<string, string[]>();
    await waitFor('the router', 20_000, async () => {
      seen = await kernelHostRoutes(this.namespaces, 'router');
      return seen.size === wanted.size && [...wanted].every(([prefix, device]) => seen.get(prefix)?.join() === device);
    }, 50).catch(() => assert.deepEqual([...seen], [...wanted]));
  }

  /** Waits until a node was told of every claim of another: two that have not seen each other's may be equals. */
  async told(name: Name, of: Name): Promise<void> {
    await waitFor(`node ${name} to know of node ${of}`, 20_000, async () => (await this.items<ReceivedItem>(name, 'show', 'received')).filter(({ node }) => node === linkOf(of).node4).length === 8, 100);
  }

  async stop(): Promise<void> {
    await stopAll();
    await this.namespaces.removeAll();
    if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(this.folder, { recursive: true, force: true });
  }
}

for (const kind of ['frr', 'bird'] as const) {
  describe(`eight addresses, two MACs and two VLANs along four nodes, ${kind}`, function () {
    this.timeout(150_000);
    let chain = new Chain();
    before(async function () {
      needs(this, kind);
      await chain.start(kind);
    });
    after(() => chain.stop());

    // On their way back the cards would be told by claims of before, so all begins anew.
    beforeSecondTry(async (title) => {
      await chain.stop();
      chain = new Chain();
      await chain.start(kind);
      if (title.startsWith('no router')) await along();
    });

    const along = async (): Promise<void> => {
      const [first, second] = cards as [(typeof cards)[number], (typeof cards)[number]];
      await chain.rarp('a', first);
      await chain.lead(['a', undefined]);
      await chain.rarp('a', second);
      await chain.lead(['a', 'a']);
      for (const [i, to] of (['b', 'c', 'd'] as const).entries()) {
        const from = names[i] as Name;
        await chain.told(to, from);
        await chain.rarp(to, second, first.vlan); // in the other's VLAN it means nothing
        await chain.rarp(to, first);
        await chain.lead([to, from]);
        await chain.rarp(to, second);
        await chain.lead([to, to]);
      }
    };

    it('A to B to C to D: each card moves its four with one RARP in its VLAN, and none of the other\'s', along);

    it('no router had two paths or none, and only node d announces, by one move of each address', async () => {
      for (const name of ['a', 'b', 'c'] as const) {
        await waitFor(`node ${name} to have withdrawn`, 20_000, async () => (await chain.items<PrefixItem>(name, 'show', 'prefixes')).every(({ state }) => state === 'withdrawn'), 200);
      }
      const [shown, moves] = [await chain.items<PrefixItem>('d', 'show', 'prefixes'), await chain.items<MigrationItem>('d', 'show', 'migrations')];
      assert.deepEqual(shown.filter(({ state }) => state === 'elevated' || state === 'normal').map(({ prefix, vlan, mac }) => `${prefix} ${vlan} ${mac}`).sort(), cards.flatMap(({ prefixes, vlan, mac }) => prefixes.map((prefix) => `${prefix} ${vlan} ${mac}`)).sort());
      assert.deepEqual(moves.map(({ direction, prefix, peerNode }) => `${direction} ${prefix} ${peerNode}`).sort(), cards.flatMap(({ prefixes }) => prefixes.map((prefix) => `in ${prefix} ${linkOf('c').node4}`)).sort());
      assert.deepEqual(chain.watch?.multipath, []);
      // FRR replaces an IPv6 route by deleting it and adding another.
      assert.deepEqual(chain.watch?.events.filter(({ deleted, prefix }) => deleted && !prefix.includes(':')), []);
    });
  });
}

killAtExit();

after(async function () {
  this.timeout(30_000);
  await stopAll();
  await removeLeftovers(`lfch${process.pid}x`);
});

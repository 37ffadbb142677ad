import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../src/demo/folder.ts';
import type { HypervisorCommand } from '../../src/demo/hypervisor.ts';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, findProgram, landfallCommand, must, run, stopAll, waitFor, type Finished } from '../../src/demo/processes.ts';
import { Script } from '../../src/demo/script.ts';
import { FrrTor } from '../../src/demo/tor-frr.ts';
import type { FindingItem } from '../../src/views/items.ts';
import { rarpFrame } from './frames.ts';

// One node with a session to the router for each thing that can be wrong with one: `router` and `node` have a pair of addresses for each.

/** A set-up that is wrong, what doctor says of it, and what it is when it was mended as the fix says. */
export interface Row {
  /** Of the peer, and of the router's side of it. */
  readonly name: string;
  /** `fail session`; what the finding begins with. */
  readonly kind: string;
  readonly text: RegExp;
  readonly fix: RegExp;
}

export const routerOf = (i: number): string => `10.8.${i + 1}.1`;
export const nodeOf = (i: number): string => `10.8.${i + 1}.2`;

export class DoctorPlace {
  readonly namespaces: Namespaces;
  readonly folder = makeFolder();
  #hypervisor: Script<HypervisorCommand> | undefined;

  constructor(prefix: string) {
    this.namespaces = new Namespaces(prefix);
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  /** @param count pairs of addresses */
  async build(count: number): Promise<void> {
    for (const name of ['router', 'node', 'hv']) await this.namespaces.create(name);
    const each = (addressOf: (i: number) => string): string[] => Array.from({ length: count }, (_, i) => `address add ${addressOf(i)}/24 dev eth0`);
    await this.namespaces.ip('router', ['link add eth0 type veth peer name eth0 netns @node', 'link set eth0 up', ...each(routerOf)]);
    await this.namespaces.ip('node', ['link set eth0 up', ...each(nodeOf), 'link add br-vlan type bridge', 'link set br-vlan address 02:00:5e:00:03:01 up']);
    await this.namespaces.ip('hv', ['link add nic0 type veth peer name tap0 netns @node', 'link set nic0 arp off up']);
    await this.namespaces.ip('node', ['link set tap0 master br-vlan up']);
    this.#hypervisor = new Script(this.namespaces, 'hv', 'hypervisor');
    await this.#hypervisor.started();
  }

  async startFrr(config: string): Promise<FrrTor> {
    const frr = new FrrTor(this.namespaces, { namespace: 'router', routerId: routerOf(0), asn: 65001, peering: { type: 'ebgp' }, neighbors: [] }, this.folder, config);
    await frr.start();
    return frr;
  }

  /** Commands of bgpd's terminal. */
  async vtysh(...commands: string[]): Promise<void> {
    await must(['vtysh', '--vty_socket', this.folder, '-d', 'bgpd', ...commands.flatMap((command) => ['-c', command])]);
  }

  async startBird(namespace: string, config: string): Promise<Daemon> {
    writeFileSync(this.file(`${namespace}.conf`), config);
    const daemon = new Daemon(`${namespace}/bird`, this.namespaces.exec(namespace, [findProgram('bird') as string, '-f', '-c', this.file(`${namespace}.conf`), '-s', this.file(`${namespace}.ctl`), '-P', this.file(`${namespace}.pid`)]), { log: this.file(`${namespace}.log`) });
    await waitFor('bird answers', 20_000, async () => {
      if (!daemon.alive) throw new Error(daemon.tail);
      return (await this.birdc(namespace, 'show status')).includes('up and running');
    });
    return daemon;
  }

  async birdc(namespace: string, command: string): Promise<string> {
    return (await run([findProgram('birdc') ?? 'birdc', '-s', this.file(`${namespace}.ctl`), ...command.split(' ')])).stdout;
  }

  /** Gives BIRD another configuration. */
  async reconfigure(namespace: string, config: string): Promise<void> {
    writeFileSync(this.file(`${namespace}.conf`), config);
    assert.match(await this.birdc(namespace, 'configure'), /Reconfigured|Reconfiguration in progress/);
  }

  async startNode(yaml: string): Promise<void> {
    writeFileSync(this.file('landfall.yaml'), this.#whole(yaml));
    const daemon = new Daemon('landfall', this.namespaces.exec('node', [...landfallCommand(), 'run', '-c', this.file('landfall.yaml')]), { log: this.file('landfall.log') });
    await waitFor('landfall answers', 60_000, async () => {
      if (!daemon.alive) throw new Error(daemon.tail);
      return (await this.cli('status')).status === 0;
    }, 200);
  }

  async reload(yaml: string): Promise<void> {
    writeFileSync(this.file('landfall.yaml'), this.#whole(yaml));
    const { status, stdout, stderr } = await this.cli('reload');
    assert.equal(status, 0, stdout + stderr);
  }

  #whole(yaml: string): string {
    return `apiVersion: landfall/v1
node: {name: node}
${yaml}state: {file: ${this.file('state.json')}}
log: {level: info, format: json}
api: {socket: ${this.file('landfall.sock')}, mode: "0600"}
telemetry: {listen: off}
`;
  }

  cli(...words: string[]): Promise<Finished> {
    return run(this.namespaces.exec('node', [...landfallCommand(), '-s', this.file('landfall.sock'), ...words]), { timeoutMs: 60_000 });
  }

  async findings(): Promise<FindingItem[]> {
    const { stdout, stderr } = await this.cli('doctor', '-o', 'json');
    assert.notEqual(stdout, '', stderr);
    return (JSON.parse(stdout) as { items: FindingItem[] }).items;
  }

  /** Waits until doctor has found each of these. */
  async findAll(rows: readonly Row[]): Promise<FindingItem[]> {
    let items: FindingItem[] = [];
    const missing = (): string[] => rows.filter((row) => findingOf(items, row) === undefined).map(({ name }) => name);
    await waitFor('the findings', 60_000, async () => {
      items = await this.findings();
      return missing().length === 0;
    }, 700).catch(() => assert.fail(`not found: ${missing().join(', ')}\n${say(items)}`));
    return items;
  }

  /** Waits until doctor says none of these any more. */
  async findNone(rows: readonly Row[], timeoutMs = 60_000): Promise<FindingItem[]> {
    let items: FindingItem[] = [];
    const left = (): string[] => rows.filter((row) => findingOf(items, row) !== undefined).map(({ name }) => name);
    await waitFor('no finding', timeoutMs, async () => {
      items = await this.findings();
      return left().length === 0;
    }, 700).catch(() => assert.fail(`still found: ${left().join(', ')}\n${say(items)}`));
    return items;
  }

  /** The VM with this MAC runs here. */
  async rarp(mac: string): Promise<void> {
    await this.#hypervisor!.ask({ type: 'frames', ifname: 'nic0', hex: [Buffer.from(rarpFrame(mac)).toString('hex')] });
  }

  async remove(): Promise<void> {
    await stopAll();
    await this.namespaces.removeAll();
    if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The finding that a row is about: of its kind, and naming its peer. */
export function findingOf(items: readonly FindingItem[], { kind, text }: Row): FindingItem | undefined {
  return items.find((item) => `${item.result} ${item.topic}` === kind && text.test(item.text));
}

/** What is not in order, in words. */
export function say(items: readonly FindingItem[]): string {
  return items.filter(({ result }) => result !== 'ok').map(({ result, topic, text, fix }) => `${result} ${topic} ${text}${fix === undefined ? '' : `\n    fix: ${fix}`}`).join('\n');
}

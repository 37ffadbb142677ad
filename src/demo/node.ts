import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ListReply } from '../views/items.ts';
import type { EventItem, MigrationItem, PeerItem, PrefixItem } from '../views/items.ts';
import type { NodeName, Vm } from './addresses.ts';
import { asn, crowd, linkOf, vlan } from './addresses.ts';
import { Daemon, landfallCommand, run, waitFor } from './processes.ts';
import type { Finished } from './processes.ts';
import type { Peering } from './tor.ts';
import type { Topology } from './topology.ts';
import { nodeNamespace } from './topology.ts';

export interface NodeOptions {
  readonly peering: Peering;
  readonly vms: readonly Vm[];
  /** Names of ports that are local besides `tap*`. */
  readonly localPorts?: readonly string[];
  /** More lines at the top level of the YAML; `{node}` in them is the node's name. */
  readonly extra?: string;
  /** Has the last word on the YAML. */
  readonly rewrite?: (yaml: string) => string;
  /** Replaces `peering.password` on this side: the wrong key. */
  readonly password?: string;
  /** Default: in the node's own folder. `$NODE` in it becomes the node's letter. */
  readonly stateFile?: string;
  /** VLAN of the bindings; left out, any. */
  readonly vlan?: number;
}

/**
 * How long a claim is elevated in profile `window`, s: just above the hold time. A move while the last claim is still elevated ties
 * (HANDOVER section 3), so moves must be further apart than this.
 */
export const windowSeconds = 10;

/** landfall.yaml for one node: a session to each ToR that carries both families, and a binding for each VM. */
export function landfallConfig(topology: Topology, node: NodeName, folder: string, options: NodeOptions): string {
  const { peering } = options;
  const password = options.password ?? peering.password;
  const peers = topology.tors.map((tor, i) => {
    const link = linkOf(i, node);
    return `    - name: ${tor}
      address: ${link.tor.ipv4}
      asn: ${peering.type === 'ibgp' ? asn.nodes : asn.tor}
      families: [ipv4-unicast, ipv6-unicast]
      timers: {hold: 9s, keepalive: 3s, connectRetry: 1s}
      nextHop: {ipv4: ${link.node.ipv4}, ipv6: "${link.node.ipv6}"}${password === undefined ? '' : `
      password: {file: ${join(folder, 'bgp-key')}}`}${peering.type === 'ibgp' ? '' : `
      routes: {profile: window}`}`;
  });
  return `apiVersion: landfall/v1
node: {name: node-${node}}
bgp:
  asn: ${asn.nodes}
  routerId: ${linkOf(0, node).node.ipv4}${peering.type === 'ibgp' ? '' : `
  gracefulRestart: {enabled: false}`}
  peers:
${peers.join('\n')}
watch:
  - bridge: br-vlan
    ports: {local: [${['tap*', ...(options.localPorts ?? [])].map((name) => `"${name}"`).join(', ')}], uplink: [up0]}
    announcements: [garp, rarp, na]
    prefixes: [${vlan.ipv4}, "${vlan.ipv6}", ${crowd.ipv4}, "${crowd.ipv6}"]
    exclude: [${vlan.gateway.ipv4}, "${vlan.gateway.ipv6}"]
${peering.type === 'ibgp' ? '' : `migration: {elevatedFor: ${windowSeconds}s}
`}identity:
  mode: strict
  bindings:
${options.vms.map((vm) => `    - {vm: ${vm.name}, mac: "${vm.mac}", ${options.vlan === undefined ? '' : `vlan: ${options.vlan}, `}ips: [${vm.ipv4}, "${vm.ipv6}"]}`).join('\n')}
state: {file: ${options.stateFile?.replace('$NODE', node) ?? join(folder, 'state.json')}}
log: {level: debug, format: json}
api: {socket: ${join(folder, 'landfall.sock')}, mode: "0600"}
${(options.extra ?? '').replaceAll('{node}', node)}`;
}

/** landfall on one node: the program as users run it, asked through its own command line. */
export class LandfallNode {
  readonly name: NodeName;
  readonly folder: string;
  readonly #topology: Topology;
  readonly #options: NodeOptions;
  #daemon: Daemon | undefined;
  #events: Daemon | undefined;

  constructor(topology: Topology, name: NodeName, folder: string, options: NodeOptions) {
    this.name = name;
    this.folder = join(folder, `node-${name}`);
    this.#topology = topology;
    this.#options = options;
  }

  get alive(): boolean {
    return this.#daemon?.alive === true;
  }

  /** Of the daemon; -1 while there is none. */
  get pid(): number {
    return this.alive ? (this.#daemon?.pid ?? -1) : -1;
  }

  /** Sends it a signal that need not end it, such as SIGSTOP. */
  signal(signal: NodeJS.Signals): void {
    this.#daemon?.signal(signal);
  }

  /** The last lines of its log. */
  get tail(): string {
    return this.#daemon?.tail ?? '';
  }

  /** Where it is asked. */
  get socket(): string {
    return join(this.folder, 'landfall.sock');
  }

  get config(): string {
    return join(this.folder, 'landfall.yaml');
  }

  /** Writes its configuration, starts it and waits until it answers. */
  async start(): Promise<void> {
    mkdirSync(this.folder, { recursive: true });
    const password = this.#options.password ?? this.#options.peering.password;
    if (password !== undefined) writeFileSync(join(this.folder, 'bgp-key'), `${password}\n`, { mode: 0o600 });
    const { rewrite } = this.#options;
    const yaml = landfallConfig(this.#topology, this.name, this.folder, this.#options);
    writeFileSync(this.config, rewrite === undefined ? yaml : rewrite(yaml));
    this.#daemon = new Daemon(`node-${this.name}/landfall`, this.#inside([...landfallCommand(), 'run', '-c', this.config]), { log: join(this.folder, 'landfall.log') });
    await waitFor(`landfall on node ${this.name} answers`, 45_000, async () => {
      if (!this.alive) throw new Error(`landfall on node ${this.name} ended (${await this.#daemon?.ended}): ${this.tail}`);
      return (await this.cli(['status', '-o', 'json'])).status === 0;
    });
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#events?.stop();
    await this.#daemon?.stop(signal);
  }

  /** `landfall ARGS` against this daemon. */
  cli(args: readonly string[]): Promise<Finished> {
    return run(this.#inside([...landfallCommand(), '--socket', join(this.folder, 'landfall.sock'), ...args]));
  }

  async #list<Item>(args: readonly string[]): Promise<Item[]> {
    const done = await this.cli([...args, '-o', 'json']);
    try {
      return (JSON.parse(done.stdout) as ListReply<Item>).items;
    } catch {
      throw new Error(`landfall ${args.join(' ')} on node ${this.name}: status ${done.status}: ${done.stderr || done.stdout}`);
    }
  }

  prefixes(): Promise<PrefixItem[]> {
    return this.#list(['show', 'prefixes']);
  }

  peers(): Promise<PeerItem[]> {
    return this.#list(['show', 'peers']);
  }

  migrations(): Promise<MigrationItem[]> {
    return this.#list(['show', 'migrations']);
  }

  /** Follows `events -f` from now on. */
  follow(onEvent: (event: EventItem) => void): void {
    this.#events = new Daemon(`node-${this.name}/events`, this.#inside([...landfallCommand(), '--socket', join(this.folder, 'landfall.sock'), 'events', '-f', '-o', 'jsonl']), {
      onLine: (line) => {
        if (line.startsWith('{')) onEvent(JSON.parse(line) as EventItem);
      },
    });
  }

  #inside(command: readonly string[]): string[] {
    return this.#topology.namespaces.exec(nodeNamespace(this.name), command);
  }
}

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import type { NodeName, Vm } from '../../src/demo/addresses.ts';
import { hostPrefix, linkOf, nodeNames } from '../../src/demo/addresses.ts';
import { expectedSessions, findWrongPaths } from '../../src/demo/checks.ts';
import { makeFolder } from '../../src/demo/folder.ts';
import type { HypervisorCommand } from '../../src/demo/hypervisor.ts';
import { RouteWatch } from '../../src/demo/kernel-routes.ts';
import { removeLeftovers } from '../../src/demo/namespaces.ts';
import { LandfallNode, landfallConfig } from '../../src/demo/node.ts';
import type { NodeOptions } from '../../src/demo/node.ts';
import { killAtExit, sleep, stopAll, waitFor } from '../../src/demo/processes.ts';
import { Script } from '../../src/demo/script.ts';
import { Stage } from '../../src/demo/stage.ts';
import type { Peering, Tor, TorKind } from '../../src/demo/tor.ts';
import { createTor, isInstalled } from '../../src/demo/tor-kinds.ts';
import type { Mode, Topology } from '../../src/demo/topology.ts';
import { buildTopology, plug, unplug } from '../../src/demo/topology.ts';

export interface LabOptions {
  readonly mode: Mode;
  /** One or two routers. */
  readonly tors: readonly TorKind[];
  readonly peering?: Peering;
  /** Living VMs, default 1; with 0 there are only those of `paperVms`. */
  readonly vms?: number;
  /** VMs in the bindings that only frames speak for. */
  readonly paperVms?: readonly Vm[];
  readonly nodes?: Partial<Omit<NodeOptions, 'peering' | 'vms'>>;
  /** Another configuration of the routers, from the file of node a and the addresses of both nodes. */
  readonly router?: (kind: TorKind, nodeFile: string, nodes: readonly string[]) => string;
  /** The wrong key on node b. */
  readonly wrongPasswordOnB?: string;
  /** More of the topology, before anything runs on it. */
  readonly prepare?: (topology: Topology) => Promise<void>;
  /** With the client and the programs in the first VM. */
  readonly client?: boolean;
}

let count = 0;

/** Routers, two nodes with landfall and VMs, for the scenarios of one file. */
export class Lab {
  readonly topology: Topology;
  readonly tors: readonly Tor[];
  readonly nodes: Readonly<Record<NodeName, LandfallNode>>;
  readonly stage: Stage;
  readonly watches: readonly RouteWatch[];
  readonly #folder: string;
  readonly #senders = new Map<string, Script<HypervisorCommand>>();

  private constructor(topology: Topology, folder: string, options: LabOptions) {
    const peering = options.peering ?? { type: 'ibgp' };
    const vms = [...topology.vms, ...(options.paperVms ?? [])];
    this.topology = topology;
    this.#folder = folder;
    this.tors = options.tors.map((kind, i) => createTor(kind, topology, i, peering, folder,
      options.router?.(kind, landfallConfig(topology, 'a', folder, { ...options.nodes, peering, vms }), nodeNames.map((node) => linkOf(i, node).node.ipv4))));
    this.nodes = {
      a: new LandfallNode(topology, 'a', folder, { ...options.nodes, peering, vms }),
      b: new LandfallNode(topology, 'b', folder, { ...options.nodes, peering, vms, ...(options.wrongPasswordOnB === undefined ? {} : { password: options.wrongPasswordOnB }) }),
    };
    this.stage = new Stage(topology);
    this.watches = topology.tors.map((tor) => new RouteWatch(topology.namespaces, tor));
  }

  /** Builds and starts everything; the VMs are silent on node a. */
  static async start(options: LabOptions): Promise<Lab> {
    const topology = await buildTopology({ mode: options.mode, vms: options.vms ?? 1, tors: options.tors.length, prefix: `${prefix}${(count++).toString(36)}` });
    const lab = new Lab(topology, makeFolder(), options);
    try {
      await options.prepare?.(topology);
      await Promise.all([...lab.tors.map((tor) => tor.start()), lab.stage.start('a', { client: options.client === true })]);
      await Promise.all(nodeNames.map((node) => lab.nodes[node].start()));
      await lab.sessionsUp(options.wrongPasswordOnB === undefined ? nodeNames : ['a']);
      return lab;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  /** Takes everything down. Never throws. */
  async stop(): Promise<void> {
    await stopAll();
    await this.topology.namespaces.removeAll();
    if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The first living VM; there is none with `vms: 0`. */
  get vm(): Vm {
    return this.topology.vms[0] as Vm;
  }

  get tor(): Tor {
    return this.tors[0] as Tor;
  }

  /** Waits for the sessions of these nodes with every router. */
  async sessionsUp(nodes: readonly NodeName[] = nodeNames): Promise<void> {
    for (const tor of this.tors) {
      const wanted = expectedSessions(this.topology, tor).filter((_, i) => nodes.includes(nodeNames[i] as NodeName));
      await waitFor(`sessions of ${tor.namespace} with ${nodes.join(' and ')}`, 45_000, async () => {
        const up = await tor.established();
        return wanted.every((address) => up.includes(address));
      });
    }
  }

  /** Whole frames out of an interface of a namespace. */
  async sendFrames(namespace: string, ifname: string, frames: readonly Uint8Array[], everyMs?: number): Promise<void> {
    let sender = this.#senders.get(namespace);
    if (sender === undefined) {
      sender = new Script<HypervisorCommand>(this.topology.namespaces, namespace, 'hypervisor');
      this.#senders.set(namespace, sender);
      await sender.started();
    }
    const hex = frames.map((frame) => Buffer.from(frame).toString('hex'));
    await sender.ask({ type: 'frames', ifname, hex, ...(everyMs === undefined ? {} : { everyMs }) });
  }

  /**
   * Waits until all agree that each VM is where `where` says and nowhere else: every router's kernel and table, and `landfall show
   * prefixes` on both nodes. And no router ever had a multipath route.
   */
  async agree(where: ReadonlyMap<Vm, NodeName>, timeoutMs = 30_000): Promise<void> {
    let problems: string[] = ['nothing was compared'];
    await waitFor('agreement', timeoutMs, async () => {
      problems = (await Promise.all([...this.tors.map((tor) => findWrongPaths(this.topology, tor, where)), ...nodeNames.map((node) => this.#wrongPrefixes(node, where))])).flat();
      return problems.length === 0;
    }, 100).catch(() => assert.fail(`after ${timeoutMs} ms:\n${problems.slice(0, 20).join('\n')}`));
    this.neverMultipath();
  }

  /**
   * The living VMs on `node` and nowhere else, both daemons up, and nothing known of where the VMs were: where a scenario begins, for its
   * second try.
   */
  async home(node: NodeName): Promise<void> {
    for (const each of nodeNames) if (!this.nodes[each].alive) await this.nodes[each].start();
    await this.sessionsUp();
    for (const vm of this.topology.vms) for (const each of nodeNames) await unplug(this.topology, vm, each);
    await this.agree(new Map());
    for (const vm of this.topology.vms) await plug(this.topology, vm, node);
    await this.stage.boot(this.topology.vms, node);
    await this.agree(allOn(node, this.topology.vms));
  }

  /** Waits until no claim of a node is elevated any more. */
  async settled(node: NodeName): Promise<void> {
    await waitFor(`node ${node} to settle`, 30_000, async () => (await this.nodes[node].prefixes()).every((item) => item.state !== 'elevated'), 200);
  }

  neverMultipath(): void {
    for (const watch of this.watches) assert.deepEqual(watch.multipath, [], 'a router had a multipath route');
  }

  /** What `show prefixes` of a node says differently, in words. */
  async #wrongPrefixes(node: NodeName, where: ReadonlyMap<Vm, NodeName>): Promise<string[]> {
    if (!this.nodes[node].alive) return [`landfall on node ${node} has ended: ${this.nodes[node].tail}`];
    const items = (await this.nodes[node].prefixes()).filter((item) => item.state !== 'withdrawn');
    const shown = new Map(items.map((item) => [item.prefix, item]));
    const problems: string[] = [];
    const expected = new Set<string>();
    for (const [vm, place] of where) {
      if (place !== node) continue;
      for (const prefix of [hostPrefix(vm.ipv4), hostPrefix(vm.ipv6)]) {
        expected.add(prefix);
        const item = shown.get(prefix);
        if (item === undefined || !['normal', 'elevated'].includes(item.state) || item.peers.sent !== this.tors.length) {
          problems.push(`node ${node} shows ${prefix} as ${item === undefined ? 'nothing' : `${item.state}, sent to ${item.peers.sent} of ${item.peers.of}`}`);
        }
      }
    }
    for (const item of items) if (!expected.has(item.prefix)) problems.push(`node ${node} shows ${item.prefix} as ${item.state}, though its VM is not there`);
    return problems;
  }

  /** Runs `action` and asserts that no router was sent an UPDATE until `quietMs` after it. */
  async withoutUpdate(action: () => Promise<void>, quietMs = 1500): Promise<void> {
    const before = await Promise.all(this.tors.map((tor) => tor.updatesReceived()));
    await action();
    await sleep(quietMs);
    assert.deepEqual(await Promise.all(this.tors.map((tor) => tor.updatesReceived())), before, 'UPDATEs that a router was sent');
  }
}

/** Namespaces of this run of the suite begin with it. */
const prefix = `lf${process.pid}x`;

/** A map from the VMs to one node. */
export function allOn(node: NodeName, vms: readonly Vm[]): Map<Vm, NodeName> {
  return new Map(vms.map((vm) => [vm, node]));
}

/**
 * Brings what a test's first try has left to where the test begins, before its second try alone. Where that fails, the test is what fails, not
 * all that come after it.
 */
export function beforeSecondTry(prepare: (title: string) => Promise<unknown>): void {
  beforeEach(async function () {
    const test = this.currentTest as (Mocha.Test & { currentRetry?: () => number }) | undefined;
    if (test === undefined || (test.currentRetry?.() ?? 0) === 0) return;
    await prepare(test.title).catch((error: unknown) => process.stderr.write(`      not as at the beginning: ${String(error)}\n`));
  });
}

/** Skips, with the reason, what this machine can't run; in CI that is a failure. */
export function needs(context: Mocha.Context, ...kinds: readonly TorKind[]): void {
  const reason = process.geteuid?.() !== 0 ? 'needs root' : kinds.filter((kind) => !isInstalled(kind)).map((kind) => `${kind} is not installed`).join(', ');
  if (reason === '') return;
  if (process.env['CI'] === 'true') throw new Error(`would be skipped: ${reason}`);
  process.stderr.write(`    skipped: ${reason}\n`);
  context.skip();
}

killAtExit();

after(async function () {
  this.timeout(30_000);
  await stopAll();
  await removeLeftovers(prefix);
});

import { join } from 'node:path';
import type { NodeName } from '../addresses.ts';
import { demoVm, nodeNames } from '../addresses.ts';
import { expectedSessions, findWrongPaths } from '../checks.ts';
import type { StreamReport } from '../client.ts';
import { RouteWatch } from '../kernel-routes.ts';
import { LandfallNode } from '../node.ts';
import { isAborted, sleep, waitFor, wallMs } from '../processes.ts';
import { peering, takeDown, waitForPaths } from '../run.ts';
import { Script } from '../script.ts';
import type { TorKind } from '../tor.ts';
import { createTor } from '../tor-kinds.ts';
import type { Tor } from '../tor.ts';
import type { Mode, Topology } from '../topology.ts';
import { buildTopology, nodeNamespace } from '../topology.ts';
import { Visitor } from '../visitor.ts';
import type { Guest } from './guest-files.ts';
import type { Accelerator, Machine, MachineOptions } from './machine.ts';
import { startMachine } from './machine.ts';
import type { Flow, Migration, Outcome } from './migration.ts';
import { migrate } from './migration.ts';
import type { Heard, VmMoveReport } from './report.ts';
import { around, reportVmMove } from './report.ts';

export interface VmRunOptions {
  readonly migrations: number;
  readonly flow: Flow;
  /** What is tried, and breaks off, before each migration that succeeds. */
  readonly attempts: readonly Outcome[];
  readonly guest: Guest;
  readonly accel: Accelerator;
  readonly tor: TorKind;
  readonly mode: Mode;
  /** What is added to the configuration of both nodes. */
  readonly extra?: string;
  /** A QMP watcher on each node gives hints. */
  readonly hints?: boolean;
  readonly folder: string;
  readonly progress: (text: string) => void;
  readonly onMove: (move: VmMoveReport) => void;
}

export interface VmRunResult {
  readonly moves: readonly VmMoveReport[];
  readonly streams: readonly StreamReport[];
  /** Why the run is not a success, in words. */
  readonly problems: readonly string[];
}

/** All that runs while the VM moves. */
interface Scene {
  readonly topology: Topology;
  readonly tor: Tor;
  readonly routes: RouteWatch;
  readonly visitor: Visitor;
  readonly nodes: Readonly<Record<NodeName, LandfallNode>>;
  readonly heard: readonly Heard[];
}

const probeEveryMs = 1;

/** A real VM under QEMU, migrated between two nodes with landfall; everything is taken down again, whatever happens. */
export async function runWithQemu(options: VmRunOptions): Promise<VmRunResult> {
  const { progress, folder } = options;
  progress(`building two nodes, a ToR and a client out of network namespaces (mode ${options.mode})`);
  const topology: Topology = { ...(await buildTopology({ mode: options.mode, vms: 0 })), vms: [demoVm(1)] };
  const nodeOptions = { peering, vms: topology.vms, ...(options.extra === undefined ? {} : { extra: options.extra }) };
  const heard: Heard[] = [];
  const scene: Scene = {
    topology, heard,
    routes: new RouteWatch(topology.namespaces, 'tor'),
    tor: createTor(options.tor, topology, 0, peering, folder),
    visitor: new Visitor(topology.namespaces),
    nodes: { a: new LandfallNode(topology, 'a', folder, nodeOptions), b: new LandfallNode(topology, 'b', folder, nodeOptions) },
  };
  try {
    progress(`starting the ToR (${options.tor}), the client, landfall on both nodes, and the VM on node a (Linux ${options.guest.release}, ${options.accel.toUpperCase()})`);
    const listeners = nodeNames.map((node) => new Script<never>(topology.namespaces, nodeNamespace(node), 'vm/listener', (event) => heard.push({ ...(event as Heard), node })));
    await Promise.all([scene.tor.start(), scene.visitor.started(), ...listeners.map((listener) => listener.started()), ...nodeNames.map((node) => scene.nodes[node].start())]);
    await waitFor('BGP sessions with both nodes', 30_000, async () => {
      const up = await scene.tor.established();
      return expectedSessions(topology, scene.tor).every((address) => up.includes(address));
    }, 100);
    const machine = await bootVm(scene, options);
    scene.visitor.startProbes(probeEveryMs, ['udp']);
    await sleep(1000);
    await scene.visitor.streams();
    progress('the client has its TCP connections to the VM; probing at 1 kHz');
    return await makeMoves(scene, options, machine);
  } finally {
    progress('taking everything down');
    await takeDown(topology);
  }
}

async function bootVm(scene: Scene, options: VmRunOptions): Promise<Machine> {
  const machine = await startMachine(machineOptions(scene, options, 'a'));
  await machine.booted();
  await waitForPaths(scene.topology, scene.tor, 'a', 20_000);
  await scene.visitor.connect();
  return machine;
}

function machineOptions({ topology, nodes }: Scene, { guest, accel, folder, hints }: VmRunOptions, node: NodeName): MachineOptions {
  return { topology, vm: topology.vms[0]!, node, guest, accel, folder, ...(hints === true ? { hints: { api: nodes[node].socket } } : {}) };
}

async function makeMoves(scene: Scene, options: VmRunOptions, first: Machine): Promise<VmRunResult> {
  const plan = Array.from({ length: options.migrations }, (): Outcome[] => [...options.attempts, 'moved']).flat();
  const moves: VmMoveReport[] = [];
  const problems: string[] = [];
  let machine = first;
  for (const [i, outcome] of plan.entries()) {
    const number = i + 1;
    const from = machine.node;
    const to: NodeName = from === 'a' ? 'b' : 'a';
    options.progress(`migration ${number} of ${plan.length}: node ${from} to node ${to} (${outcome})`);
    const beganAt = wallMs();
    const destination = await startMachine({ ...machineOptions(scene, options, to), incoming: { paused: options.flow === 'libvirt' } });
    const migration = await migrate(machine, destination, options.flow, outcome, join(options.folder, `migration-${number}`));
    if (outcome === 'moved') machine = destination;
    const wrong = await settle(scene, migration, machine);
    const move = await gather(scene, migration, number, beganAt);
    wrong.push(...(await silentStreams(scene, move.streams)));
    problems.push(...wrong.map((text) => `migration ${number}: ${text}`));
    moves.push(move);
    options.onMove(move);
  }
  const streams = await scene.visitor.streams();
  problems.push(
    ...streams.filter((stream) => !stream.alive).map((stream) => `${stream.name} did not live: ${stream.error ?? 'nothing received'}`),
    ...(await findWrongPaths(scene.topology, scene.tor, new Map(scene.topology.vms.map((vm) => [vm, machine.node])))),
    ...scene.routes.multipath.map((event) => `the router had a multipath route for ${event.prefix}`),
  );
  return { moves, streams, problems };
}

/** Waits until all is quiet after a migration. Returns what is wrong, in words. */
async function settle(scene: Scene, migration: Migration, machine: Machine): Promise<string[]> {
  const problems: string[] = [];
  const attempt = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => {
    if (isAborted()) throw error;
    problems.push(error instanceof Error ? error.message : String(error));
  });
  await attempt(waitForPaths(scene.topology, scene.tor, machine.node, 15_000));
  if (migration.outcome === 'moved') {
    await attempt(waitFor(`node ${migration.from} to withdraw its routes`, 15_000, async () => (await scene.nodes[migration.from].prefixes()).every((item) => item.state === 'withdrawn'), 200));
  }
  await sleep(Math.max(0, migration.zeroAt + around.afterMs - wallMs()));
  if (!machine.alive()) problems.push(`QEMU on node ${machine.node} has ended: ${machine.tail()}`);
  if (migration.outcome !== 'moved') {
    problems.push(...scene.routes.events.filter((event) => event.at >= migration.startedAt).map((event) => `the router's route of ${event.prefix} changed though the VM never moved`));
  }
  return problems;
}

/** The connections that bring nothing any more, though no error was told: a connection may die without a word. */
async function silentStreams(scene: Scene, streams: readonly StreamReport[]): Promise<string[]> {
  const silent = (list: readonly StreamReport[]): StreamReport[] => list.filter((stream) => stream.silentMs > 300);
  let left = silent(streams);
  await waitFor('TCP to go on', 10_000, async () => {
    if (left.length > 0) left = silent(await scene.visitor.streams());
    return left.length === 0;
  }, 200).catch((error: unknown) => {
    if (isAborted()) throw error;
  });
  return left.map((stream) => `${stream.name} is silent`);
}

/**
 * What the probes saw in [from, to], once a later packet of each was answered: a guest under TCG on a busy machine answers out of its queue
 * for seconds after a move, and what it answers late is not lost.
 */
async function allAnswered(scene: Scene, from: number, to: number): ReturnType<Visitor['samples']> {
  let samples: Awaited<ReturnType<Visitor['samples']>> = {};
  await waitFor('the answer to a later packet', around.latestMs, async () => {
    samples = await scene.visitor.samples(from, Number.MAX_SAFE_INTEGER);
    return Object.values(samples).every((list) => list.some(([sentAt, answeredAt]) => sentAt > to && answeredAt !== null));
  }, 100).catch((error: unknown) => {
    if (isAborted()) throw error;
  });
  return Object.fromEntries(Object.entries(samples).map(([name, list]) => [name, list.filter(([sentAt]) => sentAt <= to)]));
}

async function gather(scene: Scene, migration: Migration, number: number, beganAt: number): Promise<VmMoveReport> {
  const { from, to, zeroAt } = migration;
  const samples = await allAnswered(scene, (migration.stoppedAt ?? zeroAt) - around.beforeMs, zeroAt + around.afterMs);
  const [streams, incoming, outgoing] = await Promise.all([
    scene.visitor.streams(),
    scene.nodes[to].migrations(),
    scene.nodes[from].migrations(),
  ]);
  return reportVmMove({
    number, beganAt, migration, samples, streams, vm: scene.topology.vms[0]!, routes: scene.routes.events, heard: scene.heard,
    incoming: incoming.filter((item) => item.direction === 'in'),
    outgoing: outgoing.filter((item) => item.direction === 'out'),
  });
}

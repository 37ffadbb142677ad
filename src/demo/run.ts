import type { NodeName } from './addresses.ts';
import { nodeNames } from './addresses.ts';
import { BaselineNode } from './baseline.ts';
import { expectedSessions, findWrongPaths } from './checks.ts';
import type { StreamReport } from './client.ts';
import { RouteWatch } from './kernel-routes.ts';
import { LandfallNode } from './node.ts';
import { isAborted, sleep, stopAll, waitFor } from './processes.ts';
import type { MoveReport } from './report.ts';
import { reportMove } from './report.ts';
import { Stage } from './stage.ts';
import type { Peering, Tor, TorKind } from './tor.ts';
import { createTor } from './tor-kinds.ts';
import type { Mode, Topology } from './topology.ts';
import { buildTopology } from './topology.ts';

export interface RunOptions {
  readonly vms: number;
  readonly migrations: number;
  readonly tor: TorKind;
  readonly mode: Mode;
  readonly folder: string;
  readonly progress: (text: string) => void;
  readonly onMove: (move: MoveReport) => void;
}

export interface RunResult {
  readonly moves: readonly MoveReport[];
  readonly streams: readonly StreamReport[];
  /** Why the run is not a success, in words. */
  readonly problems: readonly string[];
}

/** Who tells the router where the VM is: landfall, or what stands for it in the baseline. */
interface Speakers {
  /** The VMs now run on `node`. */
  resumed(node: NodeName): Promise<void>;
  /** Resolves when the move is over for both nodes. */
  settled(from: NodeName, to: NodeName): Promise<void>;
  facts(from: NodeName, to: NodeName): Promise<Pick<Parameters<typeof reportMove>[0], 'incoming' | 'outgoing'>>;
}

/** What the demo's nodes and its ToR agree on. */
export const peering: Peering = { type: 'ibgp' };

/** Builds the stage, makes the moves with landfall on both nodes and takes everything down again, whatever happens. */
export function runWithLandfall(options: RunOptions): Promise<RunResult> {
  return perform(options, async (topology) => {
    options.progress('starting landfall on both nodes');
    const nodes = { a: new LandfallNode(topology, 'a', options.folder, { peering, vms: topology.vms }), b: new LandfallNode(topology, 'b', options.folder, { peering, vms: topology.vms }) };
    await Promise.all(nodeNames.map((node) => nodes[node].start()));
    return {
      resumed: () => Promise.resolve(),
      settled: async (from) => {
        await waitFor(`node ${from} to withdraw its routes`, 15_000, async () => {
          const prefixes = await nodes[from].prefixes();
          return prefixes.every((item) => item.state === 'withdrawn');
        }, 200);
      },
      facts: async (from, to) => {
        const [incoming, outgoing] = await Promise.all([nodes[to].migrations(), nodes[from].migrations()]);
        return { incoming: incoming.filter((item) => item.direction === 'in'), outgoing: outgoing.filter((item) => item.direction === 'out') };
      },
    };
  });
}

/** The same moves with FRR and a hook in landfall's place. */
export function runBaseline(options: RunOptions): Promise<RunResult> {
  return perform(options, async (topology) => {
    options.progress('starting FRR with `redistribute kernel` on both nodes');
    const nodes = { a: new BaselineNode(topology, 'a', peering, options.folder), b: new BaselineNode(topology, 'b', peering, options.folder) };
    await Promise.all(nodeNames.map((node) => nodes[node].start()));
    let current: NodeName | undefined;
    return {
      resumed: async (node) => {
        await nodes[node].addRoutes(topology.vms);
        if (current !== undefined) await nodes[current].removeRoutes(topology.vms);
        current = node;
      },
      settled: () => Promise.resolve(),
      facts: () => Promise.resolve({ incoming: [], outgoing: [] }),
    };
  });
}

async function perform(options: RunOptions, startSpeakers: (topology: Topology) => Promise<Speakers>): Promise<RunResult> {
  const { progress } = options;
  progress(`building two nodes, a ToR, a client and ${options.vms} VM${options.vms === 1 ? '' : 's'} out of network namespaces (mode ${options.mode})`);
  const topology = await buildTopology({ mode: options.mode, vms: options.vms });
  const routes = new RouteWatch(topology.namespaces, 'tor');
  const tor = createTor(options.tor, topology, 0, peering, options.folder);
  const stage = new Stage(topology);
  try {
    progress(`starting the ToR (${options.tor}), the client and the VM on node a`);
    await Promise.all([tor.start(), stage.start('a')]);
    const speakers = await startSpeakers(topology);
    progress('waiting for the BGP sessions');
    await waitFor('BGP sessions with both nodes', 30_000, async () => {
      const up = await tor.established();
      return expectedSessions(topology, tor).every((address) => up.includes(address));
    }, 100);
    await stage.boot(topology.vms, 'a');
    await speakers.resumed('a');
    await waitForPaths(topology, tor, 'a', 20_000);
    await stage.connectClient();
    stage.startProbes();
    await sleep(1000);
    await stage.streams();
    for (const text of stage.unavailable) progress(text);
    progress('the client has its TCP connections to the VM; probing at 1 kHz');
    return await makeMoves(options, topology, tor, stage, routes, speakers);
  } finally {
    progress('taking everything down');
    await takeDown(topology);
  }
}

async function makeMoves(options: RunOptions, topology: Topology, tor: Tor, stage: Stage, routes: RouteWatch, speakers: Speakers): Promise<RunResult> {
  const moves: MoveReport[] = [];
  const late: string[] = [];
  let node: NodeName = 'a';
  for (let number = 1; number <= options.migrations; number++) {
    const from: NodeName = node;
    const to: NodeName = from === 'a' ? 'b' : 'a';
    options.progress(`move ${number} of ${options.migrations}: node ${from} to node ${to}`);
    let resumed = Promise.resolve();
    const times = await stage.move(to, { keepSourceMs: 1000 }, () => {
      resumed = speakers.resumed(to);
      resumed.catch(() => undefined); // awaited below
    });
    await resumed;
    node = to;
    await waitForPaths(topology, tor, to, 15_000).catch((error: unknown) => {
      if (isAborted()) throw error;
      late.push(`move ${number}: ${(error as Error).message}`);
    });
    await speakers.settled(from, to).catch((error: unknown) => {
      if (isAborted()) throw error;
      late.push(`move ${number}: ${error instanceof Error ? error.message : String(error)}`);
    });
    const samples = await stage.samples(times.pausedAt - 100, times.resumedAt + 1000);
    const move = reportMove({
      number, from, to, times, samples, routes,
      vm: topology.vms[0]!,
      streams: await stage.streams(),
      ...(await speakers.facts(from, to)),
    });
    moves.push(move);
    options.onMove(move);
  }
  const streams = await stage.streams();
  const where = new Map(topology.vms.map((vm) => [vm, node]));
  const problems = [
    ...late,
    ...streams.filter((stream) => !stream.alive).map((stream) => `${stream.name} did not live: ${stream.error ?? 'nothing received'}`),
    ...(await findWrongPaths(topology, tor, where)),
    ...routes.multipath.map((event) => `the router had a multipath route for ${event.prefix}`),
  ];
  return { moves, streams, problems };
}

/** Waits until the router has exactly the right paths. Throws with what is wrong when it never does. */
export async function waitForPaths(topology: Topology, tor: Tor, node: NodeName, timeoutMs: number): Promise<void> {
  const where = new Map(topology.vms.map((vm) => [vm, node]));
  let problems: string[] = [];
  await waitFor('paths', timeoutMs, async () => {
    problems = await findWrongPaths(topology, tor, where);
    return problems.length === 0;
  }, 100).catch((error: unknown) => {
    throw isAborted() ? error : new Error(problems.join('; '));
  });
}

/** Ends all programs and removes the namespaces. */
export async function takeDown(topology: Topology): Promise<void> {
  await stopAll();
  await topology.namespaces.removeAll();
}

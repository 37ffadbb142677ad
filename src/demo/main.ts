import { rmSync, writeFileSync } from 'node:fs';
import { makeFolder } from './folder.ts';
import { missingPrograms } from './namespaces.ts';
import { plotRows, plotStalls, plotText } from './plot.ts';
import { abort, isAborted, killAll } from './processes.ts';
import type { MoveReport } from './report.ts';
import { formatTimeline } from './report.ts';
import { isInsideUserNamespace, isPrivileged, prepareUserNamespace, runInsideUserNamespace } from './rootless.ts';
import type { RunResult } from './run.ts';
import { runBaseline, runWithLandfall } from './run.ts';
import { defaultSvg, print, progress } from './screen.ts';
import { plotSvg } from './svg.ts';
import type { TorKind } from './tor.ts';
import { isInstalled } from './tor-kinds.ts';
import type { Mode } from './topology.ts';
import type { VmOptions } from './vm/demonstrate.ts';
import { demonstrateVm, refuseVm } from './vm/demonstrate.ts';

export interface DemoOptions extends VmOptions {
  /** What moves: programs in a namespace (the default), or a real VM under QEMU. */
  readonly vm?: 'netns' | 'qemu';
  /** How many VMs move together, 1…32; the first one bears the TCP connections and probes. Default 1. */
  readonly vms?: number;
  /** 1…100, default 3; with a real VM 2, there and back again. */
  readonly migrations?: number;
  /** Default: FRR as root where it is installed, else the embedded router. */
  readonly tor?: TorKind;
  /** Default l3. */
  readonly mode?: Mode;
  /** Makes the same moves without landfall too. */
  readonly baseline?: boolean;
  /** File for all figures. */
  readonly json?: string;
  /** File for the plot; default `landfall-demo.svg` in the current folder, or in the temporary one where that can't be written. */
  readonly svg?: string;
  /** Keeps configurations and logs. */
  readonly keep?: boolean;
}

/**
 * Shows landfall at work: a VM moves between two nodes under TCP connections and probes, with a real router in between.
 * Figures and plots go to standard output, progress to standard error.
 * @returns the exit status: 0 when TCP lived through all moves and the router ended with exactly the right paths, 1 when not,
 *   2 when the options can't be met, 130 after Ctrl-C.
 */
export async function runDemo(options: DemoOptions = {}): Promise<number> {
  const refusal = refuse(options);
  if (refusal !== undefined) {
    process.stderr.write(`landfall demo: ${refusal}\n`);
    return 2;
  }
  if (!isPrivileged()) {
    progress('not root: going on inside a user namespace of our own');
    return runInsideUserNamespace().catch((error: unknown) => fail(error));
  }
  const interrupted = (signal: NodeJS.Signals): void => {
    if (isAborted()) process.exit(130); // the second time: at once, and `killAll` ends what runs
    progress(`${signal}: taking everything down`);
    abort('interrupted');
  };
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted).on('exit', killAll);
  const folder = makeFolder();
  let status = 1;
  try {
    await prepareUserNamespace();
    status = await demonstrate(options, folder);
  } catch (error) {
    status = isAborted() ? 130 : fail(error);
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    if (options.keep === true || status === 1) progress(`configurations and logs are in ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
  return status;
}

function defaultTor(): TorKind {
  return isPrivileged() && !isInsideUserNamespace() && isInstalled('frr') ? 'frr' : 'embedded';
}

/** Why these options can't be met here, or nothing. */
function refuse(options: DemoOptions): string | undefined {
  const tor = options.tor ?? defaultTor();
  const vms = options.vms ?? 1;
  const migrations = options.migrations ?? 3;
  const missing = missingPrograms();
  if (process.platform !== 'linux') return 'it is made of network namespaces and needs Linux';
  if (missing.length > 0) return `install ${missing.join(', ')} first`;
  if (!Number.isInteger(vms) || vms < 1 || vms > 32) return '--vms takes 1 to 32';
  if (!Number.isInteger(migrations) || migrations < 1 || migrations > 100) return '--migrations takes 1 to 100';
  if (!isInstalled(tor)) return `${tor} is not installed here: install it (package ${tor === 'frr' ? 'frr' : 'bird2'}), or take --tor embedded`;
  const unprivileged = !isPrivileged() || isInsideUserNamespace();
  if (tor === 'frr' && unprivileged) return 'FRR gives up root for a user of its own and cannot do so in a user namespace: run the demo as root, or take --tor embedded or --tor bird';
  const ofVms = options.flow !== undefined || options.cancel !== undefined || options.killDestination !== undefined || options.stragglers !== undefined || options.hints !== undefined;
  if (options.vm !== 'qemu' && ofVms) return '--flow, --cancel, --kill-destination, --stragglers and --hints go with --vm qemu';
  if (options.vm === 'qemu' && (vms > 1 || options.baseline === true)) return '--vms and --baseline do not go with --vm qemu';
  if (options.vm === 'qemu') return refuseVm(options);
  if (options.baseline === true && (unprivileged || !isInstalled('frr'))) return '--baseline needs root and FRR on this machine, since its nodes run FRR';
  return undefined;
}

async function demonstrate(options: DemoOptions, folder: string): Promise<number> {
  const tor = options.tor ?? defaultTor();
  const mode = options.mode ?? 'l3';
  if (options.vm === 'qemu') return demonstrateVm({ ...options, migrations: options.migrations ?? 2, tor, mode, folder });
  const setup = { vms: options.vms ?? 1, migrations: options.migrations ?? 3, tor, mode, folder, progress };
  const landfall = await runWithLandfall({ ...setup, onMove: printMove });
  const baseline = options.baseline === true ? await runBaseline({ ...setup, onMove: (move) => progress(`baseline: move ${move.number} done`) }) : undefined;
  const runs = { landfall: landfall.moves, ...(baseline === undefined ? {} : { baseline: baseline.moves }) };
  const rows = plotRows(runs);
  print(`\nGap seen by each probe (${tor}, ${mode}), one packet a millisecond; . answered, # never answered\n`);
  print(plotText(rows));
  print(`\nLongest stall of the TCP connections, ms, move by move (it includes the VM's own pause)\n`);
  print(plotStalls(runs));
  const svg = options.svg ?? defaultSvg(folder);
  writeFileSync(svg, plotSvg(rows, `Gap seen by each probe: ToR ${tor}, mode ${mode}`));
  print(`\nPlot: ${svg}`);
  const ok = landfall.problems.length === 0;
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(demoReport(setup, landfall, baseline, ok), null, 1)}\n`);
    print(`Figures: ${options.json}`);
  }
  printResult(landfall);
  if (baseline !== undefined) for (const problem of baseline.problems) print(`baseline: ${problem}`);
  return ok ? 0 : 1;
}

function demoReport(setup: { tor: TorKind; mode: Mode; vms: number; migrations: number }, landfall: RunResult, baseline: RunResult | undefined, ok: boolean): object {
  const { tor, mode, vms, migrations } = setup;
  return { apiVersion: 'landfall/v1', kind: 'DemoReport', time: new Date().toISOString(), tor, mode, vms, migrations, ok, landfall, ...(baseline === undefined ? {} : { baseline }) };
}

function printMove(move: MoveReport): void {
  print(`\nMove ${move.number}, node ${move.from} to node ${move.to} (the VM stood still for ${move.pauseMs.toFixed(1)} ms); times from RESUME`);
  print(formatTimeline(move));
  for (const stream of move.streams) print(`   ${stream.name}: ${stream.alive ? 'alive' : `broken (${stream.error})`}, longest stall ${stream.longestStallMs.toFixed(0)} ms`);
}

function printResult({ streams, problems, moves }: RunResult): void {
  const records = streams.map((stream) => `${stream.name} ${stream.records}`).join(', ');
  print(`TCP: ${streams.every((stream) => stream.alive) ? 'alive through' : 'broken in'} ${moves.length} moves (records received in order: ${records})`);
  if (problems.length === 0) print('Router: exactly the right paths');
  for (const problem of problems) print(`WRONG: ${problem}`);
}

function fail(error: unknown): number {
  process.stderr.write(`landfall demo: ${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
}

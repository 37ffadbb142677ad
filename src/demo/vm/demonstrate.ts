import { accessSync, constants, writeFileSync } from 'node:fs';
import { plotRows, plotText } from '../plot.ts';
import { findProgram } from '../processes.ts';
import { formatTimeline } from '../report.ts';
import { defaultSvg, print, progress } from '../screen.ts';
import { plotSvg } from '../svg.ts';
import type { TorKind } from '../tor.ts';
import type { Mode } from '../topology.ts';
import { compareText, lossesOf, prepareVariant, variantsOf, type Variant } from './compare.ts';
import { findGuest } from './guest-files.ts';
import { accelerator } from './machine.ts';
import type { Flow, Outcome } from './migration.ts';
import { describeLoss, describeMove } from './report.ts';
import type { VmMoveReport } from './report.ts';
import { runWithQemu, type VmRunResult } from './run.ts';

/** What `--vm qemu` adds to the demo's options. */
export interface VmOptions {
  /** Default: `libvirt`. */
  readonly flow?: Flow;
  /** Before each migration that succeeds, one that is cancelled. */
  readonly cancel?: boolean;
  /** Before each migration that succeeds, one whose destination is killed: while memory is copied (true), or when it has loaded everything. */
  readonly killDestination?: boolean | 'copying' | 'loaded';
  /** The same moves without stragglers, and with them. */
  readonly stragglers?: boolean;
  /** And once more with hints, which a QMP watcher gives. */
  readonly hints?: boolean;
}

/** Why no VM can run here, or not with these options, or nothing. */
export function refuseVm({ flow, killDestination, stragglers, hints }: VmOptions = {}): string | undefined {
  if (hints === true && stragglers !== true) return '--hints goes with --stragglers';
  if (flow === 'plain' && killDestination === 'loaded') return '--kill-destination loaded goes with --flow libvirt: in flow plain the VM runs as soon as it is loaded';
  if (process.arch !== 'x64') return '--vm qemu needs an x86-64 host';
  if (findProgram('qemu-system-x86_64') === undefined) return '--vm qemu needs QEMU: install package qemu-system-x86';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return '--vm qemu needs /dev/net/tun, readable and writable: load module tun, or run the demo as root';
  }
  if (findGuest() === undefined) return '--vm qemu needs the files of its VM: run node scripts/setup.mjs --for qemu in a checkout';
  return undefined;
}

export interface VmDemoSetup extends VmOptions {
  readonly migrations: number;
  readonly tor: TorKind;
  readonly mode: Mode;
  readonly folder: string;
  readonly json?: string;
  readonly svg?: string;
}

/** Runs the demo with a real VM and prints what came of it. Returns the exit status. */
export async function demonstrateVm(setup: VmDemoSetup): Promise<number> {
  const { tor, mode } = setup;
  const accel = accelerator();
  const flow = setup.flow ?? 'libvirt';
  const variants = variantsOf(setup);
  const runs: Record<string, VmRunResult> = {};
  if (variants.length === 0) runs['qemu'] = await perform(setup, setup.folder);
  for (const variant of variants) {
    print(`\n== ${headings[variant]}`);
    const { folder, extra } = prepareVariant(variant, setup.folder);
    runs[variant] = await perform(setup, folder, extra, variant === 'hints');
  }
  const rows = plotRows(Object.fromEntries(Object.entries(runs).map(([name, run]) => [name, run.moves])));
  print(`\nGap seen by each probe (${tor}, ${mode}, ${flow}), one packet a millisecond; . answered, # never answered; between the marks the VM's own downtime\n`);
  print(plotText(rows));
  const svg = setup.svg ?? defaultSvg(setup.folder);
  writeFileSync(svg, plotSvg(rows, `Gap seen by each probe: QEMU, ${flow}, ToR ${tor}, mode ${mode}`));
  print(`\nPlot: ${svg}`);
  const losses = Object.fromEntries(variants.map((variant) => [variant, lossesOf((runs[variant] as VmRunResult).moves)]));
  if (variants.length > 0) print(`\nPackets never answered, move by move\n${compareText(losses)}`);
  const ok = Object.values(runs).every((run) => run.problems.length === 0);
  if (setup.json !== undefined) {
    const report = {
      apiVersion: 'landfall/v1', kind: 'DemoReport', time: new Date().toISOString(),
      vm: 'qemu', tor, mode, flow, accel, guest: findGuest()!.release, migrations: setup.migrations, ok, ...(variants.length === 0 ? {} : { losses }), ...runs,
    };
    writeFileSync(setup.json, `${JSON.stringify(report, null, 1)}\n`);
    print(`Figures: ${setup.json}`);
  }
  for (const [name, run] of Object.entries(runs)) printResult(variants.length === 0 ? '' : `${name}: `, run);
  return ok ? 0 : 1;
}

const headings: Readonly<Record<Variant, string>> = { without: 'without stragglers', stragglers: 'with stragglers', hints: 'with stragglers and hints' };

function perform(setup: VmDemoSetup, folder: string, extra?: string, hints?: boolean): Promise<VmRunResult> {
  const { migrations, tor, mode } = setup;
  return runWithQemu({
    migrations, flow: setup.flow ?? 'libvirt', attempts: attemptsOf(setup), guest: findGuest()!, accel: accelerator(), tor, mode, folder, progress, onMove: printMove,
    ...(extra === undefined ? {} : { extra }), ...(hints === true ? { hints } : {}),
  });
}

function printResult(name: string, { moves, streams, problems }: VmRunResult): void {
  const records = streams.map((stream) => `${stream.name} ${stream.records}`).join(', ');
  print(`${name}TCP: ${streams.every((stream) => stream.alive) ? 'alive through' : 'broken in'} ${moves.length} migrations (records received in order: ${records})`);
  if (problems.length === 0) print(`${name}Router: exactly the right paths`);
  for (const problem of problems) print(`${name}WRONG: ${problem}`);
}

function attemptsOf({ cancel, killDestination }: VmOptions): Outcome[] {
  const killed = killDestination === undefined || killDestination === false ? [] : [killDestination === 'loaded' ? 'abandoned' as const : 'destination-killed' as const];
  return [...(cancel === true ? ['cancelled' as const] : []), ...killed];
}

function printMove(move: VmMoveReport): void {
  print(`\n${describeMove(move)}`);
  print(formatTimeline(move));
  for (const line of describeLoss(move)) print(`   ${line}`);
  for (const stream of move.streams) print(`   ${stream.name}: ${stream.alive ? 'alive' : `broken (${stream.error})`}, longest stall ${stream.longestStallMs.toFixed(0)} ms`);
}

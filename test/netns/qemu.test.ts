import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TorKind } from '../../src/demo/tor.ts';
import { Daemon, landfallCommand, run, sleep, waitFor } from '../../src/demo/processes.ts';
import { refuseVm } from '../../src/demo/vm/demonstrate.ts';
import type { VmMoveReport } from '../../src/demo/vm/report.ts';
import { needs } from './lab.ts';

// A real VM under QEMU, migrated by QEMU, through the demo as users start it. Its exit status is 0 only if TCP lived and the router's kernel
// and table lead to where the VM is; a migration that was broken off must not have touched the router's kernel at all.

interface Report {
  readonly ok: boolean;
  readonly vm: string;
  readonly qemu: { readonly moves: readonly VmMoveReport[]; readonly streams: readonly { alive: boolean; records: number }[]; readonly problems: readonly string[] };
}

describe('a real VM', function () {
  this.timeout(150_000);
  let folder: string;
  before(function () {
    needs(this, 'frr', 'bird');
    const reason = refuseVm();
    if (reason === undefined) return;
    if (process.env['CI'] === 'true') throw new Error(`would be skipped: ${reason}`);
    process.stderr.write(`    skipped: ${reason}\n`);
    this.skip();
  });
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-qemu-test-'));
  });
  after(() => folder === undefined || rmSync(folder, { recursive: true, force: true }));

  /** What was lost beyond the downtime is printed and not judged: the suite runs on busy machines. */
  async function demonstrate(tor: TorKind, ...options: readonly string[]): Promise<readonly VmMoveReport[]> {
    const json = join(folder, 'report.json');
    const command = [...landfallCommand(), 'demo', '--vm', 'qemu', '--tor', tor, '--json', json, '--svg', join(folder, 'x.svg'), ...options];
    const done = await run(command, { timeoutMs: 140_000 });
    assert.equal(done.status, 0, `${done.stdout}\n${done.stderr}`);
    const { ok, vm, qemu } = JSON.parse(readFileSync(json, 'utf8')) as Report;
    assert.deepEqual([ok, vm, qemu.problems], [true, 'qemu', []]);
    assert.ok(qemu.streams.length === 2 && qemu.streams.every((stream) => stream.alive && stream.records > 100));
    for (const move of qemu.moves) {
      const lost = Object.entries(move.probes).map(([name, probe]) => `${name} ${probe.lostBeyondDowntime}`).join(', ');
      process.stderr.write(`      ${tor}, ${move.flow}, ${move.from} to ${move.to}, ${move.outcome}: downtime ${move.pauseMs.toFixed(0)} ms; lost beyond it: ${lost}\n`);
      for (const probe of ['udp-ipv4', 'udp-ipv6']) assert.ok((move.probes[probe]?.sent ?? 0) > 300, `${probe}: ${move.probes[probe]?.sent} sent`);
    }
    return qemu.moves;
  }

  function textOf(move: VmMoveReport, event: string): string {
    return move.timeline.filter((line) => line.event === event).map((line) => line.text).join('\n');
  }

  /**
   * One timeline has QEMU's events, the frames of all kinds, the UPDATE and the kernel's route of both families. FRR replaces an IPv6 route
   * by a deletion and a new one.
   */
  function movedWell(move: VmMoveReport): void {
    const { from, to } = move;
    const said = (event: string, ...parts: RegExp[]): void => {
      for (const part of parts) assert.match(textOf(move, event), part, `${event} in\n${move.timeline.map((line) => `${line.atMs} ${line.event} ${line.text}`).join('\n')}`);
    };
    said('qmp', new RegExp(`node ${from}: STOP`), new RegExp(`node ${from}: MIGRATION completed`), new RegExp(`node ${to}: RESUME`));
    said('frame', new RegExp(`node ${to}: RARP`), new RegExp(`node ${to}: GARP .*203\\.0\\.113\\.11`), new RegExp(`node ${to}: NA .*2001:db8:100::11`));
    said('written', new RegExp(`node ${to}, 203`), new RegExp(`node ${to}, 2001`));
    said('router', new RegExp(`203\\.0\\.113\\.11/32 leads to node ${to}`), new RegExp(`2001:db8:100::11/128 leads to node ${to}`));
    said('withdrawn', new RegExp(`node ${from}, 203`));
    assert.ok(move.pauseMs > 0);
    assert.doesNotMatch(textOf(move, 'router'), /203\S+ deleted|both/, 'the router had no route, or two');
  }

  /** Neither a frame nor an UPDATE nor a change of the router's kernel comes of it. */
  function movedNothing(move: VmMoveReport): void {
    for (const event of ['frame', 'announced', 'written', 'router']) assert.equal(textOf(move, event), '', event);
  }

  it("moves there and back again in libvirt's order, with FRR", async () => {
    const moves = await demonstrate('frr', '--flow', 'libvirt', '--migrations', '2');
    assert.deepEqual(moves.map((move) => [move.from, move.to, move.outcome]), [['a', 'b', 'moved'], ['b', 'a', 'moved']]);
    moves.forEach(movedWell);
    for (const move of moves) assert.match(textOf(move, 'qmp'), /MIGRATION pre-switchover/);
  });

  it('moves as QEMU does it by itself, with BIRD, after the destination was killed half-way', async () => {
    const moves = await demonstrate('bird', '--flow', 'plain', '--migrations', '1', '--kill-destination');
    assert.deepEqual(moves.map((move) => move.outcome), ['destination-killed', 'moved']);
    movedNothing(moves[0]!);
    assert.match(textOf(moves[0]!, 'qmp'), /node a: MIGRATION failed/);
    movedWell(moves[1]!);
    assert.doesNotMatch(textOf(moves[1]!, 'qmp'), /pre-switchover/);
  });

  it('stays when the migration is cancelled before the switchover, or given up before `cont`, and moves when it is tried again', async () => {
    const moves = await demonstrate('frr', '--flow', 'libvirt', '--migrations', '1', '--cancel', '--kill-destination', 'loaded');
    assert.deepEqual(moves.map((move) => move.outcome), ['cancelled', 'abandoned', 'moved']);
    for (const move of moves.slice(0, 2)) {
      movedNothing(move);
      assert.match(textOf(move, 'qmp'), /node a: STOP[^]*node a: RESUME/, 'the VM stood still on the source and went on there');
    }
    assert.match(textOf(moves[1]!, 'qmp'), /node b: MIGRATION completed/, 'the destination had loaded everything');
    movedWell(moves[2]!);
  });

  it('leaves neither QEMU nor namespaces behind after Ctrl-C in mid-migration', async () => {
    const demo = new Daemon('demo', [...landfallCommand(), 'demo', '--vm', 'qemu', '--tor', 'embedded', '--flow', 'plain', '--cancel', '--svg', join(folder, 'x.svg')]);
    const qemus = async (): Promise<string[]> => (await run(['ps', '-eo', 'args'])).stdout.split('\n').filter((line) => line.startsWith('qemu-system') && line.includes(`landfall-demo-${demo.pid}-`));
    await waitFor('QEMU on both nodes', 60_000, async () => (await qemus()).length === 2);
    await sleep(300);
    demo.signal('SIGINT');
    assert.equal(await demo.ended, 'status 130');
    assert.deepEqual(await qemus(), []);
    assert.deepEqual((await run(['ip', 'netns', 'list'])).stdout.split('\n').filter((line) => line.startsWith(`lf${demo.pid}-`)), []);
  });
});

describe('the options of a real VM', () => {
  it('are refused where they make no sense, with exit status 2', async () => {
    for (const options of [['--flow', 'plain'], ['--cancel'], ['--kill-destination'], ['--stragglers'], ['--vm', 'qemu', '--hints'], ['--vm', 'qemu', '--flow', 'plain', '--kill-destination', 'loaded'], ['--vm', 'qemu', '--vms', '2'], ['--vm', 'qemu', '--baseline'], ['--vm', 'xen']]) {
      assert.equal((await run([...landfallCommand(), 'demo', ...options])).status, 2, options.join(' '));
    }
  });
});

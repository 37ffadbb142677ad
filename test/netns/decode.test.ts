import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { landfallCommand, must, sleep, waitFor } from '../../src/demo/processes.ts';
import { nodeNamespace } from '../../src/demo/topology.ts';
import { Lab, needs } from './lab.ts';

// What tcpdump, which we did not write, captures of a session between landfall and a router that we did not write either.

describe('decode of a session that tcpdump captured, frr', function () {
  this.timeout(90_000);
  let lab: Lab;
  let dump: ChildProcess | undefined;
  const folder = mkdtempSync(join(tmpdir(), 'landfall-decode-'));
  before(async function () {
    needs(this, 'frr');
    lab = await Lab.start({ mode: 'l3', tors: ['frr'], vms: 1 });
  });
  after(async () => {
    dump?.kill();
    await lab?.stop();
    rmSync(folder, { recursive: true });
  });

  for (const [form, options] of [['in a cooked capture', ['-i', 'any']], ['in a cooked capture with nanoseconds', ['-i', 'any', '--time-stamp-precision=nano']]] as const) {
    it(`lists OPEN, KEEPALIVE and UPDATE of both directions, ${form}`, async () => {
      const file = join(folder, `${form.replaceAll(' ', '-')}.pcap`);
      const [command, ...args] = lab.topology.namespaces.exec(nodeNamespace('a'), ['tcpdump', '-U', '-w', file, ...options, 'tcp', 'port', '179']);
      dump = spawn(command as string, args, { stdio: 'ignore' });
      await sleep(1500);
      await lab.tor.stop('SIGKILL');
      await sleep(500);
      await lab.tor.start();
      await lab.sessionsUp();
      await lab.stage.boot(lab.topology.vms, 'a');
      const lines = await waitForLines(file);
      dump.kill('SIGINT');
      const opened = lines.filter(({ type }) => type === 'OPEN');
      const ways = new Set(opened.map(({ from, to }) => `${from} ${to}`));
      assert.ok(ways.size >= 2, [...ways].join(', '));
      assert.ok(opened.every(({ error }) => error === undefined));
      assert.deepEqual(lines.filter(({ type, error }) => type !== null && error !== undefined), []);
    });
  }

  /** Once all of it is in the file. */
  async function waitForLines(file: string): Promise<JsonLine[]> {
    let lines: JsonLine[] = [];
    await waitFor('OPEN, KEEPALIVE and UPDATE of both directions in the capture', 30_000, async () => {
      const [command, ...args] = landfallCommand();
      const stdout = await must([command as string, ...args, 'decode', file]);
      lines = stdout.trim().split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as JsonLine);
      const has = (type: string, toRouter: boolean): boolean => lines.some((line) => line.type === type && (line.to?.endsWith(':179') === true) === toRouter);
      return ['OPEN', 'KEEPALIVE', 'UPDATE'].every((type) => has(type, true) && has(type, false));
    }, 1000);
    return lines;
  }
});

interface JsonLine {
  readonly type: string | null;
  readonly from?: string;
  readonly to?: string;
  readonly error?: unknown;
}

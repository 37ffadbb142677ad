import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { waitFor } from '../src/demo/processes.ts';
import type { NodeName, Stage } from './stage.ts';
import { compile, nodes } from './stage.ts';

/** What came of one block of claims. Times are microseconds; a claim that was not answered within five seconds is in `missing` alone. */
export interface Block {
  readonly latencies: readonly number[];
  readonly missing: number;
  /** From the first frame sent to the last answer. */
  readonly total: number;
}

/** Drives bench/stopwatch.c, which sends the frames and sees the answers. */
export class Stopwatch {
  readonly #child: ChildProcess;
  readonly #up = new Map<string, number>();
  #lines: string[] = [];
  #ended = false;

  /** @param sessions the nodes whose BGP sessions it is the router of; none when a real router runs in its namespace */
  constructor(stage: Stage, sessions: readonly NodeName[]) {
    const program = compile(stage, 'stopwatch');
    const [command, ...args] = stage.namespaces.exec('out', [program, ...sessions.map((name) => `${name}=${nodes[name].torAddress}`)]) as [string, ...string[]];
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.on('exit', () => {
      this.#ended = true;
    });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const [word, label] = line.split(' ');
      if (word === 'up') this.#up.set(label!, (this.#up.get(label!) ?? 0) + 1);
      else if (word !== 'down') this.#lines.push(line);
    });
  }

  /** How often the session of `node` has come up. */
  sessions(node: NodeName): number {
    return this.#up.get(node) ?? 0;
  }

  /** Waits until the session of `node` has come up for the `count`th time. */
  async established(node: NodeName, count: number): Promise<void> {
    await waitFor(`${node}'s session is up`, 20_000, () => this.sessions(node) >= count, 20);
  }

  /** Claims of VMs `first` … `first + count - 1` of `node`, spaced evenly; timed to the last byte of each UPDATE. */
  claims(node: NodeName, first: number, count: number, spacingUs: number): Promise<Block> {
    return this.#block(`send ${node} ${nodes[node].vm} ${first} ${count} ${spacingUs}`, count, spacingUs);
  }

  /** The same, timed to the router's kernel route. */
  routes(first: number, count: number, spacingUs: number): Promise<Block> {
    return this.#block(`route ${nodes.landfall.vm} ${first} ${count} ${spacingUs}`, count, spacingUs);
  }

  async #block(command: string, count: number, spacingUs: number): Promise<Block> {
    this.#lines = [];
    this.#child.stdin!.write(`${command}\n`);
    await waitFor(command, (count * spacingUs) / 1000 + 15_000, () => {
      if (this.#ended) throw new Error('the stopwatch has ended');
      return this.#lines.at(-1)?.startsWith('done') === true;
    }, 5);
    const latencies = this.#lines.filter((line) => line.startsWith('claim')).map((line) => Number(line.split(' ')[2]) / 1000);
    const [, missing, total] = this.#lines.at(-1)!.split(' ').map(Number);
    return { latencies: latencies.filter((us) => us >= 0), missing: missing!, total: total! / 1000 };
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

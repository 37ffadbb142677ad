import { readKey } from '../../bgp/io/tcp-auth.ts';
import type { Config } from '../../config/config.ts';
import { readKernelFacts } from '../../forward/io/facts.ts';
import { openFib, type Fib } from '../../forward/io/fib.ts';
import { openJanitor, type Janitor } from '../../forward/io/janitor.ts';
import { openKernel, type Kernel } from '../../forward/io/kernel.ts';
import { openMesh, type Mesh } from '../../forward/io/mesh.ts';
import { meshPort } from '../../forward/mesh.ts';
import { ip, type IpAddress } from '../../net/ip.ts';
import { coverageFindings, undeliverable } from '../coverage.ts';
import type { DeliveryAnswer, DeliveryQuestion } from '../delivery-contract.ts';
import { parseRewrites } from '../doctor/source-rewriting.ts';
import { isForwarding } from '../forwarding.ts';
import { readFirewall } from '../io/firewall.ts';
import type { Log } from '../log.ts';
import type { Input, Output, World } from '../world.ts';

/** The kernel takes some 50 µs for a question. */
const questionsAtOnce = 16;
const questionsAtMost = 4096;
/** A longer list of rules is not read: that would take the loop too long. */
const rulesetOctets = 1024 * 1024;
const firewallEveryMs = 300_000;

export interface DataPlaneOptions {
  /** Nothing is written and nobody told. */
  readonly dryRun: boolean;
  readonly pump: (input: Input) => void;
  readonly log: Log;
  readonly warn: (text: string) => void;
}

/** What the node's own kernel and the other speakers are told; each part open only where it is configured. */
export class DataPlane {
  private readonly options: DataPlaneOptions;
  private kernel: Kernel | undefined;
  private fib: Fib | undefined;
  private mesh: Mesh | undefined;
  private janitor: Janitor | undefined;
  /** `stragglers.ceiling` as it is configured now. */
  private ceilingMs = 0;
  private toldSoon = false;
  private firewall: NodeJS.Timeout | undefined;
  private readonly questions: DeliveryQuestion[] = [];
  /** Where the sessions say that other speakers reach this one. */
  private readonly reachedAt = new Set<IpAddress>();

  constructor(options: DataPlaneOptions) {
    this.options = options;
  }

  /** Whoever outlives this process is there before anything is written that must not. @returns when it is alone with the tables */
  async keepJanitor({ stragglers: { enabled, ceilingMs } }: Config): Promise<void> {
    if (this.options.dryRun) return;
    this.ceilingMs = ceilingMs;
    if (!enabled) {
      this.janitor?.close();
      this.janitor = undefined;
    } else if (this.janitor === undefined) {
      this.janitor = openJanitor(ceilingMs, (text) => this.options.warn(text));
      await this.janitor.ready;
    } else this.janitor.within(ceilingMs);
  }

  keepKernel({ kernel: { routes, refreshNeighbors }, stragglers }: Config): void {
    if (this.kernel !== undefined || this.options.dryRun || (routes === 'off' && !refreshNeighbors && !stragglers.enabled)) return;
    this.kernel = openKernel((text) => this.options.log.child({ room: 'forward' }).write('warn', 'kernel.problem', { text }), stragglers);
  }

  /** Anew, as it is configured now. Without its key a node tells nothing and believes nothing. */
  keepMesh({ stragglers: { enabled, listen, key } }: Config): void {
    this.mesh?.close();
    this.mesh = undefined;
    if (!enabled || this.options.dryRun || key === undefined) return;
    try {
      this.mesh = openMesh({
        key: readKey(key), port: listen?.port ?? meshPort,
        onMessage: (message) => this.options.pump({ type: 'mesh', message }), onError: this.options.warn,
      });
      const everywhere = listen?.address === '0.0.0.0' || listen?.address === '::';
      this.mesh.listenAt(listen === undefined ? [...this.reachedAt] : everywhere ? [ip('0.0.0.0'), ip('::')] : [listen.address]);
    } catch (error) {
      this.options.warn(`stragglers are not passed on: ${(error as Error).message}`);
    }
  }

  apply({ changes, refresh, leftovers }: Extract<Output, { type: 'kernel' }>): void {
    this.kernel?.apply(changes);
    if (!this.toldSoon && changes.some(({ entry }) => entry?.type === 'route' && entry.to.type === 'straggler')) this.tellJanitor();
    this.kernel?.refresh(refresh);
    if (leftovers === true) this.kernel?.removeLeftovers();
  }

  /** Many at once are one word. */
  private tellJanitor(): void {
    this.toldSoon = true;
    setImmediate(() => {
      this.toldSoon = false;
      this.janitor?.within(this.ceilingMs);
    });
  }

  tell({ endpoint, ends, listenAt, tellings }: Extract<Output, { type: 'mesh' }>): void {
    if (endpoint !== undefined) this.kernel?.prepareTunnel(endpoint);
    for (const end of ends ?? []) this.kernel?.prepareEnd(end);
    for (const address of listenAt ?? []) this.reachedAt.add(address);
    if (listenAt !== undefined) this.mesh?.listenAt(listenAt);
    for (const { text, members } of tellings) this.mesh?.tell(text, members);
  }

  /** The kernel is asked when there is time, a few at once: an answer is worth no frame. */
  askLater(asked: readonly DeliveryQuestion[]): void {
    if (this.questions.length === 0) setImmediate(() => this.ask());
    this.questions.push(...asked.slice(0, questionsAtMost - this.questions.length));
  }

  private ask(): void {
    let answers: DeliveryAnswer[] = [];
    try {
      const fib = (this.fib ??= openFib());
      answers = this.questions.splice(0, questionsAtOnce).map((question) => {
        const outgoing = fib.outgoing(question.address);
        return { ...question, neighbour: fib.knows(question.address, question.ifindex), ...(outgoing === undefined ? {} : { outgoing }) };
      });
    } catch (error) {
      this.questions.length = 0;
      this.options.warn(`the node's own table can't be asked: ${(error as Error).message}`);
      return;
    }
    this.options.pump({ type: 'delivery', answers });
    if (this.questions.length > 0) setImmediate(() => this.ask());
  }

  /** Rules that rewrite VMs' sources: at once, and now and then. Only where this process may read them at all. */
  watchFirewall(config: Config): void {
    clearInterval(this.firewall);
    this.firewall = undefined;
    if (this.kernel === undefined || !isForwarding(config)) return;
    const read = (): void => {
      void readFirewall(rulesetOctets).then((found) => {
        if ('text' in found && this.firewall !== undefined) this.options.pump({ type: 'rewrites', rules: parseRewrites(found.text) });
      });
    };
    this.firewall = setInterval(read, firewallEveryMs);
    read();
  }

  /** What the kernel refused, and what the node's own data plane leaves open, as the kernel stands now. */
  warnings(world: World): string[] {
    const problems = this.kernel?.problems() ?? [];
    try {
      this.fib ??= openFib();
      const { fib } = this;
      return [...problems, ...coverageFindings(world, readKernelFacts).map(({ text }) => text), ...undeliverable(world, (address) => fib.outgoing(address))];
    } catch (error) {
      return [...problems, `the node's own table can't be asked: ${(error as Error).message}`];
    }
  }

  /** For good: what was written into the kernel is taken out. */
  removeRoutes(): void {
    this.kernel?.close(true);
  }

  close(): void {
    clearInterval(this.firewall);
    this.firewall = undefined;
    this.questions.length = 0;
    this.kernel?.close(false);
    this.janitor?.close();
    this.janitor = undefined;
    this.fib?.close();
    this.mesh?.close();
  }
}

import { readKey } from '../../bgp/io/tcp-auth.ts';
import type { Config } from '../../config/config.ts';
import { readKernelFacts } from '../../forward/io/facts.ts';
import { openFib, type Fib } from '../../forward/io/fib.ts';
import { openKernel, type Kernel } from '../../forward/io/kernel.ts';
import { openMesh, type Mesh } from '../../forward/io/mesh.ts';
import { meshPort } from '../../forward/mesh.ts';
import { ip, type IpAddress } from '../../net/ip.ts';
import { coverageFindings, undeliverable } from '../coverage.ts';
import type { Log } from '../log.ts';
import type { Input, Output, World } from '../world.ts';

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
  /** Where the sessions say that other speakers reach this one. */
  private readonly reachedAt = new Set<IpAddress>();

  constructor(options: DataPlaneOptions) {
    this.options = options;
  }

  keepKernel({ kernel: { routes, refreshNeighbors }, stragglers }: Config): void {
    if (this.kernel !== undefined || this.options.dryRun || (routes === 'off' && !refreshNeighbors && !stragglers.enabled)) return;
    this.kernel = openKernel((text) => this.options.log.child({ room: 'forward' }).write('warn', 'kernel.problem', { text }), stragglers.mode);
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
    this.kernel?.refresh(refresh);
    if (leftovers === true) this.kernel?.removeLeftovers();
  }

  tell({ endpoint, ends, listenAt, tellings }: Extract<Output, { type: 'mesh' }>): void {
    if (endpoint !== undefined) this.kernel?.prepareTunnel(endpoint);
    for (const end of ends ?? []) this.kernel?.prepareEnd(end);
    for (const address of listenAt ?? []) this.reachedAt.add(address);
    if (listenAt !== undefined) this.mesh?.listenAt(listenAt);
    for (const { text, members } of tellings) this.mesh?.tell(text, members);
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
    this.kernel?.close(false);
    this.fib?.close();
    this.mesh?.close();
  }
}

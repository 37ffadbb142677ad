import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asn } from './addresses.ts';
import type { Namespaces } from './namespaces.ts';
import { Daemon, scriptCommand, waitFor } from './processes.ts';
import type { Tor, TorPlan, TorRoute } from './tor.ts';

/** The minimal router of this project (`router.ts`): needs no package and no root. */
export class EmbeddedTor implements Tor {
  readonly kind = 'embedded';
  readonly namespace: string;
  readonly #namespaces: Namespaces;
  readonly #folder: string;
  readonly #plan: TorPlan;
  #router: Daemon | undefined;

  constructor(namespaces: Namespaces, plan: TorPlan, folder: string) {
    this.namespace = plan.namespace;
    this.#namespaces = namespaces;
    this.#folder = folder;
    this.#plan = plan;
  }

  async start(): Promise<void> {
    const plan = this.#plan;
    const file = join(this.#folder, 'router.json');
    writeFileSync(file, JSON.stringify({
      asn: plan.asn,
      routerId: plan.routerId,
      listen: plan.neighbors.map((neighbor) => neighbor.localAddress),
      port: 179,
      peers: plan.neighbors.map((neighbor) => ({ name: `node-${neighbor.node}`, address: neighbor.address, asn: asn.nodes })),
      reflector: plan.peering.type === 'ibgp',
      installRoutes: true,
    }, null, 2));
    this.#router = new Daemon(`${this.namespace}/router`, this.#namespaces.exec(this.namespace, [...scriptCommand('router-main'), '--config', file]), {
      log: join(this.#folder, 'router.log'),
    });
    await waitFor('embedded router listens', 10_000, () => this.#router?.alive);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#router?.stop(signal);
  }

  established(): Promise<string[]> {
    return Promise.resolve([]);
  }

  routes(): Promise<TorRoute[]> {
    return Promise.resolve([]);
  }

  updatesReceived(): Promise<number> {
    return Promise.resolve(0);
  }
}

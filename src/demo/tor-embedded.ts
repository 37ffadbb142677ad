import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asn } from './addresses.ts';
import type { Namespaces } from './namespaces.ts';
import { Daemon, scriptCommand, waitFor } from './processes.ts';
import type { RouterEvent } from './router.ts';
import type { Tor, TorPlan, TorRoute } from './tor.ts';

/** The minimal router of this project (`router.ts`): needs no package and no root. It has no MD5. What it holds it tells as it changes. */
export class EmbeddedTor implements Tor {
  readonly kind = 'embedded';
  readonly namespace: string;
  readonly #namespaces: Namespaces;
  readonly #folder: string;
  readonly #plan: TorPlan;
  #router: Daemon | undefined;
  #listening = false;
  #up = new Set<string>();
  #updates = new Map<string, number>();
  /** peer and prefix → its route. */
  #routes = new Map<string, TorRoute & { readonly peer: string }>();
  #best = new Map<string, string>();

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
    this.#listening = false;
    for (const state of [this.#up, this.#updates, this.#routes, this.#best]) state.clear();
    const router = new Daemon(`${this.namespace}/router`, this.#namespaces.exec(this.namespace, [...scriptCommand('router-main'), '--config', file]), {
      log: join(this.#folder, 'router.log'),
      onLine: (line) => {
        if (line.startsWith('{') && this.#router === router) this.#heard(JSON.parse(line) as RouterEvent);
      },
    });
    this.#router = router;
    await waitFor('the embedded router listens', 15_000, () => {
      if (!router.alive) throw new Error(`the embedded router has ended: ${router.tail}`);
      return this.#listening;
    }, 10);
  }

  #heard(event: RouterEvent): void {
    switch (event.event) {
      case 'listening':
        this.#listening = true;
        break;
      case 'session':
        if (event.state === 'up') this.#up.add(event.address);
        else this.#up.delete(event.address);
        break;
      case 'update':
        this.#updates.set(event.peer, event.received);
        break;
      case 'route': {
        const { peer, prefix, nextHop, localPref, med } = event;
        if (nextHop === null) this.#routes.delete(`${peer} ${prefix}`);
        else this.#routes.set(`${peer} ${prefix}`, { peer, prefix, nextHop, best: false, ...(localPref === undefined ? {} : { localPref }), ...(med === undefined ? {} : { med }) });
        break;
      }
      case 'best':
        if (event.peer === null) this.#best.delete(event.prefix);
        else this.#best.set(event.prefix, event.peer);
        break;
      case 'problem':
        break;
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#router?.stop(signal);
    this.#up.clear();
  }

  established(): Promise<string[]> {
    return Promise.resolve([...this.#up]);
  }

  routes(): Promise<TorRoute[]> {
    return Promise.resolve([...this.#routes.values()].map(({ peer, ...route }) => ({ ...route, best: this.#best.get(route.prefix) === peer })));
  }

  updatesReceived(from?: string): Promise<number> {
    const named = this.#plan.neighbors.filter((neighbor) => from === undefined || neighbor.address === from);
    return Promise.resolve(named.reduce((sum, neighbor) => sum + (this.#updates.get(`node-${neighbor.node}`) ?? 0), 0));
  }
}

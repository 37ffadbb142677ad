import { demoVm } from './addresses.ts';
import type { ClientCommand, ClientEvent, StreamReport } from './client.ts';
import type { ProbeSample } from './gaps.ts';
import type { Namespaces } from './namespaces.ts';
import { waitFor } from './processes.ts';
import { Script } from './script.ts';

/** The client behind the router: its TCP connections to the first VM, and its probes of it. */
export class Visitor {
  readonly #script: Script<ClientCommand>;
  readonly #connected = new Set<string>();
  /** Probes that can't run on this machine, and why. */
  readonly unavailable: string[] = [];

  constructor(namespaces: Namespaces) {
    this.#script = new Script(namespaces, 'client', 'client', (event) => this.#heard(event as ClientEvent));
  }

  #heard(event: ClientEvent): void {
    if (event.event === 'connected') this.#connected.add(event.name);
    if (event.event === 'unavailable') this.unavailable.push(`${event.name}: ${event.text}`);
  }

  started(): Promise<void> {
    return this.#script.started();
  }

  /** Opens a TCP connection for each family and waits until both stand. */
  async connect(): Promise<void> {
    const vm = demoVm(1);
    this.#script.tell({ type: 'connect', name: 'tcp-ipv4', address: vm.ipv4 });
    this.#script.tell({ type: 'connect', name: 'tcp-ipv6', address: vm.ipv6 });
    await waitFor('TCP connections from the client to the VM', 15_000, () => this.#connected.size === 2);
  }

  /** Starts the probes of both families, by each of `kinds`. */
  startProbes(everyMs = 1, kinds: readonly ('udp' | 'icmp')[] = ['udp', 'icmp']): void {
    const vm = demoVm(1);
    for (const by of kinds) {
      this.#script.tell({ type: 'probe', name: `${by}-ipv4`, by, address: vm.ipv4, everyMs });
      this.#script.tell({ type: 'probe', name: `${by}-ipv6`, by, address: vm.ipv6, everyMs });
    }
  }

  /** What each probe saw of the packets sent in [from, to]. */
  async samples(from: number, to: number): Promise<Record<string, ProbeSample[]>> {
    return (await this.#script.ask<ClientEvent & { event: 'samples' }>({ type: 'samples', from, to })).probes;
  }

  /** How the TCP connections are. */
  async streams(): Promise<StreamReport[]> {
    return (await this.#script.ask<ClientEvent & { event: 'streams' }>({ type: 'streams' })).streams;
  }
}

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asn } from './addresses.ts';
import type { Namespaces } from './namespaces.ts';
import { Daemon, findProgram, run, waitFor } from './processes.ts';
import type { Tor, TorPlan, TorRoute } from './tor.ts';

/**
 * The configuration of BIRD 2 for a ToR. `merge paths` is on, so that two equal routes would show as a multipath route. Left to itself
 * BIRD refuses a neighbour for a minute after its hold timer has expired (`error wait time`).
 */
export function birdConfig(plan: TorPlan): string {
  const { peering } = plan;
  const ebgp = peering.type === 'ebgp';
  const channel = (family: 'ipv4' | 'ipv6', own: string): string => `  ${family} {
    import ${ebgp ? 'filter nodes_in' : 'all'};
    export where source = RTS_BGP;
    gateway direct;${ebgp ? `
    next hop address ${own};` : ''}
  };`;
  const neighbors = plan.neighbors.map((neighbor) => `
protocol bgp node_${neighbor.node} {
  local ${neighbor.localAddress} as ${plan.asn};
  neighbor ${neighbor.address} as ${asn.nodes};
  direct;
  passive on;
  hold time 9;
  keepalive time 3;
  error wait time 1, 2;${ebgp ? '' : `
  rr client;`}${peering.password === undefined ? '' : `
  password "${peering.password}";`}
${channel('ipv4', neighbor.localAddress)}
${channel('ipv6', neighbor.localAddress6)}
}
`).join('');
  return `router id ${plan.routerId};
log stderr all;
protocol device { scan time 5; }
protocol kernel kernel4 { merge paths on; scan time 20; ipv4 { import none; export where source = RTS_BGP; }; }
protocol kernel kernel6 { merge paths on; scan time 20; ipv6 { import none; export where source = RTS_BGP; }; }
filter nodes_in {
  if (${asn.nodes}, 200) ~ bgp_community then bgp_local_pref = 200;
  else if (${asn.nodes}, 100) ~ bgp_community then bgp_local_pref = 100;
  else if (${asn.nodes}, 50) ~ bgp_community then bgp_local_pref = 50;
  accept;
}
${neighbors}`;
}

/** BIRD in the namespace, with a control socket of its own. */
export class BirdTor implements Tor {
  readonly kind = 'bird';
  readonly namespace: string;
  readonly #namespaces: Namespaces;
  readonly #folder: string;
  readonly #config: string;
  #bird: Daemon | undefined;

  constructor(namespaces: Namespaces, plan: TorPlan, folder: string, config = birdConfig(plan)) {
    this.namespace = plan.namespace;
    this.#namespaces = namespaces;
    this.#folder = folder;
    this.#config = config;
  }

  get #socket(): string {
    return join(this.#folder, 'bird.ctl');
  }

  async start(): Promise<void> {
    const file = join(this.#folder, 'bird.conf');
    writeFileSync(file, this.#config);
    const command = [findProgram('bird') ?? 'bird', '-f', '-c', file, '-s', this.#socket, '-P', join(this.#folder, 'bird.pid')];
    this.#bird = new Daemon(`${this.namespace}/bird`, this.#namespaces.exec(this.namespace, command), { log: join(this.#folder, 'bird.log') });
    await waitFor('bird answers', 10_000, async () => {
      if (this.#bird?.alive === false) throw new Error(`bird ended: ${this.#bird.tail}`);
      return (await this.#birdc('show status')).includes('up and running');
    });
  }

  async #birdc(command: string): Promise<string> {
    return (await run([findProgram('birdc') ?? 'birdc', '-s', this.#socket, ...command.split(' ')])).stdout;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#bird?.stop(signal);
  }

  /** Sends it a signal that need not end it, such as SIGSTOP. */
  signal(signal: NodeJS.Signals): void {
    this.#bird?.signal(signal);
  }

  async established(): Promise<string[]> {
    const text = await this.#birdc('show protocols all');
    return text.split(/\n(?=\S)/).flatMap((block) => {
      if (!/BGP state:\s+Established/.test(block)) return [];
      return [/Neighbor address:\s+(\S+)/.exec(block)?.[1] ?? ''];
    });
  }

  async updatesReceived(from?: string): Promise<number> {
    const blocks = (await this.#birdc('show protocols all')).split(/\n(?=\S)/).filter((block) => from === undefined || /Neighbor address:\s+(\S+)/.exec(block)?.[1] === from);
    return [...blocks.join('\n').matchAll(/Import (?:updates|withdraws):\s+(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0);
  }

  async routes(): Promise<TorRoute[]> {
    return parseBirdRoutes(await this.#birdc('show route all'));
  }
}

/** Reads `show route all`: a line without a prefix of its own belongs to the prefix above it. */
export function parseBirdRoutes(text: string): TorRoute[] {
  const routes: { prefix: string; nextHop: string; best: boolean; localPref?: number; med?: number }[] = [];
  let prefix = '';
  for (const line of text.split('\n')) {
    const head = /^(\S+\/\d+)?\s+(?:unicast|unreachable) \[\S+ [^\]]*\] (\*)?/.exec(line);
    const route = routes.at(-1);
    if (head !== null) {
      prefix = head[1] ?? prefix;
      routes.push({ prefix, nextHop: '', best: head[2] === '*' });
    } else if (route !== undefined) {
      const [, key, value] = /^\s+BGP\.(next_hop|local_pref|med): (\S+)/.exec(line) ?? [];
      if (key === 'next_hop') route.nextHop = value as string;
      if (key === 'local_pref') route.localPref = Number(value);
      if (key === 'med') route.med = Number(value);
    }
  }
  return routes;
}

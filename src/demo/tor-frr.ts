import { chownSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asn } from './addresses.ts';
import type { Namespaces } from './namespaces.ts';
import { Daemon, findProgram, run, waitFor } from './processes.ts';
import type { Tor, TorPlan, TorRoute } from './tor.ts';

/**
 * The configuration of bgpd for a ToR. Route-maps come before `router bgp`: FRR (8.4) denies everything for its first seconds when
 * a neighbour names one that is defined further down.
 */
export function frrConfig(plan: TorPlan): string {
  const { peering } = plan;
  const ebgp = peering.type === 'ebgp';
  const perNeighbor = plan.neighbors.map((neighbor) => `
 neighbor ${neighbor.address} remote-as ${asn.nodes}
 neighbor ${neighbor.address} description node-${neighbor.node}
 neighbor ${neighbor.address} passive
 neighbor ${neighbor.address} advertisement-interval 0${peering.password === undefined ? '' : `
 neighbor ${neighbor.address} password ${peering.password}`}`).join('');
  const family = (name: string): string => `
 address-family ${name} unicast${plan.neighbors.map(({ address }) => `
  neighbor ${address} activate
  neighbor ${address} send-community both
  neighbor ${address} ${ebgp ? 'route-map nodes-in in' : 'route-reflector-client'}`).join('')}
 exit-address-family`;
  return `frr version 8.4
frr defaults traditional
hostname ${plan.namespace}
!
${ebgp ? levels.map(([name, localPref]) => `bgp community-list standard ${name} seq 5 permit ${asn.nodes}:${localPref}\n`).join('') : ''}!
${ebgp ? levels.map(([name, localPref], i) => `route-map nodes-in permit ${(i + 1) * 10}
 match community ${name}
 set local-preference ${localPref}
`).join('') + 'route-map nodes-in permit 100\n' : ''}!
router bgp ${plan.asn}
 bgp router-id ${plan.routerId}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 timers bgp 3 9${perNeighbor}${family('ipv4')}${family('ipv6')}
!
`;
}

/** The levels of profile `window`: community 65010:n means LOCAL_PREF n. */
const levels = [['elevated', 200], ['normal', 100], ['leaving', 50]] as const;

interface FrrPath {
  readonly bestpath?: boolean;
  readonly locPrf?: number;
  readonly metric?: number;
  readonly nexthops?: readonly { readonly ip: string; readonly afi: string; readonly scope?: string; readonly used?: boolean }[];
}

/** FRR's zebra and bgpd, run straight in the namespace with folders of their own, beside whatever FRR the host may run. */
export class FrrTor implements Tor {
  readonly kind = 'frr';
  readonly namespace: string;
  readonly #namespaces: Namespaces;
  readonly #folder: string;
  readonly #config: string;
  #zebra: Daemon | undefined;
  #bgpd: Daemon | undefined;

  constructor(namespaces: Namespaces, plan: TorPlan, folder: string, config = frrConfig(plan)) {
    this.namespace = plan.namespace;
    this.#namespaces = namespaces;
    this.#folder = folder;
    this.#config = config;
  }

  async start(): Promise<void> {
    const file = (name: string): string => join(this.#folder, name);
    writeFileSync(file('bgpd.conf'), this.#config);
    writeFileSync(file('zebra.conf'), `hostname ${this.namespace}\n`);
    for (const path of [this.#folder, file('bgpd.conf'), file('zebra.conf')]) chownToFrr(path);
    if (this.#zebra?.alive !== true) {
      // Left to itself zebra 8.4 changes an IPv6 route by taking it away and adding it anew: some 50 µs without one, more where it is preempted.
      this.#zebra = this.#daemon('zebra', ['--v6-rr-semantics']);
      await waitFor('zebra answers', 10_000, () => this.#vtysh('show version', 'zebra').then((done) => done.status === 0));
    }
    this.#bgpd = this.#daemon('bgpd', []);
    await waitFor('bgpd answers', 10_000, async () => {
      if (this.#bgpd?.alive === false) throw new Error(`bgpd ended: ${this.#bgpd.tail}`);
      return (await this.#vtysh('show bgp summary', 'bgpd')).status === 0;
    });
  }

  #daemon(name: string, more: readonly string[]): Daemon {
    const file = (suffix: string): string => join(this.#folder, suffix);
    const program = findProgram(name) ?? name;
    const command = [program, '-f', file(`${name}.conf`), '-i', file(`${name}.pid`), '-z', file('zserv.api'), '--vty_socket', this.#folder, '--log', `file:${file(`${name}.log`)}`, '-P', '0', ...more];
    return new Daemon(`${this.namespace}/${name}`, this.#namespaces.exec(this.namespace, command), { log: file(`${name}.out`) });
  }

  #vtysh(command: string, daemon = 'bgpd'): ReturnType<typeof run> {
    return run(['vtysh', '--vty_socket', this.#folder, '-d', daemon, '-c', command]);
  }

  /** bgpd alone for SIGKILL (zebra and its routes stay, as after a crash of bgpd), else both. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#bgpd?.stop(signal);
    if (signal !== 'SIGKILL') await this.#zebra?.stop(signal);
  }

  async established(): Promise<string[]> {
    const done = await this.#vtysh('show bgp ipv4 unicast summary json');
    const peers = (parse(done.stdout) as { peers?: Record<string, { state: string }> }).peers ?? {};
    return Object.entries(peers).flatMap(([address, peer]) => (peer.state === 'Established' ? [address] : []));
  }

  async updatesReceived(from?: string): Promise<number> {
    const neighbors = parse((await this.#vtysh('show bgp neighbors json')).stdout) as Record<string, { messageStats?: { updatesRecv: number } }>;
    return Object.entries(neighbors).reduce((sum, [address, neighbor]) => (from === undefined || from === address ? sum + (neighbor.messageStats?.updatesRecv ?? 0) : sum), 0);
  }

  async routes(): Promise<TorRoute[]> {
    const both = await Promise.all(['ipv4', 'ipv6'].map((family) => this.#vtysh(`show bgp ${family} unicast json`)));
    return both.flatMap((done) => {
      const routes = (parse(done.stdout) as { routes?: Record<string, FrrPath[]> }).routes ?? {};
      return Object.entries(routes).flatMap(([prefix, paths]) => paths.map((path): TorRoute => ({
        prefix,
        nextHop: path.nexthops?.find((hop) => hop.scope !== 'link-local')?.ip ?? '',
        best: path.bestpath === true,
        ...(path.locPrf === undefined ? {} : { localPref: path.locPrf }),
        ...(path.metric === undefined ? {} : { med: path.metric }),
      })));
    });
  }
}

function parse(text: string): unknown {
  return text.trim() === '' ? {} : JSON.parse(text);
}

/** FRR gives up root for its own user, which then must be able to write here. */
export function chownToFrr(path: string): void {
  const line = readFileSync('/etc/passwd', 'utf8').split('\n').find((entry) => entry.startsWith('frr:'));
  if (line === undefined) return;
  const [, , uid, gid] = line.split(':');
  chownSync(path, Number(uid), Number(gid));
}

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { families, type Family } from '../../net/ip.ts';
import type { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, findProgram, run, waitFor } from '../../src/demo/processes.ts';
import { BirdTor } from '../../src/demo/tor-bird.ts';
import { FrrTor } from '../../src/demo/tor-frr.ts';
import type { TorPlan } from '../../src/demo/tor.ts';

export type RouterKind = 'frr' | 'bird' | 'gobgp';

/** How the router is told to speak to one neighbor. */
export interface Neighbor {
  readonly address: string;
  readonly localAddress: string;
  readonly asn: number;
  /** It waits for us to connect. */
  readonly passive: boolean;
  readonly md5?: string;
  readonly ttlSecurity: boolean;
  readonly multihop?: number;
  /** Where a link-local address is; IPv4 routes then have IPv6 next hops (RFC 8950). */
  readonly interface?: string;
  /** Default: see {@link familiesOf}. */
  readonly families?: readonly Family[];
}

/** A router that a test can ask, whatever program it is. */
export interface Router {
  start(): Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<void>;
  established(): Promise<string[]>;
  /** The prefixes that it has from BGP. */
  prefixes(): Promise<string[]>;
}

/** GoBGP sends IPv4 routes with an IPv6 next hop over IPv6 without being asked (RFC 8950), so there it gets one family per session. */
export const familiesOf = (kind: RouterKind, address: string): readonly Family[] => (kind !== 'gobgp' ? families : address.includes(':') ? ['ipv6-unicast'] : ['ipv4-unicast']);

export const routerAsn = 65001;
const routerId = '192.0.2.1';

function frrConfig(neighbors: readonly Neighbor[]): string {
  const lines = neighbors.flatMap(({ address, localAddress, asn, passive, md5, ttlSecurity, multihop, interface: link }) => [
    `neighbor ${address} remote-as ${asn}`,
    ...(link === undefined ? [`neighbor ${address} update-source ${localAddress}`] : [`neighbor ${address} interface ${link}`, `neighbor ${address} capability extended-nexthop`]), `neighbor ${address} timers connect 1`,
    ...(passive ? [`neighbor ${address} passive`] : []), ...(md5 === undefined ? [] : [`neighbor ${address} password ${md5}`]),
    ...(ttlSecurity ? [`neighbor ${address} ttl-security hops 1`] : []), ...(multihop === undefined ? [] : [`neighbor ${address} ebgp-multihop ${multihop}`]),
  ]);
  const family = (name: string): string => ` address-family ${name} unicast\n${neighbors.map(({ address }) => `  neighbor ${address} activate\n`).join('')} exit-address-family\n`;
  return `frr defaults traditional
router bgp ${routerAsn}
 bgp router-id ${routerId}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 timers bgp 3 9
${lines.map((line) => ` ${line}\n`).join('')}${family('ipv4')}${family('ipv6')}!
`;
}

function birdConfig(neighbors: readonly Neighbor[]): string {
  const protocols = neighbors.map(({ address, localAddress, asn, passive, md5, ttlSecurity, multihop, interface: link }, i) => `
protocol bgp n${i} {
  local ${localAddress} as ${routerAsn};
  neighbor ${address}${link === undefined ? '' : `%${link}`} as ${asn};
  ${multihop === undefined ? 'direct' : `multihop ${multihop}`};
  passive ${passive ? 'on' : 'off'};
  ttl security ${ttlSecurity ? 'on' : 'off'};
  hold time 9; keepalive time 3; connect delay time 1; connect retry time 2; error wait time 1, 2;${md5 === undefined ? '' : `
  password "${md5}";`}
  ipv4 { import all; export none;${link === undefined ? '' : ' extended next hop on;'} };
  ipv6 { import all; export none; };
}`);
  return `router id ${routerId};\nlog stderr all;\nprotocol device { }\n${protocols.join('\n')}\n`;
}

function gobgpConfig(neighbors: readonly Neighbor[]): string {
  const blocks = neighbors.map(({ address, localAddress, asn, passive, md5, ttlSecurity, multihop, families: own }) => `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${address}"
    peer-as = ${asn}${md5 === undefined ? '' : `
    auth-password = "${md5}"`}
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
    keepalive-interval = 3
    idle-hold-time-after-reset = 1
  [neighbors.transport.config]
    local-address = "${localAddress}"
    passive-mode = ${passive}${ttlSecurity ? `
  [neighbors.ttl-security.config]
    enabled = true
    ttl-min = 255` : ''}${multihop === undefined ? '' : `
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = ${multihop}`}${(own ?? familiesOf('gobgp', address)).map((family) => `
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "${family}"`).join('')}
`);
  return `[global.config]\n  as = ${routerAsn}\n  router-id = "${routerId}"\n${blocks.join('')}`;
}

class FrrRouter extends FrrTor implements Router {
  async prefixes(): Promise<string[]> {
    return (await this.routes()).map(({ prefix }) => prefix);
  }
}

class BirdRouter extends BirdTor implements Router {
  async prefixes(): Promise<string[]> {
    return (await this.routes()).map(({ prefix }) => prefix);
  }
}

class GobgpRouter implements Router {
  readonly #namespaces: Namespaces;
  readonly #namespace: string;
  readonly #folder: string;
  readonly #config: string;
  #daemon: Daemon | undefined;

  constructor(namespaces: Namespaces, namespace: string, folder: string, config: string) {
    this.#namespaces = namespaces;
    this.#namespace = namespace;
    this.#folder = folder;
    this.#config = config;
  }

  async start(): Promise<void> {
    const file = join(this.#folder, 'gobgpd.toml');
    writeFileSync(file, this.#config);
    const command = [findProgram('gobgpd') ?? 'gobgpd', '-f', file, '--api-hosts', '127.0.0.1:50051', '--pprof-disable'];
    this.#daemon = new Daemon('gobgpd', this.#namespaces.exec(this.#namespace, command), { log: join(this.#folder, 'gobgpd.log') });
    await waitFor('gobgpd answers', 10_000, async () => {
      if (this.#daemon?.alive === false) throw new Error(`gobgpd ended: ${this.#daemon.tail}`);
      return (await this.#ask('neighbor')).status === 0;
    });
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#daemon?.stop(signal);
  }

  #ask(...words: string[]): ReturnType<typeof run> {
    return run(this.#namespaces.exec(this.#namespace, ['gobgp', '-j', ...words]));
  }

  async established(): Promise<string[]> {
    const peers = JSON.parse((await this.#ask('neighbor')).stdout) as { state?: { neighbor_address?: string; session_state?: number } }[];
    return peers.flatMap(({ state }) => (state?.session_state === 6 ? [state.neighbor_address ?? ''] : [])); // SessionState.ESTABLISHED
  }

  async prefixes(): Promise<string[]> {
    const tables = await Promise.all(['ipv4', 'ipv6'].map((family) => this.#ask('global', 'rib', '-a', family)));
    return tables.flatMap(({ stdout }) => (stdout.trim() === '' ? [] : Object.keys(JSON.parse(stdout) as object)));
  }
}

/** A router, not started yet, in a namespace that is there. */
export function createRouter(kind: RouterKind, namespaces: Namespaces, namespace: string, folder: string, neighbors: readonly Neighbor[]): Router {
  const plan: TorPlan = { namespace, routerId, asn: routerAsn, peering: { type: 'ibgp' }, neighbors: [] };
  if (kind === 'frr') return new FrrRouter(namespaces, plan, folder, frrConfig(neighbors));
  if (kind === 'bird') return new BirdRouter(namespaces, plan, folder, birdConfig(neighbors));
  return new GobgpRouter(namespaces, namespace, folder, gobgpConfig(neighbors));
}

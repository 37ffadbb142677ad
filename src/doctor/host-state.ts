import type { BridgeState } from '../../bridge/fdb.ts';
import type { Prefix } from '../../net/ip.ts';
import type { Now } from '../../net/time.ts';
import type { CapabilitySets } from '../capability-sets.ts';
import type { RulePlace } from './firewall-rules.ts';

/** What `src/io/host-checks.ts` reads of a host; what could not be read is left out. */
export interface HostState {
  readonly capabilities?: CapabilitySets;
  /** Links, forwarding tables and own addresses of this network namespace. */
  readonly bridges?: BridgeState;
  /** Interfaces on top of each watched bridge (`br-vlan.100`), the bridge itself first. */
  readonly layer3: ReadonlyMap<string, readonly string[]>;
  /** `/proc/sys` without that beginning: `net/ipv4/conf/all/rp_filter` → 0. */
  readonly settings: ReadonlyMap<string, number>;
  /** Watched bridges whose MAC somebody has set (NET_ADDR_SET); one that is in neither set could not be asked. */
  readonly fixedMac: ReadonlySet<string>;
  readonly drawnMac: ReadonlySet<string>;
  /** The node's own addresses with the length of their prefix, by interface. */
  readonly addresses: readonly { readonly interface: string; readonly address: string; readonly cidr: string }[];
  /** Whether a rule of the firewall drops the ICMP errors that this node would send for a host it can't reach; undefined: not readable. */
  readonly dropsUnreachable?: { readonly ipv4: boolean; readonly ipv6: boolean };
  readonly clock: Pick<Now, 'wallTrusted' | 'wallSynchronised'>;
  /** Names of BGP daemons that run. */
  readonly speakers: readonly string[];
  readonly connections?: readonly TcpConnection[];
  /** Rules that rewrite source addresses; or why they could not be read. */
  readonly rewrites: readonly AddressRewrite[] | { readonly unread: string };
  /** Why the native module can't be used, where it can't. */
  readonly nativeProblem?: string;
  /** Peers and ranges whose TCP-AO this kernel does not have; or why that could not be tried. */
  readonly unsignable?: readonly { readonly name: string; readonly why: string }[] | { readonly untried: string };
  /** Whether this process may write where the daemon would keep its state. */
  readonly stateFile: { readonly path: string; readonly problem?: string };
}

/** A rule that rewrites source addresses, as nft or iptables-save print it. */
export interface AddressRewrite {
  readonly text: string;
  /** Which sources it is for; undefined: it does not say, or by a set that is not read. */
  readonly sources?: readonly Prefix[];
  /** For all sources but those. */
  readonly negated: boolean;
  /** Sources that leave its chain before they come to it. */
  readonly except?: readonly Prefix[];
  readonly place?: RulePlace;
}

export interface TcpConnection {
  readonly state: 'established' | 'listen';
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** The name that sysctl takes for a setting of an interface: a dot in the interface's name is told from those between. */
export function sysctlName(family: 'ipv4' | 'ipv6', interfaceName: string, name: string): string {
  return `net.${family}.conf.${interfaceName.replaceAll('.', '/')}.${name}`;
}

/** The stronger of a setting for all interfaces and one interface's own, as the kernel combines most of them; undefined if neither was read. */
export function strongest(host: HostState, family: 'ipv4' | 'ipv6', interfaceName: string, name: string): number | undefined {
  const values = ['all', interfaceName].map((of) => host.settings.get(`net/${family}/conf/${of}/${name}`)).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : Math.max(...values);
}

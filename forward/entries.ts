import { hostPrefix, type IpAddress, type Prefix } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';

/**
 * One thing that the kernel is to have. All bear {@link ownProtocol}, so that what a dead speaker left is known as ours, and what somebody
 * else made is never taken for ours.
 */
export type KernelEntry = HostRoute | InnerRoute | NoReturn | Neighbour | Proxy;

/** A /32 or /128 in the main table. */
export interface HostRoute {
  readonly type: 'route';
  readonly prefix: Prefix;
  readonly to: RouteTarget;
}

/**
 * A /32 or /128 in the table for what comes out of the tunnel, and for nothing else: the VM has not run here yet, so everybody else goes
 * on sending where it runs, and what its old node sends on must not go back there.
 */
export interface InnerRoute {
  readonly type: 'inner';
  readonly prefix: Prefix;
  readonly ifindex: number;
}

/**
 * A /32 or /128 in the table for what comes from the fabric: a router whose table is late sends what is for a VM elsewhere here, and it
 * would go back and forth between the two. It is dropped instead; what VMs here and the node itself send goes on by the main table.
 */
export interface NoReturn {
  readonly type: 'noReturn';
  readonly prefix: Prefix;
  /** The interface towards it is the fabric's: a rule leads from there to the table. */
  readonly nextHop: IpAddress;
  /** Of a link-local next hop. */
  readonly ifindex?: number;
  /** Interfaces with VMs behind them, by ifindex: never the fabric's. */
  readonly inside: readonly number[];
}

export type RouteTarget =
  /** The VM is on this interface itself. */
  | { readonly type: 'link'; readonly ifindex: number }
  /** Towards a BGP next hop, which may be several hops away: the kernel's own table says by which gateway. */
  | { readonly type: 'nextHop'; readonly address: IpAddress; readonly ifindex?: number }
  /**
   * Late packets go on to the node that claims, by its own address: on the link where it is, else (or with `tunnel`) through the tunnel.
   * `source`: an address of this node that routes lead to, for what it sends itself; the gateway's is every node's, and the tunnel's is nobody's.
   */
  | { readonly type: 'straggler'; readonly endpoint: IpAddress; readonly tunnel?: true; readonly source?: IpAddress }
  /** Late packets are dropped without a word: an ICMP unreachable would end connections that silence does not. */
  | { readonly type: 'blackhole' };

/** A permanent entry of the neighbour table. */
export interface Neighbour {
  readonly type: 'neighbour';
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly mac: Mac;
}

/** The node answers ARP or Neighbor Solicitations for an address that it routes elsewhere. */
export interface Proxy {
  readonly type: 'proxy';
  readonly ifindex: number;
  /** For `proxy_ndp`, without which the kernel keeps IPv6 entries and does not heed them. */
  readonly ifname: string;
  readonly address: IpAddress;
}

/** `rtm_protocol` and NDA_PROTOCOL of all that is ours. No routing suite for Linux uses this number. */
export const ownProtocol = 179;

/** Of the routes for late packets alone: who finds them, be it a life after this one or the janitor, knows that they must not stay. */
export const stragglerProtocol = 180;

/** Metric of our routes: before those of routing suites (20 in FRR, 32 in BIRD), and not the one that `ip route add` writes. */
export const ownMetric = 10;

/** The table of {@link InnerRoute}, and the preference of the rule that leads there. */
export const innerTable = 179;

/** The table of {@link NoReturn}, and the preference of the rules that lead there. */
export const noReturnTable = 180;

/** What an entry is filed under: two entries of one id exclude each other. */
export type EntryId = string & { readonly entryId: true };

export function entryId(entry: KernelEntry): EntryId {
  return ('prefix' in entry ? `${entry.type} ${entry.prefix}` : `${entry.type} ${entry.ifindex} ${entry.address}`) as EntryId;
}

/** What the entry demands, for comparison. */
export function entryValue(entry: KernelEntry): string {
  if (entry.type === 'neighbour') return entry.mac;
  if (entry.type === 'proxy') return '';
  if (entry.type === 'inner') return `dev ${entry.ifindex}`;
  if (entry.type === 'noReturn') return `blackhole from ${entry.nextHop} ${entry.ifindex ?? ''} but ${entry.inside.join()}`;
  const { to } = entry;
  return to.type === 'blackhole' ? 'blackhole' : to.type === 'link' ? `dev ${to.ifindex}` : to.type === 'straggler' ? `straggler ${to.endpoint}${to.tunnel === true ? ' tunnel' : ''}` : `via ${to.address} ${to.ifindex ?? ''}`;
}

/** A change of what is wanted. */
export interface KernelChange {
  readonly id: EntryId;
  /** Left out: no longer wanted. */
  readonly entry?: KernelEntry;
}

/** The changes that lead from one list of wanted entries to another, what goes first. */
export function changesBetween(before: readonly KernelEntry[], after: readonly KernelEntry[]): KernelChange[] {
  const old = new Map(before.map((entry) => [entryId(entry), entryValue(entry)]));
  const added: KernelChange[] = [];
  for (const entry of after) {
    const id = entryId(entry);
    if (old.get(id) !== entryValue(entry)) added.push({ id, entry });
    old.delete(id);
  }
  return [...[...old.keys()].map((id) => ({ id })), ...added];
}

/** An entry in words. */
export function entryText(entry: KernelEntry): string {
  return entry.type === 'route' ? `route ${entry.prefix}` : entry.type === 'inner' ? `route ${entry.prefix} of table ${innerTable}` : entry.type === 'noReturn' ? `route ${entry.prefix} of table ${noReturnTable}` : entry.type === 'neighbour' ? `neighbour ${hostPrefix(entry.address)}` : `proxy entry ${hostPrefix(entry.address)}`;
}

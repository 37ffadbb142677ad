import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { FdbEntry, Link } from './ports.ts';

/** Entries kept per port; a full port learns no stranger's MAC, so that a flood of MACs costs its own port only. */
export const maxEntriesPerPort = 4096;

/** Entries kept in all: beyond it new ones are counted and not kept. */
export const maxEntries = 65_536;

/**
 * Interfaces, forwarding databases and own addresses as the kernel last described them. Readonly for everybody; only
 * `applyChange` and `takeFdbNews` write, in place, so that one change costs O(1) and no table is ever copied.
 */
export interface BridgeState {
  readonly links: ReadonlyMap<number, Link>;
  readonly byName: ReadonlyMap<string, number>;
  /** The ports of each master, by its ifindex. A master may be told of later than its ports. */
  readonly ports: ReadonlyMap<number, ReadonlySet<number>>;
  /** By MAC, then VLAN: one entry per bridge. */
  readonly fdb: ReadonlyMap<Mac, ReadonlyMap<number, readonly FdbEntry[]>>;
  /** The entries of each port, oldest first. */
  readonly entriesOf: ReadonlyMap<number, ReadonlyMap<string, FdbEntry>>;
  readonly entryCount: number;
  /** Entries not kept, or pushed out, because of the limits. */
  readonly entriesDropped: number;
  readonly ownAddresses: ReadonlyMap<IpAddress, ReadonlySet<number>>;
  /** The same, by interface. */
  readonly addressesOf: ReadonlyMap<number, ReadonlySet<IpAddress>>;
  /** While the forwarding databases are read anew. */
  readonly dump?: FdbDump | undefined;
}

/** What is known of the entries while the kernel tells all of them once more. */
export interface FdbDump {
  /** Entries that were told since it began, by it or by an event. */
  readonly told: Set<FdbEntry>;
  /** Keys of entries that an event took away since it began. Bounded. */
  readonly gone: Set<string>;
}

export interface WritableState {
  links: Map<number, Link>;
  byName: Map<string, number>;
  ports: Map<number, Set<number>>;
  fdb: Map<Mac, Map<number, FdbEntry[]>>;
  entriesOf: Map<number, Map<string, FdbEntry>>;
  entryCount: number;
  entriesDropped: number;
  ownAddresses: Map<IpAddress, Set<number>>;
  addressesOf: Map<number, Set<IpAddress>>;
  dump: FdbDump | undefined;
}

export function emptyBridgeState(): BridgeState {
  const state: WritableState = {
    links: new Map(), byName: new Map(), ports: new Map(), fdb: new Map(), entriesOf: new Map(), entryCount: 0, entriesDropped: 0,
    ownAddresses: new Map(), addressesOf: new Map(), dump: undefined,
  };
  return state;
}

/** The entry of a MAC in a VLAN, per bridge; `vlan` undefined gives those of every VLAN. */
export function entriesFor(state: Pick<BridgeState, 'fdb'>, mac: Mac, vlan: number | undefined): readonly FdbEntry[] {
  const byVlan = state.fdb.get(mac);
  if (byVlan === undefined) return none;
  return vlan === undefined ? [...byVlan.values()].flat() : (byVlan.get(vlan) ?? none);
}

const none: readonly FdbEntry[] = [];

/** True if the node itself has this address: no VM may claim it. */
export function isOwnAddress(state: BridgeState, address: IpAddress): boolean {
  return state.ownAddresses.has(address);
}

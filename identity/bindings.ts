import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import { printable } from '../net/printable.ts';
import { type RoutePair, type RoutePairs, emptyRoutePairs, routePairsOf } from './from-routes.ts';
import { type LearnedPair, type LearnedPairs, emptyLearnedPairs, forgetPair, learnedOf, ownerOf } from './learned.ts';

/** One binding as the configuration or the bindings file gives it. */
export interface BindingOptions {
  readonly vm: string;
  readonly mac: Mac;
  /** `undefined`: whatever VLAN the MAC is heard on. 0 is untagged. */
  readonly vlan?: number;
  readonly vrf: string;
  readonly ips: readonly IpAddress[];
  /** Pattern of the names of the ports behind which the MAC may be (`tap101*`). `undefined`: whatever port. */
  readonly port?: string;
  /** Default: config. */
  readonly origin?: 'config' | 'file';
}

/** Who may claim what: the bindings that were given, the pairs that were learned, and those that other nodes' routes tell of. */
export interface BindingTable {
  /** By VRF and MAC. A MAC has several where it is bound in several VLANs, or in the configuration and in the file. */
  readonly byMac: ReadonlyMap<string, readonly BindingOptions[]>;
  /** By VRF and address. */
  readonly byAddress: ReadonlyMap<string, readonly BindingOptions[]>;
  /** Changed only by the functions of `learned.ts`. */
  readonly learned: LearnedPairs;
  /** Addresses that several MACs claim in turn (VRRP), in every VRF. */
  readonly shared: ReadonlySet<IpAddress>;
  /** Changed only by the functions of `from-routes.ts`; empty unless the mode is `learn`. */
  readonly routes: RoutePairs;
}

/** A table with these bindings; what was learned before stays, unless a binding now gives its address to somebody. */
export function makeBindingTable(
  bindings: readonly BindingOptions[],
  learned: LearnedPairs = emptyLearnedPairs(),
  routes: RoutePairs = emptyRoutePairs(),
  shared: Iterable<IpAddress> = [],
): BindingTable {
  const byMac = new Map<string, BindingOptions[]>();
  const byAddress = new Map<string, BindingOptions[]>();
  for (const binding of bindings) {
    push(byMac, macKey(binding.vrf, binding.mac), binding);
    for (const address of binding.ips) {
      push(byAddress, addressKey(binding.vrf, address), binding);
      forgetPair(learned, binding.vrf, address);
    }
  }
  return { byMac, byAddress, learned, routes, shared: new Set(shared) };
}

/** What identification needs of a sighting. */
export interface Claimant {
  readonly mac: Mac;
  readonly vlan: number;
  readonly vrf: string;
  readonly address?: IpAddress;
}

export interface Identification {
  /** The addresses meant, without repetition: each is to be admitted by itself. The one that was heard comes first. */
  readonly addresses: readonly IpAddress[];
  /** True if the MAC is bound or learned in this VLAN, or a received route tells its address. */
  readonly known: boolean;
  /** The VM's name, if a binding gives one. */
  readonly vm?: string;
  /** True if an address was heard that is not (yet) this MAC's: a candidate to learn, or a stranger's claim. */
  readonly candidate: boolean;
}

/**
 * The addresses that a sighting means. A RARP names none: all that are this MAC's in this VLAN are meant. A GARP or NA names one; if it is
 * one of the MAC's, all of them move with it, else it stands alone. An address that another MAC shares moves by its own GARP only.
 */
export function identify(table: BindingTable, sighting: Claimant): Identification {
  const { vrf, mac, vlan, address } = sighting;
  const all = new Set<IpAddress>();
  let vm: string | undefined;
  let known = false;
  for (const binding of bindingsOf(table, vrf, mac, vlan)) {
    known = true;
    vm ??= binding.vm;
    for (const bound of binding.ips) all.add(bound);
  }
  for (const pair of learnedOf(table.learned, vrf, mac)) {
    if (pair.vlan !== vlan) continue;
    known = true;
    all.add(pair.address);
  }
  // A route has no VLAN: the VLAN in which the MAC is heard is taken for it, and admission sees to prefixes and bindings.
  for (const pair of inherited(table, vrf, mac)) {
    known = true;
    all.add(pair.address);
  }
  const heardIsIts = address !== undefined && all.has(address);
  const addresses: IpAddress[] = address === undefined ? [] : [address];
  if (address === undefined || heardIsIts) {
    for (const meant of all) if (meant !== address && !isShared(table, vrf, meant)) addresses.push(meant);
  }
  const base = { addresses, known, candidate: address !== undefined && !heardIsIts };
  return vm === undefined ? base : { ...base, vm };
}

/** What the routes of other nodes give a MAC: never over a binding. */
function inherited(table: BindingTable, vrf: string, mac: Mac): RoutePair[] {
  return routePairsOf(table.routes, vrf, mac).filter((pair) => holdersOf(table, vrf, pair.address).length === 0);
}

/** The bindings of a MAC that hold in this VLAN. */
export function bindingsOf(table: BindingTable, vrf: string, mac: Mac, vlan: number): readonly BindingOptions[] {
  const bindings = table.byMac.get(macKey(vrf, mac));
  if (bindings === undefined) return [];
  return bindings.filter((binding) => binding.vlan === undefined || binding.vlan === vlan);
}

/**
 * The endpoints that a MAC may be, with their addresses; `vlan` undefined: whatever VLAN it is heard in. A binding or a route without a
 * VLAN is taken for VLAN `vlan`, else for untagged.
 */
export function endpointsOf(table: BindingTable, vrf: string, mac: Mac, vlan: number | undefined): { readonly vlan: number; readonly addresses: readonly IpAddress[] }[] {
  const vlans = new Map<number, Set<IpAddress>>();
  const put = (inVlan: number, address: IpAddress): void => {
    const addresses = vlans.get(inVlan);
    if (addresses === undefined) vlans.set(inVlan, new Set([address]));
    else addresses.add(address);
  };
  for (const binding of table.byMac.get(macKey(vrf, mac)) ?? []) {
    if (vlan !== undefined && binding.vlan !== undefined && binding.vlan !== vlan) continue;
    for (const address of binding.ips) put(binding.vlan ?? vlan ?? 0, address);
  }
  for (const pair of learnedOf(table.learned, vrf, mac)) if (vlan === undefined || pair.vlan === vlan) put(pair.vlan, pair.address);
  for (const pair of inherited(table, vrf, mac)) put(vlan ?? 0, pair.address);
  return [...vlans].map(([inVlan, addresses]) => ({ vlan: inVlan, addresses: [...addresses] }));
}

/** Whose an address is by the bindings, in whatever VLAN. */
export function holdersOf(table: BindingTable, vrf: string, address: IpAddress): readonly BindingOptions[] {
  return table.byAddress.get(addressKey(vrf, address)) ?? [];
}

/** True if the configuration calls the address shared, or bindings give it to more than one MAC. */
export function isShared(table: BindingTable, vrf: string, address: IpAddress): boolean {
  if (table.shared.has(address)) return true;
  const holders = holdersOf(table, vrf, address);
  return holders.length > 1 && holders.some((holder) => holder.mac !== (holders[0] as BindingOptions).mac);
}

/** True if the MAC has a binding or a learned pair in this VLAN, or another node's route: the limit on announcements is not for such. */
export function isKnownMac(table: BindingTable, vrf: string, mac: Mac, vlan: number): boolean {
  if (bindingsOf(table, vrf, mac, vlan).length > 0) return true;
  for (const pair of learnedOf(table.learned, vrf, mac)) if (pair.vlan === vlan) return true;
  return inherited(table, vrf, mac).length > 0;
}

/** True if a binding, a learned pair or another node's route names the MAC, in whatever VLAN. */
export function isNamed(table: BindingTable, vrf: string, mac: Mac): boolean {
  return table.byMac.has(macKey(vrf, mac)) || learnedOf(table.learned, vrf, mac).length > 0 || routePairsOf(table.routes, vrf, mac).length > 0;
}

/** One line of `show bindings`. */
export interface BindingEntry {
  readonly vm?: string;
  readonly mac: Mac;
  readonly vlan?: number;
  readonly vrf: string;
  readonly ips: readonly IpAddress[];
  readonly origin: 'config' | 'file' | 'learned' | 'route';
  /** Monotonic milliseconds; learned pairs only. */
  readonly lastHeardMs?: number;
}

/** All bindings, then all learned pairs (one entry per endpoint), then what routes tell (one entry per MAC). */
export function listBindings(table: BindingTable): BindingEntry[] {
  const entries: BindingEntry[] = [];
  for (const bindings of table.byMac.values()) {
    for (const { vm, mac, vlan, vrf, ips, origin } of bindings) {
      entries.push({ vm: printable(vm), mac, ...(vlan === undefined ? {} : { vlan }), vrf, ips, origin: origin ?? 'config' });
    }
  }
  const endpoints = new Map<string, LearnedPair[]>();
  for (const pair of table.learned.pairs.values()) push(endpoints, `${pair.vlan} ${macKey(pair.vrf, pair.mac)}`, pair);
  for (const pairs of endpoints.values()) {
    const { mac, vlan, vrf } = pairs[0] as LearnedPair;
    const lastHeardMs = pairs.reduce((latest, pair) => Math.max(latest, pair.lastHeardMs), -Infinity);
    entries.push({ mac, vlan, vrf, ips: pairs.map((pair) => pair.address), origin: 'learned', lastHeardMs });
  }
  const elsewhere = new Map<string, RoutePair[]>();
  for (const pair of table.routes.pairs.values()) push(elsewhere, macKey(pair.vrf, pair.mac), pair);
  for (const pairs of elsewhere.values()) {
    const { mac, vrf } = pairs[0] as RoutePair;
    entries.push({ mac, vrf, ips: pairs.map((pair) => pair.address), origin: 'route' });
  }
  return entries;
}

/** The learned owner of an address, or `undefined`. */
export function learnedOwner(table: BindingTable, vrf: string, address: IpAddress): LearnedPair | undefined {
  return ownerOf(table.learned, vrf, address);
}

function macKey(vrf: string, mac: Mac): string {
  return `${mac} ${vrf}`;
}

function addressKey(vrf: string, address: IpAddress): string {
  return `${address} ${vrf}`;
}

function push<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

import type { BindingConfig, Config, ListenRange, PeerConfig, WatchConfig } from './config.ts';
import { reloadClassOf, type ReloadClass } from './reload-class.ts';

/** A key whose effective value differs. */
export interface KeyChange {
  /** As the YAML names it, peers and bridges by name: `bgp.peers[tor-a].timers.hold`. */
  readonly key: string;
  readonly class: ReloadClass;
  /** The peer whose key it is. */
  readonly peer?: string;
  /** Left out where there was none, or will be none. */
  readonly from?: string;
  readonly to?: string;
}

/** Where a value stands: for people, and as `reload-class.ts` names it. */
interface Place {
  readonly key: string;
  readonly pattern: string;
  readonly peer?: string;
}

const longestText = 80;

/**
 * What differs between two effective configurations, in the order of the file. Both have defaults, `${NAME}`, `overrides` and
 * `nodeSelector` behind them, so that a change of the file that changes nothing here is none.
 */
export function compareConfigs(before: Config, after: Config): KeyChange[] {
  const changes: KeyChange[] = [];
  const { bgp: { peers: oldPeers, listen: { ranges: oldRanges = [], ...oldListen }, ...oldBgp }, watch: oldWatch, identity: { bindings: oldBindings, ...oldIdentity }, ...oldRest } = before;
  const { bgp: { peers, listen: { ranges = [], ...listen }, ...bgp }, watch, identity: { bindings, ...identity }, ...rest } = after;
  compare({ ...oldBgp, listen: oldListen }, { ...bgp, listen }, { key: 'bgp', pattern: 'bgp' }, changes);
  compareRanges(oldRanges, ranges, changes);
  comparePeers(oldPeers, peers, changes);
  compareNamed(named(oldWatch), named(watch), 'watch', changes);
  compare(oldIdentity, identity, { key: 'identity', pattern: 'identity' }, changes);
  compareBindings(oldBindings, bindings, changes);
  compare(oldRest, rest, { key: '', pattern: '' }, changes);
  return changes;
}

/** The effective value knows its unit by its name; the YAML's key does not say it. */
function yamlKey(key: string, place: Place): string {
  if ((place.pattern === 'bgp.peers[]' || place.pattern === 'bgp.listen.ranges[]') && key === 'profile') return 'routes.profile';
  return key.replace(/(Ms|Seconds)$/, '');
}

function compare(before: unknown, after: unknown, place: Place, changes: KeyChange[]): void {
  if (before === after) return;
  if (isMap(before) && isMap(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const name = yamlKey(key, place);
      const under = (path: string): string => (path === '' ? name : `${path}.${name}`);
      compare(before[key], after[key], { ...place, key: under(place.key), pattern: under(place.pattern) }, changes);
    }
    return;
  }
  const [from, to] = [before, after].map((value) => (value === undefined ? undefined : JSON.stringify(value)));
  if (from !== to) changes.push(changeAt(place, from === undefined ? undefined : textOf(before), to === undefined ? undefined : textOf(after)));
}

function changeAt({ key, pattern, peer }: Place, from: string | undefined, to: string | undefined): KeyChange {
  return {
    key, class: reloadClassOf(pattern), ...(peer === undefined ? {} : { peer }), ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }),
  };
}

function comparePeers(before: readonly PeerConfig[], after: readonly PeerConfig[], changes: KeyChange[]): void {
  const old = new Map(before.map((peer) => [peer.name, peer]));
  const next = new Map(after.map((peer) => [peer.name, peer]));
  for (const name of new Set([...old.keys(), ...next.keys()])) {
    const [from, to] = [old.get(name), next.get(name)];
    const place: Place = { key: `bgp.peers[${name}]`, pattern: 'bgp.peers[]', peer: name };
    if (from === undefined || to === undefined) changes.push(changeAt(place, from && saidOfPeer(from), to && saidOfPeer(to)));
    else compare(from, to, place, changes);
  }
}

function compareRanges(before: readonly ListenRange[], after: readonly ListenRange[], changes: KeyChange[]): void {
  const [old, next] = [before, after].map((ranges) => new Map(ranges.map((range) => [range.name, range]))) as [Map<string, ListenRange>, Map<string, ListenRange>];
  for (const name of new Set([...old.keys(), ...next.keys()])) {
    const [from, to] = [old.get(name), next.get(name)];
    const place: Place = { key: `bgp.listen.ranges[${name}]`, pattern: 'bgp.listen.ranges[]' };
    if (from === undefined || to === undefined) changes.push(changeAt(place, from && `${from.prefix} AS ${from.asn}`, to && `${to.prefix} AS ${to.asn}`));
    else compare(from, to, place, changes);
  }
}

const saidOfPeer = ({ address, asn }: PeerConfig): string => `${address} AS ${asn}`;

/** A bridge may be watched twice, for different VLANs. */
function named(watches: readonly WatchConfig[]): Map<string, WatchConfig> {
  const byName = new Map<string, WatchConfig>();
  for (const watch of watches) {
    let name = watch.bridge;
    for (let n = 2; byName.has(name); n++) name = `${watch.bridge}#${n}`;
    byName.set(name, watch);
  }
  return byName;
}

function compareNamed(before: ReadonlyMap<string, WatchConfig>, after: ReadonlyMap<string, WatchConfig>, list: string, changes: KeyChange[]): void {
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    const [from, to] = [before.get(name), after.get(name)];
    const place: Place = { key: `${list}[${name}]`, pattern: `${list}[]` };
    if (from === undefined || to === undefined) changes.push(changeAt(place, from === undefined ? undefined : 'watched', to === undefined ? undefined : 'watched'));
    else compare(from, to, place, changes);
  }
}

/** There may be tens of thousands: their numbers say enough. */
function compareBindings(before: readonly BindingConfig[], after: readonly BindingConfig[], changes: KeyChange[]): void {
  const keyed = (bindings: readonly BindingConfig[]): Map<string, string> =>
    new Map(bindings.map((binding) => [`${binding.vrf} ${binding.mac} ${binding.vlan ?? '-'} ${binding.origin ?? ''}`, JSON.stringify(binding)]));
  const [old, next] = [keyed(before), keyed(after)];
  let [added, removed, changed] = [0, 0, 0];
  for (const [key, text] of next) {
    if (!old.has(key)) added += 1;
    else if (old.get(key) !== text) changed += 1;
  }
  for (const key of old.keys()) if (!next.has(key)) removed += 1;
  if (added + removed + changed === 0) return;
  const said = [[added, 'added'], [removed, 'removed'], [changed, 'changed']].filter(([count]) => count !== 0).map(([count, word]) => `${count} ${word}`).join(', ');
  changes.push(changeAt({ key: 'identity.bindings', pattern: 'identity.bindings' }, `${before.length}`, `${after.length} (${said})`));
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length <= longestText ? text : `${text.slice(0, longestText - 1)}…`;
}

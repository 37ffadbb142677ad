/**
 * How a changed key reaches a daemon that runs. `live`: at once. `routes`: by UPDATEs for what changed. `capture`: ports and VLANs are looked
 * at anew. `session`: the sessions that have it begin anew, no other. `restart`: refused until the daemon starts again.
 */
export type ReloadClass = 'live' | 'routes' | 'capture' | 'session' | 'restart';

/** The class of each key of `schema.ts`, with all keys below it that are not named themselves. `[]` stands for any element of a list. */
const classes: Readonly<Record<string, ReloadClass>> = {
  apiVersion: 'restart',
  node: 'restart',
  'node.labels': 'live', // what they select is compared, not they
  bgp: 'restart',
  'bgp.nextHop': 'routes',
  'bgp.receive': 'routes',
  'bgp.listen.ranges': 'session',
  'bgp.listen.ranges[].maxPeers': 'live',
  'bgp.listen.ranges[].maxPrefixes': 'live',
  'bgp.listen.ranges[].bindings': 'live',
  'bgp.listen.ranges[].nextHop': 'routes',
  'bgp.listen.ranges[].routes': 'routes',
  'bgp.timers': 'session',
  'bgp.gracefulRestart': 'session',
  'bgp.longLivedGracefulRestart': 'live', // from the next session that is lost on
  'bgp.peers': 'session',
  'bgp.peers[].nextHop': 'routes',
  'bgp.peers[].routes': 'routes',
  'bgp.peers[].password.credential': 'live',
  'bgp.peers[].password.file': 'live',
  'bgp.peers[].password.env': 'live',
  'bgp.peers[].tcpAo.keys': 'live',
  'bgp.peers[].bfd': 'live',
  'bgp.peers[].bindings': 'live',
  'bgp.peers[].maxPrefixes': 'live',
  watch: 'capture',
  'watch[].prefixes': 'live',
  'watch[].exclude': 'live',
  'watch[].gateway': 'live',
  routes: 'routes',
  migration: 'live',
  identity: 'live',
  gate: 'live',
  kernel: 'live',
  stragglers: 'live',
  telemetry: 'live',
  'telemetry.listen': 'restart',
  'telemetry.history.file': 'restart',
  log: 'live',
  state: 'restart',
  process: 'restart',
  kubernetes: 'restart',
  api: 'restart',
};

/** What each class does, for the documentation. */
export const reloadEffects: Readonly<Record<ReloadClass, string>> = {
  live: 'at once, sessions untouched. Claims that the new bindings and prefixes do not allow are withdrawn; what they newly allow is asked for',
  routes: 'UPDATEs for the routes that change, and for no others',
  capture: 'ports and VLANs are looked at anew; the forwarding tables that were read stay, sessions are untouched',
  session: 'that session alone begins anew (Cease, Other Configuration Change). A peer that is gone is sent withdraws first (then Cease, Peer De-configured)',
  restart: 'refused, with the name of the key; the running configuration stays as a whole',
};

/** The class that is written down for a key or the nearest key above it; `undefined` where there is none. */
export function writtenClassOf(pattern: string): ReloadClass | undefined {
  for (let key = pattern; key !== ''; key = key.replace(/(\.[^.[\]]*|\[\])$|^[^.[\]]*$/, '')) {
    if (Object.hasOwn(classes, key)) return classes[key];
  }
  return undefined;
}

/** @param pattern a key with `[]` for elements: `bgp.peers[].timers.hold`. A key that nobody thought of is refused, not half applied. */
export function reloadClassOf(pattern: string): ReloadClass {
  return writtenClassOf(pattern) ?? 'restart';
}

import type { KeyChange } from '../../config/compare.ts';
import type { Config } from '../../config/config.ts';
import { makeBindingTable } from '../../identity/bindings.ts';
import { assert } from '../../net/assert.ts';
import { deriveFrom } from '../derived.ts';
import { isForwarding } from '../forwarding.ts';
import { touch } from '../forwarding-state.ts';
import { note, type Peer, type World } from '../world.ts';
import { callersAnew } from '../callers.ts';
import { addPeer, beginFarewell, resetPeer } from './farewell.ts';
import { askGatesAnew, askNewGates, dropGroundless, searchAnew } from './ground.ts';
import { planReload, type PeerPlan } from './plan.ts';
import { compareSent, rebindAll, receiveAnew } from './routes.ts';

/**
 * From now on this is the configuration: whole, within one dispatch. What it does not change is not touched; a session is reset only where
 * the plan names it, and is named in a note first.
 */
export function applyReload(world: World, config: Config): void {
  const before = world.config;
  const plan = planReload(before, config);
  assert(plan.refused.length === 0, `a change that needs a restart: ${plan.refused[0]?.key}`);
  sayPlan(world, plan.changes, plan.peers);
  world.config = config;
  world.lastReload = { wallMs: world.now.wallMs, successful: true };
  if (plan.changes.length === 0) return;
  const touches = (...starts: string[]): boolean => plan.changes.some(({ key }) => starts.some((start) => key.startsWith(start)));
  const watched = touches('watch');
  if (watched || touches('routes')) Object.assign(world, deriveFrom(config, world.routerId));
  world.migrations.keep = config.telemetry.history.keep;
  renewPeers(world, config, plan.peers, plan.changes);
  if (touches('identity')) renewBindings(world, before);
  if (watched || touches('routes.globalAdmin', 'bgp.receive', 'telemetry.bmp')) receiveAnew(world, before);
  if (touches('identity.mode') || plan.changes.some(({ key, peer }) => peer !== undefined && key.endsWith('.bindings'))) rebindAll(world);
  if (touches('gate')) askGatesAnew(world);
  else if (watched) askNewGates(world);
  if (watched || touches('identity')) {
    dropGroundless(world);
    searchAnew(world, watched ? [] : before.identity.bindings);
  }
  compareSent(world);
  if (touches('kernel', 'watch')) forwardAnew(world);
  world.unsaved = true;
}

/** The node's data plane is planned anew. Once it was ours it stays looked after until the process ends, so that what is not wanted any more goes. */
function forwardAnew(world: World): void {
  const { forwarding } = world;
  forwarding.on ||= !world.dryRun && isForwarding(world.config);
  forwarding.gateways = '';
  for (const key of [...world.locRib.handovers.keys(), ...world.rivals.keys()]) touch(forwarding, key);
}

function renewBindings(world: World, before: Config): void {
  const { identity } = world.config;
  // In mode strict nothing that was heard makes an owner, so that it is forgotten.
  const keeps = identity.mode === 'learn' && before.identity.mode === 'learn';
  world.bindings = makeBindingTable(identity.bindings, keeps ? world.bindings.learned : undefined, keeps ? world.bindings.routes : undefined, identity.shared);
}

function renewPeers(world: World, config: Config, plans: readonly PeerPlan[], changes: readonly KeyChange[]): void {
  const planned = new Map(plans.map((plan) => [plan.name, plan.action]));
  for (const { name, action } of plans) {
    const peer = world.peers.get(name);
    if (action !== 'removed' || peer === undefined) continue;
    if (peer.farewell === undefined) beginFarewell(world, peer);
    else peer.farewell = { untilMs: peer.farewell.untilMs };
  }
  for (const next of config.bgp.peers) {
    const peer = world.peers.get(next.name);
    const action = planned.get(next.name);
    if (peer === undefined) addPeer(world, next);
    else if (peer.farewell !== undefined) peer.farewell = { ...peer.farewell, next };
    else if (action === 'replaced') beginFarewell(world, peer, next);
    else if (action === 'reset') resetPeer(world, peer, next);
    else peer.config = next;
  }
  callersAnew(world, changes);
  inOrderOf(world, config);
}

/** Peers are shown as the file has them; those that are taken leave of come last. */
function inOrderOf(world: World, config: Config): void {
  const rank = new Map(config.bgp.peers.map(({ name }, i) => [name, i]));
  const sorted: [string, Peer][] = [...world.peers].sort(([a], [b]) => (rank.get(a) ?? rank.size) - (rank.get(b) ?? rank.size));
  world.peers.clear();
  for (const [name, peer] of sorted) world.peers.set(name, peer);
}

function sayPlan(world: World, changes: readonly KeyChange[], peers: readonly PeerPlan[]): void {
  for (const { name, action, keys } of peers) {
    note(world, { level: 'warn', room: 'config', peer: name, event: 'config.session', publish: 'config', fields: { action, keys } });
  }
  note(world, { level: 'info', room: 'config', event: 'config.loaded', publish: 'config', fields: { changes: changes.length, keys: changes.slice(0, 20).map(({ key }) => key) } });
}

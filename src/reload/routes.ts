import type { RouteAttributes } from '../../bgp/route.ts';
import type { Config } from '../../config/config.ts';
import { prefixAddress } from '../../net/ip.ts';
import { addressKey } from '../../routes/loc-rib.ts';
import { stepPeer } from '../peering.ts';
import { forgetReceived, receiveChange } from '../received-routes.ts';
import { forgetStale } from '../stale-routes.ts';
import { rebind } from '../route-bindings.ts';
import { wantedRoute } from '../sent-routes.ts';
import { insidePrefixes } from '../watching.ts';
import type { Peer, World } from '../world.ts';

/**
 * The keys by which Adj-RIB-Out tells routes apart say nothing of the configuration. So after a change the contents are compared, once: a
 * route that another configuration would say in the same words is not said again.
 */
export function compareSent(world: World): void {
  for (const peer of world.peers.values()) {
    peer.noNextHop.clear();
    if (peer.session.negotiated === undefined) continue;
    const shared = new Map<string, RouteAttributes>();
    for (const [prefix, sent] of peer.adjOut.sent) {
      const wanted = wantedRoute(world, peer, prefix, shared);
      if (wanted === undefined) continue; // the difference shows it
      const same = JSON.stringify(wanted.route.attributes) === JSON.stringify(sent.route.attributes);
      peer.adjOut.sent.set(prefix, same ? wanted : { route: sent.route, key: '' });
    }
  }
  for (const key of world.locRib.handovers.keys()) world.dirty.add(key);
}

/** What routes from peers mean now: those beyond the prefixes say nothing any more, and what was not kept is asked for again. */
export function receiveAnew(world: World, before: Config): void {
  const { config } = world;
  const now = config.bgp.receive !== 'none';
  const asked = now && before.bgp.receive === 'none';
  const widened = new Set(config.watch.filter(({ vrf, prefixes }) => prefixes.some((prefix) => !before.watch.some((old) => old.vrf === vrf && old.prefixes.includes(prefix)))).map(({ vrf }) => vrf));
  // A BMP station is to see all that routers send, and nothing was kept for it.
  const watched = config.telemetry.bmp.length > 0 && before.telemetry.bmp.length === 0;
  const reread = config.routes.globalAdmin !== before.routes.globalAdmin;
  for (const peer of world.peers.values()) {
    if (!now) {
      forgetReceived(world, peer);
      forgetStale(world, peer);
    } else dropOutside(world, peer, reread);
    // Routes behind the one that counts are read anew when they are sent again.
    const behind = reread && peer.adjIn.paths !== undefined;
    if (!asked && !watched && !behind && !(now && widened.has(peer.config.vrf))) continue;
    for (const family of peer.session.negotiated?.families ?? []) stepPeer(world, peer, { type: 'refresh', family });
  }
}

function dropOutside(world: World, peer: Peer, reread: boolean): void {
  for (const [prefix, { route }] of [...peer.adjIn.routes]) {
    if (!insidePrefixes(world, peer.config.vrf, prefixAddress(prefix))) {
      peer.adjIn.paths?.delete(prefix);
      receiveChange(world, peer, { type: 'withdraw', prefix });
      world.rivals.delete(addressKey(peer.config.vrf, prefixAddress(prefix)));
    } else if (reread) receiveChange(world, peer, { type: 'announce', route });
  }
}

/** Whose the addresses are by the routes: after the mode, or what a peer's word counts for, has changed. */
export function rebindAll(world: World): void {
  for (const peer of world.peers.values()) for (const prefix of peer.adjIn.routes.keys()) rebind(world, peer.config.vrf, prefix);
}

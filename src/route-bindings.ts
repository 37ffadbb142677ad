import { setRoutePair, type RoutePair } from '../identity/from-routes.ts';
import { prefixAddress, type Prefix } from '../net/ip.ts';
import type { ReceivedRoute } from '../routes/adj-rib-in.ts';
import { peersOf } from './handovers.ts';
import type { World } from './world.ts';

/**
 * The routes for one address changed: whose is it now, by the word of the peers that are a source of bindings (`bindings: learn`)? In
 * mode strict nobody's: there only the configuration says so. The claim that stands counts before one that is given up, the newer before
 * the older. A *future* claim and one that bears no MAC or node say nothing.
 */
export function rebind(world: World, vrf: string, prefix: Prefix): void {
  if (world.config.identity.mode !== 'learn') return;
  let best: ReceivedRoute | undefined;
  for (const peer of peersOf(world, vrf)) {
    const received = peer.config.bindings === 'learn' ? peer.adjIn.routes.get(prefix) : undefined;
    if (received?.kind !== 'rival' || received.marks.mac === undefined) continue;
    if (best === undefined || outweighs(received, best)) best = received;
  }
  setRoutePair(world.bindings.routes, vrf, prefixAddress(prefix), best === undefined ? undefined : pairOf(vrf, best));
}

function outweighs(one: ReceivedRoute, other: ReceivedRoute): boolean {
  if (one.leaving !== other.leaving) return other.leaving;
  return (one.marks.sequence ?? 0) > (other.marks.sequence ?? 0);
}

function pairOf(vrf: string, { route, marks, leaving }: ReceivedRoute): RoutePair | undefined {
  if (marks.mac === undefined || marks.node === undefined) return undefined;
  return { vrf, address: prefixAddress(route.prefix), mac: marks.mac, node: marks.node, stands: !leaving };
}

import { bestPath, type Candidate } from '../../bgp/decision.ts';
import { endOfRib, packUpdates, routesOf } from '../../bgp/pack-updates.ts';
import type { Route, RouteAttributes } from '../../bgp/route.ts';
import type { Negotiated } from '../../bgp/session-contract.ts';
import type { UpdateMessage } from '../../bgp/wire/messages.ts';
import { wellKnownCommunities } from '../../bgp/community.ts';
import { familyOf, isIpv4, isUnusable, type Family, type IpAddress, type Prefix } from '../../net/ip.ts';
import { newAdjRibOut, takeDelta, type AdjRibOut, type Wanted } from '../../routes/adj-rib-out.ts';

/** A line of the router's output; `at` is the wall clock in milliseconds. */
export type RouterEvent =
  | { readonly event: 'listening'; readonly addresses: readonly IpAddress[]; readonly port: number; readonly at: number }
  | { readonly event: 'session'; readonly peer: string; readonly address: IpAddress; readonly state: 'up' | 'down'; readonly reason?: string; readonly at: number }
  /** How many UPDATEs the peer has sent so far, End-of-RIB not counted. */
  | { readonly event: 'update'; readonly peer: string; readonly received: number; readonly at: number }
  /** What a peer's Adj-RIB-In says about a prefix now; `nextHop` null: nothing any more. */
  | { readonly event: 'route'; readonly peer: string; readonly prefix: Prefix; readonly nextHop: IpAddress | null; readonly localPref?: number; readonly med?: number; readonly at: number }
  /** The best route changed; `nextHop` and `peer` null: there is none any more. */
  | { readonly event: 'best'; readonly prefix: Prefix; readonly nextHop: IpAddress | null; readonly peer: string | null; readonly at: number }
  | { readonly event: 'problem'; readonly text: string; readonly at: number };

export interface RouterOptions {
  readonly asn: number;
  readonly routerId: IpAddress;
  /** Reflect between iBGP peers, which are all clients (RFC 4456). */
  readonly reflector: boolean;
}

export interface RouterPeer {
  readonly name: string;
  readonly address: IpAddress;
  readonly asn: number;
}

/** Where the router's decisions go. */
export interface RouterOutputs {
  send(peer: string, updates: readonly UpdateMessage[]): void;
  /** The kernel's route for a prefix, or none. */
  install(prefix: Prefix, nextHop: IpAddress | undefined): void;
  report(event: RouterEvent): void;
  /** Wall clock, ms. */
  now(): number;
  /** Our address of a family on the link to a peer, where an eBGP next hop must be ours. */
  ownAddress(negotiated: Negotiated, family: Family): IpAddress | undefined;
}

/** Prefixes kept from one peer at most: the demo has a thousand VMs of two addresses. */
const prefixLimit = 50_000;

interface Peer {
  readonly options: RouterPeer;
  readonly ibgp: boolean;
  negotiated: Negotiated | undefined;
  readonly routes: Map<Prefix, Route>;
  out: AdjRibOut;
  updates: number;
}

/** A candidate with the name of its peer, and a number that no other route ever had. */
interface Path extends Candidate {
  readonly name: string;
  readonly serial: number;
}

/**
 * A minimal router: Adj-RIB-In per peer, RFC 4271 section 9.1.2.2 in between, Adj-RIB-Out per peer. Changes are marked as
 * they come and take effect together in {@link Router.flush}, once per turn of the loop.
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #outputs: RouterOutputs;
  readonly #peers = new Map<string, Peer>();
  readonly #best = new Map<Prefix, Path>();
  readonly #paths = new WeakMap<Route, Path>();
  readonly #changed = new Set<Prefix>();
  #serial = 0;

  constructor(options: RouterOptions, peers: readonly RouterPeer[], outputs: RouterOutputs) {
    this.#options = options;
    this.#outputs = outputs;
    for (const peer of peers) {
      this.#peers.set(peer.name, { options: peer, ibgp: peer.asn === options.asn, negotiated: undefined, routes: new Map(), out: newAdjRibOut(), updates: 0 });
    }
  }

  established(name: string, negotiated: Negotiated): void {
    const peer = this.#peer(name);
    peer.negotiated = negotiated;
    peer.out = newAdjRibOut();
    this.#outputs.report({ event: 'session', peer: name, address: peer.options.address, state: 'up', at: this.#outputs.now() });
    this.#sendTo(peer, this.#best.keys());
    this.#outputs.send(name, negotiated.families.map(endOfRib));
  }

  down(name: string, reason: string): void {
    const peer = this.#peer(name);
    peer.negotiated = undefined;
    this.#outputs.report({ event: 'session', peer: name, address: peer.options.address, state: 'down', reason, at: this.#outputs.now() });
    for (const prefix of peer.routes.keys()) {
      this.#changed.add(prefix);
      this.#reportRoute(peer, prefix, undefined);
    }
    peer.routes.clear();
  }

  /** The peer asks for everything again (RFC 2918). */
  refresh(name: string, family: Family): void {
    const peer = this.#peer(name);
    for (const prefix of peer.out.sent.keys()) if (familyOf(prefix) === family) peer.out.sent.delete(prefix);
    this.#sendTo(peer, [...this.#best.keys()].filter((prefix) => familyOf(prefix) === family));
  }

  update(name: string, update: UpdateMessage): void {
    const peer = this.#peer(name);
    if (peer.negotiated === undefined) return;
    const changes = routesOf(update);
    if (changes.length === 0) return;
    peer.updates += 1;
    this.#outputs.report({ event: 'update', peer: name, received: peer.updates, at: this.#outputs.now() });
    for (const change of changes) {
      if (change.type === 'withdraw' || !this.#isUsable(change.route.attributes)) {
        const prefix = change.type === 'withdraw' ? change.prefix : change.route.prefix;
        if (!peer.routes.delete(prefix)) continue;
        this.#changed.add(prefix);
        this.#reportRoute(peer, prefix, undefined);
        continue;
      }
      const { route } = change;
      const old = peer.routes.get(route.prefix);
      if (old !== undefined && sameAttributes(old.attributes, route.attributes)) continue;
      if (old === undefined && peer.routes.size >= prefixLimit) continue;
      peer.routes.set(route.prefix, route);
      this.#paths.set(route, this.#pathOf(peer, peer.negotiated, route));
      this.#changed.add(route.prefix);
      this.#reportRoute(peer, route.prefix, route);
    }
  }

  /** Decides anew about what has changed: kernel first, then the peers. */
  flush(): void {
    if (this.#changed.size === 0) return;
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const prefix of changed) {
      const old = this.#best.get(prefix);
      const best = this.#decide(prefix);
      if (best === undefined) this.#best.delete(prefix);
      else this.#best.set(prefix, best);
      const nextHop = best?.route.attributes.nextHop;
      if (nextHop === old?.route.attributes.nextHop && best?.name === old?.name) continue;
      this.#outputs.install(prefix, nextHop);
      this.#outputs.report({ event: 'best', prefix, nextHop: nextHop ?? null, peer: best?.name ?? null, at: this.#outputs.now() });
    }
    for (const peer of this.#peers.values()) this.#sendTo(peer, changed);
  }

  #peer(name: string): Peer {
    const peer = this.#peers.get(name);
    if (peer === undefined) throw new Error(`no peer ${name}`);
    return peer;
  }

  #pathOf(peer: Peer, negotiated: Negotiated, route: Route): Path {
    this.#serial += 1;
    const { asn, address } = peer.options;
    return { route, peer: { asn, ibgp: peer.ibgp, bgpIdentifier: negotiated.remoteIdentifier, address }, name: peer.options.name, serial: this.#serial };
  }

  /** Loops are left out (RFC 4271 section 9.1.2, RFC 4456 section 8), and next hops that can be no neighbour. */
  #isUsable(attributes: RouteAttributes): boolean {
    if (attributes.asPath.some(({ asns }) => asns.includes(this.#options.asn))) return false;
    if (attributes.originatorId === this.#options.routerId) return false;
    if (attributes.clusterList?.includes(this.#options.routerId) === true) return false;
    return !isUnusable(attributes.nextHop) && !attributes.nextHop.startsWith('::ffff:');
  }

  #decide(prefix: Prefix): Path | undefined {
    const paths: Path[] = [];
    for (const peer of this.#peers.values()) {
      const route = peer.routes.get(prefix);
      const path = route === undefined ? undefined : this.#paths.get(route);
      if (path !== undefined) paths.push(path);
    }
    return bestPath(paths) as Path | undefined;
  }

  #sendTo(peer: Peer, prefixes: Iterable<Prefix>): void {
    const { negotiated } = peer;
    if (negotiated === undefined) return;
    const changes = takeDelta(peer.out, prefixes, (prefix) => this.#wanted(peer, negotiated, this.#best.get(prefix)));
    if (changes.length === 0) return;
    const { context, families } = negotiated;
    const updates = packUpdates(changes, { context, families, localAsn: this.#options.asn, peerType: peer.ibgp ? 'ibgp' : 'ebgp' });
    this.#outputs.send(peer.options.name, updates);
  }

  /** What this peer should have of a best route, if anything. */
  #wanted(peer: Peer, negotiated: Negotiated, best: Path | undefined): Wanted | undefined {
    if (best === undefined || best.name === peer.options.name) return undefined;
    const { attributes, prefix } = best.route;
    if (attributes.originatorId === negotiated.remoteIdentifier) return undefined;
    const { 'no-advertise': noAdvertise, 'no-export': noExport } = wellKnownCommunities as Record<string, number>;
    if (attributes.communities.some((community) => community === noAdvertise || (community === noExport && !peer.ibgp))) return undefined;
    if (peer.ibgp && best.peer.ibgp && !this.#options.reflector) return undefined;
    const sent = peer.ibgp ? (best.peer.ibgp ? this.#reflected(best) : attributes) : this.#external(attributes, negotiated);
    return { route: { prefix, attributes: sent }, key: String(best.serial) };
  }

  /** RFC 4456 section 8. */
  #reflected(best: Path): RouteAttributes {
    const { attributes } = best.route;
    return {
      ...attributes,
      originatorId: attributes.originatorId ?? best.peer.bgpIdentifier,
      clusterList: [this.#options.routerId, ...(attributes.clusterList ?? [])],
    };
  }

  /** MED stays within the AS that got it, and the next hop is ours (RFC 4271 sections 5.1.3 and 5.1.4). */
  #external(attributes: RouteAttributes, negotiated: Negotiated): RouteAttributes {
    const { med: _med, linkLocalNextHop: _linkLocal, ...rest } = attributes;
    const family: Family = isIpv4(attributes.nextHop) ? 'ipv4-unicast' : 'ipv6-unicast';
    return { ...rest, nextHop: this.#outputs.ownAddress(negotiated, family) ?? attributes.nextHop };
  }

  #reportRoute(peer: Peer, prefix: Prefix, route: Route | undefined): void {
    const { localPref, med, nextHop } = route?.attributes ?? {};
    this.#outputs.report({
      event: 'route', peer: peer.options.name, prefix, nextHop: nextHop ?? null,
      ...(localPref === undefined ? {} : { localPref }), ...(med === undefined ? {} : { med }), at: this.#outputs.now(),
    });
  }
}

/** Both come from one decoder, which builds them in one order. */
function sameAttributes(a: RouteAttributes, b: RouteAttributes): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

import { bestPath, type Candidate } from '../../bgp/decision.ts';
import { endOfRibFamily, packUpdates, routesOf } from '../../bgp/pack-updates.ts';
import type { Route, RouteAttributes, RouteChange } from '../../bgp/route.ts';
import { Framer } from '../../bgp/wire/framer.ts';
import { decodeMessage, encodeMessage } from '../../bgp/wire/message.ts';
import type { CodecContext, OpenMessage } from '../../bgp/wire/messages.ts';
import { families, familyOf, ip, type IpAddress, type Prefix } from '../../net/ip.ts';

export interface ToyRouterOptions {
  readonly name?: string;
  readonly asn: number;
  readonly identifier?: IpAddress;
  /** Of its speakers. The router's own: they are its reflector clients. Default: the router's. */
  readonly nodeAsn?: number;
  /** MinRouteAdvertisementInterval towards each peer. Default: 0. */
  readonly mraiMs?: number;
  /** From a decision to the first word about it. Default: 0. */
  readonly slowMs?: number;
  readonly holdSeconds?: number;
  /** The LOCAL_PREF that a route gets on import, on every session; default: what it says itself. */
  readonly importLocalPref?: (attributes: RouteAttributes) => number | undefined;
  /** Keeps the routes of a speaker that is away for its restart time (RFC 4724). */
  readonly helper?: boolean;
  /** Does work after a time; needed for everything above that takes time. */
  readonly after?: (delayMs: number, work: () => void) => void;
  readonly observer?: RouterObserver;
}

/** What a test may see of a router. */
export interface RouterObserver {
  announced(router: ToyRouter, node: string, route: Route): void;
  withdrawn(router: ToyRouter, node: string, prefix: Prefix): void;
  decided(router: ToyRouter, prefix: Prefix, candidates: readonly RouterCandidate[], best: RouterCandidate | undefined): void;
}

export type RouterCandidate = Candidate & { readonly client: string };

/** One session as the router sees it; `send` reaches the other side later, when the fabric delivers. */
interface Client {
  readonly name: string;
  readonly toRouter: boolean;
  /** Of another AS: what is told gets our AS in front, and what has it already is not taken. */
  readonly external: boolean;
  readonly peer: { readonly asn: number; readonly ibgp: boolean; readonly address: IpAddress; bgpIdentifier: IpAddress };
  send: (changes: readonly RouteChange[]) => void;
  write: (bytes: Uint8Array) => void;
  framer: Framer;
  up: boolean;
  readonly routes: Map<Prefix, Route>;
  readonly stale: Set<Prefix>;
  readonly told: Map<Prefix, Route>;
  readonly waiting: Set<Prefix>;
  flushPlanned: boolean;
  quietUntilMs: number;
  staleUntilMs: number;
  restartTimeSeconds?: number;
}

/**
 * A router of few words, with speakers as reflector clients (iBGP) or as eBGP neighbours, and other routers beside it,
 * one of its own AS at most. It speaks the real wire format through our codecs, decides as RFC 4271 section 9.1.2.2 says, tells each peer the best route that
 * is not the peer's own, and keeps a history of its best routes, which is what a test asks.
 */
export class ToyRouter {
  readonly name: string;
  readonly asn: number;
  readonly identifier: IpAddress;
  readonly clients = new Map<string, Client>();
  readonly best = new Map<Prefix, RouterCandidate>();
  /** Each change of a best route: the node's name, or undefined for none. */
  readonly history: { readonly prefix: Prefix; readonly node: string | undefined }[] = [];
  private readonly options: ToyRouterOptions;
  private readonly ibgp: boolean;
  private readonly context: CodecContext;
  private nowMs = (): number => 0;

  constructor(options: ToyRouterOptions, nowMs?: () => number) {
    this.options = options;
    this.name = options.name ?? 'tor';
    this.asn = options.asn;
    this.identifier = options.identifier ?? ip('192.0.2.254');
    this.ibgp = (options.nodeAsn ?? options.asn) === options.asn;
    this.context = { fourOctetAs: true, ibgp: this.ibgp, maxMessageLength: 4096 };
    if (nowMs !== undefined) this.nowMs = nowMs;
  }

  /** A speaker's TCP connection came up. */
  connect(name: string, address: IpAddress, write: (bytes: Uint8Array) => void): void {
    const client = this.clients.get(name) ?? this.newClient(name, false, address, address, this.options.nodeAsn ?? this.asn);
    if (client.up) this.end(client, true);
    client.framer = new Framer();
    client.write = write;
    client.send = (changes) => {
      const session = { context: this.context, localAsn: this.asn, families, peerType: this.ibgp ? 'ibgp' as const : 'ebgp' as const };
      for (const update of packUpdates(changes, session)) client.write(encodeMessage(update, this.context));
    };
    write(encodeMessage({
      type: 'OPEN', version: 4, myAs: this.asn, holdTimeSeconds: this.options.holdSeconds ?? 9, bgpIdentifier: this.identifier,
      capabilities: [
        { type: 'multiprotocol', afi: 1, safi: 1 }, { type: 'multiprotocol', afi: 2, safi: 1 }, { type: 'routeRefresh' },
        { type: 'fourOctetAs', asn: this.asn },
        ...(this.options.helper ? [{ type: 'gracefulRestart' as const, restartState: false, notification: false, restartTimeSeconds: 0, families: [] }] : []),
      ],
    }, this.context));
  }

  /** Another router, of the same AS or of another; `carry` brings changes there, in order. */
  beside(other: ToyRouter, carry: (work: () => void) => void): void {
    const client = this.newClient(other.name, true, other.identifier, other.identifier, other.asn);
    client.up = true;
    client.send = (changes) => carry(() => other.take(this.name, changes));
  }

  /** The session is lost: its routes are, too, unless the speaker is expected back. */
  disconnect(name: string): void {
    const client = this.clients.get(name);
    if (client !== undefined && !client.toRouter) this.end(client, true);
  }

  keepalive(): void {
    for (const client of this.clients.values()) if (client.up && !client.toRouter) client.write(encodeMessage({ type: 'KEEPALIVE' }, this.context));
  }

  receive(name: string, bytes: Uint8Array): void {
    const client = this.clients.get(name);
    if (client === undefined) return;
    const { framer, messages } = client.framer.feed(bytes);
    client.framer = framer;
    for (const framed of messages) {
      const message = decodeMessage(framed, this.context);
      if (message.type === 'OPEN') {
        this.opened(client, message);
      } else if (message.type === 'KEEPALIVE' && !client.up) {
        client.up = true;
        this.tell([...this.best.keys()], [client]);
      } else if (message.type === 'UPDATE') {
        const family = endOfRibFamily(message);
        if (family !== undefined) this.forget(client, [...client.stale].filter((prefix) => familyOf(prefix) === family));
        else this.take(name, routesOf(message));
      } else if (message.type === 'NOTIFICATION') {
        this.end(client, false);
      }
    }
  }

  /** Routes of ours that a router holds for a prefix, by the node that sent them; not those that came by the other router. */
  routesFor(prefix: Prefix): Map<string, Route> {
    const found = new Map<string, Route>();
    for (const client of this.clients.values()) {
      const route = client.routes.get(prefix);
      if (route !== undefined && !client.toRouter) found.set(client.name, route);
    }
    return found;
  }

  private newClient(name: string, toRouter: boolean, address: IpAddress, bgpIdentifier: IpAddress, asn: number): Client {
    const ibgp = asn === this.asn;
    const client: Client = {
      name, toRouter, external: !ibgp, peer: { asn, ibgp, address, bgpIdentifier }, send: () => undefined, write: () => undefined,
      framer: new Framer(), up: false, staleUntilMs: 0, routes: new Map(), stale: new Set(), told: new Map(), waiting: new Set(), flushPlanned: false, quietUntilMs: 0,
    };
    this.clients.set(name, client);
    return client;
  }

  private opened(client: Client, open: OpenMessage): void {
    client.peer.bgpIdentifier = open.bgpIdentifier;
    const graceful = open.capabilities.find((capability) => capability.type === 'gracefulRestart');
    delete client.restartTimeSeconds;
    if (graceful !== undefined && this.options.helper) client.restartTimeSeconds = graceful.restartTimeSeconds;
    // RFC 4724 section 4.2: a family whose forwarding state was not kept is forgotten at once.
    const kept = graceful?.families.filter((family) => family.forwardingState).map(({ afi }) => afi) ?? [];
    this.forget(client, [...client.stale].filter((prefix) => !kept.includes(prefix.includes(':') ? 2 : 1)));
    client.write(encodeMessage({ type: 'KEEPALIVE' }, this.context));
  }

  private end(client: Client, expected: boolean): void {
    const wasUp = client.up;
    client.up = false;
    client.told.clear();
    client.waiting.clear();
    client.quietUntilMs = 0;
    const { restartTimeSeconds } = client;
    if (expected && restartTimeSeconds !== undefined && this.options.after !== undefined) {
      if (!wasUp) return;
      for (const prefix of client.routes.keys()) client.stale.add(prefix);
      client.staleUntilMs = this.nowMs() + restartTimeSeconds * 1000;
      this.options.after(restartTimeSeconds * 1000, () => { if (!client.up && this.nowMs() >= client.staleUntilMs) this.forget(client, [...client.stale]); });
    } else {
      this.forget(client, [...client.routes.keys()]);
    }
  }

  private forget(client: Client, prefixes: readonly Prefix[]): void {
    for (const prefix of prefixes) {
      client.routes.delete(prefix);
      client.stale.delete(prefix);
    }
    this.decide(prefixes);
  }

  private take(name: string, changes: readonly RouteChange[]): void {
    const client = this.clients.get(name) as Client;
    const changed: Prefix[] = [];
    for (const change of changes) {
      const prefix = change.type === 'announce' ? change.route.prefix : change.prefix;
      client.stale.delete(prefix);
      if (change.type === 'announce' && !(client.external && hasAs(change.route, this.asn))) client.routes.set(prefix, change.route);
      else client.routes.delete(prefix);
      changed.push(prefix);
      if (client.toRouter) continue;
      if (change.type === 'announce') this.options.observer?.announced(this, name, change.route);
      else this.options.observer?.withdrawn(this, name, prefix);
    }
    this.decide(changed);
  }

  private decide(prefixes: readonly Prefix[]): void {
    if (prefixes.length === 0) return;
    for (const prefix of new Set(prefixes)) {
      const candidates: RouterCandidate[] = [];
      for (const client of this.clients.values()) {
        const route = client.routes.get(prefix);
        if (route === undefined) continue;
        const localPref = this.options.importLocalPref?.(route.attributes);
        candidates.push({ route, client: client.name, peer: client.peer, ...(localPref === undefined ? {} : { localPref }) });
      }
      const best = bestPath(candidates) as RouterCandidate | undefined;
      if (best?.client !== this.best.get(prefix)?.client) this.history.push({ prefix, node: best?.client });
      if (best === undefined) this.best.delete(prefix);
      else this.best.set(prefix, best);
      this.options.observer?.decided(this, prefix, candidates, best);
    }
    this.tell(prefixes, [...this.clients.values()]);
  }

  private tell(prefixes: readonly Prefix[], clients: readonly Client[]): void {
    for (const client of clients) {
      if (!client.up) continue;
      for (const prefix of prefixes) client.waiting.add(prefix);
      if (client.flushPlanned) continue;
      const waitMs = Math.max(this.options.slowMs ?? 0, client.quietUntilMs - this.nowMs());
      if (waitMs <= 0 || this.options.after === undefined) {
        this.flush(client);
        continue;
      }
      client.flushPlanned = true;
      this.options.after(waitMs, () => {
        client.flushPlanned = false;
        if (client.up) this.flush(client);
      });
    }
  }

  private flush(client: Client): void {
    const changes: RouteChange[] = [];
    for (const prefix of client.waiting) {
      const best = this.best.get(prefix);
      // Its own route is not told back (split horizon), and what the other router told is not told to it.
      if (best === undefined || best.client === client.name) {
        if (client.told.delete(prefix)) changes.push({ type: 'withdraw', prefix });
      } else if (client.told.get(prefix) !== best.route) {
        client.told.set(prefix, best.route);
        changes.push({ type: 'announce', route: { prefix, attributes: this.attributesFor(client, best) } });
      }
    }
    client.waiting.clear();
    if (changes.length === 0) return;
    client.quietUntilMs = this.nowMs() + (this.options.mraiMs ?? 0);
    client.send(changes);
  }

  private attributesFor(client: Client, best: RouterCandidate): RouteAttributes {
    const { attributes } = best.route;
    if (client.external) {
      const { med: _m, localPref: _l, ...rest } = attributes; // neither leaves the AS (RFC 4271 sections 5.1.4 and 5.1.5)
      // Towards a speaker the encoder does it.
      return client.toRouter ? { ...rest, asPath: [{ type: 'AS_SEQUENCE', asns: [this.asn, ...asnsOf(attributes)] }] } : rest;
    }
    if (this.ibgp) {
      return { ...attributes, originatorId: attributes.originatorId ?? best.peer.bgpIdentifier, clusterList: [this.identifier, ...(attributes.clusterList ?? [])] };
    }
    return attributes;
  }
}

function asnsOf({ asPath }: RouteAttributes): readonly number[] {
  return asPath.flatMap(({ asns }) => asns);
}

function hasAs(route: Route, asn: number): boolean {
  return asnsOf(route.attributes).includes(asn);
}

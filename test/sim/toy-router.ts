import { bestPath, type Candidate } from '../../bgp/decision.ts';
import { packUpdates, routesOf } from '../../bgp/pack-updates.ts';
import type { Route, RouteChange } from '../../bgp/route.ts';
import { Framer } from '../../bgp/wire/framer.ts';
import { decodeMessage, encodeMessage } from '../../bgp/wire/message.ts';
import type { CodecContext } from '../../bgp/wire/messages.ts';
import { families, ip, type IpAddress, type Prefix } from '../../net/ip.ts';

/** One session as the router sees it; `send` reaches the speaker later, when the fabric delivers. */
interface Client {
  readonly name: string;
  readonly address: IpAddress;
  readonly send: (bytes: Uint8Array) => void;
  framer: Framer;
  identifier: IpAddress;
  up: boolean;
  readonly routes: Map<Prefix, Route>;
}

/**
 * A route reflector of few words: one AS, every node a client. It speaks the real wire format through our codecs, decides as
 * RFC 4271 section 9.1.2.2 says, tells each client the best route that is not the client's own, and keeps a history of its best
 * routes, which is what a test asks.
 */
export class ToyRouter {
  readonly asn: number;
  readonly identifier = ip('192.0.2.254');
  readonly clients = new Map<string, Client>();
  readonly best = new Map<Prefix, Candidate & { readonly client: string }>();
  /** Each change of a best route: the node's name, or undefined for none. */
  readonly history: { readonly prefix: Prefix; readonly node: string | undefined }[] = [];
  private readonly context: CodecContext = { fourOctetAs: true, ibgp: true, maxMessageLength: 4096 };
  private readonly told = new Map<string, Map<Prefix, Route>>();

  constructor(asn: number) {
    this.asn = asn;
  }

  connect(name: string, address: IpAddress, send: (bytes: Uint8Array) => void): void {
    this.clients.set(name, { name, address, send, framer: new Framer(), identifier: address, up: false, routes: new Map() });
    this.told.set(name, new Map());
    send(encodeMessage({
      type: 'OPEN', version: 4, myAs: this.asn, holdTimeSeconds: 9, bgpIdentifier: this.identifier,
      capabilities: [
        { type: 'multiprotocol', afi: 1, safi: 1 }, { type: 'multiprotocol', afi: 2, safi: 1 }, { type: 'routeRefresh' },
        { type: 'fourOctetAs', asn: this.asn },
      ],
    }, this.context));
  }

  /** The session is lost: its routes are, too. */
  disconnect(name: string): void {
    const client = this.clients.get(name);
    if (client === undefined) return;
    this.clients.delete(name);
    this.decide([...client.routes.keys()]);
  }

  keepalive(): void {
    for (const client of this.clients.values()) if (client.up) client.send(encodeMessage({ type: 'KEEPALIVE' }, this.context));
  }

  receive(name: string, bytes: Uint8Array): void {
    const client = this.clients.get(name);
    if (client === undefined) return;
    for (const framed of takeMessages(client, bytes)) {
      const message = decodeMessage(framed, this.context);
      if (message.type === 'OPEN') {
        client.identifier = message.bgpIdentifier;
        client.send(encodeMessage({ type: 'KEEPALIVE' }, this.context));
      } else if (message.type === 'KEEPALIVE' && !client.up) {
        client.up = true;
        this.reflect([...this.best.keys()], [client]);
      } else if (message.type === 'UPDATE') {
        const changed: Prefix[] = [];
        for (const change of routesOf(message)) {
          if (change.type === 'announce') client.routes.set(change.route.prefix, change.route);
          else client.routes.delete(change.prefix);
          changed.push(change.type === 'announce' ? change.route.prefix : change.prefix);
        }
        this.decide(changed);
      } else if (message.type === 'NOTIFICATION') {
        this.disconnect(name);
      }
    }
  }

  private decide(prefixes: readonly Prefix[]): void {
    for (const prefix of new Set(prefixes)) {
      const candidates: (Candidate & { client: string })[] = [];
      for (const client of this.clients.values()) {
        const route = client.routes.get(prefix);
        if (route !== undefined) candidates.push({ route, client: client.name, peer: { asn: this.asn, ibgp: true, bgpIdentifier: client.identifier, address: client.address } });
      }
      const best = bestPath(candidates) as (Candidate & { client: string }) | undefined;
      if (best?.client !== this.best.get(prefix)?.client) this.history.push({ prefix, node: best?.client });
      if (best === undefined) this.best.delete(prefix);
      else this.best.set(prefix, best);
    }
    this.reflect(prefixes, [...this.clients.values()]);
  }

  private reflect(prefixes: readonly Prefix[], clients: readonly Client[]): void {
    for (const client of clients) {
      if (!client.up) continue;
      const told = this.told.get(client.name) as Map<Prefix, Route>;
      const changes: RouteChange[] = [];
      for (const prefix of new Set(prefixes)) {
        const best = this.best.get(prefix);
        if (best === undefined || best.client === client.name) {
          if (told.delete(prefix)) changes.push({ type: 'withdraw', prefix });
        } else if (told.get(prefix) !== best.route) {
          const attributes = { ...best.route.attributes, originatorId: best.peer.bgpIdentifier, clusterList: [this.identifier] };
          told.set(prefix, best.route);
          changes.push({ type: 'announce', route: { prefix, attributes } });
        }
      }
      for (const update of packUpdates(changes, { context: this.context, localAsn: this.asn, families, peerType: 'ibgp' })) {
        client.send(encodeMessage(update, this.context));
      }
    }
  }
}

function takeMessages(client: Client, bytes: Uint8Array): readonly Uint8Array[] {
  const { framer, messages } = client.framer.feed(bytes);
  client.framer = framer;
  return messages;
}

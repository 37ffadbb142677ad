import { dial, listen, type Accepted, type Connection, type Listener } from '../../bgp/io/tcp.ts';
import type { ConnectionId } from '../../bgp/session-contract.ts';
import type { Config, PeerConfig } from '../../config/config.ts';
import { peerOfRange, rangeOf } from '../../config/listen-range.ts';
import { isIpv4, prefixAddress, prefixLength, type IpAddress } from '../../net/ip.ts';
import { explainMissing } from '../io/capabilities.ts';
import { unsignable } from '../io/signing.ts';
import type { Input, Output } from '../world.ts';
import { PeerKeys, type PeerAuth } from './peer-keys.ts';
import { StartFailed } from './start-failed.ts';

export interface BgpSocketsOptions {
  readonly config: () => Config;
  /** The peer as the speaker has it now; undefined: it was taken away. */
  readonly peer: (name: string) => PeerConfig | undefined;
  readonly pump: (input: Input) => void;
  readonly warn: (text: string) => void;
  /** Who follows what passes. */
  readonly watcher: SocketWatcher;
}

/** Is told after the fact, and does its work later. */
export interface SocketWatcher {
  opened(peer: PeerConfig, connection: ConnectionId, ends: { readonly localAddress: IpAddress; readonly localPort: number; readonly remotePort: number }): void;
  octets(connection: ConnectionId, sent: boolean, bytes: Uint8Array): void;
  closed(connection: ConnectionId, byUs: boolean): void;
}

const everyAddress = ['0.0.0.0', '::'] as IpAddress[];

/** The TCP connections of the sessions, and the listeners that accept some of them. */
export class BgpSockets {
  private readonly options: BgpSocketsOptions;
  private readonly connections = new Map<ConnectionId, Connection>();
  private readonly listeners = new Map<IpAddress, Listener>();
  private readonly keys = new PeerKeys();
  /** Whose each connection is. */
  private readonly owners = new Map<ConnectionId, string>();
  private lastConnection = 0;

  constructor(options: BgpSocketsOptions) {
    this.options = options;
  }

  newConnection(): ConnectionId {
    return ++this.lastConnection;
  }

  perform(peer: string, output: Extract<Output, { type: 'session' }>['output']): void {
    switch (output.type) {
      case 'dial':
        this.dial(peer, output.connection);
        return;
      case 'write':
        this.connections.get(output.connection)?.write(output.bytes);
        this.options.watcher.octets(output.connection, true, output.bytes);
        return;
      case 'close':
        this.connections.get(output.connection)?.close();
        this.forget(output.connection);
        this.options.watcher.closed(output.connection, true);
        return;
    }
  }

  private keep(peer: string, id: ConnectionId, connection: Connection): void {
    this.connections.set(id, connection);
    this.owners.set(id, peer);
  }

  private forget(id: ConnectionId): boolean {
    const owner = this.owners.get(id);
    this.owners.delete(id);
    // Those who come from ranges may be many, one after the other.
    if (owner !== undefined && ![...this.owners.values()].includes(owner) && !this.options.config().bgp.peers.some(({ name }) => name === owner)) this.keys.forget(owner);
    return this.connections.delete(id);
  }

  /** Peers and ranges of a configuration whose keys read differently from what their sockets have. */
  changedKeys(config: Config): { readonly name: string; readonly key: string }[] {
    return this.keys.changed(config, this.options.peer);
  }

  /**
   * Gives live sockets and listeners the keys as they are now; sessions stay up where the router changes its key within the Hold Time.
   * What can't be read or set is warned of, and the key before stays: never none.
   */
  rekey(names: readonly string[]): void {
    for (const name of names) {
      const peer = this.options.peer(name);
      if (peer === undefined) continue;
      try {
        const { md5, ao } = this.keys.read(peer);
        for (const [id, owner] of [...this.owners]) {
          if (owner !== name) continue;
          if (md5 !== undefined) this.connections.get(id)?.rekey(peer.address, md5);
          if (ao !== undefined) this.connections.get(id)?.rekeyAo(ao);
        }
      } catch (error) {
        this.options.warn(`${name} keeps the ${peer.tcpAo === undefined ? 'MD5 key' : 'TCP-AO keys'} that it had: ${(error as Error).message}`);
      }
    }
  }

  /** From now on what is written waits, until `release`. */
  hold(): void {
    for (const connection of this.connections.values()) connection.hold();
  }

  release(): void {
    for (const connection of this.connections.values()) connection.release();
  }

  /** Octets that TCP has not yet acknowledged: of one connection, or of all. A connection that is gone has none. */
  unacknowledged(connection?: ConnectionId): number {
    if (connection !== undefined) return this.connections.get(connection)?.unacknowledged() ?? 0;
    let octets = 0;
    for (const each of this.connections.values()) octets += each.unacknowledged();
    return octets;
  }

  private dial(name: string, connection: ConnectionId): void {
    const peer = this.options.peer(name);
    if (peer === undefined) return;
    let auth: PeerAuth;
    try {
      auth = this.keys.read(peer);
    } catch (error) {
      // Without its key a keyed peer has no session at all.
      setImmediate(() => this.tell(name, { type: 'closed', connection, error: (error as Error).message }));
      return;
    }
    this.keep(name, connection, dial({
      address: peer.address, port: peer.port, ibgp: peer.asn === this.options.config().bgp.asn, ttlSecurity: peer.ttlSecurity,
      ...(peer.sourceAddress === undefined ? {} : { sourceAddress: peer.sourceAddress }), ...(peer.multihop === undefined ? {} : { multihop: peer.multihop }),
      ...auth, ...(peer.interface === undefined ? {} : { interface: peer.interface }),
      // The kernel gives up on a peer that acknowledges nothing a little after we would have told it so (RFC 9687), and not after a quarter of an hour.
      userTimeoutMs: ((peer.timers.sendHoldSeconds ?? Math.max(480, 2 * peer.timers.holdSeconds)) + 5) * 1000,
    }, {
      connected: ({ localAddress, localPort }) => {
        this.options.watcher.opened(peer, connection, { localAddress, localPort, remotePort: peer.port });
        this.tell(name, { type: 'connected', connection, localAddress });
      },
      data: (bytes) => this.heard(name, connection, bytes),
      written: (unsent) => this.tell(name, { type: 'written', connection, unsent }),
      closed: (error) => this.closed(name, connection, error),
    }));
  }

  /** Says which sessions will not come up because of this kernel. */
  warnOfKernel(config: Config): void {
    for (const { name, why } of unsignable(config)) this.options.warn(`${name} has no session: ${why}`);
  }

  /** One listener per family that has peers; it answers nobody else, and has every key before it listens. @throws StartFailed */
  listen(): void {
    for (const address of everyAddress) {
      try {
        this.listenOn(address);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        const { port } = this.options.config().bgp.listen;
        throw new StartFailed(`cannot listen for BGP on port ${port}: ${code === 'EACCES' ? explainMissing('CAP_NET_BIND_SERVICE') : message}`, 1);
      }
    }
  }

  /** A reload has changed peers: those that are there now are answered, with their keys. */
  renewListeners(): void {
    for (const address of everyAddress) {
      try {
        this.listenOn(address);
      } catch (error) {
        this.options.warn(`the BGP listener does not know the peers of the last reload: ${(error as Error).message}`);
      }
    }
  }

  private listenOn(address: IpAddress): void {
    const { bgp } = this.options.config();
    const ofFamily = (): readonly PeerConfig[] => this.options.config().bgp.peers.filter((peer) => isIpv4(peer.address) === isIpv4(address));
    const peers = ofFamily().map((peer) => {
      return {
        address: peer.address, ibgp: peer.asn === bgp.asn, ttlSecurity: peer.ttlSecurity, ...(peer.interface === undefined ? {} : { interface: peer.interface }),
        ...(peer.multihop === undefined ? {} : { multihop: peer.multihop }), ...this.keys.read(peer),
      };
    });
    const ranges = (bgp.listen.ranges ?? []).filter(({ prefix }) => isIpv4(prefix) === isIpv4(address)).map((range) => {
      return {
        address: prefixAddress(range.prefix), prefixLength: prefixLength(range.prefix), ibgp: range.asn === bgp.asn, ttlSecurity: range.ttlSecurity,
        ...(range.interface === undefined ? {} : { interface: range.interface }), ...(range.multihop === undefined ? {} : { multihop: range.multihop }), ...this.keys.read(range),
      };
    });
    const there = this.listeners.get(address);
    if (there?.setPeers([...peers, ...ranges]) === true) return;
    there?.close();
    this.listeners.delete(address);
    if (peers.length + ranges.length === 0) return;
    this.listeners.set(address, listen({ address, port: bgp.listen.port, peers: [...peers, ...ranges] }, (accepted) => {
      const peer = ofFamily().find((candidate) => candidate.address === accepted.remoteAddress
        && (candidate.interface === undefined || accepted.interface === undefined || candidate.interface === accepted.interface));
      if (peer === undefined) return this.takeCaller(accepted);
      const connection = this.newConnection();
      this.keep(peer.name, connection, accepted.take({
        data: (bytes) => this.heard(peer.name, connection, bytes),
        written: (unsent) => this.tell(peer.name, { type: 'written', connection, unsent }),
        closed: (error) => this.closed(peer.name, connection, error),
      }));
      const { localAddress, localPort, remotePort } = accepted;
      this.options.watcher.opened(peer, connection, { localAddress, localPort, remotePort });
      this.tell(peer.name, { type: 'accepted', connection, localAddress });
    }, (error) => this.options.warn(`the BGP listener failed: ${error.message}`)));
  }

  private heard(peer: string, connection: ConnectionId, bytes: Uint8Array): void {
    this.options.watcher.octets(connection, false, bytes);
    this.tell(peer, { type: 'data', connection, bytes });
  }

  /** Somebody from a range. */
  private takeCaller(accepted: Accepted): void {
    const range = rangeOf(this.options.config().bgp.listen.ranges, accepted.remoteAddress, accepted.interface);
    if (range === undefined) return;
    const peer = peerOfRange(range, accepted.remoteAddress, accepted.interface);
    const { name } = peer;
    this.keys.inherit(name, range.name);
    const connection = this.newConnection();
    this.keep(name, connection, accepted.take({
      data: (bytes) => this.heard(name, connection, bytes),
      written: (unsent) => this.tell(name, { type: 'written', connection, unsent }),
      closed: (error) => this.closed(name, connection, error),
    }));
    const { localAddress, localPort, remotePort } = accepted;
    this.options.watcher.opened(peer, connection, { localAddress, localPort, remotePort });
    this.options.pump({
      type: 'caller', range: range.name, address: accepted.remoteAddress, connection, localAddress,
      ...(accepted.interface === undefined ? {} : { interface: accepted.interface }),
    });
  }

  private closed(peer: string, connection: ConnectionId, error?: string): void {
    if (!this.forget(connection)) return; // we closed it
    this.options.watcher.closed(connection, false);
    this.tell(peer, error === undefined ? { type: 'closed', connection } : { type: 'closed', connection, error });
  }

  private tell(peer: string, input: Extract<Input, { type: 'session' }>['input']): void {
    this.options.pump({ type: 'session', peer, input });
  }

  close(): void {
    for (const listener of this.listeners.values()) listener.close();
    for (const connection of this.connections.values()) connection.close();
    this.connections.clear();
    this.owners.clear();
  }
}

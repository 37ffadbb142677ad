import { createServer, type Socket } from 'node:net';
import { setSocketTtl, setTcpMd5, tcpListen } from '../../native/index.ts';
import { isIpv4, makePrefix, prefixContains, type IpAddress } from '../../net/ip.ts';
import { addressOf, connectionOf, descriptorOf, type Connection, type ConnectionEvents } from './connection.ts';
import { aoRequests, probeAo, sameAoKeys, signedConnection, type AoKey } from './tcp-ao.ts';
import { networkControl, ttlOf, type TtlOptions } from './ttl.ts';

export interface ListenOptions {
  /** The local address, or `0.0.0.0`, `::`. */
  readonly address: IpAddress;
  readonly port: number;
  /** Nobody else is answered; those of the other family don't count. */
  readonly peers: readonly ListenPeer[];
}

export interface ListenPeer extends TtlOptions {
  readonly address: IpAddress;
  /** Every address of this prefix is meant that is no other peer's. */
  readonly prefixLength?: number;
  /** Where the same link-local address is on several, the one that is meant. */
  readonly interface?: string;
  readonly md5?: Uint8Array;
  /** RFC 5925, in place of `md5`. A connection that is not signed by one of them is closed unheard, also where the kernel has no TCP-AO. */
  readonly ao?: readonly AoKey[];
}

export interface Accepted {
  /** The interface on which a link-local address was met. */
  readonly interface?: string;
  readonly remoteAddress: IpAddress;
  readonly localAddress: IpAddress;
  readonly localPort: number;
  readonly remotePort: number;
  /** Takes the connection over, before the callback returns; without it the connection is closed. */
  take(events: ConnectionEvents): Connection;
}

export interface Listener {
  readonly port: number;
  /**
   * From now on these are the peers. Connections that are there stay as they are.
   * @returns false where nothing was done, because keys of TCP-AO differ: those are set before a socket listens, on a new one
   * @throws SystemError when a key can't be set: then the peers before stay.
   */
  setPeers(peers: readonly ListenPeer[]): boolean;
  close(): void;
}

/**
 * Listens for known peers. An unknown source is closed before a byte is read or answered, one without the right key never gets that
 * far.
 *
 * TTL security (RFC 5082) must hold from the SYN on, so that it belongs to the listening socket and counts for everyone there. Where
 * only some of the peers have it, the socket can't demand it: then connections of those who have it are closed, and we dial them.
 * @throws SystemError when the address, a key or the TTL can't be set: no listener at all.
 */
export function listen(options: ListenOptions, onConnection: (accepted: Accepted) => void, onError: (error: Error) => void): Listener {
  const family = isIpv4(options.address) ? 4 : 6;
  const ofFamily = (peers: readonly ListenPeer[]): ListenPeer[] => peers.filter((peer) => isIpv4(peer.address) === (family === 4));
  let peers = ofFamily(options.peers);
  const secured = peers.length > 0 && peers.every((peer) => peer.ttlSecurity);
  const ao = peers.flatMap((peer) => (peer.ao === undefined || probeAo(peer, peer.ao) !== undefined ? [] : aoRequests(peer, peer.ao, false)));
  const fd = tcpListen({
    family, address: options.address, port: options.port, backlog: 64, tos: networkControl, ...(secured ? { ttl: 255, minTtl: 255 } : {}),
    md5: peers.flatMap(({ address, prefixLength, md5 }) => (md5 === undefined ? [] : [{ address, key: md5, prefixLength }])),
    ...(ao.length === 0 ? {} : { ao }),
  });

  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => undefined); // until somebody takes it; then `connectionOf` hears it, too
    const remoteAddress = addressOf(socket.remoteAddress);
    const localAddress = addressOf(socket.localAddress);
    const zone = socket.remoteAddress?.split('%')[1];
    const peer = remoteAddress === undefined ? undefined : peerAt(peers, remoteAddress, zone);
    if (peer === undefined || remoteAddress === undefined || localAddress === undefined || (peer.ttlSecurity && !secured)) {
      socket.destroy();
      return;
    }
    const problem = setTtl(socket, family, peer);
    if (problem !== undefined) {
      socket.destroy();
      onError(problem);
      return;
    }
    const signed = peer.ao === undefined ? undefined : signedConnection(descriptorOf(socket) ?? -1, peer, peer.ao);
    if (peer.ao !== undefined && signed === undefined) {
      socket.destroy();
      return;
    }
    let taken = false;
    onConnection({
      ...(zone === undefined ? {} : { interface: zone }), remoteAddress, localAddress, localPort: socket.localPort ?? 0, remotePort: socket.remotePort ?? 0,
      take(events) {
        taken = true;
        return connectionOf(socket, events, signed);
      },
    });
    if (!taken) socket.destroy();
  });
  server.on('error', onError);
  server.listen({ fd });
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : options.port,
    setPeers(all) {
      const next = ofFamily(all);
      const has = new Map(peers.map((peer) => [scopeOf(peer), peer.ao]));
      if (next.some((peer) => !sameAoKeys(has.get(scopeOf(peer)), peer.ao)) || peers.some((peer) => peer.ao !== undefined && !next.some((other) => scopeOf(other) === scopeOf(peer)))) return false;
      for (const peer of next) if (peer.md5 !== undefined) setTcpMd5(fd, peer.address, peer.md5, peer.prefixLength);
      for (const { address, prefixLength, md5 } of peers) {
        if (md5 !== undefined && next.find((peer) => peer.address === address && peer.prefixLength === prefixLength)?.md5 === undefined) setTcpMd5(fd, address, undefined, prefixLength);
      }
      peers = next;
      return true;
    },
    close: () => server.close(),
  };
}

const scopeOf = ({ address, prefixLength = -1, interface: link = '' }: ListenPeer): string => `${address}/${prefixLength}%${link}`;

/** A peer of its own goes before a range, a longer prefix before a shorter one, as the kernel chooses keys. */
function peerAt(peers: readonly ListenPeer[], address: IpAddress, zone: string | undefined): ListenPeer | undefined {
  let best: ListenPeer | undefined;
  for (const peer of peers) {
    if (zone !== undefined && (peer.interface ?? zone) !== zone) continue;
    const { prefixLength: length } = peer;
    if (length === undefined ? peer.address !== address : !prefixContains(makePrefix(peer.address, length), address)) continue;
    if (length === undefined) return peer;
    if (length > (best?.prefixLength ?? -1)) best = peer;
  }
  return best;
}

function setTtl(socket: Socket, family: 4 | 6, peer: ListenPeer): Error | undefined {
  const { ttl, minTtl } = ttlOf(peer);
  const fd = descriptorOf(socket);
  if (fd === undefined) return new Error(`no descriptor for a connection of ${peer.address}`);
  try {
    setSocketTtl(fd, family, ttl, minTtl);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

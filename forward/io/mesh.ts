import { createHmac, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { isIpv4, type IpAddress } from '../../net/ip.ts';
import { decodeMesh, encodeMesh, isFresh, newMeshMemory, type Hmac, type MeshClaim } from '../mesh.ts';

export interface Mesh {
  /** Tells these nodes of a claim. What is lost is lost: the routers tell the rest. */
  tell(claim: Omit<MeshClaim, 'boot' | 'counter'>, members: readonly IpAddress[]): void;
  close(): void;
}

/** Speakers that tell each other of claims. `key` is one for the whole fleet: 16 octets at least. */
export function openMesh(options: {
  readonly key: Uint8Array;
  readonly port: number;
  readonly address?: IpAddress;
  readonly onClaim: (claim: MeshClaim) => void;
  readonly onError: (text: string) => void;
}): Mesh {
  const hmac: Hmac = (bytes) => createHmac('sha256', options.key).update(bytes).digest();
  const boot = randomBytes(8).toString('hex');
  const memory = newMeshMemory();
  let counter = 0;
  const take = (bytes: Uint8Array): void => {
    const claim = decodeMesh(bytes, hmac);
    if (claim !== undefined && claim.boot !== boot && isFresh(memory, claim)) options.onClaim(claim);
  };
  const sockets = new Map<4 | 6, Socket>();
  for (const family of options.address === undefined ? [4, 6] as const : [isIpv4(options.address) ? 4 as const : 6 as const]) {
    const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', ipv6Only: family === 6 });
    socket.on('message', take);
    socket.on('error', (error) => options.onError(`stragglers: ${error.message}`));
    socket.bind({ port: options.port, address: options.address ?? (family === 4 ? '0.0.0.0' : '::') });
    sockets.set(family, socket);
  }
  return {
    tell(claim, members) {
      counter += 1;
      const bytes = encodeMesh({ ...claim, boot, counter }, hmac);
      for (const member of members) sockets.get(isIpv4(member) ? 4 : 6)?.send(bytes, options.port, member, () => undefined);
    },
    close() {
      for (const socket of sockets.values()) socket.close();
      sockets.clear();
    },
  };
}

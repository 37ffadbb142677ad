import { createHmac, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { isIpv4, type IpAddress } from '../../net/ip.ts';
import { decodeMesh, encodeMesh, isFresh, newMeshMemory, type Hmac, type MeshMessage, type MeshText } from '../mesh.ts';

export interface Mesh {
  /** Tells these nodes. What is lost is lost: the routers tell the rest. */
  tell(text: MeshText, members: readonly IpAddress[]): void;
  /** Is heard at these addresses too; one that can't be used is said, and tried again the next time. */
  listenAt(addresses: readonly IpAddress[]): void;
  close(): void;
}

/** Speakers that tell each other things. `key` is one for the whole fleet: 16 octets at least. Nothing is heard before `listenAt`. */
export function openMesh(options: {
  readonly key: Uint8Array;
  readonly port: number;
  readonly onMessage: (message: MeshMessage) => void;
  readonly onError: (text: string) => void;
}): Mesh {
  const hmac: Hmac = (bytes) => createHmac('sha256', options.key).update(bytes).digest();
  const boot = randomBytes(8).toString('hex');
  const memory = newMeshMemory();
  let counter = 0;
  const take = (bytes: Uint8Array): void => {
    const message = decodeMesh(bytes, hmac);
    if (message !== undefined && message.boot !== boot && isFresh(memory, message)) options.onMessage(message);
  };
  const sockets = new Map<IpAddress, Socket>();
  warm(hmac);
  return {
    tell(text, members) {
      counter += 1;
      const bytes = encodeMesh({ ...text, boot, counter }, hmac);
      for (const member of members) {
        for (const [address, socket] of sockets) {
          if (isIpv4(address) !== isIpv4(member)) continue;
          socket.send(bytes, options.port, member, () => undefined);
          break;
        }
      }
    },
    listenAt(addresses) {
      for (const address of addresses) {
        if (sockets.has(address)) continue;
        const socket = createSocket({ type: isIpv4(address) ? 'udp4' : 'udp6', ipv6Only: !isIpv4(address) });
        socket.on('message', take);
        socket.on('error', (error) => {
          options.onError(`stragglers: ${error.message}`);
          if (sockets.get(address) === socket) sockets.delete(address);
          socket.close();
        });
        sockets.set(address, socket);
        socket.bind({ port: options.port, address });
      }
    },
    close() {
      for (const socket of sockets.values()) socket.close();
      sockets.clear();
    },
  };
}

/** The first message is to cost no more than any other: the library's digest is loaded, and our code compiled, before it comes. */
function warm(hmac: Hmac): void {
  const address = '192.0.2.1' as IpAddress;
  for (let counter = 1; counter <= 500; counter++) {
    decodeMesh(encodeMesh({ type: 'claim', segment: 0, node: address, boot: '0000000000000000', counter, sequence: 1, address, nextHop: address }, hmac), hmac);
  }
}

import { openNetlinkSocket, type NetlinkSocket } from '../../native/index.ts';
import type { IpAddress } from '../../net/ip.ts';
import { decodeTold, encodeLookup, encodeNeighbourLookup, type Told } from '../wire/requests.ts';

export interface Fib {
  /** The interface by which this node would send to an address; `undefined`: it would not. */
  outgoing(address: IpAddress): number | undefined;
  /** Whether it knows the MAC of an address on an interface. */
  knows(address: IpAddress, ifindex: number): boolean;
  close(): void;
}

/** Asks the kernel where packets would go. Needs no capability. @throws SystemError if the socket can't be opened */
export function openFib(): Fib {
  let answer: Told | undefined;
  let sequence = 0;
  const socket: NetlinkSocket = openNetlinkSocket({
    groups: [], receiveBufferBytes: 65_536, onError: () => undefined,
    onData: (datagram) => {
      for (const { header, told } of decodeTold(datagram)) if (header.sequence === sequence) answer = told;
    },
  });
  return {
    outgoing(address) {
      answer = undefined;
      sequence += 1;
      socket.send(encodeLookup(sequence, address));
      socket.drain();
      const told = answer as Told | undefined;
      if (told?.type !== 'route') return undefined;
      const { out } = told.route;
      return out === undefined || out.type === 'blackhole' ? undefined : out.ifindex;
    },
    knows(address, ifindex) {
      answer = undefined;
      sequence += 1;
      socket.send(encodeNeighbourLookup(sequence, address, ifindex));
      socket.drain();
      const told = answer as Told | undefined;
      return told?.type === 'neighbour' && told.mac !== undefined;
    },
    close: () => socket.close(),
  };
}

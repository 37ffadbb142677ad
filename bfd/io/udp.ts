import { readFileSync } from 'node:fs';
import { openUdpSocket, type SystemError, type UdpSocket } from '../../native/index.ts';
import { parseIp, isIpv4, type IpAddress } from '../../net/ip.ts';
import { singleHopTtl } from '../demultiplex.ts';

/** RFC 5881 section 4. */
const controlPort = 3784;
const firstSourcePort = 49_152;
const sourcePorts = 65_536 - firstSourcePort;
/** Class Selector 6: what keeps the network together. */
const networkControl = 0xc0;

export interface Heard {
  readonly bytes: Uint8Array;
  readonly address: IpAddress;
  readonly ttl: number;
  readonly ifindex: number;
}

/** The port that all neighbors of a family send to. @throws SystemError EADDRINUSE where another BFD daemon has it. */
export function hear(family: 4 | 6, onPacket: (heard: Heard) => void): { close(): void } {
  return openUdpSocket({
    family, address: family === 4 ? '0.0.0.0' : '::', port: controlPort,
    onData: (bytes, from) => {
      const address = parseIp(from.address);
      if (address !== undefined) onPacket({ bytes, address, ttl: from.ttl, ifindex: from.ifindex });
    },
    onError: () => undefined, // of a datagram that is gone already
  });
}

export interface Speaking {
  readonly address: IpAddress;
  readonly interface?: string;
  readonly sourceAddress?: IpAddress;
}

/** A socket of the session's own, whose port stays the same for its life and is no other session's. @throws SystemError */
export function speak(to: Speaking, random: () => number): { send(bytes: Uint8Array): void; close(): void } {
  const family = isIpv4(to.address) ? 4 : 6;
  let socket: UdpSocket | undefined;
  for (let attempt = 0; socket === undefined; attempt++) {
    try {
      socket = openUdpSocket({
        family, address: to.sourceAddress ?? (family === 4 ? '0.0.0.0' : '::'), port: firstSourcePort + Math.floor(random() * sourcePorts),
        bindToDevice: to.interface, ttl: singleHopTtl, tos: networkControl, onData: () => undefined, onError: () => undefined,
      });
    } catch (error) {
      if ((error as SystemError).code !== 'EADDRINUSE' || attempt >= 20) throw error;
    }
  }
  const open = socket;
  return {
    send(bytes) {
      // The error may be that of a datagram before (ECONNREFUSED); a link that is down is what BFD is there to find out.
      try {
        open.send(bytes, to.address, controlPort);
      } catch {
        // not sent, so the neighbor does not hear it
      }
    },
    close: () => open.close(),
  };
}

/** Whether an interface has this number now. One that is made again has another. */
export function isInterface(name: string, ifindex: number): boolean {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8')) === ifindex;
  } catch {
    return false;
  }
}

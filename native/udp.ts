import { binary, type SystemError, type Watch } from './binary.ts';

/** Of udp.c. */
interface UdpFunctions {
  udpOpen(slab: Uint8Array, options: UdpOptions, callback: (event: number | Error, address: string, port: number, ttl: number, ifindex: number) => void): Watch;
  udpSend(watch: Watch, bytes: Uint8Array, address: string, port: number, scopeId: number): void;
  close(watch: Watch): void;
}

export interface UdpOptions {
  readonly family: 4 | 6;
  /** Bound to; `0.0.0.0` or `::` for any. An IPv6 socket takes no IPv4. */
  readonly address: string;
  readonly port: number;
  readonly scopeId?: number | undefined;
  /** SO_BINDTODEVICE. */
  readonly bindToDevice?: string | undefined;
  /** Of what is sent, 1…255. */
  readonly ttl?: number | undefined;
  readonly tos?: number | undefined;
}

/** Where a datagram came from. `ttl`: with how much it arrived, -1 where the kernel did not say; likewise `ifindex`. */
export interface UdpArrival {
  readonly address: string;
  readonly port: number;
  readonly ttl: number;
  readonly ifindex: number;
}

export interface UdpSocket {
  /** @throws SystemError, also for what an earlier datagram met (ECONNREFUSED). */
  send(bytes: Uint8Array, address: string, port: number, scopeId?: number): void;
  close(): void;
}

const udpSlabOctets = 2048;

/** A UDP socket that tells TTL and interface. `onData` gets its own copy of the datagram; one longer than 2048 octets is dropped. @throws SystemError */
export function openUdpSocket(options: UdpOptions & {
  readonly onData: (datagram: Uint8Array, from: UdpArrival) => void;
  readonly onError: (error: SystemError) => void;
}): UdpSocket {
  const slab = new Uint8Array(udpSlabOctets);
  const native = binary<UdpFunctions>();
  let open = true;
  const watch = native.udpOpen(slab, options, (event, address, port, ttl, ifindex) => {
    if (!open) return;
    if (typeof event !== 'number') options.onError(event as SystemError);
    else if (event <= udpSlabOctets) options.onData(slab.slice(0, event), { address, port, ttl, ifindex });
  });
  return {
    send: (bytes, address, port, scopeId = 0) => native.udpSend(watch, bytes, address, port, scopeId),
    close() {
      open = false;
      native.close(watch);
    },
  };
}

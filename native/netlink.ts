import { binary, type SystemError, type Watch } from './binary.ts';

/** Of netlink.c. */
interface NetlinkFunctions {
  netlinkOpen(slab: Uint8Array, groups: readonly number[], receiveBufferBytes: number, callback: (event: number | Error) => void): [Watch, number];
  netlinkDrain(watch: Watch): void;
  netlinkSend(watch: Watch, message: Uint8Array): void;
  close(watch: Watch): void;
}

const datagramOctets = 65_536;

export interface NetlinkSocket {
  /** The port number of this socket: what the kernel answers to our requests carries it. */
  readonly port: number;
  send(message: Uint8Array): void;
  /** Hands over what waits in the socket before it returns. Does nothing while `onData` runs: events stay in order. */
  drain(): void;
  close(): void;
}

/**
 * Opens a NETLINK_ROUTE socket that is a member of `groups` (RTNLGRP_* numbers). Needs no capability.
 * `onData` gets one datagram (several messages) as a view that is overwritten after the call. With `octetsPerTurn` (1 MiB at most) it gets
 * all that wait in one go, up to about so many octets, once in a turn of the event loop: a flood of events costs a turn no more than that.
 * `onError` with code ENOBUFS: events were lost, the socket goes on.
 */
export function openNetlinkSocket(options: {
  readonly groups: readonly number[];
  readonly receiveBufferBytes: number;
  readonly octetsPerTurn?: number;
  readonly onData: (datagram: Uint8Array) => void;
  readonly onError: (error: SystemError) => void;
}): NetlinkSocket {
  const slab = new Uint8Array(datagramOctets + Math.min(options.octetsPerTurn ?? 0, 1 << 20));
  const native = binary<NetlinkFunctions>();
  let open = true;
  let busy = false;
  const [watch, port] = native.netlinkOpen(slab, options.groups, options.receiveBufferBytes, (event) => {
    if (!open) return;
    busy = true;
    try {
      if (typeof event === 'number') options.onData(slab.subarray(0, event));
      else options.onError(event as SystemError);
    } finally {
      busy = false;
    }
  });
  return {
    port,
    send: (message) => native.netlinkSend(watch, message),
    drain() {
      if (!busy) native.netlinkDrain(watch);
    },
    close() {
      open = false;
      native.close(watch);
    },
  };
}

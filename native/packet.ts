import { binary, type SystemError, type Watch } from './binary.ts';

/** Of packet.c. */
interface PacketFunctions {
  packetOpen(slab: Uint8Array, fields: Float64Array, ringBytes: number, callback: (event: number | Error) => void): Watch;
  packetSend(watch: Watch, ifindex: number, frame: Uint8Array): void;
  packetStatistics(watch: Watch): [received: number, dropped: number];
  packetIgnore(watch: Watch, ifindexes: readonly number[]): void;
  packetReview(watch: Watch): number;
  close(watch: Watch): void;
}

const batchFrames = 64;
const frameSnap = 256;
const frameFields = 6;

/** One frame of a batch. */
export interface PacketFrame {
  /** At most 256 octets; the caller's own copy. */
  readonly bytes: Uint8Array;
  readonly ifindex: number;
  /** How long ago the kernel got it, in milliseconds; never negative. */
  readonly ageMs: number;
  /** The 802.1Q tag that the kernel took out. */
  readonly tag?: { readonly tpid: number; readonly tci: number };
}

export interface PacketSocket {
  send(ifindex: number, frame: Uint8Array): void;
  /** Since it was opened. `dropped`: the ring was full, or the interface sent more than one may; how much of a flood the kernel left out is estimated. */
  statistics(): { received: number; dropped: number };
  /** Nothing of these interfaces is wanted any more, of all others everything; of more than 64 the first are left out. */
  ignore(ifindexes: readonly number[]): void;
  /** To be called a few times a second after `onFlood`, until it says 0: of how many interfaces the kernel lets a part through only. */
  review(): number;
  close(): void;
}

/**
 * Opens a packet socket on all interfaces of this network namespace, also those to come, with the filter of filter.h.
 * Needs CAP_NET_RAW. `onFrames` gets up to 64 frames.
 * @throws SystemError EPERM without the capability.
 */
export function openPacketSocket(options: {
  /** Memory for waiting frames, at most 256 MiB; a frame takes 384 octets. Needs no further capability. */
  readonly ringBytes: number;
  readonly onFrames: (frames: readonly PacketFrame[]) => void;
  readonly onError: (error: SystemError) => void;
  /** Some interface floods: the kernel lets a part of its frames through, until `review` finds that it sends less. Said with each batch. */
  readonly onFlood?: () => void;
}): PacketSocket {
  const slab = new Uint8Array(batchFrames * frameSnap);
  const fields = new Float64Array(batchFrames * frameFields + 1);
  const native = binary<PacketFunctions>();
  let open = true;
  const watch = native.packetOpen(slab, fields, options.ringBytes, (event) => {
    if (!open) return;
    if (typeof event !== 'number') return options.onError(event as SystemError);
    const frames: PacketFrame[] = [];
    for (let i = 0; i < event; i++) {
      const at = i * frameFields;
      const start = i * frameSnap;
      const bytes = slab.slice(start, start + (fields[at + 1] as number));
      // As a small integer: a double would give every object that it enters another shape.
      const ifindex = (fields[at] as number) | 0;
      const ageMs = fields[at + 2] as number;
      frames.push(
        fields[at + 3] === 0
          ? { bytes, ifindex, ageMs }
          : { bytes, ifindex, ageMs, tag: { tpid: (fields[at + 4] as number) | 0, tci: (fields[at + 5] as number) | 0 } },
      );
    }
    if (frames.length > 0) options.onFrames(frames);
    if (fields[batchFrames * frameFields] !== 0) options.onFlood?.();
  });
  return {
    send: (ifindex, frame) => native.packetSend(watch, ifindex, frame),
    statistics() {
      const [received, dropped] = native.packetStatistics(watch);
      return { received, dropped };
    },
    ignore: (ifindexes) => native.packetIgnore(watch, ifindexes),
    review: () => native.packetReview(watch),
    close() {
      open = false;
      native.close(watch);
    },
  };
}

import { performance } from 'node:perf_hooks';
import { openPacketSocket } from '../../native/index.ts';
import type { CapturedFrame } from '../announcement.ts';

/** Room for 10,880 frames: more than 1,000 VMs say at once. */
const defaultReceiveBufferBytes = 4 * 1024 * 1024;
/** How often a flood is looked at anew, in milliseconds. */
const reviewEveryMs = 250;

export interface CaptureOptions {
  /** One call for each frame, in the order of arrival. The bytes are the callee's. `left`: how many of this batch are still to come. */
  readonly onFrame: (frame: CapturedFrame, left: number) => void;
  /** The capture goes on. */
  readonly onError: (error: Error) => void;
  /** After each batch of up to 64 frames: the moment to send what the frames caused. */
  readonly onBatchEnd?: () => void;
  /** Memory for frames that wait, 384 octets each: 64 KiB to 256 MiB, default 4 MiB. No matter of net.core.rmem_max. */
  readonly receiveBufferBytes?: number;
}

export interface Capture {
  close(): void;
  /** Since it was opened. `dropped`: frames lost because nobody read them in time, or because their interface floods (native/budget.c). */
  statistics(): { received: number; dropped: number };
  /** Leaves out what comes on these interfaces: of bridges, of which each frame was seen on its port before. */
  ignore(ifindexes: readonly number[]): void;
  /** Sends a whole Ethernet frame; the capture does not see it. @throws an Error with `code`, for example ENETDOWN or ENXIO. */
  send(ifindex: number, frame: Uint8Array): void;
}

/**
 * Captures the announcements (and what tells early speakers) on all interfaces of this network namespace, those to come
 * included; native/filter.h lists what passes. Frames that this host sent are left out.
 *
 * A frame that comes in on a bridge port is seen twice, with the ifindex of the port, then with that of the bridge, unless the bridge is
 * left out (`ignore`): an interface that is no bridge port says nothing about where a VM is.
 * @throws an Error with `code` EPERM without CAP_NET_RAW.
 */
export function openCapture(options: CaptureOptions): Capture {
  let reviewing: NodeJS.Timeout | undefined;
  const endReviews = (): void => {
    clearInterval(reviewing);
    reviewing = undefined;
  };
  const socket = openPacketSocket({
    ringBytes: options.receiveBufferBytes ?? defaultReceiveBufferBytes,
    onError: options.onError,
    onFrames(frames) {
      const now = performance.now();
      let left = frames.length;
      for (const { bytes, ifindex, ageMs, tag } of frames) {
        const capturedAtMs = now - ageMs;
        left -= 1;
        options.onFrame(tag === undefined ? { bytes, ifindex, capturedAtMs } : { bytes, ifindex, capturedAtMs, tag }, left);
      }
      options.onBatchEnd?.();
    },
    onFlood() {
      reviewing ??= setInterval(() => {
        if (socket.review() === 0) endReviews();
      }, reviewEveryMs).unref();
    },
  });
  return {
    ...socket,
    close() {
      endReviews();
      socket.close();
    },
  };
}

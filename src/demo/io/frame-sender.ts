import { execFileSync } from 'node:child_process';
import { openCapture } from '../../../garp/io/capture.ts';

export interface FrameSender {
  /** Sends a whole Ethernet frame out of the interface with this name. @throws when it is not there or down. */
  send(ifname: string, frame: Uint8Array): void;
  /** Looks up interfaces ahead of need, so that their first frame is not late. */
  prepare(ifnames: readonly string[]): void;
}

/** Sends raw frames in this network namespace. Needs CAP_NET_RAW. */
export function openFrameSender(): FrameSender {
  const socket = openCapture({ onFrame: () => undefined, onError: () => undefined, receiveBufferBytes: 65_536 });
  const indexes = new Map<string, number>();
  const prepare = (ifnames: readonly string[]): void => {
    const links = JSON.parse(execFileSync('ip', ['-json', 'link', 'show'], { encoding: 'utf8', timeout: 5000 })) as { ifname: string; ifindex: number }[];
    for (const name of ifnames) {
      const link = links.find((candidate) => candidate.ifname === name);
      if (link === undefined) throw new Error(`no interface ${name} here`);
      indexes.set(name, link.ifindex);
    }
  };
  return {
    prepare,
    send(ifname, frame) {
      if (!indexes.has(ifname)) prepare([ifname]);
      try {
        socket.send(indexes.get(ifname) as number, frame);
      } catch (error) {
        // Deleted and made again under the same name: it has another index now.
        if ((error as NodeJS.ErrnoException).code !== 'ENXIO' && (error as NodeJS.ErrnoException).code !== 'ENODEV') throw error;
        prepare([ifname]);
        socket.send(indexes.get(ifname) as number, frame);
      }
    },
  };
}

import { createInterface } from 'node:readline';
import { openMonitor } from '../../../bridge/io/monitor.ts';
import { isOrdinary, parseAnnouncement } from '../../../garp/announcement.ts';
import { openCapture } from '../../../garp/io/capture.ts';
import { wallMs } from '../processes.ts';

/**
 * Runs in a node's namespace and tells, as JSON lines, which announcements come in from VMs' ports and what becomes of these ports. Apart
 * from the daemon, so that frames show which caused no handover. Ends when its standard input does.
 */
export type ListenerEvent =
  | { readonly event: 'ready' }
  /** `at`: the kernel's time stamp as wall clock, ms. */
  | { readonly event: 'frame'; readonly at: number; readonly port: string; readonly kind: string; readonly mac: string; readonly address?: string }
  | { readonly event: 'port'; readonly at: number; readonly port: string; readonly state: 'carrier' | 'no carrier' | 'gone' };

/** Ports of VMs, by index, and the state last told. */
const ports = new Map<number, { readonly name: string; state: string }>();

function tell(event: ListenerEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function onLink(link: { readonly ifindex: number; readonly name: string; readonly carrier: boolean; readonly master?: number }): void {
  if (!link.name.startsWith('tap') || link.master === undefined) return;
  const state = link.carrier ? 'carrier' : 'no carrier';
  const known = ports.get(link.ifindex);
  ports.set(link.ifindex, { name: link.name, state });
  if (known?.state !== state) tell({ event: 'port', at: wallMs(), port: link.name, state });
}

const stop = (error: Error): void => {
  process.stderr.write(`${error.message}\n`);
};

openMonitor({
  withoutEntries: true,
  onError: stop,
  onChange(change) {
    if (change.type === 'resync') change.links.forEach(onLink);
    else if (change.type === 'link') onLink(change.link);
    else if (change.type === 'linkGone') {
      const port = ports.get(change.ifindex);
      if (ports.delete(change.ifindex)) tell({ event: 'port', at: wallMs(), port: port?.name ?? '', state: 'gone' });
    }
  },
});
openCapture({
  onError: stop,
  onFrame(frame) {
    const port = ports.get(frame.ifindex);
    const heard = parseAnnouncement(frame);
    if (port === undefined || heard.type !== 'announcement' || isOrdinary(heard.kind) || heard.kind === 'answer') return;
    const at = wallMs() - (performance.now() - frame.capturedAtMs);
    tell({ event: 'frame', at, port: port.name, kind: heard.kind, mac: heard.mac, ...(heard.address === undefined ? {} : { address: heard.address }) });
  },
});
createInterface({ input: process.stdin }).on('close', () => process.exit(0));
tell({ event: 'ready' });

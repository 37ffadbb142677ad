// Runs inside a namespace for capture.test.ts: captures and follows the kernel, prints what it sees as JSON lines, obeys lines on standard input.
import { createInterface } from 'node:readline';
import { openMonitor } from '../../bridge/io/monitor.ts';
import type { BridgeChange, Link } from '../../bridge/ports.ts';
import { openCapture } from '../../garp/io/capture.ts';

export type Report =
  /** `capturedAtMs`, `seenAtMs`: CLOCK_MONOTONIC, which all processes share. */
  | { type: 'frame'; ifindex: number; hex: string; tag?: { tpid: number; tci: number }; capturedAtMs: number; seenAtMs: number }
  | { type: 'change'; change: BridgeChange }
  | { type: 'error'; code: string }
  | { type: 'answer'; value: unknown };

export type Order =
  | { order: 'send'; ifindex: number; hex: string; count?: number }
  | { order: 'statistics' }
  | { order: 'ignore'; ifindexes: readonly number[] }
  /** Frames of ever other MACs, as fast as the kernel takes them. */
  | { order: 'pour'; ifindex: number; hex: string; forMs: number }
  /** The links as told so far, by name, with the name of their bridge. */
  | { order: 'links' }
  | { order: 'close' };

const say = (report: Report) => process.stdout.write(`${JSON.stringify(report)}\n`);
const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6;

const links = new Map<number, Link>();
function apply(change: BridgeChange): void {
  if (change.type === 'resync') {
    links.clear();
    for (const link of change.links) links.set(link.ifindex, link);
  } else if (change.type === 'link') links.set(change.link.ifindex, change.link);
  else if (change.type === 'linkGone') links.delete(change.ifindex);
}

const onError = (error: Error) => say({ type: 'error', code: (error as Error & { code?: string }).code ?? error.message });
const capture = openCapture({
  onError,
  onFrame({ ifindex, bytes, tag, capturedAtMs }) {
    const seenAtMs = monotonicMs();
    const at = seenAtMs - (performance.now() - capturedAtMs);
    say({ type: 'frame', ifindex, hex: Buffer.from(bytes).toString('hex'), ...(tag === undefined ? {} : { tag }), capturedAtMs: at, seenAtMs });
  },
});
const monitor = openMonitor({
  onError,
  onChange(change) {
    apply(change);
    say({ type: 'change', change });
  },
});

function obey(order: Order): unknown {
  switch (order.order) {
    case 'send': {
      const beforeMs = monotonicMs();
      const frame = Buffer.from(order.hex, 'hex');
      for (let i = 0; i < (order.count ?? 1); i++) {
        if (order.count !== undefined) frame.writeUInt16BE(i, frame.length - 2);
        capture.send(order.ifindex, frame);
      }
      return { beforeMs };
    }
    case 'ignore':
      capture.ignore(order.ifindexes);
      return null;
    case 'pour': {
      const until = monotonicMs() + order.forMs;
      const frame = Buffer.from(order.hex, 'hex');
      let sent = 0;
      for (; monotonicMs() < until; sent++) {
        frame.writeUInt32BE(sent, frame.length - 4);
        capture.send(order.ifindex, frame);
      }
      return { sent };
    }
    case 'statistics':
      return capture.statistics();
    case 'links':
      return [...links.values()].map(({ name, master }) => [name, master === undefined ? null : (links.get(master)?.name ?? null)]);
    case 'close':
      capture.close();
      monitor.close();
      process.stdin.destroy();
      return null;
  }
}

const orders = createInterface({ input: process.stdin });
orders.on('close', () => obey({ order: 'close' })); // also when the test is no more
orders.on('line', (line) => {
  let value: unknown;
  try {
    value = obey(JSON.parse(line) as Order);
  } catch (error) {
    value = { code: (error as { code?: string }).code };
  }
  say({ type: 'answer', value });
});

import { randomBytes } from 'node:crypto';
import { isIpv4, type IpAddress } from '../../net/ip.ts';
import { decodeEchoReply, encodeEcho } from './echo.ts';
import { GapLedger, RoundTrips, type ProbeGap } from './gaps.ts';
import { openIcmpSocket } from './icmp-socket.ts';

export { ProbeUnavailable } from './icmp-socket.ts';

export interface ProbeOptions {
  readonly address: IpAddress;
  /** Between two requests, ms, 1 or more. */
  readonly intervalMs: number;
  /** How long an answer may take, ms. Default 1000. */
  readonly lossAfterMs?: number;
  /** Requests at most; then the probe drains itself and calls `onEnd`. */
  readonly count?: number;
  /** Times are wall clock, ms since 1970, to the microsecond. */
  readonly onSent?: (request: { readonly sequence: number; readonly sentMs: number }) => void;
  readonly onReply?: (reply: { readonly sequence: number; readonly sentMs: number; readonly answeredMs: number }) => void;
  /** A gap ended (or, from `stop`, the probe ended in it). */
  readonly onGap?: (gap: ProbeGap) => void;
  readonly onEnd?: () => void;
}

/** What a probe saw. Times of gaps are wall clock, ms since 1970. */
export interface ProbeResult {
  readonly address: IpAddress;
  readonly intervalMs: number;
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly late: number;
  /** Sent just before the end and not answered yet: neither received nor lost. None after `drain`. */
  readonly pending: number;
  /** Requests that the kernel refused to send (no route, say); they count as lost, too. */
  readonly refused: number;
  /** Requests never made because this process was not scheduled for too long; they count as nothing. */
  readonly skipped: number;
  /** Longest time between two answers, and when it began. */
  readonly longestSilenceMs: number;
  readonly silenceStartMs: number | undefined;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly maxMs: number | undefined;
  readonly gaps: readonly ProbeGap[];
}

export interface Probe {
  /** Ends the probe at once. */
  stop(): ProbeResult;
  /** Sends no more, gives the last requests their time for an answer, then ends. */
  drain(): Promise<ProbeResult>;
}

/** Requests made up for in one go when the timer was late; what is more overdue than {@link overdueMs} is skipped. */
const burst = 10;
const overdueMs = 100;

/**
 * Sends ICMP or ICMPv6 echo requests at a steady rate until it is stopped, in the network namespace of this process.
 * @throws ProbeUnavailable without the package or the capability for raw sockets.
 */
export async function startProbe(options: ProbeOptions): Promise<Probe> {
  const { address, intervalMs, count = Infinity } = options;
  let wanted = count;
  const drained: (() => void)[] = [];
  const lossAfterMs = options.lossAfterMs ?? 1000;
  const family = isIpv4(address) ? 'ipv4' : 'ipv6';
  const token = randomBytes(8);
  const identifier = process.pid & 0xffff;
  const ledger = new GapLedger(lossAfterMs);
  const roundTrips = new RoundTrips();
  let refused = 0;
  let skipped = 0;
  let stopped: ProbeResult | undefined;

  const socket = await openIcmpSocket(family, (bytes) => {
    const sequence = decodeEchoReply(family, bytes, identifier, token);
    if (sequence === undefined || stopped !== undefined) return;
    const answeredMs = now();
    const rtt = ledger.answered(sequence, answeredMs);
    if (rtt === undefined) return;
    roundTrips.add(rtt);
    options.onReply?.({ sequence, sentMs: answeredMs - rtt, answeredMs });
  });

  let next = 0;
  let sent = 0;
  let dueMs = now();
  const send = (): void => {
    const sequence = next++;
    socket.send(
      encodeEcho(family, identifier, token, sequence),
      address,
      () => {
        const request = { sequence: sent++, sentMs: now() };
        ledger.sent(request.sentMs);
        options.onSent?.(request);
      },
      () => refused++,
    );
  };
  const tell = (gaps: readonly ProbeGap[]): void => {
    for (const gap of gaps) options.onGap?.(gap);
  };
  const tick = (): void => {
    const at = now();
    if (next < wanted && at - dueMs > overdueMs) {
      const missed = Math.floor((at - dueMs) / intervalMs);
      skipped += missed;
      dueMs += missed * intervalMs;
    }
    for (let i = 0; i < burst && dueMs <= at && next < wanted; i++, dueMs += intervalMs) send();
    tell(ledger.settle(at));
    if (sent < wanted || !ledger.judged) return;
    drained.forEach((done) => done());
    if (sent >= count) options.onEnd?.();
  };
  const timer = setInterval(tick, Math.max(1, Math.min(intervalMs / 4, 50)));
  tick();

  const stop = (): ProbeResult => {
    if (stopped !== undefined) return stopped;
    clearInterval(timer);
    socket.close();
    tell(ledger.finish(now()));
    stopped = {
      address, intervalMs, ...ledger.counts(), refused, skipped,
      p50Ms: roundTrips.percentileMs(0.5), p99Ms: roundTrips.percentileMs(0.99), maxMs: roundTrips.maxMs, gaps: ledger.gaps,
    };
    return stopped;
  };
  return {
    stop,
    drain() {
      wanted = Math.min(wanted, next);
      return new Promise((resolve) => drained.push(() => resolve(stop())));
    },
  };
}

/** Wall clock at the start of the process plus monotonic time since: fine, and it does not jump. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

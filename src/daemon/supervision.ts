import { explainMissing } from '../io/capabilities.ts';
import { notifySupervisor, setScheduling } from '../io/supervisor.ts';
import type { World } from '../world.ts';

/** sd_notify: ready, then the watchdog from the event loop itself, and one line of status. @returns the timer; undefined: nobody supervises us */
export function feedSupervisor(world: World, warn: (text: string) => void): NodeJS.Timeout | undefined {
  const status = (): string => {
    const { peers, locRib } = world;
    let established = 0;
    for (const peer of peers.values()) if (peer.session.fsm === 'Established') established += 1;
    let announced = 0;
    for (const h of locRib.handovers.values()) if (h.state !== 'withdrawn') announced += 1;
    return `STATUS=${established} of ${peers.size} peers established, ${announced} prefixes`;
  };
  const ready = notifySupervisor(`READY=1\n${status()}`);
  if (typeof ready === 'object') warn(`the supervisor does not take READY (${ready.error}): it may end us at its start timeout`);
  if (ready === 'nobody') return undefined;
  const watchdogMs = Number(process.env['WATCHDOG_USEC'] ?? 20_000_000) / 1000;
  return setInterval(() => notifySupervisor(`WATCHDOG=1\n${status()}`), Math.max(500, watchdogMs / 2));
}

/** `process.scheduling: fifo`, where the system allows it. */
export function useFifo(warn: (text: string) => void): void {
  try {
    setScheduling('fifo', 20);
  } catch {
    warn(`process.scheduling fifo is refused: ${explainMissing('CAP_SYS_NICE')}; running with normal scheduling`);
  }
}

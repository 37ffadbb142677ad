import { binary } from './binary.ts';

/** Of landfall.c. */
interface ProcessFunctions {
  setScheduling(fifo: boolean, priority: number): void;
  notify(socket: string, text: string): void;
  clockMaxError(): number;
  trimMemory(): void;
}

/** Scheduling class of the thread that runs JavaScript. `priority` 1…99, for `fifo` only. @throws SystemError EPERM without CAP_SYS_NICE. */
export function setScheduling(policy: 'normal' | 'fifo', priority = 0): void {
  binary<ProcessFunctions>().setScheduling(policy === 'fifo', priority);
}

/**
 * Tells the service manager, for example `READY=1` (sd_notify(3)). @returns false if there is none (no NOTIFY_SOCKET).
 * @throws SystemError if there is one and it can't be reached.
 */
export function notifySupervisor(text: string): boolean {
  const socket = process.env['NOTIFY_SOCKET'];
  if (socket === undefined || socket === '') return false;
  binary<ProcessFunctions>().notify(socket, text);
  return true;
}

/** From this error on the kernel calls its clock unsynchronised, in microseconds (NTP_PHASE_LIMIT). */
const unsynchronisedError = 16_000_000;

/**
 * Whether something disciplines the wall clock (adjtimex(2)). By the largest error, not by STA_UNSYNC: that is also set to keep the kernel
 * from writing the hardware clock. `undefined` where a sandbox forbids the question.
 */
export function clockSynchronised(): boolean | undefined {
  try {
    return binary<ProcessFunctions>().clockMaxError() < unsynchronisedError;
  } catch {
    return undefined;
  }
}

/** Gives memory that the C library was given back, and keeps for the next time, back to the kernel. A few milliseconds. */
export function trimMemory(): void {
  binary<ProcessFunctions>().trimMemory();
}

import { notifySupervisor as send, setScheduling } from '../../native/index.ts';

/** What the process asks of the system about itself: sd_notify, and the scheduling class of its one thread. */
export { setScheduling };

/** sd_notify; false where nobody listens. A supervisor that is gone is no reason for a speaker to end otherwise than it meant to. */
export function notifySupervisor(text: string): boolean {
  try {
    return send(text);
  } catch {
    return false;
  }
}

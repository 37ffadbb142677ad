import { notifySupervisor as send, setScheduling } from '../../native/index.ts';

/** What the process asks of the system about itself: sd_notify, and the scheduling class of its one thread. */
export { setScheduling };

/** What became of a word to the supervisor: there is none, it has it, or there is one that can't be reached, and why. */
export type Notified = 'nobody' | 'told' | { readonly error: string };

/** sd_notify. A supervisor that is gone is no reason for a speaker to end otherwise than it meant to; whether it is worth a word is the caller's to say. */
export function notifySupervisor(text: string): Notified {
  try {
    return send(text) ? 'told' : 'nobody';
  } catch (error) {
    return { error: (error as Error).message };
  }
}

import { notifySupervisor, setScheduling } from '../../native/index.ts';

/** What the process asks of the system about itself: sd_notify, and the scheduling class of its one thread. */
export { notifySupervisor, setScheduling };

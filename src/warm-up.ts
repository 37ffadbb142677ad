import type { Config } from '../config/config.ts';
import { parseAnnouncement } from '../garp/announcement.ts';
import { macToBytes, type Mac } from '../net/mac.ts';
import type { Now } from '../net/time.ts';

/**
 * The first frame after a start costs milliseconds, because nothing is compiled yet. So the path is walked with frames of our own
 * before the process says that it is ready.
 */
export function warmUp(config: Config, now: Now): void {
  void config;
  void now;
  const frame = new Uint8Array(60);
  frame.fill(0xff, 0, 6);
  frame.set(macToBytes('52:54:00:00:00:01' as Mac), 6);
  frame.set([0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3], 12);
  frame.set(macToBytes('52:54:00:00:00:01' as Mac), 22);
  for (let i = 0; i < 2000; i++) parseAnnouncement({ bytes: frame });
}

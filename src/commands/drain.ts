import type { DrainItem, ListReply } from '../views/items.ts';
import { drainView } from '../views/drain.ts';
import { formatDuration } from '../views/units.ts';
import { ask, printReply } from './ask.ts';
import { CommandError, say, status, type GlobalOptions } from './global.ts';

const askEveryMs = 100;

/** `drain [--wait 5s]`: all routes leave, and are withdrawn after the wait; ends when they are. */
export async function drain(options: GlobalOptions, waitMs: number | undefined): Promise<number> {
  const started = Date.now();
  let reply = (await ask(options, '/v1/drain', {}, waitMs === undefined ? {} : { waitSeconds: waitMs / 1000 })) as ListReply<DrainItem>;
  const leavesInMs = (reply.items[0]?.withdrawInSeconds ?? 0) * 1000;
  if (leavesInMs > 0) say(options, `all routes are leaving (GRACEFUL_SHUTDOWN); they are withdrawn in ${formatDuration(leavesInMs / 1000)}`);
  while (reply.items[0]?.state !== 'withdrawn' || (reply.items[0]?.routes ?? 0) > 0) {
    if (Date.now() - started > leavesInMs + options.timeoutMs) throw new CommandError(status.timeout, 'the routes are not withdrawn yet; see: landfall status');
    await new Promise((resolve) => setTimeout(resolve, askEveryMs));
    reply = (await ask(options, '/v1/drain')) as ListReply<DrainItem>;
  }
  await show(options, reply);
  say(options, 'drained: nothing is announced here until landfall undrain');
  return 0;
}

/** `undrain`: what lives here is announced again. */
export async function undrain(options: GlobalOptions): Promise<number> {
  await show(options, (await ask(options, '/v1/undrain', {}, {})) as ListReply<DrainItem>);
  say(options, 'the drain is over: what lives here is announced again');
  return 0;
}

async function show(options: GlobalOptions, reply: ListReply<DrainItem>): Promise<void> {
  if (options.output !== 'table' && options.output !== 'wide') await printReply(options, reply, drainView);
}

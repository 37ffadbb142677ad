import type { ListReply, StatusItem } from '../views/items.ts';
import { statusView } from '../views/status.ts';
import { ask, printReply, repeat } from './ask.ts';
import type { GlobalOptions } from './global.ts';

/** `landfall status` */
export function showStatus(options: GlobalOptions): Promise<number> {
  return repeat(options, async () => {
    await printReply(options, (await ask(options, '/v1/status')) as ListReply<StatusItem>, statusView);
    return 0;
  });
}

import type { ListReply, PeerItem, ReloadItem } from '../views/items.ts';
import { reloadView } from '../views/reload.ts';
import { ask, printReply } from './ask.ts';
import { say, status, type GlobalOptions } from './global.ts';

/** How often the sessions are asked for while they begin anew, in milliseconds. */
const askEveryMs = 100;

/** `reload [--dry-run]`: prints what changes, applies it, and waits for the sessions that it concerns. @returns 0, 1 (refused) or 3 (not valid). */
export async function reload(options: GlobalOptions, dryRun: boolean): Promise<number> {
  const started = Date.now();
  const reply = (await ask(options, '/v1/reload', {}, dryRun ? { dryRun } : {})) as ListReply<ReloadItem>;
  const [item] = reply.items;
  if (item === undefined) return status.failed;
  const asTable = options.output === 'table' || options.output === 'wide';
  if (!asTable || item.changes.length > 0) await printReply(options, reply, reloadView);
  for (const error of item.errors) process.stderr.write(`${error}\n`);
  for (const warning of item.warnings) say(options, `warning: ${warning}`);
  switch (item.result) {
    case 'invalid':
      say(options, `landfall: the configuration is not valid (${item.errors.length} error${item.errors.length === 1 ? '' : 's'}); the one that runs stays`);
      return status.config;
    case 'refused': {
      const keys = item.changes.filter((change) => change.class === 'restart').map(({ key }) => key);
      process.stderr.write(`landfall: ${keys.join(', ')} can change only with a restart; nothing is applied\n`);
      return status.failed;
    }
    case 'unchanged':
      say(options, 'nothing has changed');
      return 0;
    case 'planned':
      say(options, `would apply ${changesOf(item)}${item.peers.length === 0 ? '; no session is touched' : ''}`);
      return 0;
    case 'applied':
      await waitForSessions(options, item, started);
      return 0;
  }
}

const changesOf = ({ changes }: ReloadItem): string => `${changes.length} change${changes.length === 1 ? '' : 's'}`;

/** Applied it is; how the sessions do is told until the time is over. */
async function waitForSessions(options: GlobalOptions, item: ReloadItem, started: number): Promise<void> {
  let waiting = item.peers;
  while (waiting.length > 0 && Date.now() - started < options.timeoutMs) {
    const peers = new Map(((await ask(options, '/v1/peers')) as ListReply<PeerItem>).items.map((peer) => [peer.name, peer]));
    waiting = waiting.filter(({ name, action }) => (action === 'removed' ? peers.has(name) : peers.get(name)?.state !== 'established'));
    if (waiting.length > 0) await new Promise((resolve) => setTimeout(resolve, askEveryMs));
  }
  say(options, `applied ${changesOf(item)}${item.peers.length === 0 ? '; no session was touched' : ''}`);
  for (const { name, action } of waiting) say(options, action === 'removed' ? `${name} is not gone yet` : `${name} is not established yet; see: landfall show peers ${name}`);
}

import { prefixesView } from '../views/prefixes.ts';
import type { ListReply, PrefixItem } from '../views/items.ts';
import { formatDuration } from '../views/units.ts';
import { ask, printReply } from './ask.ts';
import { say, type GlobalOptions } from './global.ts';

/** `announce IP`: by hand, until `auto IP`. */
export async function announce(options: GlobalOptions, address: string, vrf: string | undefined): Promise<number> {
  await change(options, '/v1/announce', { address, vrf });
  say(options, `${address} is announced by hand; give it back with: landfall auto ${address}`);
  return 0;
}

/** `withdraw IP [--for 10m]`: by hand, for that time or until `auto IP`. */
export async function withdraw(options: GlobalOptions, address: string, vrf: string | undefined, forMs: number | undefined): Promise<number> {
  await change(options, '/v1/withdraw', { address, vrf, forSeconds: forMs === undefined ? undefined : forMs / 1000 });
  const until = forMs === undefined ? '' : ` for ${formatDuration(forMs / 1000)}`;
  say(options, `${address} is withdrawn by hand${until}; give it back with: landfall auto ${address}`);
  return 0;
}

/** `auto IP`: what the VM shows decides again. */
export async function auto(options: GlobalOptions, address: string, vrf: string | undefined): Promise<number> {
  await change(options, '/v1/auto', { address, vrf });
  say(options, `${address} follows its VM again`);
  return 0;
}

/** `clear PREFIX`: lifts a hold after a conflict or flap; a sequence that was remembered is forgotten. */
export async function clear(options: GlobalOptions, address: string, vrf: string | undefined): Promise<number> {
  const reply = (await ask(options, '/v1/clear', {}, { address, vrf })) as ListReply<PrefixItem>;
  await printData(options, reply);
  const [item] = reply.items;
  say(options, item === undefined ? `${address} was not held; nothing is remembered of its sequences` : `${address} is cleared: ${item.state}`);
  return 0;
}

async function change(options: GlobalOptions, path: string, body: Readonly<Record<string, string | number | undefined>>): Promise<void> {
  await printData(options, (await ask(options, path, {}, body)) as ListReply<PrefixItem>);
}

/** For programs. A reader is told in words, and that the list may be empty then is nothing to tell him. */
async function printData(options: GlobalOptions, reply: ListReply<PrefixItem>): Promise<void> {
  if (options.output !== 'table' && options.output !== 'wide') await printReply({ ...options, quiet: true }, reply, prefixesView);
}

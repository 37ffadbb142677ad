import { hintView } from '../views/hint.ts';
import type { HintItem, ListReply } from '../views/items.ts';
import { ask, printReply } from './ask.ts';
import { CommandError, say, status, type GlobalOptions } from './global.ts';

/** `hint paused|running VM`: from a libvirt hook, a QMP watcher or an operator. It announces nothing. */
export async function hint(options: GlobalOptions, state: string, vm: string, own: { readonly to?: string; readonly vrf?: string }): Promise<number> {
  if (state !== 'paused' && state !== 'running') throw new CommandError(status.usage, `a hint says paused or running, not ${state}`);
  const reply = (await ask(options, '/v1/hint', {}, { state, vm, to: own.to, vrf: own.vrf })) as ListReply<HintItem>;
  if (options.output !== 'table' && options.output !== 'wide') await printReply(options, reply, hintView);
  for (const item of reply.items) say(options, `${item.prefix}: ${wordsOf(item)}`);
  return 0;
}

function wordsOf({ state, node }: HintItem): string {
  switch (state) {
    case 'sending': return `what comes for it goes to ${node} until that node claims it`;
    case 'asked': return `what comes for it goes to ${node} as soon as that node says that it is ready`;
    case 'undone': return 'what comes for it stays here again';
    case 'probed': return 'a frame of it came too early to count: it is asked whether it runs here';
    case 'none': return 'nothing was sent on';
  }
}

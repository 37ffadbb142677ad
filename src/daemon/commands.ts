import type { IpAddress } from '../../net/ip.ts';
import type { Now } from '../../net/time.ts';
import type { ApiRequest, Backend } from '../backend.ts';
import { collectDrain } from '../collect/drain.ts';
import { collectPrefixes } from '../collect/prefixes.ts';
import { readCapabilitySets } from '../io/capabilities.ts';
import type { ProcessFacts } from '../process-facts.ts';
import { answer, findAddress, list, refusal } from '../queries.ts';
import type { Speaker } from '../speaker.ts';
import type { ErrorReply, EventItem, ListReply, PrefixItem, ReloadItem } from '../views/items.ts';
import { whyNeverAnnounced } from '../watching.ts';
import type { Turn } from './turn.ts';

/** How long `drain` lets routes leave before it withdraws them, in seconds. */
const usualDrainSeconds = 5;

export interface CommandsOptions {
  readonly speaker: Speaker;
  readonly turn: Turn;
  readonly now: () => Now;
  readonly reload: (options: { readonly dryRun: boolean }) => ReloadItem;
  /** What the process alone knows. */
  readonly facts: () => Omit<ProcessFacts, 'capabilities'>;
  readonly listeners: Set<(event: EventItem) => void>;
}

type Reply = ListReply<unknown> | ErrorReply;

/** What the API socket is answered: commands change the speaker, everything else is read from it. */
export function answerCommands(options: CommandsOptions): Backend {
  const { speaker, turn, now, reload, listeners } = options;
  return {
    handle(request) {
      const { world } = speaker;
      world.now = now();
      switch (request.verb) {
        case 'announce': case 'withdraw': case 'auto':
          return override(options, request);
        case 'clear':
          return clear(options, request.address, request.vrf);
        case 'hint': {
          const { outputs, result } = speaker.hint(request, now());
          turn.carryOut(outputs);
          return 'items' in result ? list(world, 'HintList', result.items) : refusal(result.code, result.message);
        }
        case 'reload':
          return list(world, 'Reload', [reload({ dryRun: request.dryRun === true })]);
        case 'beginDrain':
          turn.carryOut(speaker.drain((request.waitSeconds ?? usualDrainSeconds) * 1000, now()));
          return list(world, 'Drain', [collectDrain(world)]);
        case 'undrain':
          turn.carryOut(speaker.undrain(now()));
          return list(world, 'Drain', [collectDrain(world)]);
        default: {
          const capabilities = readCapabilitySets();
          return answer(world, request, { ...options.facts(), ...(capabilities === undefined ? {} : { capabilities }) });
        }
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function override({ speaker, turn, now }: CommandsOptions, request: Extract<ApiRequest, { verb: 'announce' | 'withdraw' | 'auto' }>): Reply {
  const { world } = speaker;
  const found = findAddress(world, request.address, request.vrf);
  if ('kind' in found) return found;
  const barred = request.verb === 'announce' ? whyNeverAnnounced(world, found.vrf, found.address) : undefined;
  if (barred !== undefined) return refusal('conflict', `${found.address} is ${barred}: not even an operator can announce it`);
  const forSeconds = request.verb === 'withdraw' ? request.forSeconds : undefined;
  turn.carryOut(speaker.override(found.vrf, found.address, request.verb, now(), forSeconds));
  return list(world, 'PrefixList', itsRow(speaker, found));
}

/** What `show prefixes` says of one address now: nothing, where it is merely heard of. */
function itsRow({ world }: CommandsOptions['speaker'], { vrf, address }: { readonly vrf: string; readonly address: IpAddress }): PrefixItem[] {
  return collectPrefixes(world, { prefix: address }).filter((item) => item.vrf === vrf);
}

function clear({ speaker, turn, now }: CommandsOptions, address: string, vrf: string | undefined): Reply {
  const { world } = speaker;
  const found = findAddress(world, address, vrf);
  if ('kind' in found) return found;
  const { outputs, lifted } = speaker.clear(found.vrf, found.address, now());
  turn.carryOut(outputs);
  return list(world, 'PrefixList', lifted ? itsRow(speaker, found) : []);
}

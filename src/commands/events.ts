import { printable } from '../../net/printable.ts';
import { streamApi } from '../io/api-client.ts';
import type { EventItem } from '../views/items.ts';
import { escapeControls } from '../views/output.ts';
import { commandError, queryText, replyError, targetOf } from './ask.ts';
import { CommandError, printAll, say, status, type GlobalOptions } from './global.ts';

export interface EventsOptions {
  readonly follow?: true;
  /** Comma-separated types. */
  readonly type?: string;
}

/** Past events printed without `-f`, and before following. */
const recentAll = 1000;
const recentBefore = 10;

/** `events`: the latest, then the end. `events -f`: the last few, then each as it comes, until the daemon ends. */
export async function showEvents(options: GlobalOptions, wanted: EventsOptions): Promise<number> {
  const follow = wanted.follow === true;
  const target = await targetOf(options);
  const toYaml = options.output === 'yaml' ? (await import('../../config/yaml-text.ts')).toYaml : undefined;
  let count = 0;
  const query = queryText({ type: wanted.type, recent: follow ? recentBefore : recentAll, follow: String(follow) });
  const end = await streamApi(target, `/v1/events${query}`, (event) => {
    count++;
    return printAll(toYaml === undefined ? formatEvent(event, options) : `---\n${toYaml(event)}`);
  }).catch((error: unknown) => {
    throw commandError(error);
  });
  if (end !== undefined && end.error.code !== 'unavailable') throw replyError(end);
  if (end !== undefined || follow) throw new CommandError(status.unreachable, printable(end?.error.message ?? 'the daemon ended the stream', 1000));
  if (count === 0) say(options, 'no events');
  return 0;
}

function formatEvent(event: EventItem, options: GlobalOptions): string {
  switch (options.output) {
    case 'name': return `${printable(event.event)}\n`;
    case 'json': case 'jsonl': case 'yaml': return `${escapeControls(JSON.stringify(event))}\n`;
    case 'table': case 'wide': {
      const { time, type, event: name, ...fields } = event;
      const rest = Object.entries(fields).map(([key, value]) => ` ${printable(key)}=${formatValue(value)}`).join('');
      return `${printable(time)}  ${printable(type).padEnd(9)}  ${printable(name)}${rest}\n`;
    }
  }
}

function formatValue(value: unknown): string {
  const text = printable(typeof value === 'string' ? value : JSON.stringify(value), 1000);
  return typeof value !== 'string' || /^[^\s"=]+$/.test(text) ? text : `"${text.replaceAll('"', '\\"')}"`;
}

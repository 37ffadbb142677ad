import { printable } from '../../net/printable.ts';
import { ApiTimeout, ApiUnreachable, callApi, type ApiTarget } from '../io/api-client.ts';
import type { ErrorReply, ListReply } from '../views/items.ts';
import { viewByNode } from '../views/by-node.ts';
import { formatReply } from '../views/output.ts';
import type { View } from '../views/view.ts';
import { CommandError, defaultSocket, print, say, status, type GlobalOptions } from './global.ts';

/** Where the daemon is asked. */
export async function targetOf(options: GlobalOptions): Promise<ApiTarget> {
  return { socket: options.socket ?? (await configuredSocket(options)) ?? defaultSocket, timeoutMs: options.timeoutMs };
}

/** `api.socket` of a file that was named on purpose. The default file is not read for that: members of the socket's group need not be able to. */
async function configuredSocket(options: GlobalOptions): Promise<string | undefined> {
  if (options.config === undefined) return undefined;
  const { loadConfig } = await import('../../config/io/load.ts');
  const { config } = loadConfig(options.config, { environment: process.env });
  if (config === undefined) say(options, `landfall: ${options.config} cannot be used (landfall config check says why); asking on ${defaultSocket}`);
  return config?.api.socket;
}

/**
 * Asks the daemon. @param query left-out values are not sent.
 * @throws CommandError
 */
export async function ask(
  options: GlobalOptions,
  path: string,
  query: Readonly<Record<string, string | number | undefined>> = {},
  body?: unknown,
): Promise<ListReply<unknown>> {
  if (options.nodes !== undefined) return (await import('./nodes.ts')).askNodes(options, `${path}${queryText(query)}`);
  const target = await targetOf(options);
  const started = process.hrtime.bigint();
  const reply = await callApi(target, `${path}${queryText(query)}`, body).catch((error: unknown) => {
    throw commandError(error);
  });
  if (options.verbose) say(options, `${target.socket} ${path}: ${Number((process.hrtime.bigint() - started) / 1000n) / 1000} ms`);
  if ('error' in reply) throw replyError(reply);
  return reply;
}

/** `?a=1&b=2`, or nothing. */
export function queryText(query: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]]));
  return given.length === 0 ? '' : `?${new URLSearchParams(given as [string, string][]).toString()}`;
}

/** What the daemon refused, as the end of the command. */
export function replyError(reply: ErrorReply): CommandError {
  return new CommandError(reply.error.code === 'badRequest' ? status.usage : status.failed, printable(reply.error.message, 1000));
}

/** What went wrong on the way to the daemon, as the end of the command. */
export function commandError(error: unknown): unknown {
  if (error instanceof ApiUnreachable) return new CommandError(status.unreachable, error.message);
  if (error instanceof ApiTimeout) return new CommandError(status.timeout, error.message);
  return error;
}

/** Prints a reply in the format asked for, and on standard error that there is nothing, where there is nothing. */
export async function printReply<Item, Row>(options: GlobalOptions, reply: ListReply<Item>, view: View<Item, Row>): Promise<void> {
  const toYaml = options.output === 'yaml' ? (await import('../../config/yaml-text.ts')).toYaml : neverYaml;
  const style = { format: options.output, headers: options.headers, color: options.color, toYaml };
  print(options.nodes === 'all' ? formatReply(reply as ListReply<never>, viewByNode(view as View<object, Row>), style) : formatReply(reply, view, style));
  const { total = 0 } = reply as { readonly total?: number };
  if (total > reply.items.length && options.nodes !== 'all') say(options, `${total - reply.items.length} more are not shown; ask on the node itself`);
  if (reply.items.length === 0) say(options, view.none);
}

function neverYaml(): never {
  throw new TypeError('the YAML writer was not loaded');
}

/** Does it once, or with `-w` again and again until a signal ends the process: then a daemon that is away is only told. */
export async function repeat(options: GlobalOptions, once: () => Promise<number>): Promise<number> {
  const { watchSeconds } = options;
  if (watchSeconds === undefined) return once();
  for (;;) {
    if (process.stdout.isTTY) print('\x1b[H\x1b[2J');
    try {
      await once();
    } catch (error) {
      if (!(error instanceof CommandError) || (error.status !== status.unreachable && error.status !== status.timeout)) throw error;
      say(options, `landfall: ${error.message}`);
    }
    await new Promise((resolve) => setTimeout(resolve, watchSeconds * 1000));
  }
}

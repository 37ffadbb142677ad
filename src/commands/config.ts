import { hostname } from 'node:os';
import type { Config } from '../../config/config.ts';
import { formatError, type ConfigError } from '../../config/errors.ts';
import type { Platform } from '../../config/host-facts.ts';
import { inspectHost } from '../../config/io/host.ts';
import { loadConfig, loadText, readStandardInput } from '../../config/io/load.ts';
import { makeJsonSchema } from '../../config/json-schema.ts';
import { makeStarter } from '../../config/starter.ts';

/** Where a command writes; left out, the process's own. Data to `stdout`, words to `stderr`. */
export interface Streams {
  readonly stdout?: { write(text: string): unknown };
  readonly stderr?: { write(text: string): unknown };
  readonly quiet?: boolean;
}

export interface CheckOptions extends Streams {
  /** `-`: standard input. */
  readonly file: string;
  /** `json` and `jsonl`: one object; `yaml`: the same; anything else: a line for each finding. */
  readonly output?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly hostName?: string;
}

/** `config check`: every error and warning at once. @returns the exit status: 0 (also with warnings) or 3. */
export async function configCheck(options: CheckOptions): Promise<number> {
  const { file, output = 'table', stdout = process.stdout, stderr = process.stderr } = options;
  const load = { environment: options.environment ?? process.env, ...(options.hostName === undefined ? {} : { hostName: options.hostName }) };
  const { config, errors, warnings } = file === '-' ? checkStandardInput(load) : loadConfig(file, load);
  if (output === 'json' || output === 'jsonl' || output === 'yaml') {
    const reply = {
      apiVersion: 'landfall/v1', kind: 'ConfigCheck', node: config?.node.name ?? options.hostName ?? hostname(), time: new Date().toISOString(),
      items: [{ file, valid: config !== undefined, errors, warnings }],
    };
    stdout.write(output === 'yaml' ? (await import('../../config/yaml-text.ts')).toYaml(reply) : `${JSON.stringify(reply, undefined, output === 'json' ? 2 : undefined)}\n`);
  } else {
    for (const error of errors) stderr.write(`${formatError(error, file)}\n`);
    for (const warning of warnings) stderr.write(`${formatError({ ...warning, message: `warning: ${warning.message}` }, file)}\n`);
    if (config !== undefined && options.quiet !== true) stdout.write(`${file} is valid: ${summarize(config)}${counted(warnings, 'warning')}\n`);
    else if (config === undefined && options.quiet !== true) stderr.write(`${file} is not valid: ${errors.length} error${errors.length === 1 ? '' : 's'}${counted(warnings, 'warning')}\n`);
  }
  await flush();
  return config === undefined ? 3 : 0;
}

/** A pipe takes 64 KiB at a time: waits until it has taken all, for the process may end after the command. */
async function flush(): Promise<void> {
  while (process.stdout.writableLength > 0 && !process.stdout.destroyed) await new Promise((resolve) => setTimeout(resolve, 1));
}

function checkStandardInput(load: Parameters<typeof loadText>[2]): ReturnType<typeof loadText> {
  const read = readStandardInput();
  if ('problem' in read) return { errors: [{ path: '', line: 0, column: 0, message: read.problem, file: '-' }], warnings: [] };
  return loadText(read.text, '-', load);
}

function summarize({ node, bgp, watch, identity }: Config): string {
  const bridges = watch.map(({ bridge }) => bridge).join(', ');
  return `on ${node.name} AS ${bgp.asn} with ${bgp.peers.length} peer${bgp.peers.length === 1 ? '' : 's'}, watching ${bridges}, ${identity.bindings.length} binding${identity.bindings.length === 1 ? '' : 's'} (${identity.mode})`;
}

function counted(list: readonly ConfigError[], noun: string): string {
  return list.length === 0 ? '' : `; ${list.length} ${noun}${list.length === 1 ? '' : 's'}`;
}

/** `config schema`: the JSON Schema, for editors and other checkers. */
export async function configSchema({ stdout = process.stdout }: Streams = {}): Promise<number> {
  stdout.write(`${JSON.stringify(makeJsonSchema(), undefined, 2)}\n`);
  await flush();
  return 0;
}

/** `config init`: a commented starter file, from what is found on this host. */
export async function configInit(options: Streams & { readonly platform?: Platform } = {}): Promise<number> {
  (options.stdout ?? process.stdout).write(makeStarter(inspectHost(), options.platform));
  await flush();
  return 0;
}

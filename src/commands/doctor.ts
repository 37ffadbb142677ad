import { hostname } from 'node:os';
import type { Config } from '../../config/config.ts';
import { formatErrors } from '../../config/errors.ts';
import { loadConfig } from '../../config/io/load.ts';
import { examineHost } from '../doctor/examine-host.ts';
import { fail, skip, type Finding } from '../doctor/finding.ts';
import { untold } from '../doctor/told-once.ts';
import { readHostState } from '../io/host-checks.ts';
import { findingsView } from '../views/findings.ts';
import type { DoctorItem, FindingItem, ListReply } from '../views/items.ts';
import { ask, printReply, repeat } from './ask.ts';
import { runCanary } from './canary.ts';
import { CommandError, defaultConfigFile, status, type GlobalOptions } from './global.ts';

export interface DoctorOptions {
  /** Warnings fail too. */
  readonly strict?: true;
  readonly canary?: string;
  /** How long the canary is announced at most, in milliseconds. */
  readonly for?: number;
}

/**
 * `doctor`: all checks, with what the daemon knows where it answers, else with the configuration file and this host alone.
 * @returns 1 when something failed, or with `--strict` when something is doubtful
 */
export function doctor(options: GlobalOptions, own: DoctorOptions): Promise<number> {
  if (own.canary !== undefined) return runCanary(options, own.canary, own.for);
  return repeat(options, async () => {
    const { node, findings } = await examine(options);
    const reply: ListReply<FindingItem> = { apiVersion: 'landfall/v1', kind: 'FindingList', node, time: new Date().toISOString(), items: findings };
    await printReply(options, reply, findingsView(options.color));
    return findings.some(({ result }) => result === 'fail' || (own.strict === true && result === 'warn')) ? status.failed : 0;
  });
}

/** `node`: its name in the configuration, or that of the host where there is none to read. */
async function examine(options: GlobalOptions): Promise<{ readonly node: string; readonly findings: Finding[] }> {
  const daemon = await askDaemon(options);
  if ('config' in daemon) {
    const found = examineHost(await readHostState(daemon.config), daemon.config, daemon);
    return { node: daemon.config.node.name, findings: [...found, ...untold(daemon.findings, found)] };
  }
  const { config, findings } = readConfig(options);
  return {
    node: config?.node.name ?? hostname(),
    findings: [...findings, skip('daemon', `${daemon.why}; what only it knows is not checked`), ...(config === undefined ? [] : examineHost(await readHostState(config), config, undefined))],
  };
}

/** Without a daemon that answers there is less to say, and the rest is said all the same. */
async function askDaemon(options: GlobalOptions): Promise<DoctorItem | { readonly why: string }> {
  try {
    const [item] = (await ask(options, '/v1/doctor')).items as DoctorItem[];
    return item ?? { why: 'the daemon gives no answer' };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { why: error.message };
  }
}

function readConfig(options: GlobalOptions): { readonly config?: Config; readonly findings: Finding[] } {
  const file = options.config ?? defaultConfigFile;
  const { config, errors, warnings } = loadConfig(file, { environment: process.env });
  const findings = [
    ...errors.map((error): Finding => fail('config', formatErrors([error]), `landfall config check ${file}`)),
    ...warnings.map((warning): Finding => ({ result: 'warn', topic: 'config', text: formatErrors([warning]) })),
  ];
  if (config !== undefined && findings.length === 0) findings.push({ result: 'ok', topic: 'config', text: `${file} is valid` });
  return { ...(config === undefined ? {} : { config }), findings };
}

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import packageJson from '#package' with { type: 'json' };
import { formatErrors } from '../../config/errors.ts';
import { loadConfig } from '../../config/io/load.ts';
import { callApi, streamApi } from '../io/api-client.ts';
import { redact, secretsOf, secretsOfEnvironment } from '../io/redact.ts';
import { recentLog, systemFacts } from '../io/system-facts.ts';
import { makeTar } from '../io/tar.ts';
import { recordingFile, recordingLimit } from '../replay/io/recorder.ts';
import { targetOf } from './ask.ts';
import { CommandError, defaultConfigFile, print, say, status, type GlobalOptions } from './global.ts';

export interface BundleOptions {
  /** Where the archive goes; `-` is standard output. */
  readonly out?: string;
  /** The folder of a recording, where the daemon does not say it. */
  readonly recording?: string;
}

const questions = ['status', 'peers', 'prefixes', 'received', 'migrations', 'ignored', 'bindings', 'config'];
const logLines = 5000;

/** `debug bundle`: one archive for a bug report. What can't be had is named in it; without a daemon it holds what the host knows. */
export async function debugBundle(options: GlobalOptions, own: BundleOptions): Promise<number> {
  const missing: string[] = [];
  const texts = new Map<string, string>();
  texts.set('version.txt', `landfall ${packageJson.version}, Node ${process.version}\n`);
  texts.set('system.json', `${JSON.stringify(systemFacts(), undefined, 2)}\n`);
  texts.set('log.txt', recentLog(logLines));
  const recordingFolder = (await askDaemon(options, texts, missing)) ?? own.recording;
  const file = options.config ?? defaultConfigFile;
  const { config, errors, warnings } = loadConfig(file, { environment: process.env, keys: 'not needed' });
  texts.set('config-check.txt', errors.length + warnings.length === 0 ? `${file}: fine\n` : `${formatErrors([...errors, ...warnings])}\n`);
  if (recordingFolder !== undefined) addRecording(own.recording ?? recordingFolder, texts, missing);
  texts.set('MISSING.txt', missing.length === 0 ? 'nothing\n' : `${missing.join('\n')}\n`);
  // The daemon may run with another file than the one that is the default here.
  const secrets = [...secretsOf(config), ...secretsOf(JSON.parse(texts.get('config.json') ?? 'null')), ...secretsOfEnvironment(process.env)];
  const now = new Date();
  const node = nodeOf(texts) ?? config?.node.name ?? hostname();
  const name = `landfall-bundle-${node.replace(/[^\w.-]/g, '_')}-${now.toISOString().slice(0, 19).replace(/[-:]/g, '')}`;
  const files = [...texts].map(([path, text]) => ({ path: `${name}/${path}`, bytes: Buffer.from(redact(text, secrets)) }));
  const archive = gzipSync(makeTar(files, Math.floor(now.getTime() / 1000)));
  const out = own.out ?? `${name}.tar.gz`;
  if (out === '-') {
    process.stdout.write(archive);
    return 0;
  }
  try {
    writeFileSync(out, archive, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new CommandError(status.failed, `${out} can't be written: ${(error as Error).message}`);
  }
  for (const line of missing) say(options, `landfall: not in it: ${line}`);
  say(options, 'Passwords and keys are removed; names, addresses and MACs of VMs are in it. Look before you send it.');
  print(`${out}\n`);
  return 0;
}

/** What the daemon knows, if there is one. @returns the folder in which it records */
async function askDaemon(options: GlobalOptions, texts: Map<string, string>, missing: string[]): Promise<string | undefined> {
  let recording: string | undefined;
  const target = await targetOf(options);
  try {
    for (const question of questions) {
      const reply = await callApi(target, `/v1/${question}`);
      texts.set(`${question}.json`, `${JSON.stringify(reply, undefined, 2)}\n`);
      if (question === 'status' && 'items' in reply) recording = (reply.items[0] as { readonly recording?: string } | undefined)?.recording;
    }
    let events = '';
    await streamApi(target, '/v1/events?recent=1000&follow=false', (event) => { events += `${JSON.stringify(event)}\n`; });
    texts.set('events.jsonl', events);
  } catch (error) {
    missing.push(`what the daemon knows: ${(error as Error).message}`);
  }
  return recording;
}

/** The node's name as the daemon tells it. */
function nodeOf(texts: ReadonlyMap<string, string>): string | undefined {
  const { node } = JSON.parse(texts.get('status.json') ?? '{}') as { readonly node?: unknown };
  return typeof node === 'string' && node !== '' ? node : undefined;
}

function addRecording(folder: string, texts: Map<string, string>, missing: string[]): void {
  const path = join(folder, recordingFile);
  try {
    if (statSync(path).size > recordingLimit * 2) throw new Error('it is too large');
    texts.set(`recording/${recordingFile}`, readFileSync(path, 'utf8'));
  } catch (error) {
    missing.push(`the recording in ${folder}: ${(error as Error).message}`);
  }
}

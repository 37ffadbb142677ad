import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { BootFacts, Memory } from '../../routes/memory.ts';
import { parseMemory } from '../../routes/memory-text.ts';
import type { Log } from '../log.ts';
import { keepStateFile, readStateFile, setAside, type StateFile } from './state-file.ts';

/** Taken where its folder is there and can be written to; a speaker run by hand has none. */
export const defaultStateFile = '/var/lib/landfall/state.json';

export interface StateOptions {
  /** `state.file`; undefined: the default place, if it can be used. */
  readonly file: string | undefined;
  readonly node: string;
  readonly content: (bootId: string, final: boolean) => Iterable<string>;
  readonly log: Log;
  /** For the operator, also in `status`. */
  readonly warn: (text: string) => void;
}

export interface State extends Pick<StateFile, 'changed' | 'saveFinal' | 'close'> {
  /** Left out: nothing is kept. */
  readonly file?: string;
  /** Why the last write failed, as a sentence; undefined once one has worked again. */
  readonly problem: () => string | undefined;
  readonly restored: { readonly memory?: Memory; readonly boot: BootFacts };
}

/** Reads what the life before left behind, and keeps what this one will leave. Nothing about the file is fatal; each trouble is told once. */
export function openState({ file, node, content, log, warn }: StateOptions): State {
  const boot = bootFacts();
  const path = file ?? defaultStateFile;
  if (file === undefined && !isWritable(dirname(path))) {
    log.write('info', 'state.failed', { file: path, text: 'no folder for the state file that can be written to: a restart remembers nothing' });
    return { restored: { boot }, problem: () => undefined, changed: () => undefined, saveFinal: () => undefined, close: () => undefined };
  }
  const memory = recall(path, node, (text) => {
    const aside = setAside(path);
    warn(`state file ${path} is not used: ${text}; ${aside === undefined ? 'it stays where it is' : `it is now ${aside}`}`);
    log.write('warn', 'state.refused', { file: path, text, ...(aside === undefined ? {} : { aside }) });
  });
  let problem: string | undefined;
  const keeper = keepStateFile({
    path,
    content: (final) => content(boot.id, final),
    onError: (error) => {
      problem = `state file ${path} cannot be written (${error}): all goes on, and a restart will not know of what changed since`;
      log.write('warn', 'state.failed', { file: path, text: error });
    },
    onRecovered: () => {
      problem = undefined;
      log.write('info', 'state.recovered', { file: path });
    },
  });
  keeper.changed(); // also to learn at once whether it can be written
  return { file: path, problem: () => problem, restored: { ...(memory === undefined ? {} : { memory }), boot }, ...keeper };
}

function recall(path: string, node: string, refuse: (text: string) => void): Memory | undefined {
  const read = readStateFile(path);
  if ('missing' in read) return undefined;
  const parsed = 'problem' in read ? read : parseMemory(read.text);
  if ('problem' in parsed) return void refuse(parsed.problem);
  if (parsed.memory.node !== node) return void refuse(`it is of node ${parsed.memory.node}`);
  return parsed.memory;
}

function bootFacts(): BootFacts {
  try {
    return {
      id: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
      uptimeSeconds: Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]),
    };
  } catch {
    return { id: '', uptimeSeconds: 0 };
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

import type { Config } from '../../config/config.ts';
import type { Now } from '../../net/time.ts';
import { formatHistoryLine, restoreHistory } from '../history.ts';
import { historyBeside, openHistory, readHistory, type HistoryFile } from '../io/history-file.ts';
import { openState, type State } from '../io/state.ts';
import type { Log } from '../log.ts';
import { memoryText } from '../restore.ts';
import type { World } from '../world.ts';

/** Files that outlive the process. Whatever is wrong with one of them, the daemon runs. */
export interface MemoryOptions {
  readonly config: Config;
  readonly world: World;
  readonly now: () => Now;
  readonly log: Log;
  readonly warn: (text: string) => void;
}

/** Takes up the migrations of earlier lives. @returns where lines of further ones go; undefined: nowhere */
export function openHistoryFile({ config, world, now, log, warn }: MemoryOptions): HistoryFile | undefined {
  const { keep, file: configured } = config.telemetry.history;
  const file = configured ?? historyBeside(config.state?.file);
  if (file === undefined) return undefined;
  let lines: string[] = [];
  try {
    lines = readHistory(file, keep);
    const skipped = restoreHistory(world.migrations, lines, now());
    if (skipped > 0) log.write('warn', 'daemon.warning', { text: `${skipped} lines of ${file} are no migrations of this version: left out` });
  } catch (error) {
    warn(`telemetry.history.file can't be read: ${(error as Error).message}; show migrations begins anew`);
  }
  const latest = (): string[] => world.migrations.all.slice(-keep).map((m) => `${formatHistoryLine(m)}\n`);
  return openHistory(file, keep, lines.length, latest, (error) => warn(`telemetry.history.file can't be written: ${error.message}; migrations are not kept over a restart`));
}

/** What the life before left behind; from then on what this one will leave is kept. */
export function openMemory({ config, world, now, log, warn }: MemoryOptions): State {
  return openState({
    file: config.state?.file, node: config.node.name, log: log.child({ room: 'src' }), warn,
    content: (bootId, final) => {
      world.now = now();
      return memoryText(world, bootId, final);
    },
  });
}
